"""Where batteries stand in the tree of limits: sums over its nodes, and who is cut where a node cannot take all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from dermscore.dispatch.schedule.batteries import Column, Flags, Indices
from dermscore.dispatch.schedule.problem import Group, Problem

_LOSS_WEIGHS: Final = 40  # 1 % more of efficiency, one way, as much as half as long again


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
        self._owner = problem.owner
        self._parents = np.array([group.parent for group in problem.groups])
        self._levels = list(_levels(problem.groups))
        self._runs = [group.members for group in problem.groups]
        edges = np.array([(run.start, run.stop) for run in self._runs])
        pieces = np.unique(edges)
        self._pieces = pieces[:-1]
        self._first, self._last = np.searchsorted(pieces, edges).T
        self._by_merit = self._ranks(_merit(problem))

    def sums(self, power_w: Column) -> Column:
        """Of each group."""
        if len(self._runs) == 1:
            return np.add.reduce(power_w, keepdims=True)
        pieces = np.add.reduceat(power_w, self._pieces)
        running = np.zeros(len(pieces) + 1)
        pieces.cumsum(out=running[1:])
        moved: Column = running[self._last] - running[self._first]
        return moved

    def cut(self, power_w: Column, sums_w: Column, room_w: Column, lasts: Column | None) -> Column:
        """Cut `power_w` >= 0 so that no group has more than its room, the inner before the outer; the new sums.

        Cut last are those that last longest, or without `lasts` those of the most merit.
        """
        room_w = np.maximum(room_w, 0)
        for rank in self._by_merit if lasts is None else self._ranks(lasts):
            if not (sums_w > room_w)[rank.groups].any():
                continue
            asked = power_w[rank.order]
            running = asked.cumsum()
            running -= asked
            left = room_w[rank.group] - running + running[rank.first]
            power_w[rank.order] = np.minimum(np.maximum(left, 0), asked)
            sums_w = self.sums(power_w)
        return sums_w

    def _ranks(self, priority: Column) -> tuple[Rank, ...]:
        """Who is cut last, level by level: those of the highest priority."""
        return tuple(self._rank(level, priority) for level in reversed(self._levels))

    def _rank(self, groups: Indices, priority: Column) -> Rank:
        runs = [self._runs[group] for group in groups]
        counts = np.array([run.stop - run.start for run in runs])
        members = np.concatenate([np.arange(run.start, run.stop) for run in runs])
        group, first = np.repeat(groups, counts), np.repeat(np.cumsum(counts) - counts, counts)
        order = np.lexsort((-priority[members], first))
        return Rank(groups, members[order], first, group)

    def within(self, chosen: Flags) -> Flags:
        """Which batteries are in a chosen group."""
        inside = chosen.copy()
        for level in self._levels[1:]:
            inside[level] |= inside[self._parents[level]]
        return inside[self._owner]


def _merit(problem: Problem) -> Column:
    """Who should trade where not all can: those that lose little, and could go on for long.

    A lossy battery earns less of the same room. One that is soon empty is missed later, when all are needed; but what
    lasts longer than the plan is no better for it. How the two weigh against each other is found by trying.
    """
    each = problem.batteries
    window = problem.high_wh - problem.low_wh
    hours = np.divide(window, each.max_w, out=np.zeros_like(window), where=each.max_w > 0)
    merit: Column = each.efficiency**_LOSS_WEIGHS * np.minimum(hours, problem.hours * problem.intervals)
    return merit


def _levels(groups: Sequence[Group]) -> Iterator[Indices]:
    """The groups by how many are around them; those of one level share no battery."""
    depth: list[int] = []
    for group in groups:
        depth.append(0 if group.parent < 0 else depth[group.parent] + 1)
    for level in range(max(depth) + 1):
        yield np.flatnonzero(np.array(depth) == level)
