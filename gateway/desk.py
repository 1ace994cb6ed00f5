"""Where the faces bring SCADA's controls: decides with `gateway.commands`, makes durable, and only then says SUCCESS.

A master is timing the answer, so all of it happens inside the face's call, within half a second: outbox row, audit
record, outbox row again. What is not durable by then is refused, and recorded as withdrawn.
"""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, Final

from daemon import logs
from dermscore.intent import IntentState
from dermscore.model import Now
from dermscore.quality import Quality
from dermscore.sheets.points import CommandRow
from gateway import commands, local, records
from gateway.commands import Commands, Conditions, Denied, Flight, Wish
from gateway.contract import Contract
from gateway.denials import Denial
from gateway.faces import ControlRequest, FaceEvent, FaceEventKind, Status, Update
from gateway.image import Image
from gateway.local import UNHEARD_S, Hearing
from gateway.outbox import WITHDRAWN, Found, Outbox, OutboxUnwritable, Row
from gateway.recorder import Recorder
from gateway.takeover import Takeover
from wire.boundary import BoundaryCommand, BoundaryOutcome

DURABLE_WITHIN_S: Final = 0.5

_DENIALS: Final = frozenset(
    {
        FaceEventKind.STRANGER_REFUSED,
        FaceEventKind.CONNECTION_REFUSED,
        FaceEventKind.FUNCTION_REFUSED,
        FaceEventKind.CONTROL_REFUSED,
    }
)

log = logs.get(__name__)


class _NotDurableError(Exception):
    """The outbox or the trail did not take a command in time."""


