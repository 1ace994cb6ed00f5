"""The fill by itself: levels of their own inside full nodes, and weights that would wear out a plain search."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dermscore.dispatch.allocation.fill import Filled, Vessels, fill
from dermscore.dispatch.tree import Tree

ROOT = np.zeros(1, dtype=np.intp)


def pour(amount: float, weight: list[float], room: list[float], offset: list[float] | None = None) -> Filled:
    tree = Tree.flat(len(weight))
    lifted = None if offset is None else np.array(offset, dtype=float)
    vessels = Vessels(tree, np.array(weight, dtype=float), np.array(room, dtype=float), lifted, np.array([np.inf]))
    return fill(vessels, ROOT, np.array([amount]))


def test_equal_weights_share_alike_until_one_is_full() -> None:
    assert pour(7, [1, 1, 1], [9, 1, 9]).taken.tolist() == [3, 1, 3]
    assert pour(99, [1, 1], [2, 3]).taken.tolist() == [2, 3]
    assert pour(0, [1, 1], [2, 3]).taken.tolist() == [0, 0]
    assert pour(5, [], []).taken.tolist() == []


def test_an_offset_lets_others_go_first() -> None:
    assert pour(2, [1, 1], [9, 9], [0, 3]).taken.tolist() == [2, 0]
    assert pour(5, [1, 1], [9, 9], [0, 3]).taken.tolist() == [4, 1]


def test_a_full_node_stands_at_a_level_of_its_own_and_so_does_one_inside_it() -> None:
    # root: two leaves and a node (cap 6) with two leaves and a node in it (cap 1) with one leaf
    tree, order = Tree.of_parents(["", "n", "n/m"], [-1, 0, 1], [0, 0, 1, 1, 2])
    assert order.tolist() == [0, 1, 2, 3, 4]
    vessels = Vessels(tree, np.ones(5), np.full(5, 9.0), None, np.array([np.inf, 6, 1]))
    result = fill(vessels, ROOT, np.array([16.0]))
    assert result.taken == pytest.approx([5, 5, 2.5, 2.5, 1])
    assert [tree.paths[node] for node in result.ruled_by] == ["", "n", "n/m"]
    assert result.capped.tolist() == [False, True, True]


def test_stairs_of_weights_and_offsets_over_all_magnitudes_end() -> None:
    weight = [10.0**n for n in range(-24, 25)]
    room = [1.0] * len(weight)
    assert pour(48.5, weight, room).taken.sum() == pytest.approx(48.5, rel=1e-12)
    offset = [3.0**n for n in range(49)]
    assert pour(30.5, weight, room, offset).taken.sum() == pytest.approx(30.5, rel=1e-9)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(1e-12, 1e12), st.floats(0, 1e6), st.floats(0, 1e6)), min_size=1, max_size=20),
    st.floats(0, 1),
)
def test_all_that_is_wanted_is_taken(vessels: list[tuple[float, float, float]], part: float) -> None:
    weight, room, offset = (list(column) for column in zip(*vessels, strict=True))
    amount = part * sum(room)
    for lifted in (None, offset):
        result = pour(amount, weight, room, lifted)
        assert result.taken.sum() == pytest.approx(amount, rel=1e-9, abs=1e-6)
        assert (result.taken >= 0).all()
        assert (result.taken <= room).all()
