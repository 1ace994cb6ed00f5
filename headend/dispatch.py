"""The dispatch desk: decide, make durable, then tell the agents; and follow what becomes of it.

The order is the point. What an agent gets has been stored before; what a submitter hears is what was stored. One desk
decides one request at a time, so each decision sees the one before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from daemon import logs
from dermscore.decision.decide import decide, taken_back
from dermscore.decision.replay import Past
from dermscore.decision.request import Aim, Declined, DeclineKind, Facts, Request
from dermscore.intent import Intent, IntentState
from dermscore.model import Now
from dermscore.policy import Policy
from headend import progress, resuming
from headend.filing import NotTaken, Obstacle, not_taken, taken
from headend.fleet import LiveFleet, named
from headend.ledger import Ledger
from headend.records import Dispatch, Kept, Placed
from headend.renewing import Renewing, Rim, said
from headend.store.state import IdTaken, StateStore
from headend.store.thread import OneThread
from wire.convert import Report

log = logs.get(__name__)

_RECORD_EVERY_S: Final = 0.25
_MOST_WAITING: Final = 1000
_LARGEST_REVISION: Final = 2**53  # far beyond any honest one; a mad agent must not use up the numbers


@dataclass(frozen=True, slots=True)
class Submitted:
    """The request was taken, in whole or in part. `repeated`: it had been before, and nothing new was done."""

    kept: Kept
    repeated: bool = False


Answer = Submitted | NotTaken


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A request on the desk, and who waits for its answer (perhaps no longer)."""

    request: Request
    answer: asyncio.Future[Answer]

    def settle(self, answer: Answer) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


Watcher = Callable[[Kept], None]
"""Told of each change of a dispatch, with its intents as they are then."""


