"""Plans: physically right, inside every limit, the cheapest there is, and the myopic one beside it."""

from __future__ import annotations

import builtins
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import highspy
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dermscore.dispatch import Allocation, Controls, allocate, envelope
from dermscore.dispatch.limits import BoundSource, Limit
from dermscore.dispatch.schedule import Batteries, Bind, Plan, Prices, Refused, exact, plan
from dermscore.model import Asset, Fleet, Impairment, ImpairmentKind, Kind, Measurement, Now, Site, Snapshot
from dermscore.quality import GOOD

MANY = settings(max_examples=4_000 if os.environ.get("DERMS_SOAK") == "1" else 60, deadline=None)
METHODS = ("exact", "myopic")
MW = 1e6


def batteries(count: int = 1, **columns: object) -> Batteries:
    """2 MWh, +-1 MW, half full, one-way 0.9, on sites F0/S0, F1/S1, F0/S2, ..."""
    each: dict[str, Any] = {
        "ids": tuple(f"b{number}" for number in range(count)),
        "paths": tuple(f"F{number % 2}/S{number}" for number in range(count)),
        "capacity_wh": [2 * MW] * count,
        "soc_wh": [MW] * count,
        "min_soc_wh": [0.0] * count,
        "max_soc_wh": [2 * MW] * count,
        "end_soc_wh": [MW] * count,
        "min_w": [-MW] * count,
        "max_w": [MW] * count,
        "efficiency": [0.9] * count,
        "cost_per_mwh": [0.0] * count,
    }
    return Batteries(**(each | columns))


def planned(fleet: Batteries, **asked: Any) -> Plan:
    result = plan(fleet, **({"step_s": 3600} | asked))
    assert isinstance(result, Plan), result
    return result


def refusal(fleet: Batteries, **asked: Any) -> str:
    result = plan(fleet, **({"step_s": 3600} | asked))
    assert isinstance(result, Refused), result
    return result.reason


def megawatts(result: Plan, battery: int = 0) -> list[float]:
    return [float(w) / MW for w in result.power_w[:, battery]]


# Against prices


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


def test_binding_names_ratings_and_charges_with_what_they_are_worth() -> None:
    full = planned(batteries(max_soc_wh=[1.45 * MW]), prices=[20, 100]).binding(0)
    assert [(each.what, each.name, each.bound) for each in full] == [(Bind.FULL, "b0", 1.45 * MW)]
    assert full[0].value_per_mwh == pytest.approx(100 * 0.9 - 20 / 0.9)
    rated = planned(batteries(), prices=[20, 100]).binding(0)
    assert [(each.what, each.bound) for each in rated] == [(Bind.RATING, -MW)]
    assert rated[0].value_per_mwh == pytest.approx(100 * 0.81 - 20)
    empty = planned(batteries(), prices=[100, 20], step_s=7200).binding(0)
    assert [each.what for each in empty] == [Bind.EMPTY]
    assert [each.what for each in planned(batteries(), prices=[20, 100], method="myopic").binding(1)] == [Bind.EMPTY]
    myopic = planned(batteries(), prices=[20, 100], method="myopic").binding(0)
    assert [(each.what, each.value_per_mwh) for each in myopic] == [(Bind.RATING, None)]
    imports = [Limit("F0", "feeder", import_limit_w=0.5 * MW)]
    limited = planned(batteries(), prices=[20, 100], limits=imports).binding(0)
    assert [(each.what, each.name, each.bound) for each in limited] == [(Bind.IMPORT, "F0", -0.5 * MW)]
    with pytest.raises(IndexError, match="there is no interval 2; the plan has 2"):
        planned(batteries(), prices=[20, 100]).binding(2)


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


def test_paid_to_take_power_a_full_battery_still_cannot_burn_it() -> None:
    """A linear programme would charge and discharge at once; the plan does not, and says what that might have cost."""
    full = batteries(soc_wh=[2 * MW], end_soc_wh=[0.0])
    result = planned(full, prices=[-100])
    assert result.power_w == pytest.approx(np.zeros((1, 1)), abs=1.0)
    assert result.bound is not None
    assert result.bound < result.cost == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_paid_to_take_power_a_full_battery_gives_first_what_it_then_takes(method: Any) -> None:
    """What may not be burned in one interval may be lost over two; forbidding alone would not find it."""
    full = batteries(soc_wh=[2 * MW], end_soc_wh=[0.0])
    for prices in ([-100, -100], [-10, -100]):
        result = planned(full, prices=prices, method=method)
        assert megawatts(result) == pytest.approx([0.81, -1])


