"""The control loop against drivers that implement the real interface and can lie, hang and raise."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from agent import loop as agent_loop
from agent.drivers import DeviceSetpoint, ReadBack
from agent.drivers.simulated import SimulatedDriver
from agent.loop import AssetLoop, Kept
from agent.marks import Marks
from agent.reports import Reports
from agent.state import Held
from dermscore.guard import Fallback
from dermscore.intent import Intent, IntentState, Step
from dermscore.model import Asset, Impairment, ImpairmentKind, Kind, Measurement, Now
from dermscore.quality import GOOD, Cause, Validity
from wire.convert import AssetEvent, Report

BATTERY = Asset("b1", "B", "s1", Kind.BATTERY, 100e6, 50e6, -50e6, 0.9, 20e6, 5.0, 95.0, "simulated", "default")
START = Now(1_700_000_000_000, 5_000_000)


class Clock:
    """Both clocks, moved by the test."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> Now:
        return self.now

    def pass_ms(self, ms: int) -> None:
        self.now = Now(self.now.utc_ms + ms, self.now.mono_ms + ms)


@dataclass
class Liar:
    """A device that does as told unless a lie is set; `others_w` is what some other controller wrote."""

    clock: Clock
    dead_man_s: float = 30.0
    setpoint_w: float | None = None
    power_w: float = 0.0
    claims_w: float | None = None
    deaf: bool = False
    broken: bool = False
    hangs: bool = False
    mute: bool = False
    writes: int = 0
    bend: Callable[[Measurement], Measurement] = lambda measurement: measurement

    async def read(self) -> Measurement:
        await self._fault()
        return self.bend(Measurement("b1", self.clock.now.utc_ms, self.power_w, 50e6, 1e6, 1e6, self.setpoint_w, GOOD))

    async def write(self, setpoint: DeviceSetpoint) -> ReadBack:
        await self._fault()
        self.writes += 1
        if not self.deaf:
            self.setpoint_w = setpoint.power_w
            self.power_w = setpoint.power_w or 0.0
        if self.mute:
            raise TimeoutError("the answer was lost")
        return ReadBack(self.claims_w if self.claims_w is not None else self.setpoint_w)

    async def _fault(self) -> None:
        if self.broken:
            raise ConnectionError("no answer from unit 7")
        if self.hangs:
            await asyncio.Event().wait()


class Heard:
    """Everything that the loop said."""

    def __init__(self) -> None:
        self.said: list[Report | AssetEvent] = []
        self.reports = Reports()
        self.reports.attach(self._say)

    def _say(self, what: Report | AssetEvent) -> bool:
        self.said.append(what)
        return True

    @property
    def states(self) -> list[IntentState]:
        return [what.state for what in self.said if isinstance(what, Report)]

    @property
    def events(self) -> list[str]:
        return [what.type for what in self.said if isinstance(what, AssetEvent)]


def intent(setpoint_w: float | None, revision: int = 1, duration_s: int = 60) -> Intent:
    return Intent(
        "b1", "e1", revision, f"d{revision}", setpoint_w, 0.0, START.utc_ms, START.utc_ms + duration_s * 1000, "p", 5
    )


class Bench:
    """One loop on a bench."""

    def __init__(self, driver: Liar | SimulatedDriver | None = None, kept: Kept | None = None) -> None:
        self.clock = Clock()
        self.heard = Heard()
        self.liar = Liar(self.clock)
        self.driver = driver or self.liar
        self.loop = AssetLoop(BATTERY, self.driver, self.heard.reports, self.clock, kept or Kept())

    async def ticks(self, count: int = 1) -> None:
        for _ in range(count):
            await self.loop.tick()
            self.clock.pass_ms(250)

    def linked(self) -> Bench:
        self.loop.link(True)
        return self


async def test_received_then_active_then_following_then_complete() -> None:
    bench = Bench().linked()
    driver = SimulatedDriver(BATTERY, bench.clock)
    bench.loop = AssetLoop(BATTERY, driver, bench.heard.reports, bench.clock)
    bench.loop.link(True)
    await bench.ticks(2)
    bench.loop.receive(intent(40e6, duration_s=10), 0)
    assert bench.heard.states == ["received"]
    await bench.ticks(2)
    assert bench.heard.states == ["received", "active"]
    await bench.ticks(12)
    assert bench.heard.states == ["received", "active", "following"]
    await bench.ticks(40)
    assert bench.heard.states == ["received", "active", "following", "complete"]


