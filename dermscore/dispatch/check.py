"""May one asset be asked for this power? Refused with the reason, never silently clamped."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from dermscore.dispatch.words import power
from dermscore.guard import at_soc_bound
from dermscore.model import Asset, Kind, Measurement
from dermscore.quality import Validity


@dataclass(frozen=True, slots=True)
class Accepted:
    """It may be asked."""


@dataclass(frozen=True, slots=True)
class Refused:
    """It may not; `reason` says why in plain words."""

    reason: str


def check_asset(asset: Asset, measurement: Measurement | None, connected: bool, w: float) -> Accepted | Refused:
    """Whether one asset may be asked for `w` watts (injection positive) by name.

    0 is always accepted, whatever is known of the asset. Else it must be connected, heard with a measurement that can
    be used, and `w` inside the rating and not outward at a bound of its state of charge.

    Args:
        asset: what is asked.
        measurement: what was last heard of it, None where it never was.
        connected: whether its agent has a live session.
        w: the power, W.
    """
    if not isfinite(w):
        return Refused("the power asked for is not a number")
    if w == 0:
        return Accepted()
    reason = _absence(asset, measurement, connected) or _out_of_limits(asset, measurement, w)
    return Accepted() if reason is None else Refused(reason)


def _absence(asset: Asset, measurement: Measurement | None, connected: bool) -> str | None:
    if not connected:
        return f"{asset.name} is not connected"
    return unheard(asset, measurement)


def _out_of_limits(asset: Asset, measurement: Measurement | None, w: float) -> str | None:
    if w > asset.max_w:
        return f"{power(w)} is above the rating of {asset.name}, {power(asset.max_w)}"
    if w < asset.min_w:
        return f"{power(w)} is below the rating of {asset.name}, {power(asset.min_w)}"
    soc_wh = None if measurement is None else measurement.soc_wh
    bound = at_soc_bound(asset, soc_wh, w)
    return None if bound is None else f"{asset.name} cannot give {power(w)}: its {bound}"


def unheard(asset: Asset, measurement: Measurement | None) -> str | None:
    """Why nothing can be decided on what was heard of `asset`; None where it can. What is missing is not invented."""
    if measurement is None:
        return f"nothing was ever heard of {asset.name}"
    if measurement.quality.validity is Validity.INVALID:
        return f"the measurement of {asset.name} is invalid"
    if not isfinite(measurement.power_w):
        return f"the power of {asset.name} is not known"
    if asset.kind is Kind.BATTERY and (measurement.soc_wh is None or not isfinite(measurement.soc_wh)):
        return f"the state of charge of {asset.name} is not known"
    return None
