"""Random fleets on a tree with limits, and the same as a linear program for HiGHS, which knows nothing of our fill."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import Final

import highspy
import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from dermscore.dispatch import Allocation, Columns, Limit, allocate
from dermscore.dispatch.allocation.names import (
    CAPACITY_SHARE,
    SOC_BALANCE,
)
from dermscore.dispatch.allocation.rules import RULES
from dermscore.model import covers

Powers = NDArray[np.float64]

PATHS: Final = ("a", "a/b", "a/c", "d", "d/e", "d/e/f")
_MISSED: Final = 1e4  # what a watt of shortfall costs the program: far more than any power does


@dataclass(frozen=True)
class Nest:
    """Devices by their bounds, weight, cost, charge (of the weight), possible output and place, and limits on nodes."""

    low_w: tuple[float, ...]
    high_w: tuple[float, ...]
    weight: tuple[float, ...]
    cost: tuple[float, ...]
    charge: tuple[float, ...]
    output_w: tuple[float, ...]
    at: tuple[str, ...]
    limits: tuple[Limit, ...]

    def columns(self, rule: str = CAPACITY_SHARE, order: Sequence[int] | None = None) -> Columns:
        """What the rule looks at: a charge only for the one by charge, an output only for a curtailment."""
        given = range(len(self.at)) if order is None else order
        return Columns.flat(
            ids=[f"x{n}" for n in given],
            min_w=[self.low_w[n] for n in given],
            max_w=[self.high_w[n] for n in given],
            weight=[self.weight[n] for n in given],
            cost=[self.cost[n] for n in given],
            soc_wh=[self.charge[n] * self.weight[n] if rule == SOC_BALANCE else nan for n in given],
            output_w=[self.output_w[n] if RULES[rule].curtails else nan for n in given],
            at=[self.at[n] for n in given],
        )

    def share(self, target_w: float, rule: str = CAPACITY_SHARE, order: Sequence[int] | None = None) -> Allocation:
        columns = self.columns(rule, order)
        result = allocate(columns, columns.tree, columns.envelope(self.limits), target_w, rule)
        assert isinstance(result, Allocation)
        return result

    def bounds_w(self, rule: str) -> tuple[Powers, Powers]:
        """The least and the most of each device under a rule. A curtailment does not turn generation into load."""
        bounds = self.columns(rule).envelope().bounds
        low_w, high_w = (np.array([getattr(each, side).w for each in bounds.values()]) for side in ("min", "max"))
        return (np.maximum(low_w, np.minimum(high_w, 0.0)) if RULES[rule].curtails else low_w), high_w

    def best(self, target_w: float, rule: str = CAPACITY_SHARE) -> tuple[float, float] | None:
        """The least |shortfall| that any powers leave, and the least cost of such; None where no powers keep all."""
        count = len(self.at)
        program = _devices(*self.bounds_w(rule))
        program.addVar(0, highspy.kHighsInf)  # the shortfall's magnitude
        for column, cost in enumerate((*self.cost, *self.cost, _MISSED)):
            program.changeColCost(column, cost)
        every = list(range(count))
        for sign in (1, -1):
            _row(
                program,
                [*every, *(count + n for n in every), 2 * count],
                [sign] * count + [-sign] * count + [-1],
                -highspy.kHighsInf,
                sign * target_w,
            )
        for limit in self.limits:
            self._add(program, limit)
        program.run()
        if program.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return None
        missed = program.getSolution().col_value[2 * count]
        return missed, program.getInfo().objective_function_value - _MISSED * missed

    def farthest(self, node: str, sign: int) -> float | None:
        """The most (`sign` 1) or least (-1) net power of a node under its own limits and those inside it; None where no
        powers keep them.
        """
        count = len(self.at)
        program = _devices(np.array(self.low_w), np.array(self.high_w))
        for column, path in enumerate(self.at):
            if covers(node, path):
                program.changeColCost(column, -sign)
                program.changeColCost(count + column, sign)
        for limit in self.limits:
            if covers(node, limit.node):
                self._add(program, limit)
        program.run()
        if program.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return None
        return -sign * program.getInfo().objective_function_value

    def _add(self, program: highspy.Highs, limit: Limit) -> None:
        inject = [n for n, path in enumerate(self.at) if covers(limit.node, path)]
        absorb = [len(self.at) + n for n in inject]
        net = [1] * len(inject) + [-1] * len(inject)
        most = highspy.kHighsInf
        for columns, values, low, high in (
            (inject + absorb, net, -most, limit.export_limit_w),
            (inject + absorb, net, None if limit.import_limit_w is None else -limit.import_limit_w, most),
            (inject, net[: len(inject)], -most, limit.generation_limit_w),
            (absorb, net[: len(inject)], -most, limit.load_limit_w),
        ):
            if low is not None and high is not None and columns:
                _row(program, columns, values, low, high)


def _devices(low_w: Powers, high_w: Powers) -> highspy.Highs:
    """What each injects, and then what each absorbs."""
    program = highspy.Highs()
    program.setOptionValue("output_flag", False)
    program.addVars(len(low_w), np.maximum(low_w, 0), np.maximum(high_w, 0))
    program.addVars(len(low_w), np.maximum(-high_w, 0), np.maximum(-low_w, 0))
    return program


def _row(program: highspy.Highs, columns: Sequence[int], values: Sequence[float], low: float, high: float) -> None:
    program.addRow(low, high, len(columns), np.array(columns, dtype=np.int32), np.array(values, dtype=float))


_W = st.integers(-20, 20).map(float)
_BOUNDS = st.one_of(
    st.tuples(st.integers(-20, 0).map(float), st.integers(0, 20).map(float)),
    _W.map(lambda w: (w, w)),
    st.tuples(_W, _W).map(lambda two: (min(two), max(two))),
)
_LIMIT = st.one_of(st.none(), st.none(), st.integers(0, 30).map(float))


@st.composite
def nests(draw: st.DrawFn, limited: bool = True) -> Nest:
    count = draw(st.integers(1, 8))
    bounds = draw(st.lists(_BOUNDS, min_size=count, max_size=count))

    def each(strategy: st.SearchStrategy[float]) -> tuple[float, ...]:
        return tuple(draw(st.lists(strategy, min_size=count, max_size=count)))

    return Nest(
        tuple(low for low, _ in bounds),
        tuple(high for _, high in bounds),
        each(st.sampled_from([1e-12, 1e-3, 1.0, 2.0, 1e12])),
        each(st.integers(1, 4).map(float)),
        each(st.sampled_from([0.0, 0.25, 0.5, 1.0, nan])),
        each(st.integers(0, 20).map(float)),
        tuple(draw(st.lists(st.sampled_from(PATHS), min_size=count, max_size=count))),
        tuple(Limit(path, "L", *(draw(_LIMIT) for _ in range(4))) for path in ("", *PATHS)) if limited else (),
    )
