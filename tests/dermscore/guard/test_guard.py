"""The Guard: what it takes, what it drops and why, and what it writes, whatever link, clocks and messages do."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace

import pytest

from dermscore.guard import LONGEST_RAMP_STEP_MS, Command, Dropped, Guard, GuardState, Taken, at_soc_bound, offset_ms
from dermscore.intent import Intent, IntentState, Step
from dermscore.model import Measurement, Now
from dermscore.quality import Cause, Quality, Validity
from tests.dermscore.guard.made import BATTERY, LOAD, QUICK, SOLAR, UTC, at, guarded, intent, run, seen, took

# --- receiving ---


def test_after_a_start_nothing_is_held() -> None:
    guard = Guard.new(BATTERY)
    assert guard.held is None
    assert guard.seen == ("", 0)
    assert guard.state() is GuardState.FAILSAFE


def test_a_newer_revision_takes_the_place_of_the_older() -> None:
    guard = took(guarded(), intent(1))
    guard, verdict = guard.receive(intent(2, 5e6), at(10), 0)
    assert verdict == Taken(superseded=intent(1))
    assert guard.held == intent(2, 5e6)


@pytest.mark.parametrize(
    ("late", "kind"),
    [
        (intent(5), "duplicate"),
        (intent(5, 1e6), "duplicate"),
        (intent(4), "stale"),
        (intent(0), "stale"),
        (intent(9, asset_id="b2"), "refused: it is for asset b2"),
    ],
)
def test_what_comes_late_twice_or_astray_changes_nothing(late: Intent, kind: str) -> None:
    guard = took(guarded(), intent(5))
    after, verdict = guard.receive(late, at(10), 0)
    assert after == guard
    assert isinstance(verdict, Dropped)
    assert verdict.reason.startswith(kind)
    assert verdict.superseded is None


def test_a_duplicate_does_not_lengthen_the_deadline() -> None:
    guard = took(guarded(), intent(1, ends_ms=10_000))
    guard, _ = guard.receive(intent(1, ends_ms=10_000), at(5_000), 60_000)
    assert guard.orders.deadline_ms == 10_000


def test_a_new_epoch_supersedes_and_the_old_one_never_comes_back() -> None:
    guard = took(guarded(), intent(5))
    guard, verdict = guard.receive(intent(1, 1e6, epoch="e2"), at(10), 0)
    assert verdict == Taken(superseded=intent(5))
    after, verdict = guard.receive(intent(6), at(20), 0)
    assert after == guard
    assert isinstance(verdict, Dropped)
    assert verdict.reason.startswith("past epoch")


def test_a_new_epoch_supersedes_even_with_an_intent_that_cannot_be_obeyed() -> None:
    guard, verdict = took(guarded(), intent(5)).receive(intent(1, 99e6, epoch="e2"), at(10), 0)
    assert guard.held is None
    assert isinstance(verdict, Dropped)
    assert (verdict.outcome, verdict.superseded) == (IntentState.REFUSED, intent(5))


def test_revisions_begin_at_one_in_every_epoch() -> None:
    guard = took(guarded(), intent(5))
    after, verdict = guard.receive(intent(0, epoch="e2"), at(10), 0)
    assert after == guard
    assert isinstance(verdict, Dropped)


def test_an_intent_that_came_after_its_end_is_dropped() -> None:
    guard, verdict = guarded().receive(intent(1, ends_ms=60_000), at(60_000), 0)
    assert isinstance(verdict, Dropped)
    assert verdict.reason.startswith("expired")
    assert verdict.outcome is IntentState.EXPIRED
    assert guard.held is None
    assert guard.seen == ("e1", 1)
    _, command = guard.step(seen(), at(60_001))
    assert command.setpoint_w == 0


def test_what_an_ended_intent_superseded_is_over_too() -> None:
    guard = took(guarded(), intent(1, ends_ms=3_600_000))
    guard, verdict = guard.receive(intent(2, 0.0, ends_ms=10_000), at(20_000), 0)
    assert isinstance(verdict, Dropped)
    assert verdict.superseded == intent(1, ends_ms=3_600_000)
    assert guard.held is None


def test_the_deadline_is_counted_by_the_headends_clock() -> None:
    behind = Now(UTC - 3_600_000, 500)  # our wall clock is an hour slow
    guard, verdict = guarded().receive(intent(1, ends_ms=60_000), behind, 3_600_000)
    assert isinstance(verdict, Taken)
    assert guard.orders.deadline_ms == 60_500


def test_no_intent_lasts_longer_than_it_was_issued_for() -> None:
    slow = Now(UTC - 3_600_000, 500)  # an hour slow, and nobody noticed
    guard, _ = guarded().receive(intent(1, ends_ms=60_000), slow, 0)
    assert guard.orders.deadline_ms == 60_500


@pytest.mark.parametrize(
    ("wanted", "what"),
    [
        (intent(1, math.nan), "setpoint is not a number"),
        (intent(1, math.inf), "setpoint is not a number"),
        (intent(1, reversion_w=math.nan), "reversion is not a number"),
        (intent(1, 40e6 + 1), "outside the rating"),
        (intent(1, -31e6), "outside the rating"),
        (intent(1, reversion_w=50e6), "its reversion 50000000 W is outside the rating"),
        (
            intent(1, schedule=(Step(UTC, 1e6), Step(UTC + 1, 41e6))),
            "schedule's step 2 41000000 W is outside the rating",
        ),
        (intent(1, schedule=(Step(UTC, math.nan),)), "schedule's step 1 is not a number"),
        (intent(1, schedule=(Step(UTC, 1e6), Step(UTC, 2e6))), "step 2 of its schedule does not begin after"),
        (intent(1, schedule=(Step(UTC + 60_000, 1e6),)), "begins when the intent has ended"),
    ],
)
def test_what_cannot_be_obeyed_is_refused_not_clamped(wanted: Intent, what: str) -> None:
    before = took(guarded(), intent(1, 5e6, epoch="e1"))
    guard, verdict = before.receive(replace(wanted, revision=2), at(1), 0)
    assert isinstance(verdict, Dropped)
    assert what in verdict.reason
    assert verdict.outcome is IntentState.REFUSED
    assert verdict.superseded == intent(1, 5e6)
    assert guard == replace(before, orders=replace(before.orders.let_go(), revision=2))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_an_intent_without_times_changes_nothing(bad: float) -> None:
    guard = took(guarded(), intent())
    wrong: list[tuple[Intent, float]] = [
        *((intent(2, **{name: bad}), 0) for name in ("issued_ms", "expires_ms")),
        (replace(intent(), revision=bad), 0),  # type: ignore[arg-type]
        (intent(2, schedule=(Step(bad, 0.0),)), 0),  # type: ignore[arg-type]
        (intent(2), bad),
    ]
    for wanted, offset in wrong:
        after, verdict = guard.receive(wanted, at(0), offset)  # type: ignore[arg-type]
        assert after == guard
        assert verdict == Dropped("refused: its revision or one of its times is not a number", IntentState.REFUSED)


@pytest.mark.parametrize(
    "more", [{"dead_man_ms": 0}, {"dead_man_ms": -5}, {"tolerance_w": -1.0}, {"tolerance_w": math.nan}]
)
def test_a_guard_is_not_made_of_what_is_no_device(more: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="no device has"):
        Guard.new(BATTERY, QUICK, **more)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="the rating of b1 is not a number"):
        Guard.new(replace(BATTERY, max_w=math.nan), QUICK)


def test_what_is_just_outside_does_not_look_like_the_bound() -> None:
    _, verdict = guarded().receive(intent(setpoint_w=40_000_000.000001), at(0), 0)
    assert isinstance(verdict, Dropped)
    assert "its setpoint 40000000.000001 W is outside the rating -30000000 to 40000000 W" in verdict.reason


def test_what_a_refused_intent_superseded_ends_by_the_way_back_to_the_assets_own_reversion() -> None:
    guard, _ = run(took(guarded(), intent(1, 20e6, reversion_w=10e6)), seen(20e6), 0, 1_000)
    guard, verdict = guard.receive(intent(2, 99e6, reversion_w=15e6), at(1_000), 0)
    assert isinstance(verdict, Dropped)
    assert (verdict.outcome, verdict.superseded) == (IntentState.REFUSED, intent(1, 20e6, reversion_w=10e6))
    assert guard.state() is GuardState.FOLLOW
    _, written = run(guard, seen(20e6), 2_000, 3_000, 4_000, 5_000, 6_000, 7_000, 8_000, 9_000)
    assert written == [20e6, 20e6, 20e6, 16e6, 12e6, 8e6, 4e6, 0]  # 2 s of stagger, then 4 MW/s


def test_no_stream_of_refused_intents_prolongs_or_turns_a_way_back() -> None:
    guard = took(guarded(SOLAR), intent(1, 10e6, 5_000, asset_id="p1", reversion_w=2e6))
    guard, _ = run(guard, seen(10e6, None, SOLAR), 0, 5_000)
    caps = []
    for revision, ms in enumerate(range(6_000, 12_000, 1_000), start=2):
        guard, verdict = guard.receive(intent(revision, math.nan, asset_id="p1"), at(ms), 0)
        assert isinstance(verdict, Dropped)
        assert verdict.superseded is None
        guard, command = guard.step(seen(10e6, None, SOLAR), at(ms))
        caps.append(command.setpoint_w)
    assert caps == [10e6, 10e6, 6e6, 2e6, 2e6, 2e6]


def test_a_refused_intent_that_comes_late_or_twice_ends_nothing() -> None:
    guard, _ = guarded().receive(intent(1, 99e6), at(0), 0)
    guard = took(guard, intent(2))
    for late in (intent(1, 99e6), intent(2, math.nan)):
        after, verdict = guard.receive(late, at(10), 0)
        assert after == guard
        assert isinstance(verdict, Dropped)
        assert (verdict.outcome, verdict.superseded) == (None, None)


def test_zero_is_taken_even_outside_the_rating() -> None:
    must_run = replace(BATTERY, min_w=1e6)
    assert took(Guard.new(must_run), intent(1, 0.0)).held == intent(1, 0.0)


# --- stepping ---


def test_a_held_setpoint_is_written_at_once_and_every_tick() -> None:
    guard, written = run(took(guarded(), intent(1)), seen(), 0, 1_000, 59_999)
    assert written == [20e6] * 3
    assert guard.state() is GuardState.FOLLOW


def test_a_silent_headend_changes_nothing_until_the_deadline_and_then_the_reversion_is_ramped() -> None:
    guard = took(guarded(), intent(1)).link(False, at(1_000))
    assert guard.state() is GuardState.CACHED
    guard, written = run(guard, seen(), 1_000, 59_999)
    assert written == [20e6, 20e6]
    guard, command = guard.step(seen(20e6), at(60_000))
    assert command == Command(20e6, GuardState.FAILSAFE, command.reason, True, intent(1))
    # 2 s of stagger, then 4 MW/s
    guard, written = run(guard, seen(), 61_000, 62_000, 63_000, 64_000, 65_000, 66_000, 67_000, 68_000)
    assert written == [20e6, 20e6, 16e6, 12e6, 8e6, 4e6, 0, 0]
    _, command = guard.step(seen(), at(69_000))
    assert command.ended is None
    assert command.reason == "failsafe: nothing is asked, returning to 0 W"


def test_charging_is_ramped_back_up() -> None:
    guard = took(guarded(), intent(1, -10e6, ends_ms=1_000))
    _, written = run(guard, seen(-10e6), 0, 1_000, 3_000, 4_000, 5_000, 6_000)
    assert written == [-10e6, -10e6, -10e6, -6e6, -2e6, 0]


def test_a_loop_that_was_stopped_does_not_catch_up_in_a_leap() -> None:
    guard, _ = run(took(guarded(), intent(1)), seen(), 59_000, 60_000)
    _, written = run(guard, seen(), 600_000)
    assert written == [20e6 - QUICK.ramp_w_per_s * LONGEST_RAMP_STEP_MS / 1000]


def test_a_new_intent_ends_the_way_back() -> None:
    guard, _ = run(took(guarded(), intent(1)), seen(), 59_000, 60_000, 63_000)
    guard = took(guard, intent(2, -5e6, ends_ms=70_000), 63_500)
    guard, written = run(guard, seen(), 64_000, 70_000, 71_000, 72_000, 73_000)
    assert written == [-5e6, -5e6, -5e6, -5e6, -1e6]  # a stagger of its own


def test_a_release_is_staggered_and_ramped_too() -> None:
    guard, _ = run(took(guarded(), intent(1)), seen(), 0)
    guard = took(guard, intent(2, None), 500)
    guard, written = run(guard, seen(20e6), 1_000, 3_000, 4_000, 5_000, 6_000)
    assert written == [20e6, 20e6, 16e6, 12e6, 8e6]
    _, command = guard.step(seen(), at(7_000))
    assert command.reason == "follow: released, returning to 0 W"


def test_a_battery_left_to_itself_is_told_zero() -> None:
    guard = took(guarded(), intent(1, None, reversion_w=None))
    _, written = run(guard, seen(), 0)
    assert written == [0]


def test_a_curtailed_plant_is_let_go_in_steps_and_then_altogether() -> None:
    guard = took(guarded(SOLAR), intent(1, 10e6, 5_000, asset_id="p1", reversion_w=None))
    _, written = run(guard, seen(9e6, None, SOLAR), 0, 5_000, 7_000, 8_000, 9_000, 10_000, 11_000)
    assert written == [10e6, 10e6, 10e6, 14e6, 18e6, None, None]


def test_a_curtailed_load_is_let_go_towards_its_full_draw() -> None:
    guard = took(guarded(LOAD), intent(1, -1e6, 5_000, asset_id="l1", reversion_w=None))
    _, written = run(guard, seen(-1e6, None, LOAD), 0, 5_000, 8_000, 9_000)
    assert written == [-1e6, -1e6, -5e6, None]


def test_a_plant_that_reverts_to_a_number_starts_from_what_it_makes() -> None:
    guard, _ = run(guarded(SOLAR), seen(9e6, None, SOLAR), 0)
    stop = intent(1, None, 60_000, asset_id="p1", reversion_w=0.0)
    _, written = run(took(guard, stop), seen(9e6, None, SOLAR), 1_000, 2_000, 3_000)
    assert written == [9e6, 9e6, 5e6]


def test_after_a_start_the_way_back_begins_where_the_device_is() -> None:
    _, written = run(guarded(), seen(12e6), 0, 2_000, 3_000, 4_000, 5_000)
    assert written == [12e6, 12e6, 8e6, 4e6, 0]


def test_after_a_start_a_plants_own_cap_is_lifted_in_steps() -> None:
    capped = seen(9e6, None, SOLAR, setpoint_w=10e6)
    _, written = run(guarded(SOLAR), capped, 0, 2_000, 3_000)
    assert written == [10e6, 10e6, 14e6]


@pytest.mark.parametrize("cap_w", [None, math.nan])
def test_after_a_start_a_plant_without_a_cap_is_left_alone(cap_w: float | None) -> None:
    _, written = run(guarded(SOLAR), seen(9e6, None, SOLAR, setpoint_w=cap_w), 0, 2_000)
    assert written == [None, None]


@pytest.mark.parametrize(
    ("soc_wh", "wanted_w", "written_w"),
    [(10e6, 20e6, 0), (10e6, -20e6, -20e6), (90e6, -20e6, 0), (90e6, 20e6, 20e6), (11e6, 20e6, 20e6)],
)
def test_nothing_is_asked_outward_at_a_bound_of_the_state_of_charge(
    soc_wh: float, wanted_w: float, written_w: float
) -> None:
    _, command = took(guarded(), intent(1, wanted_w)).step(seen(0.0, soc_wh), at(1))
    assert command.setpoint_w == written_w
    assert ("state of charge" in command.reason) is (written_w != wanted_w)


BLIND = [
    None,
    seen(math.nan),
    seen(0.0, math.nan),
    seen(0.0, None),
    seen(quality=Quality(Validity.HELD, causes=Cause.COMM_LOST)),
    seen(quality=Quality(Validity.INVALID)),
]


@pytest.mark.parametrize("blind", BLIND)
def test_a_battery_that_cannot_be_seen_goes_back_in_steps_and_follows_again_when_it_can(
    blind: Measurement | None,
) -> None:
    guard, _ = run(took(guarded(), intent(1)), seen(), 0)
    guard, command = guard.step(blind, at(1_000))
    assert (command.setpoint_w, command.state) == (20e6, GuardState.FAILSAFE)
    assert command.reason == "failsafe: no usable measurement, returning to 0 W"
    guard, written = run(guard, blind, 3_000, 4_000)
    assert written == [20e6, 16e6]
    _, command = guard.step(seen(), at(5_000))
    assert (command.setpoint_w, command.state) == (20e6, GuardState.FOLLOW)


def test_a_battery_that_sees_again_while_nobody_leads_takes_up_what_is_held_by_the_ramp() -> None:
    """A whole site may see again at one moment: its node's fallback ramp holds on the way there, too."""
    guard, _ = run(took(guarded(), intent()), seen(), 0)
    guard = guard.link(False, at(100))
    guard, written = run(guard, None, 1_000, 3_000, 4_000, 5_000)
    assert written == [20e6, 20e6, 16e6, 12e6]
    alone, written = run(guard, seen(), 5_500, 6_000, 7_000, 8_000)
    assert written == [14e6, 16e6, 20e6, 20e6]
    assert alone.state() is GuardState.CACHED
    _, written = run(alone, None, 9_000, 11_000, 12_000)
    assert written == [20e6, 20e6, 16e6], "a stagger of its own, as it was there"
    led, written = run(guard.link(True, at(5_400)), seen(), 5_500)
    assert written == [20e6]
    _, written = run(led.link(False, at(5_600)), seen(), 6_000)
    assert written == [20e6]
    _, written = run(took(guard, intent(2, 10e6), 5_400), seen(), 5_500)
    assert written == [10e6], "the headend's own word, just heard"