class Desk:
    """A `ControlDesk`. Owner of every field: the gateway's loop, on which the faces call."""

    def __init__(
        self,
        contract: Contract,
        outbox: Outbox,
        recorder: Recorder,
        conditions: Callable[[], Conditions],
        send: Callable[[BoundaryCommand], bool],
        now: Callable[[], Now],
    ) -> None:
        """`send` puts a command on the open stream; False where there is none."""
        self._contract = contract
        self._outbox = outbox
        self._recorder = recorder
        self._conditions = conditions
        self._send = send
        self._now = now
        self._image: Image | None = None
        self._commands = Commands()
        self._heard = Hearing(linked=False, silent=False)
        self._awaited: dict[str, BoundaryOutcome] = {}  # by id: what was told last and waits for its record

    @property
    def outstanding(self) -> Commands:
        """Every command that is remembered."""
        return self._commands

    def command_of(self, identifier: str) -> str | None:
        """The name of the row by which a command was asked for; None where it is none of ours."""
        flight = self._commands.flights.get(identifier)
        return None if flight is None else flight.command

    def open_commands(self) -> tuple[str, ...]:
        """The ids of the commands whose end is not known."""
        return self._commands.open

    def measured_of(self, name: str) -> int:
        """When the newest was measured that is known of what a row's commands deliver, UTC ms; 0 where nothing is."""
        return max((each.measured_ms for each in self._commands.flights.values() if each.command == name), default=0)

    def begin(self, image: Image, found: Found) -> None:
        """Show how each command stood when the gateway last stopped, and tell what became of those left open."""
        self._image = image
        for row in found.dropped:
            self._recorder.note(records.withdrawn(row.id, row.name, "never recorded; dropped at start"))
        for row in found.failed:
            self._recorder.note(records.ended(row.id, row.name, IntentState.FAILED.value, row_reason(found, row)))
            log.warning("a command of unknown fate is reported failed", id=row.id, command=row.name)
        self._commands = _resumed(found.kept, self._contract, self._now())
        self._heard = local.hearing(self._conditions(), self._now())
        for name in self._contract.command:
            self._show(name)

    def select(self, requests: Sequence[ControlRequest]) -> Sequence[Status]:
        """Whether each could be operated now. A refusal is recorded like that of an operate."""
        return [self._answer(request, self._decide(request)) for request in requests]

    def operate(self, requests: Sequence[ControlRequest]) -> Sequence[Status]:
        """Decide each, make it durable, start it. SUCCESS means accepted; the rest arrives on status points."""
        return [self._operate(request) for request in requests]

    def note(self, event: FaceEvent) -> None:
        """What a face noticed goes to the trail; refusals are counted by the minute."""
        log.info("face", kind=event.kind.value, outstation=event.outstation, peer=event.peer, detail=event.detail)
        if event.kind not in _DENIALS:
            self._recorder.note(records.face(event))
            return
        host = event.peer.rpartition(":")[0] or event.peer
        self._recorder.deny(Denial(host, event.kind.value, "refused", event.detail, event.session, "in"))

    def awaited(self, outcome: BoundaryOutcome) -> None:
        """What the headend reports of a command, while its record is not durable: what it only worsens shows at once.

        No new value does: what is shown keeps its own, and no longer looks better than the headend says.
        """
        flight = self._commands.flights.get(outcome.id)
        if flight is not None:
            self._awaited[outcome.id] = outcome
            self._show(flight.command)

    def told(self, outcome: BoundaryOutcome) -> None:
        """What the headend reports of a command; its record is durable already."""
        if self._awaited.get(outcome.id) == outcome:
            del self._awaited[outcome.id]
        self._commands, flight = commands.follow(self._commands, outcome)
        if flight is not None:
            self._changed(flight)

    def tick(self) -> None:
        """Give up what nobody confirms, and say so where nobody knows any longer what is delivered."""
        self._commands, failed = commands.overdue(self._commands, self._now())
        for flight in failed:
            self._recorder.note(records.ended(flight.id, flight.command, flight.state.value, flight.reason))
            self._changed(flight)
        self.listen()

    def listen(self) -> None:
        """Show what time, or the link that came or went, makes of the commands. It waits for nothing."""
        conditions, now = self._conditions(), self._now()
        before, self._heard = self._heard, local.hearing(conditions, now)
        if conditions.isolated:
            self._commands = commands.lose(self._commands, _long_ago(now))
        elif not conditions.link_up:
            self._commands = commands.lose(self._commands, conditions.heard_mono_ms)
        every = self._commands.flights.values()
        ageing = {each.command for each in every if each.lost_mono_ms is not None or each.until_mono_ms is not None}
        for name in self._contract.command if self._heard != before else sorted(ageing):
            self._show(name)

    def take_over(self, takeover: Takeover) -> bool:
        """Put a master in control; False where it is already, or may not operate by the contract that runs."""
        if takeover.holder == self._commands.in_control or takeover.holder not in self._contract.may_control:
            return False
        self._commands = commands.take_over(self._commands, takeover.holder)
        return True

    def _decide(self, request: ControlRequest) -> Wish | Denied:
        return commands.decide(request, self._contract, self._commands, self._conditions(), self._now())

    def _answer(self, request: ControlRequest, decision: Wish | Denied) -> Status:
        if isinstance(decision, Wish):
            return Status.SUCCESS
        host = request.peer.rpartition(":")[0] or request.peer
        denial = Denial(host, decision.rule, decision.status.value, decision.reason, request.session, "in")
        self._recorder.deny(denial)
        log.warning("control refused", master=request.master, status=decision.status.value, reason=decision.reason)
        return decision.status

    def _operate(self, request: ControlRequest) -> Status:
        decision = self._decide(request)
        if isinstance(decision, Denied):
            return self._answer(request, decision)
        identifier = str(uuid.uuid4())
        try:
            self._make_durable(identifier, decision, request)
        except _NotDurableError as why:
            return self._withdraw(identifier, decision, request, str(why))
        self._commands = commands.accept(self._commands, decision, request, identifier, self._now())
        self._show(decision.row.name)
        log.info("command accepted", id=identifier, command=decision.row.name, target_w=decision.target_w)
        if self._send(commands.order(decision, identifier)):
            return Status.SUCCESS
        return self._lost(identifier)

    def _make_durable(self, identifier: str, wish: Wish, request: ControlRequest) -> None:
        """Row, record, row: after a crash between any two of them the outbox still says what to do."""
        until_s = time.monotonic() + DURABLE_WITHIN_S
        now_ms = self._now().utc_ms
        row = Row(identifier, wish.row.name, wish.target_w, request.master, now_ms, "", energy_wh=wish.energy_wh)
        _wait(self._outbox.add(row), until_s, "the outbox")
        entry = records.command(
            identifier, wish.row.name, request, wish.target_w, wish.row.hold_s, self._contract.digest
        )
        if not self._recorder.commit_within(entry, max(0.0, until_s - time.monotonic())):
            raise _NotDurableError("the trail did not take it in time")
        state = IntentState.SUBMITTED.value
        _wait(self._outbox.change(identifier, state, "", self._now().utc_ms), until_s, "the outbox")

    def _withdraw(self, identifier: str, wish: Wish, request: ControlRequest, why: str) -> Status:
        """Nothing was done. The record of the command may still become durable; this one then follows it."""
        self._recorder.note(records.withdrawn(identifier, wish.row.name, why))
        self._remember(self._outbox.change(identifier, WITHDRAWN, why, self._now().utc_ms))
        return self._answer(request, Denied(Status.HARDWARE_ERROR, "not-durable", why))

    def _lost(self, identifier: str) -> Status:
        """The stream went away between the decision and now."""
        flight = self._commands.flights[identifier]
        told = BoundaryOutcome(identifier, IntentState.FAILED, "the link went away", None, None, self._now().utc_ms)
        self._recorder.note(records.ended(identifier, flight.command, told.state.value, told.reason))
        self.told(told)
        return Status.DOWNSTREAM_FAIL

    def _changed(self, flight: Flight) -> None:
        now_ms = self._now().utc_ms
        written = self._outbox.change(
            flight.id,
            flight.state.value,
            flight.reason,
            now_ms,
            delivered_w=flight.delivered_w,
            inferred=flight.inferred,
            quality=None if flight.quality is None else flight.quality.bits,
            measured_ms=flight.measured_ms,
        )
        self._remember(written)
        self._show(flight.command)
        log.info("command", id=flight.id, state=flight.state.value, reason=flight.reason)

    def _show(self, command: str) -> None:
        """What crossed for it stands in its outcome's record; the rest is recorded once it is shown."""
        assert self._image is not None
        row, now = self._contract.command[command], self._now()
        points = local.command_points(self._contract, self._commands, row, self._heard, now)
        if self._awaited:
            after = local.command_points(self._contract, self._foreseen(), row, self._heard, now)
            points = local.worse_of(points, after, now)
        crossed = _crossed(self._contract, row, self._commands)
        ours = [update for update in self._image.show_changed(points) if update not in crossed]
        if ours:
            self._recorder.note(records.command_shown(ours, self._contract.digest))

    def _foreseen(self) -> Commands:
        """The commands as they will be once what waits for its record is told."""
        foreseen = self._commands
        for outcome in self._awaited.values():
            foreseen, _ = commands.follow(foreseen, outcome)
        return foreseen

    def _remember(self, written: Future[None]) -> None:
        written.add_done_callback(_log_failure)