async def test_the_device_returns_to_zero_when_the_intent_ends() -> None:
    bench = Bench().linked()
    await bench.ticks()
    bench.loop.receive(intent(10e6, duration_s=5), 0)
    await bench.ticks(4)
    assert bench.liar.setpoint_w == 10e6
    await bench.ticks(100)
    assert bench.liar.setpoint_w == 0


async def test_a_device_that_only_claims_to_obey_is_never_active() -> None:
    bench = Bench().linked()
    bench.liar.deaf, bench.liar.claims_w = True, 10e6
    await bench.ticks()
    bench.loop.receive(intent(10e6, duration_s=5), 0)
    await bench.ticks(30)
    assert bench.heard.states == ["received", "expired"]


async def test_an_expired_setpoint_never_acts() -> None:
    bench = Bench().linked()
    await bench.ticks(4)
    bench.clock.pass_ms(120_000)
    bench.loop.receive(intent(10e6, duration_s=60), 0)
    await bench.ticks(8)
    assert bench.liar.setpoint_w == 0
    assert bench.heard.states == ["expired"]


async def test_the_clock_offset_decides_when_our_clock_is_wrong() -> None:
    """The edge's wall clock is a day ahead; the headend's heartbeat says so, and the intent still has its minute."""
    bench = Bench().linked()
    day_ms = 86_400_000
    bench.clock.now = Now(START.utc_ms + day_ms, START.mono_ms)
    await bench.ticks()
    bench.loop.receive(intent(10e6, duration_s=60), -day_ms)
    await bench.ticks(4)
    assert bench.liar.setpoint_w == 10e6


async def test_a_newer_intent_supersedes() -> None:
    bench = Bench().linked()
    await bench.ticks()
    bench.loop.receive(intent(10e6, revision=1), 0)
    await bench.ticks(3)
    bench.loop.receive(intent(20e6, revision=2), 0)
    await bench.ticks(3)
    said = [(what.revision, what.state.value) for what in bench.heard.said if isinstance(what, Report)]
    assert said[-4:] == [(1, "superseded"), (2, "received"), (2, "active"), (2, "following")] or said[-3:] == [
        (1, "superseded"),
        (2, "received"),
        (2, "following"),
    ]


async def test_an_older_intent_changes_nothing() -> None:
    bench = Bench().linked()
    await bench.ticks()
    bench.loop.receive(intent(20e6, revision=2), 0)
    await bench.ticks(3)
    bench.loop.receive(intent(10e6, revision=1), 0)
    await bench.ticks(3)
    assert bench.liar.setpoint_w == 20e6


async def test_a_lost_link_changes_nothing_until_the_intent_ends() -> None:
    bench = Bench().linked()
    await bench.ticks()
    bench.loop.receive(intent(10e6, duration_s=30), 0)
    await bench.ticks(3)
    bench.loop.link(False)
    await bench.ticks(80)
    assert bench.liar.setpoint_w == 10e6
    await bench.ticks(120)
    assert bench.liar.setpoint_w == 0


async def test_what_is_not_a_number_is_refused() -> None:
    bench = Bench().linked()
    await bench.ticks()
    bench.loop.receive(intent(math.nan), 0)
    await bench.ticks(3)
    assert bench.heard.states == ["refused"]
    assert bench.liar.setpoint_w == 0


async def test_what_a_refused_intent_superseded_is_over_and_said_to_be() -> None:
    bench = Bench().linked()
    await bench.ticks()
    bench.loop.receive(intent(10e6, revision=1), 0)
    await bench.ticks(3)
    bench.loop.receive(intent(999e6, revision=2), 0)
    said = [(what.revision, what.state.value) for what in bench.heard.said if isinstance(what, Report)]
    assert said[-2:] == [(1, "superseded"), (2, "refused")]
    await bench.ticks(100)  # the stagger, then the ramp
    assert bench.liar.setpoint_w == 0
    assert bench.heard.states[-1] == "refused"