def test_a_bound_holds_even_where_the_power_cannot_be_seen() -> None:
    guard, _ = run(took(guarded(), intent(1)), seen(), 0)
    _, command = guard.step(seen(math.nan, 10e6), at(1_000))
    assert command.setpoint_w == 0


def test_a_battery_never_seen_is_told_zero() -> None:
    _, command = guarded().step(None, at(0))
    assert command.setpoint_w == 0


def test_a_plant_that_cannot_be_seen_keeps_its_cap_until_its_end() -> None:
    guard = took(guarded(SOLAR), intent(1, 10e6, 5_000, asset_id="p1", reversion_w=None))
    guard, command = guard.step(None, at(1_000))
    assert (command.setpoint_w, command.state) == (10e6, GuardState.FAILSAFE)
    _, command = guard.step(None, at(5_000))
    assert command.reason == "failsafe: nothing is asked, returning to what it does of itself"


# --- people and interlocks ---


def test_in_local_mode_nothing_is_written_or_taken() -> None:
    guard = took(guarded(), intent(1)).local(True)
    assert guard.held is None
    guard, verdict = guard.receive(intent(2), at(1), 0)
    assert isinstance(verdict, Dropped)
    assert verdict.reason == "refused: the asset is in local mode"
    guard, command = guard.step(seen(7e6), at(2))
    assert (command.write, command.state) == (False, GuardState.LOCAL)
    guard, command = guard.local(False).step(seen(7e6), at(3))
    assert (command.setpoint_w, command.state) == (7e6, GuardState.FOLLOW)  # from where the people left it


