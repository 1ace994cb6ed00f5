"""What is to be filled, and where it starts: every device as near to where it rests as bounds and limits let it be.

Devices rest at 0 W, or under a curtailment at their possible output. From there the fill moves all of them one way, up
or down, and so each node needs one cap only: on the way up its export and its generation limit both bound the same
movement, on the way down import and load do. Where a node breaks a limit before anything moves (a device that must
run, or is held, or takes no part), the others in it are moved against that first, the innermost nodes before the ones
around them. Loads numpy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from dermscore.dispatch.allocation.fill import Filled, Vessels, fill
from dermscore.dispatch.allocation.rules import Rule
from dermscore.dispatch.columns import AssetColumns
from dermscore.dispatch.envelope.bounding import Bounding
from dermscore.dispatch.limits import BoundSource
from dermscore.dispatch.tree import Column, Flags, Indices, Tree

_BROKEN: Final = 1e-12  # of the powers at a node: more than that above a limit is no rounding
NOBODY: Final = -1


@dataclass(frozen=True)
class Problem:
    """Whose part is sought under which rule, between which bounds.

    `low_w` and `high_w` are 0 for who takes no part; `others_w` is what those run at, 0 for who takes part.
    """

    columns: AssetColumns
    rule: Rule
    part: Flags
    low_w: Column
    high_w: Column
    others_w: Column
    limits: Bounding

    @classmethod
    def of(cls, columns: AssetColumns, limits: Bounding, rule: Rule, members: Flags) -> Problem:
        part = members & (limits.out < 0)
        low_w, high_w = limits.low.w, limits.high.w
        if rule.curtails:  # generation is brought down to 0 W, and never turned into load
            low_w = np.maximum(low_w, np.minimum(high_w, 0.0))
        if part.all():
            return cls(columns, rule, part, low_w, high_w, np.zeros_like(low_w), limits)
        others_w = np.where(part, 0.0, limits.standing_w)
        return cls(columns, rule, part, np.where(part, low_w, 0.0), np.where(part, high_w, 0.0), others_w, limits)

    @property
    def tree(self) -> Tree:
        return self.columns.tree

    @cached_property
    def is_limited(self) -> bool:
        """Whether any node has a limit."""
        sides = (self.limits.net_low, self.limits.net_high, self.limits.generation, self.limits.load)
        return any(bool(np.isfinite(side.w).any()) for side in sides)

    def claim(self, up: bool) -> Column:
        """Each asset's weight in one direction, whether it takes part or not."""
        return self.rule.claim(self.columns, self.limits.low.w, self.limits.high.w, up)

    def rest_w(self) -> Column:
        """Where each device rests, inside its bounds."""
        if not self.rule.curtails:
            return np.minimum(np.maximum(self.low_w, 0.0), self.high_w)
        return np.minimum(np.maximum(np.nan_to_num(self.columns.output_w), self.low_w), self.high_w)

    def pour(self, state: State, up: bool, roots: Indices, amount: Column) -> Poured:
        """Move what is below `roots` by `amount` (W) in one direction, as far as bounds and limits let it go."""
        room_w = self.high_w - state.x_w if up else state.x_w - self.low_w
        claim = np.where(self.part, self.claim(up), 0.0)
        room_w = np.where((claim > 0) & (room_w > 0), room_w, 0.0)
        weight, offset = self.rule.pouring(self.columns, claim, state.x_w, room_w, up)
        cap_w = state.cap_w(up) if self.is_limited else np.full(len(self.tree.paths), np.inf)
        amount = np.minimum(amount, cap_w[roots])
        vessels = Vessels(self.tree, weight, room_w, offset, cap_w)
        return Poured(up, claim, vessels, fill(vessels, roots, amount))


@dataclass(frozen=True)
class Poured:
    """One movement: who could move how far, and what came of it."""

    up: bool
    claim: Column
    vessels: Vessels
    filled: Filled

    @property
    def room_w(self) -> Column:
        return self.vessels.room

    @property
    def cap_w(self) -> Column:
        return self.vessels.cap


