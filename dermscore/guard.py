"""The agent's safety: which intent an asset obeys, for how long, and what it does when nobody speaks.

A `Guard` is one asset's, frozen and pure: every event gives a new one. It uses the standard library only, so an edge
box needs nothing else. It lives in memory alone: after a restart it holds nothing (in doubt, an intent is expired), and
the headend sends again what is still in force.

What it never does: command outside the rating, obey an intent past its deadline, take an older one back, or let the
passing of time alone loosen anything. The story with its reasons is in docs/explanation/life-of-a-setpoint.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256
from math import isfinite
from typing import Self

from dermscore.intent import Intent, IntentState
from dermscore.model import Asset, Kind, Measurement, Now
from dermscore.quality import Validity

STAGGER_MS = 5_000
"""Fallbacks of a fleet begin at moments spread over this time, in ms."""

FALLBACK_S = 10.0
"""Where no node limit is given, a fallback crosses an asset's whole rating in this time, in s."""

LONGEST_RAMP_STEP_MS = 2_000
"""A ramp moves no further in one step than it may in this time: a loop that was stopped does not catch up in a leap."""

_SOC_TOLERANCE = 1e-9  # of capacity: a device that clamps at its bound is at its bound, whatever the rounding


class GuardState(StrEnum):
    """Whom the asset obeys."""

    FOLLOW = "follow"  # the headend is heard: what it asks, if anything
    CACHED = "cached"  # the headend is silent: what it asked last, until that ends
    FAILSAFE = "failsafe"  # nobody to obey, or not able to see: the reversion value
    LOCAL = "local"  # people at the site: we write nothing and take nothing
    LOCKED = "locked"  # an interlock: 0 W at once, and we take nothing


# The first row whose every condition holds gives the state; a condition not named does not matter.
STATES: tuple[tuple[dict[str, bool], GuardState], ...] = (
    ({"locked": True}, GuardState.LOCKED),
    ({"local": True}, GuardState.LOCAL),
    ({"sighted": False}, GuardState.FAILSAFE),
    ({"linked": True}, GuardState.FOLLOW),
    ({"holding": True}, GuardState.CACHED),
    ({}, GuardState.FAILSAFE),
)


@dataclass(frozen=True, slots=True)
class Taken:
    """The intent is held. `superseded` is the one whose place it took."""

    superseded: Intent | None = None


@dataclass(frozen=True, slots=True)
class Dropped:
    """The intent is not held. `reason` begins with its kind: stale, duplicate, past epoch, expired, refused.

    `outcome` is what to report of it (EXPIRED or REFUSED), None where a report would say nothing new. `superseded` is
    the intent that its coming ended all the same (see `Guard.receive`).
    """

    reason: str
    outcome: IntentState | None = None
    superseded: Intent | None = None


Verdict = Taken | Dropped


@dataclass(frozen=True, slots=True)
class Command:
    """What to write to the device now.

    `setpoint_w` is in W within the rating; None leaves the device to what it does of itself. Where `write` is false the
    device must not be written at all, its dead-man timer included. `ended` is the intent whose deadline passed in this
    step.
    """

    setpoint_w: float | None
    state: GuardState
    reason: str
    write: bool = True
    ended: Intent | None = None


@dataclass(frozen=True, slots=True)
class Fallback:
    """How one asset goes back to its reversion value: after `delay_ms`, then at no more than `ramp_w_per_s` (> 0)."""

    delay_ms: int
    ramp_w_per_s: float

    @classmethod
    def of(
        cls,
        asset: Asset,
        node: Sequence[Asset] = (),
        node_ramp_w_per_s: float | None = None,
        stagger_ms: int = STAGGER_MS,
        seed: str = "",
    ) -> Self:
        """An asset's own fallback: the delay drawn from (`seed`, asset id), the same at every start.

        With `node_ramp_w_per_s` the asset gets the part of the node's ramp limit that its rating is of the `node` (all
        the assets that share the limit, itself among them), so that however they fall together the node keeps its
        limit.

        Raises:
            ValueError: the node's ramp is not above 0.
        """
        digest = sha256(f"{seed}:{asset.id}".encode()).digest()
        delay_ms = int.from_bytes(digest[:8], "big") * stagger_ms >> 64
        own = _rating_w(asset) / FALLBACK_S
        if node_ramp_w_per_s is None:
            return cls(delay_ms, own)
        if not node_ramp_w_per_s > 0:
            raise ValueError(f"a node's fallback ramp of {node_ramp_w_per_s} W/s would never end: it must be above 0")
        total_w = sum(_rating_w(member) for member in node) or 1.0
        return cls(delay_ms, min(own, node_ramp_w_per_s * _rating_w(asset) / total_w))


