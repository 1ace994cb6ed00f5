"""Carrying out what was decided anew: stored, then sent, then told, as every decision is.

Two things lead to it: something that was suspended stands again (`resuming`), or the limits in force have changed for
what stands (`limiting`). Each is looked for in every turn of the dispatch desk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError

from daemon import logs
from dermscore.decision.decide import decide
from dermscore.decision.replay import Past
from dermscore.decision.request import Declined, Facts
from dermscore.intent import IntentState
from dermscore.model import Now
from dermscore.policy import Policy
from headend import limiting, resuming
from headend.anew import SETTLE_MS, Renewed, again
from headend.fleet import LiveFleet
from headend.ledger import Ledger
from headend.records import Dispatch, Kept, Placed
from headend.store.state import StateStore
from headend.store.thread import OneThread

log = logs.get(__name__)

_BREATH_S: Final = 0.01  # between two decisions, which are 0.1 s or 0.2 s each of a large fleet: what waits is heard


@dataclass(frozen=True, slots=True)
class Rim:
    """What carrying out needs of the dispatch desk: `facts` of a dispatch that is decided anew, `send` for intents that
    are durable, `tell` for dispatches that have changed.
    """

    ledger: Ledger
    live: LiveFleet
    store: StateStore
    thread: OneThread
    clock: Callable[[], Now]
    facts: Callable[[Dispatch], Facts]
    send: Callable[[Iterable[Placed]], None]
    tell: Callable[[Iterable[Kept]], None]


class Renewing:
    """Decides anew what is there. Owner of every field: the event loop of the headend."""

    def __init__(self, rim: Rim, policy: Callable[[], Policy], deciding: asyncio.Lock, began: Now) -> None:
        """`deciding` is held while one decision is taken and carried out, whoever takes it."""
        self._rim, self._policy, self._deciding = rim, policy, deciding
        self._at_it = asyncio.Lock()  # held while several are decided anew, from the first to the last
        self._began = began
        self._pace = resuming.Pace(began)
        self._watch = limiting.Watch()
        self._told: dict[str, tuple[int, int]] = {}  # by asset: the revision that limits led to, and when (monotonic)
        self._left: set[str] = set()  # the dispatches of which the log has that they are left as they are

    # --- what stands again

    async def take_up_again(self) -> None:
        """Decide anew, one by one, what was suspended and stands again. Requests and agents have their turn between any
        two: of a large fleet all of them may take minutes.
        """
        ledger = self._rim.ledger
        if not ledger.waiting():
            return  # the rule, and then nobody's decision is waited for
        async with self._at_it:
            now, waiting = self._rim.clock(), ledger.waiting()
            standing = ledger.standing(now)
            if not self._pace.look(waiting, standing, now):
                return
            due = resuming.due(waiting, standing, self._rim.live.fleet, self._policy(), now)
            self._pace.found(due)
            for dispatch_id, waits in due.items():
                if self._pace.may_try(dispatch_id, waits, self._is_connected, now):
                    await asyncio.sleep(_BREATH_S)
                    async with self._deciding:
                        await self._take_up(dispatch_id)

    def _is_connected(self, asset_id: str) -> bool:
        return self._rim.live.connection(asset_id) is not None

    async def _take_up(self, dispatch_id: str) -> None:
        kept = self._rim.ledger.find(dispatch_id)
        past = None if kept is None else self._decided(kept)
        if kept is None or past is None or all(each.state is not IntentState.SUSPENDED for each in kept.intents):
            return  # it has ended, or waits no more, since it was found
        match resuming.outcome(kept, past.decision, past.now):
            case resuming.Waits(changed):
                self._rim.tell(self._rim.ledger.change(changed, past.now))
            case resuming.GivenUp(changed):
                log.warning("a dispatch cannot be taken up again", dispatch=dispatch_id, why=changed[0].reason)
                await self._rim.thread.call(self._rim.store.take_up, kept.dispatch, (), past, changed)
                self._rim.tell(self._rim.ledger.change(changed, past.now))
            case Renewed() as fresh:
                placed = await self._carry_out(fresh, past)
                log.info("dispatch taken up again", **said(Kept(fresh.dispatch, placed)))

    # --- what stands under other limits

    async def keep_limits(self) -> None:
        """Decide anew, one by one, what stands at or below a node whose limits in force have changed; as above."""
        rim = self._rim
        if not self._watch.look(rim.ledger.targets(), rim.ledger.find, rim.live.fleet, self._policy(), rim.clock()):
            return
        async with self._at_it:
            ready = self._watch.ready(rim.ledger.find, self._is_askable, self._is_coming, rim.clock())
            if len(ready) > 1:
                for kept in ready:  # the lowest first: what it yields leaves the others where they are
                    await self._keep(kept.dispatch.id, yielding=True)
            for kept in reversed(ready):
                await self._keep(kept.dispatch.id)
            self._left = {each for each in self._left if rim.ledger.find(each) is not None}

    async def _keep(self, dispatch_id: str, *, yielding: bool = False) -> None:
        """Decide one anew. A fault of ours in it must not keep the others from being decided."""
        await asyncio.sleep(_BREATH_S)
        async with self._deciding:
            try:
                await self._limit(dispatch_id, yielding=yielding)
            except SQLAlchemyError:
                raise  # it would be the same with the others
            except Exception:
                if dispatch_id not in self._left:
                    log.exception("a dispatch could not be decided anew; trying again", dispatch=dispatch_id)
                self._put_off(dispatch_id, left=True)

    def _is_askable(self, asset_id: str) -> bool:
        return self._rim.live.askable(asset_id, self._rim.clock())

    def _is_coming(self, asset_id: str) -> bool:
        """Whether one that cannot be asked may be on its way back: it was there a moment ago, or we were not."""
        live, now = self._rim.live, self._rim.clock()
        begun = now.mono_ms < self._began.mono_ms + SETTLE_MS
        return not live.impaired(asset_id) and (begun or live.heard_within(asset_id, SETTLE_MS, now))

    async def _limit(self, dispatch_id: str, *, yielding: bool = False) -> None:
        """Decide one anew; `yielding`: and carry out only what is less than it was."""
        kept = self._rim.ledger.find(dispatch_id)
        past = None if kept is None else self._decided(kept, stands=True)
        if kept is None or past is None or kept.dispatch.state is IntentState.SUSPENDED:
            return  # it has ended, or another has it all, since it was found
        fresh = limiting.outcome(kept, past.request, past.decision, past.facts.snapshot, past.now)
        if fresh is not None and fresh.parts and (not yielding or limiting.tightens(kept, fresh)):
            placed = await self._carry_out(fresh, past)
            self._told |= {each.asset_id: (each.intent.revision, past.now.mono_ms) for each in placed}
            log.info("dispatch decided anew, its limits have changed", **said(Kept(fresh.dispatch, placed)))
        if not yielding:
            self._conclude(dispatch_id, past, left=fresh is None)

    def _conclude(self, dispatch_id: str, past: Past, *, left: bool) -> None:
        """Note whether it is to be tried again. One that is left as it is says so in the log, once."""
        if left and dispatch_id not in self._left and isinstance(past.decision, Declined):
            why = past.decision.reason
            log.warning("a dispatch is left as it is, though its limits have changed", dispatch=dispatch_id, why=why)
        self._put_off(dispatch_id, left=left)

    def _put_off(self, dispatch_id: str, *, left: bool) -> None:
        kept = self._rim.ledger.find(dispatch_id)
        if kept is not None:
            self._watch.done(kept, left, self._is_askable, self._rim.clock())
        (self._left.add if left else self._left.discard)(dispatch_id)

    def _as_asked(self, now: Now) -> frozenset[str]:
        """Whom others need not make room for beyond what it was asked: what follows, and what these limits have moved
        just now and can have heard of it.
        """
        self._told = {each: told for each, told in self._told.items() if now.mono_ms < told[1] + SETTLE_MS}
        return frozenset(
            asset_id
            for asset_id, placed in self._rim.ledger.holding().items()
            if self._is_connected(asset_id)
            and (placed.state is IntentState.FOLLOWING or self._told.get(asset_id, (0, 0))[0] == placed.intent.revision)
        )

    # --- either

    def _decided(self, kept: Kept, *, stands: bool = False) -> Past | None:
        """A dispatch decided anew; None where its time is over."""
        dispatch, now, policy = kept.dispatch, self._rim.clock(), self._policy()
        ends_ms = self._rim.ledger.ends_ms(dispatch, now)
        if ends_ms <= now.utc_ms:
            return None
        request, facts = again(dispatch, ends_ms, policy, now, stands=stands), self._rim.facts(dispatch)
        if stands:
            facts = replace(facts, as_asked=self._as_asked(now))
        return Past(now, request, facts, decide(request, facts, policy, now))

    async def _carry_out(self, fresh: Renewed, past: Past) -> tuple[Placed, ...]:
        rim, dispatch = self._rim, fresh.dispatch
        placed = await rim.thread.call(rim.store.take_up, dispatch, fresh.parts, past, fresh.changed)
        others = rim.ledger.take_up(Kept(dispatch, placed), past.now)
        rim.send(placed)
        whole = rim.ledger.find(dispatch.id)
        rim.tell([*([] if whole is None else [whole]), *others])
        return placed


def said(kept: Kept) -> dict[str, Any]:
    """A dispatch in the words of the log."""
    dispatch = kept.dispatch
    return {
        "dispatch": dispatch.id,
        "who": dispatch.principal,
        "node": dispatch.node,
        "target_w": dispatch.target_w,
        "assets": len(kept.intents),
        "shortfall_w": dispatch.shortfall_w,
    }
