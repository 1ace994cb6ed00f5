"""The desk: what is durable before SUCCESS is said, and what a master hears when it cannot be."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from audit.format.record import Entry
from dermscore.intent import IntentState
from dermscore.model import Now
from dermscore.quality import Cause, Validity
from dermscore.sheets.points import COMMAND_STATE_CODES, PointType
from gateway import records
from gateway.commands import Conditions
from gateway.contract import Contract
from gateway.desk import DURABLE_WITHIN_S, Desk
from gateway.faces import ControlRequest, FaceEvent, FaceEventKind, Status, Update
from gateway.image import Image
from gateway.local import UNHEARD_S, as_told
from gateway.outbox import Outbox, OutboxUnwritable, Row, read
from gateway.recorder import Recorder
from gateway.takeover import Takeover
from tests.gateway.lying_trail import LyingTrail
from tests.gateway.screen import Screen
from tests.gateway.stage import CALCULATED, Clock, contract, files
from tests.gateway.stage import commands as rows
from tests.gateway.stand_in import eventually
from wire.boundary import BoundaryCommand, BoundaryOutcome

CONTRACT = contract()
TARGET = ControlRequest("main", PointType.AO, 0, 250.0, None, 1, "direct", "ems", "main/1", "127.0.0.1:5000")


@dataclass
class Bench:
    path: Path
    outbox: Outbox
    trail: LyingTrail = field(default_factory=LyingTrail)
    clock: Clock = field(default_factory=Clock)
    link_up: bool = True
    talking: bool = True
    heard_mono_ms: int = 0
    isolated: bool = False
    stream: bool = True
    sent: list[BoundaryCommand] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.recorder = Recorder(self.trail.submit, self.trail.health, self.clock)
        self.desk = Desk(CONTRACT, self.outbox, self.recorder, self.conditions, self.send, self.clock)
        self.image = Image(CONTRACT, {"main": Screen()})
        self.heard_mono_ms = self.clock.now.mono_ms
        self.desk.begin(self.image, self.outbox.recover(self.clock.now.utc_ms).result())

    def conditions(self) -> Conditions:
        if self.link_up and self.talking:
            self.heard_mono_ms = self.clock.now.mono_ms
        return Conditions(self.isolated, self.link_up, self.recorder.ok, self.heard_mono_ms)

    def send(self, wish: BoundaryCommand) -> bool:
        # whatever the stream sees is durable already
        assert read(self.path)[0].state == "submitted"
        assert self.trail.kinds()[-2:] == ["command.in", "command.shown"]
        if self.stream:
            self.sent.append(wish)
        return self.stream

    def operate(self, request: ControlRequest = TARGET) -> Status:
        (status,) = self.desk.operate([request])
        return status

    def kinds(self) -> list[str]:
        """What the trail holds beside what was shown of the commands."""
        return [kind for kind in self.trail.kinds() if kind != "command.shown"]

    def state(self, name: str = "target state") -> str:
        code = self.image.shown[name].raw
        return next(word for word, number in COMMAND_STATE_CODES.items() if number == code)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    Outbox.init(tmp_path / "outbox.db")
    outbox = Outbox.open(tmp_path / "outbox.db")
    yield Bench(tmp_path / "outbox.db", outbox)
    outbox.close()


async def test_success_means_row_record_and_sent_under_one_id(bench: Bench) -> None:
    assert bench.operate() is Status.SUCCESS
    (sent,) = bench.sent
    (entry,) = bench.trail.of("command.in")
    assert entry.body is not None
    assert entry.body.columns["id"] == [sent.id] == [read(bench.path)[0].id]
    assert (entry.session, entry.peer, entry.dir) == ("main/1", "127.0.0.1:5000", "in")
    assert bench.state() == "submitted"
    assert bench.image.shown["target"].raw == 250
    assert (bench.desk.command_of(sent.id), bench.desk.command_of("another")) == ("target", None)


async def test_a_select_executes_nothing(bench: Bench) -> None:
    assert bench.desk.select([replace(TARGET, how="select")]) == [Status.SUCCESS]
    assert (bench.sent, bench.kinds(), read(bench.path)) == ([], [], [])


async def test_each_of_several_is_answered_for_itself(bench: Bench) -> None:
    assert bench.desk.operate([replace(TARGET, index=9), TARGET]) == [Status.NOT_SUPPORTED, Status.SUCCESS]


async def test_a_refusal_is_recorded_and_repetitions_are_counted(bench: Bench) -> None:
    bench.link_up = False
    for _ in range(20):
        assert bench.operate() is Status.DOWNSTREAM_FAIL
    (denied,) = bench.trail.of("denied")
    assert (denied.peer, denied.rule, denied.decision) == ("127.0.0.1", "link-down", "DOWNSTREAM_FAIL")
    assert read(bench.path) == []


async def test_a_slow_trail_is_waited_for_half_a_second_then_the_command_is_withdrawn(bench: Bench) -> None:
    bench.trail.mood = "slow"
    began = time.monotonic()
    assert bench.operate() is Status.HARDWARE_ERROR
    assert time.monotonic() - began < DURABLE_WITHIN_S + 5  # a machine may be busy; it must not wait for ever
    assert bench.sent == []
    bench.trail.catch_up()
    assert "command.withdrawn" in bench.trail.kinds()
    await eventually(lambda: read(bench.path)[0].state == "withdrawn")
    assert bench.state() == "idle"


async def test_a_full_trail_refuses(bench: Bench) -> None:
    bench.trail.mood = "full"
    assert bench.operate() is Status.HARDWARE_ERROR
    assert read(bench.path) == []


class BrokenOutbox:
    """An outbox whose disk is full, or does not answer."""

    def __init__(self, error: Exception | None) -> None:
        self._error = error

    def add(self, row: Row) -> Future[None]:
        future: Future[None] = Future()
        if self._error is not None:
            future.set_exception(self._error)
        return future

    def change(self, *_: object) -> Future[None]:
        return self.add(None)  # type: ignore[arg-type]


@pytest.mark.parametrize("error", [OutboxUnwritable("outbox.db: its disk is full"), None])
async def test_an_outbox_that_takes_nothing_refuses(bench: Bench, error: Exception | None) -> None:
    bench.desk._outbox = BrokenOutbox(error)  # type: ignore[assignment]
    assert bench.operate() is Status.HARDWARE_ERROR
    assert bench.sent == []
    assert "command.in" not in bench.trail.kinds()
    assert "command.withdrawn" in bench.trail.kinds()


async def test_a_stream_that_goes_away_at_the_last_moment_is_told_truthfully(bench: Bench) -> None:
    bench.stream = False
    assert bench.operate() is Status.DOWNSTREAM_FAIL
    assert bench.state() == "failed"
    assert bench.kinds()[-1] == "command.ended"
    bench.stream = True
    assert bench.operate() is Status.SUCCESS


async def test_outcomes_move_the_status_points(bench: Bench) -> None:
    bench.operate()
    identifier = bench.sent[0].id
    bench.desk.told(BoundaryOutcome(identifier, IntentState.FOLLOWING, "", 249_600.0, None, 0))
    assert bench.state() == "following"
    assert bench.image.shown["feedback"].raw == 250
    bench.desk.told(BoundaryOutcome(identifier, IntentState.SENT, "late", None, None, 0))
    assert bench.state() == "following"


LOST = CALCULATED.because(Cause.COMM_LOST, Validity.HELD)


def following(bench: Bench) -> BoundaryOutcome:
    """SCADA's target is followed, and that was told at UTC 1."""
    assert bench.operate() is Status.SUCCESS
    told = BoundaryOutcome(bench.sent[-1].id, IntentState.FOLLOWING, "", 250_000.0, None, 1, CALCULATED)
    bench.desk.told(told)
    return told


