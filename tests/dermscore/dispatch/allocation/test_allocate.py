"""The split: nothing lost, no bound broken, as much delivered as can be, in any order, every watt accounted for."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dermscore.dispatch import (
    Allocation,
    BoundSource,
    Columns,
    Control,
    Controls,
    Envelope,
    Limit,
    Mode,
    Refused,
    allocate,
    envelope,
    explain,
)
from dermscore.dispatch.allocation.rules import RULES
from dermscore.model import Asset, Fleet, Kind, Measurement, Node, Now, Site, Snapshot
from dermscore.quality import GOOD

MANY = settings(max_examples=10_000 if os.environ.get("DERMS_SOAK") == "1" else 200, deadline=None)
NOW = Now(0, 0)
SITE = Site("s1", "S1", "here", "S1")


def battery(name: str, capacity_mwh: float = 100, max_mw: float = 40, min_mw: float = -40) -> Asset:
    return Asset(
        name, name, "s1", Kind.BATTERY, capacity_mwh * 1e6, max_mw * 1e6, min_mw * 1e6, 0.9, 1e6, 0, 100, "x", "default"
    )


def world(
    *assets: Asset, away: Sequence[str] = (), silent: Sequence[str] = (), soc_pct: float = 50
) -> tuple[Snapshot, Node, Envelope]:
    fleet = Fleet({"s1": SITE}, {asset.id: asset for asset in assets})
    measurements = {
        asset.id: Measurement(asset.id, 0, 0.0, asset.capacity_wh * soc_pct / 100, 0.0, 0.0, None, GOOD)
        for asset in assets
        if asset.id not in silent
    }
    snapshot = Snapshot(fleet, measurements, frozenset(fleet.assets) - frozenset(away))
    node = fleet.node("S1") or Node("S1", ())
    return snapshot, node, envelope(node, snapshot, Controls(), (), NOW)


def split(target_mw: float, *assets: Asset, **more: object) -> Allocation:
    result = allocate(*world(*assets, **more), target_mw * 1e6)  # type: ignore[arg-type]
    assert isinstance(result, Allocation)
    return result


def megawatts(allocation: Allocation) -> dict[str, float]:
    return {share.asset_id: share.setpoint_w / 1e6 for share in allocation.shares}


A, B, C = battery("a", 80), battery("b", 120), battery("c", 200)


def test_by_capacity() -> None:
    result = split(40, A, B, C)
    assert megawatts(result) == pytest.approx({"a": 8, "b": 12, "c": 20})
    assert not any(share.clamped for share in result.shares)
    assert {share.cause for share in result.shares} == {"capacity share"}
    assert (result.delivered_w, result.shortfall_w, result.causes) == (40e6, 0, ())


def test_what_one_cannot_take_the_others_share() -> None:
    result = split(100, A, B, C)
    assert megawatts(result) == pytest.approx({"a": 24, "b": 36, "c": 40})
    by_id = {share.asset_id: share for share in result.shares}
    assert by_id["c"].raw_w == pytest.approx(50e6)
    assert by_id["c"].cause == "its rating of 40 MW"
    assert by_id["a"].cause == "takes 4 MW because others are bound"
    assert all(share.clamped for share in result.shares)
    assert result.shortfall_w == 0


def test_charging_is_the_mirror() -> None:
    assert megawatts(split(-100, A, B, C)) == pytest.approx({"a": -24, "b": -36, "c": -40})


def test_what_cannot_be_placed_is_reported_with_its_causes() -> None:
    result = split(150, A, B, C)
    assert (result.delivered_w, result.shortfall_w) == (120e6, 30e6)
    assert math.fsum(cause.w for cause in result.causes) == pytest.approx(30e6)
    assert {(cause.asset_id, cause.source) for cause in result.causes} == {
        ("b", BoundSource.RATING),
        ("c", BoundSource.RATING),
    }


def test_a_shortfall_is_laid_at_the_door_of_who_is_missing() -> None:
    result = split(60, battery("a"), battery("b"), away=["b"])
    (cause,) = result.causes
    assert (cause.asset_id, cause.w, cause.detail) == ("b", 20e6, "b is not connected")
    assert [excluded.asset_id for excluded in result.excluded] == ["b"]
    surplus = split(-60, battery("a"), battery("b"), silent=["b"])
    assert surplus.shortfall_w == -20e6
    assert surplus.causes[0].source is BoundSource.NEVER_HEARD


@pytest.mark.parametrize("small_w", [5.0, 100.0])
def test_a_shortfall_is_laid_at_the_outermost_limit_that_binds(small_w: float) -> None:
    fleet = Columns.flat(ids=["a", "b"], min_w=0.0, max_w=[small_w, 100.0], at=["S1", "S2"])
    limits = [Limit("", "the feeder", export_limit_w=50.0), Limit("S1", "the site", export_limit_w=5.0)]
    result = allocate(fleet, fleet.tree, fleet.envelope(limits), 60)
    assert isinstance(result, Allocation)
    assert [(cause.node, cause.w) for cause in result.causes] == [("", 10)]  # a larger `a` would bring nothing


def test_what_would_be_lacking_without_the_outer_limit_is_laid_further_in() -> None:
    fleet = Columns.flat(ids=["a", "b", "c"], min_w=0.0, max_w=[100.0, 30.0, 100.0], at=["F1/S1", "F1/S2", "F2/S3"])
    limits = [Limit("F1", "the feeder", export_limit_w=20.0), Limit("F1/S1", "the site", export_limit_w=5.0)]
    result = allocate(fleet, fleet.tree, fleet.envelope(limits), 300)
    assert isinstance(result, Allocation)
    assert {cause.node or cause.asset_id: cause.w for cause in result.causes} == pytest.approx(
        {"F1": 15, "F1/S1": 95, "b": 70}
    )


def test_only_a_node_with_a_limit_is_to_blame() -> None:
    plants = ["mill", "quarry A", "quarry B"]
    fleet = Columns.flat(
        ids=plants, min_w=0.0, max_w=[8e6, 6e6, 4e6], output_w=[7.2e6, 5.4e6, 2.8e6], at=["F7/mill", *["F7/quarry"] * 2]
    )
    limits = [Limit("F7", "the feeder", export_limit_w=11.5e6), Limit("F7/quarry", "the site", export_limit_w=8e6)]
    result = allocate(fleet, fleet.tree, fleet.envelope(limits), 15.4e6, "curtailment by output")
    assert isinstance(result, Allocation)
    assert {cause.node: cause.w for cause in result.causes} == pytest.approx({"F7": 3.7e6, "F7/quarry": 0.2e6})


@pytest.mark.parametrize("target_w", [0.0, 1.0, -1.0, 500.0, -500.0, 5e3, -5e3])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_limit_that_binds_against_the_target_is_named_all_the_same(target_w: float, sign: float) -> None:
    """One that must run breaks the limit of its node, and the other is moved against that, whatever is wanted."""
    low_w, high_w = sorted((-5e3 * sign, -1e3 * sign))
    fleet = Columns.flat(
        ids=["free", "must"], min_w=[-9e3, low_w], max_w=[9e3, high_w], weight=[1, 1], at=["N/A", "N/B"]
    )
    limits = [Limit("N", "agreement", import_limit_w=0.0), Limit("N", "agreement", export_limit_w=0.0)]
    made = fleet.envelope([limits[0 if sign > 0 else 1]])
    result = allocate(fleet, fleet.tree, made, target_w)
    assert isinstance(result, Allocation)
    share = result.share("free")
    assert share is not None
    if target_w * sign <= 0:
        assert share.setpoint_w == 1e3 * sign
        assert share.cause == f"agreement: {'import' if sign > 0 else 'export'} 0 W, at N"
    else:
        assert share.cause.endswith("because others are bound")
    assert all(each.detail.partition(":")[0] for each in result.causes)


def test_what_is_made_up_for_others_with_nothing_wanted_is_taken() -> None:
    fleet = Columns.flat(ids=["free", "must"], min_w=[-9e3, -2e3], max_w=[9e3, -1e3], weight=[1, 1])
    result = allocate(fleet, fleet.tree, fleet.envelope(), 0.0)
    assert isinstance(result, Allocation)
    assert [share.cause for share in result.shares] == ["takes 1 kW because others are bound", "its bound of -1 kW"]


def test_an_empty_battery_is_bound_by_its_charge() -> None:
    result = split(10, battery("a"), soc_pct=0)
    assert result.causes[0].source is BoundSource.SOC
    assert result.shares[0].cause == "0 W: its state of charge is at its minimum of 0 %"


def test_with_nobody_there_all_is_shortfall() -> None:
    (cause,) = split(10, battery("a"), away=["a"]).causes
    assert (cause.asset_id, cause.w, cause.source) == ("a", 10e6, BoundSource.DISCONNECTED)
    nobody = split(10)
    assert (nobody.shares, nobody.delivered_w, nobody.shortfall_w) == ((), 0, 10e6)
    assert nobody.causes[0].source is BoundSource.NO_ASSETS
    assert nobody.causes[0].w == 10e6


def test_without_capacity_there_is_no_share() -> None:
    solar = replace(battery("p", 0), kind=Kind.SOLAR)
    result = split(10, solar, battery("a"))
    assert megawatts(result) == {"a": 10}
    assert result.excluded[0].source is BoundSource.NO_SHARE
    assert split(10, solar).causes[0].source is BoundSource.NO_ASSETS


@pytest.mark.parametrize("target_w", [math.nan, math.inf, -math.inf])
def test_a_target_that_is_not_a_number_is_refused(target_w: float) -> None:
    assert allocate(*world(A), target_w) == Refused("the target is not a number")


def test_an_envelope_of_another_fleet_or_moment_is_refused() -> None:
    refused = Refused("the envelope was made of another fleet, or of another moment: make it anew")
    snapshot, node, bounds = world(A, B)
    later = replace(snapshot, connected=frozenset({"a"}))
    assert allocate(later, node, bounds, 1.0) == refused
    assert isinstance(allocate(replace(snapshot), node, bounds, 1.0), Allocation)
    one, other = (Columns.flat(ids=ids, min_w=-5.0, max_w=5.0) for ids in (["a", "b"], ["c", "d", "e"]))
    assert allocate(other, other.tree, one.envelope(), 3.0) == refused


def test_an_unknown_rule_is_refused_and_the_known_are_named() -> None:
    assert allocate(*world(A), 1.0, "by colour") == Refused(
        f"there is no rule 'by colour'; there are: {', '.join(sorted(RULES))}"
    )


def held(w: float) -> Controls:
    """Asset a is held at `w` by a higher program."""
    wish = Control("a", Mode.TARGET_W, w, "d0", "scada", 1, 0, 0, None)
    return Controls({("a", Mode.TARGET_W): wish})


def split_held(w: float, target_w: float, *assets: Asset) -> Allocation:
    snapshot, node, _ = world(*assets)
    result = allocate(snapshot, node, envelope(node, snapshot, held(w), (), NOW), target_w)
    assert isinstance(result, Allocation)
    return result


def test_an_asset_held_elsewhere_stays_and_the_rest_makes_up_for_it() -> None:
    result = split_held(-10e6, 30e6, battery("a"), battery("b"), battery("c"))
    assert megawatts(result) == pytest.approx({"a": -10, "b": 20, "c": 20})
    assert result.shares[0].cause == "held by dispatch d0 (program scada, primacy 1)"
    assert [share.held for share in result.shares] == [True, False, False]
    result = split_held(30e6, 40e6, battery("a"), battery("b"), battery("c"))
    assert megawatts(result) == pytest.approx({"a": 30, "b": 5, "c": 5})
    assert result.shares[1].cause == "leaves 8.33333 MW because others are bound"


def test_who_is_held_is_not_asked_even_where_the_rule_would_give_the_same() -> None:
    result = split_held(10e6, 30e6, battery("a"), battery("b"), battery("c"))
    assert [share.setpoint_w for share in result.shares] == [10e6, 10e6, 10e6]
    assert explain(result, "a") == (
        "a stays at 10 MW and is not asked for its capacity share of the 30 MW wanted at S1: "
        "held by dispatch d0 (program scada, primacy 1)."
    )
    assert explain(result, "b") == "b is asked for 10 MW, its capacity share of the 30 MW wanted at S1."


def test_too_much_held_is_an_excess_with_its_cause() -> None:
    result = split_held(30e6, 10e6, battery("a"), battery("b", min_mw=0))
    assert (result.delivered_w, result.shortfall_w) == (30e6, -20e6)
    assert [(cause.asset_id, cause.w) for cause in result.causes] == [("a", -20e6)]


def test_every_asset_is_explained_in_one_sentence_with_units() -> None:
    solar = replace(battery("p", 0), kind=Kind.SOLAR)
    result = split(100, A, B, C, battery("d"), solar, away=["d"])
    assert explain(result, "c") == (
        "c is asked for 40 MW instead of 50 MW, its capacity share of the 100 MW wanted at S1: its rating of 40 MW."
    )
    assert explain(result, "d") == "d is asked for nothing of the 100 MW wanted at S1: d is not connected."
    assert explain(result, "p") == "p is asked for nothing of the 100 MW wanted at S1: p has no capacity share."
    assert explain(result, "z") == "z has no part in the 100 MW wanted at S1: it is not below that node."
    small = split(0.0005, A)
    assert explain(small, "a") == "a is asked for 500 W, its capacity share of the 500 W wanted at S1."
    assert "the whole fleet" in explain(replace(small, path=""), "a")
    named = split(0.0005, replace(A, name="Jersey battery 1"))
    assert explain(named, "a").startswith("Jersey battery 1 is asked for 500 W")


def test_a_refused_split_is_explained_by_its_reason() -> None:
    assert explain(Refused("the target is not a number"), "a") == "a is asked for nothing: the target is not a number."


# --- properties ---

# Mostly bounds on either side of 0 as ratings are, some held at one value, some all on one side.
ONE_BOUNDS = st.one_of(
    st.tuples(st.floats(-1e8, 0), st.floats(0, 1e8)),
    st.floats(-1e8, 1e8).map(lambda w: (w, w)),
    st.tuples(st.floats(-1e8, 1e8), st.floats(-1e8, 1e8)).map(lambda two: (min(two), max(two))),
)
MEMBERS = st.lists(st.tuples(st.floats(1e-3, 1e12), ONE_BOUNDS), min_size=1, max_size=12)
TARGETS = st.one_of(st.sampled_from([0.0, 1e-300, -1e300]), st.floats(-2e9, 2e9), st.floats(-1e3, 1e3))


def fill(
    members: Sequence[tuple[float, tuple[float, float]]], target_w: float, order: Sequence[int] | None = None
) -> Allocation:
    given = list(range(len(members))) if order is None else list(order)
    fleet = Columns.flat(
        ids=[f"a{n:02}" for n in given],
        min_w=[members[n][1][0] for n in given],
        max_w=[members[n][1][1] for n in given],
        weight=[members[n][0] for n in given],
    )
    result = allocate(fleet, fleet.tree, fleet.envelope(), target_w)
    assert isinstance(result, Allocation)
    return result


def scale_w(members: Sequence[tuple[float, tuple[float, float]]], target_w: float) -> float:
    """What rounding is measured against: the powers that were summed."""
    return abs(target_w) + math.fsum(max(abs(low), abs(high)) for _, (low, high) in members)


@MANY
@given(members=MEMBERS, target_w=TARGETS)
def test_sum_and_shortfall_are_the_target_and_no_bound_is_broken(
    members: list[tuple[float, tuple[float, float]]], target_w: float
) -> None:
    result = fill(members, target_w)
    placed = math.fsum(share.setpoint_w for share in result.shares)
    assert placed + result.shortfall_w == pytest.approx(target_w, rel=1e-9, abs=1e-12 * scale_w(members, target_w))
    assert result.delivered_w == pytest.approx(placed, rel=1e-12, abs=1e-12 * scale_w(members, 0))
    for share, (_, (low, high)) in zip(result.shares, members, strict=True):
        assert low <= share.setpoint_w <= high
    assert math.fsum(cause.w for cause in result.causes) == pytest.approx(result.shortfall_w)
    assert all(math.copysign(1, cause.w) == math.copysign(1, result.shortfall_w) for cause in result.causes)
    assert all(cause.asset_id for cause in result.causes)


@MANY
@given(members=MEMBERS, target_w=TARGETS)
def test_as_much_is_delivered_as_the_bounds_allow(
    members: list[tuple[float, tuple[float, float]]], target_w: float
) -> None:
    lowest = math.fsum(low for _, (low, _) in members)
    highest = math.fsum(high for _, (_, high) in members)
    best = min(max(target_w, lowest), highest)
    result = fill(members, target_w)
    assert result.delivered_w == pytest.approx(best, rel=1e-9, abs=1e-9 * scale_w(members, 0))
    if abs(best - target_w) <= 1e-15 * scale_w(members, target_w):  # far below what counts as a shortfall
        assert result.shortfall_w == 0


@MANY
@given(members=MEMBERS, target_w=TARGETS, data=st.data())
def test_the_order_of_the_assets_does_not_matter(
    members: list[tuple[float, tuple[float, float]]], target_w: float, data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(len(members))))
    straight, shuffled = fill(members, target_w), fill(members, target_w, order)
    assert {share.asset_id: share for share in straight.shares} == {s.asset_id: s for s in shuffled.shares}
    assert (straight.shortfall_w, straight.causes) == (shuffled.shortfall_w, shuffled.causes)


@MANY
@given(members=MEMBERS, targets_w=st.tuples(TARGETS, TARGETS))
def test_each_setpoint_grows_with_the_target(
    members: list[tuple[float, tuple[float, float]]], targets_w: tuple[float, float]
) -> None:
    less, more = fill(members, min(targets_w)), fill(members, max(targets_w))
    slack = 1e-12 * scale_w(members, max(map(abs, targets_w)))
    for low, high in zip(less.shares, more.shares, strict=True):
        assert low.setpoint_w <= high.setpoint_w + slack


@MANY
@given(members=MEMBERS, target_w=TARGETS)
def test_what_was_delivered_is_delivered_again(
    members: list[tuple[float, tuple[float, float]]], target_w: float
) -> None:
    first = fill(members, target_w)
    again = fill(members, first.delivered_w)
    for one, other in zip(first.shares, again.shares, strict=True):
        assert one.setpoint_w == pytest.approx(other.setpoint_w, abs=1e-9 * scale_w(members, 0))


@MANY
@given(members=MEMBERS, target_w=TARGETS)
def test_whoever_is_not_bound_has_the_same_part_by_weight(
    members: list[tuple[float, tuple[float, float]]], target_w: float
) -> None:
    result = fill(members, target_w)
    heaviest = max(weight for weight, _ in members)
    free = [
        share.setpoint_w / weight * heaviest
        for share, (weight, (low, high)) in zip(result.shares, members, strict=True)
        if low < share.setpoint_w < high and weight > 1e-6 * heaviest
    ]
    assert all(level == pytest.approx(free[0], rel=1e-6, abs=1e-3) for level in free)


def test_ten_thousand_assets_are_exact() -> None:
    members = [(1.0 + n % 7, (-1e6 * (1 + n % 3), 1e6 * (1 + n % 5))) for n in range(10_000)]
    result = fill(members, 1.2345678e10)
    assert math.fsum(share.setpoint_w for share in result.shares) == pytest.approx(1.2345678e10, rel=1e-12)
    assert result.shortfall_w == 0


def test_importing_it_loads_no_third_party_package() -> None:
    script = (
        "import sys; before = set(sys.modules); import dermscore.dispatch; "
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}; "
        "print(*(new - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["dermscore"]
