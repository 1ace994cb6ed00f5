"""When a device is written: never more than needed, always within a third of its dead-man, never in a war."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.drivers import DeviceSetpoint, ReadBack
from agent.writes import LONGEST_BACK_OFF_MS, Writes, same_setpoint
from dermscore.guard import Command, GuardState
from dermscore.model import Measurement, Now
from dermscore.quality import GOOD

DEAD_MAN_S = 30.0


def at(mono_ms: int) -> Now:
    return Now(mono_ms, mono_ms)


def command(setpoint_w: float | None, state: GuardState = GuardState.FOLLOW, write: bool = True) -> Command:
    return Command(setpoint_w, state, "", write)


def shown(setpoint_w: float | None) -> Measurement:
    return Measurement("b1", 0, 0.0, 1.0, 0.0, 0.0, setpoint_w, GOOD)


def written(setpoint_w: float | None, mono_ms: int = 0) -> Writes:
    return Writes(0).wrote(DeviceSetpoint(setpoint_w), ReadBack(setpoint_w), at(mono_ms))


def test_the_first_command_and_every_change_are_written() -> None:
    assert Writes(0).due(command(0.0), DEAD_MAN_S, at(0))
    assert written(10.0).due(command(11.0), DEAD_MAN_S, at(1))
    assert written(10.0).due(command(None), DEAD_MAN_S, at(1))
    assert not written(10.0).due(command(10.0), DEAD_MAN_S, at(1))


def test_a_guard_that_says_not_to_write_is_obeyed() -> None:
    assert not Writes(0).due(command(None, GuardState.LOCAL, write=False), DEAD_MAN_S, at(0))


@settings(deadline=None)
@given(st.floats(3, 300), st.integers(100, 1000))
def test_the_dead_man_is_kept_alive_within_a_third(dead_man_s: float, tick_ms: int) -> None:
    writes, gaps, last = written(10.0), [], 0
    for mono_ms in range(0, round(dead_man_s * 2000), tick_ms):
        if writes.due(command(10.0), dead_man_s, at(mono_ms)):
            gaps.append(mono_ms - last)
            last, writes = mono_ms, written(10.0, mono_ms)
    assert gaps
    assert max(gaps) <= dead_man_s * 1000 / 3 + tick_ms + 1


def test_a_released_device_is_not_written_again_and_again() -> None:
    assert not written(None).due(command(None), DEAD_MAN_S, at(1_000_000))


def test_another_setpoint_is_contested_and_the_next_try_waits_longer_each_time() -> None:
    writes, waits = written(10.0), []
    now_ms = 0
    for _ in range(8):
        writes = writes.look(shown(99.0), 1.0, DEAD_MAN_S, at(now_ms))
        assert writes.contested_until_ms is not None
        assert not writes.due(command(10.0), DEAD_MAN_S, at(now_ms))
        waits.append(writes.contested_until_ms - now_ms)
        now_ms = writes.contested_until_ms
        assert writes.due(command(10.0), DEAD_MAN_S, at(now_ms))
        writes = writes.wrote(DeviceSetpoint(10.0), ReadBack(10.0), at(now_ms))
    assert waits[:3] == [10_000, 20_000, 40_000]
    assert waits[-1] == LONGEST_BACK_OFF_MS


def test_a_contest_long_past_is_forgotten() -> None:
    contested = written(10.0).look(shown(99.0), 1.0, DEAD_MAN_S, at(0))
    assert contested.contested_until_ms is not None
    later_ms = contested.contested_until_ms + LONGEST_BACK_OFF_MS
    back = contested.wrote(DeviceSetpoint(10.0), ReadBack(10.0), at(later_ms - 1))
    assert back.look(shown(10.0), 1.0, DEAD_MAN_S, at(later_ms - 1)).contests == 1
    assert back.look(shown(10.0), 1.0, DEAD_MAN_S, at(later_ms)).contests == 0


def test_a_lock_is_written_whoever_contests() -> None:
    contested = written(10.0).look(shown(99.0), 1.0, DEAD_MAN_S, at(0))
    assert contested.due(command(0.0, GuardState.LOCKED), DEAD_MAN_S, at(0))


def test_a_setpoint_that_the_dead_man_let_go_is_nobodys() -> None:
    later = at(round(DEAD_MAN_S * 1000))
    assert not written(10.0).look(shown(None), 1.0, DEAD_MAN_S, later).contested(later)


def test_what_the_device_makes_of_our_write_is_ours() -> None:
    """A device that rounds says so in its read-back; that is not another controller."""
    rounded = Writes(0).wrote(DeviceSetpoint(10.4), ReadBack(10.0), at(0))
    assert not rounded.look(shown(10.0), 0.1, DEAD_MAN_S, at(250)).contested(at(250))


def test_no_setpoint_is_the_same_only_as_none() -> None:
    assert same_setpoint(None, None, 1.0)
    assert not same_setpoint(None, 0.0, 1.0)
    assert not same_setpoint(float("nan"), float("nan"), 1.0)
