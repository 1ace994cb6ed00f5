"""When an event really begins and ends: what is drawn, what touches, what is cancelled."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dermscore.dispatch import Event, EventStatus, Mode, arbitrate
from dermscore.dispatch.arbitration.claims import Claim, claimed, drawn_ms, drawn_times, settle
from dermscore.model import Now
from tests.dermscore.dispatch.arbitration.programs import MINUTE, NODE, event, program

PLAIN = event("a", "P", 10, 20, TargetW=1.0)
BOUNDS = st.integers(-3600, 3600)


def settled(*events: Event, now_ms: int = 0) -> list[Claim]:
    """The claims of events, highest first, all of one primacy."""
    claims = [claim for one in events for claim in claimed(one, 1, terminates=True)]
    settle(claims, now_ms)
    return claims


# --- drawing ---------------------------------------------------------------------------------------------------------


@given(bound_s=BOUNDS, name=st.text(max_size=5))
def test_what_is_drawn_lies_within_its_bound_and_on_its_side(bound_s: int, name: str) -> None:
    drawn = drawn_ms(replace(PLAIN, id=name), "start", bound_s)
    assert min(0, bound_s * 1000) <= drawn <= max(0, bound_s * 1000)


def test_it_is_the_same_in_another_process() -> None:
    code = (
        "from dermscore.dispatch.arbitration.claims import drawn_ms; from dermscore.dispatch import Event;"
        f"print(drawn_ms(Event({PLAIN.id!r}, {NODE!r}, 'P', 0, 0, 1, {{}}), 'start', 3600))"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(there.stdout) == drawn_ms(PLAIN, "start", 3600)


def test_events_nodes_and_purposes_draw_apart() -> None:
    draws = {
        drawn_ms(PLAIN, "start", 3600),
        drawn_ms(PLAIN, "duration", 3600),
        drawn_ms(replace(PLAIN, id="b"), "start", 3600),
        drawn_ms(replace(PLAIN, node="b1"), "start", 3600),
    }
    assert len(draws) == 4


def test_the_draws_of_many_events_fill_the_window() -> None:
    """CSIP-AUS ALL-22: starts are to be spread over the window."""
    draws = [drawn_ms(replace(PLAIN, id=str(number)), "start", 60) for number in range(1000)]
    tenths = [sum(1 for drawn in draws if tenth * 6000 <= drawn < (tenth + 1) * 6000) for tenth in range(10)]
    assert min(tenths) > 50


@given(start_s=BOUNDS, duration_s=BOUNDS)
def test_the_start_moves_the_whole_and_the_duration_its_end(start_s: int, duration_s: int) -> None:
    one = replace(PLAIN, randomize_start_s=start_s, randomize_duration_s=duration_s)
    start_ms, end_ms = drawn_times(one)
    assert start_ms == one.starts_ms + drawn_ms(one, "start", start_s)
    assert end_ms == max(start_ms, start_ms + 10 * MINUTE + drawn_ms(one, "duration", duration_s))


@pytest.mark.parametrize("never", [replace(PLAIN, ends_ms=PLAIN.starts_ms), replace(PLAIN, known_ms=PLAIN.ends_ms)])
def test_what_never_is_draws_nothing(never: Event) -> None:
    assert drawn_times(replace(never, randomize_start_s=60, randomize_duration_s=60)) == (10 * MINUTE, 10 * MINUTE)


def test_it_begins_no_earlier_than_it_is_known() -> None:
    early = replace(PLAIN, randomize_start_s=-3600, known_ms=10 * MINUTE - 1)
    assert settled(early)[0].start_ms == 10 * MINUTE - 1


@given(start_s=BOUNDS, now_ms=st.integers(0, 90 * MINUTE))
def test_a_control_keeps_the_times_that_were_drawn(start_s: int, now_ms: int) -> None:
    one = replace(PLAIN, randomize_start_s=start_s, known_ms=0)
    start_ms, end_ms = drawn_times(one)
    control = arbitrate({"P": program(1)}, [one], Now(now_ms, 0)).at(NODE)
    assert (control is not None) == (max(0, start_ms) <= now_ms < end_ms)
    assert control is None or (control.since_ms, control.until_ms) == (max(0, start_ms), end_ms)


# --- touching --------------------------------------------------------------------------------------------------------

LATER = event("b", "P", 20, 30, TargetW=2.0)


@given(first_s=BOUNDS, second_s=BOUNDS, duration_s=st.integers(-500, 3600), first_higher=st.booleans())
def test_between_events_that_touch_there_is_neither_gap_nor_conflict(
    first_s: int, second_s: int, duration_s: int, first_higher: bool
) -> None:
    first = replace(PLAIN, known_ms=-99 * MINUTE, randomize_start_s=first_s, randomize_duration_s=duration_s)
    second = replace(LATER, known_ms=-99 * MINUTE, randomize_start_s=second_s)
    claims = settled(*((first, second) if first_higher else (second, first)))
    before, after = claims if first_higher else claims[::-1]
    assert before.end_ms == after.start_ms
    higher = first if first_higher else second
    assert (claims[0].start_ms, claims[0].end_ms) == drawn_times(higher)


def test_of_several_that_touch_the_highest_counts() -> None:
    drawn = replace(PLAIN, randomize_duration_s=600, issued_ms=-99 * MINUTE)
    high, low, later = settled(drawn, replace(drawn, id="c"), replace(LATER, issued_ms=-99 * MINUTE))
    assert low.end_ms != high.end_ms
    assert later.start_ms == high.end_ms


def test_a_higher_event_that_is_known_too_late_moves_nothing() -> None:
    higher = replace(LATER, randomize_start_s=600, known_ms=20 * MINUTE + 1)
    _, first = settled(higher, PLAIN)
    assert first.end_ms == 20 * MINUTE


@pytest.mark.parametrize(("cancelled", "ends"), [(15, 20), (20, 20), (21, 21)])
def test_what_a_cancelled_event_held_open_closes(cancelled: float, ends: float) -> None:
    higher = replace(LATER, id="b6", randomize_start_s=3600)
    assert drawn_times(higher)[0] > 22 * MINUTE
    _, first = settled(replace(higher, cancelled_ms=cancelled * MINUTE), PLAIN, now_ms=60 * MINUTE)
    assert first.end_ms == ends * MINUTE


def test_a_cancellation_after_they_have_met_moves_nothing() -> None:
    higher = replace(LATER, randomize_start_s=600)
    start_ms = drawn_times(higher)[0]
    _, first = settled(replace(higher, cancelled_ms=start_ms + 1), PLAIN, now_ms=60 * MINUTE)
    assert first.end_ms == start_ms


# --- cancelling ------------------------------------------------------------------------------------------------------


def test_a_cancellation_that_has_not_come_yet_does_not_count() -> None:
    cancelled = replace(PLAIN, cancelled_ms=15 * MINUTE)
    assert settled(cancelled, now_ms=15 * MINUTE - 1)[0].cut_ms is None
    assert settled(cancelled, now_ms=15 * MINUTE)[0].stop_ms == 15 * MINUTE


@pytest.mark.parametrize(("start_s", "duration_s"), [(600, -60), (-60, 600), (-600, 0)])
def test_a_randomised_cancellation_ends_within_the_larger_bound(start_s: int, duration_s: int) -> None:
    one = replace(PLAIN, randomize_start_s=start_s, randomize_duration_s=duration_s, known_ms=-99 * MINUTE)
    cut = replace(one, cancelled_ms=21 * MINUTE, cancel_randomized=True, ends_ms=60 * MINUTE)
    cut_ms = settled(cut, now_ms=21 * MINUTE)[0].cut_ms
    assert cut_ms == 21 * MINUTE + drawn_ms(one, "cancel", 600)


def test_a_randomised_cancellation_before_the_start_is_at_once() -> None:
    cut = replace(PLAIN, randomize_duration_s=600, cancelled_ms=5 * MINUTE, cancel_randomized=True)
    (claim,) = settled(cut, now_ms=5 * MINUTE)
    assert claim.cut_ms == 5 * MINUTE
    assert claim.status(5 * MINUTE, stands=False) is EventStatus.CANCELLED_RANDOMLY


def test_a_resuming_event_that_never_stood_is_not_complete() -> None:
    programs = {"P": program(1), "Q": program(2, "resume")}
    below = replace(PLAIN, id="q", program="Q", starts_ms=11 * MINUTE, ends_ms=12 * MINUTE)
    controls = arbitrate(programs, [PLAIN, below], Now(30 * MINUTE, 0))
    assert controls.status(below) == {Mode.TARGET_W: EventStatus.SUPERSEDED}
    assert controls.status(PLAIN) == {Mode.TARGET_W: EventStatus.COMPLETE}
