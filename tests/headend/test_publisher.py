"""What a gateway is told of the fleet: honest about who reports, how old, and how good."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dermscore.decision.request import Aim
from dermscore.intent import Intent
from dermscore.intent import IntentState as S
from dermscore.model import Measurement
from dermscore.quality import GOOD, Cause, Quality, Validity
from dermscore.sheets.points import PointKind, Quantity, Series
from headend import publisher
from headend.fleet import Power
from headend.records import Dispatch, Kept, Placed

TEST = Quality(causes=Cause.TEST)
STALE = Quality(Validity.INVALID, causes=Cause.COMM_LOST)
HELD = Quality(Validity.HELD)


def readings(fleet, measurements, clocks, *series):
    return publisher.readings(
        fleet, measurements, series, clocks.now, calculated_ms=clocks.now.utc_ms, fresh_within_ms=12_000
    )


def measured(asset_id, clocks, **changes):
    return replace(Measurement(asset_id, clocks.now.utc_ms - 1500, 3e6, 5e7, 1e6, 2e6, None, GOOD), **changes)


def test_where_nobody_reports_there_is_no_value_but_the_counts_stand(fleet, ids, clocks):
    power, members, coverage = readings(
        fleet,
        {},
        clocks,
        Series(ids.path, PointKind.BATTERY, Quantity.POWER),
        Series(ids.path, PointKind.BATTERY, Quantity.MEMBERS),
        Series(ids.path, PointKind.BATTERY, Quantity.COVERAGE),
    )
    assert (power.value, power.quality.validity, power.configured, power.reporting) == (None, Validity.INVALID, 2, 0)
    assert Cause.COMM_LOST in power.quality.causes
    assert (members.value, members.quality.validity) == (0.0, Validity.GOOD)
    assert coverage.value == 0.0
    assert power.oldest_age_ms is None


def test_a_part_of_a_site_says_how_much_of_it_it_is(fleet, ids, clocks):
    (power,) = readings(
        fleet, {ids.b1: measured(ids.b1, clocks)}, clocks, Series(ids.path, PointKind.BATTERY, Quantity.POWER)
    )
    assert (power.value, power.configured, power.reporting) == (3e6, 2, 1)
    assert 50 < power.coverage_pct < 60, "50 of 90 MW"
    assert power.oldest_age_ms == 1500
    assert power.time_ms == clocks.now.utc_ms


def test_a_simulated_value_carries_test_all_the_way(fleet, ids, clocks):
    taken = measured(ids.b1, clocks, quality=Quality(causes=Cause.TEST))
    (power,) = readings(fleet, {ids.b1: taken}, clocks, Series("", PointKind.ALL, Quantity.POWER))
    assert Cause.TEST in power.quality.causes


def test_a_path_without_assets_has_no_value_and_no_members(fleet, clocks):
    (power,) = readings(fleet, {}, clocks, Series("feeder/F99", PointKind.ALL, Quantity.POWER))
    assert (power.value, power.configured, power.quality.validity) == (None, 0, Validity.INVALID)


def kept(state, *members):
    """A dispatch in `state`, of members that are as far and reported 5 W each."""
    dispatch = Dispatch(
        "d", "p", "n", None, Aim.TARGET, 10.0, 1.0, "scada", 1, "", 0, 1000, state, "", 10.0, 0.0, (), 500
    )
    intents = [Intent(name, "e", 1, "d", 5.0, 0.0, 0, 1000, "scada", 1) for name in members]
    return Kept(dispatch, tuple(Placed(one, 5.0, False, "", state, power_w=5.0) for one in intents))


def told(clocks, whole, quality_of, *, power_w=7.0, ages_ms=None, not_before_ms=0):
    """What is said where these assets deliver `power_w` each, with these qualities (None: never heard)."""
    ages_ms = ages_ms or {}
    known = {
        name: Power(power_w, clocks.now.mono_ms - ages_ms.get(name, 1500), quality)
        for name, quality in quality_of.items()
        if quality is not None
    }
    return publisher.outcome(whole, known.get, clocks.now, not_before_ms=not_before_ms)


@pytest.mark.parametrize(
    ("qualities", "validity", "causes"),
    [
        ((GOOD, GOOD), Validity.GOOD, Cause.NONE),
        ((GOOD, TEST), Validity.GOOD, Cause.TEST),
        ((TEST, STALE), Validity.INVALID, Cause.TEST | Cause.COMM_LOST),
        ((GOOD, HELD), Validity.HELD, Cause.NONE),
    ],
)
def test_what_is_delivered_is_measured_now_and_as_good_as_the_worst_of_it(clocks, qualities, validity, causes):
    said = told(clocks, kept(S.FOLLOWING, "a", "b"), dict(zip("ab", qualities, strict=True)))
    assert said.delivered_w == 14.0
    assert (said.quality.validity, said.quality.causes) == (validity, causes)


def test_of_one_that_was_not_heard_it_is_what_was_reported_and_nothing_vouches_for_it(clocks):
    said = told(clocks, kept(S.FOLLOWING, "a", "b"), {"a": GOOD, "b": None})
    assert (said.delivered_w, said.time_ms) == (12.0, clocks.now.utc_ms)
    assert (said.quality.validity, said.quality.causes) == (Validity.INVALID, Cause.COMM_LOST)


def test_what_was_never_measured_is_not_made_up(clocks):
    whole = kept(S.FOLLOWING, "a", "b")
    unknown = replace(whole, intents=(whole.intents[0], replace(whole.intents[1], power_w=None)))
    assert told(clocks, unknown, {"a": GOOD}).delivered_w is None


def test_where_nothing_is_delivered_nothing_vouches_for_it(clocks):
    said = told(clocks, kept(S.RECEIVED, "a"), {"a": GOOD})
    assert (said.delivered_w, said.quality, said.time_ms) == (None, None, 500)


def test_an_asset_that_does_not_carry_the_command_does_not_count(clocks):
    whole = kept(S.FOLLOWING, "a", "b")
    for over in (S.REFUSED, S.COMPLETE):
        part = replace(whole, intents=(whole.intents[0], replace(whole.intents[1], state=over)))
        said = told(clocks, part, {"a": TEST, "b": STALE})
        assert (said.delivered_w, said.quality.validity, said.quality.causes) == (7.0, Validity.GOOD, Cause.TEST)


def test_what_is_over_delivered_what_it_did_at_its_end(clocks):
    said = told(clocks, kept(S.COMPLETE, "a", "b"), {"a": GOOD, "b": GOOD}, power_w=0.0)
    assert (said.delivered_w, said.time_ms) == (10.0, 500)


def test_its_time_is_of_the_newest_measurement_and_never_goes_back(clocks):
    whole, good = kept(S.FOLLOWING, "a", "b"), {"a": GOOD, "b": GOOD}
    newest_ms = clocks.now.utc_ms - 200
    assert told(clocks, whole, good, ages_ms={"a": 200, "b": 4000}).time_ms == newest_ms
    assert told(clocks, whole, good, ages_ms={"a": 200}, not_before_ms=newest_ms + 3).time_ms == newest_ms + 3
    lost = told(clocks, whole, {"a": GOOD, "b": STALE}, ages_ms={"a": 200})
    assert lost.time_ms == clocks.now.utc_ms, "that it is lost is known since now"


@pytest.mark.parametrize(
    ("changes", "is_news"),
    [
        ({}, False),
        ({"time_ms": 9}, False),
        ({"delivered_w": 14.0 * (1 + 1e-14)}, False),
        ({"delivered_w": 14.001}, True),
        ({"delivered_w": 0.0}, True),
        ({"delivered_w": None, "quality": None}, True),
        ({"quality": STALE}, True),
        ({"shortfall_w": 1.0}, True),
        ({"state": S.COMPLETE}, True),
    ],
)
def test_a_newer_time_and_the_noise_of_floats_are_no_news_and_any_real_change_is(clocks, changes, is_news):
    before = told(clocks, kept(S.FOLLOWING, "a", "b"), {"a": GOOD, "b": GOOD})
    assert publisher.news(before, replace(before, **changes)) is is_news