def _crossed(contract: Contract, row: CommandRow, known: Commands) -> list[Update]:
    flight = known.standing(row.name)
    if flight is None:
        return []
    return local.as_told(contract, row, flight.delivered_w, flight.quality, flight.measured_ms)


def row_reason(found: Found, row: Row) -> str:
    """Why a row was failed at start, as the outbox has it now."""
    return next((each.reason for each in found.kept if each.id == row.id), row.reason) or "its fate is not known"


def _resumed(rows: Sequence[Row], contract: Contract, now: Now) -> Commands:
    """What the outbox remembers. Who was in control stays so unless the contract no longer lets it operate."""
    known = [row for row in rows if row.name in contract.command]
    flights = {row.id: _flight(row, contract, now) for row in known}
    holders = [(contract.command[row.name].outstation, row.master) for row in known[-1:]]
    in_control = next((each for each in holders if each in contract.may_control), None)
    ages_ms = [max(0, now.utc_ms - row.accepted_ms) for row in rows]  # a clock that was set back makes nothing younger
    moved = [(now.mono_ms - age_ms, row.energy_wh) for age_ms, row in zip(ages_ms, rows, strict=True)]
    return Commands(flights, in_control, tuple(moved))


def _flight(row: Row, contract: Contract, now: Now) -> Flight:
    """A row of the outbox, taken up again. What was not confirmed yet gets its time once more."""
    command = contract.command[row.name]
    accepted_mono_ms = now.mono_ms - max(0, now.utc_ms - row.accepted_ms)
    flight = Flight(
        row.id,
        row.name,
        row.target_w,
        row.master,
        row.accepted_ms,
        now.mono_ms + round(command.feedback_timeout_s * 1000),
        IntentState(row.state),
        row.reason,
        row.delivered_w,
        bool(row.inferred),
        None if row.quality is None else Quality.from_bits(row.quality),
        row.measured_ms,
        until_mono_ms=None if command.hold_s is None else accepted_mono_ms + command.hold_s * 1000,
    )
    # Until it is told of again nobody knows what happened meanwhile, nor for how long.
    return flight if flight.final else replace(flight, lost_mono_ms=_long_ago(now))


def _long_ago(now: Now) -> int:
    """A time from which nothing is news any more."""
    return now.mono_ms - UNHEARD_S * 1000


def _wait(future: Future[Any], until_s: float, what: str) -> None:
    try:
        future.result(max(0.0, until_s - time.monotonic()))
    except TimeoutError:
        future.cancel()
        raise _NotDurableError(f"{what} did not take it in time") from None
    except (sqlite3.Error, OutboxUnwritable) as error:
        raise _NotDurableError(f"{what} did not take it: {error}") from None


def _log_failure(written: Future[None]) -> None:
    error = None if written.cancelled() else written.exception()
    if error is not None:
        log.error("the outbox could not be written", reason=str(error))