async def test_no_news_is_fine_while_publications_come(bench: Bench) -> None:
    following(bench)
    before = dict(bench.image.shown)
    for _ in range(100):
        bench.clock.advance(36)
        bench.desk.tick()
    assert bench.image.shown == before
    assert before["feedback"] == Update("feedback", 250, CALCULATED, 1)


async def test_what_is_delivered_ages_while_the_link_is_up_and_nothing_comes(bench: Bench) -> None:
    following(bench)
    bench.talking = False
    bench.clock.advance(UNHEARD_S - 0.001)
    bench.desk.tick()
    assert bench.image.shown["feedback"].quality == CALCULATED
    bench.clock.advance(0.001)
    bench.desk.tick()
    for name in ("feedback", "target", "target state"):
        quality = bench.image.shown[name].quality
        assert (quality.validity, quality.causes) == (Validity.HELD, Cause.COMM_LOST)
    bench.talking = True  # the same stream: nothing on it was lost
    bench.desk.tick()
    assert bench.image.shown["feedback"] == Update("feedback", 250, CALCULATED, 1)
    assert bench.image.shown["target"].quality.good


async def test_feedback_is_lost_some_time_after_the_link_and_good_when_it_is_told_again(bench: Bench) -> None:
    told = following(bench)
    bench.link_up = False
    bench.clock.advance(UNHEARD_S - 1)
    bench.desk.tick()
    assert bench.image.shown["feedback"].quality == CALCULATED
    bench.clock.advance(1)
    bench.desk.tick()
    lost = bench.image.shown["feedback"]
    assert (lost.raw, lost.quality, lost.time_ms) == (250, LOST, bench.clock.now.utc_ms)
    bench.link_up = True
    bench.desk.tick()
    assert bench.image.shown["feedback"] == lost  # a link alone does not vouch for what was measured before
    bench.desk.told(told)
    assert bench.image.shown["feedback"].quality == CALCULATED


