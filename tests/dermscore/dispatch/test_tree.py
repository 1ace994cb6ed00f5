"""A tree as arrays: sums over every node, and trees that are none."""

from __future__ import annotations

import numpy as np
import pytest

from dermscore.dispatch.tree import Tree

#        root 2
#       /      \
#      0        4
#     / \        \
#    1   3 (empty) 5
PARENT = [2, 0, -1, 0, 2, 4]
NAMES = ["left", "left/in", "", "left/none", "right", "right/in"]


def test_leaves_of_a_node_become_neighbours_and_sums_reach_every_node() -> None:
    tree, order = Tree.of_parents(NAMES, PARENT, [5, 1, 0, 5, 2])
    sums = tree.sums(np.array([1.0, 2, 4, 8, 16])[order])
    assert {path: sums[node] for path, node in tree.place.items()} == {
        "": 31,
        "left": 6,
        "left/in": 2,
        "left/none": 0,
        "right": 9,
        "right/in": 9,
    }
    assert order[tree.run(tree.place["right"])].tolist() == [0, 3]
    assert tree.run(tree.place["left/none"]).start == tree.run(tree.place["left/none"]).stop
    assert tree.per_leaf(np.arange(6.0))[order.tolist().index(4)] == 0


def test_the_nearest_marked_node_is_inherited() -> None:
    tree, _ = Tree.of_parents(NAMES, PARENT, [1])
    marked = np.zeros(6, dtype=bool)
    marked[tree.place["left"]] = True
    nearest = tree.inherited(marked)
    assert [tree.paths[nearest[tree.place[path]]] for path in ("left/in", "left", "right/in")] == ["left", "left", ""]


def test_a_flat_tree_has_one_node_and_may_be_empty() -> None:
    assert Tree.flat(3).sums(np.ones(3)).tolist() == [3]
    assert Tree.flat(0).sums(np.ones(0)).tolist() == [0]


@pytest.mark.parametrize(
    ("parent", "leaf_node", "words"),
    [
        ([-1, -1], [], "one root, and this has 2"),
        ([0], [], "one root, and this has 0"),
        ([-1, 7], [], "node 1 hangs on node 7, which is not there"),
        ([-1, 2, 1], [], "in a circle"),
        ([-1], [1], "a leaf hangs on a node that is not there"),
    ],
)
def test_what_is_no_tree_is_refused(parent: list[int], leaf_node: list[int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Tree.of_parents(["x"] * len(parent), parent, leaf_node)
