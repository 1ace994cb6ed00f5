"""Nested limits: the most that can be had, nothing broken that can be kept, and every watt with its cause."""

from __future__ import annotations

import math
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dermscore.dispatch import Allocation, BoundSource, Columns, Limit, allocate
from dermscore.dispatch.allocation.names import (
    CAPACITY_SHARE,
    CURTAIL_BY_OUTPUT,
    CURTAIL_BY_RATING,
    MERIT_ORDER,
)
from dermscore.dispatch.allocation.rules import RULES
from dermscore.dispatch.allocation.solve import BY_MAX, BY_RULE
from tests.dermscore.dispatch.nests import Nest, nests

MANY = settings(max_examples=5_000 if os.environ.get("DERMS_SOAK") == "1" else 150, deadline=None)
TARGETS = st.integers(-80, 80).map(float)
SIX = st.sampled_from(sorted(RULES))


@MANY
@given(nest=nests(), target_w=TARGETS, rule=SIX)
def test_as_much_as_a_linear_program_finds_and_no_limit_broken(nest: Nest, target_w: float, rule: str) -> None:
    result, best = nest.share(target_w, rule), nest.best(target_w, rule)
    x_w, (low_w, high_w) = result.setpoint_w, nest.bounds_w(rule)
    assert float(x_w.sum()) + result.shortfall_w == pytest.approx(target_w, rel=1e-9, abs=1e-9)
    assert (x_w >= low_w).all()
    assert (x_w <= high_w).all()
    assert math.fsum(cause.w for cause in result.causes) == pytest.approx(result.shortfall_w, abs=1e-9)
    assert (best is None) is bool(result.broken)
    if best is not None:
        assert abs(result.shortfall_w) == pytest.approx(best[0], abs=1e-6)
        if rule == MERIT_ORDER:
            assert float(np.abs(x_w) @ nest.cost) == pytest.approx(best[1], abs=1e-5)


@MANY
@given(nest=nests(), target_w=TARGETS, rule=SIX, data=st.data())
def test_the_order_in_which_devices_are_given_does_not_matter(
    nest: Nest, target_w: float, rule: str, data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(len(nest.at))))
    straight, shuffled = nest.share(target_w, rule), nest.share(target_w, rule, order)
    assert {s.asset_id: s for s in straight.shares} == {s.asset_id: s for s in shuffled.shares}
    assert (straight.shortfall_w, straight.causes) == (shuffled.shortfall_w, shuffled.causes)


@MANY
@given(nest=nests(), targets_w=st.tuples(TARGETS, TARGETS), rule=SIX)
def test_every_setpoint_grows_with_the_target(nest: Nest, targets_w: tuple[float, float], rule: str) -> None:
    less, more = (nest.share(target_w, rule).setpoint_w for target_w in sorted(targets_w))
    assert (less <= more + 1e-9).all()


@MANY
@given(nest=nests(), target_w=TARGETS, rule=SIX)
def test_what_was_delivered_is_delivered_again(nest: Nest, target_w: float, rule: str) -> None:
    first = nest.share(target_w, rule)
    again = nest.share(first.delivered_w, rule)
    assert again.setpoint_w == pytest.approx(first.setpoint_w, abs=1e-6)


def share(target_w: float, limits: tuple[Limit, ...], rule: str = CAPACITY_SHARE, **given: object) -> Allocation:
    columns = Columns.flat(**given)  # type: ignore[arg-type]
    result = allocate(columns, columns.tree, columns.envelope(limits), target_w, rule)
    assert isinstance(result, Allocation)
    return result


TWO = {"ids": ["a", "b"], "min_w": -10.0, "max_w": 10.0, "at": ["north", "south"]}


def test_inside_a_node_at_its_limit_the_rest_goes_on_by_the_rule() -> None:
    result = share(12, (Limit("north", "limits[0]", export_limit_w=3),), **TWO)
    assert result.setpoint_w == pytest.approx([3, 9])
    assert [share.cause for share in result.shares] == [
        "limits[0]: export 3 W, at north",
        "takes 3 W because others are bound",
    ]
    assert result.solution.bound_by.tolist() == [result.envelope.columns.tree.place["north"], BY_RULE]


