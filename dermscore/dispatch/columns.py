"""A fleet as arrays, one element per asset: made of a snapshot, or of plain numbers in a notebook.

Assets stand in an order of their own (by node, then by id), so that neither the order of a file nor that of a call
changes a sum in its last digit; `Ratings.order` leads back. Loads numpy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import count
from math import nan
from typing import TYPE_CHECKING, Final, Self

import numpy as np
from numpy.typing import ArrayLike

from dermscore.dispatch.tree import Column, Flags, Indices, Tree
from dermscore.model import Asset, Kind, Measurement, Node, ancestry

if TYPE_CHECKING:
    from dermscore.dispatch.envelope import Envelope
    from dermscore.dispatch.limits import Limit


@dataclass(frozen=True)
class Ratings:
    """What stays from one decision to the next: columns by asset, in W, Wh, W/s and cost per MWh.

    `order[i]` is the place of the i-th asset as it was given. `given` says that the bounds are numbers of the caller's
    and no ratings.
    """

    tree: Tree
    ids: Sequence[str]
    names: Sequence[str]
    order: Indices
    min_w: Column
    max_w: Column
    capacity_wh: Column
    min_soc_wh: Column
    max_soc_wh: Column
    efficiency: Column
    ramp_w_per_s: Column
    cost: Column
    dead_band_w: Column
    is_storage: Flags
    is_generation: Flags
    given: bool = False

    @cached_property
    def place(self) -> Mapping[str, int]:
        """Each asset's place in the columns."""
        return {asset_id: at for at, asset_id in enumerate(self.ids)}

    @cached_property
    def prices(self) -> tuple[Indices, Indices]:
        """The assets from the cheapest on, and each asset's price by its number (0 the lowest)."""
        cheapest_first = np.argsort(self.cost, kind="stable")
        ascending = self.cost[cheapest_first]
        number = np.empty(len(ascending), dtype=np.intp)
        number[cheapest_first] = np.cumsum(np.diff(ascending, prepend=ascending[:1]) > 0)
        return cheapest_first, number


@dataclass(frozen=True)
class Columns:
    """A fleet at one moment. NaN stands for what is not known.

    `power_w` and `soc_wh` are measured, `setpoint_w` is what is asked now, `output_w` is what a generator would give
    if nothing held it back.
    """

    ratings: Ratings
    power_w: Column
    soc_wh: Column
    setpoint_w: Column
    output_w: Column

    @property
    def tree(self) -> Tree:
        return self.ratings.tree

    @classmethod
    def of(cls, tree: Node, measurements: Mapping[str, Measurement]) -> Self:
        """The assets of a node, with what was measured of them."""
        ratings = _ratings(tree)
        heard = [measurements.get(asset_id) for asset_id in ratings.ids]
        power_w, soc_wh, setpoint_w, up_w = np.array([_state(each) for each in heard]).reshape(-1, 4).T.copy()
        output_w = np.clip(power_w + np.fmax(up_w, 0), ratings.min_w, ratings.max_w)
        return cls(ratings, power_w, soc_wh, setpoint_w, np.where(ratings.is_generation, output_w, nan))

    @classmethod
    def flat(
        cls,
        *,
        ids: Sequence[str],
        min_w: ArrayLike,
        max_w: ArrayLike,
        weight: ArrayLike = 1.0,
        at: Sequence[str] | None = None,
        power_w: ArrayLike = nan,
        output_w: ArrayLike = nan,
        soc_wh: ArrayLike = nan,
        min_soc_wh: ArrayLike = 0.0,
        max_soc_wh: ArrayLike | None = None,
        efficiency: ArrayLike = 1.0,
        cost: ArrayLike = 0.0,
        dead_band_w: ArrayLike = 0.0,
    ) -> Self:
        """A fleet of plain numbers: a sequence with one for each of `ids`, or one number for all.

        Args:
            ids: the devices' names, all different.
            min_w: the least that each can do, W, injection positive.
            max_w: the most.
            weight: what capacity share divides by (a capacity in Wh, or anything in proportion); 0 leaves one out.
            at: each one's place in a tree, as a path like `feeder/F1/site/S1`; all at the root where not given.
            power_w: measured, W: what one that takes no part counts for under a limit of its node.
            output_w: what a generator would give if nothing held it back, W. Who has one can be curtailed.
            soc_wh: energy in store, Wh; with `min_soc_wh` and `max_soc_wh` (`weight` where not given) its window.
            efficiency: one way, 0 to 1.
            cost: of a MWh.
            dead_band_w: the least power other than 0, W.

        Raises:
            ValueError: an id given twice; a bound, weight or cost that is not a number; a weight, efficiency or dead
                band out of its range; a least above its most; sequences of other lengths.
        """
        if len(set(ids)) != len(ids):
            raise ValueError("an id is given twice")
        tree, places = _tree_of_paths(ids, at)

        def column(values: ArrayLike) -> Column:
            given = np.asarray(values, dtype=np.float64)
            if given.ndim and given.shape != (len(ids),):
                raise ValueError(f"there are {len(ids)} ids, and {len(given)} numbers in a sequence given for them")
            return np.broadcast_to(given, len(ids))[places] if given.ndim else np.full(len(ids), float(given))

        capacity = column(weight)
        output = column(output_w)
        order = np.empty(len(ids), dtype=np.intp)
        order[places] = np.arange(len(ids))
        in_order = [ids[place] for place in places]
        ratings = Ratings(
            tree,
            in_order,
            in_order,
            order,
            column(min_w),
            column(max_w),
            capacity,
            column(min_soc_wh),
            capacity if max_soc_wh is None else column(max_soc_wh),
            column(efficiency),
            np.full(len(ids), np.inf),
            column(cost),
            column(dead_band_w),
            capacity > 0,
            np.isfinite(output),
            given=True,
        )
        charge = column(soc_wh)
        _check(ratings, charge)
        return cls(ratings, column(power_w), charge, np.full(len(ids), nan), output)

    def envelope(self, limits: Iterable[Limit] = (), hold_s: float | None = None) -> Envelope:
        """The envelope of plain numbers: the bounds as given, and limits on the nodes of `at` or on single ids.

        With `hold_s` the energy in store must last for so many seconds.

        Raises:
            ValueError: a limit on what can be neither, such as `F1/`; it would limit nothing.
        """
        from dermscore.dispatch.bounding import of_columns
        from dermscore.dispatch.envelope import Envelope

        limits, known = tuple(limits), self.tree.place
        for limit in limits:
            if limit.node not in known and not _is_place(limit.node) and limit.node not in self.ratings.place:
                raise ValueError(f"{limit.source}: {_NO_PLACE.format(limit.node)}")
        return Envelope(self.tree.paths[0], of_columns(self, limits, hold_s or 0.0), hold_s or 0.0)


