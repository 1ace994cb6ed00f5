"""Rows and their scaling: to the integer that SCADA reads and back, never further off than half a scale."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dermscore.intent import IntentState
from dermscore.sheets.points import (
    COMMAND_STATE_CODES,
    INT32,
    MEANINGS,
    CommandRow,
    Control,
    Mode,
    OnIsolate,
    OnMasterLoss,
    PointKind,
    PointRow,
    PointType,
    Positive,
    Quantity,
    Series,
    Unit,
)

MANY = settings(max_examples=5000 if os.environ.get("DERMS_SOAK") == "1" else 200, deadline=None)

POWER: Final = PointRow(
    name="S1 power",
    path="feeder/F12/site/S1",
    kind=PointKind.ALL,
    quantity=Quantity.POWER,
    unit=Unit.KW,
    outstation="main",
    type=PointType.AI,
    index=0,
    register=None,
    scale=1.0,
    offset=0.0,
    deadband=10.0,
    event_class=2,
    low=-100.0,
    high=200.0,
    max_rate_per_s=50.0,
    stale_after_s=10.0,
    min_members=1,
    min_coverage_pct=80.0,
    positive_means=Positive.INJECTION,
    reason="r",
    owner="o",
    ticket="t",
    bcsi=False,
    retired=False,
    comment="",
)
LINK: Final = replace(
    POWER,
    kind=PointKind.GATEWAY,
    quantity=Quantity.HEADEND_LINK,
    type=PointType.BI,
    unit=Unit.STATE,
    low=None,
    high=None,
    max_rate_per_s=None,
    positive_means=None,
)
TARGET: Final = CommandRow(
    name="S1 power target",
    path="feeder/F12/site/S1",
    mode=Mode.TARGET,
    unit=Unit.MW,
    outstation="main",
    type=PointType.AO,
    index=0,
    scale=0.1,
    offset=0.0,
    low=-9.0,
    high=9.0,
    max_step_w=None,
    control=Control.BOTH,
    hold_s=None,
    on_master_loss=OnMasterLoss.HOLD,
    master_timeout_s=None,
    on_isolate=OnIsolate.HOLD_UNTIL_EXPIRY,
    primacy=1,
    status_point="S1 state",
    feedback_timeout_s=15.0,
    reason="r",
    owner="o",
    ticket="t",
    retired=False,
    comment="",
)

scales = st.floats(1e-3, 1e6)
offsets = st.floats(-1e6, 1e6)
values = st.floats(-1e12, 1e12)


def test_a_value_is_shown_in_the_rows_unit_and_sign() -> None:
    assert POWER.to_raw(50_400.0) == (50, None)
    assert POWER.to_si(50) == 50_000.0
    absorbing = replace(POWER, positive_means=Positive.ABSORPTION)
    assert absorbing.to_raw(50_000.0) == (-50, None)
    assert absorbing.to_si(-50) == 50_000.0
    scaled = replace(POWER, scale=0.5, offset=10.0)
    assert scaled.to_raw(20_000.0).raw == 20
    assert scaled.to_si(20) == 20_000.0


def test_what_is_out_of_range_is_clamped_and_says_so() -> None:
    assert POWER.to_raw(201_000.0) == (200, "high")
    assert POWER.to_raw(200_400.0) == (200, None)
    assert POWER.to_raw(-101_000.0) == (-100, "low")
    assert POWER.to_raw(1.7e308) == (200, "high")
    # low and high are SCADA's numbers: with the other sign convention they bound the flipped value.
    assert replace(POWER, positive_means=Positive.ABSORPTION).to_raw(150_000.0) == (-100, "low")


def test_without_bounds_the_integer_is_the_bound() -> None:
    free = replace(POWER, low=None, high=None)
    assert free.raw_range == INT32
    assert free.to_raw(1e15) == (INT32[1], "high")
    assert free.to_raw(-1e15) == (INT32[0], "low")


def test_bounds_that_are_no_whole_raw_value_round_inwards_but_not_for_noise() -> None:
    assert replace(POWER, low=0.2, high=2.7).raw_range == (1, 2)
    assert replace(POWER, scale=0.1, low=-0.3, high=0.3).raw_range == (-3, 3)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_number_is_shown_for_what_is_none(value: float) -> None:
    with pytest.raises(ValueError, match="not a number that can be shown"):
        POWER.to_raw(value)
    with pytest.raises(ValueError, match="not a number that can be shown"):
        LINK.to_raw(value)


def test_a_binary_is_0_or_1() -> None:
    assert [LINK.to_raw(value) for value in (0, 1, 7.5)] == [(0, None), (1, None), (1, None)]
    assert LINK.to_si(1) == 1.0
    assert LINK.raw_range == (0, 1)


@MANY
@given(scales, offsets, values, st.sampled_from(Positive), st.sampled_from([Unit.W, Unit.KW, Unit.MW]))
def test_there_and_back_is_within_half_a_scale(
    scale: float, offset: float, value: float, positive: Positive, unit: Unit
) -> None:
    row = replace(POWER, scale=scale, offset=offset, positive_means=positive, unit=unit, low=None, high=None)
    raw, clamped = row.to_raw(value)
    assume(clamped is None)
    noise = 1e-9 * (abs(value) + abs(offset) * unit.factor)
    assert abs(row.to_si(raw) - value) <= scale / 2 * unit.factor + noise


@MANY
@given(scales, offsets, st.integers(*INT32))
def test_an_integer_comes_back_as_itself(scale: float, offset: float, raw: int) -> None:
    row = replace(POWER, scale=scale, offset=offset, low=None, high=None)
    # Where the offset drowns the scale (more than the 53 bits of a float), nothing can.
    assume(abs(offset) / scale < 2**40)
    assert abs(row.to_raw(row.to_si(raw)).raw - raw) <= (0 if abs(offset) / scale < 2**20 else 1)


@MANY
@given(scales, values, values)
def test_scaling_keeps_the_order(scale: float, one: float, other: float) -> None:
    row = replace(POWER, scale=scale)
    low, high = sorted((one, other))
    assert row.to_raw(low).raw <= row.to_raw(high).raw


@MANY
@given(scales, st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), values)
def test_what_is_shown_lies_in_the_range(scale: float, one: float, other: float, value: float) -> None:
    low, high = sorted((one, other))
    row = replace(POWER, scale=scale, low=low, high=high)
    lowest, highest = row.raw_range
    assume(lowest <= highest)
    raw, clamped = row.to_raw(value)
    assert lowest <= raw <= highest
    assert (clamped == "low") <= (raw == lowest)
    assert (clamped == "high") <= (raw == highest)


def test_a_row_knows_its_series_and_what_it_is_in_raw_units() -> None:
    assert POWER.series == Series("feeder/F12/site/S1", PointKind.ALL, Quantity.POWER)
    assert not POWER.local
    assert POWER.deadband_raw == 10.0
    assert replace(POWER, scale=5.0).deadband_raw == 2.0
    assert POWER.max_rate_si_per_s == 50_000.0
    assert (LINK.series, LINK.local, LINK.max_rate_si_per_s) == (None, True, None)


def test_where_a_row_stood_does_not_make_it_another() -> None:
    assert replace(POWER, where="a:1") == replace(POWER, where="b:2")


def test_a_command_is_read_in_watts_and_mirrored_back() -> None:
    assert TARGET.to_si(15) == 1.5e6
    assert TARGET.to_raw(1.5e6) == (15, None)
    assert TARGET.raw_range == (-90, 90)
    assert [TARGET.in_range(raw) for raw in (-91, -90, 0.5, 90, 90.5, math.nan, math.inf)] == [
        False,
        True,
        True,
        True,
        False,
        False,
        False,
    ]


def test_every_quantity_has_a_meaning_and_is_local_or_published() -> None:
    assert set(MEANINGS) == set(Quantity)
    for quantity in Quantity:
        assert quantity.local == all(kind.local for kind in quantity.meaning.kinds)
        assert any(unit.dimension is quantity.meaning.dimension for unit in Unit)
    assert [quantity for quantity in Quantity if not quantity.local][-1] is Quantity.OLDEST_AGE


def test_every_state_of_an_intent_has_a_code_and_codes_never_change() -> None:
    assert set(COMMAND_STATE_CODES) == {"idle", *(state.value for state in IntentState)}
    assert list(COMMAND_STATE_CODES.values()) == list(range(13))
    assert COMMAND_STATE_CODES["following"] == 5
