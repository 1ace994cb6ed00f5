"""Each rule by an example, and the vectors that another project publishes for sharing by state of charge."""

from __future__ import annotations

import math

import pytest

from dermscore.dispatch import Allocation, BoundSource, Columns, Refused, allocate
from dermscore.dispatch.rules import (
    CAPACITY_SHARE,
    CURTAIL_BY_OUTPUT,
    CURTAIL_BY_RATING,
    HEADROOM,
    MERIT_ORDER,
    RULES,
    SOC_BALANCE,
)


def share(target_w: float, rule: str, **given: object) -> Allocation:
    names = {"ids": [f"{n}" for n in range(len(given["max_w"]))]}  # type: ignore[arg-type]
    columns = Columns.flat(**(names | {"min_w": [-w for w in given["max_w"]]} | given))  # type: ignore[arg-type, attr-defined]
    result = allocate(columns, columns.tree, columns.envelope(), target_w, rule)
    assert isinstance(result, Allocation)
    return result


def test_headroom_fills_all_to_the_same_part_of_their_room() -> None:
    assert share(6, HEADROOM, max_w=[4.0, 8]).setpoint_w == pytest.approx([2, 4])
    assert share(-3, HEADROOM, max_w=[4.0, 8], min_w=[-1.0, -5]).setpoint_w == pytest.approx([-0.5, -2.5])
    with_held = share(10, HEADROOM, max_w=[4.0, 8], min_w=[2.0, -5])
    assert with_held.delivered_w == pytest.approx(10)


def test_soc_balance_empties_and_fills_all_at_the_same_moment() -> None:
    window = {"max_w": [9.0, 9], "weight": [10.0, 10], "soc_wh": [8.0, 4], "efficiency": [1.0, 0.5]}
    assert share(5, SOC_BALANCE, **window).setpoint_w == pytest.approx([4, 1])
    assert share(-7, SOC_BALANCE, **window).setpoint_w == pytest.approx([-1, -6])
    empty = share(5, SOC_BALANCE, max_w=[9.0, 9], weight=10.0, soc_wh=[0.0, 4])
    assert empty.setpoint_w == pytest.approx([0, 5])
    unknown = share(4, SOC_BALANCE, max_w=[9.0, 9], weight=10.0, soc_wh=[math.nan, 5])
    assert unknown.setpoint_w == pytest.approx([2, 2])


def test_merit_order_takes_the_cheapest_whole_and_shares_among_equals() -> None:
    fleet = {"max_w": [4.0, 4, 8, 5], "cost": [2.0, 1, 2, 3]}
    result = share(10, MERIT_ORDER, **fleet)
    assert result.setpoint_w == pytest.approx([2, 4, 4, 0])
    assert {share.cause for share in result.shares} == {MERIT_ORDER}
    assert share(-10, MERIT_ORDER, **fleet).setpoint_w == pytest.approx([-2, -4, -4, 0])
    short = share(30, MERIT_ORDER, **fleet)
    assert short.shortfall_w == 9
    assert math.fsum(cause.w for cause in short.causes) == pytest.approx(9)


def test_curtailment_takes_away_by_rating_or_by_output() -> None:
    pv = {"max_w": [10.0, 10], "min_w": [0.0, 0], "output_w": [8.0, 4], "weight": 0.0}
    assert share(6, CURTAIL_BY_RATING, **pv).setpoint_w == pytest.approx([5, 1])
    assert share(2, CURTAIL_BY_RATING, **pv).setpoint_w == pytest.approx([2, 0])
    assert share(6, CURTAIL_BY_OUTPUT, **pv).setpoint_w == pytest.approx([4, 2])


def test_a_curtailment_cannot_give_more_than_there_is_and_never_turns_into_load() -> None:
    pv = {"max_w": [10.0, 10], "min_w": [-5.0, 0], "output_w": [8.0, math.nan]}
    more = share(11, CURTAIL_BY_OUTPUT, **pv)
    assert (more.delivered_w, more.shortfall_w) == (8, 3)
    assert [(cause.asset_id, cause.source) for cause in more.causes] == [("0", BoundSource.AVAILABLE)]
    assert more.causes[0].detail == "0: its available 8 W"
    assert share(-3, CURTAIL_BY_OUTPUT, **pv).delivered_w == 0


