"""One member of a group: whether its last measurement enters the sums, and with what."""

from __future__ import annotations

from math import isfinite
from typing import Final

from dermscore.aggregate.group import MICRO, Aggregate
from dermscore.aggregate.tally import LANE_OF, LAST_THAT_REPORTS, Lane, one
from dermscore.model import Asset, Measurement, Now
from dermscore.quality import Cause

FRESH_WITHIN_MS: Final = 12_000
"""How old a measurement may be that still counts: three telemetry periods of 4 s."""


def of(asset: Asset, measurement: Measurement | None, now: Now, fresh_within_ms: int = FRESH_WITHIN_MS) -> Aggregate:
    """The group of one asset, with its last measurement where there is one.

    A measurement from further ahead than `fresh_within_ms` is no fresher than one from as far behind: a clock that runs
    ahead must not keep a dead device alive.

    A measurement with a NaN or an infinity counts as INVALID: one device neither stops nor spoils the sum of a fleet.
    """
    rated = _micro(rated_w(asset))
    if measurement is None:
        return Aggregate(configured=1, rated_uw=rated, tally=one(Lane.NEVER_HEARD))
    lane = lane_of(measurement, now, fresh_within_ms)
    if lane > LAST_THAT_REPORTS:
        lost = one(lane, measurement.quality.causes & Cause.TEST)
        return Aggregate(configured=1, rated_uw=rated, tally=lost, oldest_ms=measurement.time_ms)
    capacity, soc_wh = _micro(asset.capacity_wh), measurement.soc_wh
    return Aggregate(
        configured=1,
        reporting=1,
        rated_uw=rated,
        reporting_rated_uw=rated,
        power_uw=_micro(measurement.power_w),
        available_up_uw=_micro(measurement.available_up_w),
        available_down_uw=_micro(measurement.available_down_w),
        soc_uwh=_micro(soc_wh) if soc_wh is not None and capacity else 0,
        capacity_uwh=capacity if soc_wh is not None else 0,
        stores_uwh=capacity,
        tally=one(lane, measurement.quality.causes),
        oldest_ms=measurement.time_ms,
    )


def reports(measurement: Measurement, now: Now, fresh_within_ms: int = FRESH_WITHIN_MS) -> bool:
    """Whether a measurement may enter a sum: fresh by its source's time, and not INVALID."""
    return lane_of(measurement, now, fresh_within_ms) <= LAST_THAT_REPORTS


def lane_of(measurement: Measurement, now: Now, fresh_within_ms: int) -> Lane:
    """In which condition a member is whose last measurement this is."""
    age_ms = now.utc_ms - measurement.time_ms
    if not age_ms <= fresh_within_ms:
        return Lane.SILENT
    if not age_ms >= -fresh_within_ms:
        return Lane.AHEAD
    return LANE_OF[measurement.quality.validity] if is_in_numbers(measurement) else Lane.INVALID


def is_in_numbers(measurement: Measurement) -> bool:
    """Whether all that it measured can be added."""
    soc_wh = 0.0 if measurement.soc_wh is None else measurement.soc_wh
    return isfinite(measurement.power_w + measurement.available_up_w + measurement.available_down_w + soc_wh)


def rated_w(asset: Asset) -> float:
    """The magnitude that an asset weighs by: the larger of what it may inject and what it may absorb, W."""
    return max(abs(asset.max_w), abs(asset.min_w))


def _micro(value: float) -> int:
    return round(value * MICRO)
