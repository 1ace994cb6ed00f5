"""Fleets of plain numbers: what is given is what counts, and what cannot be is refused by name."""

from __future__ import annotations

import math

import pytest

from dermscore import dispatch
from dermscore.dispatch import Allocation, BoundSource, Columns, Limit, Refused, allocate

THREE = {"ids": ["b", "c", "a"], "min_w": [-1.0, -2, -3], "max_w": [4.0, 5, 6]}


def test_numbers_come_back_in_the_order_in_which_they_were_given() -> None:
    columns = Columns.flat(**THREE, weight=[1, 2, 3])
    assert list(columns.ratings.ids) == ["a", "b", "c"]
    result = allocate(columns, columns.tree, columns.envelope(), 6)
    assert isinstance(result, Allocation)
    assert result.setpoint_w.tolist() == pytest.approx([1, 2, 3])
    assert [share.asset_id for share in result.shares] == ["b", "c", "a"]
    assert "Columns" not in repr(result)


def test_a_weight_of_zero_leaves_out() -> None:
    columns = Columns.flat(**THREE, weight=[1, 0, 1])
    result = allocate(columns, columns.tree, columns.envelope(), 6)
    assert isinstance(result, Allocation)
    assert math.isnan(result.setpoint_w[1])
    assert [(out.asset_id, out.source) for out in result.excluded] == [("c", BoundSource.NO_SHARE)]
    assert result.share("c") is None
    assert result.share("nobody") is None
    assert result.exclusion("b") is None
    assert result.exclusion("nobody") is None


def test_bounds_are_called_given() -> None:
    bounds = Columns.flat(**THREE).envelope().bounds_of("c")
    assert (bounds.max.w, bounds.max.source, bounds.max.detail) == (5, BoundSource.GIVEN, "its bound of 5 W")


def test_limits_stand_on_single_devices_too_and_energy_must_last() -> None:
    columns = Columns.flat(ids=["a"], min_w=-9.0, max_w=9.0, weight=10.0, soc_wh=5.0, efficiency=0.5)
    bounds = columns.envelope([Limit("a", "L", 3, 2)]).bounds_of("a")
    assert (bounds.min.w, bounds.max.w, bounds.max.detail) == (-2, 3, "L: export 3 W")
    lasting = columns.envelope(hold_s=7200).bounds_of("a")
    assert (lasting.min.w, lasting.max.w) == (-5, 1.25)
    assert lasting.max.detail == "1.25 W: its state of charge lasts for 7200 s of that, to 0 %"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ids": ["a", "a", "b"]}, "an id is given twice"),
        ({"at": ["x"]}, "there are 3 ids, and 1 places in the tree"),
        ({"min_w": math.nan}, "min_w of a cannot be nan"),
        ({"max_w": [1, math.inf, 1]}, "max_w of c cannot be inf"),
        ({"weight": -1.0}, "weight of a cannot be -1"),
        ({"cost": -1.0}, "cost of a cannot be -1"),
        ({"dead_band_w": math.nan}, "dead_band_w of a cannot be nan"),
        ({"efficiency": 0.0}, "efficiency of a cannot be 0"),
        ({"soc_wh": math.inf}, "soc_wh of a cannot be inf"),
        ({"max_soc_wh": math.nan}, "max_soc_wh of a cannot be nan"),
        ({"power_w": math.inf}, "power_w of a cannot be inf"),
        ({"output_w": [1.0, math.nan, -math.inf]}, "output_w of a cannot be -inf"),
        ({"soc_wh": -1.0}, "soc_wh of a cannot be -1"),
        ({"max_w": ["5", "6", "7"]}, "max_w has something in it that is no number"),
        ({"min_w": [None, 1.0, 2.0]}, "min_w has something in it that is no number"),
        ({"ids": ["a", 5, "b"]}, "ids are texts, and 5 is none"),
        ({"min_w": 9.0}, "min_w of a is above its max_w"),
        ({"max_w": [1.0, 2.0]}, "there are 3 ids, and 2 numbers"),
        ({"at": ["F1", "F1//S1", "F1/S2"]}, "'F1//S1' is no place in a tree"),
        ({"at": ["/F1", "F1", "F1"]}, "'/F1' is no place in a tree"),
        ({"at": ["F1", "F1", "F1/"]}, "'F1/' is no place in a tree"),
    ],
)
def test_what_cannot_be_is_refused_by_name(change: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Columns.flat(**(THREE | change))  # type: ignore[arg-type]


def test_an_envelope_of_another_node_is_refused() -> None:
    columns = Columns.flat(**THREE)
    from dermscore.model import Node

    refused = allocate(columns, Node("feeder/F1", ()), columns.envelope(), 1)
    assert refused == Refused("the envelope is of the whole fleet, not of feeder/F1")


def test_nobody_at_all_is_all_shortfall() -> None:
    columns = Columns.flat(ids=[], min_w=[], max_w=[])
    result = allocate(columns, columns.tree, columns.envelope(), 5)
    assert isinstance(result, Allocation)
    assert (result.shortfall_w, result.causes[0].source) == (5, BoundSource.NO_ASSETS)


def test_there_is_nothing_else_to_be_loaded_late() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Rows'"):
        dispatch.Rows  # noqa: B018


@pytest.mark.parametrize("node", ["F1/", "/F1", "F1//S1", "/"])
def test_a_limit_that_could_never_limit_anything_is_refused(node: str) -> None:
    fleet = Columns.flat(**(THREE | {"at": ["F1/S1", "F1/S2", "F2"]}))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f"L: '{node}' is no place in a tree"):
        fleet.envelope([Limit("F9", "nobody is there yet", 1.0), Limit(node, "L", 1.0)])


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
def test_a_limit_that_is_no_magnitude_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="L: soc_max_pct cannot be 101"):
        Limit("", "L", soc_max_pct=101.0)
    with pytest.raises(ValueError, match=f"L: soc_min_pct cannot be {value:g}"):
        Limit("", "L", 1.0, soc_min_pct=value)


