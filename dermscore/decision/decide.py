"""Decide a request for power: who may ask, which program wins, what the assets can do, who does how much. Pure.

`decide(request, facts, policy, now)` is the one function behind preview, dispatch and audit. `facts` is everything
that the decision is taken on, so the same arguments always give the same decision, and `dermscore.replay` can take a
past one again under another policy. A request is granted, whole or in part with the shortfall and its causes in sight,
or declined with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import fsum, isfinite
from operator import attrgetter
from typing import Final

from dermscore.decision import words
from dermscore.decision.request import Aim, Decision, Declined, DeclineKind, Facts, Granted, Part, Request
from dermscore.dispatch import (
    Allocation,
    Bound,
    BoundSource,
    Control,
    Controls,
    Event,
    Excluded,
    Limit,
    Mode,
    Refused,
    Share,
    allocate,
    arbitrate,
    check_asset,
    envelope,
)
from dermscore.dispatch.check import unheard
from dermscore.dispatch.words import power
from dermscore.intent import Intent
from dermscore.model import Asset, Fleet, Measurement, Node, Now, Snapshot, ancestry
from dermscore.policy import Action, Denied, Policy, Program
from dermscore.policy.limits import ended
from dermscore.times import written

RELEASE_LEAST_MS: Final = 60_000
"""How long a release is delivered at least, to an agent that is away at the moment."""

_DUST_W: Final = 1e-3  # what the last digits of a sum can make of a bound, which is met and not broken then

_ACTIONS: Final = {Aim.TARGET: Action.DISPATCH, Aim.RELEASE: Action.RELEASE}


def decide(request: Request, facts: Facts, policy: Policy, now: Now) -> Decision:
    """Decide `request` on what is known at `now`, under `policy`.

    May they ask, who wins, what can be done, who does how much: in this order, and the first no ends it.

    Args:
        request: the wish. A node's target is shared by capacity, and what cannot be placed is told; one asset that is
            asked for by name is granted whole or not at all.
        facts: everything else that the decision rests on.
        policy: who may ask, the programs with their ranks and longest durations, and the limits that are kept.
        now: the moment. `mono_ms` serves `request.late_after_ms` alone.

    Returns:
        Granted, with a part for each asset, or Declined with the kind and the reason. Both name the policy.
    """
    outcome = _Deciding(request, replace(facts, snapshot=_as_asked(request, facts)), policy, now).outcome()
    return outcome if isinstance(outcome, Granted) else Declined(outcome.kind, outcome.reason, policy.digest)


def primacy_of(request: Request, policy: Policy) -> int:
    """The primacy at which a request stands: its program's, or the larger number that it asks for; 0 of no program."""
    program = policy.programs.get(request.program)
    base = program.primacy if program else 0
    return base if request.primacy is None else max(base, request.primacy)


def ruling(asset: Asset, fleet: Fleet, controls: Controls) -> Control | None:
    """What an asset obeys: of what stands at its own id and at every path above it, the highest-ranking."""
    return controls.governing((asset.id, "", *ancestry(fleet.path_of(asset))))


def taken_back(request: Request, facts: Facts) -> tuple[Intent, ...]:
    """The waiting intents that a release ends: those of its program at the node or below. They come back no more."""
    fleet = facts.snapshot.fleet
    node = fleet.node(request.node) if request.asset_id is None else None
    there = {request.asset_id} if node is None else {asset.id for asset in node.assets}
    return tuple(each for each in facts.waiting if each.program == request.program and each.asset_id in there)


def _as_asked(request: Request, facts: Facts) -> Snapshot:
    """What is known of the fleet, with what was asked of it and is not yet measured or reported.

    Else two requests shortly after another would each use what is left under a limit above them both.
    """
    snapshot = facts.snapshot
    given = {
        asset_id: _there(snapshot.measurements[asset_id], intent.asked_w)
        if asset_id in facts.as_asked and intent.asked_w is not None
        else _going(snapshot.measurements[asset_id], intent.asked_w, request.target_w or 0.0)
        for asset_id, intent in facts.holding.items()
        if asset_id in snapshot.measurements
    }
    return replace(snapshot, measurements={**snapshot.measurements, **given}) if given else snapshot