def test_a_lock_is_zero_at_once_and_ends_only_by_hand() -> None:
    guard, _ = run(took(guarded(), intent(1)), seen(), 0)
    guard = guard.lock("door open")
    guard, verdict = guard.receive(intent(2), at(1), 0)
    assert isinstance(verdict, Dropped)
    assert verdict.reason == "refused: the asset is locked: door open"
    guard, command = guard.step(seen(20e6), at(86_400_000))
    assert (command.setpoint_w, command.state, command.reason) == (0, GuardState.LOCKED, "locked: door open")
    _, command = guard.unlock().step(seen(), at(86_401_000))
    assert (command.setpoint_w, command.state) == (0, GuardState.FOLLOW)


def test_hearing_the_same_news_of_the_link_twice_changes_nothing() -> None:
    guard = guarded()
    assert guard.link(True, at(5)) == guard
    assert guard.link(False, at(5)).link_since_ms == 5


# --- what goes with it ---


def test_soc_bounds_are_only_outward() -> None:
    assert at_soc_bound(BATTERY, None, 5e6) is None
    assert at_soc_bound(BATTERY, 10e6, 0.0) is None
    assert at_soc_bound(BATTERY, 10e6, -1.0) is None
    assert at_soc_bound(BATTERY, 10e6 * (1 + 1e-12), 1.0) == "state of charge is at its minimum of 10 %"
    assert at_soc_bound(BATTERY, 90e6, -1.0) == "state of charge is at its maximum of 90 %"


def test_a_step_of_our_wall_clock_does_not_move_the_headends_time() -> None:
    heard = Now(UTC, 1_000)
    stepped = Now(UTC + 7_200_000, 3_000)
    assert stepped.utc_ms + offset_ms(UTC + 50, heard, stepped) == UTC + 50 + 2_000


_FOREIGN = """
import sys
before = set(sys.modules)
import dermscore.guard
print(*({name.partition(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)))
"""


def test_the_guard_needs_nothing_but_the_standard_library() -> None:
    done = subprocess.run([sys.executable, "-c", _FOREIGN], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["dermscore"]
