"""The fill: pour an amount into vessels of different widths and depths that stand in nested tanks.

A vessel is a device, and its depth the room that is left until it meets its own bound; its width is its weight under
the rule. A tank is a node, with a cap on what all in it may take together. At level L a device has taken

    y = clip(weight * L - offset, 0, room)

and a node has taken the sum over what is in it, but no more than its cap. Both grow with L and are piecewise linear, so
the level at which the root has taken what is wanted is found by Newton's method: guess as if nobody else were to meet a
bound, see who did, guess again. Without offsets the curve is concave, each guess stays below the mark, and a few
rounds suffice; with them it is not, so each guess is kept between a level known too low and one known too high.

A node that has met its cap no longer follows the level outside: inside it the water stands lower, at the level where
its devices together take just the cap. That is the same question again, one tank further in, for all such nodes at
once.

Sources: the continuous knapsack with bounded variables, G. R. Bitran and A. C. Hax, "Disaggregation and Resource
Allocation Using Convex Knapsack Problems with Bounded Variables", Management Science 27 (1981); Newton's method for it,
R. Cominetti, W. F. Mascarenhas and P. J. S. Silva, "A Newton's Method for the Continuous Quadratic Knapsack Problem",
Mathematical Programming Computation 6 (2014). Loads numpy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from dermscore.dispatch.tree import Column, Flags, Indices, Tree

_CLOSE: Final = 1e-15  # of the amount: what rounding leaves of it
_FREE_ROUNDS: Final = (
    12  # of Newton's alone; then every other guess halves the bracket (in doubles), so that an end is certain
)
_ROUNDS: Final = 150  # more than enough: 64 halvings cross all the doubles there are


@dataclass(frozen=True)
class Vessels:
    """What is to be filled. By leaf: `weight` > 0 or 0 for one that takes nothing, `room` >= 0, `offset` >= 0 or None
    where none has one. By node: `cap` >= 0, infinite for none.
    """

    tree: Tree
    weight: Column
    room: Column
    offset: Column | None
    cap: Column

    def most(self) -> Column:
        """The most that each node's members can take together, its own cap not counted."""
        totals = self.tree.own_sums(self.room)
        for level in self.tree.levels:
            run = slice(level.first, level.last)
            kept = totals[run].copy()
            np.minimum(kept, self.cap[run], out=totals[run])
            level.add_to_parents(totals)
            totals[run] = kept
        return totals


@dataclass(frozen=True)
class Filled:
    """What each leaf took, and which node stands at a level of its own: the nearest of them above a leaf rules it."""

    taken: Column
    ruled_by: Indices
    capped: Flags


def fill(vessels: Vessels, roots: Indices, amount: Column) -> Filled:
    """Pour `amount[i]` W into the subtree of node `roots[i]`; no root lies below another. All W.

    Where a subtree cannot take so much, it takes all that it can. The caps of nodes above the roots do not count.
    """
    most = vessels.most()
    wanted = np.zeros(len(vessels.cap))
    wanted[roots] = np.minimum(amount, most[roots])
    is_root = np.zeros(len(vessels.cap), dtype=bool)
    capped = np.zeros_like(is_root)
    surface = _Surface(vessels)
    active = roots
    while len(active):
        is_root[active] = True
        surface.part(is_root)
        surface.settle(active, wanted[active], most[active])
        active = surface.overfull(is_root)
        wanted[active] = vessels.cap[active]
        capped[active] = True
    return Filled(surface.taken, surface.ruler, capped)


