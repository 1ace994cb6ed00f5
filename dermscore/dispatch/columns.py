"""A fleet as arrays, one element per asset.

Assets stand in an order of their own (by node, then by id), so that neither the order of a file nor that of a call
changes a sum in its last digit; `Ratings.order` leads back. Loads numpy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import count
from math import nan
from typing import Final, Self

import numpy as np

from dermscore.dispatch.tree import Column, Flags, Indices, Tree
from dermscore.model import Asset, Kind, Measurement, Node

MOST: Final = float(np.finfo(np.float64).max)


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
class AssetColumns:
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
        """The assets of a node, with what was measured of them.

        Raises:
            ValueError: a rating is not a number, or out of its range.
        """
        ratings = _ratings(tree)
        heard = [measurements.get(asset_id) for asset_id in ratings.ids]
        power_w, soc_wh, setpoint_w, up_w = np.array([_state(each) for each in heard]).reshape(-1, 4).T.copy()
        output_w = np.clip(power_w + np.fmax(up_w, 0), ratings.min_w, ratings.max_w)
        return cls(ratings, power_w, soc_wh, setpoint_w, np.where(ratings.is_generation, output_w, nan))


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
    """The ratings of a node, kept for as long as that very node is asked for.

    Raises:
        ValueError: one is not a number, or out of its range.
    """
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

    ratings = Ratings(
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
    check(ratings)
    return ratings


def _nodes(node: Node, up: int, numbers: Iterator[int]) -> Iterator[tuple[Node, int, list[Asset]]]:
    """Each node with its parent's number and the assets on it and on no node below, in the order of their ids."""
    mine = next(numbers)
    below = {asset.id for child in node.children for asset in child.assets}
    yield node, up, sorted((asset for asset in node.assets if asset.id not in below), key=lambda asset: asset.id)
    for child in sorted(node.children, key=lambda child: child.path):
        yield from _nodes(child, mine, numbers)


def check(ratings: Ratings) -> None:
    """Refuse what is not a number or out of its range, by name.

    Raises:
        ValueError: there is such.
    """
    rules: tuple[tuple[str, Column, float, float], ...] = (
        ("min_w", ratings.min_w, -MOST, MOST),
        ("max_w", ratings.max_w, -MOST, MOST),
        ("weight" if ratings.given else "capacity_wh", ratings.capacity_wh, 0, MOST),
        ("cost" if ratings.given else "cost_per_mwh", ratings.cost, 0, MOST),
        ("dead_band_w", ratings.dead_band_w, 0, MOST),
        ("min_soc_wh", ratings.min_soc_wh, 0, MOST),
        ("max_soc_wh", ratings.max_soc_wh, 0, MOST),
        ("ramp_w_per_s", ratings.ramp_w_per_s, 0, np.inf),
        ("efficiency", np.where(ratings.is_storage, ratings.efficiency, 1.0), np.nextafter(0, 1), 1),
    )
    for name, values, least, most in rules:
        within(ratings.ids, name, values, least, most)
    crossed = ratings.min_w > ratings.max_w
    if crossed.any():
        raise ValueError(f"min_w of {ratings.ids[int(crossed.argmax())]} is above its max_w")


def within(ids: Sequence[str], name: str, values: Column, least: float, most: float) -> None:
    """Refuse a column that has anything in it but numbers from `least` to `most`.

    Raises:
        ValueError: it has.
    """
    wrong = ~((values >= least) & (values <= most))
    if wrong.any():
        at = int(wrong.argmax())
        raise ValueError(f"{name} of {ids[at]} cannot be {values[at]:g}")
