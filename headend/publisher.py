"""What a gateway is told: one reading per series, made of the fleet as it is known now. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import fsum, isclose
from typing import Final

from dermscore.aggregate import Aggregate, aggregates
from dermscore.intent import IntentState
from dermscore.model import Fleet, Measurement, Now
from dermscore.quality import Cause, Quality, Validity, roll_up
from dermscore.sheets.points import Series
from headend import progress
from headend.fleet import Power
from headend.records import Kept
from wire.convert import BoundaryOutcome, Reading

_MOVING = frozenset({IntentState.ACTIVE, IntentState.FOLLOWING, IntentState.COMPLETE})
_NEVER_HEARD = Quality(Validity.INVALID, causes=Cause.COMM_LOST)
_NOISE: Final = 1e-12  # of a sum of floats; the next is the millionth of a watt that aggregates are rounded to
_LEAST_W: Final = 1e-6


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


@dataclass(frozen=True, slots=True)
class _Delivered:
    """What the carriers of a command deliver together, W; when the newest of it was measured, by our wall clock."""

    power_w: float
    time_ms: int
    quality: Quality


def outcome(
    kept: Kept, power_of: Callable[[str], Power | None], now: Now, *, not_before_ms: int = 0
) -> BoundaryOutcome:
    """What became of a command so far. `delivered_w` is what its assets measure now, and absent before they moved; of
    one that is over, what they measured at its end.

    `power_of` gives what an asset delivers (`LiveFleet.power`). The quality is the worst of what is known of those
    assets: of one that has gone stale it is no longer good. The time is when the newest of them was measured, or now
    where the sum is not to be believed any more, in our UTC; else when the state changed; never before `not_before_ms`.
    """
    dispatch = kept.dispatch
    delivered = _delivered(kept, power_of, now) if dispatch.state in _MOVING else None
    return BoundaryOutcome(
        id=dispatch.id,
        state=dispatch.state,
        reason="; ".join([*([dispatch.reason] if dispatch.reason else []), *dispatch.causes]),
        delivered_w=None if delivered is None else delivered.power_w,
        shortfall_w=dispatch.shortfall_w,
        time_ms=max(not_before_ms, dispatch.updated_ms if delivered is None else delivered.time_ms),
        quality=None if delivered is None else delivered.quality,
    )


def unknown(identifier: str, now: Now) -> BoundaryOutcome:
    """What a gateway is told of a command that it names and of which we know nothing."""
    reason = "the headend knows no such command"
    return BoundaryOutcome(identifier, IntentState.FAILED, reason, None, None, now.utc_ms, unknown=True)


def news(told: BoundaryOutcome, fresh: BoundaryOutcome) -> bool:
    """Whether a gateway that was told one must be told the other. A newer time alone is none, nor the noise of floats;
    any other change is.
    """
    if replace(fresh, delivered_w=told.delivered_w, time_ms=told.time_ms) != told:
        return True
    if told.delivered_w is None or fresh.delivered_w is None:
        return told.delivered_w is not fresh.delivered_w
    return not isclose(told.delivered_w, fresh.delivered_w, rel_tol=_NOISE, abs_tol=_LEAST_W)


def _delivered(kept: Kept, power_of: Callable[[str], Power | None], now: Now) -> _Delivered | None:
    """None until each carrier's power is known. Of one that was not heard since the headend started it is what its
    agent last reported, which nothing vouches for.
    """
    carriers = progress.carriers(kept)
    live = [power_of(placed.asset_id) for placed in carriers]
    ended = kept.dispatch.over
    powers = [p.power_w if one is None or ended else one.power_w for p, one in zip(carriers, live, strict=True)]
    known = [w for w in powers if w is not None]
    if not known or len(known) < len(powers):
        return None
    quality = roll_up(_NEVER_HEARD if one is None else one.quality for one in live)
    ages_ms = [now.mono_ms - one.taken_mono_ms for one in live if one is not None]
    if ended:
        return _Delivered(fsum(known), kept.dispatch.updated_ms, quality)
    lost = quality.validity is Validity.INVALID
    return _Delivered(fsum(known), now.utc_ms - (0 if lost else min(ages_ms)), quality)