@dataclass(frozen=True, slots=True)
class Guard:
    """One asset's guard. Made by `Guard.new`; every method gives a new one.

    `epoch` and `revision` are the newest ever seen (revision 0: none), which is what Register tells the headend. `held`
    is the intent in force and `deadline_ms` its end in monotonic ms.
    """

    asset: Asset
    fallback: Fallback
    epoch: str = ""
    revision: int = 0
    past_epochs: frozenset[str] = frozenset()
    held: Intent | None = None
    deadline_ms: int = 0
    reversion_w: float | None = None
    linked: bool = False
    link_since_ms: int | None = None
    is_local: bool = False
    locked: str | None = None
    last_w: float | None = None
    last_ms: int | None = None
    returning_since_ms: int | None = None

    @classmethod
    def new(cls, asset: Asset, fallback: Fallback | None = None) -> Self:
        """A guard that holds nothing, as after every start."""
        return cls(asset, fallback or Fallback.of(asset), reversion_w=asset.reversion_w)

    def receive(self, intent: Intent, now: Now, clock_offset_ms: int) -> tuple[Self, Verdict]:
        """Take an intent or drop it with the reason.

        `clock_offset_ms` is the headend's UTC less `now.utc_ms` (see `offset_ms`); it is used here, once, to turn
        the intent's end into a monotonic deadline, and never again.

        An intent of another asset changes nothing, nor does one whose revision is not above the newest seen of its
        epoch. A new epoch (the store was made anew) supersedes whatever is held, and the epoch left never comes back. A
        newer intent that has ended before it came is not obeyed, but what it superseded is over too: both have ended,
        so the asset goes to the reversion value. So it is with a newer intent that cannot be obeyed: the headend ended
        the older one when it stored this one, so to obey it further would be to obey nobody. The way back is then to
        the asset's own reversion value, for nothing that a refused intent says is believed.
        """
        dropped = self._out_of_order(intent)
        if dropped is not None:
            return self, dropped
        seen = self._seen(intent)
        superseded = self.held
        refusal = seen._refusal(intent)
        if refusal is not None:
            return seen._let_fall(superseded), Dropped(f"refused: {refusal}", IntentState.REFUSED, superseded)
        left_ms = min(intent.expires_ms - now.utc_ms - clock_offset_ms, intent.expires_ms - intent.issued_ms)
        if left_ms <= 0:
            ended = replace(seen, held=None, reversion_w=seen._resolve(intent.reversion_w))
            return ended, Dropped(f"expired: it ended {-left_ms} ms before it came", IntentState.EXPIRED, superseded)
        taken = replace(
            seen,
            held=intent,
            deadline_ms=now.mono_ms + left_ms,
            reversion_w=seen._resolve(intent.reversion_w),
        )
        return taken, Taken(superseded)

    def link(self, up: bool, now: Now) -> Self:
        """The headend is heard again, or silent. Neither changes what is held, nor for how long."""
        return self if up is self.linked else replace(self, linked=up, link_since_ms=now.mono_ms)

    def local(self, on: bool) -> Self:
        """People at the site take the device over, or give it back. What was held is dropped, and nothing is taken.

        Afterwards the device's state is theirs, so a return to the reversion value starts from what is measured.
        """
        return replace(self._let_go(), is_local=on, last_w=None, last_ms=None)

    def lock(self, reason: str) -> Self:
        """An interlock or lockout: 0 W at once, and what was held is dropped. It ends by `unlock`, never by time."""
        return replace(self._let_go(), locked=reason)

    def unlock(self) -> Self:
        """The interlock is cleared: back to the reversion value, ramped, until something new is asked."""
        return replace(self, locked=None)

    def step(self, measurement: Measurement | None, now: Now) -> tuple[Self, Command]:
        """What to write to the device now. Call it every tick, link or no link, with this tick's measurement if any.

        A measurement that is not a number, INVALID or only HELD, or a battery's without a state of charge, counts as
        none: a battery then goes to its reversion value (its bounds cannot be watched), anything else stays where it
        is.
        """
        guard, ended = self._past_deadline(now)
        seen = measurement if measurement is not None and _usable(self.asset, measurement) else None
        state = guard.state(sighted=seen is not None)
        if state is GuardState.LOCAL:
            return guard, Command(None, state, "local mode: the site has the device", False, ended)
        if state is GuardState.LOCKED:
            return guard._wrote(0.0, now), Command(0.0, state, f"locked: {guard.locked}", True, ended)
        guard, wanted_w, reason = guard._wanted(state, seen, now)
        setpoint_w, bound = guard._inside(wanted_w, measurement)
        return guard._wrote(setpoint_w, now), Command(setpoint_w, state, bound or reason, True, ended)

    def state(self, *, sighted: bool = True) -> GuardState:
        """The row of `STATES` that holds; `sighted` is whether the device's measurement can be used."""
        facts = {
            "locked": self.locked is not None,
            "local": self.is_local,
            "sighted": sighted,
            "linked": self.linked,
            "holding": self.held is not None,
        }
        return next(state for row, state in STATES if all(facts[name] is value for name, value in row.items()))

    # Receiving

    def _out_of_order(self, intent: Intent) -> Dropped | None:
        if intent.asset_id != self.asset.id:
            return Dropped(f"refused: it is for asset {intent.asset_id}, not {self.asset.id}", IntentState.REFUSED)
        if intent.epoch in self.past_epochs:
            return Dropped(f"past epoch: {intent.epoch} was superseded by {self.epoch}")
        newest = self.revision if intent.epoch == self.epoch else 0
        if intent.revision == newest and newest:
            return Dropped(f"duplicate: revision {intent.revision} came before")
        if intent.revision <= newest:
            return Dropped(f"stale: revision {intent.revision} is not above {newest}")
        return None

    def _seen(self, intent: Intent) -> Self:
        if intent.epoch == self.epoch:
            return replace(self, revision=intent.revision)
        past = self.past_epochs | {self.epoch} if self.revision else self.past_epochs
        return replace(self, epoch=intent.epoch, revision=intent.revision, past_epochs=past, held=None)

    def _refusal(self, intent: Intent) -> str | None:
        if self.locked is not None:
            return f"the asset is locked: {self.locked}"
        if self.is_local:
            return "the asset is in local mode"
        return self._out_of_rating("setpoint", intent.setpoint_w) or self._out_of_rating(
            "reversion", intent.reversion_w
        )

    def _out_of_rating(self, name: str, w: float | None) -> str | None:
        if w is None or w == 0 or self.asset.min_w <= w <= self.asset.max_w:
            return None
        if not isfinite(w):
            return f"its {name} is not a number"
        return f"its {name} {w:g} W is outside the rating {self.asset.min_w:g} to {self.asset.max_w:g} W"

    def _resolve(self, w: float | None) -> float | None:
        """What "of itself" means for this asset: storage would keep its last setpoint for ever, so it is told 0 W."""
        return self.asset.reversion_w if w is None else w

    def _let_fall(self, superseded: Intent | None) -> Self:
        """What was held is over. A way back that is under way goes on as it is: no refusal may prolong or turn it."""
        return self if superseded is None else replace(self, held=None, reversion_w=self.asset.reversion_w)

    def _let_go(self) -> Self:
        return replace(self, held=None, reversion_w=self.asset.reversion_w, returning_since_ms=None)

    # Stepping

    def _past_deadline(self, now: Now) -> tuple[Self, Intent | None]:
        if self.held is None or now.mono_ms < self.deadline_ms:
            return self, None
        return replace(self, held=None), self.held

    def _wanted(self, state: GuardState, seen: Measurement | None, now: Now) -> tuple[Self, float | None, str]:
        held = self.held
        if held is not None and held.setpoint_w is not None and not (seen is None and self._is_storage):
            reason = f"{state}: dispatch {held.dispatch_id}, revision {held.revision}"
            return replace(self, returning_since_ms=None), held.setpoint_w, reason
        since_ms = now.mono_ms if self.returning_since_ms is None else self.returning_since_ms
        returning = replace(self, returning_since_ms=since_ms)
        return returning, returning._on_the_way(since_ms, seen, now), f"{state}: {self._why_returning(seen)}"

    def _why_returning(self, seen: Measurement | None) -> str:
        goal = "what it does of itself" if self.reversion_w is None else f"{self.reversion_w:g} W"
        if seen is None and self._is_storage:
            return f"no usable measurement, returning to {goal}"
        return f"{'nothing is asked' if self.held is None else 'released'}, returning to {goal}"

    def _on_the_way(self, since_ms: int, seen: Measurement | None, now: Now) -> float | None:
        start_w = self._start_w(seen)
        if start_w is None:  # nothing known to ramp from, or already left to itself
            return self.reversion_w
        goal_w = self._natural_edge_w if self.reversion_w is None else self.reversion_w
        last_ms = now.mono_ms if self.last_ms is None else self.last_ms
        ramped_ms = now.mono_ms - max(last_ms, since_ms + self.fallback.delay_ms)
        reach_w = self.fallback.ramp_w_per_s * min(max(ramped_ms, 0), LONGEST_RAMP_STEP_MS) / 1000
        if abs(goal_w - start_w) <= reach_w:
            return self.reversion_w
        return start_w + (reach_w if goal_w > start_w else -reach_w)

    def _start_w(self, seen: Measurement | None) -> float | None:
        """Where the way back starts: our last setpoint, else what the device shows (of a curtailed plant, its cap)."""
        if self.last_ms is not None and (self.last_w is not None or self.reversion_w is None):
            return self.last_w
        if seen is None:
            return None
        if self.reversion_w is None:
            cap_w = seen.setpoint_w
            return None if cap_w is None or not isfinite(cap_w) else self._rated(cap_w)
        return self._rated(seen.power_w)

    def _inside(self, w: float | None, measurement: Measurement | None) -> tuple[float | None, str | None]:
        if w is None:
            return None, None
        # A state of charge that is in doubt in other ways may still forbid; it never permits.
        bound = None if measurement is None else at_soc_bound(self.asset, measurement.soc_wh, w)
        return (self._rated(w), None) if bound is None else (0.0, bound)

    def _rated(self, w: float) -> float:
        """`w` inside the rating, where 0 (off) always is."""
        return min(max(w, min(self.asset.min_w, 0.0)), max(self.asset.max_w, 0.0))

    def _wrote(self, w: float | None, now: Now) -> Self:
        return replace(self, last_w=w, last_ms=now.mono_ms)

    @property
    def _is_storage(self) -> bool:
        return self.asset.kind is Kind.BATTERY

    @property
    def _natural_edge_w(self) -> float:
        """The end of the rating at which a setpoint no longer holds the asset back: full output, a load's full draw."""
        return self.asset.min_w if self.asset.kind is Kind.LOAD else self.asset.max_w