def test_where_the_myopic_plan_is_refused_the_exact_one_stands_alone() -> None:
    """Paid to take power, and a limit that only the battery keeps."""
    limits = [Limit("F0", "x", import_limit_w=0.0)]
    full = batteries(soc_wh=[2 * MW], end_soc_wh=[0.0])
    asked: dict[str, Any] = {"prices": [-100, -100], "limits": limits, "other_w": {"F0": [-0.1 * MW, 0.0]}}
    assert "only method='exact' can plan this" in refusal(full, method="myopic", **asked)
    assert planned(full, **asked).net_w[0] >= -1


def test_burning_may_be_left_to_those_that_prevail_in_giving() -> None:
    """With a wish to export in an interval, what burned beside it may no longer charge."""
    result = planned(batteries(soc_wh=[2 * MW]), target_w=[0.2 * MW, -MW, -MW])
    assert result.bound is not None
    assert result.bound < result.deviation_mwh
    given_w, soc_wh = device(batteries(soc_wh=[2 * MW]), result.power_w, 3600)
    assert given_w == pytest.approx(result.power_w, abs=1)
    assert soc_wh == pytest.approx(result.soc_wh, abs=1)


# Along a target


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


def test_of_those_that_deviate_least_the_cheapest() -> None:
    """The target asks nothing of the first two intervals, but the charge must be there in the third."""
    fleet = batteries(soc_wh=[0.0], end_soc_wh=[0.0])
    either = planned(fleet, target_w=[-0.5 * MW, -0.5 * MW, MW], prices=[10, 50, 10])
    assert either.shortfall_w == pytest.approx([0, 0, 0.19 * MW], abs=1)
    assert planned(batteries(2), target_w=[MW, 0.0]).bound == pytest.approx(2 / 0.81 * 0.5 * 0.81)
    lazy = planned(batteries(2, efficiency=[0.7, 1.0]), target_w=[MW / 2, -MW / 2])
    assert lazy.power_w == pytest.approx(np.array([[0, MW / 2], [0, -MW / 2]]), abs=1)


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


# Who takes part


def world(count: int, **more: Any) -> Snapshot:
    sites = {f"s{n}": Site(f"s{n}", f"S{n}", "here", f"F{n % 2}/S{n}") for n in range(count)}
    assets = {
        f"b{n}": Asset(
            f"b{n}", f"B{n}", f"s{n}", Kind.BATTERY, 80 * MW, 40 * MW, -40 * MW, 0.9, 1e6, 10, 90, "x", "d", 3.0
        )
        for n in range(count)
    }
    measurements = {name: Measurement(name, 0, 0.0, 40 * MW, 0.0, 0.0, None, GOOD) for name in assets}
    return Snapshot(Fleet(sites, assets), measurements, frozenset(assets), **more)


def test_batteries_are_read_of_the_snapshot() -> None:
    full = world(5, impaired={"b1": Impairment(ImpairmentKind.LOCKOUT), "b4": Impairment(ImpairmentKind.OUTAGE, "hot")})
    assets = dict(full.fleet.assets)
    assets["pv"] = Asset("pv", "PV", "s0", Kind.SOLAR, 0, MW, 0, 1, 1e6, 0, 100, "x", "d")
    measurements = {name: value for name, value in full.measurements.items() if name != "b2"}
    snapshot = Snapshot(Fleet(full.fleet.sites, assets), measurements, full.connected - {"b3"}, full.impaired)
    tree = snapshot.fleet.node("")
    assert tree is not None
    read = Batteries.of(tree, snapshot)
    assert (read.ids, read.paths) == (("b0",), ("F0/S0",))
    assert (read.soc_wh[0], read.end_soc_wh[0], read.min_soc_wh[0], read.cost_per_mwh[0]) == (40e6, 40e6, 8e6, 3)
    assert {each.asset_id: (each.source, each.detail) for each in read.excluded} == {
        "b1": (BoundSource.LOCKOUT, "B1: lockout"),
        "b2": (BoundSource.NEVER_HEARD, "nothing was ever heard of B2"),
        "b3": (BoundSource.DISCONNECTED, "B3 is not connected"),
        "b4": (BoundSource.OUTAGE, "B4: hot"),
    }
    assert planned(read, prices=[1, 2]).excluded == read.excluded
    unknown = Measurement("b0", 0, 0.0, None, 0.0, 0.0, None, GOOD)
    silent = Batteries.of(tree, Snapshot(snapshot.fleet, {"b0": unknown}, frozenset({"b0"})))
    assert silent.excluded[0].source is BoundSource.NOT_KNOWN
    assert refusal(silent, prices=[1]) == "there is no battery to plan"


