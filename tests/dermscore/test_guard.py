"""The Guard: what it takes, what it drops and why, and what it writes, whatever link, clocks and messages do."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dermscore.guard import (
    LONGEST_RAMP_STEP_MS,
    STATES,
    Command,
    Dropped,
    Fallback,
    Guard,
    GuardState,
    Taken,
    at_soc_bound,
    offset_ms,
    rewrite_due,
)
from dermscore.intent import Intent, IntentState
from dermscore.model import Asset, Kind, Measurement, Now
from dermscore.quality import GOOD, Cause, Quality, Validity

SOAK = os.environ.get("DERMS_SOAK") == "1"
UTC = 1_700_000_000_000

BATTERY = Asset("b1", "B1", "s1", Kind.BATTERY, 100e6, 40e6, -30e6, 0.9, 10e6, 10, 90, "simulated", "default")
SOLAR = Asset("p1", "P1", "s1", Kind.SOLAR, 0, 20e6, 0, 1, 10e6, 0, 100, "simulated", "default")
LOAD = Asset("l1", "L1", "s1", Kind.LOAD, 0, 0, -8e6, 1, 10e6, 0, 100, "simulated", "default")
QUICK = Fallback(delay_ms=2_000, ramp_w_per_s=4e6)


def at(ms: int) -> Now:
    return Now(UTC + ms, ms)


def intent(revision: int = 1, setpoint_w: float | None = 20e6, ends_ms: int = 60_000, **more: object) -> Intent:
    plain = Intent("b1", "e1", revision, f"d{revision}", setpoint_w, 0.0, UTC, UTC + ends_ms, "default", 4)
    return replace(plain, **more)  # type: ignore[arg-type]


def seen(power_w: float = 0.0, soc_wh: float | None = 50e6, asset: Asset = BATTERY, **more: object) -> Measurement:
    plain = Measurement(asset.id, UTC, power_w, soc_wh, 0.0, 0.0, None, GOOD)
    return replace(plain, **more)  # type: ignore[arg-type]


def guarded(asset: Asset = BATTERY) -> Guard:
    return Guard.new(asset, QUICK).link(True, at(0))


def took(guard: Guard, wanted: Intent, ms: int = 0) -> Guard:
    guard, verdict = guard.receive(wanted, at(ms), 0)
    assert isinstance(verdict, Taken), verdict
    return guard


def run(guard: Guard, measurement: Measurement | None, *moments: int) -> tuple[Guard, list[float | None]]:
    written = []
    for ms in moments:
        guard, command = guard.step(measurement, at(ms))
        written.append(command.setpoint_w)
    return guard, written


# --- receiving ---


def test_after_a_start_nothing_is_held() -> None:
    guard = Guard.new(BATTERY)
    assert guard.held is None
    assert (guard.epoch, guard.revision) == ("", 0)
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
    assert guard.deadline_ms == 10_000


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
    assert guard.revision == 1
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
    assert guard.deadline_ms == 60_500


def test_no_intent_lasts_longer_than_it_was_issued_for() -> None:
    slow = Now(UTC - 3_600_000, 500)  # an hour slow, and nobody noticed
    guard, _ = guarded().receive(intent(1, ends_ms=60_000), slow, 0)
    assert guard.deadline_ms == 60_500


@pytest.mark.parametrize(
    ("wanted", "what"),
    [
        (intent(1, math.nan), "setpoint is not a number"),
        (intent(1, math.inf), "setpoint is not a number"),
        (intent(1, reversion_w=math.nan), "reversion is not a number"),
        (intent(1, 40e6 + 1), "outside the rating"),
        (intent(1, -31e6), "outside the rating"),
        (intent(1, reversion_w=50e6), "reversion"),
    ],
)
def test_what_cannot_be_obeyed_is_refused_not_clamped(wanted: Intent, what: str) -> None:
    before = took(guarded(), intent(1, 5e6, epoch="e1"))
    guard, verdict = before.receive(replace(wanted, revision=2), at(1), 0)
    assert isinstance(verdict, Dropped)
    assert what in verdict.reason
    assert verdict.outcome is IntentState.REFUSED
    assert verdict.superseded == intent(1, 5e6)
    assert guard == replace(before, revision=2, held=None)


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


def test_the_states_are_a_table_that_always_answers() -> None:
    assert STATES[-1] == ({}, GuardState.FAILSAFE)
    locked = guarded().local(True).lock("both")
    assert locked.state(sighted=False) is GuardState.LOCKED
    assert guarded().local(True).state(sighted=False) is GuardState.LOCAL
    assert guarded().state(sighted=False) is GuardState.FAILSAFE


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


def test_a_dead_man_timer_is_fed_within_a_third_of_its_time() -> None:
    assert not rewrite_due(0, None, at(10**9))
    assert not rewrite_due(0, 60_000, at(19_999))
    assert rewrite_due(0, 60_000, at(20_000))


def test_a_fallback_is_drawn_per_asset_and_always_the_same() -> None:
    fleet = [replace(BATTERY, id=f"b{n}") for n in range(200)]
    delays = [Fallback.of(asset).delay_ms for asset in fleet]
    assert delays == [Fallback.of(asset).delay_ms for asset in fleet]
    assert delays != [Fallback.of(asset, seed="other").delay_ms for asset in fleet]
    assert all(0 <= delay < 5_000 for delay in delays)
    assert min(delays) < 500 < 4_500 < max(delays)
    assert Fallback.of(BATTERY).ramp_w_per_s == 4e6


def test_a_nodes_ramp_is_divided_by_rating_and_must_end() -> None:
    node = (BATTERY, SOLAR)
    assert Fallback.of(BATTERY, node, 3e6).ramp_w_per_s == pytest.approx(2e6)
    assert Fallback.of(SOLAR, node, 3e6).ramp_w_per_s == pytest.approx(1e6)
    idle = replace(BATTERY, max_w=0.0, min_w=0.0)
    assert Fallback.of(idle, (idle,), 3e6).ramp_w_per_s == 0
    with pytest.raises(ValueError, match="would never end"):
        Fallback.of(BATTERY, node, 0.0)


def test_a_thousand_guards_losing_their_headend_are_not_a_cliff() -> None:
    count, node_ramp_w_per_s, tick_ms = 1_000, 500e6, 500
    node = tuple(replace(BATTERY, id=f"b{n}") for n in range(count))
    guards = [
        took(Guard.new(asset, Fallback.of(asset, node, node_ramp_w_per_s)), intent(1, asset_id=asset.id)).link(
            False, at(0)
        )
        for asset in node
    ]
    sums = []
    for ms in range(59_000, 130_000, tick_ms):
        stepped = [guard.step(seen(20e6), at(ms)) for guard in guards]
        guards = [guard for guard, _ in stepped]
        sums.append(math.fsum(command.setpoint_w or 0.0 for _, command in stepped))
    steepest = max(before - after for before, after in pairwise(sums))
    assert sums[0] == count * 20e6
    assert sums[-1] == 0
    assert 0 < steepest <= node_ramp_w_per_s * tick_ms / 1000 * (1 + 1e-9)
    first_half_second = sums[2] - sums[3]
    assert first_half_second < steepest / 4  # they do not begin together


# --- any interleaving ---

SETPOINTS = st.one_of(
    st.none(), st.sampled_from([0.0, 40e6, -30e6, 41e6, -31e6, math.nan, math.inf]), st.floats(-35e6, 45e6)
)


class AnyInterleaving(RuleBasedStateMachine):
    """A headend, a network that loses, repeats and reorders, and an agent that restarts and whose wall clock jumps.

    The world's own clock is `t`; the headend's UTC is UTC + t. The agent hears a heartbeat before it takes intents, as
    on the wire (Registered carries the headend's time).
    """

    @initialize()
    def begin(self) -> None:
        self.t = 0
        self.epoch = 0
        self.revision = 0
        self.skew_ms = 0  # of the agent's wall clock
        self.boot_ms = 0  # of its monotonic clock
        self.sent: list[Intent] = []
        self.guard = Guard.new(BATTERY, QUICK)
        self.newest: tuple[int, int] = (0, 0)
        self.in_force: Intent | None = None  # by the rules of the page, not by the Guard
        self.command: Command | None = None
        self.hear()

    def now(self) -> Now:
        return Now(UTC + self.t + self.skew_ms, self.t - self.boot_ms)

    @rule()
    def hear(self) -> None:
        self.heard = (UTC + self.t, self.now())
        self.guard = self.guard.link(True, self.now())

    @rule()
    def lose_the_link(self) -> None:
        self.guard = self.guard.link(False, self.now())

    @rule(ms=st.integers(1, 20_000))
    def wait(self, ms: int) -> None:
        self.t += ms

    @rule(ms=st.integers(-(10**9), 10**9))
    def jump_the_wall_clock(self, ms: int) -> None:
        self.skew_ms += ms

    @rule(reboot=st.booleans())
    def restart(self, reboot: bool) -> None:
        if reboot:
            self.boot_ms = self.t
        self.guard, self.newest = Guard.new(BATTERY, QUICK), (0, 0)
        self.command = self.in_force = None
        self.hear()

    @rule(setpoint_w=SETPOINTS, lasts_ms=st.integers(-1_000, 60_000), reversion_w=st.sampled_from([0.0, None, 50e6]))
    def issue(self, setpoint_w: float | None, lasts_ms: int, reversion_w: float | None) -> None:
        self.send(setpoint_w, lasts_ms, reversion_w)

    def send(self, setpoint_w: float | None, lasts_ms: int, reversion_w: float | None) -> None:
        self.revision += 1
        ends_ms = UTC + self.t + lasts_ms
        dispatch = f"d{self.epoch}.{self.revision}"
        wanted = Intent(
            "b1", str(self.epoch), self.revision, dispatch, setpoint_w, reversion_w, UTC + self.t, ends_ms, "p", 4
        )
        self.sent.append(wanted)

    @rule()
    def make_the_store_anew(self) -> None:
        self.epoch += 1
        self.revision = 0

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        """Any that was ever sent, late, again and in any order; across epochs the streams keep their order."""
        epochs = [wanted for wanted in self.sent if int(wanted.epoch) >= self.newest[0]]
        if not epochs:
            return
        self.give(data.draw(st.sampled_from(epochs)))

    @rule(setpoint_w=SETPOINTS, lasts_ms=st.integers(1, 60_000))
    def issue_and_deliver(self, setpoint_w: float | None, lasts_ms: int) -> None:
        """An ordinary day, so that something is held often enough for the rest to matter."""
        self.send(setpoint_w, lasts_ms, 0.0)
        if int(self.sent[-1].epoch) >= self.newest[0]:
            self.give(self.sent[-1])

    def give(self, wanted: Intent) -> None:
        before = self.guard
        self.guard, verdict = self.guard.receive(wanted, self.now(), offset_ms(*self.heard, self.now()))
        is_new = (int(wanted.epoch), wanted.revision) > self.newest
        if isinstance(verdict, Taken):
            assert is_new
            assert self.guard.held == wanted
        elif not is_new:
            assert self.guard == before
        if is_new:
            assert verdict.superseded == before.held  # which the headend ended when it stored this one
            self.in_force = wanted if isinstance(verdict, Taken) else None
            assert self.guard.held == self.in_force
            self.newest = (int(wanted.epoch), wanted.revision)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def deliver_from_a_past_epoch(self, data: st.DataObject) -> None:
        past = [wanted for wanted in self.sent if wanted.epoch in self.guard.past_epochs]
        if past:
            before = self.guard
            wanted = data.draw(st.sampled_from(past))
            self.guard, verdict = before.receive(wanted, self.now(), offset_ms(*self.heard, self.now()))
            assert isinstance(verdict, Dropped)
            assert self.guard == before

    @rule(
        power_w=st.one_of(st.just(math.nan), st.floats(-30e6, 40e6)),
        soc_wh=st.one_of(st.none(), st.just(math.nan), st.sampled_from([10e6, 90e6]), st.floats(10e6, 90e6)),
    )
    def step(self, power_w: float, soc_wh: float | None) -> None:
        before = self.command
        self.guard, self.command = self.guard.step(seen(power_w, soc_wh), self.now())
        at_bound = at_soc_bound(BATTERY, soc_wh, self.command.setpoint_w or 0.0)
        assert at_bound is None
        obeyed = self.guard.held if self.command.state is not GuardState.FAILSAFE else None
        if obeyed is not None and obeyed.setpoint_w is not None:
            assert self.command.setpoint_w in (obeyed.setpoint_w, 0.0)
        elif before is not None and before.setpoint_w is not None:
            # nobody asks: it may only come closer to its reversion value, which is 0
            assert abs(self.command.setpoint_w or 0.0) <= abs(before.setpoint_w)

    @invariant()
    def what_is_obeyed_has_not_ended(self) -> None:
        if self.command is not None and self.guard.held is not None:
            guard, _ = self.guard.step(seen(), self.now())
            if guard.held is not None:
                assert guard.held.expires_ms > UTC + self.t
                assert guard.held == self.in_force
        assert self.guard.revision == self.newest[1]

    @invariant()
    def no_command_leaves_the_rating(self) -> None:
        if self.command is not None:
            assert self.command.setpoint_w is not None
            assert BATTERY.min_w <= self.command.setpoint_w <= BATTERY.max_w


AnyInterleaving.TestCase.settings = settings(
    max_examples=3_000 if SOAK else 100, stateful_step_count=200 if SOAK else 40, deadline=None
)
TestAnyInterleaving = AnyInterleaving.TestCase


@given(
    power_w=st.floats(-200e6, 200e6),
    gaps=st.lists(st.integers(0, 5_000), min_size=1, max_size=60),
    fallback=st.builds(Fallback, st.integers(0, 10_000), st.floats(1.0, 1e8)),
)
def test_the_way_back_never_exceeds_its_ramp_and_never_overshoots(
    power_w: float, gaps: list[int], fallback: Fallback
) -> None:
    guard, now_ms, before = Guard.new(BATTERY, fallback), 0, min(max(power_w, -30e6), 40e6)
    for gap in gaps:
        now_ms += gap
        guard, command = guard.step(seen(power_w), at(now_ms))
        assert command.setpoint_w is not None
        assert abs(before - command.setpoint_w) <= fallback.ramp_w_per_s * gap / 1000 + 1e-6
        assert command.setpoint_w == 0 or math.copysign(1, command.setpoint_w) == math.copysign(1, before)
        before = command.setpoint_w


def test_the_guard_needs_nothing_but_the_standard_library(loaded_by: Callable[[str], set[str]]) -> None:
    assert loaded_by("dermscore.guard") <= {"dermscore"}


@pytest.fixture
def loaded_by() -> Callable[[str], set[str]]:
    import subprocess
    import sys

    def names(module: str) -> set[str]:
        script = (
            f"import sys; before = set(sys.modules); import {module}; "
            "new = {name.partition('.')[0] for name in set(sys.modules) - before}; "
            "print(*(new - set(sys.stdlib_module_names)))"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        return set(done.stdout.split())

    return names
