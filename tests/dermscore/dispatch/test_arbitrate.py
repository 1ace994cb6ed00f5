"""Which event stands: lower primacy, then newer, then the larger mRID, whatever the order they come in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dermscore.dispatch import Controls, Event, Mode, Value, arbitrate
from dermscore.model import Now


@dataclass(frozen=True)
class OneProgram:
    primacy: int
    on_supersede: Literal["terminate", "resume"] = "terminate"
    defaults: Mapping[str, Mapping[Mode, Value]] = field(default_factory=dict)


PROGRAMS = {"scada": OneProgram(2), "market": OneProgram(5)}
NOW = Now(10_000, 77)
SITE = Event("d1", "feeder/S3", "market", 1_000, 5_000, 20_000, {Mode.TARGET_W: 10e6})


def winner(*events: Event) -> str | None:
    control = arbitrate(PROGRAMS, events, NOW).at("feeder/S3")
    return control.source if control else None


def test_the_control_says_where_it_comes_from_and_until_when() -> None:
    control = arbitrate(PROGRAMS, [SITE], NOW).at("feeder/S3", Mode.TARGET_W)
    assert control is not None
    assert (control.value_w, control.source, control.program) == (10e6, "d1", "market")
    assert (control.primacy, control.until_ms) == (5, 20_000)
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


@pytest.mark.parametrize(("starts_ms", "ends_ms"), [(10_001, 20_000), (0, 10_000), (20_000, 0)])
def test_what_has_not_begun_or_has_ended_counts_for_nothing(starts_ms: int, ends_ms: int) -> None:
    other = replace(SITE, id="d0", program="scada", starts_ms=starts_ms, ends_ms=ends_ms)
    assert arbitrate(PROGRAMS, [SITE, other], NOW) == arbitrate(PROGRAMS, [SITE], NOW)


def test_the_loser_is_named_with_its_winner() -> None:
    other = replace(SITE, id="d0", program="scada")
    (superseded,) = arbitrate(PROGRAMS, [SITE, other], NOW).superseded
    assert (superseded.event, superseded.by) == (SITE, "d0")


def test_an_event_heard_twice_does_not_supersede_itself() -> None:
    assert arbitrate(PROGRAMS, [SITE, SITE], NOW) == arbitrate(PROGRAMS, [SITE], NOW)


@pytest.mark.parametrize(
    ("event", "what"),
    [
        (replace(SITE, program="nobody"), "there is no program 'nobody'"),
        (replace(SITE, controls={Mode.TARGET_W: math.nan}), "its TargetW is not a number"),
        (replace(SITE, controls={Mode.TARGET_W: -math.inf}), "its TargetW is not a number"),
    ],
)
def test_what_cannot_count_is_ignored_with_a_reason(event: Event, what: str) -> None:
    controls = arbitrate(PROGRAMS, [event, replace(event, id="d0")], NOW)
    assert controls.in_force == {}
    assert [(each.event.id, each.reason) for each in controls.ignored] == [("d0", what), ("d1", what)]


def test_a_release_is_a_wish_like_any_other() -> None:
    control = arbitrate(PROGRAMS, [SITE, replace(SITE, id="d2", controls={Mode.TARGET_W: None})], NOW).at("feeder/S3")
    assert control is not None
    assert (control.source, control.value_w) == ("d2", None)


def test_an_asset_obeys_the_highest_of_what_stands_above_it() -> None:
    asset = replace(SITE, id="d2", node="b1", issued_ms=500)
    fleet = replace(SITE, id="d3", node="", program="scada")
    nodes = ("b1", "", "feeder", "feeder/S3")
    older = arbitrate(PROGRAMS, [SITE, asset], NOW).governing(nodes)
    higher = arbitrate(PROGRAMS, [SITE, asset, fleet], NOW).governing(nodes)
    assert older is not None
    assert higher is not None
    assert (older.source, higher.source) == ("d1", "d3")
    assert Controls().governing(nodes) is None


EVENTS = st.lists(
    st.builds(
        Event,
        id=st.uuids().map(str),
        node=st.sampled_from(["a", "a/b", "b1"]),
        program=st.sampled_from(["scada", "market", "nobody"]),
        issued_ms=st.integers(0, 3),
        starts_ms=st.sampled_from([0, 5_000, 15_000]),
        ends_ms=st.sampled_from([9_000, 10_001, 30_000]),
        controls=st.fixed_dictionaries({Mode.TARGET_W: st.one_of(st.none(), st.floats())}),
        primacy=st.one_of(st.none(), st.integers(0, 2)),
    ),
    max_size=12,
    unique_by=lambda event: event.id,
)


@given(events=EVENTS, data=st.data())
def test_neither_order_nor_repetition_matters(events: list[Event], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(events))
    assert repr(arbitrate(PROGRAMS, shuffled, NOW)) == repr(arbitrate(PROGRAMS, events, NOW))
    assert arbitrate(PROGRAMS, events + events, NOW).in_force == arbitrate(PROGRAMS, events, NOW).in_force


@given(events=EVENTS)
def test_a_lower_ranking_event_changes_nothing_that_stands(events: list[Event]) -> None:
    before = arbitrate(PROGRAMS, events, NOW).in_force
    lowest = Event("", "a/b", "market", -1, 0, 99_000, {Mode.TARGET_W: 1.0}, primacy=255)
    after = arbitrate(PROGRAMS, [*events, lowest], NOW).in_force
    assert {key: after[key] for key in before} == before


@given(events=EVENTS)
def test_taking_the_superseded_away_changes_nothing(events: list[Event]) -> None:
    controls = arbitrate(PROGRAMS, events, NOW)
    gone = {each.event.id for each in controls.superseded}
    assert arbitrate(PROGRAMS, [e for e in events if e.id not in gone], NOW).in_force == controls.in_force
