"""A good plan at once, without a solver: greedy, in one pass, never undoing what it has done.

A trade moves stored energy from an interval in which it is charged to another in which it is given. All trades are
ranked by what a stored Wh earns, the best first, and each is made as large as ratings, the window of the charge between
the two intervals, and the limits of nodes in both allow. Where a node cannot take all, those go first that lose little
and could go on for long (`places`). What a battery begins with above what it must end with is a charge that costs
nothing; what it lacks is bought before all else. (Ranking by price is what a merchant does by hand; it can miss a plan
in which a worse trade makes room for two better ones, which the exact plan finds.)

A target is followed by the same trades: there every MWh too much or too little is what costs (`market`). Then most
trades earn the same, and those between the intervals that ask the most come first, while all batteries are still free.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from dermscore.dispatch.check import Refused
from dermscore.dispatch.schedule.book import Book
from dermscore.dispatch.schedule.problem import Problem, Table

_DUST: Final = 1e-6  # of what must be held: lacking less is rounding


def solve(problem: Problem) -> tuple[Table, Table] | Refused:
    """Power of each battery in each interval, W, and the charge before and after, Wh."""
    unkept = next((each for each in problem.groups if each.low_w.max() > 0 or each.high_w.min() < 0), None)
    if unkept is not None:
        return Refused(
            f"without batteries the limits at {unkept.name or 'the whole'} do not hold;"
            " only method='exact' can plan this"
        )
    given, soc_wh = problem.replay(Book(problem).settle())
    each = problem.batteries
    lacking = each.end_soc_wh - soc_wh[-1] > _DUST * np.maximum(each.end_soc_wh, 1.0)
    if lacking.any():
        return Refused(
            f"the myopic plan cannot bring {each.ids[int(np.argmax(lacking))]} to what it must hold at the end"
        )
    return given, soc_wh
