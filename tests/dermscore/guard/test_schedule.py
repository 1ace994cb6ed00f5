"""The cached schedule: what comes next when nobody is there to say it, and only then."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dermscore.guard import GRACE_MS, Fallback, Guard, GuardState
from dermscore.intent import Intent, Step
from dermscore.model import Now
from tests.dermscore.guard.made import BATTERY, QUICK, SOLAR, UTC, at, guarded, intent, run, seen, took

STEPS = (Step(UTC + 20_000, 8e6), Step(UTC + 40_000, -4e6))
SCHEDULED = intent(1, 20e6, 60_000, schedule=STEPS)
DELAY_MS = QUICK.delay_ms  # 2 s; then 4 MW/s


def following(wanted: Intent = SCHEDULED) -> Guard:
    guard, _ = run(took(guarded(), wanted), seen(20e6), 0)
    return guard


def test_while_the_headend_is_heard_it_says_itself_what_comes_next() -> None:
    guard, written = run(following(), seen(20e6), 20_000, 30_000, 45_000, 59_999)
    assert written == [20e6] * 4
    assert guard.orders.steps_begun == 0


def test_a_silent_headends_schedule_is_followed_then_the_fallback() -> None:
    guard = following().link(False, at(1_000))
    guard, written = run(guard, seen(20e6), 19_000, 21_000, 22_000, 23_000, 24_000, 25_000, 26_000)
    assert written == [20e6, 20e6, 16e6, 12e6, 8e6, 8e6, 8e6]  # staggered and ramped
    guard, command = guard.step(seen(8e6), at(41_000))
    assert (command.state, command.reason) == (
        GuardState.CACHED,
        "cached: step 1 of the schedule of dispatch d1, revision 1",
    )
    guard, written = run(guard, seen(8e6), 42_000, 43_000, 44_000, 59_000)
    assert written == [4e6, 0, -4e6, -4e6]
    guard, command = guard.step(seen(-4e6), at(60_000))
    assert (command.state, command.setpoint_w, command.ended) == (GuardState.FAILSAFE, -4e6, SCHEDULED)
    _, written = run(guard, seen(-4e6), 62_000, 63_000, 64_000)
    assert written == [-4e6, 0, 0]


def test_a_silence_that_begins_late_leads_to_the_step_of_that_time() -> None:
    guard = following().link(False, at(45_000))
    moments = (45_000 + GRACE_MS + DELAY_MS - 1_000, 45_000 + GRACE_MS + DELAY_MS, 53_000, 54_000, 57_000)
    guard, written = run(guard, seen(20e6), *moments)
    assert written == [20e6, 16e6, 12e6, 8e6, 0]
    assert guard.orders.steps_begun == 2


def test_a_stream_that_breaks_and_is_there_again_moves_nobody() -> None:
    guard = following().link(False, at(30_000))
    guard, written = run(guard, seen(20e6), 31_000, 30_000 + GRACE_MS + DELAY_MS - 1)
    guard, more = run(guard.link(True, at(37_000)), seen(20e6), 38_000, 59_000)
    assert written + more == [20e6] * 4


def test_a_returning_headend_does_not_bring_back_what_the_schedule_had_left() -> None:
    guard, _ = run(following().link(False, at(1_000)), seen(20e6), 21_000, 23_000, 25_000, 27_000)
    guard = guard.link(True, at(27_500))
    guard, command = guard.step(seen(8e6), at(28_000))
    assert (command.setpoint_w, command.state) == (8e6, GuardState.FOLLOW)
    assert command.reason == "follow: step 1 of the schedule of dispatch d1, revision 1"
    guard, written = run(guard, seen(8e6), 45_000)  # heard again, it says itself what comes next
    assert written == [8e6]
    guard = took(guard, intent(2, 30e6, 90_000), 46_000)
    _, written = run(guard, seen(8e6), 46_000)
    assert written == [30e6]


def test_the_times_of_steps_are_by_the_headends_clock_and_no_later_news_moves_them() -> None:
    hour_behind = Now(UTC - 3_600_000, 500)
    guard, _ = guarded().receive(SCHEDULED, hour_behind, 3_600_000)
    assert (guard.orders.deadline_ms, guard.orders.steps_ms) == (60_500, (20_500, 40_500))
    again, _ = guard.receive(SCHEDULED, Now(UTC, 9_000), 77_000)
    assert again.orders == guard.orders


def test_an_end_that_was_brought_forward_brings_the_steps_with_it() -> None:
    """No intent lasts longer than it was issued for; its steps keep their distance from its end."""
    slow = Now(UTC - 3_600_000, 500)
    guard, _ = guarded().receive(SCHEDULED, slow, 0)
    assert (guard.orders.deadline_ms, guard.orders.steps_ms) == (60_500, (20_500, 40_500))


def test_a_newer_intent_takes_the_whole_schedule_with_it() -> None:
    guard = took(following().link(False, at(1_000)), intent(2, 5e6, 60_000), 2_000)
    assert guard.orders.steps_ms == ()
    _, written = run(guard, seen(20e6), 30_000, 50_000)
    assert written == [5e6, 5e6]


@pytest.mark.parametrize("interlock", ["local", "lock"])
def test_an_interlock_ends_the_schedule_too(interlock: str) -> None:
    guard = following().link(False, at(1_000))
    guard, _ = run(guard.local(True) if interlock == "local" else guard.lock("door open"), seen(0.0), 1_500)
    _, written = run(guard.local(False).unlock(), seen(0.0), 2_000, 30_000, 50_000)
    assert written == [0, 0, 0]


def test_a_release_may_be_followed_by_steps() -> None:
    guard = following(replace(SCHEDULED, setpoint_w=None)).link(False, at(0))
    guard, written = run(guard, seen(0.0), 10_000, 22_000, 23_000, 24_000)
    assert written[1:] == [8e6, 8e6, 8e6]
    assert guard.state() is GuardState.CACHED


def test_a_battery_that_cannot_be_seen_leaves_the_schedule_and_comes_back_to_it() -> None:
    guard, _ = run(following().link(False, at(1_000)), seen(20e6), 21_000, 23_000, 25_000, 27_000)
    guard, command = guard.step(None, at(28_000))
    assert (command.setpoint_w, command.state) == (8e6, GuardState.FAILSAFE)
    guard, written = run(guard, None, 30_000, 31_000)
    assert written == [8e6, 4e6]
    _, written = run(guard, seen(4e6), 32_000)
    assert written == [8e6]


def test_a_plant_that_cannot_be_seen_goes_on_with_its_schedule() -> None:
    steps = (Step(UTC + 10_000, 2e6),)
    guard = took(guarded(SOLAR), intent(1, 10e6, 60_000, asset_id="p1", reversion_w=None, schedule=steps))
    guard, _ = run(guard.link(False, at(0)), seen(9e6, None, SOLAR), 0)
    _, written = run(guard, None, 11_000, 12_000, 13_000, 14_000)
    assert written == [10e6, 6e6, 2e6, 2e6]


def test_a_step_outward_at_a_bound_of_the_charge_is_held_back_and_said_to_be() -> None:
    guard, _ = run(following().link(False, at(1_000)), seen(20e6), 22_000, 24_000)
    _, command = guard.step(seen(8e6, 10e6), at(26_000))
    assert (command.setpoint_w, command.limited) == (0, True)
    assert command.reason == "state of charge is at its minimum of 10 %"


def test_after_a_restart_within_one_boot_the_step_goes_on() -> None:
    guard, _ = run(following().link(False, at(1_000)), seen(20e6), 21_000, 23_000, 25_000, 27_000)
    again = took(Guard.new(BATTERY, QUICK), SCHEDULED, 28_000).resume(guard.orders.steps_begun)
    again, written = run(again, seen(8e6), 28_000, 28_250, 39_000)
    assert written == [8e6, 8e6, 8e6]
    assert again.state() is GuardState.CACHED
    _, written = run(again, seen(8e6), 42_000, 44_000)
    assert written[-1] == -4e6  # a silence of which nobody knows when it began, begins with the restart


def test_nothing_that_is_not_there_is_resumed() -> None:
    guard = took(guarded(), intent(1))
    assert guard.resume(3) == guard
    assert following().resume(9).orders.steps_begun == 2
    assert following().resume(-1).orders.steps_begun == 0


def test_a_step_once_begun_never_gives_way_to_an_earlier_one() -> None:
    guard = Guard.new(BATTERY, Fallback(0, 4e6)).link(True, at(0))
    guard, _ = run(took(guard, SCHEDULED).link(False, at(1_000)), seen(20e6), 41_000)
    assert guard.orders.steps_begun == 2
    again = guard.link(True, at(42_000)).link(False, at(43_000))
    again, _ = run(again, seen(8e6), 43_500)
    assert again.orders.steps_begun == 2