async def test_how_a_command_stands_is_held_as_soon_as_the_link_is_down_and_until_it_is_told_again(
    bench: Bench,
) -> None:
    told = following(bench)
    bench.link_up = False
    bench.desk.listen()
    names = ("target", "target state")
    assert [(bench.image.shown[name].raw, bench.image.shown[name].quality.causes) for name in names] == [
        (250, Cause.COMM_LOST),
        (COMMAND_STATE_CODES["following"], Cause.COMM_LOST),
    ]
    assert bench.image.shown["release state"].quality == LOST  # none was asked for, as far as anybody knows
    bench.link_up = True
    bench.desk.listen()
    assert bench.image.shown["release state"].quality == CALCULATED
    assert [bench.image.shown[name].quality.causes for name in names] == [Cause.COMM_LOST] * 2
    bench.desk.told(told)
    assert all(bench.image.shown[name].quality.good for name in names)


async def test_a_hold_that_runs_out_while_nobody_tells_of_it_is_not_in_effect(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, release = rows()
    held = contract(command_rows=[{**target, "hold": 60}, release])
    monkeypatch.setattr(f"{__name__}.CONTRACT", held)
    bench = Bench(bench.path, bench.outbox)
    following(bench)
    bench.clock.advance(59)
    again = Bench(bench.path, bench.outbox, clock=bench.clock)  # through a restart too
    assert again.image.shown["target"].quality.causes == Cause.COMM_LOST
    bench.clock.advance(1)
    again.desk.tick()
    bench.desk.tick()
    assert bench.image.shown["target"].quality.causes == Cause.NOT_IN_EFFECT
    assert again.image.shown["target"].quality.causes == Cause.NOT_IN_EFFECT | Cause.COMM_LOST
    assert {each.image.shown["target"].quality.validity for each in (bench, again)} == {Validity.HELD}


async def test_feedback_is_lost_at_once_where_the_boundary_is_closed_and_after_a_restart(bench: Bench) -> None:
    told = following(bench)
    await eventually(lambda: read(bench.path)[0].quality == CALCULATED.bits)
    again = Bench(bench.path, bench.outbox)
    assert again.image.shown["feedback"].quality == LOST
    bench.isolated, bench.link_up = True, False
    bench.desk.listen()
    assert bench.image.shown["feedback"].quality == LOST
    bench.isolated = False
    bench.desk.tick()
    bench.link_up = True
    bench.desk.tick()
    assert bench.image.shown["feedback"].quality == LOST
    bench.desk.told(told)
    assert bench.image.shown["feedback"].quality == CALCULATED


async def test_all_that_is_shown_of_commands_stands_in_the_trail(bench: Bench) -> None:
    """By point, raw, quality and time: what crossed in its outcome's record, before; all else after it was shown."""
    told = following(bench)
    row = CONTRACT.command["target"]
    crossed = records.outcome(told, as_told(CONTRACT, row, 250_000.0, CALCULATED, 1), "", "", "")
    bench.desk.told(BoundaryOutcome(told.id, IntentState.COMPLETE, "", None, None, 2))
    bench.link_up = False
    bench.clock.advance(60)
    bench.desk.tick()
    screen = bench.image._face_of["target"]
    assert isinstance(screen, Screen)
    shown = [(each.point, each.raw, each.quality.bits, each.time_ms) for batch in screen.batches for each in batch]
    entries = bench.trail.of("command.shown")
    recorded = [row for entry in entries for row in _rows(entry)]
    assert sorted(shown) == sorted([*recorded, *_rows(crossed)])
    assert [entry.n for entry in entries] == [len(_rows(entry)) for entry in entries]


@pytest.mark.parametrize("state", [IntentState.FOLLOWING, IntentState.SUPERSEDED])
async def test_what_is_delivered_and_no_longer_told_of_is_not_good_and_stands_in_the_trail(
    bench: Bench, state: IntentState
) -> None:
    told = following(bench)
    crossed = records.outcome(told, as_told(CONTRACT, CONTRACT.command["target"], 250_000.0, CALCULATED, 1), "", "", "")
    bench.link_up = False
    bench.clock.advance(2)
    bench.desk.tick()
    bench.link_up = True
    bench.desk.tick()
    bench.desk.told(BoundaryOutcome(told.id, state, "", None, None, 2))
    last = bench.image.shown["feedback"]
    assert (last.raw, last.quality.validity, last.time_ms) == (250, Validity.HELD, bench.clock.now.utc_ms)
    screen = bench.image._face_of["target"]
    assert isinstance(screen, Screen)
    shown = [(each.point, each.raw, each.quality.bits, each.time_ms) for batch in screen.batches for each in batch]
    recorded = [row for entry in bench.trail.of("command.shown") for row in _rows(entry)]
    assert sorted(shown) == sorted([*recorded, *_rows(crossed)])


def _rows(entry: Entry) -> list[tuple[str, int, int, int]]:
    assert entry.body is not None
    columns = entry.body.columns
    return list(zip(*(columns[name] for name in ("point", "raw", "quality", "time_ms")), strict=True))  # type: ignore[arg-type]


async def test_what_nobody_confirms_fails_after_its_time(bench: Bench) -> None:
    bench.operate()
    bench.clock.advance(30)
    bench.desk.tick()
    assert bench.state() == "failed"
    (ended,) = bench.trail.of("command.ended")
    assert ended.reason == "not confirmed within feedback_timeout_s"


async def test_after_a_crash_unknown_fates_are_told_and_nothing_is_sent_again(bench: Bench) -> None:
    bench.operate()
    bench.outbox.add(Row("never-recorded", "release", None, "ems", 0, "new")).result()
    again = Bench(bench.path, bench.outbox)
    assert again.sent == []
    assert again.state() == "failed"
    assert again.kinds() == ["command.withdrawn", "command.ended"]
    assert again.desk.command_of(bench.sent[0].id) == "target"
    assert again.operate() is Status.SUCCESS


async def test_what_was_given_up_and_follows_after_all_is_shown_following(bench: Bench) -> None:
    bench.operate(replace(TARGET, value=400.0))
    identifier = bench.sent[0].id
    bench.clock.advance(30)
    bench.desk.tick()
    await eventually(lambda: read(bench.path)[0].inferred)
    again = Bench(bench.path, bench.outbox)  # through a restart too
    assert again.state() == "failed"
    assert again.operate(replace(TARGET, value=-400.0)) is Status.OUT_OF_RANGE
    again.desk.told(BoundaryOutcome(identifier, IntentState.FOLLOWING, "", 400_000.0, None, 0))
    assert again.state() == "following"
    await eventually(lambda: (read(bench.path)[0].state, read(bench.path)[0].inferred) == ("following", 0))


async def test_after_a_restart_a_command_in_force_is_followed_further(bench: Bench) -> None:
    bench.operate()
    identifier = bench.sent[0].id
    bench.desk.told(BoundaryOutcome(identifier, IntentState.ACTIVE, "", 1000.0, None, 0))
    again = Bench(bench.path, bench.outbox)
    assert again.state() == "active"
    assert again.image.shown["target"].raw == 250
    again.desk.told(BoundaryOutcome(identifier, IntentState.SUPERSEDED, "", None, None, 0))
    assert again.state() == "superseded"


async def test_a_restart_forgets_not_how_new_the_newest_feedback_was(bench: Bench) -> None:
    told = following(bench)
    bench.desk.told(replace(told, time_ms=777))
    await eventually(lambda: read(bench.path)[0].measured_ms == 777)
    again = Bench(bench.path, bench.outbox)
    assert (again.desk.measured_of("target"), again.desk.measured_of("release")) == (777, 0)


async def test_what_the_headend_does_not_know_has_failed_and_whoever_knows_better_is_believed(bench: Bench) -> None:
    assert bench.operate() is Status.SUCCESS
    (identifier,) = bench.desk.open_commands()
    assert identifier == bench.sent[0].id
    bench.desk.told(BoundaryOutcome(identifier, IntentState.FAILED, "no such command", None, None, 5, unknown=True))
    assert bench.state() == "failed"
    assert bench.desk.open_commands() == ()  # asked and answered
    bench.desk.told(BoundaryOutcome(identifier, IntentState.ACTIVE, "", None, None, 6))  # it was on the desk still
    assert bench.state() == "active"
    assert bench.desk.open_commands() == (identifier,)
    bench.desk.told(BoundaryOutcome(identifier, IntentState.EXPIRED, "", None, None, 7))
    assert bench.desk.open_commands() == ()


async def test_a_restart_forgets_no_living_command(bench: Bench) -> None:
    bench.operate()
    bench.desk.told(BoundaryOutcome(bench.sent[0].id, IntentState.FOLLOWING, "", 250e3, 0.0, 1))
    bench.operate(replace(TARGET, value=300.0))
    again = Bench(bench.path, bench.outbox)
    assert [again.desk.command_of(sent.id) for sent in bench.sent] == ["target"] * 2
    again.desk.told(BoundaryOutcome(bench.sent[0].id, IntentState.SUPERSEDED, "", None, None, 2))
    assert again.desk.outstanding.flights[bench.sent[0].id].state is IntentState.SUPERSEDED
    assert again.state() == "failed"  # the newest one is what the point shows


async def test_a_restart_forgets_neither_the_energy_that_moved_nor_who_is_in_control(bench: Bench) -> None:
    bench.operate()
    before = bench.desk.outstanding
    bench.clock.advance(100)
    again = Bench(bench.path, bench.outbox, clock=bench.clock)
    assert again.desk.outstanding.in_control == before.in_control == ("main", "ems")
    assert again.desk.outstanding.moved == before.moved
    assert again.operate(replace(TARGET, master="backup")) is Status.BLOCKED_OTHER_MASTER
    assert again.operate() is Status.SUCCESS


async def test_a_clock_that_was_set_back_does_not_make_moved_energy_younger_than_now(bench: Bench) -> None:
    bench.operate()
    clock = Clock(Now(bench.clock.now.utc_ms - 3_600_000, 77))
    assert Bench(bench.path, bench.outbox, clock=clock).desk.outstanding.moved == ((77, 62_500.0),)


async def test_a_master_that_may_operate_no_longer_gives_up_control_at_the_next_start(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.operate()
    given = files()
    given["boundary.yaml"] = given["boundary.yaml"].replace(b"{name: ems, ", b"{name: ems, control: false, ")
    monkeypatch.setattr(f"{__name__}.CONTRACT", Contract.parse(given, "test"))
    again = Bench(bench.path, bench.outbox)
    assert again.operate(replace(TARGET, master="backup")) is Status.SUCCESS


async def test_a_takeover_changes_who_controls_unless_it_says_nothing_new(bench: Bench) -> None:
    bench.operate()
    bench.desk.told(BoundaryOutcome(bench.sent[0].id, IntentState.ACTIVE, "", None, None, 0))
    assert not bench.desk.take_over(Takeover("main", "ems", "it is already", 1))
    assert not bench.desk.take_over(Takeover("main", "viewer", "may not operate", 1))
    assert bench.desk.take_over(Takeover("main", "backup", "drill", 1))
    assert bench.operate() is Status.BLOCKED_OTHER_MASTER
    assert bench.operate(replace(TARGET, master="backup")) is Status.SUCCESS


async def test_what_faces_notice_goes_to_the_trail_and_strangers_are_counted(bench: Bench) -> None:
    event = FaceEvent(FaceEventKind.TIME_OFFSET, "main", "ems", "main/1", "127.0.0.1:5", "time written", -250)
    bench.desk.note(event)
    for port in range(100):
        bench.desk.note(replace(event, kind=FaceEventKind.STRANGER_REFUSED, peer=f"203.0.113.9:{port}"))
    assert [(entry.kind, entry.reason) for entry in bench.trail.entries if entry.kind != "command.shown"] == [
        ("face", "time written (-250)"),
        ("denied", "time written"),
    ]
    bench.clock.advance(60)
    bench.recorder.tick()
    assert bench.trail.of("denied")[-1].n == 99


async def test_at_the_end_what_was_being_counted_is_told(bench: Bench) -> None:
    event = FaceEvent(FaceEventKind.CONTROL_REFUSED, "main", "", "", "127.0.0.1:5", "too many")
    bench.desk.note(event)
    bench.desk.note(event)
    bench.recorder.flush()
    bench.recorder.flush()
    assert [entry.n for entry in bench.trail.of("denied")] == [1, 1]