# What is refused


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({}, "there is nothing to plan for: give prices, target_w or both"),
        ({"prices": [1, 2], "step_s": 0}, "step_s must be a number of seconds above 0"),
        ({"prices": [1, 2], "step_s": float("nan")}, "step_s must be a number of seconds above 0"),
        ({"prices": []}, "import_per_mwh must be a curve with one number for each interval"),
        ({"prices": 3.0}, "import_per_mwh must be a curve with one number for each interval"),
        ({"prices": [1, float("nan")]}, "import_per_mwh has something that is not a number in interval 1"),
        ({"prices": [1, 2], "target_w": [1]}, "target_w has 1 intervals, and import_per_mwh has 2"),
        (
            {"prices": [1], "other_w": {"F": [float("inf")]}},
            "other_w['F'] has something that is not a number in interval 0",
        ),
        (
            {"prices": Prices([1, 1], [1, 2])},
            "in interval 1 export earns more than import costs: both at once would pay without end",
        ),
        ({"prices": [1], "method": "best"}, "there is no method 'best'; there are: exact, myopic"),
        (
            {"prices": [1], "limits": [Limit("", "limits[0]", generation_limit_w=1)]},
            "limits[0]: a plan keeps export and import limits; it cannot keep generation_limit_w",
        ),
    ],
)
def test_what_is_asked_is_checked(asked: Any, reason: str) -> None:
    assert refusal(batteries(), **asked) == reason


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"ids": ("b", "b")}, "two batteries have the same id"),
        ({"soc_wh": [1.0]}, "soc_wh has 1 entries for 2 batteries"),
        ({"paths": ("a",)}, "paths has 1 entries for 2 batteries"),
        ({"soc_wh": [1.0, float("nan")]}, "soc_wh of b1 is not a number"),
        ({"max_w": [1.0, -1.0]}, "b1: min_w must be at most 0 and max_w at least 0"),
        ({"efficiency": [1.0, 0.0]}, "b1: efficiency must be above 0 and at most 1"),
        ({"min_soc_wh": [3 * MW, 0.0]}, "b0: min_soc_wh must be at least 0 and at most max_soc_wh"),
        ({"soc_wh": [0.0, -1.0]}, "b1: soc_wh must be at least 0"),
        ({"cost_per_mwh": [0.0, -1.0]}, "b1: cost_per_mwh must be at least 0"),
    ],
)
def test_batteries_are_checked(columns: Any, reason: str) -> None:
    assert refusal(batteries(2, **columns), prices=[1]) == reason


def test_what_contradicts_itself_is_refused() -> None:
    surplus: dict[str, Any] = {"limits": [Limit("F0", "x", export_limit_w=0.0)], "other_w": {"F0": [5 * MW]}}
    for more in ({"prices": [1]}, {"target_w": [0]}):
        assert "no plan keeps every limit" in refusal(batteries(), **surplus, **more)
    assert refusal(batteries(), **surplus, prices=[1], method="myopic") == (
        "without batteries the limits at F0 do not hold; only method='exact' can plan this"
    )
    assert "at the whole do not hold" in refusal(
        batteries(), limits=[Limit("", "x", import_limit_w=0.0)], other_w={"F0": [-1.0]}, prices=[1], method="myopic"
    )


def test_a_limit_that_only_burning_would_keep_is_refused() -> None:
    full = batteries(soc_wh=[2 * MW], end_soc_wh=[0.0])
    limits = [Limit("F0", "x", export_limit_w=0.0)]
    assert refusal(full, prices=[1], limits=limits, other_w={"F0": [0.1 * MW]}) == (
        "no plan was found that keeps every limit without a battery charging and discharging at once"
    )


