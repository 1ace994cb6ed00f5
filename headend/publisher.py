"""What a gateway is told: one reading per series, made of the fleet as it is known now. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dermscore.aggregate import Aggregate, aggregates
from dermscore.intent import IntentState
from dermscore.model import Fleet, Measurement, Now
from dermscore.points import Series
from dermscore.quality import Cause, Quality, Validity, roll_up
from headend import progress
from headend.records import Kept
from wire.convert import BoundaryOutcome, Reading

_MOVING = frozenset({IntentState.ACTIVE, IntentState.FOLLOWING, IntentState.COMPLETE})
_NEVER_HEARD = Quality(Validity.INVALID, causes=Cause.COMM_LOST)


def readings(
    fleet: Fleet,
    measurements: Mapping[str, Measurement],
    series: Sequence[Series],
    now: Now,
    *,
    calculated_ms: int,
    fresh_within_ms: int,
) -> list[Reading]:
    """The series' values with their quality, member counts, coverage and age, in the order asked for.

    `calculated_ms` is the time they carry: when they were calculated. Where no member reports there is no value, and
    the counts say so.
    """
    groups = aggregates(fleet, measurements, series, now, fresh_within_ms)
    return [_reading(each, group, now, calculated_ms) for each, group in groups]


def _reading(series: Series, group: Aggregate, now: Now, calculated_ms: int) -> Reading:
    value = group.value(series.quantity, now)
    quality = group.quality_of(series.quantity)
    if value is None:
        quality = quality.because(Cause.NONE, at_best=Validity.INVALID)
    age_ms = group.oldest_age_ms(now)
    return Reading(
        series=series,
        value=value,
        time_ms=calculated_ms,
        quality=quality,
        configured=group.configured,
        reporting=group.reporting,
        coverage_pct=group.coverage_pct or 0.0,
        oldest_age_ms=None if age_ms is None else max(0, age_ms),
    )


def outcome(kept: Kept, measurements: Mapping[str, Measurement]) -> BoundaryOutcome:
    """What became of a command so far. `delivered_w` is what its assets measured, and absent before they moved.

    Its quality is the worst of what is known of those assets now: of one that has gone stale it is no longer good.
    """
    dispatch = kept.dispatch
    delivered_w = progress.measured_w(kept) if dispatch.state in _MOVING else None
    return BoundaryOutcome(
        id=dispatch.id,
        state=dispatch.state,
        reason="; ".join([*([dispatch.reason] if dispatch.reason else []), *dispatch.causes]),
        delivered_w=delivered_w,
        shortfall_w=dispatch.shortfall_w,
        time_ms=dispatch.updated_ms,
        quality=None if delivered_w is None else _delivered_quality(kept, measurements),
    )


def _delivered_quality(kept: Kept, measurements: Mapping[str, Measurement]) -> Quality:
    known = [measurements.get(placed.asset_id) for placed in progress.standing(kept)]
    return roll_up(_NEVER_HEARD if one is None else one.quality for one in known)