def test_what_has_no_claim_in_a_direction_stays_and_is_no_shortfall_of_the_rule() -> None:
    full = share(-4, SOC_BALANCE, max_w=[9.0, 9], weight=10.0, soc_wh=[10.0, 5])
    assert full.setpoint_w == pytest.approx([0, -4])
    nobody = share(5, SOC_BALANCE, max_w=[9.0], weight=10.0, soc_wh=[0.0])
    assert [(cause.source, cause.w) for cause in nobody.causes] == [(BoundSource.SOC, 5)]


@pytest.mark.parametrize("rule", sorted(RULES))
@pytest.mark.parametrize("weight", [1e-12, 1.0, 1e12])
def test_one_device_of_any_weight_takes_what_it_can(rule: str, weight: float) -> None:
    one = {"max_w": [4.0], "min_w": [0.0], "output_w": [4.0], "weight": [weight], "soc_wh": [weight / 2]}
    assert share(3, rule, **one).setpoint_w == pytest.approx([3])


@pytest.mark.parametrize(
    ("low_w", "high_w", "refused"),
    [(-5.0, 5.0, True), (0.0, 5.0, True), (2.0, 5.0, False), (-5.0, -2.0, False), (0.0, 0.0, False), (1.0, 1.0, False)],
)
def test_a_dead_band_in_reach_is_refused(low_w: float, high_w: float, refused: bool) -> None:
    fleet = Columns.flat(ids=["x"], min_w=low_w, max_w=high_w, dead_band_w=2.0)
    result = allocate(fleet, fleet.tree, fleet.envelope(), 3)
    assert isinstance(result, Refused) is refused
    if isinstance(result, Refused):
        assert "a dead band cannot be shared into: x (2 W); give it a setpoint by name" in result.reason


def test_many_dead_bands_are_named_in_part() -> None:
    fleet = Columns.flat(ids=list("abcde"), min_w=-5.0, max_w=5.0, dead_band_w=2.0)
    result = allocate(fleet, fleet.tree, fleet.envelope(), 3)
    assert isinstance(result, Refused)
    assert "a (2 W), b (2 W), c (2 W) and 2 more" in result.reason


# Of frequenz-sdk-python, test_battery_distribution_algorithm.py, "_distribute_power": capacity, usable charge, the
# smaller of the bounds of battery and inverter, power wanted; and what each gets.
@pytest.mark.parametrize(
    ("capacity", "usable_pct", "max_w", "target_w", "given", "left"),
    [
        ([98000.0], [40.0], [500.0], 650, [500], 150),
        ([98000.0, 98000], [40.0, 20], [500.0, 500], 600, [400, 200], 0),
        ([49000.0, 98000], [20.0, 20], [500.0, 500], 600, [200, 400], 0),
        ([49000.0, 98000], [40.0, 20], [250.0, 330], 600, [250, 330], 20),
        ([49000.0, 98000, 49000], [40.0, 20, 20], [1000.0, 1000, 1000], 1000, [400, 400, 200], 0),
        ([98000.0, 49000, 49000], [80.0, 10, 20], [400.0, 1000, 300], 1000, [400, 300, 300], 0),
        ([0.0, 49000, 0], [80.0, 10, 20], [500.0, 300, 300], 1000, [math.nan, 300, math.nan], 700),
    ],
)
def test_vectors_of_another_project(
    capacity: list[float], usable_pct: list[float], max_w: list[float], target_w: float, given: list[float], left: float
) -> None:
    soc_wh = [of * pct / 100 for of, pct in zip(capacity, usable_pct, strict=True)]
    result = share(target_w, SOC_BALANCE, max_w=max_w, weight=capacity, soc_wh=soc_wh)
    assert result.setpoint_w == pytest.approx(given, nan_ok=True)
    assert result.shortfall_w == pytest.approx(left, abs=1e-9)
    assert CAPACITY_SHARE in RULES
