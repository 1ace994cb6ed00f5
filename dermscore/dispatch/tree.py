"""A tree of nodes as arrays, so that a sum over every node costs one pass over the leaves.

Leaves (assets) stand in depth-first order: those of one node are neighbours. Nodes stand in breadth-first order, 0 the
root: the children of one node are neighbours, and so are all nodes of one level. Loads numpy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]
Flags = NDArray[np.bool_]
Indices = NDArray[np.intp]
_Any = TypeVar("_Any", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Level:
    """The nodes of one level below the root, `first` to `last` (excluded), and how they group by parent."""

    first: int
    last: int
    parents: Indices
    starts: Indices

    def add_to_parents(self, values: Column) -> None:
        """Add the values of this level's nodes to their parents' in `values` (one for each node of the tree)."""
        values[self.parents] += np.add.reduceat(values[self.first : self.last], self.starts)


@dataclass(frozen=True)
class Tree:
    """Every node's path and parent (-1 for the root), and the node that each leaf hangs on."""

    paths: tuple[str, ...]
    parent: Indices
    leaf_node: Indices

    @classmethod
    def flat(cls, leaves: int, path: str = "") -> Self:
        """One node with every leaf on it."""
        return cls((path,), np.array([-1]), np.zeros(leaves, dtype=np.intp))

    @classmethod
    def of_parents(cls, paths: Sequence[str], parent: Sequence[int], leaf_node: Sequence[int]) -> tuple[Self, Indices]:
        """The tree of nodes in any order, and the order of its leaves: element i is the given leaf that comes i-th.

        Args:
            paths: a name for each node.
            parent: each node's parent, -1 for the one root.
            leaf_node: the node that each leaf hangs on.

        Raises:
            ValueError: no root, more than one, a cycle, or an index beyond the nodes.
        """
        nodes, depth_first = _orders(parent)
        hangs_on = np.asarray(leaf_node, dtype=np.intp)
        if len(hangs_on) and not (hangs_on.min() >= 0 and hangs_on.max() < len(nodes)):
            raise ValueError("a leaf hangs on a node that is not there")
        leaves = np.argsort(depth_first[hangs_on], kind="stable")
        place = np.empty(len(nodes), dtype=np.intp)
        place[nodes] = np.arange(len(nodes))
        up = np.asarray(parent, dtype=np.intp)[nodes]
        above = np.where(up < 0, -1, place[np.maximum(up, 0)])
        return cls(tuple(paths[node] for node in nodes), above, place[hangs_on][leaves]), leaves

    @cached_property
    def place(self) -> dict[str, int]:
        """Each path's node."""
        return {path: node for node, path in enumerate(self.paths)}

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """The levels below the root, the deepest first."""
        depth = np.zeros(len(self.paths), dtype=np.intp)
        for node in range(1, len(self.paths)):
            depth[node] = depth[self.parent[node]] + 1
        edges = [*np.flatnonzero(np.diff(depth)) + 1, len(self.paths)]
        return tuple(self._level(int(edges[at]), int(edges[at + 1])) for at in reversed(range(len(edges) - 1)))

    def _level(self, first: int, last: int) -> Level:
        parents, starts = np.unique(self.parent[first:last], return_index=True)
        return Level(first, last, parents, starts)

    @cached_property
    def _holders(self) -> tuple[Indices, Indices]:
        """The nodes that have leaves of their own, in the leaves' order, and where each one's begin."""
        starts = np.flatnonzero(np.diff(self.leaf_node, prepend=-1))
        return self.leaf_node[starts], starts

    @cached_property
    def runs(self) -> tuple[Indices, Indices]:
        """Where the leaves at or below each node begin and end (excluded)."""
        counts = self.sums(np.ones(len(self.leaf_node))).astype(np.intp)
        first = np.full(len(self.paths), len(self.leaf_node), dtype=np.intp)
        nodes, starts = self._holders
        first[nodes] = starts
        for level in self.levels:
            np.minimum.at(first, self.parent[level.first : level.last], first[level.first : level.last])
        return first, first + counts

    def run(self, node: int) -> slice:
        """The leaves at or below a node."""
        first, last = self.runs
        return slice(int(first[node]), int(last[node]))

    def own_sums(self, leaves: Column) -> Column:
        """The sum of each node's own leaves, without those of the nodes below it."""
        sums = np.zeros(len(self.paths))
        nodes, starts = self._holders
        if len(nodes) == 1:
            sums[nodes] = leaves.sum()  # pairwise, and so closer than a running sum
        elif len(nodes):
            sums[nodes] = np.add.reduceat(leaves, starts)
        return sums

    def sums(self, leaves: Column) -> Column:
        """The sum over all leaves at or below each node."""
        sums = self.own_sums(leaves)
        for level in self.levels:
            level.add_to_parents(sums)
        return sums

    @cached_property
    def _own(self) -> Indices:
        """How many leaves of its own each holder has."""
        _, starts = self._holders
        return np.diff(starts, append=len(self.leaf_node))

    def per_leaf(self, nodes: NDArray[_Any]) -> NDArray[_Any]:
        """Each leaf's node's value; of a single node's tree its one value, which broadcasts."""
        return nodes if len(nodes) == 1 else np.repeat(nodes[self._holders[0]], self._own)

    def inherited(self, marked: Flags) -> Indices:
        """The nearest marked node at or above each node; the root where there is none."""
        nearest = np.where(marked, np.arange(len(marked)), -1)
        nearest[0] = 0
        for level in reversed(self.levels):
            run = slice(level.first, level.last)
            nearest[run] = np.where(marked[run], nearest[run], nearest[self.parent[run]])
        return nearest


def _orders(parent: Sequence[int]) -> tuple[list[int], Indices]:
    """The nodes breadth first, and each node's place depth first."""
    below: list[list[int]] = [[] for _ in parent]
    roots = [node for node, up in enumerate(parent) if up == -1]
    if len(roots) != 1:
        raise ValueError(f"a tree has one root, and this has {len(roots)}")
    for node, up in enumerate(parent):
        if not -1 <= up < len(parent):
            raise ValueError(f"node {node} hangs on node {up}, which is not there")
        if up >= 0:
            below[up].append(node)
    broad = list(_breadth_first(roots[0], below))
    if len(broad) != len(parent):
        raise ValueError("some nodes hang on each other in a circle")
    places = np.empty(len(parent), dtype=np.intp)
    places[list(_depth_first(roots[0], below))] = np.arange(len(parent))
    return broad, places


def _breadth_first(root: int, below: Sequence[Iterable[int]]) -> Iterator[int]:
    level = [root]
    while level:
        yield from level
        level = [child for node in level for child in below[node]]


def _depth_first(root: int, below: Sequence[Sequence[int]]) -> Iterator[int]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += reversed(below[node])
