"""The best plan: one linear programme over all intervals, solved by HiGHS (extra `opt`).

Columns for each interval: every battery's discharge d, charge c and charge held after it e; every limited node's sum;
what the whole exports and imports; what it is above and below the target. Rows: e = e before + c * efficiency
- d / efficiency; a node's sum is that of the nodes and batteries directly in it, so no row is denser than a node.

A linear programme may charge and discharge one battery at once, which burns energy. With prices above 0 that never
pays; with prices below 0, or a target or limit that asks for more than a full battery can take, it would. No device
does it. So the two are netted and run through the device model; where a battery then cannot do what it should, it may
only do one of them in that interval (the one that prevailed), and the programme is solved again until all can. The
first solution's cost remains a lower bound of what any plan costs, and the plan says it. Where that is not reached, the
best plan in the directions of the myopic one is tried as well, and the better of both is the answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from dermscore.dispatch.check import Refused
from dermscore.dispatch.schedule import myopic
from dermscore.dispatch.schedule.batteries import Column, Flags, Indices
from dermscore.dispatch.schedule.problem import Problem, Table

MISSING: Final = "the exact plan needs the HiGHS solver: pip install 'derms[opt]', or ask for method='myopic'"
_TOLERANCE: Final = 1e-9  # of the largest rating
_CUT: Final = 1e-6  # of the largest rating: when the device model cuts off less, it is rounding
_PROVEN: Final = 1e-6  # of the least cost or deviation: nearer to the bound nothing is looked for
_NO_PLAN: Final = (
    "no plan keeps every limit: the limits on nodes, other power there, the windows of the charge and what the"
    " batteries must hold at the end contradict each other"
)
_ONLY_BY_BURNING: Final = "no plan was found that keeps every limit without a battery charging and discharging at once"


@dataclass(frozen=True, slots=True)
class Solution:
    """Powers (W), the charge (Wh), the least cost of any plan, and what one more MWh of each bound would save.

    Values are by interval and group, or by interval and battery. With a target it is the least deviation instead, MWh,
    and what would be saved of that.
    """

    power_w: Table
    soc_wh: Table
    bound: float
    group_value: Table
    rating_value: Table
    soc_value: Table


def solve(problem: Problem) -> Solution | Refused:
    """The cheapest plan; with a target the cheapest of those that deviate least from it.

    Raises:
        RuntimeError: the solver failed; that says nothing of the problem.
    """
    try:
        import highspy  # noqa: F401
    except ModuleNotFoundError:
        return Refused(MISSING)
    programme = Programme(problem)
    best = programme.optimum()
    if best is None:
        return Refused(_NO_PLAN)
    found = _without_burning(programme, best, best.bound)
    if found is None or _worth(problem, found) > best.bound + _PROVEN * (1 + abs(best.bound)):
        found = _better(problem, found, _directed(problem, best))
    return found or Refused(_ONLY_BY_BURNING)


def _without_burning(programme: Programme, answer: Optimum | None, bound: float) -> Solution | None:
    """Forbid burning where it shows up until none is left; None where no plan is."""
    problem = programme.problem
    while answer is not None:  # each round forbids something, of which there is an end
        given_w, soc_wh = problem.replay(answer.power_w)
        cut = np.abs(given_w - answer.power_w).max(axis=0) > _CUT * programme.unit_w
        if not programme.forbid(answer, cut):
            return Solution(given_w, soc_wh, bound, answer.group_value, answer.rating_value, answer.soc_value)
        answer = programme.optimum()
    return None


def _directed(problem: Problem, best: Optimum) -> Solution | None:
    """The best plan whose batteries charge and give when the myopic plan's do, or where that rests, `best`'s.

    What was forbidden one by one may stand in the way of what burns energy over two intervals, as a device can: the
    myopic plan may do that, and this one is never worse.
    """
    guide = myopic.solve(problem)
    if isinstance(guide, Refused):
        return None
    programme = Programme(problem)
    programme.direct(np.where(guide[0] == 0, best.power_w, guide[0]))
    return _without_burning(programme, programme.optimum(), best.bound)


def _better(problem: Problem, one: Solution | None, other: Solution | None) -> Solution | None:
    found = [each for each in (one, other) if each is not None]
    return min(found, key=lambda each: _worth(problem, each), default=None)


def _worth(problem: Problem, solution: Solution) -> float:
    """What is to be least: the cost, or with a target the deviation, MWh."""
    return problem.cost(solution.power_w) if problem.target_w is None else problem.deviation_mwh(solution.power_w)


@dataclass(frozen=True, slots=True)
class Optimum:
    """One solved programme: `Solution`, and how much each battery burned by doing both at once, W."""

    power_w: Table
    burned_w: Table
    bound: float
    group_value: Table
    rating_value: Table
    soc_value: Table


@dataclass
class Programme:
    """The linear programme, in units of the largest rating. Owned by the one call of `solve`."""

    problem: Problem
    unit_w: float = field(init=False)
    low: Column = field(init=False)
    high: Column = field(init=False)

    def __post_init__(self) -> None:
        problem, each = self.problem, self.problem.batteries
        shape = (problem.intervals, len(each.ids))
        self.unit_w = float(max(np.max(each.max_w, initial=0), np.max(-each.min_w, initial=0))) or 1.0
        self.unit_wh = self.unit_w * problem.hours
        sizes = [*[shape] * 3, (problem.intervals, len(problem.groups)), *[(problem.intervals, 1)] * 4]
        edges = np.cumsum([0, *(rows * columns for rows, columns in sizes)])
        self.discharge, self.charge, self.held, self.sums, self.exports, self.imports, self.above, self.below = (
            np.arange(start, stop).reshape(size) for start, stop, size in zip(edges, edges[1:], sizes, strict=False)
        )
        self.low, self.high = np.zeros(edges[-1]), np.full(edges[-1], np.inf)
        self.high[self.discharge], self.high[self.charge] = each.max_w / self.unit_w, -each.min_w / self.unit_w
        self.low[self.held], self.high[self.held] = problem.low_wh / self.unit_wh, problem.high_wh / self.unit_wh
        self.low[self.held[-1]] = problem.last_wh / self.unit_wh
        for place, group in enumerate(problem.groups):
            self.low[self.sums[:, place]], self.high[self.sums[:, place]] = group.low_w, group.high_w
        self.low[self.sums] /= self.unit_w
        self.high[self.sums] /= self.unit_w
        self._rows()

    def _rows(self) -> None:
        problem, each = self.problem, self.problem.batteries
        rows = _Rows()
        balance = rows.block(self.held.shape, _first(each.soc_wh / self.unit_wh, self.held.shape))
        rows.put(balance, self.held, 1.0)
        rows.put(balance[1:], self.held[:-1], -1.0)
        rows.put(balance, self.charge, -each.efficiency)
        rows.put(balance, self.discharge, 1 / each.efficiency)
        node = rows.block(self.sums.shape, np.zeros(self.sums.shape))
        rows.put(node, self.sums, 1.0)
        for place, group in enumerate(problem.groups):
            if group.parent >= 0:
                rows.put(node[:, group.parent], self.sums[:, place], -1.0)
        rows.put(node[:, problem.owner], self.discharge, -1.0)
        rows.put(node[:, problem.owner], self.charge, 1.0)
        meter = rows.block(self.exports.shape, -problem.other_w[:, None] / self.unit_w)
        rows.put(meter, self.sums[:, :1], 1.0)
        rows.put(meter, self.exports, -1.0)
        rows.put(meter, self.imports, 1.0)
        if problem.target_w is not None:
            wanted = (problem.target_w - problem.other_w)[:, None] / self.unit_w
            follow = rows.block(self.above.shape, wanted)
            rows.put(follow, self.sums[:, :1], 1.0)
            rows.put(follow, self.above, -1.0)
            rows.put(follow, self.below, 1.0)
        self.rows = rows

    def money(self) -> tuple[Column, float]:
        """What each column costs, and the largest price, in which it is counted.

        Where nothing has a price, throughput has: the least use that does the same.
        """
        problem, each = self.problem, self.problem.batteries
        costs = np.zeros(len(self.low))
        costs[self.imports], costs[self.exports] = problem.import_price[:, None], -problem.export_price[:, None]
        costs[self.discharge] = costs[self.charge] = each.cost_per_mwh
        largest = float(np.abs(costs).max())
        if largest == 0:
            costs[self.discharge] = costs[self.charge] = 1.0
            return costs, 0.0
        return costs / largest, largest

    def optimum(self) -> Optimum | None:
        """Solve it as it stands; None where nothing keeps all bounds."""
        costs, price = self.money()
        solver = self._solver(costs)
        if self.problem.target_w is None:
            return self._answer(solver, price, None, 0.0) if _solved(solver) else None
        deviations = np.concatenate((self.above.ravel(), self.below.ravel()))
        self._set_costs(solver, np.isin(np.arange(len(costs)), deviations).astype(np.float64))
        if not _solved(solver):
            return None
        least, duals = solver.getInfo().objective_function_value, np.array(solver.getSolution().col_dual)
        slack = _TOLERANCE * (1 + abs(least))
        solver.addRow(0.0, least + slack, len(deviations), deviations.astype(np.int32), np.ones(len(deviations)))
        self._set_costs(solver, costs)
        return self._answer(solver, price, duals, least) if _solved(solver) else None

    def _set_costs(self, solver: Any, costs: Column) -> None:
        solver.changeColsCost(len(costs), np.arange(len(costs), dtype=np.int32), costs)

    def _answer(self, solver: Any, price: float, duals: Column | None, deviation: float) -> Optimum:
        solution = solver.getSolution()
        values = np.array(solution.col_value)
        saved = np.array(solution.col_dual) * price if duals is None else duals
        discharge, charge = values[self.discharge] * self.unit_w, values[self.charge] * self.unit_w
        least = solver.getInfo().objective_function_value * price if duals is None else deviation
        at_rating = np.maximum(-saved[self.discharge], 0) * (self.high[self.discharge] > 0)
        at_rating += np.maximum(-saved[self.charge], 0) * (self.high[self.charge] > 0)
        return Optimum(
            discharge - charge,
            np.minimum(discharge, charge),
            least * self.unit_wh / 1e6,
            np.abs(saved[self.sums]),
            at_rating,
            np.abs(saved[self.held]),
        )

    def forbid(self, answer: Optimum, batteries: Flags) -> bool:
        """Let those of `batteries` that charged and discharged at once do so no more; whether there were any."""
        both = (answer.burned_w > _CUT * self.unit_w) & batteries
        charging = answer.power_w <= 0
        self.high[self.discharge[both & charging]] = 0
        self.high[self.charge[both & ~charging]] = 0
        return bool(both.any())

    def direct(self, power_w: Table) -> None:
        """Let every battery only give where `power_w` is above 0, and only charge elsewhere."""
        self.high[self.charge[power_w > 0]] = 0
        self.high[self.discharge[power_w <= 0]] = 0

    def _solver(self, costs: Column) -> Any:
        import highspy
        from highspy._core import _Highs

        solver = _Highs()  # `Highs` around it prints a banner as it is made, before it can be silenced
        for option, value in _OPTIONS.items():
            solver.setOptionValue(option, value)
        programme = highspy.HighsLp()
        programme.num_col_, programme.num_row_ = len(costs), self.rows.count
        programme.col_cost_, programme.col_lower_, programme.col_upper_ = costs, self.low, self.high
        programme.row_lower_ = programme.row_upper_ = self.rows.sides()
        matrix = programme.a_matrix_
        matrix.format_ = highspy.MatrixFormat.kColwise
        matrix.start_, matrix.index_, matrix.value_ = self.rows.by_column(len(costs))
        solver.passModel(programme)
        return solver


_OPTIONS: Final[dict[str, bool | float | str]] = {
    "output_flag": False,
    "parallel": "off",  # and no number of threads: HiGHS has one pool for the process, which others may have begun
    "random_seed": 0,
    "primal_feasibility_tolerance": _TOLERANCE,
    "dual_feasibility_tolerance": _TOLERANCE,
}


def _solved(solver: Any) -> bool:
    import highspy

    solver.run()
    status = solver.getModelStatus()
    if status not in (highspy.HighsModelStatus.kOptimal, highspy.HighsModelStatus.kInfeasible):
        raise RuntimeError(f"the HiGHS solver found neither a plan nor that there is none: {status.name}")
    return bool(status == highspy.HighsModelStatus.kOptimal)


def _first(row: Column, shape: tuple[int, ...]) -> Table:
    table = np.zeros(shape)
    table[0] = row
    return table


class _Rows:
    """Equations as they are gathered: blocks of rows with their right-hand sides, and coefficients put into them."""

    def __init__(self) -> None:
        self.count = 0
        self._sides: list[Column] = []
        self._entries: list[tuple[Indices, Indices, Column]] = []

    def block(self, shape: tuple[int, ...], sides: Table) -> Indices:
        """New rows, one for each element of `shape`, each equal to its side."""
        first, self.count = self.count, self.count + int(np.prod(shape))
        self._sides.append(sides.ravel())
        return np.arange(first, self.count).reshape(shape)

    def put(self, rows: Indices, columns: Indices, value: float | Column) -> None:
        """A coefficient for each pair of row and column."""
        self._entries.append((rows.ravel(), columns.ravel(), np.broadcast_to(value, columns.shape).ravel()))

    def sides(self) -> Column:
        return np.concatenate(self._sides)

    def by_column(self, columns: int) -> tuple[Indices, Indices, Column]:
        """The matrix: where each column starts, and the rows and values of its entries."""
        row, column, value = (np.concatenate(parts) for parts in zip(*self._entries, strict=True))
        order = np.lexsort((row, column))
        starts = np.concatenate(([0], np.cumsum(np.bincount(column, minlength=columns))))
        return starts.astype(np.int32), row[order].astype(np.int32), value[order]
