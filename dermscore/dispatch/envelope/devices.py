"""What the devices themselves can do now: by their charge, what there is to give, and their ramps. Loads numpy.

Each step can only tighten what the steps before it left.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from dermscore.dispatch.envelope.bounding import ALL, Bounding, known
from dermscore.dispatch.limits import BoundSource
from dermscore.dispatch.tree import Column

_SOC_TOLERANCE: Final = 1e-9  # of capacity, as the Guard has it


def hold_charge(bounding: Bounding, hold_s: float) -> None:
    """Keep inside the window of the state of charge: now, and for `hold_s` seconds of the bound.

    Discharging P takes P/efficiency out of the store, charging P puts P*efficiency in.
    """
    ratings, soc_wh = bounding.columns.ratings, bounding.columns.soc_wh
    floor, ceiling = bounding.floor, bounding.ceiling
    slack_wh = ratings.capacity_wh * _SOC_TOLERANCE
    stores = ratings.is_storage & ~np.isnan(soc_wh)
    if not stores.any():
        return
    above_wh = np.where(soc_wh > floor.w + slack_wh, soc_wh - floor.w, 0.0)
    below_wh = np.where(soc_wh < ceiling.w - slack_wh, ceiling.w - soc_wh, 0.0)
    out_w = _lasting(above_wh * ratings.efficiency, hold_s)
    in_w = _lasting(below_wh / ratings.efficiency, hold_s)
    bounding.high.tighten(ALL, np.where(stores, out_w, np.inf), BoundSource.SOC, floor.detail)
    bounding.low.tighten(ALL, np.where(stores, -in_w, -np.inf), BoundSource.SOC, ceiling.detail)


def _lasting(energy_wh: Column, hold_s: float) -> Column:
    """The power that an amount of energy sustains for so long: any, for an instant, where there is some."""
    if hold_s == 0:
        return np.where(energy_wh > 0, np.inf, 0.0)
    return energy_wh * (3600 / hold_s)


def hold_available(bounding: Bounding) -> None:
    """A generator gives no more than there is to give. Of what is none, nothing is known, and nothing bounds it."""
    bounding.high.tighten(ALL, bounding.columns.output_w, BoundSource.AVAILABLE)


def reach(bounding: Bounding, within_s: float) -> None:
    """What a device's own ramp lets it reach in `within_s` seconds of what is measured.

    What is beyond a bound that counts at once, and cannot come back in time, is asked for that bound and no more.
    """
    measured_w, step_w = known(bounding.columns.power_w), bounding.columns.ratings.ramp_w_per_s * within_s
    most_w = np.clip(measured_w + step_w, bounding.low.w, bounding.high.w)
    least_w = np.clip(measured_w - step_w, bounding.low.w, bounding.high.w)
    bounding.high.tighten(ALL, most_w, BoundSource.RAMP)
    bounding.low.tighten(ALL, least_w, BoundSource.RAMP)


def uncross(bounding: Bounding) -> None:
    """Where a device's two bounds have crossed (a rating without 0, a limit inside it) only off is left."""
    low, high = bounding.low, bounding.high
    crossed = low.w > high.w
    if not crossed.any():
        return
    lower_is_nearer = np.abs(low.w) <= np.abs(high.w)
    source = np.where(lower_is_nearer, low.source, high.source)
    detail = np.where(lower_is_nearer, low.detail, high.detail)
    for side in (low, high):
        side.put(crossed, 0.0, source, detail)