def _going(measurement: Measurement, asked_w: float | None, target_w: float) -> Measurement:
    """A measurement with the setpoint that its asset was given, and its power there where that is nearer a limit.

    Nearer in the direction of the target, since what is asked the other way cannot break a limit. What only produces or
    consumes has no power of its own to go to: a setpoint caps it.
    """
    if asked_w is None or measurement.soc_wh is None or target_w * (asked_w - measurement.power_w) <= 0:
        return measurement if measurement.setpoint_w == asked_w else replace(measurement, setpoint_w=asked_w)
    return replace(measurement, setpoint_w=asked_w, power_w=asked_w)


def _there(measurement: Measurement, asked_w: float) -> Measurement:
    """A measurement as it is once its asset is where it was told to go. A setpoint caps what has no charge, and what it
    is capped by there is to give still.
    """
    if measurement.soc_wh is not None:
        return replace(measurement, setpoint_w=asked_w, power_w=asked_w)
    measured_w = measurement.power_w
    power_w = min(measured_w, max(asked_w, 0.0)) if measured_w > 0 else max(measured_w, min(asked_w, 0.0))
    up_w = max(max(measurement.available_up_w, 0.0) + measured_w - power_w, 0.0)
    return replace(measurement, setpoint_w=asked_w, power_w=power_w, available_up_w=up_w)


@dataclass(frozen=True, slots=True)
class _No:
    kind: DeclineKind
    reason: str


