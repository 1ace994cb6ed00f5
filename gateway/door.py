"""Carries out what `gateway.crossing` decides: link to door, door to trail, trail to image, in this order and no other.

Publications that arrive while the disk is busy wait behind the door; when it is slow for long, the oldest waiting
readings are dropped for newer ones. Ageing goes on meanwhile: it never waits for the disk.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from audit.format.record import Entry
from daemon import logs
from dermscore.model import Now
from gateway import crossing, records
from gateway.contract import Contract
from gateway.crossing import Admission, Candidate, CommandOf, MeasuredOf, Refusal
from gateway.denials import Denial
from gateway.faces import Update
from gateway.image import Image
from gateway.local import UNHEARD_S
from gateway.recorder import Recorder
from wire.boundary import BoundaryOutcome
from wire.v1.boundary_link_pb2 import SignedPublication

MOST_WAITING: Final = 32
RETRY_S: Final = 1.0
SLICE: Final = 1000
"""Points that are shown at a stretch: a few milliseconds of the loop, on which masters' polls are answered."""

log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """What waits for its record since `since_mono_ms`. An outcome is dropped for a newer one of its command alone.

    `refused`: the trail did not take it when it was tried, and nobody can say when it will.
    """

    entry: Entry
    candidates: tuple[Candidate, ...]
    outcome: BoundaryOutcome | None
    since_mono_ms: int
    refused: bool = False

    @property
    def word_ends_ms(self) -> int:
        """Up to when the headend's word of commands reaches while this outcome waits."""
        return self.since_mono_ms - UNHEARD_S * 1000 if self.refused else self.since_mono_ms


