"""A target shared: the numbers of an allocation, and for each of them what binds it. Loads numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from dermscore.dispatch.allocation.rules import Rule
from dermscore.dispatch.allocation.settle import NOBODY, Poured, Problem, State, settle
from dermscore.dispatch.check import Refused
from dermscore.dispatch.envelope.envelope import Envelope
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
    one of the codes above), `by_upper` (whether that node limits the way up) and `lack_w` (the part of the shortfall
    that is its own fault, with the shortfall's sign); by node: `node_lack_w` (the part that the node's limit keeps
    away). `state` is where the last movement began.
    """

    problem: Problem
    state: State
    up: bool
    x_w: Column
    raw_w: Column
    bound_by: Indices
    by_upper: Flags
    delivered_w: float
    shortfall_w: float
    lack_w: Column
    node_lack_w: Column


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
    bound_by, by_upper = _bound_by(problem, state, poured, x_w, abs(gap_w))
    lack_w, node_lack_w = _lacks(state, poured, members, target_w, shortfall_w)
    return Solution(problem, state, up, x_w, raw_w, bound_by, by_upper, delivered_w, shortfall_w, lack_w, node_lack_w)


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
    """What the rule gives where nothing binds. Merit order is made of the devices' bounds, but of no node's limit."""
    largest = float(claim.max(initial=0.0))
    if problem.rule.in_order and problem.is_limited:
        return _in_order_alone(problem, target_w)
    if problem.rule.in_order or largest <= 0:
        return x_w
    part = claim / largest
    part /= part.sum()
    if not problem.rule.curtails:
        return part * target_w
    output_w = np.where(problem.part, np.nan_to_num(problem.columns.output_w), 0.0)
    return output_w + part * (target_w - float(output_w.sum()))


def _in_order_alone(problem: Problem, target_w: float) -> Column:
    """What merit order gives where no node has a limit: then its levels are watts in all (see `rules`)."""
    rest_w = problem.rest_w()
    gap_w = target_w - float(rest_w.sum())
    up = gap_w >= 0
    room_w = np.where(problem.claim(up) > 0, problem.high_w - rest_w if up else rest_w - problem.low_w, 0.0)
    weight, before = problem.rule.pouring(problem.columns, problem.claim(up), rest_w, room_w, up)
    moved_w = np.clip(weight * abs(gap_w) - (0.0 if before is None else before), 0.0, room_w)
    return rest_w + moved_w if up else rest_w - moved_w


def _bound_by(problem: Problem, state: State, poured: Poured, x_w: Column, wanted_w: float) -> tuple[Indices, Flags]:
    """For each device the bound that it stands at, the node that keeps it back, or the rule; and of a node, whether it
    limits the way up.
    """
    filled, tree = poured.filled, problem.tree
    capped = filled.capped.copy()
    capped[0] = wanted_w > poured.cap_w[0]
    bound_by = np.full(len(x_w), BY_RULE)
    behind, ahead = (problem.low_w, problem.high_w) if poured.up else (problem.high_w, problem.low_w)
    code_behind, code_ahead = (BY_MIN, BY_MAX) if poured.up else (BY_MAX, BY_MIN)
    bound_by[(x_w == behind) & (x_w != 0)] = code_behind
    bound_by[poured.claim <= 0] = NO_CLAIM
    by_upper = state.by_upper
    if problem.is_limited:
        bound_by = np.where((state.moved_by != NOBODY) & (filled.taken <= 0), state.moved_by, bound_by)
        kept_back = tree.per_leaf(capped[filled.ruled_by])
        bound_by = np.where(kept_back, tree.per_leaf(filled.ruled_by), bound_by)
        by_upper = np.where(kept_back, poured.up, by_upper)
    bound_by[x_w == ahead] = code_ahead
    bound_by[~problem.part] = ABSENT
    return bound_by, by_upper


def _lacks(state: State, poured: Poured, members: Flags, target_w: float, shortfall_w: float) -> tuple[Column, Column]:
    """Which part of the shortfall is whose: by asset, and by node.

    From the root inwards, for only the outermost of two bounds that both bind keeps anything away: a node's limit
    accounts for what could come through if it were not there, and the rest is divided among what is in the node, by
    how much less than its part of the target each of those can give, and so on inwards down to the assets.
    """
    problem, tree = state.problem, state.problem.tree
    kept_w = np.zeros(len(tree.paths))
    if not shortfall_w or not members.any():
        return np.zeros(len(state.x_w)), kept_w
    wanted_w = _wanted(problem, members, target_w, poured.up) - state.x_w
    wanted_w = wanted_w if poured.up else -wanted_w
    lack_w = np.maximum(wanted_w - poured.room_w, 0.0)
    most_w = poured.vessels.most()
    kept_back_w = np.maximum(most_w - poured.cap_w, 0.0)
    node_lack_w = np.maximum(tree.sums(wanted_w) - (most_w - kept_back_w), 0.0)
    inside_w = tree.own_sums(lack_w)
    for level in tree.levels:
        inside_w[level.parents] += np.add.reduceat(node_lack_w[level.first : level.last], level.starts)
    scale = np.zeros(len(tree.paths))  # by node: of what is lacked inside it, how much is left to be accounted for
    size_w = abs(shortfall_w)
    due_w = np.full(1, size_w)
    for run in (slice(0, 1), *(slice(level.first, level.last) for level in reversed(tree.levels))):
        if run.start:
            due_w = scale[tree.parent[run]] * node_lack_w[run]
        kept_w[run] = np.minimum(due_w, kept_back_w[run])
        rest_w = due_w - kept_w[run]
        rest_w = np.where(rest_w > _DUST * size_w, rest_w, 0.0)
        np.divide(rest_w, inside_w[run], out=scale[run], where=inside_w[run] > 0)
    sign = 1.0 if poured.up else -1.0
    return sign * lack_w * tree.per_leaf(scale), sign * kept_w


def _wanted(problem: Problem, members: Flags, target_w: float, up: bool) -> Column:
    """What each member with a claim, left out or not, would have had of the target, were there no bounds."""
    claim = np.where(members, problem.claim(up), 0.0)
    largest = float(claim.max())
    claim = claim / largest if largest > 0 else members.astype(np.float64)  # all are empty, say: then all alike lack it
    if not problem.rule.curtails:
        return claim * (target_w / float(claim.sum()))
    output_w = np.where(problem.part, np.nan_to_num(problem.columns.output_w), 0.0)
    return output_w + claim * ((target_w - float(output_w.sum())) / float(claim.sum()))