def _state(measurement: Measurement | None) -> tuple[float, float, float, float]:
    if measurement is None:
        return nan, nan, nan, nan
    soc_wh, setpoint_w = measurement.soc_wh, measurement.setpoint_w
    return (
        measurement.power_w,
        nan if soc_wh is None else soc_wh,
        nan if setpoint_w is None else setpoint_w,
        measurement.available_up_w,
    )


@lru_cache(maxsize=64)
def _ratings(root: Node) -> Ratings:
    """The ratings of a node, kept for as long as that very node is asked for."""
    paths, parent, members = [], [], []
    for node, up, own in _nodes(root, -1, count()):
        paths.append(node.path)
        parent.append(up)
        members.append(own)
    hung = [(at, asset) for at, own in enumerate(members) for asset in own]
    tree, places = Tree.of_parents(paths, parent, [at for at, _ in hung])
    assets = [hung[place][1] for place in places]
    place_of = {asset.id: place for place, asset in enumerate(assets)}

    def column(key: str) -> Column:
        return np.array([getattr(asset, key) for asset in assets], dtype=np.float64)

    return Ratings(
        tree,
        [asset.id for asset in assets],
        [asset.name for asset in assets],
        np.array([place_of[asset.id] for asset in root.assets], dtype=np.intp),
        column("min_w"),
        column("max_w"),
        column("capacity_wh"),
        column("min_soc_wh"),
        column("max_soc_wh"),
        column("efficiency"),
        column("ramp_w_per_s"),
        column("cost_per_mwh"),
        column("dead_band_w"),
        column("capacity_wh") > 0,
        np.array([asset.kind is Kind.SOLAR for asset in assets], dtype=bool),
    )


def _nodes(node: Node, up: int, numbers: Iterator[int]) -> Iterator[tuple[Node, int, list[Asset]]]:
    """Each node with its parent's number and the assets on it and on no node below, in the order of their ids."""
    mine = next(numbers)
    below = {asset.id for child in node.children for asset in child.assets}
    yield node, up, sorted((asset for asset in node.assets if asset.id not in below), key=lambda asset: asset.id)
    for child in sorted(node.children, key=lambda child: child.path):
        yield from _nodes(child, mine, numbers)


_NO_PLACE: Final = "{!r} is no place in a tree; write names joined by '/', as in F1/S3"


def _is_place(path: str) -> bool:
    return not path or all(path.split("/"))


def _tree_of_paths(ids: Sequence[str], at: Sequence[str] | None) -> tuple[Tree, Indices]:
    by_id = np.array(sorted(range(len(ids)), key=ids.__getitem__), dtype=np.intp)
    if at is None:
        return Tree.flat(len(ids)), by_id
    if len(at) != len(ids):
        raise ValueError(f"there are {len(ids)} ids, and {len(at)} places in the tree")
    for place in set(at):
        if not _is_place(place):
            raise ValueError(_NO_PLACE.format(place))
    paths = ["", *sorted({path for place in set(at) if place for path in ancestry(place)})]
    number = {path: node for node, path in enumerate(paths)}
    parent = [-1, *(number[path.rpartition("/")[0]] for path in paths[1:])]
    tree, places = Tree.of_parents(paths, parent, [number[at[place]] for place in by_id])
    return tree, by_id[places]


def _check(ratings: Ratings, soc_wh: Column) -> None:
    """Refuse what is not a number or out of its range, by name."""
    rules: tuple[tuple[str, Column, float, float], ...] = (
        ("min_w", ratings.min_w, -np.inf, np.inf),
        ("max_w", ratings.max_w, -np.inf, np.inf),
        ("weight", ratings.capacity_wh, 0, np.inf),
        ("cost", ratings.cost, 0, np.inf),
        ("dead_band_w", ratings.dead_band_w, 0, np.inf),
        ("min_soc_wh", ratings.min_soc_wh, 0, np.inf),
        ("max_soc_wh", ratings.max_soc_wh, 0, np.inf),
        ("soc_wh", np.where(np.isnan(soc_wh), 0.0, soc_wh), 0, np.inf),
        ("efficiency", ratings.efficiency, np.nextafter(0, 1), 1),
    )
    for name, values, least, most in rules:
        wrong = ~(np.isfinite(values) & (values >= least) & (values <= most))
        if wrong.any():
            at = int(wrong.argmax())
            raise ValueError(f"{name} of {ratings.ids[at]} cannot be {values[at]:g}")
    crossed = ratings.min_w > ratings.max_w
    if crossed.any():
        raise ValueError(f"min_w of {ratings.ids[int(crossed.argmax())]} is above its max_w")
