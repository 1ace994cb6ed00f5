"""What should storage do over many intervals: against prices or along a target, inside every limit.

    >>> plan(Batteries.of(fleet.node("feeder/F12"), snapshot), step_s=300, prices=[42.0, 38.5, 61.0, 90.0])

`exact` is the cheapest plan there is, by a linear programme; `myopic` a nearly as cheap one at once. Both keep power
constant within an interval and leave ramps to the Guards, who know them by the second. Loads numpy; the exact plan
loads highspy (extra `opt`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal

from numpy.typing import ArrayLike

from dermscore.dispatch.check import Refused
from dermscore.dispatch.limits import Limit
from dermscore.dispatch.schedule import exact, myopic
from dermscore.dispatch.schedule.batteries import Batteries
from dermscore.dispatch.schedule.problem import Prices, Problem, Table, pose
from dermscore.dispatch.schedule.result import Bind, Binding, Plan

__all__ = ["EXACT", "MYOPIC", "Batteries", "Bind", "Binding", "Plan", "Prices", "Refused", "plan"]

EXACT: Final = "exact"
MYOPIC: Final = "myopic"
_NO_OTHER: Final[Mapping[str, ArrayLike]] = MappingProxyType({})


def plan(
    batteries: Batteries,
    *,
    step_s: float,
    prices: Prices | ArrayLike | None = None,
    target_w: ArrayLike | None = None,
    limits: Sequence[Limit] = (),
    other_w: Mapping[str, ArrayLike] = _NO_OTHER,
    method: Literal["exact", "myopic"] = "exact",
) -> Plan | Refused:
    """Plan `batteries` over as many intervals as the curves are long.

    Args:
        batteries: what can be planned with, and where its charge begins and must end.
        step_s: the length of an interval, s.
        prices: per MWh by interval, for import and export alike, or `Prices` of both. Energy is bought and sold by
            what all batteries and all `other_w` inject together.
        target_w: what these are to inject together, W by interval. Followed with the least deviation (energy above
            and below alike), and so as cheaply as can be; the myopic plan minds no price then.
        limits: on nodes (by path) and batteries (by id). Export and import limits hold in every interval, those of the
            charge for every battery at or below; ramps are left to the Guards.
        other_w: by path, what else is injected there and cannot be planned, W by interval.
        method: "exact" (needs highspy, extra `opt`) or "myopic".

    Returns:
        Plan; Refused where something given is not a number, curves differ in length, export earns more than import
        costs, limits contradict each other, the solver is not installed, or there is no such method.

    Raises:
        RuntimeError: the solver failed, which says nothing of the problem.
    """
    if method not in (EXACT, MYOPIC):
        return Refused(f"there is no method {method!r}; there are: {EXACT}, {MYOPIC}")
    problem = pose(batteries, step_s, prices, target_w, limits, other_w)
    if isinstance(problem, Refused):
        return problem
    if method == EXACT:
        solution = exact.solve(problem)
        if isinstance(solution, Refused):
            return solution
        return _plan(batteries.ids, problem, method, solution.power_w, solution.soc_wh, solution)
    found = myopic.solve(problem)
    return found if isinstance(found, Refused) else _plan(batteries.ids, problem, method, *found, None)


def _plan(
    ids: tuple[str, ...], problem: Problem, method: str, power_w: Table, soc_wh: Table, solution: exact.Solution | None
) -> Plan:
    return Plan(
        ids,
        power_w[:, problem.back] + 0.0,  # rest is 0 W, and never -0
        soc_wh[:, problem.back],
        power_w.sum(axis=1) + problem.other_w,
        problem.target_w,
        problem.cost(power_w),
        None if solution is None else solution.bound,
        method,
        problem.hours * 3600,
        problem,
        solution,
    )