class Dispatcher:
    """Takes requests and follows them to their end. Owner of every field: the event loop of the headend."""

    def __init__(
        self, policy: Policy, live: LiveFleet, store: StateStore, thread: OneThread, clock: Callable[[], Now]
    ) -> None:
        self.policy = policy
        self._live, self._store, self._thread, self._clock = live, store, thread, clock
        self.ledger = Ledger(named(live.fleet), lambda program: resuming.resumes(self.policy, program))
        self._order_ms = 0
        self._epoch = ""
        self._revisions: dict[str, int] = {}
        self._newest: dict[str, Intent] = {}  # by asset, over or not
        self._asks: asyncio.Queue[_Waiting] = asyncio.Queue(_MOST_WAITING)
        self._watchers: list[Watcher] = []
        self._store_fault = ""
        self._recording = asyncio.Lock()
        self._deciding = asyncio.Lock()  # held while one decision is taken and carried out
        self.renewing = self._renew_from(clock())

    def _renew_from(self, began: Now) -> Renewing:
        rim = Rim(self.ledger, self._live, self._store, self._thread, self._clock, self._facts, self._send, self._tell)
        return Renewing(rim, lambda: self.policy, self._deciding, began)

    async def load(self) -> None:
        """Take up what was in force when the headend last ran. Call once, before anything else."""
        now = self._clock()
        for kept in await self._thread.call(self._store.alive):
            self.ledger.add(kept, now)
        self._order_ms = self.ledger.newest_ms
        self._epoch = await self._thread.call(self._store.epoch)
        self._revisions = await self._thread.call(self._store.revisions)
        self._newest = await self._thread.call(self._store.newest_intents)
        self.renewing = self._renew_from(now)
        waiting = self.ledger.waiting()
        over = [placed for placed in waiting if not resuming.resumes(self.policy, placed.intent.program)]
        self.ledger.change(map(progress.dismissed, over), now)

    async def submit(self, request: Request) -> Answer:
        """Decide a request and, where it is taken, store it and have it sent. A second one of the same id is answered
        with what became of the first. A caller that is cancelled meanwhile leaves the request to be carried through:
        what was stored is sent.
        """
        waiting = _Waiting(request, asyncio.get_running_loop().create_future())
        try:
            self._asks.put_nowait(waiting)
        except asyncio.QueueFull:
            return self._not_taken(request, Obstacle.STORE, "too many requests are waiting; try again")
        return await waiting.answer

    async def find(self, dispatch_id: str) -> Kept | None:
        """A dispatch of any age, as it is now."""
        living = self.ledger.find(dispatch_id)
        if living is not None:
            return living
        await self.record()  # what is over has left the ledger, perhaps a moment before it reached the store
        return await self._thread.call(self._store.find, dispatch_id)

    async def newest(self, limit: int) -> list[Kept]:
        """The newest dispatches, newest first, as they are now."""
        await self.record()
        kept = await self._thread.call(self._store.newest, limit)
        return [self.ledger.find(one.dispatch.id) or one for one in kept]

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Have `watcher` told of every change from now on; the returned function ends that."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    # --- what agents bring

    def unsent(self, held: Mapping[str, tuple[str, int]], asset_ids: Iterable[str]) -> list[Intent]:
        """What an agent that holds `held` must be told when it registers. What it holds was sent, whoever noted it.

        Where nothing is in force any more but the agent holds something older, it is told the newest that there was,
        though it be over: its guard then ends what that superseded.
        """
        now = self._clock()
        for asset_id, (epoch, revision) in held.items():
            if epoch == self._epoch:
                self._tell(self.ledger.sent(asset_id, revision, now.utc_ms))
        found = [self._due(asset_id, held.get(asset_id, ("", 0)), now) for asset_id in asset_ids]
        return [intent for intent in found if intent is not None]

    def _due(self, asset_id: str, held: tuple[str, int], now: Now) -> Intent | None:
        placed = self.ledger.unsent(asset_id, held, now)
        if placed is not None:
            return placed.intent
        newest, (epoch, revision) = self._newest.get(asset_id), held
        return newest if newest is not None and epoch == newest.epoch and revision < newest.revision else None

    def sent(self, intent: Intent) -> None:
        """An intent was written to its agent's stream."""
        self._tell(self.ledger.sent(intent.asset_id, intent.revision, self._clock().utc_ms))

    def heard(self, report: Report) -> None:
        """An agent has reported on an intent."""
        self._tell(self.ledger.report(report, self._clock().utc_ms))

    async def count_on(self, held: Mapping[str, tuple[str, int]]) -> None:
        """Where an agent holds a newer revision of our epoch than this store ever gave (a restored copy), go on
        from there: the agent would take nothing from us any more.
        """
        for asset_id, (epoch, revision) in held.items():
            if epoch == self._epoch and self._revisions.get(asset_id, 0) < revision <= _LARGEST_REVISION:
                log.warning("an agent holds a newer revision than the store gave", asset=asset_id, revision=revision)
                await self._thread.call(self._store.raise_revision, asset_id, revision)
                self._revisions[asset_id] = revision

    # --- what goes on by itself

    async def run(self) -> None:
        """Decide what is asked, end what is overdue, and keep the store in step, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._decide_each())
            group.create_task(self._each_turn(self._keep_in_step))
            group.create_task(self._each_turn(self._renew))

    async def _keep_in_step(self) -> None:
        self._tell(self.ledger.expire(self._clock()))
        await self.record()

    async def _renew(self) -> None:
        """Apart from the above: nothing that is overdue waits until many are decided anew."""
        await self.renewing.take_up_again()
        await self.renewing.keep_limits()

    async def _each_turn(self, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(_RECORD_EVERY_S)
            try:
                await step()
            except SQLAlchemyError as error:
                self._note_store(str(error))
            except Exception:  # a fault of ours in one dispatch must not end the desk for all, nor the headend
                log.exception("dispatches could not be kept in step; trying again")

    async def record(self) -> None:
        """Store what has changed since it was last stored; what the store will not take waits for the next time.

        One at a time: what one puts back must not be put behind what another has stored meanwhile.
        """
        async with self._recording:
            dispatches, intents = self.ledger.take_changes()
            if not dispatches and not intents:
                return
            try:
                await self._thread.call(self._store.record, dispatches, intents)
                self._note_store("")
            except SQLAlchemyError as error:
                self.ledger.put_back(dispatches, intents)
                self._note_store(str(error))

    @property
    def store_fault(self) -> str:
        """Why the state store does not work; empty where it does."""
        return self._store_fault

    # --- how

    async def _decide_each(self) -> None:
        while True:
            waiting = await self._asks.get()
            try:
                waiting.settle(await self._answer(waiting.request))
            except SQLAlchemyError as error:
                self._note_store(str(error))
                reason = "the request could not be stored, so nothing was sent; try again"
                waiting.settle(self._not_taken(waiting.request, Obstacle.STORE, reason))
            except Exception as error:  # a fault of ours in one request must not end the desk for all
                log.exception("a request could not be decided", dispatch=waiting.request.id)
                waiting.fail(error)

    async def _answer(self, request: Request) -> Answer:
        earlier = await self.find(request.id)
        if earlier is not None:
            return self._repeated(request, earlier)
        async with self._deciding:
            return await self._decided(request)

    def _not_taken(self, request: Request, why: DeclineKind | Obstacle, reason: str) -> NotTaken:
        return not_taken(request, why, reason, self.policy, self._next_order_ms(), self._clock())

    async def _decided(self, request: Request) -> Answer:
        now, facts = self._clock(), self._facts()
        decision = decide(request, facts, self.policy, now)
        past = Past(now, request, facts, decision)
        if isinstance(decision, Declined):
            no = not_taken(request, decision.kind, decision.reason, self.policy, facts.order_ms, now)
            return await self._refuse(no, past)
        dispatch = taken(request, decision, self.policy, facts.order_ms, now)
        back = self._taken_back(request, facts)
        try:
            placed = await self._thread.call(self._store.keep, dispatch, decision.parts, past, back)
        except IdTaken:
            return self._not_taken(request, Obstacle.ID_TAKEN, "another request has this id")
        kept = Kept(dispatch, placed)
        log.info("dispatch accepted", **said(kept))
        changed = self.ledger.add(kept, now) + self.ledger.change(back, now)
        self._send(placed)
        self._tell([kept, *changed])
        return Submitted(kept)

    def _taken_back(self, request: Request, facts: Facts) -> list[Placed]:
        """What waits no more because its program releases it."""
        if request.aim is not Aim.RELEASE:
            return []
        known = {(each.dispatch_id, each.asset_id) for each in taken_back(request, facts)}
        waiting = self.ledger.waiting()
        mine = [placed for placed in waiting if (placed.intent.dispatch_id, placed.asset_id) in known]
        return [progress.cancelled(placed, request.id) for placed in mine]

    def _facts(self, again: Dispatch | None = None) -> Facts:
        """What a new request is decided on, or one that is decided anew, which has its place in the order."""
        holding = {asset_id: placed.intent for asset_id, placed in self.ledger.holding().items()}
        now = self._clock()
        standing = [event for event in self.ledger.standing(now) if again is None or event.id != again.id]
        order_ms = self._next_order_ms() if again is None else again.submitted_ms
        waiting = tuple(placed.intent for placed in self.ledger.waiting())
        return Facts(self._live.snapshot(now), standing, holding, order_ms, waiting)

    def _next_order_ms(self) -> int:
        """Later than every dispatch so far, so that the next is the newest whatever the clock does."""
        self._order_ms = max(self._clock().utc_ms, self._order_ms + 1)
        return self._order_ms

    async def _refuse(self, answer: NotTaken, past: Past) -> NotTaken:
        """A refusal is kept too: who asked for what, and why not. One of an asset that is not there is not."""
        dispatch = answer.dispatch
        log.warning("dispatch refused", dispatch=dispatch.id, who=dispatch.principal, why=answer.reason)
        if answer.why is not DeclineKind.UNKNOWN or dispatch.asset_id is None:
            await self._thread.call(self._store.keep, dispatch, (), past)
        return answer

    def _send(self, stored: Iterable[Placed]) -> None:
        """Hand intents that are durable to the streams of their agents, where they are here."""
        self._note_store("")
        for placed in stored:
            self._revisions[placed.asset_id] = placed.intent.revision
            self._newest[placed.asset_id] = placed.intent
            connection = self._live.connection(placed.asset_id)
            if connection is not None:
                connection.deliver(placed.intent)

    def _repeated(self, request: Request, earlier: Kept) -> Answer:
        if earlier.dispatch.principal != request.who.id:
            return self._not_taken(request, Obstacle.ID_TAKEN, "another request has this id")
        log.info("a request came twice; it is answered with what became of the first", dispatch=request.id)
        if earlier.dispatch.state is IntentState.REFUSED and not earlier.intents:
            return NotTaken(DeclineKind.LIMITS, earlier.dispatch.reason, earlier.dispatch)
        return Submitted(earlier, repeated=True)

    def _tell(self, changed: Iterable[Kept]) -> None:
        for kept in changed:
            for watcher in list(self._watchers):
                watcher(kept)

    def _note_store(self, fault: str) -> None:
        if fault and not self._store_fault:
            log.error("the state store does not work: new dispatches are refused, nothing else stops", why=fault)
        elif self._store_fault and not fault:
            log.info("the state store works again")
        self._store_fault = fault