async def test_the_setpoint_is_rewritten_within_a_third_of_the_dead_man() -> None:
    bench = Bench().linked()
    await bench.ticks()
    bench.loop.receive(intent(10e6, duration_s=600), 0)
    await bench.ticks(2)
    before = bench.liar.writes
    await bench.ticks(4 * 31)
    assert 3 <= bench.liar.writes - before <= 5


async def test_another_controller_is_named_and_not_fought() -> None:
    bench = Bench().linked()
    await bench.ticks()
    bench.loop.receive(intent(10e6, duration_s=600), 0)
    await bench.ticks(3)
    writes = bench.liar.writes
    bench.liar.setpoint_w = -5e6
    await bench.ticks(8)
    assert bench.heard.events == ["contested"]
    assert bench.liar.writes == writes
    await bench.ticks(40)
    assert bench.liar.writes == writes + 1
    assert bench.liar.setpoint_w == 10e6


async def test_a_write_whose_answer_was_lost_is_not_another_controllers() -> None:
    bench = Bench().linked()
    await bench.ticks(2)
    bench.liar.mute = True
    bench.loop.receive(intent(10e6, duration_s=600), 0)
    await bench.ticks(2)  # the device took it, and its read-back is of the setpoint before
    bench.liar.mute = False
    await bench.ticks(4)
    assert bench.heard.events == []
    assert bench.liar.setpoint_w == 10e6


async def test_a_schedule_is_followed_while_the_link_is_gone_and_across_a_restart() -> None:
    wanted = replace(intent(10e6, duration_s=600), schedule=(Step(START.utc_ms + 20_000, 4e6),))
    bench = Bench().linked()
    await bench.ticks()
    bench.loop.receive(wanted, 0)
    bench.loop.link(False)
    await bench.ticks(4 * 19)
    assert bench.liar.setpoint_w == 10e6
    await bench.ticks(4 * 20)
    assert bench.liar.setpoint_w == 4e6
    assert bench.heard.events == [], "a step of the schedule is no limit"
    saved = bench.loop.saved("boot", "down")
    assert saved is not None
    assert (saved.guard, saved.held and saved.held.steps_begun) == ("cached", 1)
    again = Bench(kept=Kept(held=saved.held))
    again.clock.now = bench.clock.now
    again.liar.setpoint_w = again.liar.power_w = 4e6
    await again.ticks(8)
    assert again.liar.setpoint_w == 4e6
    again.loop.link(True)
    await again.ticks(8)
    assert again.liar.setpoint_w == 4e6, "a returning link brings nothing old back"


async def test_a_broken_device_is_said_lost_once_and_its_value_held() -> None:
    bench = Bench().linked()
    await bench.ticks(2)
    bench.liar.broken = True
    await bench.ticks(20)
    assert bench.heard.events == ["device_lost"]
    shown = bench.loop.reading()
    assert shown is not None
    assert shown.quality.validity is Validity.HELD
    assert Cause.COMM_LOST in shown.quality.causes
    bench.liar.broken = False
    await bench.ticks(2)
    assert bench.heard.events == ["device_lost", "device_found"]
    again = bench.loop.reading()
    assert again is not None
    assert again.quality.good


async def test_a_device_that_was_never_read_shows_nothing() -> None:
    bench = Bench().linked()
    bench.liar.broken = True
    await bench.ticks(3)
    assert bench.loop.reading() is None
    assert bench.loop.saved("boot", "up") is None


@pytest.mark.parametrize("validity", [Validity.HELD, Validity.INVALID])
async def test_a_value_that_is_not_of_now_shows_nothing_of_an_intent(validity: Validity) -> None:
    """What stands between us and the device answers from its memory."""
    bench = Bench().linked()
    await bench.ticks(2)
    bench.liar.bend = lambda m: replace(
        m, power_w=10e6, setpoint_w=10e6, quality=m.quality.because(Cause.COMM_LOST, validity)
    )
    await bench.ticks()
    bench.loop.receive(intent(10e6), 0)
    await bench.ticks(8)
    said = [what for what in bench.heard.said if isinstance(what, Report)]
    assert [(each.state, each.power_w) for each in said] == [(IntentState.RECEIVED, None)]
    bench.liar.bend = lambda m: m
    await bench.ticks(8)
    assert bench.heard.states[-1] is IntentState.FOLLOWING


