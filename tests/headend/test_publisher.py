"""What a gateway is told of the fleet: honest about who reports, how old, and how good."""

from __future__ import annotations

from dataclasses import replace

from dermscore.model import Measurement
from dermscore.points import PointKind, Quantity, Series
from dermscore.quality import GOOD, Cause, Quality, Validity
from headend import publisher


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
