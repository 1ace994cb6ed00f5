"""The carrier: what a slow or full disk may hold up, and what it may not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from dermscore.intent import IntentState
from dermscore.quality import Cause, Validity
from dermscore.sheets.points import PointType
from gateway.commands import Conditions
from gateway.desk import Desk
from gateway.door import MOST_WAITING, Door
from gateway.faces import ControlRequest, Status, Update
from gateway.image import Image
from gateway.outbox import Outbox
from gateway.recorder import Recorder
from tests.gateway.lying_trail import LyingTrail
from tests.gateway.screen import Screen
from tests.gateway.stage import CALCULATED, NONCE, POWER, SOC, STRANGER, TRUSTED, Clock, Headend, contract
from tests.gateway.stand_in import eventually
from wire.boundary import BoundaryCommand, BoundaryOutcome

CONTRACT = contract()


@dataclass
class Bench:
    trail: LyingTrail = field(default_factory=LyingTrail)
    clock: Clock = field(default_factory=Clock)
    headend: Headend = field(default_factory=lambda: Headend(CONTRACT))
    screen: Screen = field(default_factory=Screen)
    told: list[BoundaryOutcome] = field(default_factory=list)
    beats: int = 0

    def __post_init__(self) -> None:
        self.recorder = Recorder(self.trail.submit, self.trail.health, self.clock)
        self.image = Image(CONTRACT, {"main": self.screen})
        self.door = Door(CONTRACT, TRUSTED, self.image, self.recorder, self.clock)
        self.door.told = self.told.append
        self.door.command_of = {"cmd-0": "target"}.get
        self.door.opened(NONCE)

    @asynccontextmanager
    async def carrying(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.door.carry())
            yield
            task.cancel()

    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.headend.made_ms += round(seconds * 1000)
        self.beats += 1
        self.door.sent_beat(self.beats)
        self.headend.echo = self.beats
        self.door.tick()
        self.recorder.tick()

    def publish(self, value_w: float) -> None:
        assert self.door.take(self.headend.power(value_w), "headend") is None

    @property
    def power(self) -> Update:
        return self.image.shown[POWER]


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_value_is_shown_once_its_record_is_durable() -> None:
    bench = Bench()
    bench.trail.mood = "slow"
    async with bench.carrying():
        bench.publish(7000.0)
        await settled()
        assert bench.power.quality.causes == Cause.RESTART
        bench.trail.catch_up()
        await settled()
        assert (bench.power.raw, bench.power.quality) == (7, CALCULATED)
    assert bench.trail.kinds() == ["link", "crossing.out"]
    assert bench.door.last_seq == 1


async def test_many_points_are_shown_in_slices_and_others_get_their_turn_between_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.door.SLICE", 1)
    bench = Bench()
    async with bench.carrying():
        before = len(bench.screen.batches)
        rows = [bench.headend.reading(CONTRACT.series[0], 7000.0), bench.headend.reading(CONTRACT.series[1], 50.0)]
        assert bench.door.take(bench.headend.points(rows), "headend") is None
        turns = [len(bench.screen.batches)]
        for _ in range(20):
            await asyncio.sleep(0)
            turns.append(len(bench.screen.batches))
        assert {before, before + 1, before + 2, before + 3} == set(turns)
        assert [len(batch) for batch in bench.screen.batches[before:]] == [1, 1, 1]


async def test_a_disk_that_stands_still_holds_up_no_ageing() -> None:
    bench = Bench()
    async with bench.carrying():
        bench.publish(7000.0)
        await settled()
        bench.trail.mood = "slow"
        for second in range(10):
            bench.wait(1.0)
            bench.publish(8000.0 + second)
            await settled()
        assert bench.power.raw == 7
        assert bench.power.quality.causes == Cause.COMM_LOST
        assert "has not taken a record" in bench.recorder.trouble
        bench.trail.catch_up()
        await settled()
        assert (bench.power.raw, bench.power.quality) == (8, CALCULATED)


async def test_what_the_disk_cannot_keep_up_with_is_superseded_counted_and_never_shown() -> None:
    bench = Bench()
    bench.trail.mood = "slow"
    async with bench.carrying():
        for number in range(MOST_WAITING + 11):
            bench.publish(float(number))
            if number == 0:
                await settled()  # the first is on its way to the disk; the others gather behind it
        assert bench.door.take(bench.headend.outcome(_outcome()), "headend") is None
        bench.trail.catch_up()
        await settled()
        assert bench.told == [_outcome()]
        bench.wait(0.1)
        await settled()
    gap = bench.trail.of("gap")[0]
    assert gap.n == 11
    assert gap.body is not None
    assert gap.body.columns == {"kind": ["crossing.out"], "count": [11]}
    recorded = len(bench.trail.of("crossing.out"))
    assert recorded == MOST_WAITING
    assert bench.recorder.ok


def _outcome() -> BoundaryOutcome:
    return BoundaryOutcome("cmd-0", IntentState.ACTIVE, "", None, None, 0)


async def test_a_full_disk_keeps_new_values_out_and_tells_the_gap_when_it_has_room_again() -> None:
    bench = Bench()
    changes: list[bool] = []
    bench.recorder.changed = lambda: changes.append(bench.recorder.ok)
    async with bench.carrying():
        bench.publish(7000.0)
        await settled()
        bench.trail.mood = "full"
        bench.wait(1.0)
        bench.publish(9000.0)
        await settled()
        assert bench.power.raw == 7
        assert changes == [False]  # at once, not at the next tick
        bench.wait(9.0)
        await settled()
        assert bench.power.quality.causes == Cause.COMM_LOST  # bad news does not wait
        bench.trail.mood = "well"
        assert not bench.recorder.ok  # the gap is not told yet
        bench.wait(1.0)
        await settled()
        assert bench.recorder.ok
        assert changes[-1]
    (gap,) = bench.trail.of("gap")
    assert gap.body is not None
    counts = dict(zip(gap.body.columns["kind"], gap.body.columns["count"], strict=True))
    assert counts["crossing.out"] == 1
    assert counts["worsened"] == 1  # one record for all three points
    assert "no space" in gap.reason


async def test_an_outcome_that_could_not_be_recorded_is_told_when_it_can_and_counts_as_missed_by_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.door.RETRY_S", 0.01)
    bench = Bench()
    async with bench.carrying():
        bench.publish(7000.0)
        await settled()
        bench.trail.mood = "full"
        bench.publish(8000.0)
        assert bench.door.take(bench.headend.outcome(_outcome()), "headend") is None
        tries = bench.trail.tries
        await eventually(lambda: bench.trail.tries >= tries + 3)
        assert bench.told == []
        bench.trail.mood = "well"
        await eventually(lambda: bool(bench.told))
        bench.wait(0.1)
        await settled()
    assert bench.told == [_outcome()]
    (gap,) = bench.trail.of("gap")
    assert gap.body is not None
    assert gap.body.columns == {"kind": ["crossing.out"], "count": [1]}


async def test_an_entry_that_cannot_be_written_shows_nothing_and_stops_nothing() -> None:
    bench = Bench()
    async with bench.carrying():
        bench.trail.mood = "wrong"
        bench.publish(7000.0)
        await settled()
        assert bench.power.quality.causes == Cause.RESTART
        bench.trail.mood = "well"
        bench.wait(0.1)
        await asyncio.sleep(1.1)  # longer than the door waits after a failure
        bench.publish(8000.0)
        await settled()
        assert bench.power.raw == 8


async def test_the_link_is_up_once_something_was_admitted_and_down_at_its_end() -> None:
    bench = Bench()
    changes: list[bool] = []
    bench.door.changed = lambda: changes.append(bench.door.link_up)
    assert not bench.door.link_up
    bench.door.take(bench.headend.beat(), "headend")
    bench.door.take(bench.headend.beat(), "headend")
    bench.door.closed("headend", "lost")
    assert changes == [True, False]
    assert [entry.decision for entry in bench.trail.of("link")] == ["opened", "closed"]
    bench.door.opened(NONCE)
    bench.door.closed("headend", "refused")
    bench.door.closed("headend", "refused")
    assert [entry.decision for entry in bench.trail.of("denied")] == ["not made"]


async def test_a_stranger_is_told_of_once_a_minute_and_shown_at_once() -> None:
    bench = Bench()
    bench.headend.publisher = STRANGER
    for _ in range(50):
        refusal = bench.door.take(bench.headend.power(1.0), "headend")
        assert refusal is not None
        assert refusal.ends_stream
    assert [entry.rule for entry in bench.trail.of("denied")] == ["unsigned"]
    bench.wait(60.0)
    assert [entry.n for entry in bench.trail.of("denied")] == [1, 49]


async def test_isolation_and_back() -> None:
    bench = Bench()
    async with bench.carrying():
        bench.publish(7000.0)
        await settled()
        bench.door.isolate()
        assert (bench.door.isolated, bench.door.link_up) == (True, False)
        assert bench.power.quality.validity is Validity.HELD
        assert [entry.rule for entry in bench.trail.of("worsened")] == ["isolated"]
        bench.door.rejoin()
        assert not bench.door.isolated


async def test_what_is_said_of_commands_is_not_known_while_an_outcome_waits_for_its_record() -> None:
    """Else a target that is over would look in effect for as long as the disk is full."""
    bench = Bench()
    async with bench.carrying():
        bench.publish(7000.0)
        await settled()
        bench.trail.mood = "slow"
        bench.wait(1)
        assert bench.door.take(bench.headend.outcome(_outcome()), "headend") is None
        since_ms = bench.clock.now.mono_ms
        for _ in range(20):
            bench.wait(1)
            await settled()
            bench.publish(7000.0)
            assert bench.door.heard_mono_ms == since_ms
        bench.trail.catch_up()
        await settled()
        assert bench.told == [_outcome()]
        assert bench.door.heard_mono_ms == bench.clock.now.mono_ms


async def test_bad_news_of_a_command_waits_neither_for_a_slow_disk_nor_for_a_full_one(tmp_path: Path) -> None:
    """No time passes here: what is over does not look in effect for a moment, and no new value shows unrecorded."""
    bench = Bench()
    sent: list[BoundaryCommand] = []

    def conditions() -> Conditions:
        door = bench.door
        return Conditions(door.isolated, door.link_up, bench.recorder.ok, door.heard_mono_ms)

    def send(wish: BoundaryCommand) -> bool:
        sent.append(wish)
        return True

    def quality(name: str) -> tuple[int, Validity, Cause]:
        update = bench.image.shown[name]
        return update.raw, update.quality.validity, update.quality.causes

    Outbox.init(tmp_path / "outbox.db")
    outbox = Outbox.open(tmp_path / "outbox.db")
    desk = Desk(CONTRACT, outbox, bench.recorder, conditions, send, bench.clock)
    desk.begin(bench.image, outbox.recover(0).result())
    bench.door.command_of, bench.door.awaited, bench.door.told = desk.command_of, desk.awaited, desk.told
    bench.door.changed = desk.listen
    async with bench.carrying():
        bench.publish(7000.0)
        await settled()
        request = ControlRequest("main", PointType.AO, 0, 250.0, None, 1, "direct", "ems", "main/1", "127.0.0.1:5000")
        assert desk.operate([request]) == [Status.SUCCESS]
        told = BoundaryOutcome(sent[0].id, IntentState.FOLLOWING, "", 250e3, 0.0, 1, CALCULATED)
        bench.trail.mood = "slow"
        assert bench.door.take(bench.headend.outcome(told), "headend") is None
        await settled()
        assert quality("feedback")[1:] == (Validity.INVALID, Cause.RESTART)
        bench.trail.catch_up()
        await settled()
        assert quality("target") == quality("feedback") == (250, Validity.GOOD, Cause.NONE)
        state = bench.image.shown["target state"]

        bench.trail.mood = "slow"
        over = replace(told, state=IntentState.EXPIRED, delivered_w=0.0, time_ms=2)
        assert bench.door.take(bench.headend.outcome(over), "headend") is None
        desk.tick()
        assert quality("target") == (250, Validity.HELD, Cause.NOT_IN_EFFECT)
        assert quality("feedback") == (250, Validity.HELD, Cause.NONE)
        assert bench.image.shown["target state"] == state
        await settled()
        bench.trail.fail()
        await settled()
        assert quality("target state") == (state.raw, Validity.HELD, Cause.COMM_LOST)  # the word itself is old, too
    outbox.close()


async def test_outcomes_do_not_pile_up_behind_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the newest says of each command is kept; what it overtook is counted as missed."""
    monkeypatch.setattr("gateway.door.RETRY_S", 0.01)
    bench = Bench(trail=LyingTrail(mood="full"))
    many = 10 * MOST_WAITING
    said = [replace(_outcome(), id=f"cmd-{number % 2}", delivered_w=float(number)) for number in range(many)]
    bench.door.command_of = {"cmd-0": "target", "cmd-1": "target"}.get
    async with bench.carrying():
        for each in said:
            assert bench.door.take(bench.headend.outcome(each), "headend") is None
            await settled()
        assert len(bench.door._waiting) <= 2 * MOST_WAITING
        bench.trail.mood = "well"
        await eventually(lambda: bench.told[-2:] == said[-2:])
        bench.wait(0.1)
        await settled()
    (gap,) = bench.trail.of("gap")
    assert gap.body is not None
    counts = dict(zip(gap.body.columns["kind"], gap.body.columns["count"], strict=True))
    assert counts["command.outcome"] == many - len(bench.told)


