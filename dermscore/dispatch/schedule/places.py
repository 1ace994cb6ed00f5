"""Where batteries stand in the tree of limits: sums over its nodes, and who is cut where a node cannot take all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dermscore.dispatch.schedule.batteries import Column, Flags, Indices
from dermscore.dispatch.schedule.problem import Group, Problem


@dataclass(frozen=True, slots=True)
class Rank:
    """The batteries of one level's groups in order of who is cut last.

    `order` holds them, `group` each one's group, and `first` where that group's begin in `order`.
    """

    groups: Indices
    order: Indices
    first: Indices
    group: Indices


class Places:
    """The groups of a problem, and the sums and cuts over them."""

    def __init__(self, problem: Problem) -> None:
        each = problem.batteries
        self._owner = problem.owner
        self._parents = np.array([group.parent for group in problem.groups])
        self._levels = list(_levels(problem.groups))
        self._runs = [group.members for group in problem.groups]
        edges = np.array([(run.start, run.stop) for run in self._runs])
        pieces = np.unique(edges)
        self._pieces = pieces[:-1]
        self._first, self._last = np.searchsorted(pieces, edges).T
        window = problem.high_wh - problem.low_wh
        hours = np.divide(window, each.max_w, out=np.zeros_like(each.max_w), where=each.max_w > 0)
        self._by_efficiency = self._ranks(each.efficiency, hours)

    def sums(self, power_w: Column) -> Column:
        """Of each group."""
        if len(self._runs) == 1:
            return np.add.reduce(power_w, keepdims=True)
        pieces = np.add.reduceat(power_w, self._pieces)
        running = np.zeros(len(pieces) + 1)
        pieces.cumsum(out=running[1:])
        moved: Column = running[self._last] - running[self._first]
        return moved

    def cut(self, power_w: Column, room_w: Column, lasts: Column | None) -> bool:
        """Cut `power_w` >= 0 so that no group has more than its room, the inner before the outer; whether it had to be.

        Those that last longest are cut last, or without `lasts` the most efficient.
        """
        sums = self.sums(power_w)
        if (sums <= room_w).all():
            return False
        room_w = np.maximum(room_w, 0)
        for rank in self._by_efficiency if lasts is None else self._ranks(lasts):
            if not (sums > room_w)[rank.groups].any():
                continue
            asked = power_w[rank.order]
            running = asked.cumsum()
            running -= asked
            left = room_w[rank.group] - running + running[rank.first]
            power_w[rank.order] = np.minimum(np.maximum(left, 0), asked)
            sums = self.sums(power_w)
        return True

    def _ranks(self, *priorities: Column) -> tuple[Rank, ...]:
        """Who is cut last, level by level: those of the highest priority, and where that is equal of the next."""
        return tuple(self._rank(level, priorities) for level in reversed(self._levels))

    def _rank(self, groups: Indices, priorities: Sequence[Column]) -> Rank:
        runs = [self._runs[group] for group in groups]
        counts = np.array([run.stop - run.start for run in runs])
        members = np.concatenate([np.arange(run.start, run.stop) for run in runs])
        keys = [-priority[members] for priority in reversed(priorities)]
        order = np.lexsort((*keys, np.repeat(np.arange(len(runs)), counts)))
        firsts = np.repeat(np.cumsum(counts) - counts, counts)
        return Rank(groups, members[order], firsts, np.repeat(groups, counts))

    def within(self, chosen: Flags) -> Flags:
        """Which batteries are in a chosen group."""
        inside = chosen.copy()
        for level in self._levels[1:]:
            inside[level] |= inside[self._parents[level]]
        return inside[self._owner]


def _levels(groups: Sequence[Group]) -> Iterator[Indices]:
    """The groups by how many are around them; those of one level share no battery."""
    depth: list[int] = []
    for group in groups:
        depth.append(0 if group.parent < 0 else depth[group.parent] + 1)
    for level in range(max(depth) + 1):
        yield np.flatnonzero(np.array(depth) == level)