@dataclass
class _Surface:
    """The levels at which the water stands, while they are being found. Owned by the one call of `fill`."""

    vessels: Vessels
    level: Column = field(init=False)  # by node: that of the root that rules it
    ruler: Indices = field(init=False)  # by node: that root
    taken: Column = field(init=False)  # by leaf
    totals: Column = field(init=False)  # by node: what its members took, its own cap not counted
    _scratch: Column = field(init=False)
    _moving: Flags = field(init=False)  # by leaf: who would take more
    _width: Column = field(init=False)  # by node: the weights and the offsets together
    _sunk: Column = field(init=False)
    _brim: float = field(init=False)  # a level at which every vessel is full for certain

    def __post_init__(self) -> None:
        vessels = self.vessels
        self.level = np.zeros(len(vessels.cap))
        self.taken = np.zeros_like(vessels.room)
        self._scratch = np.zeros_like(vessels.room)
        self._moving = np.zeros(len(vessels.room), dtype=bool)
        self.ruler = np.zeros(len(vessels.cap), dtype=np.intp)
        depth = vessels.room if vessels.offset is None else vessels.room + vessels.offset
        np.divide(depth, vessels.weight, out=self._scratch, where=vessels.weight > 0)
        self._width = vessels.tree.sums(vessels.weight)
        self._sunk = np.zeros_like(self._width) if vessels.offset is None else vessels.tree.sums(vessels.offset)
        self._brim = 2 * float(np.max(self._scratch, initial=0.0))

    def part(self, is_root: Flags) -> None:
        """Let each root rule all below it, down to the next. What no root rules keeps its level, which is 0."""
        self.ruler = self.vessels.tree.inherited(is_root)
        self._ruled = is_root[self.ruler]

    def settle(self, roots: Indices, wanted: Column, most: Column) -> None:
        """Find the level of each of `roots` at which it takes what is wanted, all of them at once."""
        low, high = np.zeros(len(roots)), np.full(len(roots), self._brim)
        level = np.where(wanted < most, np.minimum(self._first_guess(roots, wanted), high), high)
        close, full = _CLOSE * wanted, wanted >= most
        number = 0
        while True:
            self._stand(roots, level)
            lacking = wanted - self.totals[roots]
            done = (np.abs(lacking) <= close) | full
            if done.all():
                return
            low = np.where(lacking >= 0, level, low)
            high = np.where(lacking <= 0, level, high)
            middle = _middle(low, high)
            guess = self._newton(roots, level, lacking)
            inside = (low <= guess) & (guess < high)
            if number > _FREE_ROUNDS and number % 2:
                inside[:] = False
            guess = np.where(inside, guess, middle)
            number += 1
            done |= (guess == level) | (middle == low) | (number == _ROUNDS)
            if done.all():
                return
            level = np.where(done, level, guess)

    def _first_guess(self, roots: Indices, wanted: Column) -> Column:
        """The level if no device were to meet a bound."""
        width = self._width[roots]
        return np.divide(wanted + self._sunk[roots], width, out=np.zeros(len(roots)), where=width > 0)

    def _newton(self, roots: Indices, level: Column, lacking: Column) -> Column:
        """Where the curve would meet the mark if nothing bent on the way; infinite where it is flat."""
        slope = self._slopes()[roots]
        step: Column = np.divide(lacking, slope, out=np.full(len(roots), np.inf), where=slope > 0)
        return level + step

    def _stand(self, roots: Indices, level: Column) -> None:
        """Let the water stand at `level` in the `roots`, and see what every device and node has taken."""
        vessels, tree = self.vessels, self.vessels.tree
        self.level[roots] = level
        np.multiply(vessels.weight, tree.per_leaf(self.level[self.ruler]), out=self.taken)
        if vessels.offset is not None:
            self.taken -= vessels.offset
            np.greater_equal(self.taken, 0, out=self._moving)
            self._moving &= self.taken < vessels.room
            np.maximum(self.taken, 0, out=self.taken)
        else:
            np.less(self.taken, vessels.room, out=self._moving)
        np.minimum(self.taken, vessels.room, out=self.taken)
        self.totals = tree.own_sums(self.taken)
        for nodes in tree.levels:
            run = slice(nodes.first, nodes.last)
            self.totals[nodes.parents] += np.add.reduceat(np.minimum(self.totals[run], vessels.cap[run]), nodes.starts)

    def _slopes(self) -> Column:
        """By node: how fast its members would take more, as the water stands."""
        vessels, tree = self.vessels, self.vessels.tree
        slopes = tree.own_sums(np.multiply(vessels.weight, self._moving, out=self._scratch))
        passed_on = self.totals < vessels.cap
        for nodes in tree.levels:
            run = slice(nodes.first, nodes.last)
            slopes[nodes.parents] += np.add.reduceat(np.where(passed_on[run], slopes[run], 0.0), nodes.starts)
        return slopes

    def overfull(self, is_root: Flags) -> Indices:
        """The outermost nodes that hold more than their cap, and have no level of their own yet."""
        tree = self.vessels.tree
        over = (self.totals > self.vessels.cap) & ~is_root & self._ruled
        inside = np.zeros_like(over)
        for nodes in reversed(tree.levels):
            above = tree.parent[nodes.first : nodes.last]
            inside[nodes.first : nodes.last] = inside[above] | over[above]
        return np.flatnonzero(over & ~inside)


def _middle(low: Column, high: Column) -> Column:
    """Half way from `low` to `high`, counted in the doubles between them (both >= 0, where their bits count upward)."""
    first, last = low.view(np.int64), high.view(np.int64)
    return (first + (last - first) // 2).view(np.float64)
