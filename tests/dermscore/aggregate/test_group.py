"""Aggregates merge exactly, count who is missing, and invent nothing."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dermscore.aggregate import Aggregate, aggregates, explain_series, of, rated_w, reports, total
from dermscore.aggregate.tally import Lane
from dermscore.aggregate.words import figure
from dermscore.model import Asset, Fleet, Kind, Measurement, Now, Site
from dermscore.quality import GOOD, Cause, Quality, Source, Validity
from dermscore.sheets.points import PointKind, Quantity, Series

MANY = settings(max_examples=5000 if os.environ.get("DERMS_SOAK") == "1" else 200, deadline=None)
NOW: Final = Now(utc_ms=1_000_000, mono_ms=7)
BATTERY: Final = Asset("b", "b", "s", Kind.BATTERY, 100e6, 40e6, -50e6, 0.9, 1e6, 0.0, 100.0, "simulated", "default")
SOLAR: Final = replace(BATTERY, id="p", kind=Kind.SOLAR, capacity_wh=0.0, max_w=30e6, min_w=0.0)
READING: Final = Measurement("b", 995_000, 10e6, 60e6, 30e6, 60e6, None, GOOD)

watts = st.floats(-1e9, 1e9)
measurements = st.builds(
    Measurement,
    st.just("b"),
    st.integers(NOW.utc_ms - 20_000, NOW.utc_ms + 20_000),
    watts,
    st.none() | st.floats(0, 1e9),
    st.floats(0, 1e9),
    st.floats(0, 1e9),
    st.none(),
    st.builds(Quality, st.sampled_from(Validity), st.sampled_from(Source), st.integers(0, 255).map(Cause)),
)
groups = st.builds(of, st.sampled_from([BATTERY, SOLAR]), st.none() | measurements, st.just(NOW))


@MANY
@given(groups, groups, groups)
def test_merging_is_exactly_associative_and_commutative_with_an_identity(
    one: Aggregate, two: Aggregate, three: Aggregate
) -> None:
    assert one.merge(two).merge(three) == one.merge(two.merge(three))
    assert one.merge(two) == two.merge(one)
    assert one.merge(Aggregate()) == one == Aggregate().merge(one)


@MANY
@given(st.lists(groups, max_size=8), st.data())
def test_no_order_and_no_split_changes_a_total(parts: list[Aggregate], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(parts))
    cut = data.draw(st.integers(0, len(parts)))
    assert total(parts) == total([total(shuffled[:cut]), total(shuffled[cut:])])


@MANY
@given(st.lists(watts, min_size=1, max_size=50))
def test_a_sum_is_off_by_half_a_microwatt_a_member_at_most(powers: list[float]) -> None:
    group = total(of(BATTERY, replace(READING, power_w=power), NOW) for power in powers)
    assert group.power_w is not None
    assert abs(group.power_w - math.fsum(powers)) <= 0.5e-6 * len(powers) + 1e-15 * abs(math.fsum(powers))


@MANY
@given(st.lists(groups, max_size=8))
def test_counts_and_coverage_stay_in_their_range(parts: list[Aggregate]) -> None:
    group = total(parts)
    assert 0 <= group.reporting <= group.configured == len(parts)
    if group.coverage_pct is not None:
        assert 0 <= group.coverage_pct <= 100
    assert (group.power_w is None) == (group.reporting == 0)


def test_one_asset_that_reports() -> None:
    group = of(BATTERY, READING, NOW)
    assert (group.configured, group.reporting) == (1, 1)
    assert (group.power_w, group.available_up_w, group.available_down_w) == (10e6, 30e6, 60e6)
    assert (group.soc_wh, group.capacity_wh, group.soc_pct, group.coverage_pct) == (60e6, 100e6, 60.0, 100.0)
    assert group.oldest_ms == 995_000
    assert group.oldest_age_ms(NOW) == 5_000
    assert group.quality == Quality(Validity.GOOD, Source.CALCULATED)


@pytest.mark.parametrize(
    "measurement",
    [
        None,
        replace(READING, time_ms=NOW.utc_ms - 12_001),
        replace(READING, time_ms=NOW.utc_ms + 12_001),
        replace(READING, quality=Quality(Validity.INVALID)),
    ],
    ids=["never heard", "stale", "from the future", "invalid"],
)
def test_a_member_that_does_not_report_is_configured_all_the_same(measurement: Measurement | None) -> None:
    group = of(BATTERY, measurement, NOW)
    assert (group.configured, group.reporting, group.coverage_pct) == (1, 0, 0.0)
    for quantity in (Quantity.POWER, Quantity.SOC, Quantity.AVAILABLE_UP, Quantity.AVAILABLE_DOWN):
        assert group.value(quantity, NOW) is None
    assert group.quality == Quality(Validity.INVALID, Source.CALCULATED, Cause.COMM_LOST)


def test_fresh_is_up_to_the_limit_on_both_sides() -> None:
    assert reports(replace(READING, time_ms=NOW.utc_ms - 12_000), NOW)
    assert reports(replace(READING, time_ms=NOW.utc_ms + 12_000), NOW)
    assert not reports(READING, NOW, fresh_within_ms=4_999)


def test_coverage_weighs_by_the_larger_rating() -> None:
    assert (rated_w(BATTERY), rated_w(SOLAR)) == (50e6, 30e6)
    group = of(BATTERY, READING, NOW).merge(of(SOLAR, None, NOW))
    assert group.coverage_pct == 100 * 50 / 80
    idle = replace(SOLAR, max_w=0.0)
    assert of(idle, READING, NOW).merge(of(idle, None, NOW)).coverage_pct == 50.0
    assert Aggregate().coverage_pct is None


def test_soc_is_of_reporting_members_that_store_and_say_so() -> None:
    silent = of(BATTERY, replace(READING, soc_wh=None), NOW)
    gone = of(BATTERY, None, NOW)
    solar = of(SOLAR, replace(READING, soc_wh=None), NOW)
    assert total([of(BATTERY, READING, NOW), silent, gone, solar]).soc_pct == 60.0
    assert total([silent, solar]).soc_pct is None
    assert (solar.soc_wh, solar.capacity_wh) == (None, None)
    assert solar.quality.good
    assert solar.quality_of(Quantity.SOC).validity is Validity.INVALID
    assert of(SOLAR, READING, NOW).soc_pct is None  # a number where nothing is stored is nobody's energy


def test_a_state_of_charge_that_not_every_store_said_is_in_doubt() -> None:
    said, silent = of(BATTERY, READING, NOW), of(BATTERY, replace(READING, soc_wh=None), NOW)
    group = said.merge(silent)
    assert group.coverage_pct == 100.0
    assert group.quality_of(Quantity.SOC) == Quality(Validity.QUESTIONABLE, Source.CALCULATED, Cause.LOW_COVERAGE)
    assert group.quality_of(Quantity.POWER).good
    held = of(BATTERY, replace(READING, quality=Quality(Validity.HELD)), NOW)
    assert group.merge(held).quality_of(Quantity.SOC).validity is Validity.HELD  # never made better
    assert silent.quality_of(Quantity.SOC).validity is Validity.INVALID


def test_what_stores_nothing_and_who_is_missing_do_not_put_a_state_of_charge_in_doubt() -> None:
    solar = of(SOLAR, replace(READING, soc_wh=None), NOW)
    assert total([of(BATTERY, READING, NOW), solar, of(BATTERY, None, NOW)]).quality_of(Quantity.SOC).good


def test_every_published_quantity_has_a_value() -> None:
    group = of(BATTERY, READING, NOW).merge(of(SOLAR, None, NOW))
    values = {quantity: group.value(quantity, NOW) for quantity in Quantity if not quantity.local}
    assert values == {
        Quantity.POWER: 10e6,
        Quantity.SOC: 60.0,
        Quantity.AVAILABLE_UP: 30e6,
        Quantity.AVAILABLE_DOWN: 60e6,
        Quantity.MEMBERS: 1.0,
        Quantity.COVERAGE: 62.5,
        Quantity.OLDEST_AGE: 5.0,
    }
    with pytest.raises(KeyError):
        group.value(Quantity.HEARTBEAT, NOW)


def test_an_age_is_never_negative_and_of_the_oldest() -> None:
    ahead = of(BATTERY, replace(READING, time_ms=NOW.utc_ms + 500), NOW)
    assert ahead.oldest_age_ms(NOW) == 0
    assert ahead.merge(of(BATTERY, READING, NOW)).oldest_age_ms(NOW) == 5_000
    assert Aggregate().oldest_age_ms(NOW) is None


def test_who_falls_silent_leaves_the_sums_and_not_the_oldest_age() -> None:
    reporting, silent = of(BATTERY, READING, NOW), of(BATTERY, replace(READING, time_ms=NOW.utc_ms - 60_000), NOW)
    group = total([reporting, silent, of(SOLAR, None, NOW)])
    assert (group.power_w, group.reporting) == (10e6, 1)
    assert group.value(Quantity.OLDEST_AGE, NOW) == 60.0
    assert silent.value(Quantity.OLDEST_AGE, NOW) == 60.0
    known = Quality(Validity.GOOD, Source.CALCULATED)
    assert silent.quality_of(Quantity.OLDEST_AGE) == known, "its age is known even where no member reports"
    assert group.quality_of(Quantity.OLDEST_AGE) == known


def test_where_nobody_was_ever_heard_there_is_no_age() -> None:
    never = of(BATTERY, None, NOW)
    assert never.value(Quantity.OLDEST_AGE, NOW) is None
    assert never.quality_of(Quantity.OLDEST_AGE).validity is Validity.INVALID


def test_quality_is_the_worst_that_entered_the_sums() -> None:
    held = of(BATTERY, replace(READING, quality=Quality(Validity.HELD, causes=Cause.LOCAL_FORCED)), NOW)
    test = of(BATTERY, replace(READING, quality=Quality(causes=Cause.TEST)), NOW)
    merged = held.merge(test)
    assert merged.quality == Quality(Validity.HELD, Source.CALCULATED, Cause.LOCAL_FORCED | Cause.TEST)
    assert merged.quality_of(Quantity.POWER) == merged.quality
    assert merged.quality_of(Quantity.SOC) == merged.quality


def test_how_many_report_is_known_even_when_none_does() -> None:
    lost = of(BATTERY, replace(READING, time_ms=0, quality=Quality(causes=Cause.TEST)), NOW)
    for quantity in (Quantity.MEMBERS, Quantity.COVERAGE):
        assert lost.quality_of(quantity) == Quality(Validity.GOOD, Source.CALCULATED, Cause.TEST)
        assert lost.value(quantity, NOW) == 0.0
        assert Aggregate().quality_of(quantity) == Quality(Validity.INVALID, Source.CALCULATED)
    assert lost.quality_of(Quantity.OLDEST_AGE) == Quality(Validity.GOOD, Source.CALCULATED, Cause.TEST)


@pytest.mark.parametrize("name", ["power_w", "available_up_w", "available_down_w", "soc_wh"])
@pytest.mark.parametrize("power", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_never_enters_a_sum_nor_stops_it(name: str, power: float) -> None:
    bad = replace(READING, **{name: power})  # type: ignore[arg-type]
    assert not reports(bad, NOW)
    group = total([of(BATTERY, bad, NOW), of(BATTERY, READING, NOW)])
    assert (group.power_w, group.reporting, group.configured, group.count(Lane.INVALID)) == (10e6, 1, 2, 1)
    fleet = Fleet({"s": Site("s", "s", "A", "a")}, {"b": BATTERY})
    lines = explain_series(fleet, {"b": bad}, Series("a", PointKind.ALL, Quantity.POWER), NOW)
    assert lines[-1] == "b: its reading is not a number"


def test_nothing_is_fresh_within_no_time() -> None:
    assert not reports(READING, NOW, math.nan)  # type: ignore[arg-type]


def test_series_get_their_groups_in_the_order_asked_for() -> None:
    sites = {name: Site(name, name, "A", f"feeder/F1/site/{name}") for name in ("S1", "S11")}
    members = [
        replace(BATTERY, id="b1", site_id="S1"),
        replace(SOLAR, id="p1", site_id="S1"),
        replace(BATTERY, id="b2", site_id="S11"),
    ]
    fleet = Fleet(sites, {asset.id: asset for asset in members})
    heard = {"b1": READING, "b2": replace(READING, power_w=-4e6), "p1": replace(READING, power_w=1e6, soc_wh=None)}
    wanted = [
        Series("feeder/F1", PointKind.ALL, Quantity.POWER),
        Series("feeder/F1/site/S1", PointKind.BATTERY, Quantity.SOC),
        Series("feeder/F1", PointKind.BATTERY, Quantity.POWER),
        Series("feeder/F1", PointKind.ALL, Quantity.MEMBERS),
        Series("feeder/F1", PointKind.LOAD, Quantity.POWER),
        Series("nowhere", PointKind.ALL, Quantity.POWER),
    ]
    got = aggregates(fleet, heard, wanted, NOW)
    assert [series for series, _ in got] == wanted
    assert [group.value(series.quantity, NOW) for series, group in got] == [7e6, 60.0, 6e6, 3.0, None, None]
    assert got[-1][1] == Aggregate()
    stale = aggregates(fleet, heard, wanted[:1], NOW, fresh_within_ms=1_000)
    assert stale[0][1].reporting == 0


# --- the arithmetic shown ---


def test_an_explanation_shows_who_reports_how_coverage_was_counted_and_what_made_the_quality() -> None:
    held = replace(READING, quality=Quality(Validity.HELD, causes=Cause.COMM_LOST | Cause.TEST), time_ms=990_000)
    mute = replace(READING, soc_wh=None, quality=Quality(causes=Cause.TEST))
    group = total(
        [
            of(BATTERY, READING, NOW),
            of(BATTERY, held, NOW),
            of(BATTERY, mute, NOW),
            of(SOLAR, None, NOW),
            of(BATTERY, replace(READING, time_ms=NOW.utc_ms - 40_000), NOW),
            of(BATTERY, replace(READING, time_ms=NOW.utc_ms + 40_000), NOW),
            of(BATTERY, replace(READING, quality=Quality(Validity.INVALID)), NOW),
        ]
    )
    members = "members: 3 of 7 report, 1 never heard, 1 silent for too long, 1 with a time ahead of ours, 1 INVALID"
    coverage = "coverage: 150,000,000 W of 330,000,000 W of rating report = 45.4545 %"
    quality = "quality: the worst of 1 HELD, 2 GOOD; causes: COMM_LOST of 1, TEST of 2"
    age = "age: whoever was heard least lately, 40 s ago"
    assert group.explain(Quantity.POWER, NOW) == (
        "power_w = 30,000,000, CALCULATED HELD by COMM_LOST+TEST",
        members,
        coverage,
        quality,
        age,
    )
    assert group.explain(Quantity.SOC, NOW) == (
        "soc_pct = 60, CALCULATED HELD by COMM_LOST+TEST+LOW_COVERAGE",
        members,
        coverage,
        "charge: 120,000,000 Wh of 200,000,000 Wh = 60 %, said for 200,000,000 Wh of 300,000,000 Wh that report",
        f"{quality}; in doubt by LOW_COVERAGE, since not every store that reports said its charge",
        age,
    )
    assert group.explain(Quantity.MEMBERS, NOW)[3] == (
        "quality: it is known from who was heard and when, whatever they said"
    )


def test_an_explanation_of_nobody_and_of_the_unheard_says_so() -> None:
    assert Aggregate().explain(Quantity.POWER, NOW) == (
        "power_w = no value, CALCULATED INVALID",
        "members: 0 of 0 report",
        "coverage: nobody is configured",
        "quality: the worst of nobody; causes: none",
        "age: nobody was ever heard",
    )
    idle = of(replace(SOLAR, max_w=0.0), None, NOW)
    lines = idle.explain(Quantity.SOC, NOW)
    assert lines[2:4] == (
        "coverage: 0 %, by heads since no member has a rating",
        "charge: no member that stores energy says its own",
    )
    with pytest.raises(KeyError, match="heartbeat is the gateway's own"):
        idle.explain(Quantity.HEARTBEAT, NOW)


@MANY
@given(st.lists(groups, max_size=8), st.sampled_from([quantity for quantity in Quantity if not quantity.local]))
def test_an_explanation_is_of_the_very_value_and_quality_that_are_published(
    parts: list[Aggregate], quantity: Quantity
) -> None:
    group = total(parts)
    first = group.explain(quantity, NOW)[0]
    value, quality = group.value(quantity, NOW), group.quality_of(quantity)
    assert first.startswith(f"{quantity} = {'no value' if value is None else figure(value)}, ")
    assert f" {quality.validity.name}" in first
    assert [cause for cause in Cause if cause.name and cause in quality.causes] == [
        Cause[name] for name in first.partition(" by ")[2].split("+") if name
    ]


def test_a_series_is_explained_member_by_member() -> None:
    site = Site("s", "s", "A", "feeder/F1/site/S1")
    names = [f"B{number}" for number in range(25)]
    fleet = Fleet({"s": site}, {name: replace(BATTERY, id=name, name=name) for name in names})
    heard = {
        "B0": READING,
        "B1": replace(READING, time_ms=NOW.utc_ms - 40_000),
        "B2": replace(READING, time_ms=NOW.utc_ms + 40_000),
        "B3": replace(READING, quality=Quality(Validity.HELD, causes=Cause.COMM_LOST)),
        "B4": replace(READING, quality=Quality(causes=Cause.TEST)),
    }
    lines = explain_series(fleet, heard, Series("feeder/F1", PointKind.BATTERY, Quantity.POWER), NOW)
    assert lines[1] == "members: 3 of 25 report, 20 never heard, 1 silent for too long, 1 with a time ahead of ours"
    assert lines[5:9] == (
        "B1: silent for 40 s, where 12 s is the most",
        "B2: its time is 40 s ahead of ours",
        "B3: TELEMETERED HELD by COMM_LOST",
        "B5: never heard",
    )
    assert len(lines) == 5 + 20 + 1
    assert lines[-1] == "and 3 more"
    few = explain_series(fleet, dict.fromkeys(names, READING), Series("", PointKind.ALL, Quantity.SOC), NOW)
    assert len(few) == 6