def test_the_exact_plan_uses_batteries_to_keep_a_limit() -> None:
    limits = [Limit("F0", "x", export_limit_w=0.0)]
    result = planned(batteries(), prices=[50, 50], limits=limits, other_w={"F0": [0.5 * MW, -0.5 * MW]})
    assert result.net_w[0] == pytest.approx(0, abs=1)


def test_the_myopic_plan_says_where_it_falls_short() -> None:
    end = batteries(end_soc_wh=[2 * MW])
    assert refusal(end, prices=[1], method="myopic") == (
        "the myopic plan cannot bring b0 to what it must hold at the end"
    )
    limits = [Limit("F0", "x", import_limit_w=0.5 * MW)]
    must = batteries(end_soc_wh=[1.9 * MW])
    assert "cannot bring b0" in refusal(must, target_w=[0.0], limits=limits, method="myopic")


def test_without_the_solver_the_exact_plan_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("highspy"):
            raise ModuleNotFoundError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    assert "pip install 'derms[opt]'" in refusal(batteries(), prices=[20, 100])
    assert planned(batteries(), prices=[20, 100], method="myopic").cost < 0


def test_whoever_used_the_solver_before_changes_no_plan() -> None:
    """HiGHS has one pool of threads for a process, and refuses to run where another number of them is asked for."""
    for threads in (1, 2):
        highspy.Highs.resetGlobalScheduler(True)
        theirs = highspy.Highs()
        theirs.setOptionValue("output_flag", False)
        theirs.setOptionValue("threads", threads)
        theirs.addVar(0, 1)
        theirs.run()
        assert megawatts(planned(batteries(), prices=[20, 100])) == pytest.approx([-1, 0.81])
    highspy.Highs.resetGlobalScheduler(True)


def test_a_solver_that_fails_is_not_taken_for_a_contradiction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(exact._OPTIONS, "time_limit", 0.0)
    with pytest.raises(RuntimeError, match="neither a plan nor that there is none: kTimeLimit"):
        planned(batteries(20), prices=[float(price % 7) for price in range(40)])


def test_the_solver_is_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    planned(batteries(), target_w=[1.0], prices=[1.0])
    assert capfd.readouterr() == ("", "")


# Laws

names = st.sampled_from(["F0/S0", "F0/S1", "F1/S2", "F1/S3", "F2"])


@st.composite
def fleets(draw: st.DrawFn) -> Batteries:
    count = draw(st.integers(1, 5))

    def column(low: float, high: float) -> np.ndarray[Any, Any]:
        return np.array([draw(st.integers(0, 20)) / 20 * (high - low) + low for _ in range(count)])

    capacity = column(0.2, 4) * MW
    low, high = capacity * column(0, 0.4), capacity * column(0.6, 1)
    soc = low + (high - low) * column(0, 1)
    return batteries(
        count,
        paths=tuple(draw(names) for _ in range(count)),
        capacity_wh=capacity,
        min_soc_wh=low,
        max_soc_wh=high,
        soc_wh=soc,
        end_soc_wh=low + (soc - low) * column(0, 1),
        min_w=-column(0, 2) * MW,
        max_w=column(0, 2) * MW,
        efficiency=column(0.6, 1),
        cost_per_mwh=column(0, 5),
    )


@st.composite
def nested(draw: st.DrawFn) -> list[Limit]:
    some = st.none() | st.integers(0, 30).map(lambda tenth: tenth / 10 * MW)
    places = draw(st.lists(st.sampled_from(["", "F0", "F0/S0", "F1", "F1/S3"]), unique=True, max_size=4))
    return [Limit(place, place, export_limit_w=draw(some), import_limit_w=draw(some)) for place in places]


def curves(low: float, high: float) -> st.SearchStrategy[list[float]]:
    return st.lists(st.integers(-20, 20).map(lambda at: low + (high - low) * (at + 20) / 40), min_size=5, max_size=5)


