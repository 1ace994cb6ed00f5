"""Share one target among the assets of a node: the weighted fill that every dispatch, preview and audit uses.

The numbers are worked out as columns (`settle`, `fill`, `solve`); here they are asked for, and put into words one by
one for whoever reads them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite
from typing import TYPE_CHECKING

from dermscore.dispatch.allocation.names import CAPACITY_SHARE
from dermscore.dispatch.check import Refused
from dermscore.dispatch.envelope.envelope import Envelope
from dermscore.dispatch.limits import BoundSource, Excluded
from dermscore.dispatch.words import power
from dermscore.model import Node, Snapshot

if TYPE_CHECKING:
    from dermscore.dispatch.allocation.solve import Solution
    from dermscore.dispatch.envelope.plain import Columns
    from dermscore.dispatch.tree import Column, Tree

_SAME = 1e-12  # of the target or the largest setpoint: two setpoints that differ by less are the same


@dataclass(frozen=True, slots=True)
class Share:
    """One asset's part. `raw_w` is what the rule alone gives, `setpoint_w` what is asked; `clamped` where they differ.

    `cause` says in words why it is what it is: the rule, the bound that binds, the node whose limit keeps it back, or
    what others could not take. `held` is an asset that another dispatch holds: it counts, and is not asked.
    """

    asset_id: str
    raw_w: float
    setpoint_w: float
    clamped: bool
    cause: str
    held: bool = False


@dataclass(frozen=True, slots=True)
class ShortfallCause:
    """`w` watts of the shortfall (its sign), and what kept them away: one asset's bound, or the limit of a node.

    `detail` says it in words that stand alone, with the name of the asset or the path of the node.
    `asset_id` is "" where it is a node's, or where nobody has a share; `node` is its path, None where it is an asset's.
    """

    asset_id: str
    w: float
    source: BoundSource
    detail: str
    node: str | None = None


@dataclass(frozen=True, slots=True)
class Broken:
    """A limit that cannot be kept: a node is `w` watts beyond it, whatever those who take part do.

    Devices come before nodes, and inner nodes before those around them: a device that must run, or is held, is a fact.
    """

    node: str
    w: float
    source: BoundSource
    detail: str


@dataclass(frozen=True)
class Allocation:
    """What each asset is asked for, and what could not be placed.

    `delivered_w` is the sum of the setpoints, `shortfall_w` the target less that (positive: too little injection), and
    `causes` account for the shortfall to the watt. `excluded` are sent nothing. As columns, in the order of
    `envelope.columns`: `solution`.
    """

    path: str
    target_w: float
    rule: str
    envelope: Envelope = field(repr=False)
    solution: Solution = field(repr=False)

    @property
    def delivered_w(self) -> float:
        return self.solution.delivered_w

    @property
    def shortfall_w(self) -> float:
        return self.solution.shortfall_w

    @property
    def setpoint_w(self) -> Column:
        """The setpoints in the order in which the assets were given, W; NaN for who is sent nothing."""
        import numpy as np

        x_w = np.where(self.solution.problem.part, self.solution.x_w, np.nan)
        return x_w[self.envelope.columns.ratings.order]

    @cached_property
    def shares(self) -> tuple[Share, ...]:
        """Everybody's part, in tree order."""
        part = self.solution.problem.part
        return tuple(self._share(place) for place in self._places if part[place])

    def share(self, asset_id: str) -> Share | None:
        """The share of one asset, None where it takes no part."""
        place = self.envelope.columns.ratings.place.get(asset_id)
        return None if place is None or not self.solution.problem.part[place] else self._share(place)

    @cached_property
    def excluded(self) -> tuple[Excluded, ...]:
        """Who takes no part and why, in tree order."""
        part = self.solution.problem.part
        return tuple(self._left_out(place) for place in self._places if not part[place])

    def exclusion(self, asset_id: str) -> Excluded | None:
        """Why an asset takes no part; None where it does, or is not below the node."""
        place = self.envelope.columns.ratings.place.get(asset_id)
        return None if place is None or self.solution.problem.part[place] else self._left_out(place)

    @cached_property
    def causes(self) -> tuple[ShortfallCause, ...]:
        """What the shortfall is made of: assets in the order of their ids, then nodes by their paths."""
        if self.shortfall_w == 0:
            return ()
        lack_w, node_lack_w = self.solution.lack_w, self.solution.node_lack_w
        lacking, at_nodes = (column.nonzero()[0].tolist() for column in (lack_w, node_lack_w))
        if not lacking and not at_nodes:
            return (ShortfallCause("", self.shortfall_w, BoundSource.NO_ASSETS, "no asset here has a share"),)
        of_assets = [ShortfallCause(self._id(at), float(lack_w[at]), *self._why_short(at)) for at in lacking]
        of_assets.sort(key=lambda cause: cause.asset_id)
        paths = self.envelope.columns.tree.paths
        node_causes = (
            ShortfallCause("", float(node_lack_w[node]), *self._node_limit(node, self.solution.up), node=paths[node])
            for node in sorted(at_nodes, key=lambda node: paths[node])
        )
        return (*of_assets, *node_causes)

    @cached_property
    def broken(self) -> tuple[Broken, ...]:
        """The limits of nodes that could not be kept; empty where all are."""
        from dermscore.dispatch.allocation.settle import broken

        paths = self.envelope.columns.tree.paths
        return tuple(
            Broken(paths[node], w, source, detail)
            for node, w, source, detail in broken(self.solution.problem, self.solution.x_w)
        )

    @cached_property
    def _largest_w(self) -> float:
        return max(
            abs(self.target_w),
            *(float(abs(each).max(initial=1.0)) for each in (self.solution.x_w, self.solution.raw_w)),
        )

    @property
    def _places(self) -> Iterator[int]:
        return map(int, self.envelope.columns.ratings.order)

    def _id(self, place: int) -> str:
        return self.envelope.columns.ratings.ids[place]

    def _share(self, place: int) -> Share:
        raw_w, setpoint_w = float(self.solution.raw_w[place]), float(self.solution.x_w[place])
        held = self.envelope.arrays.source_of(self.envelope.arrays.high, place) is BoundSource.HELD
        same = abs(setpoint_w - raw_w) <= _SAME * self._largest_w
        cause = self.rule if same and not held else self._cause(place, setpoint_w - raw_w)
        return Share(self._id(place), raw_w, setpoint_w, not same, cause, held)

    def _cause(self, place: int, more_w: float) -> str:
        from dermscore.dispatch.allocation.solve import BY_MAX, BY_MIN

        arrays, by = self.envelope.arrays, int(self.solution.bound_by[place])
        if by >= 0:
            return self._node_limit(by, bool(self.solution.by_upper[place]))[1]
        if by in (BY_MAX, BY_MIN):
            return self.envelope.words_of(arrays.high if by == BY_MAX else arrays.low, place)
        taken = "takes" if more_w * (self.target_w or more_w) > 0 else "leaves"
        return f"{taken} {power(abs(more_w))} because others are bound"

    def _node_limit(self, node: int, up: bool) -> tuple[BoundSource, str]:
        from dermscore.dispatch.allocation.settle import node_limit

        return node_limit(self.solution.state, node, up)

    def _why_short(self, place: int) -> tuple[BoundSource, str]:
        if not self.solution.problem.part[place]:
            excluded = self._left_out(place)
            return excluded.source, excluded.detail
        arrays = self.envelope.arrays
        side = arrays.high if self.shortfall_w > 0 else arrays.low
        name = self.envelope.columns.ratings.names[place]
        return arrays.source_of(side, place), f"{name}: {self.envelope.words_of(side, place)}"

    def _left_out(self, place: int) -> Excluded:
        excluded = self.envelope.excluded.get(self._id(place))
        return excluded or Excluded(self._id(place), BoundSource.NO_SHARE, self._no_share(place))

    def _no_share(self, place: int) -> str:
        ratings = self.envelope.columns.ratings
        name = ratings.names[place]
        if self.rule == CAPACITY_SHARE:
            return f"{name} has no capacity share"
        if self.solution.problem.rule.curtails:
            return f"{name} takes no part in {self.rule}: it has no output that could be curtailed"
        return f"{name} takes no part in {self.rule}: {'its weight is 0' if ratings.given else 'it stores nothing'}"