def test_a_shortfall_is_laid_at_the_limit_that_makes_it() -> None:
    result = share(20, (Limit("north", "limits[0]", export_limit_w=3),), **TWO)
    assert result.shortfall_w == 7
    (cause,) = result.causes
    assert (cause.asset_id, cause.node, cause.w, cause.source) == ("", "north", 7, BoundSource.LIMIT)
    assert result.solution.bound_by[1] == BY_MAX
    whole = share(20, (Limit("", "limits[0]", export_limit_w=5),), **TWO)
    assert [(c.node, c.w, c.detail) for c in whole.causes] == [("", 15, "limits[0]: export 5 W, at the whole fleet")]
    part = share(20, (Limit("north", "limits[0]", generation_limit_w=3),), **TWO)
    assert part.causes[0].detail == "limits[0]: generation 3 W, at north"
    load = share(-20, (Limit("north", "limits[0]", load_limit_w=3, import_limit_w=8),), **TWO)
    assert load.causes[0].detail == "limits[0]: load 3 W, at north"


def test_who_takes_no_part_counts_under_the_limit_of_its_node() -> None:
    solar = {"ids": ["b", "p"], "min_w": [-10.0, 0], "max_w": [10.0, 9], "weight": [1.0, 0], "power_w": [0.0, 7]}
    result = share(10, (Limit("", "L", export_limit_w=12),), **solar)
    assert result.setpoint_w[0] == 5
    assert result.shortfall_w == 5


def test_a_node_beyond_its_limit_is_brought_back_before_anything_else() -> None:
    solar = {"ids": ["b", "p"], "min_w": [-10.0, 0], "max_w": [10.0, 9], "weight": [1.0, 0], "power_w": [0.0, 7]}
    result = share(0, (Limit("", "L", export_limit_w=4),), **solar)
    assert (result.setpoint_w[0], result.shortfall_w) == (-3, 3)
    assert result.causes[0].node == ""
    assert result.shares[0].cause == "L: export 4 W, at the whole fleet"
    assert result.broken == ()


def test_a_device_that_must_run_comes_before_a_limit_and_the_limit_is_told_as_broken() -> None:
    result = share(0, (Limit("", "L", export_limit_w=4),), ids=["m"], min_w=[6.0], max_w=[8.0])
    assert result.setpoint_w.tolist() == [6]
    (broken,) = result.broken
    assert (broken.node, broken.w, broken.detail) == ("", 2, "L: export 4 W, at the whole fleet")


def test_a_curtailment_keeps_the_limits_of_inner_nodes_too() -> None:
    pv = {"ids": ["p", "q"], "min_w": 0.0, "max_w": 10.0, "at": ["n", "s"], "output_w": [8.0, 8.0]}
    free = share(16, (Limit("n", "L", generation_limit_w=5),), rule=CURTAIL_BY_OUTPUT, **pv)
    assert free.setpoint_w == pytest.approx([5, 8])
    assert free.shares[0].cause == "L: generation 5 W, at n"
    down = share(8, (Limit("n", "L", generation_limit_w=3, load_limit_w=0),), rule=CURTAIL_BY_OUTPUT, **pv)
    assert down.delivered_w == pytest.approx(8)
    assert down.setpoint_w[0] <= 3


@pytest.mark.parametrize("rule", [CURTAIL_BY_RATING, CURTAIL_BY_OUTPUT])
@pytest.mark.parametrize(("target_w", "outer_w"), [(10, math.inf), (20, 10)])
def test_what_an_inner_limit_took_away_counts_in_what_the_outer_one_wants(
    rule: str, target_w: float, outer_w: float
) -> None:
    """A limit that binds no more once all have given their part must leave no trace in the parts."""
    pv = {"ids": ["p", "q"], "min_w": 0.0, "max_w": 10.0, "at": ["n", "s"], "output_w": [10.0, 10.0]}
    outer = () if outer_w == math.inf else (Limit("", "O", export_limit_w=outer_w),)
    both = share(target_w, (Limit("n", "L", export_limit_w=9), *outer), rule=rule, **pv)
    assert both.setpoint_w == pytest.approx([5, 5])
    binding = share(target_w, (Limit("n", "L", export_limit_w=3), *outer), rule=rule, **pv)
    assert binding.setpoint_w == pytest.approx([3, 7])


def test_it_says_when_a_load_or_an_import_limit_is_broken() -> None:
    must = {"ids": ["m"], "min_w": [-8.0], "max_w": [-6.0]}
    limits = (Limit("", "L", import_limit_w=4, load_limit_w=5),)
    assert [(b.w, b.detail.split(",")[0]) for b in share(0, limits, **must).broken] == [
        (2, "L: import 4 W"),
        (1, "L: load 5 W"),
    ]