def device(fleet: Batteries, power_w: Any, step_s: float) -> tuple[Any, Any]:
    """The device model of the requirements, one battery and one step at a time."""
    given_w, soc_wh = np.array(power_w), np.zeros((len(power_w) + 1, len(fleet.ids)))
    for at in range(len(fleet.ids)):
        soc = soc_wh[0, at] = fleet.soc_wh[at]
        for step, w in enumerate(power_w[:, at]):
            w = min(max(w, fleet.min_w[at]), fleet.max_w[at])
            energy = w * step_s / 3600
            soc += -energy / fleet.efficiency[at] if energy > 0 else -energy * fleet.efficiency[at]
            given_w[step, at], soc_wh[step + 1, at] = w, soc
    return given_w, soc_wh


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
@given(fleets(), curves(-5 * MW, 5 * MW), nested(), st.booleans())
def test_the_myopic_plan_is_never_worse_than_rest(
    fleet: Batteries, curve: list[float], limits: list[Limit], along_target: bool
) -> None:
    """Every trade pays, so none has to be undone: not against prices, and not along a target."""
    other_w = {"F0": [MW * (at % 3 - 1) for at in range(5)]}
    at_rest = np.array(other_w["F0"])
    if along_target:
        followed = plan(fleet, step_s=900, target_w=curve, limits=limits, other_w=other_w, method="myopic")
        assume(isinstance(followed, Plan))
        assert followed.deviation_mwh <= np.abs(np.array(curve) - at_rest).sum() / 4e6 + 1e-6
    else:
        prices = Prices(np.array(curve) / 1e5 + 5, np.array(curve) / 1e5 - 5)
        traded = plan(fleet, step_s=900, prices=prices, limits=limits, other_w=other_w, method="myopic")
        assume(isinstance(traded, Plan))
        assert traded.cost <= traded.problem.cost(np.zeros_like(traded.power_w)) + 1e-6


@MANY
@given(fleets(), curves(0, 5 * MW))
def test_where_nothing_is_recharged_no_plan_serves_longer_than_the_myopic(
    fleet: Batteries, target_w: list[float]
) -> None:
    spent = replace(fleet, end_soc_wh=fleet.min_soc_wh, min_w=np.zeros(len(fleet.ids)))
    exact, myopic = (planned(spent, step_s=900, target_w=target_w, method=method) for method in METHODS)
    assert myopic.deviation_mwh == pytest.approx(exact.bound, abs=1e-5)


def test_along_a_target_the_myopic_plan_misses_little_more_than_the_exact_one() -> None:
    """Of the energy asked for, over waves and noise, with and without limits: by what is missed beyond the least."""
    gaps = []
    for seed in range(24):
        generator = np.random.default_rng(seed)
        fleet, target_w = random_fleet(30, generator), random_target(seed, generator)
        limits = [Limit("", "all", export_limit_w=20 * MW, import_limit_w=15 * MW), Limit("F0", "x", 8 * MW, 9 * MW)]
        asked: dict[str, Any] = {"step_s": 300, "target_w": target_w, "limits": limits[: seed % 3]}
        exact, myopic = (planned(fleet, **asked, method=method) for method in METHODS)
        gaps.append((myopic.deviation_mwh - exact.deviation_mwh) / (np.abs(target_w).sum() / 12e6))
    assert max(gaps) < 0.02
    assert sum(gaps) / len(gaps) < 0.006


def random_fleet(count: int, generator: np.random.Generator) -> Batteries:
    """Of 1, 2 and 4 hours, each to end with what it begins with."""
    capacity = generator.uniform(0.5, 4, count) * MW
    rating, soc = capacity / generator.choice([1, 2, 4], count), capacity * generator.uniform(0.2, 0.8, count)
    return batteries(
        count, capacity_wh=capacity, soc_wh=soc, end_soc_wh=soc, min_soc_wh=capacity * 0.1, max_soc_wh=capacity * 0.9,
        min_w=-rating, max_w=rating, efficiency=generator.uniform(0.85, 0.97, count),
    )  # fmt: skip


def random_target(seed: int, generator: np.random.Generator) -> Any:
    times = np.arange(24) / 24
    wave = np.sin(2 * np.pi * times * (0.5, 1.5, 4)[seed % 3]) * (1, -1)[seed // 3 % 2]
    return 17 * MW * (wave + generator.normal(0, 0.3, 24))


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


COLUMNS = (
    *("capacity_wh", "soc_wh", "min_soc_wh", "max_soc_wh", "end_soc_wh", "min_w", "max_w", "efficiency"),
    "cost_per_mwh",
)


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


def test_the_reference_names_every_column_and_figure() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "schedule.md").read_text()
    inside = {"ids", "method", "step_s", "power_w", "soc_wh", "net_w", "cost", "bound", "excluded", "target_w"}
    for name in (*COLUMNS, *inside, "shortfall_w", "deviation_mwh", "binding(", "value_per_mwh", *METHODS):
        assert f"`{name}" in page, name
