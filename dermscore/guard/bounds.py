"""What an asset can do and be asked for: its rating, its window of charge, and whether it can be seen."""

from __future__ import annotations

from math import isfinite

from dermscore.model import Asset, Kind, Measurement
from dermscore.quality import Validity

_SOC_TOLERANCE = 1e-9  # of capacity: a device that clamps at its bound is at its bound, whatever the rounding


def at_soc_bound(asset: Asset, soc_wh: float | None, w: float) -> str | None:
    """Why `w` (W) must not be asked of `asset` at this state of charge: it points out of its window. None: it may."""
    if soc_wh is None or w == 0:
        return None
    slack_wh = asset.capacity_wh * _SOC_TOLERANCE
    if w > 0 and soc_wh <= asset.min_soc_wh + slack_wh:
        return f"state of charge is at its minimum of {asset.min_soc_pct:g} %"
    if w < 0 and soc_wh >= asset.max_soc_wh - slack_wh:
        return f"state of charge is at its maximum of {asset.max_soc_pct:g} %"
    return None


def out_of_rating(asset: Asset, name: str, w: float | None) -> str | None:
    """Why `w` (W), called `name`, is no setpoint of this asset. 0 (off) always is one, and so is None (no setpoint)."""
    if w is None or w == 0 or asset.min_w <= w <= asset.max_w:
        return None
    if not isfinite(w):
        return f"its {name} is not a number"
    return f"its {name} {_exactly(w)} W is outside the rating {_exactly(asset.min_w)} to {_exactly(asset.max_w)} W"


def _exactly(w: float) -> str:
    """Short where that is exact: what is just outside must not look like the bound."""
    short = f"{w:.15g}"
    return short if float(short) == w else repr(w)


def rated(asset: Asset, w: float) -> float:
    """`w` (W) inside the rating, where 0 (off) always is."""
    if asset.min_w <= w <= asset.max_w:
        return w
    return min(max(w, min(asset.min_w, 0.0)), max(asset.max_w, 0.0))


def rating_w(asset: Asset) -> float:
    """The larger of what an asset may inject and what it may absorb, W."""
    return max(abs(asset.max_w), abs(asset.min_w))


def fresh(measurement: Measurement) -> bool:
    """Whether it was read from the device now: neither HELD nor INVALID."""
    return measurement.quality.validity < Validity.HELD


def usable(asset: Asset, measurement: Measurement) -> bool:
    """Whether the asset can be watched by it: fresh, a number, and of a battery with a state of charge."""
    if not fresh(measurement) or not isfinite(measurement.power_w):
        return False
    if asset.kind is not Kind.BATTERY:
        return True
    return measurement.soc_wh is not None and isfinite(measurement.soc_wh)
