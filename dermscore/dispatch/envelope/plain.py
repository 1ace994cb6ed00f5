"""A fleet of plain numbers, for a notebook, and its envelope. Loads numpy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import nan
from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike

from dermscore.dispatch.columns import AssetColumns, Ratings
from dermscore.dispatch.envelope import devices
from dermscore.dispatch.envelope.bounding import Bounding
from dermscore.dispatch.envelope.envelope import Envelope
from dermscore.dispatch.envelope.limiting import Limiting
from dermscore.dispatch.limits import Limit
from dermscore.dispatch.tree import Column, Indices, Tree
from dermscore.model import ancestry

_NO_PLACE: Final = "{!r} is no place in a tree; write names joined by '/', as in F1/S3"


@dataclass(frozen=True)
class Columns(AssetColumns):
    """A fleet of plain numbers at one moment: made by `flat`, bounded by `envelope`. NaN stands for what is not known.

    `tree` has the nodes. `power_w` and `soc_wh` are measured, `output_w` is what a generator would give if nothing held
    it back. The columns inside stand in an order of their own; results come back in the order given.
    """

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
        rows = _Rows.of(ids, at)
        output = rows.column(output_w)
        ratings = rows.ratings(
            output,
            min_w=min_w,
            max_w=max_w,
            capacity_wh=weight,
            min_soc_wh=min_soc_wh,
            max_soc_wh=weight if max_soc_wh is None else max_soc_wh,
            efficiency=efficiency,
            cost=cost,
            dead_band_w=dead_band_w,
        )
        columns = cls(ratings, rows.column(power_w), rows.column(soc_wh), rows.column(nan), output)
        _check(ratings, columns.soc_wh)
        return columns

    def envelope(self, limits: Iterable[Limit] = (), hold_s: float | None = None) -> Envelope:
        """The envelope of plain numbers: the bounds as given, and limits on the nodes of `at` or on single ids.

        With `hold_s` the energy in store must last for so many seconds.

        Raises:
            ValueError: a limit on what can be neither, such as `F1/`; it would limit nothing.
        """
        limits = tuple(limits)
        nodes, assets = self.tree.place, self.ratings.place
        for limit in limits:
            if limit.node not in nodes and limit.node not in assets and not _is_place(limit.node):
                raise ValueError(f"{limit.source}: {_NO_PLACE.format(limit.node)}")
        bounding = Bounding.of(self)
        Limiting(bounding).stand(limits)
        devices.hold_charge(bounding, hold_s or 0.0)
        devices.hold_available(bounding)
        devices.uncross(bounding)
        return Envelope(self.tree.paths[0], bounding, hold_s or 0.0)


@dataclass(frozen=True, slots=True)
class _Rows:
    """The devices in the order of the tree. `places[i]` is where the i-th of them stood when they were given."""

    tree: Tree
    ids: Sequence[str]
    places: Indices

    @classmethod
    def of(cls, ids: Sequence[str], at: Sequence[str] | None) -> Self:
        if len(set(ids)) != len(ids):
            raise ValueError("an id is given twice")
        tree, places = _tree_of_paths(ids, at)
        return cls(tree, [ids[place] for place in places], places)

    def column(self, values: ArrayLike) -> Column:
        """One number for each device, or one for all, as a column."""
        given = np.asarray(values, dtype=np.float64)
        if given.ndim and given.shape != self.places.shape:
            raise ValueError(f"there are {len(self.ids)} ids, and {len(given)} numbers in a sequence given for them")
        return given[self.places] if given.ndim else np.full(len(self.ids), float(given))

    def ratings(self, output_w: Column, **given: ArrayLike) -> Ratings:
        order = np.empty(len(self.ids), dtype=np.intp)
        order[self.places] = np.arange(len(self.ids))
        columns = {name: self.column(values) for name, values in given.items()}
        return Ratings(
            self.tree,
            self.ids,
            self.ids,
            order,
            ramp_w_per_s=self.column(np.inf),
            is_storage=columns["capacity_wh"] > 0,
            is_generation=np.isfinite(output_w),
            given=True,
            **columns,
        )


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
