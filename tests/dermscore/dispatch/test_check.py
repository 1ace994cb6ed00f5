"""One asset asked by name: refused with the reason, never clamped."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dermscore.dispatch import Accepted, Refused, check_asset
from dermscore.model import Asset, Kind, Measurement
from dermscore.quality import GOOD, Cause, Quality, Validity

BATTERY = Asset("b1", "B1", "s1", Kind.BATTERY, 100e6, 40e6, -30e6, 0.9, 1e6, 10, 90, "simulated", "default")
SOLAR = replace(BATTERY, id="p1", name="P1", kind=Kind.SOLAR, capacity_wh=0.0, min_w=0.0)
HEARD = Measurement("b1", 0, 0.0, 50e6, 0.0, 0.0, None, GOOD)


@pytest.mark.parametrize("w", [40e6, -30e6, 1.0])
def test_inside_the_limits_is_accepted(w: float) -> None:
    assert check_asset(BATTERY, HEARD, True, w) == Accepted()


@pytest.mark.parametrize(
    ("measurement", "connected", "w", "reason"),
    [
        (HEARD, True, math.nan, "the power asked for is not a number"),
        (HEARD, True, math.inf, "the power asked for is not a number"),
        (HEARD, True, 41e6, "41 MW is above the rating of B1, 40 MW"),
        (HEARD, True, -30.5e6, "-30.5 MW is below the rating of B1, -30 MW"),
        (HEARD, False, 1e3, "B1 is not connected"),
        (None, True, 1e3, "nothing was ever heard of B1"),
        (replace(HEARD, quality=Quality(Validity.INVALID)), True, 1e3, "the measurement of B1 is invalid"),
        (replace(HEARD, power_w=math.nan), True, 1e3, "the power of B1 is not known"),
        (replace(HEARD, soc_wh=None), True, 1e3, "the state of charge of B1 is not known"),
        (replace(HEARD, soc_wh=math.nan), True, 1e3, "the state of charge of B1 is not known"),
        (replace(HEARD, soc_wh=10e6), True, 1e3, "B1 cannot give 1 kW: its state of charge is at its minimum of 10 %"),
        (replace(HEARD, soc_wh=90e6), True, -5.0, "B1 cannot give -5 W: its state of charge is at its maximum of 90 %"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(
    measurement: Measurement | None, connected: bool, w: float, reason: str
) -> None:
    assert check_asset(BATTERY, measurement, connected, w) == Refused(reason)


def test_inward_at_a_bound_is_accepted() -> None:
    assert check_asset(BATTERY, replace(HEARD, soc_wh=10e6), True, -1e6) == Accepted()
    assert check_asset(BATTERY, replace(HEARD, soc_wh=90e6), True, 1e6) == Accepted()


def test_a_measurement_in_doubt_but_not_invalid_is_enough() -> None:
    held = replace(HEARD, quality=Quality(Validity.HELD, causes=Cause.COMM_LOST))
    assert check_asset(BATTERY, held, True, 1e6) == Accepted()


def test_what_stores_nothing_needs_no_state_of_charge() -> None:
    assert check_asset(SOLAR, replace(HEARD, asset_id="p1", soc_wh=None), True, 1e6) == Accepted()


@given(
    measurement=st.one_of(st.none(), st.builds(lambda soc: replace(HEARD, soc_wh=soc), st.floats())),
    connected=st.booleans(),
)
def test_zero_is_always_accepted(measurement: Measurement | None, connected: bool) -> None:
    assert check_asset(BATTERY, measurement, connected, 0.0) == Accepted()
    assert check_asset(replace(BATTERY, min_w=1e6), measurement, connected, -0.0) == Accepted()