@dataclass(frozen=True)
class State:
    """Every device's power, which node's limit moved it from its rest (`NOBODY`: none did), and whether that limits the
    way up.
    """

    problem: Problem
    x_w: Column
    moved_by: Indices
    by_upper: Flags

    @cached_property
    def net_w(self) -> Column:
        return self.problem.tree.sums(self.x_w + self.problem.others_w)

    @cached_property
    def generation_w(self) -> Column:
        return self.problem.tree.sums(np.maximum(self.x_w + self.problem.others_w, 0.0))

    @cached_property
    def load_w(self) -> Column:
        return self.generation_w - self.net_w

    def room_w(self, up: bool) -> tuple[Column, Column]:
        """How far each node is from its limits in one direction: the net one, and the one on generation or load.

        Below 0 where it is broken. Curtailing takes generation away, which no load limit minds.
        """
        limits = self.problem.limits
        if up:
            return limits.net_high.w - self.net_w, limits.generation.w - self.generation_w
        part = np.full(len(self.net_w), np.inf) if self.problem.rule.curtails else limits.load.w - self.load_w
        return self.net_w - limits.net_low.w, part

    def cap_w(self, up: bool) -> Column:
        """How far each node may move in one direction; 0 where it is beyond its limit already."""
        return np.maximum(np.minimum(*self.room_w(up)), 0.0)

    def excess_w(self, up: bool) -> Column:
        """How far each node is beyond what limits it in a direction, by what moving the other way can mend; else 0."""
        net, part = self.room_w(up)
        room = np.minimum(net, part) if up and self.problem.rule.curtails else net
        return np.where(-room > _BROKEN * (self.generation_w + self.load_w), -room, 0.0)

    def moved(self, poured: Poured, roots: Indices) -> State:
        """After a movement that was made because of limits of `roots` the other way."""
        taken = poured.filled.taken
        ruled_by = self.problem.tree.per_leaf(poured.filled.ruled_by)
        by_upper = np.isin(ruled_by, roots) != poured.up  # what kept back within bounds the same way
        return State(
            self.problem,
            self.x_w + taken if poured.up else self.x_w - taken,
            np.where(taken > 0, ruled_by, self.moved_by),
            np.where(taken > 0, by_upper, self.by_upper),
        )


def settle(problem: Problem) -> State:
    """Bring every device to its rest, and then every node inside its limits as far as its devices can."""
    state = _unmoved(problem, problem.rest_w())
    if not problem.is_limited or not any(state.excess_w(up).any() for up in (True, False)):
        return state
    for first, last in (*((level.first, level.last) for level in problem.tree.levels), (0, 1)):
        for up in (True, False):
            excess_w = state.excess_w(up)[first:last]
            roots = np.flatnonzero(excess_w) + first
            if len(roots):
                state = state.moved(problem.pour(state, not up, roots, excess_w[roots - first]), roots)
    return state


def _unmoved(problem: Problem, x_w: Column) -> State:
    return State(problem, x_w, np.full(len(x_w), NOBODY), np.zeros(len(x_w), dtype=bool))


def node_limit(state: State, node: int, up: bool) -> tuple[BoundSource, str]:
    """Which limit of a node bounds it in a direction, and in what words."""
    net, part = (float(room[node]) for room in state.room_w(up))
    return state.problem.limits.limit_of(node, up, net <= part)


def broken(problem: Problem, x_w: Column) -> Iterator[tuple[int, float, BoundSource, str]]:
    """Every node that is beyond a limit of its own with the devices at `x_w`: by how many watts, and which limit."""
    state = _unmoved(problem, x_w)
    if not problem.is_limited:
        return
    least_w = _BROKEN * (state.generation_w + state.load_w)
    load_room_w = problem.limits.load.w - state.load_w
    for up, is_net, room_w in (
        (True, True, state.room_w(True)[0]),
        (True, False, state.room_w(True)[1]),
        (False, True, state.room_w(False)[0]),
        (False, False, load_room_w),
    ):
        for node in np.flatnonzero(-room_w > least_w):
            yield int(node), -float(room_w[node]), *problem.limits.limit_of(int(node), up, is_net)
