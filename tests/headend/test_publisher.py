"""What a gateway is told of the fleet: honest about who reports, how old, and how good."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dermscore.intent import Intent
from dermscore.intent import IntentState as S
from dermscore.model import Measurement
from dermscore.points import PointKind, Quantity, Series
from dermscore.quality import GOOD, Cause, Quality, Validity
from headend import publisher
from headend.records import Dispatch, Kept, Mode, Placed

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
    """A dispatch in `state`, of members that are as far and measured 5 W each."""
    dispatch = Dispatch("d", "p", "n", None, Mode.TARGET, 10.0, 1.0, "scada", 1, 0, 1000, state, "", 10.0, 0.0, (), 500)
    intents = [Intent(name, "e", 1, "d", 5.0, 0.0, 0, 1000, "scada", 1) for name in members]
    return Kept(dispatch, tuple(Placed(one, 5.0, False, "", state, power_w=5.0) for one in intents))


@pytest.mark.parametrize(
    ("qualities", "validity", "causes"),
    [
        ((GOOD, GOOD), Validity.GOOD, Cause.NONE),
        ((GOOD, TEST), Validity.GOOD, Cause.TEST),
        ((TEST, STALE), Validity.INVALID, Cause.TEST | Cause.COMM_LOST),
        ((GOOD, HELD), Validity.HELD, Cause.NONE),
        ((GOOD, None), Validity.INVALID, Cause.COMM_LOST),
    ],
)
def test_what_was_delivered_is_as_good_as_the_worst_of_it(clocks, qualities, validity, causes):
    known = {name: measured(name, clocks, quality=each) for name, each in zip("ab", qualities, strict=True) if each}
    said = publisher.outcome(kept(S.FOLLOWING, "a", "b"), known)
    assert said.delivered_w == 10.0
    assert (said.quality.validity, said.quality.causes) == (validity, causes)


def test_where_nothing_is_delivered_nothing_vouches_for_it(clocks):
    said = publisher.outcome(kept(S.RECEIVED, "a"), {"a": measured("a", clocks)})
    assert (said.delivered_w, said.quality) == (None, None)


def test_an_asset_that_does_not_carry_the_command_does_not_count(clocks):
    whole = kept(S.FOLLOWING, "a", "b")
    refused = replace(whole, intents=(whole.intents[0], replace(whole.intents[1], state=S.REFUSED)))
    said = publisher.outcome(refused, {"a": measured("a", clocks, quality=TEST)})
    assert (said.delivered_w, said.quality.validity, said.quality.causes) == (5.0, Validity.GOOD, Cause.TEST)
