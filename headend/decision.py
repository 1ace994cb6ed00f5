"""What to do with a request: one pure function. Nothing is stored, sent or read here; `decide` says what should be.

Who may, then which program wins, then what the assets can do, then who does how much. A request is taken whole, or in
part with the shortfall and its causes in sight, or declined with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import fsum, isfinite
from typing import Final

from dermscore.dispatch import (
    Allocation,
    BoundSource,
    Control,
    Controls,
    Event,
    Refused,
    allocate,
    arbitrate,
    check_asset,
    envelope,
    modes,
)
from dermscore.dispatch.check import unheard
from dermscore.intent import IntentState
from dermscore.model import Asset, Node, Now, Snapshot, ancestry
from dermscore.policy import Action, Denied, Policy, Principal, Program
from headend.records import Dispatch, Draft, Mode, Placed
from headend.times import written

RELEASE_LEAST_MS: Final = 60_000
"""How long a release is delivered at least, to an agent that is away at the moment."""

_ACTIONS: Final = {Mode.TARGET: Action.DISPATCH, Mode.RELEASE: Action.RELEASE}


class Kind(StrEnum):
    """Why a request is declined, for the caller who must know what to do about it."""

    UNKNOWN = "unknown"  # there is no such asset or path
    DENIED = "denied"  # policy says no
    OUTRANKED = "outranked"  # another program holds it
    LIMITS = "limits"  # the asset cannot, or the duration is beyond what the program allows
    UNREACHABLE = "unreachable"  # nothing there can be asked now
    STORE = "store"  # it could not be made durable
    LATE = "late"  # it waited somewhere for so long that its sender no longer counts on it
    ID_TAKEN = "id taken"  # somebody else's dispatch has this id


@dataclass(frozen=True, slots=True)
class Ask:
    """A request. `node` is a tree path, or the asset's id where `asset_id` names one. `target_w` is a target's alone.

    `duration_s` None is "until changed", which the program's maximum bounds. `primacy` None is the program's; a
    larger number lowers it, a smaller one cannot raise it. `late_after_ms` is the last moment of our monotonic clock at
    which it may still be carried out, None where it cannot have waited unseen.
    """

    id: str
    who: Principal
    node: str
    asset_id: str | None
    mode: Mode
    target_w: float | None
    duration_s: float | None
    program: str
    primacy: int | None = None
    late_after_ms: int | None = None


@dataclass(frozen=True, slots=True)
class View:
    """What a decision is taken on. `order_ms` is later than any standing event's, so that the request is the newest."""

    policy: Policy
    snapshot: Snapshot
    standing: Sequence[Event]
    holding: Mapping[str, Placed]
    order_ms: int


@dataclass(frozen=True, slots=True)
class Decided:
    """It is to be done: the dispatch to be stored and each asset's part. A shortfall makes it partial."""

    dispatch: Dispatch
    drafts: tuple[Draft, ...]


@dataclass(frozen=True, slots=True)
class Declined:
    """It is not to be done. `dispatch` is the refusal as a record, for those who look back."""

    kind: Kind
    reason: str
    dispatch: Dispatch


@dataclass(frozen=True, slots=True)
class _No:
    kind: Kind
    reason: str


def decide(ask: Ask, view: View, now: Now) -> Decided | Declined:
    """Decide a request on what is known at `now`."""
    if ask.late_after_ms is not None and now.mono_ms > ask.late_after_ms:
        return declined(ask, view, now, Kind.LATE, "it came too late to be carried out")
    program = view.policy.programs.get(ask.program)
    tree = _tree(ask, view.snapshot)
    if program is None or tree is None:
        return declined(ask, view, now, Kind.UNKNOWN, _unknown(ask, program))
    no = _permission(ask, view, tree, now) or _duration(ask, program)
    if no is not None:
        return declined(ask, view, now, no.kind, no.reason)
    if ask.mode is Mode.RELEASE:
        return _release(ask, view, tree, now)
    outcome = _one(ask, view, tree, now) if ask.asset_id else _many(ask, view, tree, now)
    return declined(ask, view, now, outcome.kind, outcome.reason) if isinstance(outcome, _No) else outcome


def declined(ask: Ask, view: View, now: Now, kind: Kind, reason: str) -> Declined:
    """The refusal of a request, as a value and as a record."""
    dispatch = _dispatch(ask, view, now, expires_ms=now.utc_ms, state=IntentState.REFUSED, reason=reason)
    return Declined(kind, reason, dispatch)


# --- may it be? ------------------------------------------------------------------------------------------------------


def _tree(ask: Ask, snapshot: Snapshot) -> Node | None:
    """The node asked for; of one asset, a node of its own with the asset's id in the place of a path."""
    if ask.asset_id is None:
        return snapshot.fleet.node(ask.node)
    asset = snapshot.fleet.assets.get(ask.asset_id)
    return None if asset is None else Node(asset.id, (asset,))


