"""Plans by either method: physically right, inside every limit, the exact one never beaten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dermscore.dispatch import Allocation, Controls, allocate, envelope
from dermscore.dispatch.limits import Limit
from dermscore.dispatch.schedule import Batteries, Bind, Plan, Prices
from dermscore.model import Now
from tests.dermscore.dispatch.schedule.plans import (
    COLUMNS,
    MANY,
    METHODS,
    MW,
    batteries,
    curves,
    device,
    fleets,
    megawatts,
    nested,
    planned,
    world,
)


@pytest.mark.parametrize("method", METHODS)
def test_buys_low_and_sells_high(method: Any) -> None:
    result = planned(batteries(), prices=[20, 100], method=method)
    assert megawatts(result) == pytest.approx([-1, 0.81])
    assert result.soc_wh[:, 0] == pytest.approx([MW, 1.9 * MW, MW])
    assert result.cost == pytest.approx(20 - 81)
    assert result.net_w == pytest.approx(result.power_w[:, 0])
    assert not result.shortfall_w.any()
    assert (result.method, result.step_s, result.ids) == (method, 3600, ("b0",))
    assert result.bound == (pytest.approx(-61) if method == "exact" else None)


@pytest.mark.parametrize("method", METHODS)
def test_rest_is_zero_and_not_minus_zero(method: Any) -> None:
    assert not np.signbit(planned(batteries(2), prices=[10, 10], method=method).power_w).any()


@pytest.mark.parametrize("method", METHODS)
def test_lends_its_charge_and_buys_it_back(method: Any) -> None:
    result = planned(batteries(), prices=[100, 20], method=method)
    assert megawatts(result) == pytest.approx([0.81, -1])


@pytest.mark.parametrize("method", METHODS)
def test_sells_what_it_need_not_keep_and_buys_what_it_lacks(method: Any) -> None:
    sold = planned(batteries(end_soc_wh=[0.0]), prices=[45, 50], method=method)
    assert megawatts(sold) == pytest.approx([0, 0.9])
    bought = planned(batteries(end_soc_wh=[1.9 * MW]), prices=[50, 30], method=method)
    assert megawatts(bought) == pytest.approx([0, -1])
    assert bought.cost == pytest.approx(30)


@pytest.mark.parametrize("method", METHODS)
def test_throughput_that_costs_more_than_it_earns_is_left(method: Any) -> None:
    assert megawatts(planned(batteries(cost_per_mwh=[50.0]), prices=[20, 100], method=method)) == [0, 0]
    worn = planned(batteries(cost_per_mwh=[10.0]), prices=[20, 100], method=method)
    assert worn.cost == pytest.approx(20 - 81 + 10 * 1.81)


@pytest.mark.parametrize("method", METHODS)
def test_own_use_is_worth_more_than_export(method: Any) -> None:
    """The load of 0.5 MW pays 100 for what it would import, the grid only 40 for more; what the sun spares costs 10."""
    asked: dict[str, Any] = {
        "prices": Prices([60, 100], [10, 40]),
        "other_w": {"F0/S0/load": [0.0, -0.5 * MW], "F1": [0.5 * MW, 0.0]},
    }
    result = planned(batteries(), **asked, method=method)
    bought = 0.5 / 0.81 - 0.5  # beyond what the sun gives
    assert megawatts(result) == pytest.approx([-0.5 - bought, 0.5])
    assert result.cost == pytest.approx(60 * bought)
    assert result.net_w == pytest.approx([-bought * MW, 0], abs=1)


@pytest.mark.parametrize("method", METHODS)
def test_a_limit_of_the_node_binds_and_the_better_battery_goes_first(method: Any) -> None:
    limits = [Limit("", "limits[0]: the connection", export_limit_w=0.5 * MW)]
    result = planned(batteries(2, efficiency=[0.8, 0.95]), prices=[20, 100], limits=limits, method=method)
    assert megawatts(result, 0) == pytest.approx([0, 0])
    assert megawatts(result, 1) == pytest.approx([-0.5 / 0.95**2, 0.5])
    (binding,) = [each for each in result.binding(1) if each.what is Bind.EXPORT]
    assert (binding.interval, binding.name, binding.source) == (1, "", "limits[0]: the connection")
    assert binding.bound == 0.5 * MW
    worth = 100 - 20 / 0.95**2  # one more MWh sold, less what was bought for it
    assert binding.value_per_mwh == (pytest.approx(worth) if method == "exact" else None)


@pytest.mark.parametrize("method", METHODS)
def test_limits_on_a_battery_and_of_the_charge(method: Any) -> None:
    limits = [
        Limit("b0", "a", export_limit_w=0.5 * MW, import_limit_w=0.25 * MW, ramp_w_per_s=1.0),
        Limit("F0", "b", soc_reserve_pct=40, soc_min_pct=10, soc_max_pct=60),
        Limit("elsewhere", "c", export_limit_w=0.0),
    ]
    result = planned(batteries(), prices=[100, 20, 25, 25, 25, 25, 100], limits=limits, method=method)
    assert result.power_w.max() <= 0.5 * MW
    assert result.power_w.min() == -0.25 * MW
    assert (round(result.soc_wh.min()), round(result.soc_wh.max())) == (0.8 * MW, 1.2 * MW)


def test_a_battery_outside_its_window_may_stay_but_goes_no_further() -> None:
    result = planned(batteries(min_soc_wh=[1.5 * MW]), prices=[100, 20])
    assert megawatts(result) == pytest.approx([0, 0])


@pytest.mark.parametrize("method", METHODS)
def test_paid_to_take_power_a_full_battery_gives_first_what_it_then_takes(method: Any) -> None:
    """What may not be burned in one interval may be lost over two; forbidding alone would not find it."""
    full = batteries(soc_wh=[2 * MW], end_soc_wh=[0.0])
    for prices in ([-100, -100], [-10, -100]):
        result = planned(full, prices=prices, method=method)
        assert megawatts(result) == pytest.approx([0.81, -1])


@pytest.mark.parametrize("method", METHODS)
def test_follows_a_target(method: Any) -> None:
    result = planned(batteries(2), target_w=[1.5 * MW, -1.2 * MW, -MW], prices=[5, 5, 5], method=method)
    assert result.net_w == pytest.approx([1.5 * MW, -1.2 * MW, -MW], abs=1)
    assert result.deviation_mwh == pytest.approx(0, abs=1e-5)
    assert result.cost == pytest.approx(5 * 0.7, abs=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_what_cannot_be_followed_is_the_shortfall(method: Any) -> None:
    limits = [Limit("F0", "feeder", export_limit_w=0.5 * MW)]
    asked: dict[str, Any] = {"target_w": [3 * MW, -3 * MW], "limits": limits, "other_w": {"F0": [0.1 * MW, 0.0]}}
    result = planned(batteries(2), **asked, method=method)
    assert result.power_w[0] == pytest.approx([0.4 * MW, 0.81 * MW], abs=1)
    assert result.shortfall_w == pytest.approx([1.69 * MW, -MW], abs=1)
    assert result.deviation_mwh == pytest.approx(2.69)


@pytest.mark.parametrize("method", METHODS)
def test_comes_back_to_what_it_must_hold(method: Any) -> None:
    result = planned(batteries(), target_w=[MW, 0.0], method=method)
    assert result.soc_wh[-1, 0] >= MW - 1
    assert planned(batteries(end_soc_wh=[1.9 * MW]), target_w=[MW], method=method).power_w == pytest.approx(-MW)


def test_one_interval_delivers_what_allocate_does() -> None:
    snapshot = world(3)
    tree = snapshot.fleet.node("")
    assert tree is not None
    limits = (Limit("F0", "feeder", export_limit_w=30 * MW, import_limit_w=25 * MW),)
    fleet = Batteries.of(tree, snapshot, end_soc_pct=0)
    for target_w in (0.0, 50 * MW, 75 * MW, 500 * MW, -60 * MW, -500 * MW):
        split = allocate(snapshot, tree, envelope(tree, snapshot, Controls(), limits, Now(0, 0)), target_w)
        assert isinstance(split, Allocation)
        for method in METHODS:
            result = planned(fleet, target_w=[target_w], step_s=60, limits=limits, method=method)
            assert result.net_w[0] == pytest.approx(split.delivered_w, abs=1)


def keeps_everything(result: Plan, fleet: Batteries, limits: Sequence[Limit], step_s: float) -> None:
    given_w, soc_wh = device(fleet, result.power_w, step_s)
    assert given_w == pytest.approx(result.power_w, abs=2)
    assert soc_wh == pytest.approx(result.soc_wh, abs=2)
    assert (soc_wh >= fleet.min_soc_wh - 2).all()
    assert (soc_wh <= fleet.max_soc_wh + 2).all()
    assert (soc_wh[-1] >= fleet.end_soc_wh - 10).all()
    for limit in limits:
        inside = [
            at for at, path in enumerate(fleet.paths) if not limit.node or f"{path}/".startswith(f"{limit.node}/")
        ]
        sums = result.power_w[:, inside].sum(axis=1)
        assert limit.export_limit_w is None or (sums <= limit.export_limit_w + 10).all()
        assert limit.import_limit_w is None or (sums >= -limit.import_limit_w - 10).all()


@MANY
@given(fleets(), curves(-40, 120), nested(), st.sampled_from([300, 900, 3600]), st.sampled_from([0, 10]))
def test_plans_against_prices_are_physical_and_the_myopic_is_never_cheaper(
    fleet: Batteries, prices: list[float], limits: list[Limit], step_s: float, spread: float
) -> None:
    both = Prices(prices, [price - spread for price in prices])
    exact, myopic = (planned(fleet, step_s=step_s, prices=both, limits=limits, method=method) for method in METHODS)
    for each in (exact, myopic):
        keeps_everything(each, fleet, limits, step_s)
    assert exact.bound is not None
    assert exact.cost >= exact.bound - 1e-3
    assert myopic.cost >= exact.cost - 1e-3
    if min(prices) - spread > 0:
        assert exact.cost == pytest.approx(exact.bound, abs=1e-3)


@MANY
@given(fleets(), curves(-5 * MW, 5 * MW), nested(), st.sampled_from([300, 3600]))
def test_plans_along_a_target_are_physical_and_the_myopic_deviates_no_less(
    fleet: Batteries, target_w: list[float], limits: list[Limit], step_s: float
) -> None:
    exact, myopic = (
        planned(fleet, step_s=step_s, target_w=target_w, limits=limits, method=method) for method in METHODS
    )
    for each in (exact, myopic):
        keeps_everything(each, fleet, limits, step_s)
        assert each.net_w + each.shortfall_w == pytest.approx(np.array(target_w))
    assert exact.bound is not None
    assert exact.deviation_mwh >= exact.bound - 1e-4
    assert myopic.deviation_mwh >= exact.deviation_mwh - 1e-4


@MANY
@given(fleets(), curves(5, 120), nested(), st.randoms(use_true_random=False))
def test_the_order_of_the_batteries_does_not_matter(
    fleet: Batteries, prices: list[float], limits: list[Limit], random: Any
) -> None:
    order = list(range(len(fleet.ids)))
    random.shuffle(order)
    columns = {name: getattr(fleet, name)[order] for name in COLUMNS}
    names = {name: tuple(getattr(fleet, name)[at] for at in order) for name in ("ids", "paths")}
    other = Batteries(**names, **columns)
    for method in METHODS:
        one, two = (planned(each, prices=prices, limits=limits, method=method) for each in (fleet, other))
        assert one.cost == two.cost
        assert (one.power_w[:, order] == two.power_w).all()


@MANY
@given(fleets(), st.integers(1, 100), nested())
def test_where_the_price_never_changes_a_lossy_battery_rests(fleet: Batteries, price: int, limits: list[Limit]) -> None:
    assume((fleet.efficiency < 1).all())
    kept = Batteries(
        fleet.ids, fleet.paths, *(getattr(fleet, name) for name in COLUMNS[:4]), fleet.soc_wh,
        *(getattr(fleet, name) for name in COLUMNS[5:]),
    )  # fmt: skip
    for method in METHODS:
        assert abs(planned(kept, prices=[price] * 4, limits=limits, method=method).power_w).max() < 1