def allocate(
    fleet: Snapshot | Columns, tree: Node | Tree, envelope: Envelope, target_w: float, rule: str = CAPACITY_SHARE
) -> Allocation | Refused:
    """Split `target_w` (W, injection positive) over the assets of `tree` by `rule`, inside `envelope`.

    First by the rule; whoever is bound stays at the bound, and what is left goes to the others by the rule, until all
    is placed or all are bound; the same inside every node whose limit is met. So the shortfall is as small as bounds
    and limits allow, each setpoint grows with the target, and neither the order of the assets nor chance matters.

    Of a notebook's plain numbers: `fleet = Columns.flat(...)`, then
    `allocate(fleet, fleet.tree, fleet.envelope(), target_w)`.

    Args:
        fleet: what is known of the fleet, the same that `envelope` was made of.
        tree: the node, the same that `envelope` was made of.
        envelope: bounds, limits, and who is left out.
        target_w: the power wanted of those who take part.
        rule: "capacity share", "headroom", "SOC balance" or "merit order" for storage, "curtailment by rating" or
            "curtailment by output" for generation; docs/reference/allocation.md tells each with its source.

    Returns:
        Allocation, with the shortfall and its causes where not all could be placed; Refused for a target that is not a
        number, an unknown rule, an envelope of another node, fleet or moment, or a device whose dead band is in reach.
    """
    from dermscore.dispatch.allocation.rules import RULES
    from dermscore.dispatch.allocation.solve import solve

    if not isfinite(target_w):
        return Refused("the target is not a number")
    if rule not in RULES:
        return Refused(f"there is no rule {rule!r}; there are: {', '.join(sorted(RULES))}")
    path = _path(tree)
    if path != envelope.path:
        return Refused(f"the envelope is of {envelope.path or 'the whole fleet'}, not of {path or 'the whole fleet'}")
    if _is_other(fleet, envelope):
        return Refused("the envelope was made of another fleet, or of another moment: make it anew")
    solution = solve(envelope, RULES[rule], target_w)
    if isinstance(solution, Refused):
        return solution
    return Allocation(path, target_w, rule, envelope, solution)


def _is_other(fleet: Snapshot | Columns, envelope: Envelope) -> bool:
    if isinstance(fleet, Snapshot):
        return envelope.snapshot is not None and fleet is not envelope.snapshot and fleet != envelope.snapshot
    return fleet is not envelope.columns and fleet.ratings.ids != envelope.columns.ratings.ids


def _path(tree: Node | Tree) -> str:
    return tree.path if isinstance(tree, Node) else tree.paths[0]