def _unknown(ask: Ask, program: Program | None) -> str:
    if program is None:
        return f"there is no program {ask.program!r} in the policy"
    return f"there is no asset {ask.asset_id!r}" if ask.asset_id else f"there is nothing at path {ask.node!r}"


def _permission(ask: Ask, view: View, tree: Node, now: Now) -> _No | None:
    path = view.snapshot.fleet.path_of(tree.assets[0]) if ask.asset_id else ask.node
    verdict = view.policy.authorize(ask.who, _ACTIONS[ask.mode], path, ask.target_w, now=now)
    return _No(Kind.DENIED, verdict.reason) if isinstance(verdict, Denied) else None


def _duration(ask: Ask, program: Program) -> _No | None:
    if ask.target_w is not None and not isfinite(ask.target_w):
        return _No(Kind.LIMITS, "the power asked for is not a number")
    if ask.duration_s is None:
        return None
    if not (isfinite(ask.duration_s) and ask.duration_s > 0):
        return _No(Kind.LIMITS, "the duration is not a number of seconds above 0")
    if ask.duration_s > program.max_duration_s:
        most = f"program {program.name} allows {program.max_duration_s} s at most"
        return _No(Kind.LIMITS, f"a duration of {ask.duration_s:g} s is too long: {most}")
    return None


def _outranked(ask: Ask, control: Control | None) -> _No | None:
    if control is None or control.source == ask.id:
        return None
    where = f" at {control.node or 'the whole fleet'}" if control.node != ask.node else ""
    until = "" if control.until_ms is None else f" until {written(control.until_ms)}"
    return _No(Kind.OUTRANKED, f"held{where} by {control}{until}")


# --- a target --------------------------------------------------------------------------------------------------------


def _one(ask: Ask, view: View, tree: Node, now: Now) -> Decided | _No:
    """One asset by name: refused out of its limits, never clamped."""
    (asset,) = tree.assets
    no = _outranked(ask, _ruling(asset, arbitrate(view.policy.programs, _events(ask, view, now), now), view))
    if no is not None:
        return no
    assert ask.target_w is not None
    measurement = view.snapshot.measurements.get(asset.id)
    verdict = check_asset(asset, measurement, asset.id in view.snapshot.connected, ask.target_w)
    if isinstance(verdict, Refused):
        reachable = asset.id in view.snapshot.connected and unheard(asset, measurement) is None
        return _No(Kind.LIMITS if reachable else Kind.UNREACHABLE, verdict.reason)
    draft = Draft(asset.id, ask.target_w, asset.reversion_w, ask.target_w, False, "asked for by name")
    dispatch = _dispatch(ask, view, now, _end(ask, view, now), placed_w=ask.target_w, shortfall_w=0.0)
    return Decided(dispatch, (draft,))


def _many(ask: Ask, view: View, tree: Node, now: Now) -> Decided | _No:
    """All below a node: split, clamped, the rest shared, and what cannot be placed said."""
    controls = arbitrate(view.policy.programs, _events(ask, view, now), now)
    no = _outranked(ask, controls.governing(("", *ancestry(ask.node)) if ask.node else ("",)))
    if no is not None:
        return no
    assert ask.target_w is not None
    bounds = envelope(tree, view.snapshot, controls, (), now)
    allocation = allocate(view.snapshot, tree, bounds, ask.target_w)
    if isinstance(allocation, Refused):
        return _No(Kind.LIMITS, allocation.reason)
    drafts = _shares(allocation, tree)
    if not drafts:
        return _No(Kind.UNREACHABLE, _nobody(allocation))
    dispatch = _dispatch(
        ask,
        view,
        now,
        _end(ask, view, now),
        placed_w=fsum(draft.setpoint_w or 0.0 for draft in drafts),
        shortfall_w=allocation.shortfall_w,
        causes=tuple(cause.detail for cause in allocation.causes),
    )
    return Decided(dispatch, drafts + _left_behind(ask, allocation, controls, view, tree))


def _shares(allocation: Allocation, tree: Node) -> tuple[Draft, ...]:
    """What each asset is asked. One that a higher program holds counts in the sum, and is not asked anything."""
    assets = {asset.id: asset for asset in tree.assets}
    return tuple(
        Draft(
            share.asset_id,
            share.setpoint_w,
            assets[share.asset_id].reversion_w,
            share.raw_w,
            share.clamped,
            share.cause,
        )
        for share in allocation.shares
        if not share.held
    )


def _left_behind(ask: Ask, allocation: Allocation, controls: Controls, view: View, tree: Node) -> tuple[Draft, ...]:
    """Releases for assets that cannot be asked now, but still carry out what this dispatch supersedes.

    An agent that is away holds its part of an older dispatch; without this it would go on with that when it is back.
    What another program holds there is not superseded, and stays.
    """
    assets = {asset.id: asset for asset in tree.assets}
    return tuple(
        _released(assets[excluded.asset_id], f"left out: {excluded.detail}")
        for excluded in allocation.excluded
        if excluded.source is not BoundSource.NO_SHARE
        and excluded.asset_id in view.holding
        and _rules(ask, assets[excluded.asset_id], controls, view)
    )


