"""What is in force: every dispatch that is not over, in memory, as the store has it.

Rebuilt from the store at start, so that a killed headend goes on where it was. Says what has changed since it was last
asked, so that one writer can keep the store in step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from dermscore.decision.request import Aim
from dermscore.dispatch import Event, modes
from dermscore.intent import IntentState
from dermscore.model import Now
from headend import progress
from headend.records import Dispatch, Kept, Placed
from wire.convert import Report

_STEP_MS: Final = 1_000
"""By how much our UTC has moved against our monotonic clock when it has been set."""


class Ledger:
    """Dispatches and intents in force. Owner of every field: the event loop of the headend."""

    def __init__(self, name_of: Callable[[str], str], resumes: Callable[[str], bool]) -> None:
        """`name_of` gives an asset's name, `resumes` says of a program whether its dispatches come back."""
        self._name_of, self._resumes = name_of, resumes
        self._dispatches: dict[str, Dispatch] = {}
        self._intents: dict[str, dict[str, Placed]] = {}  # by dispatch, then asset
        self._ahead_ms: dict[str, int] = {}  # by dispatch: our UTC less our monotonic time when it was taken in
        self._current: dict[str, str] = {}  # asset to the dispatch that holds it
        self._changed_dispatches: dict[str, Dispatch] = {}
        self._changed_intents: dict[tuple[str, int], Placed] = {}

    def add(self, kept: Kept, now: Now) -> list[Kept]:
        """Take in a dispatch that the store has: a new one, or one of those read at start. Of two intents for an asset
        the one with the larger revision has it; the other is superseded.

        Returns the dispatches that this changed, the new one not among them, unless it is read at start and changed.
        """
        dispatch = kept.dispatch
        self._dispatches[dispatch.id] = dispatch
        self._ahead_ms[dispatch.id] = now.utc_ms - now.mono_ms
        self._intents[dispatch.id] = {placed.asset_id: placed for placed in kept.intents}
        touched = {each for placed in kept.intents for each in self._hold(placed, now)}
        # A release of nothing is not in force; and of what is read at start all may be over, and that not be said yet.
        at_once = {dispatch.id} if dispatch.over or all(placed.over for placed in kept.intents) else set()
        return self._settle(touched | at_once, now.utc_ms)

    def take_up(self, kept: Kept, now: Now) -> list[Kept]:
        """Take in new intents of a dispatch that the ledger has, or had until a moment ago, when it was decided anew;
        what they take the place of is over.

        Returns the dispatches that this changed, as `add`.
        """
        dispatch, own = kept.dispatch, self._intents.setdefault(kept.dispatch.id, {})
        self._reckon_anew(dispatch)
        for placed in kept.intents:
            before = own.get(placed.asset_id)
            if before is not None and not before.over:
                self._replace(progress.renewed(before), before)
            own[placed.asset_id] = placed
        self._dispatches[dispatch.id] = self._changed_dispatches[dispatch.id] = dispatch
        self._ahead_ms[dispatch.id] = now.utc_ms - now.mono_ms
        touched = {each for placed in kept.intents for each in self._hold(placed, now)}
        return self._settle(touched | {dispatch.id}, now.utc_ms)

    def _reckon_anew(self, dispatch: Dispatch) -> None:
        """Its end is now said by our clock as it was set meanwhile; what goes on of it ends at that same moment."""
        moved_ms = dispatch.expires_ms - self._dispatches.get(dispatch.id, dispatch).expires_ms
        own = self._intents[dispatch.id]
        for asset_id, placed in own.items() if moved_ms else ():
            if not placed.over:
                intent = replace(placed.intent, expires_ms=placed.intent.expires_ms + moved_ms)
                own[asset_id] = replace(placed, intent=intent)

    def change(self, intents: Iterable[Placed], now: Now) -> list[Kept]:
        """Put these in the places of what they were made of, but of what is over by now. Returns the dispatches that
        this changed.
        """
        touched: set[str] = set()
        for placed in intents:
            before = self._intents.get(placed.intent.dispatch_id, {}).get(placed.asset_id)
            if before is not None and not before.over:
                touched |= self._replace(placed, before)
        return self._settle(touched, now.utc_ms)

    def waiting(self) -> list[Placed]:
        """The intents that come back when what superseded them ends, oldest dispatch first."""
        return [
            placed
            for intents in self._intents.values()
            for placed in intents.values()
            if placed.state is IntentState.SUSPENDED
        ]

    def _hold(self, placed: Placed, now: Now) -> set[str]:
        """Let an intent have its asset where none newer has it; the ids of the dispatches to be settled."""
        if placed.over or placed.state is IntentState.SUSPENDED:
            return set()
        holder = self.current(placed.asset_id)
        if holder is not None and holder.intent.revision > placed.intent.revision:
            return self._replace(self._outdone(placed, holder, now), placed)
        self._current[placed.asset_id] = placed.intent.dispatch_id
        return set() if holder is None else self._replace(self._outdone(holder, placed, now), holder)

    def _outdone(self, older: Placed, newer: Placed, now: Now) -> Placed:
        """What becomes of an intent whose asset is another's now."""
        mine, by = self._dispatches[older.intent.dispatch_id], self._dispatches[newer.intent.dispatch_id]
        over = progress.ended(older, self._at_ms(mine.id, now))
        if over is not older:
            return over
        if (
            mine.aim is Aim.RELEASE and by.submitted_ms < mine.submitted_ms
        ):  # it was there before, and is taken up again
            return progress.given_back(older, by.id)
        if mine.aim is Aim.RELEASE or older.intent.setpoint_w is None or not self._resumes(mine.program):
            return progress.superseded(older, by.id)
        return progress.cancelled(older, by.id) if by.aim is Aim.RELEASE else progress.suspended(older, by.id)

    def sent(self, asset_id: str, revision: int, now_ms: int) -> list[Kept]:
        """The intent was written to its agent's stream. Returns the dispatches that this changed, as all below do."""
        placed = self.current(asset_id)
        if placed is None or placed.intent.revision != revision:
            return []
        return self._settle(self._replace(progress.sent(placed), placed), now_ms)

    def report(self, report: Report, now_ms: int) -> list[Kept]:
        """An agent's report on an intent; of one that we do not know (any more) it changes nothing."""
        placed = self._intents.get(report.dispatch_id, {}).get(report.asset_id)
        if placed is None:
            return []
        return self._settle(self._replace(progress.reported(placed, report), placed), now_ms)

    def expire(self, now: Now) -> list[Kept]:
        """End what is overdue, and go on without those whose agents do not answer.

        Each by the clock as it went when the dispatch was taken in: its agents count its time by their monotonic clocks
        too, and no step of ours ends it at the devices.
        """
        touched: set[str] = set()
        for dispatch_id, intents in list(self._intents.items()):
            at_ms = self._at_ms(dispatch_id, now)
            for placed in list(intents.values()):
                touched |= self._replace(progress.unanswered(progress.overdue(placed, at_ms), at_ms), placed)
        return self._settle(touched, now.utc_ms)

    def _at_ms(self, dispatch_id: str, now: Now) -> int:
        """This moment, UTC, by the clock that gave a dispatch its end."""
        return now.mono_ms + self._ahead_ms[dispatch_id]

    def _step_ms(self, dispatch_id: str, now: Now) -> int:
        """By how much our clock was set since a dispatch was taken in; it drifts a little, too, which is no step."""
        moved_ms = now.utc_ms - self._at_ms(dispatch_id, now)
        return moved_ms if abs(moved_ms) >= _STEP_MS else 0

    def current(self, asset_id: str) -> Placed | None:
        """The intent that holds an asset; None where none does."""
        holder = self._current.get(asset_id)
        return None if holder is None else self._intents[holder][asset_id]

    def holding(self) -> Mapping[str, Placed]:
        """The intents that hold assets, by asset id."""
        return {asset_id: self._intents[holder][asset_id] for asset_id, holder in self._current.items()}

    def unsent(self, asset_id: str, held: tuple[str, int], now: Now) -> Placed | None:
        """What an agent must be told about an asset of which it holds `held` (epoch, revision): the intent that is in
        force, if it is newer than that and has not expired. Nothing is invented.
        """
        placed = self.current(asset_id)
        if placed is None:
            return None
        if placed.intent.expires_ms <= max(now.utc_ms, self._at_ms(placed.intent.dispatch_id, now)):
            return None
        epoch, revision = held
        known = placed.intent.epoch == epoch and placed.intent.revision <= revision
        return None if known else placed

    def standing(self, now: Now) -> list[Event]:
        """The targets that are not over, as arbitration wants them: their ends by our clock as it is now. Those that
        are suspended count, for they stand as soon as nothing higher does. A release holds nothing. Of one asset by
        name it is what the asset was asked: 0 W while a limit refuses what was wanted of it.
        """
        return [
            Event(
                id=dispatch.id,
                node=dispatch.node,
                program=dispatch.program,
                issued_ms=dispatch.submitted_ms,
                starts_ms=0,  # all of them have begun; a step of the clock must not un-begin one
                ends_ms=self.ends_ms(dispatch, now),
                controls={modes.Mode.TARGET_W: self._wanted_w(dispatch)},
                primacy=dispatch.primacy,
                known_ms=0,
            )
            for dispatch in self._dispatches.values()
            if dispatch.aim is Aim.TARGET and not dispatch.over
        ]

    def _wanted_w(self, dispatch: Dispatch) -> float | None:
        placed = self._intents[dispatch.id].get(dispatch.asset_id or "")
        return dispatch.target_w if placed is None else placed.intent.setpoint_w

    def ends_ms(self, dispatch: Dispatch, now: Now) -> int:
        """The end of a dispatch in force, UTC, by our clock as it is now."""
        return dispatch.expires_ms + self._step_ms(dispatch.id, now)

    def targets(self) -> list[Dispatch]:
        """The targets that are carried out, at least in part."""
        suspended = IntentState.SUSPENDED
        living = (each for each in self._dispatches.values() if each.aim is Aim.TARGET and not each.over)
        return [each for each in living if each.state is not suspended]

    def moving(self, principal: str) -> list[Kept]:
        """The targets of a principal that devices carry out at this moment, with their intents."""
        found = [
            self.find(each.id) for each in self._dispatches.values() if each.principal == principal and each.moving
        ]
        return [kept for kept in found if kept is not None]

    def find(self, dispatch_id: str) -> Kept | None:
        """A dispatch in force, with its intents."""
        dispatch = self._dispatches.get(dispatch_id)
        return None if dispatch is None else Kept(dispatch, tuple(self._intents[dispatch_id].values()))

    @property
    def newest_ms(self) -> int:
        """When the newest dispatch in force was submitted; 0 where there is none."""
        return max((dispatch.submitted_ms for dispatch in self._dispatches.values()), default=0)

    def take_changes(self) -> tuple[list[Dispatch], list[Placed]]:
        """What has changed since the last call, for the store."""
        changed = list(self._changed_dispatches.values()), list(self._changed_intents.values())
        self._changed_dispatches, self._changed_intents = {}, {}
        return changed

    def put_back(self, dispatches: Iterable[Dispatch], intents: Iterable[Placed]) -> None:
        """The store would not take these; what has changed since is newer than they."""
        older = {dispatch.id: dispatch for dispatch in dispatches}
        self._changed_dispatches = older | self._changed_dispatches
        waiting = {(placed.asset_id, placed.intent.revision): placed for placed in intents}
        self._changed_intents = waiting | self._changed_intents

    def _replace(self, fresh: Placed, old: Placed) -> set[str]:
        """Put `fresh` in the place of `old`; the ids of the dispatches to be settled."""
        if fresh is old:
            return set()
        dispatch_id, asset_id = fresh.intent.dispatch_id, fresh.asset_id
        self._intents[dispatch_id][asset_id] = fresh
        self._changed_intents[asset_id, fresh.intent.revision] = fresh
        if fresh.over and self._current.get(asset_id) == dispatch_id:
            del self._current[asset_id]
        return {dispatch_id}

    def _settle(self, dispatch_ids: Iterable[str], now_ms: int) -> list[Kept]:
        changed = []
        for dispatch_id in sorted(dispatch_ids):
            kept = self.find(dispatch_id)
            assert kept is not None
            fresh = progress.summarise(kept, self._name_of, now_ms)
            if fresh is not kept.dispatch:
                self._dispatches[dispatch_id] = self._changed_dispatches[dispatch_id] = fresh
                if progress.news(kept.dispatch, fresh):
                    changed.append(Kept(fresh, kept.intents))
            if fresh.over and all(placed.over for placed in kept.intents):
                del self._dispatches[dispatch_id], self._intents[dispatch_id], self._ahead_ms[dispatch_id]
        return changed