async def test_a_report_carries_no_power_of_long_ago() -> None:
    bench = Bench().linked()
    bench.liar.power_w = 7e6
    await bench.ticks(2)
    bench.liar.broken = True
    await bench.ticks(20)
    bench.loop.receive(intent(10e6), 0)
    (received,) = [what for what in bench.heard.said if isinstance(what, Report)]
    assert received.power_w is None


async def test_deadlines_do_not_wait_for_a_device() -> None:
    bench = Bench().linked()
    await bench.ticks()
    bench.loop.receive(intent(10e6, duration_s=5), 0)
    await bench.ticks(4)
    bench.liar.broken = True
    await bench.ticks(40)
    assert bench.heard.states[-1] == "complete"


async def test_a_device_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_loop, "DEVICE_S", 0.01)
    bench = Bench().linked()
    bench.liar.hangs = True
    await bench.ticks(3)
    assert bench.heard.events == ["device_lost"]


@pytest.mark.parametrize(
    "bend",
    [
        lambda m: replace(m, power_w=math.nan),
        lambda m: replace(m, soc_wh=math.inf),
        lambda m: replace(m, available_up_w=-1.0),
        lambda m: replace(m, setpoint_w=math.nan),
        lambda m: replace(m, asset_id="b2"),
    ],
)
async def test_what_cannot_be_measured_is_not_believed(bend: Callable[[Measurement], Measurement]) -> None:
    bench = Bench().linked()
    bench.liar.bend = bend
    await bench.ticks(3)
    assert bench.loop.reading() is None
    assert bench.heard.events == ["device_lost"]


async def test_a_shortfall_at_a_soc_bound_is_said() -> None:
    bench = Bench().linked()
    bench.liar.bend = lambda m: replace(m, soc_wh=BATTERY.min_soc_wh)
    await bench.ticks()
    bench.loop.receive(intent(10e6), 0)
    await bench.ticks(4)
    assert bench.heard.events == ["limited"]
    assert bench.liar.setpoint_w == 0


async def test_a_restarted_agent_goes_on_with_what_was_held() -> None:
    """The process died and came back within one boot: same intent, same deadline, and no dip in between."""
    held = Held(intent(10e6, duration_s=60), START.mono_ms + 20_000, IntentState.FOLLOWING)
    bench = Bench(kept=Kept(tick=41, setpoint_age_ms=900, held=held))
    bench.liar.setpoint_w = bench.liar.power_w = 10e6
    await bench.ticks(4 * 19)
    assert bench.liar.setpoint_w == 10e6
    assert bench.loop.tick_count == 41 + 4 * 19
    await bench.ticks(4 * 20)
    assert bench.liar.setpoint_w == 0
    assert bench.heard.states == ["complete"]


async def test_what_ended_while_the_agent_was_away_stays_ended() -> None:
    held = Held(intent(10e6, duration_s=60), START.mono_ms - 1, IntentState.ACTIVE)
    bench = Bench(kept=Kept(held=held)).linked()
    await bench.ticks(60)
    assert bench.liar.setpoint_w == 0
    assert bench.heard.states == ["expired"]


async def test_the_state_says_what_the_device_does() -> None:
    bench = Bench().linked()
    await bench.ticks()
    bench.loop.receive(intent(10e6), 0)
    await bench.ticks(4)
    bench.loop.tell()
    saved = bench.loop.saved("boot", "up")
    assert saved is not None
    assert (saved.setpoint_w, saved.power_w, saved.guard, saved.link) == (10e6, 10e6, "follow", "up")
    assert saved.reported_w == 10e6
    assert saved.held is not None
    assert saved.held.reached is IntentState.FOLLOWING


async def test_the_beat_is_steady_and_a_fault_of_ours_does_not_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_loop, "TICK_S", 0.01)
    bench = Bench()
    bench.liar.bend = lambda _: None  # type: ignore[assignment,return-value]
    async with asyncio.TaskGroup() as group:
        running = group.create_task(bench.loop.run())
        async with asyncio.timeout(5):
            while bench.loop.tick_count < 10:  # noqa: ASYNC110 - the loop has nothing to signal with
                await asyncio.sleep(0.01)
        running.cancel()
    assert bench.heard.events == ["device_lost"]


