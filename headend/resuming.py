"""Taking a dispatch up again whose program says `on_supersede: resume`, once what superseded it has ended. Pure.

Who stands is arbitration's answer alone, so nothing here ranks anything. What stands again is decided anew, as the
same dispatch with the same end, on the facts of now: what came of that is carried out, or it waits, or it is given up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import fsum, isclose
from typing import Final

from dermscore.decision.decide import ruling
from dermscore.decision.request import Aim, Decision, DeclineKind, Granted, Part, Request
from dermscore.dispatch import Event, arbitrate
from dermscore.intent import IntentState
from dermscore.model import Fleet, Now
from dermscore.policy import Policy
from headend import progress
from headend.records import Dispatch, Kept, Placed

RETRY_MS: Final = 2_000
"""How long one that could not be taken up is left before it is tried again."""

SETTLE_MS: Final = 15_000
"""How long after the headend's start agents are still coming back: till then a dispatch waits for all that it needs."""

_MAY_PASS: Final = frozenset({DeclineKind.UNREACHABLE, DeclineKind.OUTRANKED})


@dataclass(frozen=True, slots=True)
class TakenUp:
    """It is carried out again: `parts` are asked, and `changed`, older intents of its own, are over by that."""

    dispatch: Dispatch
    parts: tuple[Part, ...]
    changed: tuple[Placed, ...]


@dataclass(frozen=True, slots=True)
class Waits:
    """It cannot be carried out at the moment; `changed` say why."""

    changed: tuple[Placed, ...]


@dataclass(frozen=True, slots=True)
class GivenUp:
    """What waited of it is over: `changed` say why."""

    changed: tuple[Placed, ...]


class Pace:
    """When to look for what stands again, and when to try it. Owner of every field: the event loop of the headend."""

    def __init__(self, began: Now) -> None:
        self._settled_ms = began.mono_ms + SETTLE_MS
        self._seen: tuple[frozenset[str], int] | None = None  # what ran at the last look, and how many intents waited
        self._found = False
        self._next_ms = 0
        self._retry_ms: dict[str, int] = {}  # by dispatch: when it is tried again

    def look(self, waiting: Sequence[Placed], standing: Iterable[Event], now: Now) -> bool:
        """Whether something may stand again that did not at the last look, or was not tried then. Arbitration among
        many events, for many assets, is too dear for every turn.
        """
        if not waiting:
            return False
        seen = frozenset(event.id for event in standing if event.ends_ms > now.utc_ms), len(waiting)
        if seen == self._seen and not (self._found and now.mono_ms >= self._next_ms):
            return False
        self._seen, self._next_ms = seen, now.mono_ms + RETRY_MS
        return True

    def found(self, stands: Mapping[str, object]) -> None:
        """What the look has found: while there is something, it is looked for again."""
        self._found = bool(stands)
        self._retry_ms = {each: at_ms for each, at_ms in self._retry_ms.items() if each in stands}

    def may_try(self, dispatch_id: str, waits: Iterable[Placed], connected: Callable[[str], bool], now: Now) -> bool:
        """Whether agents are there to be asked, any of them, or all while they are coming back after a start; and the
        last try is not of just now. Then this is the next one.
        """
        there = [connected(placed.asset_id) for placed in waits]
        if not (any(there) if now.mono_ms >= self._settled_ms else all(there)):
            return False
        if now.mono_ms < self._retry_ms.get(dispatch_id, 0):
            return False
        self._retry_ms[dispatch_id] = now.mono_ms + RETRY_MS
        return True


def resumes(policy: Policy, program: str) -> bool:
    """Whether the dispatches of a program come back."""
    found = policy.programs.get(program)
    return found is not None and found.on_supersede == "resume"