@pytest.mark.parametrize("hold_s", [math.nan, math.inf, -5.0])
def test_a_time_to_hold_that_is_none_is_refused(hold_s: float) -> None:
    with pytest.raises(ValueError, match="hold_s cannot be"):
        Columns.flat(**THREE).envelope(hold_s=hold_s)


@pytest.mark.parametrize(("low_w", "high_w"), [(-9.0, 9.0), (0.0, 0.0), (1.0, 1.0)])
@pytest.mark.parametrize(("power_w", "left_w"), [(math.nan, 5), (3.0, 2), (-1.0, 6)])
def test_who_takes_no_part_counts_at_what_is_measured_whatever_its_bounds(
    low_w: float, high_w: float, power_w: float, left_w: float
) -> None:
    columns = Columns.flat(
        ids=["a", "b"], min_w=[-9.0, low_w], max_w=[9.0, high_w], weight=[1.0, 0], power_w=[0.0, power_w]
    )
    result = allocate(columns, columns.tree, columns.envelope([Limit("", "L", 5.0)]), 7)
    assert isinstance(result, Allocation)
    assert result.delivered_w == left_w


def test_no_more_can_be_given_than_the_most() -> None:
    sun = Columns.flat(ids=["a", "b"], min_w=0.0, max_w=10.0, output_w=[11.0, 10.0])
    result = allocate(sun, sun.tree, sun.envelope(), 18, "curtailment by rating")
    assert isinstance(result, Allocation)
    assert result.setpoint_w.tolist() == [9, 9]


@pytest.mark.parametrize("change", [{"load_limit_w": 0.0}, {"ramp_w_per_s": 1.0}, {"fallback_ramp_w_per_s": 1.0}])
def test_limits_of_the_other_direction_or_of_time_bind_nobody_now(change: dict[str, float]) -> None:
    columns = Columns.flat(ids=["a"], min_w=-9.0, max_w=9.0)
    result = allocate(columns, columns.tree, columns.envelope([Limit("", "L", **change)]), 7)  # type: ignore[arg-type]
    assert isinstance(result, Allocation)
    assert result.delivered_w == 7
