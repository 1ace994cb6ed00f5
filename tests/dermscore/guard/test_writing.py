"""When a device is written: never more than needed, always within a third of its dead-man, never in a war."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dermscore.guard import (
    BACK_OFF_MS,
    LONGEST_BACK_OFF_MS,
    Command,
    Guard,
    GuardState,
    Writing,
    rewrite_due,
)
from dermscore.model import Measurement
from dermscore.quality import Cause, Quality, Validity
from tests.dermscore.guard.made import BATTERY, QUICK, at, intent, seen, took

DEAD_MAN_MS = 30_000
NEW = Writing(DEAD_MAN_MS, tolerance_w=1.0)


def written(w: float | None, ms: int = 0) -> Writing:
    return NEW.wrote(w, w, at(ms))


def test_a_dead_man_timer_is_fed_within_a_third_of_its_time() -> None:
    assert not rewrite_due(0, None, at(10**9))
    assert not rewrite_due(0, 60_000, at(19_999))
    assert rewrite_due(0, 60_000, at(20_000))


def test_the_first_setpoint_and_every_change_are_written() -> None:
    assert NEW.due(0.0, at(0))
    assert written(10.0).due(11.0, at(1))
    assert written(10.0).due(None, at(1))
    assert not written(10.0).due(10.0, at(1))


def test_a_released_device_is_not_written_again_and_again() -> None:
    assert not written(None).due(None, at(1_000_000))


def test_a_device_that_keeps_its_setpoint_for_ever_is_not_written_periodically() -> None:
    assert not Writing().wrote(10.0, 10.0, at(0)).due(10.0, at(10**9))


@settings(deadline=None)
@given(st.integers(3_000, 300_000), st.integers(100, 1000))
def test_the_dead_man_is_kept_alive_within_a_third(dead_man_ms: int, tick_ms: int) -> None:
    writing, gaps, last = Writing(dead_man_ms).wrote(10.0, 10.0, at(0)), [], 0
    for ms in range(0, dead_man_ms * 2, tick_ms):
        if writing.due(10.0, at(ms)):
            gaps.append(ms - last)
            last, writing = ms, writing.wrote(10.0, 10.0, at(ms))
    assert gaps
    assert max(gaps) <= dead_man_ms / 3 + tick_ms


def test_another_setpoint_is_contested_and_the_next_try_waits_longer_each_time() -> None:
    writing, waits, ms = written(10.0), [], 0
    for _ in range(8):
        writing = writing.look(99.0, at(ms))
        assert writing.contested_until_ms is not None
        assert writing.contested(at(writing.contested_until_ms - 1))
        waits.append(writing.contested_until_ms - ms)
        ms = writing.contested_until_ms
        assert not writing.contested(at(ms))
        assert writing.due(10.0, at(ms))
        writing = writing.wrote(10.0, 10.0, at(ms))
    assert waits[:3] == [BACK_OFF_MS, 2 * BACK_OFF_MS, 4 * BACK_OFF_MS]
    assert waits[-1] == LONGEST_BACK_OFF_MS
    assert writing.contests == 8


def test_a_contest_says_what_was_found() -> None:
    assert written(10.0).look(99.0, at(0)).why_contested(at(2_500)) == (
        "the device follows 99 W, which we did not write; next try in 7.5 s"
    )
    assert written(10.0).look(None, at(0)).why_contested(at(0)).startswith("the device follows no setpoint, which")


def test_a_contest_long_past_is_forgotten() -> None:
    contested = written(10.0).look(99.0, at(0))
    assert contested.contested_until_ms is not None
    later_ms = contested.contested_until_ms + LONGEST_BACK_OFF_MS
    back = contested.wrote(10.0, 10.0, at(later_ms - 1))
    assert back.look(10.0, at(later_ms - 1)).contests == 1
    assert back.look(10.0, at(later_ms)).contests == 0


def test_a_setpoint_that_the_dead_man_let_go_is_nobodys() -> None:
    assert written(10.0).look(None, at(DEAD_MAN_MS - 1)).contests == 1
    assert written(10.0).look(None, at(DEAD_MAN_MS)).contests == 0
    assert Writing().wrote(10.0, 10.0, at(0)).look(None, at(10**9)).contests == 1  # no timer: somebody did it


def test_what_the_device_makes_of_our_write_is_ours() -> None:
    """A device that rounds says so in its read-back; that is not another controller."""
    rounded = NEW.wrote(14.0, 10.0, at(0))
    assert rounded.look(10.5, at(250)) == rounded
    assert rounded.look(14.0, at(250)).contests == 1


def test_a_write_whose_answer_was_lost_is_not_another_controllers() -> None:
    lost = written(10.0).tries(20.0).tries(30.0).tries(20.0)
    assert lost.tried == (20.0, 30.0)
    for shown_w in (10.0, 20.0, 30.0):
        assert lost.look(shown_w, at(250)) == lost
    assert lost.look(40.0, at(250)).contests == 1
    assert lost.wrote(30.0, 30.0, at(500)).look(20.0, at(750)).contests == 1  # answered since: 20 W is not ours


def test_after_many_lost_answers_nobody_knows_what_the_device_took() -> None:
    writing = written(10.0)
    for w in range(20, 29):
        writing = writing.tries(float(w))
    assert writing.written_ms is None
    assert writing.look(99.0, at(250)).contests == 0
    assert writing.due(28.0, at(250))


@pytest.mark.parametrize("shown_w", [math.nan, math.inf])
def test_what_is_not_a_number_says_nothing(shown_w: float) -> None:
    assert written(10.0).look(shown_w, at(250)).contests == 0


def test_no_setpoint_is_the_same_only_as_none() -> None:
    assert written(None).look(None, at(1)).contests == 0
    assert written(None).look(0.0, at(1)).contests == 1
    assert written(0.0).look(None, at(1)).contests == 1


# --- as the guard uses it ---


def following(w: float = 20e6) -> Guard:
    """A guard whose device has taken its setpoint."""
    guard = Guard.new(BATTERY, QUICK, dead_man_ms=DEAD_MAN_MS, tolerance_w=1e3).link(True, at(0))
    guard, command = took(guard, intent(1, w, 3_600_000)).step(shows(0.0), at(0))
    assert command.write
    return guard.wrote(w, w, at(0))


def shows(w: float | None, **more: object) -> Measurement:
    return seen(w or 0.0, setpoint_w=w, **more)


def test_what_the_device_has_is_written_again_only_for_its_dead_man() -> None:
    guard, wrote_at = following(), []
    for ms in range(250, 40_000, 250):
        guard, command = guard.step(shows(20e6), at(ms))
        assert command.setpoint_w == 20e6
        if command.write:
            wrote_at.append(ms)
            guard = guard.wrote(20e6, 20e6, at(ms))
    assert wrote_at == [10_000, 20_000, 30_000]


def test_another_controller_is_reported_and_left_alone_with_growing_intervals() -> None:
    guard, wrote_at, reasons = following(), [], []
    for ms in range(250, 120_000, 250):
        guard, command = guard.step(shows(-5e6), at(ms))  # it writes again at once, whatever we do
        assert not (command.write and command.contested)
        reasons.append(command.reason)
        if command.write:
            wrote_at.append(ms)
            guard = guard.wrote(20e6, 20e6, at(ms))
    assert reasons[0] == "contested: the device follows -5e+06 W, which we did not write; next try in 10 s"
    assert wrote_at == [10_250, 30_500, 70_750]
    assert guard.writing.contests == 4


def test_a_new_intent_does_not_shorten_the_peace() -> None:
    """Else a regulation signal of one every 4 s would be a war."""
    guard, _ = following().step(shows(-5e6), at(250))
    guard, command = took(guard, intent(2, 10e6, 3_600_000), 500).step(shows(-5e6), at(500))
    assert command == Command(10e6, GuardState.FOLLOW, command.reason, write=False, contested=True)


def test_a_way_back_that_was_contested_goes_on_from_where_the_device_is() -> None:
    guard, _ = following().step(shows(-5e6), at(250))
    guard = took(guard, intent(2, None, 3_600_000), 500)
    guard, command = guard.step(shows(-5e6), at(500))
    assert command.contested
    guard, command = guard.step(shows(-5e6), at(10_250))
    assert (command.setpoint_w, command.write) == (-5e6, True)
    _, command = guard.step(shows(-5e6), at(11_250))
    assert command.setpoint_w == -1e6


def test_a_lock_is_written_whoever_contests_but_it_is_no_war_either() -> None:
    guard, _ = following().step(shows(-5e6), at(250))
    guard, wrote_at = guard.lock("door open"), []
    for ms in range(500, 120_000, 250):
        guard, command = guard.step(shows(-5e6), at(ms))
        assert (command.setpoint_w, command.state) == (0.0, GuardState.LOCKED)
        if command.write:
            wrote_at.append(ms)
            guard = guard.wrote(0.0, 0.0, at(ms))
    # At once; for the dead-man timer, every 10 s; and whenever the other is found again, less and less often.
    assert wrote_at[:4] == [500, 10_250, 20_250, 30_250]
    assert len(wrote_at) <= 14


def test_what_people_wrote_in_local_mode_is_not_contested() -> None:
    guard, command = following().local(True).step(shows(7e6), at(250))
    assert not command.write
    guard = took(guard.local(False), intent(2, 10e6, 3_600_000), 500)
    guard, command = guard.step(shows(7e6), at(500))
    assert (command.setpoint_w, command.write, command.contested) == (10e6, True, False)
    assert guard.writing.contests == 0


@pytest.mark.parametrize("validity", [Validity.HELD, Validity.INVALID])
def test_an_old_reading_accuses_nobody(validity: Validity) -> None:
    guard, command = following().step(shows(-5e6, quality=Quality(validity, causes=Cause.COMM_LOST)), at(250))
    assert not command.contested
    _, command = guard.step(None, at(500))
    assert not command.contested


def test_a_restarted_guard_accuses_nobody() -> None:
    """It has written nothing yet, so what the device follows may be its own from before."""
    guard = Guard.new(BATTERY, QUICK, dead_man_ms=DEAD_MAN_MS)
    _, command = guard.step(shows(20e6), at(0))
    assert (command.write, command.contested) == (True, False)
