"""A target shared: the numbers of an allocation, and for each of them what binds it. Loads numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from dermscore.dispatch.check import Refused
from dermscore.dispatch.envelope import Envelope
from dermscore.dispatch.rules import Rule
from dermscore.dispatch.settle import NOBODY, Poured, Problem, State, settle
from dermscore.dispatch.tree import Column, Flags, Indices
from dermscore.dispatch.words import power

BY_RULE: Final = -1  # nothing binds: the rule alone decides
BY_MAX: Final = -2  # the device's upper bound
BY_MIN: Final = -3  # its lower bound
NO_CLAIM: Final = -4  # the rule gives it nothing in this direction
ABSENT: Final = -5  # it takes no part

_DUST: Final = 1e-14  # of the powers summed: what floating point leaves, and no shortfall


@dataclass(frozen=True)
class Solution:
    """Columns by asset: `x_w` (0 for who takes no part), `raw_w` (what the rule alone gives), `bound_by` (a node, or
    one of the codes above) and `lack_w` (its part of the shortfall, with the shortfall's sign). `state` is where the
    last movement began.
    """

    problem: Problem
    state: State
    up: bool
    x_w: Column
    raw_w: Column
    bound_by: Indices
    delivered_w: float
    shortfall_w: float
    lack_w: Column


def solve(envelope: Envelope, rule: Rule, target_w: float) -> Solution | Refused:
    """Share `target_w` (W) by `rule`; Refused where a device with a dead band would take part."""
    columns = envelope.columns
    members = rule.members(columns)
    problem = Problem.of(columns, envelope.arrays, rule, members)
    dead = _dead_band(problem)
    if dead is not None:
        return dead
    state = settle(problem)
    gap_w = target_w - float(state.x_w.sum())
    up = gap_w >= 0
    poured = problem.pour(state, up, np.zeros(1, dtype=np.intp), np.array([abs(gap_w)]))
    x_w = _moved(state, poured)
    delivered_w = float(x_w.sum())
    shortfall_w = _without_dust(target_w - delivered_w, target_w, problem)
    raw_w = _raw(problem, poured.claim, x_w, target_w)
    bound_by = _bound_by(problem, state, poured, x_w, abs(gap_w))
    lack_w = _lacks(problem, members, x_w, target_w, shortfall_w, up)
    return Solution(problem, state, up, x_w, raw_w, bound_by, delivered_w, shortfall_w, lack_w)


def _dead_band(problem: Problem) -> Refused | None:
    """A dead band cuts a hole into what a device can do, and a fill cannot jump: it must not be in reach."""
    dead_w = problem.columns.ratings.dead_band_w
    if not dead_w.any():
        return None
    in_reach = (problem.low_w < dead_w) & (problem.high_w > -dead_w) & (problem.low_w < problem.high_w)
    caught = np.flatnonzero(problem.part & (dead_w > 0) & in_reach)
    if not len(caught):
        return None
    names = problem.columns.ratings.names
    named = ", ".join(f"{names[at]} ({power(dead_w[at])})" for at in caught[:3])
    more = f" and {len(caught) - 3} more" if len(caught) > 3 else ""
    return Refused(f"a dead band cannot be shared into: {named}{more}; give it a setpoint by name, or leave it out")


def _moved(state: State, poured: Poured) -> Column:
    """Where the devices stand then; one that has used all its room at its bound, to the last digit."""
    problem, taken = state.problem, poured.filled.taken
    full = taken >= poured.room_w
    if poured.up:
        return np.where(full & (poured.room_w > 0), problem.high_w, state.x_w + taken)
    return np.where(full & (poured.room_w > 0), problem.low_w, state.x_w - taken)


def _without_dust(shortfall_w: float, target_w: float, problem: Problem) -> float:
    summed_w = abs(target_w) + float(np.maximum(-problem.low_w, problem.high_w).sum())
    return 0.0 if abs(shortfall_w) <= _DUST * summed_w else shortfall_w


def _raw(problem: Problem, claim: Column, x_w: Column, target_w: float) -> Column:
    """What the rule gives where nothing binds. Merit order has no such share: it is made of bounds."""
    largest = float(claim.max(initial=0.0))
    if problem.rule.in_order or largest <= 0:
        return x_w
    part = claim / largest
    part /= part.sum()
    if not problem.rule.curtails:
        return part * target_w
    output_w = np.where(problem.part, np.nan_to_num(problem.columns.output_w), 0.0)
    return output_w + part * (target_w - float(output_w.sum()))


def _bound_by(problem: Problem, state: State, poured: Poured, x_w: Column, wanted_w: float) -> Indices:
    """For each device the bound that it stands at, the node that keeps it back, or the rule."""
    filled, leaf_node = poured.filled, problem.tree.leaf_node
    capped = filled.capped.copy()
    capped[0] = wanted_w > poured.cap_w[0]
    bound_by = np.full(len(x_w), BY_RULE)
    behind, ahead = (problem.low_w, problem.high_w) if poured.up else (problem.high_w, problem.low_w)
    code_behind, code_ahead = (BY_MIN, BY_MAX) if poured.up else (BY_MAX, BY_MIN)
    bound_by[(x_w == behind) & (x_w != 0)] = code_behind
    bound_by[poured.claim <= 0] = NO_CLAIM
    if problem.is_limited:
        bound_by = np.where((state.moved_by != NOBODY) & (filled.taken <= 0), state.moved_by, bound_by)
        bound_by = np.where(capped[filled.ruled_by][leaf_node], filled.ruled_by[leaf_node], bound_by)
    bound_by[x_w == ahead] = code_ahead
    bound_by[~problem.part] = ABSENT
    return bound_by


def _lacks(problem: Problem, members: Flags, x_w: Column, target_w: float, shortfall_w: float, up: bool) -> Column:
    """Who of all below the node lacks which part of the shortfall.

    Each member with a claim, left out or not, would have had its part of the target; where it has less, that is what it
    lacks. Others may have taken some of it up, so the parts are scaled to the shortfall.
    """
    if not shortfall_w or not members.any():
        return np.zeros(len(x_w))
    claim = np.where(members, problem.claim(up), 0.0)
    largest = float(claim.max())
    claim = claim / largest if largest > 0 else members.astype(np.float64)  # all are empty, say: then all alike lack it
    wanted_w = claim * (target_w / float(claim.sum()))
    if problem.rule.curtails:
        output_w = np.where(problem.part, np.nan_to_num(problem.columns.output_w), 0.0)
        wanted_w = output_w + claim * ((target_w - float(output_w.sum())) / float(claim.sum()))
    lack_w = np.maximum(wanted_w - x_w, 0.0) if up else np.minimum(wanted_w - x_w, 0.0)
    total_w = float(lack_w.sum())
    return lack_w * (shortfall_w / total_w) if total_w else np.zeros(len(x_w))