@dataclass(frozen=True, slots=True)
class _Deciding:
    """One request being decided. Immutable."""

    request: Request
    facts: Facts
    policy: Policy
    now: Now

    def outcome(self) -> Granted | _No:
        request, program, tree = self.request, self._program, self._tree()
        if request.late_after_ms is not None and self.now.mono_ms > request.late_after_ms:
            return _No(DeclineKind.LATE, "it came too late to be carried out")
        if program is None or tree is None:
            return _No(DeclineKind.UNKNOWN, self._unknown())
        no = self._permission(tree, program) or self._duration(program)
        if no is not None:
            return no
        if request.aim is Aim.RELEASE:
            return self._release(tree)
        return self._one(tree.assets[0]) if request.asset_id else self._many(tree)

    # --- may it be? ---

    @property
    def _program(self) -> Program | None:
        return self.policy.programs.get(self.request.program)

    def _tree(self) -> Node | None:
        """The node asked for; of one asset, a node of its own with the asset's id in the place of a path."""
        request, fleet = self.request, self.facts.snapshot.fleet
        if request.asset_id is None:
            return fleet.node(request.node)
        asset = fleet.assets.get(request.asset_id)
        return None if asset is None else Node(asset.id, (asset,))

    def _unknown(self) -> str:
        request = self.request
        if self._program is None:
            return f"there is no program {request.program!r} in the policy"
        return (
            f"there is no asset {request.asset_id!r}"
            if request.asset_id
            else f"there is nothing at path {request.node!r}"
        )

    def _permission(self, tree: Node, program: Program) -> _No | None:
        request = self.request
        if request.stands:
            return None
        path = self._path_of(tree.assets[0]) if request.asset_id else request.node
        verdict = self.policy.authorize(request.who, _ACTIONS[request.aim], path, request.target_w, now=self.now)
        if isinstance(verdict, Denied):
            return _No(DeclineKind.DENIED, verdict.reason)
        if request.aim is Aim.RELEASE:
            return None  # what it holds, it may give back anywhere
        outside = program.refusal(path)
        return None if outside is None else _No(DeclineKind.DENIED, outside)

    def _duration(self, program: Program) -> _No | None:
        request = self.request
        if request.duration_s is None:
            return None
        if not (isfinite(request.duration_s) and request.duration_s > 0):
            return _No(DeclineKind.LIMITS, "the duration is not a number of seconds above 0")
        if request.duration_s > program.max_duration_s and not request.stands:
            most = f"program {program.name} allows {program.max_duration_s} s at most"
            return _No(DeclineKind.LIMITS, f"a duration of {request.duration_s:g} s is too long: {most}")
        return None

    def _outranked(self, ruling: Control | None) -> _No | None:
        if ruling is None or ruling.source == self.request.id:
            return None
        where = f" at {ruling.node or 'the whole fleet'}" if ruling.node != self.request.node else ""
        until = "" if ruling.until_ms is None else f" until {written(ruling.until_ms)}"
        return _No(DeclineKind.OUTRANKED, f"held{where} by {ruling}{until}")

    # --- a target ---

    def _one(self, asset: Asset) -> Granted | _No:
        """One asset by name: refused out of its limits, never clamped."""
        controls = self._arbitrated()
        no = self._outranked(self._ruling(asset, controls))
        if no is not None:
            return no
        wanted_w, snapshot = self._target_w, self.facts.snapshot
        measurement, connected = snapshot.measurements.get(asset.id), asset.id in snapshot.connected
        verdict = check_asset(asset, measurement, connected, wanted_w)
        if isinstance(verdict, Refused):
            reachable = connected and unheard(asset, measurement) is None
            return _No(DeclineKind.LIMITS if reachable else DeclineKind.UNREACHABLE, verdict.reason)
        bounds = self._bounds(asset, controls)
        if wanted_w == 0:  # always may be asked: what it breaks is told
            return self._by_name(asset, *(() if isinstance(bounds, Excluded) else words.broken_at_rest(asset, *bounds)))
        if isinstance(bounds, Excluded):
            return _No(DeclineKind.UNREACHABLE, bounds.detail)
        return self._barred(asset, *bounds) or self._by_name(asset)

    def _by_name(self, asset: Asset, *broken: str) -> Granted:
        w, said = self._target_w, "; ".join(broken)
        part = Part(asset.id, w, asset.reversion_w, w, False, "asked for by name")
        return self._granted((part,), self._end_ms, placed_w=w, shortfall_w=0.0, causes=broken, reason=said)

    def _bounds(self, asset: Asset, controls: Controls) -> tuple[Bound, Bound] | Excluded:
        """The least and the most power that the asset and all above it allow, or why it cannot be asked.

        A setpoint of a generator caps it, so what its sun or wind gives at the moment is no limit to what may be asked.
        """
        snapshot = self.facts.snapshot
        known, measurement = snapshot, snapshot.measurements.get(asset.id)
        if measurement is not None:
            unbounded = replace(measurement, available_up_w=max(asset.max_w - measurement.power_w, 0.0))
            known = replace(snapshot, measurements={**snapshot.measurements, asset.id: unbounded})
        each = envelope(Node(asset.id, (asset,)), known, controls, self._limits, self.now)
        if asset.id in each.excluded:
            return each.excluded[asset.id]
        own, above = each.bounds_of(asset.id), each.node
        by_power = attrgetter("w")
        return max(own.min, above.min, key=by_power), min(own.max, above.max, key=by_power)

    def _barred(self, asset: Asset, least: Bound, most: Bound) -> _No | None:
        """What stands against the power asked for."""
        wanted_w = self._target_w
        if wanted_w > max(most.w, 0.0) + _DUST_W:
            what = f"{power(wanted_w)} is more than {asset.name} may give, {power(max(most.w, 0.0))}: {most.detail}"
            return _No(DeclineKind.LIMITS, what)
        if wanted_w < min(least.w, 0.0) - _DUST_W:
            what = f"{power(-wanted_w)} is more than {asset.name} may take, {power(max(-least.w, 0.0))}: {least.detail}"
            return _No(DeclineKind.LIMITS, what)
        return None

    def _many(self, tree: Node) -> Granted | _No:
        """All below a node: split, clamped, the rest shared, and what cannot be placed said."""
        controls = self._arbitrated()
        no = self._outranked(controls.governing(("", *ancestry(tree.path)) if tree.path else ("",)))
        if no is not None:
            return no
        bounds = envelope(tree, self.facts.snapshot, controls, self._limits, self.now)
        allocation = allocate(self.facts.snapshot, tree, bounds, self._target_w)
        if isinstance(allocation, Refused):
            return _No(DeclineKind.LIMITS, allocation.reason)
        parts = tuple(_part(share, self._asset(share.asset_id)) for share in allocation.shares if not share.held)
        if not parts:
            return _No(DeclineKind.UNREACHABLE, words.nobody(allocation))
        return self._granted(
            parts + self._left_behind(allocation, controls),
            self._end_ms,
            placed_w=fsum(part.setpoint_w or 0.0 for part in parts),
            shortfall_w=allocation.shortfall_w,
            causes=(*(cause.detail for cause in allocation.causes), *map(words.exceeded, allocation.broken)),
        )

    def _left_behind(self, allocation: Allocation, controls: Controls) -> tuple[Part, ...]:
        """Releases for assets that cannot be asked now, but still carry out what this request supersedes.

        An agent that is away holds its part of an older dispatch; without this it would go on with that when it is
        back. What another program holds there is not superseded, and stays.
        """
        return tuple(
            Part.released(self._asset(excluded.asset_id), f"left out: {excluded.detail}")
            for excluded in allocation.excluded
            if excluded.source is not BoundSource.NO_SHARE
            and excluded.asset_id in self.facts.holding
            and self._is_ours(self._ruling(self._asset(excluded.asset_id), controls))
        )

    def _is_ours(self, ruling: Control | None) -> bool:
        return ruling is not None and ruling.source == self.request.id

    # --- a release ---

    def _release(self, tree: Node) -> Granted:
        """Give back what the request's program holds at or below the node, and what it waits for; what others hold is
        not touched.
        """
        program, holding = self.request.program, self.facts.holding
        controls = arbitrate(self.policy.programs, self.facts.standing, self.now)
        held = [asset for asset in tree.assets if self._holds(asset) or self._strays(asset, controls)]
        waited = dict.fromkeys(each.dispatch_id for each in taken_back(self.request, self.facts))
        reason = f"what waited there is taken back: dispatch {', '.join(waited)}" if waited else ""
        if not held:
            reason = reason or f"program {program} holds nothing there"
            return self._granted((), self.now.utc_ms, reason=reason)
        ends_ms = [holding[asset.id].expires_ms for asset in held if asset.id in holding]
        parts = tuple(Part.released(asset, f"released by {program}") for asset in held)
        return self._granted(parts, max([*ends_ms, self.now.utc_ms + RELEASE_LEAST_MS]), reason=reason)

    def _holds(self, asset: Asset) -> bool:
        """Whether the program holds the asset. Its releases count until they are through: a second repeats them."""
        intent = self.facts.holding.get(asset.id)
        return intent is not None and intent.program == self.request.program

    def _strays(self, asset: Asset, controls: Controls) -> bool:
        """Whether a connected asset has a setpoint that no intent gave it, and no other program rules it.

        Such as one whose agent would not take the last intent and went on with the one before.
        """
        if asset.id in self.facts.holding or asset.id not in self.facts.snapshot.connected:
            return False
        measurement = self.facts.snapshot.measurements.get(asset.id)
        setpoint_w = None if measurement is None else measurement.setpoint_w
        if setpoint_w is None or setpoint_w == asset.reversion_w:
            return False
        ruling = self._ruling(asset, controls)
        return ruling is None or ruling.is_default or ruling.program == self.request.program

    # --- what several share ---

    def _arbitrated(self) -> Controls:
        """What stands with the request among it, at its place in the order."""
        return arbitrate(self.policy.programs, [*self.facts.standing, self._event()], self.now)

    def _event(self) -> Event:
        return Event(
            id=self.request.id,
            node=self.request.node,
            program=self.request.program,
            issued_ms=self.facts.order_ms,
            starts_ms=self.now.utc_ms,
            ends_ms=self._end_ms,
            controls={Mode.TARGET_W: self.request.target_w},
            primacy=primacy_of(self.request, self.policy),
            known_ms=self.now.utc_ms,
        )

    def _ruling(self, asset: Asset, controls: Controls) -> Control | None:
        return ruling(asset, self.facts.snapshot.fleet, controls)

    @property
    def _limits(self) -> tuple[Limit, ...]:
        return self.policy.limits_at(self.now, ended(self.facts.standing, self.now))

    @property
    def _target_w(self) -> float:
        assert self.request.target_w is not None
        return self.request.target_w

    @property
    def _end_ms(self) -> int:
        program, duration_s = self._program, self.request.duration_s
        assert program is not None
        return self.now.utc_ms + round((program.max_duration_s if duration_s is None else duration_s) * 1000)

    def _asset(self, asset_id: str) -> Asset:
        return self.facts.snapshot.fleet.assets[asset_id]

    def _path_of(self, asset: Asset) -> str:
        return self.facts.snapshot.fleet.path_of(asset)

    def _granted(
        self,
        parts: tuple[Part, ...],
        ends_ms: int,
        *,
        placed_w: float | None = None,
        shortfall_w: float | None = None,
        causes: tuple[str, ...] = (),
        reason: str = "",
    ) -> Granted:
        return Granted(parts, ends_ms, self.policy.digest, placed_w, shortfall_w, causes, reason)


def _part(share: Share, asset: Asset) -> Part:
    return Part(asset.id, share.setpoint_w, asset.reversion_w, share.raw_w, share.clamped, share.cause)
