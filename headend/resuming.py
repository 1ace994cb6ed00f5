"""Taking a dispatch up again whose program says `on_supersede: resume`, once what superseded it has ended. Pure.

Who stands is arbitration's answer alone, so nothing here ranks anything. What stands again is decided anew on the facts
of now (`anew`): what came of that is carried out, or it waits, or it is given up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from dermscore.decision.decide import ruling
from dermscore.decision.request import Decision, DeclineKind, Granted
from dermscore.dispatch import Event, arbitrate
from dermscore.intent import IntentState
from dermscore.model import Fleet, Now
from dermscore.policy import Policy
from headend import progress
from headend.anew import RETRY_MS, SETTLE_MS, Renewed, renewed
from headend.records import Kept, Placed

_MAY_PASS: Final = frozenset({DeclineKind.UNREACHABLE, DeclineKind.OUTRANKED})


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


def outcome(kept: Kept, decision: Decision, now: Now) -> Renewed | Waits | GivenUp:
    """What becomes of a dispatch that was decided anew. Nothing of it changes where no asset that it waits for can be
    asked.
    """
    waits = [placed for placed in kept.intents if placed.state is IntentState.SUSPENDED]
    if isinstance(decision, Granted):
        fresh = renewed(kept, decision, now)
        asked = {part.asset_id for part in fresh.parts}
        return fresh if any(placed.asset_id in asked for placed in waits) else _waiting(waits, _lacking(decision))
    if decision.kind in _MAY_PASS:
        return _waiting(waits, decision.reason)
    return GivenUp(tuple(progress.given_up(placed, decision.reason) for placed in waits))


def _lacking(granted: Granted) -> str:
    return "; ".join(granted.causes) or "its agent is not to be asked now, and the others do it all"


def _waiting(waits: Iterable[Placed], reason: str) -> Waits:
    return Waits(tuple(progress.waits(placed, reason) for placed in waits))
