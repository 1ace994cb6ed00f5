"""What each node can reach, with the limits of the nodes inside it counted. Loads numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from dermscore.dispatch.columns import Columns
from dermscore.dispatch.fill import Vessels
from dermscore.dispatch.limits import Bound, Bounds, BoundSource
from dermscore.dispatch.rules import Rule
from dermscore.dispatch.settle import Problem, State, node_limit, settle
from dermscore.dispatch.tree import Column, Flags
from dermscore.dispatch.words import power

if TYPE_CHECKING:
    from dermscore.dispatch.bounding import Bounding


def _everyone(columns: Columns) -> Flags:
    return np.ones(len(columns.ratings.ids), dtype=bool)


def _alike(columns: Columns, low_w: Column, high_w: Column, up: bool) -> Column:
    return np.ones(len(low_w))


_ANY = Rule("any", _everyone, _alike)


@dataclass(frozen=True)
class Reach:
    """The least and the most of each node, W, and how far its own limits are."""

    limits: Bounding
    state: State
    most: tuple[Column, Column]  # how far the devices below could move, down and up, the node's own limits not counted

    @classmethod
    def of(cls, limits: Bounding) -> Self:
        columns = limits.columns
        problem = Problem.of(columns, limits, _ANY, _everyone(columns))
        state = settle(problem)
        one = np.ones(len(columns.ratings.ids))

        def most(room_w: Column, up: bool) -> Column:
            return Vessels(columns.tree, one, np.maximum(room_w, 0.0), None, state.cap_w(up)).most()

        return cls(limits, state, (most(state.x_w - problem.low_w, False), most(problem.high_w - state.x_w, True)))

    def bounds(self, node: int) -> Bounds:
        return Bounds(self._bound(node, False), self._bound(node, True))

    def _bound(self, node: int, up: bool) -> Bound:
        tree, problem = self.limits.columns.tree, self.state.problem
        here = float(self.state.x_w[tree.run(node)].sum())
        cap, most = float(self.state.cap_w(up)[node]), float(self.most[up][node])
        w = here + min(cap, most) if up else here - min(cap, most)
        if cap < most:
            return Bound(w, *node_limit(self.state, node, up))
        return Bound(w, BoundSource.ASSETS, f"{power(w)} from {int(problem.part[tree.run(node)].sum())} assets")