def due(
    waiting: Iterable[Placed], standing: Sequence[Event], fleet: Fleet, policy: Policy, now: Now
) -> Mapping[str, tuple[Placed, ...]]:
    """What stands again of what waits: by dispatch, the highest-ranking first, the intents whose asset it rules now."""
    controls = arbitrate(policy.programs, standing, now)
    found: dict[str, list[Placed]] = {}
    ranks = {}
    for placed in waiting:
        asset = fleet.assets.get(placed.asset_id)
        control = None if asset is None else ruling(asset, fleet, controls)
        if control is not None and control.source == placed.intent.dispatch_id:
            found.setdefault(control.source, []).append(placed)
            ranks[control.source] = control.rank
    return {each: tuple(found[each]) for each in sorted(found, key=ranks.__getitem__, reverse=True)}


def again(dispatch: Dispatch, ends_ms: int, policy: Policy, now: Now) -> Request:
    """The request of a dispatch, for the time that is left of it; `ends_ms` is its end, UTC, by our clock of now."""
    return Request(
        id=dispatch.id,
        who=policy.principal(dispatch.principal),
        node=dispatch.node,
        asset_id=dispatch.asset_id,
        aim=Aim.TARGET,
        target_w=dispatch.target_w,
        duration_s=(ends_ms - now.utc_ms) / 1000,
        program=dispatch.program,
        primacy=dispatch.primacy,
    )


def outcome(kept: Kept, decision: Decision, now: Now) -> TakenUp | Waits | GivenUp:
    """What becomes of a dispatch that was decided anew."""
    waits = [placed for placed in kept.intents if placed.state is IntentState.SUSPENDED]
    if isinstance(decision, Granted):
        return _taken_up(kept, decision, now) or _waiting(waits, _lacking(decision))
    if decision.kind in _MAY_PASS:
        return _waiting(waits, decision.reason)
    return GivenUp(tuple(progress.given_up(placed, decision.reason) for placed in waits))


def _lacking(granted: Granted) -> str:
    return "; ".join(granted.causes) or "its agent is not to be asked now, and the others do it all"


def _waiting(waits: Iterable[Placed], reason: str) -> Waits:
    return Waits(tuple(progress.waits(placed, reason) for placed in waits))


def _taken_up(kept: Kept, granted: Granted, now: Now) -> TakenUp | None:
    """None where no asset that it waits for can be asked: then nothing of it changes."""
    own = {placed.asset_id: placed for placed in kept.intents}
    parts = tuple(part for part in granted.parts if _wanted(part, own.get(part.asset_id)))
    asked = (own.get(part.asset_id) for part in parts)
    older = tuple(placed for placed in asked if placed is not None and not placed.over)
    if not any(placed.state is IntentState.SUSPENDED for placed in older):
        return None
    returned_w = fsum(part.setpoint_w or 0.0 for part in granted.parts if _returned(own.get(part.asset_id)))
    dispatch = replace(
        kept.dispatch,
        policy=granted.digest,
        expires_ms=granted.ends_ms,
        state=IntentState.SUBMITTED,
        reason="",
        placed_w=(granted.placed_w or 0.0) - returned_w,
        shortfall_w=(granted.shortfall_w or 0.0) + returned_w,
        causes=granted.causes,
        updated_ms=now.utc_ms,
    )
    return TakenUp(dispatch, parts, tuple(map(progress.renewed, older)))


def _wanted(part: Part, own: Placed | None) -> bool:
    """Whether a part is carried out: not what stands already, nor what its program has taken back there. And where it
    waits for an agent that is away, it goes on waiting: there is nothing to be released.
    """
    if own is None:
        return True
    if own.state is IntentState.SUSPENDED:
        return part.setpoint_w is not None
    return not _returned(own) and (own.over or not _same(own.intent.setpoint_w, part.setpoint_w))


def _same(then_w: float | None, now_w: float | None) -> bool:
    """Whether two setpoints are the same but for the last digits of sums that were made of other parts."""
    return then_w is now_w if then_w is None or now_w is None else isclose(then_w, now_w, rel_tol=1e-9, abs_tol=1e-3)


def _returned(own: Placed | None) -> bool:
    return own is not None and own.state is IntentState.CANCELLED