def at_soc_bound(asset: Asset, soc_wh: float | None, w: float) -> str | None:
    """Why `w` (W) must not be asked of `asset` at this state of charge: it points out of its window. None: it may."""
    if soc_wh is None or w == 0:
        return None
    slack_wh = asset.capacity_wh * _SOC_TOLERANCE
    if w > 0 and soc_wh <= asset.min_soc_wh + slack_wh:
        return f"state of charge is at its minimum of {asset.min_soc_pct:g} %"
    if w < 0 and soc_wh >= asset.max_soc_wh - slack_wh:
        return f"state of charge is at its maximum of {asset.max_soc_pct:g} %"
    return None


def offset_ms(headend_ms: int, heard: Now, now: Now) -> int:
    """The headend's UTC less ours, as `Guard.receive` wants it, in ms.

    Args:
        headend_ms: the headend's UTC in its last heartbeat.
        heard: both our clocks when that heartbeat came.
        now: both our clocks now. Time since then is counted on the monotonic clock, so a step of our UTC since changes
            nothing.
    """
    return headend_ms + (now.mono_ms - heard.mono_ms) - now.utc_ms


def rewrite_due(written_ms: int, dead_man_ms: int | None, now: Now) -> bool:
    """Whether a setpoint written at `written_ms` (monotonic) must be written again for the device's dead-man timer.

    Within a third of the timer, so that two lost writes do not trip it. None: the device has no such timer, and an
    unchanged setpoint is not written again (non-volatile registers wear out).
    """
    return dead_man_ms is not None and (now.mono_ms - written_ms) * 3 >= dead_man_ms


def _usable(asset: Asset, measurement: Measurement) -> bool:
    if measurement.quality.validity >= Validity.HELD or not isfinite(measurement.power_w):
        return False
    if asset.kind is not Kind.BATTERY:
        return True
    return measurement.soc_wh is not None and isfinite(measurement.soc_wh)


def _rating_w(asset: Asset) -> float:
    return max(abs(asset.max_w), abs(asset.min_w))
