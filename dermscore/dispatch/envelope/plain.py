"""A fleet of plain numbers, for a notebook, and its envelope. Loads numpy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import nan
from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike

from dermscore.dispatch.columns import MOST, AssetColumns, Ratings, check, within
from dermscore.dispatch.envelope import devices
from dermscore.dispatch.envelope.bounding import Bounding
from dermscore.dispatch.envelope.envelope import Envelope, seconds
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
            ValueError: an id given twice, or that is no text; what is not a number; a weight, efficiency or dead band
                out of its range; a least above its most; sequences of other lengths.
        """
        rows = _Rows.of(ids, at)
        output = rows.column("output_w", output_w, known=False)
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
        return cls(
            ratings,
            rows.column("power_w", power_w, known=False),
            rows.column("soc_wh", soc_wh, known=False),
            np.full(len(ids), nan),
            np.minimum(output, ratings.max_w),
        )

    def envelope(self, limits: Iterable[Limit] = (), hold_s: float | None = None) -> Envelope:
        """The envelope of plain numbers: the bounds as given, and limits on the nodes of `at` or on single ids.

        A limit on a node where nobody is limits nothing. With `hold_s` the energy in store must last for so many
        seconds.

        Raises:
            ValueError: a limit on what can be no node, such as `F1/`; or `hold_s` is not a number of seconds, or is
                below 0.
        """
        limits, held_s = tuple(limits), seconds("hold_s", hold_s or 0.0)
        nodes, assets = self.tree.place, self.ratings.place
        for limit in limits:
            if limit.node not in nodes and limit.node not in assets and not _is_place(limit.node):
                raise ValueError(f"{limit.source}: {_NO_PLACE.format(limit.node)}")
        bounding = Bounding.of(self)
        Limiting(bounding).stand(limits)
        devices.hold_charge(bounding, held_s)
        devices.hold_available(bounding)
        devices.uncross(bounding)
        return Envelope(self.tree.paths[0], bounding, held_s)


@dataclass(frozen=True, slots=True)
class _Rows:
    """The devices in the order of the tree. `places[i]` is where the i-th of them stood when they were given."""

    tree: Tree
    ids: Sequence[str]
    places: Indices

    @classmethod
    def of(cls, ids: Sequence[str], at: Sequence[str] | None) -> Self:
        strange = next((each for each in ids if not isinstance(each, str)), None)
        if strange is not None:
            raise ValueError(f"ids are texts, and {strange!r} is none")
        if len(set(ids)) != len(ids):
            raise ValueError("an id is given twice")
        tree, places = _tree_of_paths(ids, at)
        return cls(tree, [ids[place] for place in places], places)

    def column(self, name: str, values: ArrayLike, known: bool = True) -> Column:
        """One number for each device, or one for all, as a column. If it need not be known, NaN says that it is not."""
        given = np.asarray(values)
        if given.dtype.kind not in "fiu":
            raise ValueError(f"{name} has something in it that is no number")
        if given.ndim and given.shape != self.places.shape:
            raise ValueError(f"there are {len(self.ids)} ids, and {len(given)} numbers in a sequence given for them")
        column = given.astype(np.float64)[self.places] if given.ndim else np.full(len(self.ids), float(given))
        if not known:
            within(self.ids, name, np.where(np.isnan(column), 0.0, column), 0.0 if name == "soc_wh" else -MOST, MOST)
        return column

    def ratings(self, output_w: Column, **given: ArrayLike) -> Ratings:
        order = np.empty(len(self.ids), dtype=np.intp)
        order[self.places] = np.arange(len(self.ids))
        columns = {name: self.column(name, values) for name, values in given.items()}
        ratings = Ratings(
            self.tree,
            self.ids,
            self.ids,
            order,
            ramp_w_per_s=np.full(len(self.ids), np.inf),
            is_storage=columns["capacity_wh"] > 0,
            is_generation=np.isfinite(output_w),
            given=True,
            **columns,
        )
        check(ratings)
        return ratings


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
