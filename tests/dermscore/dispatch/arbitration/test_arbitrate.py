"""What stands, and why: ranks, defaults, what comes after.

test_procedures.py has the published procedures, test_laws.py what holds for any log of events.
"""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from dermscore.dispatch import Controls, Event, EventStatus, Mode, Next, arbitrate
from dermscore.model import Now
from tests.dermscore.dispatch.arbitration.programs import NODE, OneProgram, program, standing, state_of

PROGRAMS = {"scada": OneProgram(2), "market": OneProgram(5)}
NOW = Now(10_000, 77)
SITE = Event("d1", NODE, "market", 1_000, 5_000, 20_000, {Mode.TARGET_W: 10e6})


def winner(*events: Event) -> str | None:
    control = arbitrate(PROGRAMS, events, NOW).at(NODE)
    return control.source if control else None


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
        (replace(SITE, ends_ms=SITE.starts_ms - 1), "it ends before it begins"),
        (replace(SITE, ends_ms=math.nan), "it ends before it begins"),
        (replace(SITE, ramp_w_per_s=-1.0), "its ramp is not above 0"),
        (replace(SITE, ramp_w_per_s=0.0), "its ramp is not above 0"),
        (replace(SITE, ramp_w_per_s=math.nan), "its ramp is not above 0"),
        (replace(SITE, controls={Mode.TARGET_W: math.nan}), "its TargetW is not a number"),
        (replace(SITE, controls={Mode.TARGET_W: 1.0, Mode.CONNECT: 1.0}), "its Connect is neither on nor off"),
    ],
)
def test_what_cannot_count_is_ignored_with_a_reason(event: Event, what: str) -> None:
    controls = arbitrate(PROGRAMS, [event, replace(event, id="d0")], NOW)
    assert controls.in_force == {}
    assert [(each.event.id, each.reason) for each in controls.ignored] == [("d0", what), ("d1", what)]
    assert controls.status(event) == {}


def test_what_is_ignored_is_told_once_and_in_one_order() -> None:
    wrong = [replace(SITE, id=name, program="nobody") for name in ("b", "a", "b")]
    told = [each.event.id for each in arbitrate(PROGRAMS, wrong, NOW).ignored]
    assert told == [each.event.id for each in arbitrate(PROGRAMS, wrong[::-1], NOW).ignored] == ["a", "b"]


@pytest.mark.parametrize(("known", "at_8"), [(5, None), (7, "low")])
def test_who_is_superseded_before_it_stands_gives_nothing_up_to_those_that_stand(known: int, at_8: str | None) -> None:
    """A higher event that a third keeps from standing has superseded what began after it was known, and no other."""
    low = replace(SITE, id="low", program="low", issued_ms=0, starts_ms=6, ends_ms=14)
    mid = replace(SITE, id="mid", program="mid", issued_ms=known, starts_ms=12, ends_ms=21)
    top = replace(SITE, id="top", program="top", issued_ms=0, starts_ms=14, ends_ms=17)
    programs = {name: OneProgram(primacy) for name, primacy in (("low", 9), ("mid", 5), ("top", 1))}
    standing = [
        None if (found := arbitrate(programs, [low, mid, top], Now(at, 0)).at(SITE.node)) is None else found.source
        for at in (8, 13, 15, 18)
    ]
    assert standing == [at_8, at_8, "top", None]


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
