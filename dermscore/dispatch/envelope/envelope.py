"""What each asset and each node can do now: a lower and an upper bound in watts, each with where it comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite
from typing import TYPE_CHECKING

from dermscore.dispatch.arbitration.controls import Controls
from dermscore.dispatch.limits import Bound, Bounds, BoundSource, Excluded, Limit
from dermscore.dispatch.words import power
from dermscore.model import Node, Now, Snapshot

if TYPE_CHECKING:
    from dermscore.dispatch.columns import AssetColumns
    from dermscore.dispatch.envelope.bounding import Bounding, Side
    from dermscore.dispatch.envelope.reach import Reach


@dataclass(frozen=True)
class Envelope:
    """The bounds of every asset and node at or below `path`. Made once, and not changed after.

    Inside are columns (`arrays`, with all that the fill needs); what a reader asks for is put into words when asked.
    `hold_s` is for how long the bounds can be held, in s; 0: now. `snapshot` is what it was made of; None of plain
    numbers.
    """

    path: str
    arrays: Bounding = field(repr=False)
    hold_s: float = 0.0
    snapshot: Snapshot | None = field(default=None, repr=False)

    @property
    def columns(self) -> AssetColumns:
        """The assets, as columns."""
        return self.arrays.columns

    @property
    def node(self) -> Bounds:
        """The bounds of the whole, limits of nodes above it counted."""
        return self._reach.bounds(0)

    def bounds_of(self, name: str) -> Bounds:
        """The bounds of an asset (by id) or of a node (by path), those of the nodes inside it counted.

        Of what takes no part they are what was last measured of it, 0 W where nothing was. A node has the sum of those
        who take part, and the others leave of its limits what they do. A limit of a node above does not show here,
        only in what `allocate` gives.

        Raises:
            KeyError: there is no such asset or node here.
        """
        place = self.columns.ratings.place.get(name)
        if place is None:
            return self._reach.bounds(self.columns.tree.place[name])
        if self.arrays.out[place] >= 0:
            excluded = self._excluded(place)
            bound = Bound(float(self.arrays.standing_w[place]), excluded.source, excluded.detail)
            return Bounds(bound, bound)
        return Bounds(self._bound(self.arrays.low, place), self._bound(self.arrays.high, place))

    @cached_property
    def bounds(self) -> Mapping[str, Bounds]:
        """The bounds of every asset that can be asked, by id."""
        return {asset_id: self.bounds_of(asset_id) for asset_id in self._in_order if asset_id not in self.excluded}

    @cached_property
    def nodes(self) -> Mapping[str, Bounds]:
        """The bounds of every node, by path, those of the nodes inside it counted."""
        return {path: self._reach.bounds(at) for at, path in enumerate(self.columns.tree.paths)}

    @cached_property
    def excluded(self) -> Mapping[str, Excluded]:
        """Who cannot be asked, by id, and why."""
        place = self.columns.ratings.place
        return {
            asset_id: self._excluded(place[asset_id])
            for asset_id in self._in_order
            if self.arrays.out[place[asset_id]] >= 0
        }

    @property
    def _in_order(self) -> Iterable[str]:
        ratings = self.columns.ratings
        return (ratings.ids[place] for place in ratings.order)

    @cached_property
    def _reach(self) -> Reach:
        from dermscore.dispatch.envelope.reach import Reach

        return Reach.of(self.arrays)

    def _excluded(self, place: int) -> Excluded:
        source = self.arrays.source(int(self.arrays.out[place]))
        return Excluded(self.columns.ratings.ids[place], source, self.arrays.words(self.arrays.out_detail[place]))

    def _bound(self, side: Side, place: int) -> Bound:
        return Bound(float(side.w[place]) + 0.0, self.arrays.source_of(side, place), self.words_of(side, place))

    def words_of(self, side: Side, place: int) -> str:
        """An asset's bound in words, with the number where the words of a limit do not have it already."""
        w, source = float(side.w[place]), self.arrays.source_of(side, place)
        said = self.arrays.words_of(side, place)
        if source is BoundSource.SOC:
            return self._charge(side, place, w, said)
        if source in (BoundSource.RATING, BoundSource.GIVEN):
            return f"its {'rating' if source is BoundSource.RATING else 'bound'} of {power(w)}"
        if source is BoundSource.AVAILABLE:
            return f"its available {power(w)}"
        if source is BoundSource.RAMP:
            return f"its ramp, which reaches {power(w)} in time"
        return f"0 W: {said}" if w == 0 and source is BoundSource.LIMIT and not said.endswith(" 0 W") else said

    def _charge(self, side: Side, place: int, w: float, said: str) -> str:
        window = self.arrays.floor if side.sign > 0 else self.arrays.ceiling
        capacity_wh = float(self.columns.ratings.capacity_wh[place])
        pct = 100 * float(window.w[place]) / capacity_wh if capacity_wh else 0.0
        why = f" ({said})" if said else ""
        if w == 0:
            return f"0 W: its state of charge is at its {'minimum' if side.sign > 0 else 'maximum'} of {pct:.6g} %{why}"
        return f"{power(w)}: its state of charge lasts for {self.hold_s:g} s of that, to {pct:.6g} %{why}"


def envelope(
    tree: Node,
    snapshot: Snapshot,
    controls: Controls,
    limits: Iterable[Limit],
    now: Now,
    *,
    hold_s: float = 0.0,
    within_s: float | None = None,
) -> Envelope:
    """The bounds of every asset and node at or below `tree`, each with its source.

    Left out, and so never asked for anything: what has no live session, was never heard, whose measurement cannot be
    used, or what is impaired. What it runs at still counts under the limits of the nodes above it.

    An asset for which a control at another node than `tree.path` outranks the one that stands here stays at what that
    other control gave it: both its bounds are that value. So arbitrate *with* the dispatch to be allocated among the
    events, or every asset under another one is held.

    A limit of an event is on its way at the event's own ramp, from what stood before; ratings, lockouts and switches
    count at once. Under a limit of a node above the tree, the tree gets what the assets elsewhere leave: each counts at
    its measured power or at its setpoint, whichever is further towards the limit.

    Args:
        tree: the node to be dispatched.
        snapshot: what is known of the fleet.
        controls: what `arbitrate` gave, the dispatch at hand included.
        limits: policy's limits; those on nodes and assets elsewhere do not matter.
        now: a control that ended by then no longer holds anything; limits that ramp are taken at that time.
        hold_s: bounds that can be held for so many seconds, at the state of charge and efficiency; 0: now.
        within_s: bounds that can be reached in so many seconds, by the ramps of devices and nodes; None: in the end.

    Raises:
        ValueError: `hold_s` or `within_s` is not a number of seconds, or is below 0; or there is no node.
    """
    from dermscore.dispatch.envelope.situation import Situation

    if tree is None:  # what nobody's types keep out in a notebook
        raise ValueError("there is no node to bound: fleet.node(path) gives None where no site is at or below the path")
    seconds("hold_s", hold_s)
    seconds("within_s", within_s or 0.0)
    situation = Situation(tree, snapshot, controls, limits, now, hold_s, within_s)
    return Envelope(tree.path, situation.bounding(), hold_s, snapshot)


def seconds(name: str, value: float) -> float:
    """`value`, which has to be a length of time.

    Raises:
        ValueError: it is not a number of seconds, or is below 0.
    """
    if not (isfinite(value) and value >= 0):
        raise ValueError(f"{name} cannot be {value}")
    return value