# --- what the people at the site want ---


async def test_a_lock_takes_the_device_to_zero_at_once_and_ends_what_was_held() -> None:
    bench = Bench().linked()
    bench.loop.receive(intent(10e6), 0)
    await bench.ticks(2)
    bench.loop.heed(Marks(locked="door open"))
    await bench.ticks(1)
    assert bench.liar.setpoint_w == 0
    assert bench.heard.states == ["received", "active", "failed"]
    assert bench.loop.impairment == Impairment(ImpairmentKind.LOCKOUT, "door open")
    bench.loop.receive(intent(10e6, revision=2), 0)
    assert bench.heard.states[-1] == "refused"
    bench.loop.heed(Marks())
    await bench.ticks(4)
    assert (bench.liar.setpoint_w, bench.loop.impairment) == (0, None)
    assert bench.heard.events == ["locked", "unlocked"]
    bench.loop.receive(intent(10e6, revision=3), 0)
    await bench.ticks(1)
    assert bench.liar.setpoint_w == 10e6


async def test_in_local_mode_nothing_is_written_and_afterwards_nothing_is_contested() -> None:
    bench = Bench().linked()
    bench.loop.receive(intent(10e6), 0)
    await bench.ticks(2)
    bench.loop.heed(Marks(local="service"))
    writes = bench.liar.writes
    bench.liar.setpoint_w = bench.liar.power_w = -3e6  # the people at the site
    await bench.ticks(200)
    assert (bench.liar.writes, bench.liar.setpoint_w) == (writes, -3e6)
    assert bench.loop.impairment == Impairment(ImpairmentKind.LOCAL, "service")
    bench.loop.heed(Marks())
    await bench.ticks(100)
    assert bench.liar.setpoint_w == 0
    assert bench.heard.events == ["local", "remote"]
    assert bench.heard.states[-1] == "failed"


async def test_marks_that_are_looked_at_again_say_nothing_new() -> None:
    bench = Bench().linked()
    for marks in (Marks("door open", "service"), Marks("door open", "service"), Marks("both doors", "all day")):
        bench.loop.heed(marks)
    await bench.ticks(1)
    assert bench.heard.events == ["locked", "local", "locked"]
    assert bench.loop.impairment == Impairment(ImpairmentKind.LOCKOUT, "both doors")


@pytest.mark.parametrize("marks", [Marks(locked="door open"), Marks(local="service")])
async def test_a_mark_that_was_there_at_the_start_holds_from_the_first_tick(marks: Marks) -> None:
    clock = Clock()
    held = Held(intent(10e6), clock.now.mono_ms + 60_000, IntentState.FOLLOWING)
    bench = Bench(kept=Kept(held=held, marks=marks))
    await bench.ticks(3)
    assert bench.liar.setpoint_w in (None, 0)
    assert bench.loop.impairment is not None
    assert bench.heard.states == ["failed"]


async def test_a_contested_device_is_said_to_be_so() -> None:
    bench = Bench().linked()
    bench.loop.receive(intent(10e6), 0)
    await bench.ticks(2)
    bench.liar.setpoint_w = -5e6
    await bench.ticks(1)
    impairment = bench.loop.impairment
    assert impairment is not None
    assert impairment.kind is ImpairmentKind.CONTESTED
    assert "-5e+06 W, which we did not write" in impairment.detail


# --- how the asset goes back ---


async def test_a_fallback_that_the_headend_told_is_kept_and_taken_up_again() -> None:
    bench = Bench().linked()
    await bench.ticks(1)
    before = bench.loop.saved("boot", "up")
    assert before is not None
    assert before.fallback is None
    bench.loop.fall_back_by(Fallback(0, 1e6))
    kept = bench.loop.saved("boot", "up")
    assert kept is not None
    assert kept.fallback == Fallback(0, 1e6)
    again = Bench(kept=Kept(fallback=kept.fallback))
    again.liar.power_w = again.liar.setpoint_w = 10e6
    await again.ticks(5)
    assert again.liar.setpoint_w == 9e6
