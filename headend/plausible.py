"""Is a measurement possible at all? What is not is refused, in words; what is merely bad carries its quality."""

from __future__ import annotations

from typing import Final

from dermscore.aggregate import rated_w
from dermscore.dispatch.words import power
from dermscore.model import Asset, Measurement, Now

AHEAD_MS: Final = 60_000
"""How far ahead of `now` a measurement may be: by its source's clock, where that has said what it says."""

_OVER_RATING: Final = 2.0  # a device may exceed its rating for a moment, hardly twice over
_ALWAYS_W: Final = 1_000.0  # auxiliaries of a plant without a rating to speak of
_OVER_CAPACITY: Final = 1.1


def implausible(asset: Asset, measurement: Measurement, now: Now) -> str | None:
    """Why a measurement cannot be of this asset at `now`; None where it can. Its numbers are finite already."""
    limit_w = _limit_w(asset)
    beyond = implausible_power(asset, measurement.power_w)
    if beyond is not None:
        return beyond
    if measurement.setpoint_w is not None and not abs(measurement.setpoint_w) <= limit_w:
        return f"setpoint {power(measurement.setpoint_w)} is beyond {power(limit_w)}, twice the rating of {asset.name}"
    headroom_w = max(measurement.available_up_w, measurement.available_down_w)
    if not headroom_w <= 2 * limit_w:
        return f"available power {power(headroom_w)} is beyond what {asset.name} could ever move by"
    if measurement.soc_wh is not None and not measurement.soc_wh <= _OVER_CAPACITY * asset.capacity_wh:
        return f"stored energy {measurement.soc_wh:.6g} Wh is beyond the capacity of {asset.name}"
    if measurement.time_ms > now.utc_ms + AHEAD_MS:
        return f"its time is {(measurement.time_ms - now.utc_ms) / 1000:.0f} s ahead of the clock"
    return None


def implausible_power(asset: Asset, power_w: float) -> str | None:
    """Why this asset cannot deliver `power_w` (W); None where it can."""
    limit_w = _limit_w(asset)
    if abs(power_w) <= limit_w:
        return None
    return f"power {power(power_w)} is beyond {power(limit_w)}, twice the rating of {asset.name}"


def _limit_w(asset: Asset) -> float:
    return _OVER_RATING * rated_w(asset) + _ALWAYS_W