class Door:
    """The state of the crossing, and its carrier. Owner of every field: the gateway's loop."""

    def __init__(
        self,
        contract: Contract,
        trusted: Mapping[str, Ed25519PublicKey],
        image: Image,
        recorder: Recorder,
        now: Callable[[], Now],
    ) -> None:
        self._contract = contract
        self._trusted = trusted
        self._image = image
        self._recorder = recorder
        self._now = now
        self._state = crossing.begin(contract, now())
        self._waiting: deque[_Waiting] = deque()
        self._carried: tuple[_Waiting, ...] = ()  # what the disk is busy with
        self._untold: list[BoundaryOutcome] = []  # recorded, and held back by isolation
        self._arrived = asyncio.Event()
        self._proved = False  # whether the stream that is open has brought a publication that was admitted
        self.command_of: CommandOf = lambda identifier: None
        self.measured_of: MeasuredOf = lambda name: 0
        self.open_commands: Callable[[], tuple[str, ...]] = tuple
        """The ids of the commands whose end the headend is asked for when a stream begins."""
        self.awaited: Callable[[BoundaryOutcome], None] = lambda outcome: None
        """What to do with an outcome that waits for its record: nothing but what is bad news."""
        self.told: Callable[[BoundaryOutcome], None] = lambda outcome: None
        """What to do with an outcome once it is recorded."""
        self.changed: Callable[[], None] = lambda: None
        """Whom to tell that the link came or went, or that the headend's word of commands reaches less far."""
        image.show([held.shown for held in self._state.points.values()])

    @property
    def link_up(self) -> bool:
        """Whether the headend is there, and is who it should be."""
        return self._proved

    @property
    def heard_mono_ms(self) -> int:
        """Up to when the headend's word of commands reaches, by our monotonic clock: what it says now is not known as
        long as an outcome waits for its record, and not for long enough to be believed once the trail refused that.
        """
        waiting = (*self._carried, *self._waiting)
        waits = [each.word_ends_ms for each in waiting if each.outcome is not None]
        return min([self._state.heard_mono_ms, *waits])

    @property
    def isolated(self) -> bool:
        return self._state.isolated

    @property
    def session(self) -> str:
        """The open stream's name; empty where there is none."""
        return "" if self._state.stream is None else self._state.stream.session

    @property
    def last_seq(self) -> int:
        """The number of the newest publication taken on the open stream; 0 where there is none."""
        return 0 if self._state.stream is None else max(self._state.stream.seqs.values(), default=0)

    def opened(self, nonce: bytes) -> None:
        """A stream to the headend begins: its Hello, with `nonce`, goes out now."""
        self._state = crossing.open_stream(self._state, nonce, self._now())

    def sent_beat(self, number: int) -> None:
        """Heartbeat `number` is being written."""
        self._state = crossing.sent_beat(self._state, number, self._now())

    def closed(self, peer: str, reason: str) -> None:
        """The stream is over. One that never brought anything is counted by the minute, as any denial."""
        if self._proved:
            self._recorder.note(records.link("closed", self.session, peer, reason))
        else:
            self._recorder.deny(Denial(peer, "link", "not made", reason, self.session))
        self._state = crossing.close_stream(self._state)
        self._prove(False)

    def take(self, signed: SignedPublication, peer: str) -> Refusal | None:
        """A publication has arrived. What is shown at once is shown when this returns; the rest follows its record."""
        admission = crossing.admit(
            signed,
            self._trusted,
            self._contract,
            self._state,
            self._now(),
            command_of=self.command_of,
            measured_of=self.measured_of,
        )
        self._state = admission.state
        self._show_worse(admission.at_once, _rule(admission))
        for alarm in admission.alarms:
            log.warning("alarm", what=alarm, session=self.session)
        if admission.refusal is not None:
            self._refused(admission.refusal, peer)
        else:
            self._admitted(admission, peer)
        return admission.refusal

    async def carry(self) -> None:
        """For ever: make durable what waits, then show it."""
        while True:
            self._arrived.clear()
            if not self._waiting:
                await self._arrived.wait()
            self._carried = batch = tuple(self._waiting)
            self._waiting = deque()
            outcomes = [each for each in batch if each.outcome is not None]
            if await self._recorder.commit([each.entry for each in batch], [each.entry for each in outcomes]):
                await self._release(batch)
                self._carried = ()
            else:
                self._carried = ()
                self._waiting.extendleft(replace(each, refused=True) for each in reversed(outcomes))
                if outcomes:
                    self.changed()
                await asyncio.sleep(RETRY_S)  # newer readings are on their way; an outcome comes only once

    def tick(self) -> None:
        """Time has passed."""
        self._state, updates = crossing.age(self._contract, self._state, self._now())
        self._show_worse(updates, "stale")

    def isolate(self) -> None:
        """Close the boundary."""
        self._state, updates = crossing.isolate(self._contract, self._state, self._now())
        self._prove(False)
        self._show_worse(updates, "isolated")

    def rejoin(self) -> None:
        """Open the boundary again. What was recorded of commands meanwhile is told now."""
        self._state = crossing.rejoin(self._state)
        untold, self._untold = self._untold, []
        for outcome in untold:
            self.told(outcome)

    def clock_stepped(self, step_ms: int) -> None:
        """Our UTC stepped by so much: no age and no order depends on it."""
        self._recorder.note(records.clock_step(step_ms))
        log.warning("the wall clock stepped; going on", step_ms=step_ms)

    def _admitted(self, admission: Admission, peer: str) -> None:
        if not self._proved:
            self._prove(True)
            self._recorder.note(records.link("opened", self.session, peer, "its first publication was admitted"))
            log.info("the headend's publications are admitted", session=self.session, headend=peer)
        if admission.record is None:
            return
        self._make_room()
        now_ms = self._now().mono_ms
        self._waiting.append(_Waiting(admission.record, admission.candidates, admission.outcome, now_ms))
        self._arrived.set()
        if admission.outcome is not None:
            self.awaited(admission.outcome)

    def _prove(self, proved: bool) -> None:
        if proved != self._proved:
            self._proved = proved
            self.changed()

    def _refused(self, refusal: Refusal, peer: str) -> None:
        self._recorder.deny(Denial(peer, refusal.rule, "refused", refusal.reason, self.session, "out"))
        log.warning("publication refused", rule=refusal.rule, reason=refusal.reason, headend=peer)

    def _make_room(self) -> None:
        """Drop the oldest readings for newer ones, then outcomes for newer ones of their command: a disk that is full
        for a day must not fill our memory. They are counted, and were never shown.
        """
        while len(self._waiting) >= MOST_WAITING:
            at = self._droppable()
            if at is None:
                return
            self._recorder.missed(self._waiting[at].entry.kind)
            del self._waiting[at]

    def _droppable(self) -> int | None:
        """The oldest readings that wait, else the oldest outcome that a later one of its command has overtaken."""
        last: dict[str, int] = {}
        overtaken: list[int] = []
        for at, each in enumerate(self._waiting):
            if each.outcome is None:
                return at
            if each.outcome.id in last:
                overtaken.append(last[each.outcome.id])
            last[each.outcome.id] = at
        return min(overtaken, default=None)

    async def _release(self, batch: tuple[_Waiting, ...]) -> None:
        for each in batch:
            for start in range(0, len(each.candidates), SLICE):
                if start:
                    await asyncio.sleep(0)  # a master's poll need not wait for all of them
                candidates = each.candidates[start : start + SLICE]
                self._state, updates = crossing.release(candidates, self._contract, self._state, self._now())
                self._image.show(updates)
            if each.outcome is not None:
                self._tell(each.outcome)

    def _tell(self, outcome: BoundaryOutcome) -> None:
        """Nothing that came across changes a point while the boundary is closed, recorded or not."""
        if self._state.isolated:
            self._untold.append(outcome)
        else:
            self.told(outcome)

    def _show_worse(self, updates: tuple[Update, ...], rule: str) -> None:
        if updates:
            self._image.show(updates)
            self._recorder.note(records.worsened(updates, rule, self.session, self._contract.digest))


def _rule(admission: Admission) -> str:
    """By which rule something was shown at once."""
    if admission.refusal is not None:
        return admission.refusal.rule
    return "" if admission.record is None else admission.record.rule
