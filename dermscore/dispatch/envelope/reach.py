"""What each node can reach, with its own limits and those of the nodes inside it counted. Loads numpy.

From the leaves to the root: what is in a node can do together what each can do at most, until a limit of the node cuts
that. The net power is cut by taking generation away (on the way down: load), which is the same on either limit; a limit
cannot take away what the devices and the inner limits do not let go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from dermscore.dispatch.envelope.bounding import Bounding
from dermscore.dispatch.limits import Bound, Bounds, BoundSource
from dermscore.dispatch.tree import Column, Flags
from dermscore.dispatch.words import power


@dataclass(frozen=True)
class _Way:
    """How far the nodes can go up or down, in that direction's sign: `net` in all, of it `part` by generation (down: by
    load), of which `forced` stays. Filled level by level; owned by the one call of `Reach.of`.
    """

    net: Column
    part: Column
    forced: Column
    net_limit: Column
    part_limit: Column
    cut: Flags  # whether a limit of the node's own binds
    by_net: Flags  # whether that is the one on its net power

    @classmethod
    def of(cls, bounding: Bounding, fixed_w: Column, up: bool) -> Self:
        far_w, near_w = (bounding.high.w, bounding.low.w) if up else (-bounding.low.w, -bounding.high.w)
        takes_part = bounding.out < 0
        fixed_w = fixed_w if up else -fixed_w
        far_w, near_w = np.where(takes_part, far_w, fixed_w), np.where(takes_part, near_w, fixed_w)
        tree = bounding.columns.tree
        return cls(
            tree.own_sums(far_w),
            tree.own_sums(np.maximum(far_w, 0.0)),
            tree.sums(np.maximum(near_w, 0.0)),
            bounding.net_high.w if up else -bounding.net_low.w,
            bounding.generation.w if up else bounding.load.w,
            np.zeros(len(tree.paths), dtype=bool),
            np.zeros(len(tree.paths), dtype=bool),
        )

    def limit(self, run: slice, least: Column) -> None:
        """Cut the nodes of a level to their limits, but not below `least`."""
        too_much = self.net[run] - self.net_limit[run]
        part_too_much = self.part[run] - np.maximum(self.part_limit[run], self.forced[run])
        excess = np.maximum(np.maximum(too_much, part_too_much), 0.0)
        self.cut[run], self.by_net[run] = excess > 0, too_much >= part_too_much
        self.net[run] = np.maximum(self.net[run] - excess, least)
        self.part[run] = np.maximum(self.part[run] - excess, self.forced[run])


@dataclass(frozen=True)
class Reach:
    """The least and the most of each node, W; what takes no part is not in it, but stands under the limits."""

    limits: Bounding
    fixed_w: Column  # by node: what those run at that take no part
    down: _Way
    up: _Way

    @classmethod
    def of(cls, limits: Bounding) -> Self:
        tree = limits.columns.tree
        fixed_w = np.where(limits.out < 0, 0.0, limits.standing_w)
        down, up = _Way.of(limits, fixed_w, False), _Way.of(limits, fixed_w, True)
        for level in tree.levels:
            _limit(down, up, slice(level.first, level.last))
            for values in (up.net, up.part, down.net, down.part):
                level.add_to_parents(values)
        _limit(down, up, slice(0, 1))
        return cls(limits, tree.sums(fixed_w), down, up)

    def bounds(self, node: int) -> Bounds:
        return Bounds(self._bound(node, False), self._bound(node, True))

    def _bound(self, node: int, up: bool) -> Bound:
        way = self.up if up else self.down
        w = float((way.net[node] if up else -way.net[node]) - self.fixed_w[node]) + 0.0  # which is never -0
        if way.cut[node]:
            return Bound(w, *self.limits.limit_of(node, up, bool(way.by_net[node])))
        count = int((self.limits.out[self.limits.columns.tree.run(node)] < 0).sum())
        return Bound(w, BoundSource.ASSETS, f"{power(w)} from {count} {'asset' if count == 1 else 'assets'}")


def _limit(down: _Way, up: _Way, run: slice) -> None:
    up.limit(run, -down.net[run])
    down.limit(run, -up.net[run])
