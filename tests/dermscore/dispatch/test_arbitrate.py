"""What stands, and why: ranks, defaults, what comes after, and the laws that hold for any log of events.

tests/dermscore/dispatch/test_procedures.py has the published procedures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dermscore.dispatch import Controls, Event, EventStatus, Mode, Next, arbitrate
from dermscore.model import Now
from tests.dermscore.dispatch.programs import NODE, OneProgram, program, state_of

PROGRAMS = {"scada": OneProgram(2), "market": OneProgram(5)}
NOW = Now(10_000, 77)
SITE = Event("d1", NODE, "market", 1_000, 5_000, 20_000, {Mode.TARGET_W: 10e6})


def winner(*events: Event) -> str | None:
    control = arbitrate(PROGRAMS, events, NOW).at(NODE)
    return control.source if control else None


def standing(programs: dict[str, OneProgram], events: Sequence[Event], now_ms: int) -> dict[Any, Any]:
    """Who stands, and with what: by node and mode."""
    in_force = arbitrate(programs, events, Now(now_ms, 0)).in_force
    return {key: (control.source, control.value) for key, control in in_force.items()}


# --- what stands -----------------------------------------------------------------------------------------------------


def test_the_control_says_where_it_comes_from_and_until_when() -> None:
    control = arbitrate(PROGRAMS, [SITE], NOW).at(NODE, Mode.TARGET_W)
    assert control is not None
    assert (control.value_w, control.source, control.program, control.is_default) == (10e6, "d1", "market", False)
    assert (control.primacy, control.issued_ms, control.since_ms, control.until_ms) == (5, 1_000, 5_000, 20_000)
    assert str(control) == "dispatch d1 (program market, primacy 5)"


def test_lower_primacy_wins_even_when_older() -> None:
    assert winner(SITE, replace(SITE, id="d0", program="scada", issued_ms=1)) == "d0"


def test_an_events_own_primacy_lowers_its_programs_and_never_raises_it() -> None:
    assert winner(SITE, replace(SITE, id="d0", program="scada", primacy=9)) == "d1"
    assert winner(SITE, replace(SITE, id="d0", primacy=0, issued_ms=0)) == "d1"


def test_at_equal_primacy_the_newer_wins() -> None:
    assert winner(SITE, replace(SITE, id="d0", issued_ms=1_001)) == "d0"


def test_at_equal_time_the_larger_mrid_wins() -> None:
    assert winner(SITE, replace(SITE, id="d0")) == "d1"
    assert winner(SITE, replace(SITE, id="d2")) == "d2"


@pytest.mark.parametrize(("starts_ms", "ends_ms"), [(20_000, 30_000), (0, 5_000), (20_000, 0)])
def test_what_does_not_overlap_changes_nothing_that_stands(starts_ms: int, ends_ms: int) -> None:
    other = replace(SITE, id="d0", program="scada", starts_ms=starts_ms, ends_ms=ends_ms)
    assert standing(PROGRAMS, [SITE, other], NOW.utc_ms) == standing(PROGRAMS, [SITE], NOW.utc_ms)


def test_the_loser_is_named_with_its_winner() -> None:
    other = replace(SITE, id="d0", program="scada", issued_ms=2_000, starts_ms=6_000)
    (superseded,) = arbitrate(PROGRAMS, [SITE, replace(other, known_ms=5_500)], NOW).superseded
    assert (superseded.event, superseded.mode, superseded.by, superseded.at_ms) == (SITE, Mode.TARGET_W, "d0", 6_000)


def test_one_that_waits_below_another_is_named_too() -> None:
    programs = PROGRAMS | {"market": OneProgram(5, "resume")}
    other = replace(SITE, id="d0", program="scada", starts_ms=6_000)
    (superseded,) = arbitrate(programs, [SITE, other], NOW).superseded
    assert (superseded.event, superseded.by, superseded.at_ms) == (SITE, "d0", 6_000)


def test_one_that_was_superseded_ahead_is_named_before_its_superseder_stands() -> None:
    other = replace(SITE, id="d0", program="scada", starts_ms=15_000)
    controls = arbitrate(PROGRAMS, [SITE, other], NOW)
    assert controls.at(NODE) is None
    assert [(each.event.id, each.by, each.at_ms) for each in controls.superseded] == [("d1", "d0", 5_000)]


def test_an_event_heard_twice_does_not_supersede_itself() -> None:
    assert arbitrate(PROGRAMS, [SITE, SITE], NOW) == arbitrate(PROGRAMS, [SITE], NOW)


@pytest.mark.parametrize(
    ("event", "what"),
    [
        (replace(SITE, program="nobody"), "there is no program 'nobody'"),
        (replace(SITE, controls={}), "it says nothing of any mode"),
        (replace(SITE, controls={Mode.TARGET_W: math.nan}), "its TargetW is not a number"),
        (replace(SITE, controls={Mode.TARGET_W: 1.0, Mode.CONNECT: 1.0}), "its Connect is neither on nor off"),
    ],
)
def test_what_cannot_count_is_ignored_with_a_reason(event: Event, what: str) -> None:
    controls = arbitrate(PROGRAMS, [event, replace(event, id="d0")], NOW)
    assert controls.in_force == {}
    assert [(each.event.id, each.reason) for each in controls.ignored] == [("d0", what), ("d1", what)]
    assert controls.status(event) == {}


def test_an_edited_event_is_ignored_with_a_reason() -> None:
    edited = replace(SITE, ends_ms=30_000, issued_ms=1_001)
    (ignored,) = arbitrate(PROGRAMS, [edited, SITE], NOW).ignored
    assert (ignored.event, ignored.reason) == (edited, "it changes an event that there is; only cancelling is allowed")


def test_a_release_is_a_wish_like_any_other() -> None:
    released = replace(SITE, id="d2", controls={Mode.TARGET_W: None})
    control = arbitrate(PROGRAMS, [SITE, released], NOW).at(NODE)
    assert control is not None
    assert (control.source, control.value, control.value_w) == ("d2", None, None)


def test_a_mode_that_is_passed_through_is_decided_like_any_other() -> None:
    curve = replace(SITE, controls={Mode.VOLT_VAR: "curve 7", Mode.CONNECT: True})
    controls = arbitrate(PROGRAMS, [curve, replace(curve, id="d2", controls={Mode.VOLT_VAR: "curve 8"})], NOW)
    volt_var, connect = controls.at(NODE, Mode.VOLT_VAR), controls.at(NODE, Mode.CONNECT)
    assert volt_var is not None
    assert connect is not None
    assert (volt_var.value, volt_var.value_w, connect.value, connect.value_w) == ("curve 8", None, True, None)


def test_an_asset_obeys_the_highest_of_what_stands_above_it() -> None:
    asset = replace(SITE, id="d2", node="b1", issued_ms=500)
    fleet = replace(SITE, id="d3", node="", program="scada")
    nodes = ("b1", "", "feeder", NODE)
    older = arbitrate(PROGRAMS, [SITE, asset], NOW).governing(nodes)
    higher = arbitrate(PROGRAMS, [SITE, asset, fleet], NOW).governing(nodes)
    assert older is not None
    assert higher is not None
    assert (older.source, higher.source) == ("d1", "d3")
    assert Controls().governing(nodes) is None


def test_an_event_anywhere_above_beats_a_default_nearer_by() -> None:
    programs = {"scada": program(0, TargetW=1.0), "market": OneProgram(5)}
    governing = arbitrate(programs, [replace(SITE, node="feeder")], NOW).governing((NODE, "feeder"))
    assert governing is not None
    assert governing.source == "d1"


def test_one_id_at_several_nodes_is_several_events() -> None:
    elsewhere = replace(SITE, node="feeder/S4", cancelled_ms=6_000)
    controls = arbitrate(PROGRAMS, [SITE, elsewhere], NOW)
    assert (state_of(controls, SITE), state_of(controls, elsewhere)) == ("active", "cancelled")


# --- defaults --------------------------------------------------------------------------------------------------------


def test_a_default_says_so() -> None:
    control = arbitrate({"scada": program(2, GenLimW=4e6)}, [], NOW).at(NODE, Mode.GEN_LIM_W)
    assert control is not None
    assert (control.value, control.source, control.program) == (4e6, "default of program scada", "scada")
    assert (control.is_default, control.since_ms, control.until_ms, control.then) == (True, 0, None, None)
    assert str(control) == "default of program scada (primacy 2)"


def test_of_defaults_at_equal_primacy_the_larger_name_stands() -> None:
    programs = {"a": program(2, GenLimW=1.0), "b": program(2, GenLimW=2.0), "c": program(3, GenLimW=3.0)}
    assert standing(programs, [], 0) == {(NODE, Mode.GEN_LIM_W): ("default of program b", 2.0)}


def test_a_default_that_is_no_value_stops_everything() -> None:
    with pytest.raises(ValueError, match="the default of program a at 'feeder/S3': its GenLimW is below 0"):
        arbitrate({"a": program(2, GenLimW=-1.0)}, [], NOW)


# --- what comes after ------------------------------------------------------------------------------------------------


def test_what_follows_is_announced() -> None:
    programs = {"scada": program(2, MaxLimW=9e6), "market": OneProgram(5)}
    first = replace(SITE, controls={Mode.MAX_LIM_W: 3e6}, ramp_w_per_s=50.0)
    second = replace(SITE, id="d2", starts_ms=20_000, ends_ms=25_000, controls={Mode.MAX_LIM_W: 4e6})
    default = "default of program scada"
    controls = arbitrate(programs, [second, first], NOW)
    control = controls.at(NODE, Mode.MAX_LIM_W)
    assert control is not None
    assert (control.source, control.ramp_w_per_s, control.from_value) == ("d1", 50.0, 9e6)
    assert (control.until_ms, control.then) == (20_000, Next(4e6, "d2", is_default=False))
    assert [(each.since_ms, each.until_ms, each.source) for each in controls.upcoming] == [
        (20_000, 25_000, "d2"),
        (25_000, None, default),
    ]
    assert controls.upcoming[0].then == Next(9e6, default, is_default=True)
    assert [each.from_value for each in controls.upcoming] == [3e6, 4e6]


def test_where_nothing_follows_nothing_is_announced() -> None:
    controls = arbitrate(PROGRAMS, [SITE], NOW)
    assert controls.in_force[NODE, Mode.TARGET_W].then is None
    assert controls.upcoming == ()
    before = arbitrate(PROGRAMS, [SITE], Now(4_000, 0))
    assert before.in_force == {}
    assert [(each.source, each.from_value) for each in before.upcoming] == [("d1", None)]


def test_times_before_the_epoch_are_times_too() -> None:
    early = replace(SITE, issued_ms=-9_000, starts_ms=-5_000, ends_ms=-1_000)
    assert standing(PROGRAMS, [early], -2_000) == {(NODE, Mode.TARGET_W): ("d1", 10e6)}
    assert standing(PROGRAMS, [early], -9_000) == standing(PROGRAMS, [early], 0) == {}
    assert standing(PROGRAMS, [], -5) == {}
    assert len(standing({"a": program(2, GenLimW=1.0)}, [], -5)) == 1


def test_cancelled_at_random_it_goes_on_for_a_while() -> None:
    event = replace(SITE, randomize_duration_s=-4, cancelled_ms=9_000, cancel_randomized=True, id="spread")
    controls = arbitrate(PROGRAMS, [event], Now(9_000, 0))
    control = controls.at(NODE)
    assert control is not None
    assert 9_000 < (control.until_ms or 0) <= 13_000
    assert controls.status(event) == {Mode.TARGET_W: EventStatus.CANCELLED_RANDOMLY}
    after = arbitrate(PROGRAMS, [event], Now(13_000, 0))
    assert (after.at(NODE), state_of(after, event)) == (None, "cancelled randomly")


# --- laws ------------------------------------------------------------------------------------------------------------

NAMED = {
    "top": program(1, MaxLimW=5.0),
    "mid": OneProgram(2, "resume"),
    "low": OneProgram(3, "terminate", {NODE: {Mode.MAX_LIM_W: 1.0, Mode.CONNECT: True}}),
}
VALUES = st.fixed_dictionaries(
    {}, optional={Mode.MAX_LIM_W: st.integers(0, 9), Mode.CONNECT: st.booleans(), Mode.TARGET_W: st.none()}
)
EVENT = st.builds(
    Event,
    id=st.uuids().map(str),
    node=st.sampled_from([NODE, "b1"]),
    program=st.sampled_from(["top", "mid", "low", "nobody"]),
    issued_ms=st.integers(0, 6),
    starts_ms=st.integers(0, 12),
    ends_ms=st.integers(0, 16),
    controls=VALUES,
    primacy=st.one_of(st.none(), st.integers(0, 4)),
    cancelled_ms=st.one_of(st.none(), st.integers(0, 16)),
)
EVENTS = st.lists(EVENT, max_size=10, unique_by=lambda event: event.id)
TIMES = st.integers(0, 18)


def spread(one: Event, start_s: int, duration_s: int, randomized: bool) -> Event:
    """The same in seconds, with what is drawn."""
    return replace(
        one,
        issued_ms=one.issued_ms * 1000,
        starts_ms=one.starts_ms * 1000,
        ends_ms=one.ends_ms * 1000,
        cancelled_ms=None if one.cancelled_ms is None else one.cancelled_ms * 1000,
        randomize_start_s=start_s,
        randomize_duration_s=duration_s,
        cancel_randomized=randomized,
    )


DRAWN = st.lists(
    st.builds(spread, EVENT, st.integers(-5, 5), st.integers(-5, 5), st.booleans()),
    max_size=10,
    unique_by=lambda event: event.id,
)
MOMENTS = st.integers(0, 24_000)


def outranks(one: Event, other: Event) -> bool:
    def rank(event: Event) -> tuple[int, int, str]:
        return (-max(NAMED[event.program].primacy, event.primacy or 0), event.issued_ms, event.id)

    return rank(one) > rank(other)


def ends(event: Event) -> int:
    return event.ends_ms if event.cancelled_ms is None else min(event.ends_ms, event.cancelled_ms)


def stepped(events: Sequence[Event], mode: Mode, until_ms: int) -> Event | None:
    """What stands at `until_ms`, found by living through every millisecond: the rules, as plainly as may be."""
    rivals = [one for one in events if one.node == NODE and one.program in NAMED and mode in one.controls]
    rivals = [one for one in rivals if one.starts_ms < one.ends_ms and one.issued_ms < one.ends_ms]
    live: list[Event] = []
    for now_ms in range(until_ms + 1):
        live = [one for one in live if ends(one) > now_ms]
        known = [one for one in rivals if one.issued_ms <= now_ms and ends(one) > now_ms]
        beginning = [one for one in known if max(one.starts_ms, one.issued_ms) == now_ms]
        coming = [one for one in known if one.starts_ms > now_ms]
        for one in beginning:
            in_its_way = [other for other in coming if other.starts_ms < one.ends_ms] + live + beginning
            if NAMED[one.program].on_supersede == "resume" or not any(outranks(other, one) for other in in_its_way):
                live.append(one)
        live = [
            one
            for one in live
            if NAMED[one.program].on_supersede == "resume" or not any(outranks(other, one) for other in live)
        ]
    return next((one for one in live if not any(outranks(other, one) for other in live)), None)


@given(events=EVENTS, now_ms=TIMES, mode=st.sampled_from([Mode.MAX_LIM_W, Mode.CONNECT, Mode.TARGET_W]))
def test_it_is_what_living_through_every_moment_gives(events: list[Event], now_ms: int, mode: Mode) -> None:
    expected = stepped(events, mode, now_ms)
    control = arbitrate(NAMED, events, Now(now_ms, 0)).at(NODE, mode)
    found = None if control is None or control.is_default else control.source
    assert found == (None if expected is None else expected.id)


@given(events=DRAWN, now_ms=MOMENTS, data=st.data())
def test_neither_order_nor_repetition_matters(events: list[Event], now_ms: int, data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(events))
    before = arbitrate(NAMED, events, Now(now_ms, 0))
    assert arbitrate(NAMED, shuffled, Now(now_ms, 1)) == before
    twice = arbitrate(NAMED, [*events, *shuffled], Now(now_ms, 0))
    assert replace(twice, ignored=()) == replace(before, ignored=())


@given(events=DRAWN, now_ms=MOMENTS)
def test_a_log_cut_at_a_moment_gives_the_same_at_that_moment(events: list[Event], now_ms: int) -> None:
    known = [
        replace(one, cancelled_ms=None) if (one.cancelled_ms or 0) > now_ms else one
        for one in events
        if one.issued_ms <= now_ms
    ]
    whole, cut = arbitrate(NAMED, events, Now(now_ms, 0)), arbitrate(NAMED, known, Now(now_ms, 0))
    assert (whole.in_force, whole.statuses, whole.upcoming) == (cut.in_force, cut.statuses, cut.upcoming)


@given(events=DRAWN, now_ms=MOMENTS, starts_s=TIMES, length_s=st.integers(0, 9), drawn_s=st.integers(-5, 5))
def test_a_lower_event_never_changes_what_is_held(
    events: list[Event], now_ms: int, starts_s: int, length_s: int, drawn_s: int
) -> None:
    lowest = spread(
        Event("", NODE, "low", -1, starts_s, starts_s + length_s, {Mode.MAX_LIM_W: 1.0}, primacy=255),
        drawn_s, -drawn_s, randomized=False,
    )  # fmt: skip
    before = arbitrate(NAMED, events, Now(now_ms, 0)).in_force
    after = arbitrate(NAMED, [*events, lowest], Now(now_ms, 0)).in_force
    for key, control in before.items():
        if not control.is_default:
            now = after[key]
            assert (now.source, now.value, now.since_ms, now.until_ms) == (
                control.source,
                control.value,
                control.since_ms,
                control.until_ms,
            )


@given(events=EVENTS, now_ms=TIMES)
def test_what_is_over_and_superseded_nothing_changes_nothing(events: list[Event], now_ms: int) -> None:
    controls = arbitrate(NAMED, events, Now(now_ms, 0))
    by = {each.by for each in controls.superseded} | {each.event.id for each in controls.superseded}
    gone = {one.id for one in events if ends(one) <= now_ms and one.id not in by}
    kept = [one for one in events if one.id not in gone or overlapped(one, events)]
    assert standing(NAMED, kept, now_ms) == standing(NAMED, events, now_ms)


def overlapped(one: Event, events: Sequence[Event]) -> bool:
    """Whether any other event was known and not over while this one lasted, so that it may have superseded it."""
    return any(other is not one and other.starts_ms < one.ends_ms and one.starts_ms < other.ends_ms for other in events)


@given(events=DRAWN, now_ms=MOMENTS, later_ms=MOMENTS)
def test_what_is_over_stays_over(events: list[Event], now_ms: int, later_ms: int) -> None:
    ended = {EventStatus.COMPLETE, EventStatus.SUPERSEDED, EventStatus.CANCELLED, EventStatus.CANCELLED_RANDOMLY}
    now = arbitrate(NAMED, events, Now(now_ms, 0))
    later = arbitrate(NAMED, events, Now(now_ms + later_ms, 0))
    for one in events:
        if one.program != "mid":  # which resumes
            for mode, status in now.status(one).items():
                assert status not in ended or later.status(one)[mode] in ended
                assert status is not EventStatus.COMPLETE or later.status(one)[mode] is EventStatus.COMPLETE


@given(events=EVENTS, now_ms=TIMES)
def test_whatever_replaces_a_control_was_announced(events: list[Event], now_ms: int) -> None:
    settled = [replace(one, issued_ms=0, cancelled_ms=None) for one in events]
    now = arbitrate(NAMED, settled, Now(now_ms, 0))
    later = arbitrate(NAMED, settled, Now(now_ms + 1, 0))
    for key, control in later.in_force.items():
        before = now.in_force.get(key)
        if before is None or before.source != control.source:
            assert control.since_ms == now_ms + 1
            assert control in now.upcoming
            assert before is None or before.then == Next(control.value, control.source, control.is_default)


@given(events=EVENTS, now_ms=TIMES)
def test_states_and_controls_agree(events: list[Event], now_ms: int) -> None:
    controls = arbitrate(NAMED, events, Now(now_ms, 0))
    for one in events:
        for mode, status in controls.status(one).items():
            control = controls.at(one.node, mode)
            stands = control is not None and control.source == one.id
            assert stands == (status is EventStatus.ACTIVE)
            waits = any((each.event, each.mode) == (one, mode) for each in controls.superseded)
            assert waits == (status is EventStatus.SUPERSEDED and one.starts_ms <= now_ms < one.ends_ms)