def _rules(ask: Ask, asset: Asset, controls: Controls, view: View) -> bool:
    ruling = _ruling(asset, controls, view)
    return ruling is not None and ruling.source == ask.id


def _nobody(allocation: Allocation) -> str:
    details = [excluded.detail for excluded in allocation.excluded if excluded.source is not BoundSource.NO_SHARE]
    held = [cause.detail for cause in allocation.causes if cause.source is BoundSource.HELD]
    return "nothing there can be asked now: " + ("; ".join(held + details) or "no asset there has a share")


# --- a release -------------------------------------------------------------------------------------------------------


def _release(ask: Ask, view: View, tree: Node, now: Now) -> Decided:
    """Give back what the request's program holds at or below the node; what others hold is not touched."""
    controls = arbitrate(view.policy.programs, view.standing, now)
    held = [
        asset
        for asset in tree.assets
        if _holds(view.holding.get(asset.id), ask.program) or _strays(asset, ask, controls, view)
    ]
    if not held:
        reason = f"program {ask.program} holds nothing there"
        return Decided(_dispatch(ask, view, now, now.utc_ms, state=IntentState.COMPLETE, reason=reason), ())
    ends_ms = [view.holding[asset.id].intent.expires_ms for asset in held if asset.id in view.holding]
    dispatch = _dispatch(ask, view, now, max([*ends_ms, now.utc_ms + RELEASE_LEAST_MS]))
    return Decided(dispatch, tuple(_released(asset, f"released by {ask.program}") for asset in held))


def _holds(placed: Placed | None, program: str) -> bool:
    """Whether the program holds the asset. Its releases count too, until they are through: a second repeats them."""
    return placed is not None and placed.intent.program == program


def _strays(asset: Asset, ask: Ask, controls: Controls, view: View) -> bool:
    """Whether a connected asset has a setpoint that no intent gave it, and no other program rules it.

    Such as one whose agent would not take the last intent and went on with the one before.
    """
    if asset.id in view.holding or asset.id not in view.snapshot.connected:
        return False
    measurement = view.snapshot.measurements.get(asset.id)
    setpoint_w = None if measurement is None else measurement.setpoint_w
    if setpoint_w is None or setpoint_w == asset.reversion_w:
        return False
    ruling = _ruling(asset, controls, view)
    return ruling is None or ruling.program == ask.program


def _ruling(asset: Asset, controls: Controls, view: View) -> Control | None:
    """What the asset obeys, of its own and of all that stands above it."""
    return controls.governing((asset.id, "", *ancestry(view.snapshot.fleet.path_of(asset))))


def _released(asset: Asset, cause: str) -> Draft:
    return Draft(asset.id, None, asset.reversion_w, None, False, cause)


# --- what several share ----------------------------------------------------------------------------------------------


def _events(ask: Ask, view: View, now: Now) -> Iterable[Event]:
    """All that stands, and the request as the newest of them."""
    mine = Event(
        id=ask.id,
        node=ask.node,
        program=ask.program,
        issued_ms=view.order_ms,
        starts_ms=now.utc_ms,
        ends_ms=_end(ask, view, now),
        controls={modes.Mode.TARGET_W: ask.target_w},
        primacy=_primacy(ask, view),
        known_ms=now.utc_ms,
    )
    return [*view.standing, mine]


def _primacy(ask: Ask, view: View) -> int:
    program = view.policy.programs.get(ask.program)
    base = program.primacy if program else 0
    return base if ask.primacy is None else max(base, ask.primacy)


def _end(ask: Ask, view: View, now: Now) -> int:
    seconds = view.policy.programs[ask.program].max_duration_s if ask.duration_s is None else ask.duration_s
    return now.utc_ms + round(seconds * 1000)


def _dispatch(
    ask: Ask,
    view: View,
    now: Now,
    expires_ms: int,
    *,
    state: IntentState = IntentState.SUBMITTED,
    reason: str = "",
    placed_w: float | None = None,
    shortfall_w: float | None = None,
    causes: tuple[str, ...] = (),
) -> Dispatch:
    return Dispatch(
        id=ask.id,
        principal=ask.who.id,
        node=ask.node,
        asset_id=ask.asset_id,
        mode=ask.mode,
        target_w=ask.target_w,
        duration_s=None
        if state is IntentState.REFUSED and ask.duration_s is None
        else _duration_s(now, expires_ms, ask),
        program=ask.program,
        primacy=_primacy(ask, view),
        submitted_ms=view.order_ms,
        expires_ms=expires_ms,
        state=state,
        reason=reason,
        placed_w=placed_w,
        shortfall_w=shortfall_w,
        causes=causes,
        updated_ms=now.utc_ms,
    )


def _duration_s(now: Now, expires_ms: int, ask: Ask) -> float:
    return (expires_ms - now.utc_ms) / 1000 if ask.duration_s is None else ask.duration_s