async def test_an_outcome_that_waits_for_its_record_is_held_back_while_the_boundary_is_closed() -> None:
    bench = Bench()
    bench.trail.mood = "slow"
    async with bench.carrying():
        assert bench.door.take(bench.headend.outcome(_outcome()), "headend") is None
        await settled()
        bench.door.isolate()
        bench.trail.catch_up()
        await settled()
        assert bench.trail.of("command.outcome")
        assert bench.told == []
        bench.door.rejoin()
        assert bench.told == [_outcome()]
        bench.door.isolate()
        bench.door.rejoin()
        assert bench.told == [_outcome()]


async def test_a_step_of_the_wall_clock_is_recorded_and_changes_nothing() -> None:
    bench = Bench()
    before = dict(bench.image.shown)
    bench.door.clock_stepped(-3_600_000)
    assert bench.image.shown == before
    assert bench.trail.of("clock.step")[0].reason == "UTC stepped by -3600000 ms against the monotonic clock"


async def test_bad_news_in_a_publication_names_its_rule() -> None:
    bench = Bench()
    async with bench.carrying():
        bench.publish(7000.0)
        await settled()
        bench.wait(1.0)
        assert bench.door.take(bench.headend.power(7000.0, coverage_pct=1.0), "headend") is None
    assert [entry.rule for entry in bench.trail.of("worsened")] == ["low-coverage"]
    assert bench.image.shown[SOC].quality.causes == Cause.RESTART
