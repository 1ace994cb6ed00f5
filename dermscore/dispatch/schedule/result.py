"""The plan: powers, charge, cost, and which limits bind in an interval. Loads numpy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from dermscore.dispatch.limits import Excluded
from dermscore.dispatch.schedule.batteries import Column
from dermscore.dispatch.schedule.problem import Problem, Table

if TYPE_CHECKING:
    from dermscore.dispatch.schedule.exact import Solution

_CLOSE: Final = 1e-6  # of the largest rating or charge: nearer to a bound is at it


class Bind(StrEnum):
    """What binds."""

    EXPORT = "export limit"
    IMPORT = "import limit"
    RATING = "rating"
    EMPTY = "least charge"
    FULL = "most charge"


@dataclass(frozen=True, slots=True)
class Binding:
    """A limit that is met in an interval.

    `name` is the node or the battery; `bound` W (injection positive), or Wh for a charge, which is that at the end of
    the interval; `source` names a node's limit. `value_per_mwh` is what one more MWh of room in this interval would
    save: money, or with a target MWh of deviation; None where the plan gives no such values (myopic).
    """

    interval: int
    name: str
    what: Bind
    bound: float
    source: str
    value_per_mwh: float | None


@dataclass(frozen=True)
class Plan:
    """What each battery does in each interval. Arrays: one row for each interval, one column for each of `ids`.

    Attributes:
        power_w: W, injection positive.
        soc_wh: the charge, Wh: one row more, the first is where it begins.
        net_w: W by interval, what the whole injects, other power counted.
        target_w: what was to be followed, None where nothing was.
        cost: of energy and throughput, in the money of the prices.
        bound: the least cost that any plan could reach, or with a target the least `deviation_mwh`; None if myopic.
        method: "exact" or "myopic".
        step_s: the length of an interval.
    """

    ids: tuple[str, ...]
    power_w: Table
    soc_wh: Table
    net_w: Column
    target_w: Column | None
    cost: float
    bound: float | None
    method: str
    step_s: float
    problem: Problem
    solution: Solution | None

    @property
    def shortfall_w(self) -> Column:
        """The target less what the whole injects, W by interval; 0 where there is no target."""
        return np.zeros(len(self.net_w)) if self.target_w is None else self.target_w - self.net_w

    @property
    def deviation_mwh(self) -> float:
        """How much energy too much and too little, all in all."""
        return self.problem.deviation_mwh(self.power_w)

    @cached_property
    def excluded(self) -> tuple[Excluded, ...]:
        """Who was left out, and why."""
        return self.problem.batteries.excluded

    def binding(self, interval: int) -> tuple[Binding, ...]:
        """Every limit that is met in an interval: of nodes from the whole inwards, then of batteries in order.

        Raises:
            IndexError: there is no such interval.
        """
        if not 0 <= interval < len(self.net_w):
            raise IndexError(f"there is no interval {interval}; the plan has {len(self.net_w)}")
        return (*self._nodes(interval), *self._ratings(interval), *self._charges(interval))

    def _nodes(self, at: int) -> Iterator[Binding]:
        power = self._in_tree_order(self.power_w[at])
        values = None if self.solution is None else self.solution.group_value[at]
        for place, group in enumerate(self.problem.groups):
            total, value = float(power[group.members].sum()), None if values is None else float(values[place])
            for what, edge, source in (
                (Bind.EXPORT, float(group.high_w[at]), group.high_source),
                (Bind.IMPORT, float(group.low_w[at]), group.low_source),
            ):
                if abs(total - edge) <= self._close_w:
                    yield Binding(at, group.name, what, edge, source, value)

    def _ratings(self, at: int) -> Iterator[Binding]:
        each, back = self.problem.batteries, self.problem.back
        values = None if self.solution is None else self.solution.rating_value[at][back]
        power, high, low = self.power_w[at], each.max_w[back], each.min_w[back]
        for rating, met in ((high, (power >= high - self._close_w) & (high > 0)), (low, power <= low + self._close_w)):
            for place in np.flatnonzero(met & (rating != 0)):
                value = None if values is None else float(values[place])
                yield Binding(at, self.ids[place], Bind.RATING, float(rating[place]), "", value)

    def _charges(self, at: int) -> Iterator[Binding]:
        problem, back = self.problem, self.problem.back
        values = None if self.solution is None else self.solution.soc_value[at][back]
        held = self.soc_wh[at + 1]
        least = problem.low_wh if at + 1 < problem.intervals else problem.last_wh
        close = _CLOSE * problem.high_wh[back]
        for what, edge, met in (
            (Bind.EMPTY, least[back], held <= least[back] + close),
            (Bind.FULL, problem.high_wh[back], held >= problem.high_wh[back] - close),
        ):
            for place in np.flatnonzero(met):
                value = None if values is None else float(values[place])
                yield Binding(at, self.ids[place], what, float(edge[place]), "", value)

    @property
    def _close_w(self) -> float:
        each = self.problem.batteries
        return _CLOSE * float(np.max(each.max_w - each.min_w, initial=1.0))

    def _in_tree_order(self, row: Column) -> Column:
        ordered = np.empty_like(row)
        ordered[self.problem.back] = row
        return ordered
