"""Each rule by an example, and the vectors that another project publishes for sharing by state of charge."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from dermscore.dispatch import Allocation, BoundSource, Columns, Limit, Refused, allocate, explain
from dermscore.dispatch.allocation.names import (
    CAPACITY_SHARE,
    CURTAIL_BY_OUTPUT,
    CURTAIL_BY_RATING,
    HEADROOM,
    MERIT_ORDER,
    SOC_BALANCE,
)
from dermscore.dispatch.allocation.rules import RULES

ROOT: Final = Path(__file__).parents[4]
NONE: Final = math.nan


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


def test_merit_order_alone_is_told_beside_what_a_limit_leaves_of_it() -> None:
    fleet = Columns.flat(ids=["a", "b", "c"], min_w=-50.0, max_w=[50.0, 50, 0], cost=[3.0, 1, 2], at=["F", "F", "G"])
    bounds = fleet.envelope([Limit("F", "agreement", export_limit_w=60.0, import_limit_w=60.0)])
    result = allocate(fleet, fleet.tree, bounds, 70, MERIT_ORDER)
    assert isinstance(result, Allocation)
    assert [(each.raw_w, each.setpoint_w) for each in result.shares] == [(20, 10), (50, 50), (0, 0)]
    assert explain(result, "a") == (
        "a is asked for 10 W instead of 20 W, its merit order of the 70 W wanted at the whole fleet: "
        "agreement: export 60 W, at F."
    )
    down = allocate(fleet, fleet.tree, bounds, -120, MERIT_ORDER)
    assert isinstance(down, Allocation)
    assert [(each.raw_w, each.setpoint_w) for each in down.shares] == [(-20, -10), (-50, -50), (-50, -50)]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (CAPACITY_SHARE, "c has no capacity share"),
        (MERIT_ORDER, "c takes no part in merit order: its weight is 0"),
        (CURTAIL_BY_OUTPUT, "c takes no part in curtailment by output: it has no output that could be curtailed"),
    ],
)
def test_why_somebody_takes_no_part_is_said(rule: str, words: str) -> None:
    result = share(3, rule, ids=["a", "c"], max_w=[5.0, 5], weight=[1.0, 0], output_w=[5.0, math.nan])
    assert [each.detail for each in result.excluded] == [words]


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


# Of frequenz-sdk-python, test_battery_distribution_algorithm.py: every distribution among batteries that have an
# inverter each and no exclusion bounds. Exponent; of each battery the capacity, the percent of it to give (or to take),
# the smaller of the bounds of battery and inverter; what is asked, what each gets, and what remains.
VECTORS: Final = [
    (0.0, [98000, 98000, 98000], [36, 16, 9], [9000, 9000, 9000], 1200, [400, 400, 400], 0),
    (0.0, [98000, 98000], [36, 16], [9000, 9000], 1000, [500, 500], 0),
    (0.5, [98000, 98000, 98000], [36, 16, 9], [9000, 9000, 9000], 1300, [600, 400, 300], 0),
    (0.5, [98000, 98000], [36, 16], [9000, 9000], 1000, [600, 400], 0),
    (1.0, [98000], [40], [500], 650, [500], 150),
    (1.0, [98000, 98000], [40, 20], [500, 500], 600, [400, 200], 0),
    (1.0, [49000, 98000], [20, 20], [500, 500], 600, [200, 400], 0),
    (1.0, [49000, 98000], [40, 20], [250, 330], 600, [250, 330], 20),
    (1.0, [49000, 98000, 49000], [40, 20, 20], [1000, 1000, 1000], 1000, [400, 400, 200], 0),
    (1.0, [98000, 49000, 49000], [80, 10, 20], [400, 1000, 300], 1000, [400, 300, 300], 0),
    (1.0, [0, 49000, 0], [80, 10, 20], [500, 300, 300], 1000, [NONE, 300, NONE], 700),
    (1.0, [49000, 49000, 49000], [20, 40, 60], [900, 700, 900], 1200, [200, 400, 600], 0),
    (1.0, [98000, 49000, 49000], [20, 40, 60], [900, 700, 900], 1400, [400, 400, 600], 0),
    (1.0, [98000, 49000, 49000], [20, 40, 60], [600, 100, 800], 1700, [600, 100, 800], 200),
    (1.0, [98000, 49000, 0], [0, 40, 0], [600, 100, 800], 1700, [0, 100, NONE], 1600),
    (1.0, [98000, 98000], [25, 5], [600, 600], 600, [500, 100], 0),
    (1.0, [98000, 98000], [75, 55], [600, 600], 600, [346.1538, 253.8462], 0),
    (1.0, [98000, 49000, 49000], [0, 40, 60], [600, 100, 800], 1700, [0, 100, 800], 800),
    (1.0, [98000, 49000, 49000], [60, 0.4, 0], [500, 600, 800], 500, [498.3389, 1.6611, 0], 0),
    (1.0, [98000, 98000], [5, 25], [600, 600], 600, [100, 500], 0),
    (1.0, [98000, 98000], [10, 30], [9000, 9000], 8000, [2000, 6000], 0),
    (1.0, [98000, 98000], [30, 60], [9000, 9000], 900, [300, 600], 0),
    (1.0, [98000, 98000], [30, 60], [9000, 9000], 8000, [2666.6667, 5333.3333], 0),
    (1.0, [98000, 98000, 98000], [30, 45, 60], [9000, 9000, 9000], 8000, [1777.7778, 2666.6667, 3555.5556], 0),
    (2.0, [98000, 98000], [10, 30], [9000, 9000], 8000, [800, 7200], 0),
    (2.0, [98000, 98000], [30, 60], [9000, 9000], 900, [180, 720], 0),
    (2.0, [98000, 98000], [30, 60], [9000, 9000], 8000, [1600, 6400], 0),
    (2.0, [98000, 98000, 98000], [30, 45, 60], [9000, 9000, 9000], 8000, [1103.4483, 2482.7586, 4413.7931], 0),
    (3.0, [98000, 98000], [10, 30], [9000, 9000], 8000, [285.7143, 7714.2857], 0),
    (3.0, [98000, 98000], [30, 60], [9000, 9000], 900, [100, 800], 0),
    (3.0, [98000, 98000], [30, 60], [9000, 9000], 8000, [888.8889, 7111.1111], 0),
    (3.0, [98000, 98000, 98000], [30, 45, 60], [9000, 9000, 9000], 8000, [646.4646, 2181.8182, 5171.7172], 0),
]


@pytest.mark.parametrize(("exponent", "capacity", "usable_pct", "max_w", "target_w", "given", "left"), VECTORS)
def test_vectors_of_another_project(
    exponent: float,
    capacity: list[float],
    usable_pct: list[float],
    max_w: list[float],
    target_w: float,
    given: list[float],
    left: float,
) -> None:
    usable_wh = [of * pct / 100 for of, pct in zip(capacity, usable_pct, strict=True)]
    full_wh = [of - usable for of, usable in zip(capacity, usable_wh, strict=True)]
    weight = [of * pct**exponent for of, pct in zip(capacity, usable_pct, strict=True)]
    by_weight = share(target_w, CAPACITY_SHARE, max_w=max_w, weight=weight)
    assert np.nan_to_num(by_weight.setpoint_w) == pytest.approx(np.nan_to_num(given), abs=1e-4)
    assert by_weight.shortfall_w == pytest.approx(left, abs=1e-9)
    if exponent == 1:
        down = share(target_w, SOC_BALANCE, max_w=max_w, weight=capacity, soc_wh=usable_wh)
        assert down.setpoint_w == pytest.approx(given, nan_ok=True, abs=1e-4)
        assert down.shortfall_w == pytest.approx(left, abs=1e-9)
        up = share(-target_w, SOC_BALANCE, max_w=max_w, weight=capacity, soc_wh=full_wh)
        assert up.setpoint_w == pytest.approx([-w for w in given], nan_ok=True, abs=1e-4)
        assert up.shortfall_w == pytest.approx(-left, abs=1e-9)


# Where a battery is bound and several others have room: docs/reference/allocation.md tells why ours is another answer.
@pytest.mark.parametrize(
    ("charge", "max_w", "target_w", "theirs", "ours"),
    [
        ([2, 2, 3], [600, 100, 800], 1400, [500, 100, 800], [520, 100, 780]),
        ([3, 2, 1], [1000, 1000, 1000], 2200, [1000, 833.33, 366.67], [1000, 800, 400]),
        ([2, 2, 3], [1000, 1000, 1000], 2500, [785.71, 714.29, 1000], [750, 750, 1000]),
        ([2, 2, 3], [1000, 1000, 1000], 2800, [800, 1000, 1000], [900, 900, 1000]),
    ],
)
def test_what_a_bound_battery_cannot_take_all_the_others_share(
    charge: list[float], max_w: list[float], target_w: float, theirs: list[float], ours: list[float]
) -> None:
    result = share(target_w, SOC_BALANCE, max_w=max_w, weight=10.0, soc_wh=charge)
    assert result.setpoint_w == pytest.approx(ours)
    assert sum(theirs) == pytest.approx(result.delivered_w)
    free = [w / of for w, of, most in zip(result.setpoint_w, charge, max_w, strict=True) if w < most]
    assert all(level == pytest.approx(free[0]) for level in free)
    page = " ".join((ROOT / "docs" / "reference" / "allocation.md").read_text("utf-8").split())
    for figures in (theirs, ours):
        assert ", ".join(f"{w:.6g}" for w in figures) in page


def test_batteries_behind_one_inverter_are_a_node_with_a_limit() -> None:
    pair = Columns.flat(
        ids=["a", "b"], min_w=-500.0, max_w=500.0, weight=[49e3, 98e3], soc_wh=[9.8e3, 29.4e3], at=["inverter"] * 2
    )
    bounds = pair.envelope([Limit("inverter", "its rating", export_limit_w=500.0)])
    result = allocate(pair, pair.tree, bounds, 600.0, SOC_BALANCE)
    assert isinstance(result, Allocation)
    assert (result.delivered_w, result.shortfall_w) == pytest.approx((500, 100))
