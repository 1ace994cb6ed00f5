"""When an event really begins and ends: what is drawn, what touches, what is cancelled."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dermscore.dispatch import Event, EventStatus, Mode, arbitrate
from dermscore.dispatch.arbitration.claims import Claim, Known, drawn_ms, drawn_times
from dermscore.model import Now
from tests.dermscore.dispatch.arbitration.programs import MINUTE, NODE, event, program

PLAIN = event("a", "P", 10, 20, TargetW=1.0)
BOUNDS = st.integers(-3600, 3600)
PROGRAMS = {"P": program(1), "Q": program(2)}


def settled(*events: Event, now_ms: int = 0) -> dict[str, Claim]:
    """The claims to TargetW by the ids of their events, with their times."""
    claims = Known(PROGRAMS, {NODE: events}, now_ms).claims(NODE)[Mode.TARGET_W]
    return {claim.event.id: claim for claim in claims}


def times(claim: Claim) -> tuple[int, int]:
    return claim.start_ms, claim.end_ms


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


KNOWN_EARLY = -99 * MINUTE


@given(start_s=BOUNDS, duration_s=BOUNDS)
def test_the_start_moves_the_whole_and_the_duration_its_end(start_s: int, duration_s: int) -> None:
    one = replace(PLAIN, randomize_start_s=start_s, randomize_duration_s=duration_s, known_ms=KNOWN_EARLY)
    start_ms, end_ms = drawn_times(one)
    assert start_ms == one.starts_ms + drawn_ms(one, "start", start_s)
    assert end_ms == max(start_ms, start_ms + 10 * MINUTE + drawn_ms(one, "duration", duration_s))


@pytest.mark.parametrize("never", [replace(PLAIN, ends_ms=PLAIN.starts_ms), replace(PLAIN, known_ms=PLAIN.ends_ms)])
def test_what_never_is_draws_nothing(never: Event) -> None:
    assert drawn_times(replace(never, randomize_start_s=60, randomize_duration_s=60)) == (10 * MINUTE, 10 * MINUTE)


@pytest.mark.parametrize("start_s", [0, 60, -3600])
@pytest.mark.parametrize("duration_s", [0, 30, -30])
def test_known_after_its_drawn_start_it_begins_then_and_keeps_its_end(start_s: int, duration_s: int) -> None:
    """Of IEEE 2030.5: from the current time, delayed by the size of what was drawn; the specified end is preserved."""
    late = replace(PLAIN, randomize_start_s=start_s, randomize_duration_s=duration_s, known_ms=12 * MINUTE)
    start_ms = 12 * MINUTE + abs(drawn_ms(late, "start", start_s))
    end_ms = 20 * MINUTE + drawn_ms(late, "duration", duration_s)
    assert drawn_times(late) == (start_ms, max(start_ms, end_ms))


@given(start_s=BOUNDS, now_ms=st.integers(0, 90 * MINUTE))
def test_a_control_keeps_the_times_that_were_drawn(start_s: int, now_ms: int) -> None:
    one = replace(PLAIN, randomize_start_s=start_s, known_ms=0)
    start_ms, end_ms = drawn_times(one)
    control = arbitrate({"P": program(1)}, [one], Now(now_ms, 0)).at(NODE)
    assert (control is not None) == (start_ms <= now_ms < end_ms)
    assert control is None or (control.since_ms, control.until_ms) == (start_ms, end_ms)


# --- touching --------------------------------------------------------------------------------------------------------

EARLIER = replace(PLAIN, known_ms=KNOWN_EARLY)
LATER = event("b", "P", 20, 30, issued=-99, TargetW=2.0)


@given(first_s=BOUNDS, second_s=BOUNDS, duration_s=BOUNDS, ids=st.permutations("ab"), of=st.sampled_from("PQ"))
def test_the_later_begins_where_the_earlier_really_ends(
    first_s: int, second_s: int, duration_s: int, ids: list[str], of: str
) -> None:
    """Rule o: whichever is newer, and also where the earlier ranks higher; each lasts as long as it would have."""
    first = replace(EARLIER, id=ids[0], randomize_start_s=first_s, randomize_duration_s=duration_s)
    second = replace(LATER, id=ids[1], program=of, randomize_start_s=second_s, randomize_duration_s=-duration_s)
    claims = settled(first, second)
    before, after = claims[first.id], claims[second.id]
    assert times(before) == drawn_times(first)
    length_ms = drawn_times(second)[1] - drawn_times(second)[0]
    if before.start_ms < before.end_ms and length_ms:
        assert times(after) == (before.end_ms, before.end_ms + length_ms)


def test_a_group_without_drawn_durations_runs_from_the_first_drawn_start() -> None:
    """The note of rule o; CSIP-AUS ALL-22: five that follow each other, each with a start drawn."""
    five = [
        event(f"{9 - number}", "P", 2 * number, 2 * number + 2, issued=-1, TargetW=float(number)) for number in range(5)
    ]
    claims = settled(*(replace(one, randomize_start_s=60) for one in five))
    first_ms = drawn_times(replace(five[0], randomize_start_s=60))[0]
    assert first_ms > 0
    in_order = [claims[one.id] for one in five]
    assert [times(claim) for claim in in_order] == [
        (first_ms + 2 * number * MINUTE, first_ms + 2 * (number + 1) * MINUTE) for number in range(5)
    ]


@given(first_s=BOUNDS, second_s=BOUNDS)
def test_a_lower_one_never_moves_the_higher_that_follows_it(first_s: int, second_s: int) -> None:
    first = replace(EARLIER, program="Q", randomize_start_s=first_s)
    second = replace(LATER, randomize_start_s=second_s)
    claims = settled(first, second)
    assert times(claims["b"]) == drawn_times(second)
    assert claims["a"].end_ms == max(claims["a"].start_ms, claims["b"].start_ms)


def test_of_several_that_end_together_the_highest_counts() -> None:
    drawn = replace(EARLIER, randomize_duration_s=600)
    claims = settled(drawn, replace(drawn, id="c"), LATER)
    assert claims["a"].end_ms != claims["c"].end_ms
    assert claims["b"].start_ms == claims["c"].end_ms
    lower = settled(drawn, replace(drawn, id="c", program="Q"), LATER)
    assert lower["b"].start_ms == lower["a"].end_ms


def test_what_only_touches_in_other_modes_moves_nothing_in_this() -> None:
    drawn = replace(EARLIER, randomize_duration_s=600, controls={Mode.CONNECT: True})
    assert times(settled(drawn, LATER)["b"]) == (20 * MINUTE, 30 * MINUTE)


@pytest.mark.parametrize("late", ["a", "b"])
def test_one_that_is_known_too_late_moves_nothing(late: str) -> None:
    drawn = replace(EARLIER, randomize_duration_s=60)
    end_ms = drawn_times(drawn)[1]
    known = {"a": drawn, "b": LATER}
    known[late] = replace(known[late], known_ms=max(end_ms, 20 * MINUTE) + (late == "b"))
    claims = settled(*known.values())
    assert claims["b"].start_ms == (20 * MINUTE if late == "a" else end_ms + 1)


@pytest.mark.parametrize(("cancelled", "ends"), [(15, 20), (20, 20), (21, 21)])
def test_what_a_cancelled_event_held_open_closes(cancelled: float, ends: float) -> None:
    higher = replace(LATER, id="b6", randomize_start_s=3600)
    assert drawn_times(higher)[0] > 22 * MINUTE
    first = replace(EARLIER, program="Q")
    claims = settled(replace(higher, cancelled_ms=cancelled * MINUTE), first, now_ms=60 * MINUTE)
    assert claims["a"].end_ms == ends * MINUTE


def test_a_cancellation_after_they_have_met_moves_nothing() -> None:
    higher = replace(LATER, randomize_start_s=600)
    start_ms = drawn_times(higher)[0]
    first = replace(EARLIER, program="Q")
    claims = settled(replace(higher, cancelled_ms=start_ms + 1), first, now_ms=60 * MINUTE)
    assert claims["a"].end_ms == start_ms


def test_after_one_that_was_cancelled_the_next_begins_when_it_would() -> None:
    longer = replace(EARLIER, id="a6", randomize_duration_s=3600)
    assert drawn_times(longer)[1] > 22 * MINUTE
    for cancelled, begins in ((15, 20), (21, 21)):
        claims = settled(replace(longer, cancelled_ms=cancelled * MINUTE), LATER, now_ms=60 * MINUTE)
        assert claims["b"].start_ms == begins * MINUTE


# --- cancelling ------------------------------------------------------------------------------------------------------


def test_a_cancellation_that_has_not_come_yet_does_not_count() -> None:
    cancelled = replace(PLAIN, cancelled_ms=15 * MINUTE)
    assert settled(cancelled, now_ms=15 * MINUTE - 1)["a"].stop_ms == 20 * MINUTE
    assert settled(cancelled, now_ms=15 * MINUTE)["a"].stop_ms == 15 * MINUTE


@pytest.mark.parametrize(("start_s", "duration_s"), [(600, -60), (-60, 600), (-600, 0)])
def test_a_randomised_cancellation_ends_within_the_larger_bound(start_s: int, duration_s: int) -> None:
    one = replace(PLAIN, randomize_start_s=start_s, randomize_duration_s=duration_s, known_ms=KNOWN_EARLY)
    cut = replace(one, cancelled_ms=21 * MINUTE, cancel_randomized=True, ends_ms=60 * MINUTE)
    claim = settled(cut, now_ms=21 * MINUTE)["a"]
    assert claim.stop_ms == 21 * MINUTE + drawn_ms(one, "cancel", 600)
    assert claim.stop_ms < claim.end_ms


def test_a_randomised_cancellation_before_the_start_is_at_once() -> None:
    cut = replace(PLAIN, randomize_duration_s=600, cancelled_ms=5 * MINUTE, cancel_randomized=True)
    assert settled(cut, now_ms=5 * MINUTE)["a"].stop_ms == 5 * MINUTE
    states = arbitrate(PROGRAMS, [cut], Now(5 * MINUTE, 0)).status(cut)
    assert states == {Mode.TARGET_W: EventStatus.CANCELLED_RANDOMLY}


def test_a_resuming_event_that_never_stood_is_not_complete() -> None:
    programs = {"P": program(1), "Q": program(2, "resume")}
    below = replace(PLAIN, id="q", program="Q", starts_ms=11 * MINUTE, ends_ms=12 * MINUTE)
    controls = arbitrate(programs, [PLAIN, below], Now(30 * MINUTE, 0))
    assert controls.status(below) == {Mode.TARGET_W: EventStatus.SUPERSEDED}
    assert controls.status(PLAIN) == {Mode.TARGET_W: EventStatus.COMPLETE}
