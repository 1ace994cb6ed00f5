"""The rules by which a target is shared: who has a part in it, and how large.

A rule gives each asset a claim. What all take together is shared in proportion to the claims until somebody is bound;
then the others go on. Loads numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from dermscore.dispatch.allocation.names import (
    CAPACITY_SHARE,
    CURTAIL_BY_OUTPUT,
    CURTAIL_BY_RATING,
    HEADROOM,
    MERIT_ORDER,
    SOC_BALANCE,
)
from dermscore.dispatch.columns import AssetColumns
from dermscore.dispatch.tree import Column, Flags

_LEAST: Final = 1e-100  # of the largest claim: a still smaller one would overflow the level


@dataclass(frozen=True, slots=True)
class Rule:
    """`members` takes part at all; `claim` is each one's weight in one direction (up: more injection).

    `of_total`: the whole power is in proportion to the claim, else only its change from where it starts. `curtails`: it
    starts from each one's possible output, else from 0 W, and what is taken away in all is in proportion. `in_order`:
    the cheapest first, all of it, then the next.
    """

    name: str
    members: Callable[[AssetColumns], Flags]
    claim: Callable[[AssetColumns, Column, Column, bool], Column]
    of_total: bool = False
    curtails: bool = False
    in_order: bool = False

    def pouring(
        self, columns: AssetColumns, claim: Column, x_w: Column, room_w: Column, up: bool
    ) -> tuple[Column, Column | None]:
        """Weight and offset of the fill (see `fill`), for assets that stand at `x_w` and have `room_w` to move."""
        if self.in_order:
            return _in_order(columns, room_w)
        largest = claim.max(initial=0.0)
        weight = np.where(claim > 0, np.maximum(claim / largest, _LEAST), 0.0) if largest > 0 else claim
        return weight, self._moved(columns, claim, x_w, up)

    def _moved(self, columns: AssetColumns, claim: Column, x_w: Column, up: bool) -> Column | None:
        """How far each has come already of what is in proportion, W, as an inner limit may have moved it; None: no one.

        It counts: whoever was curtailed for the site's sake has given that part of what the feeder wants.
        """
        if self.of_total and x_w.any():
            return np.maximum(x_w if up else -x_w, 0.0)
        if not self.curtails or up:
            return None
        taken_w = np.where(claim > 0, np.maximum(_output(columns, x_w, x_w, up) - x_w, 0.0), 0.0)
        return taken_w if taken_w.any() else None


def _in_order(columns: AssetColumns, room_w: Column) -> tuple[Column, Column]:
    """Level L stands for "L watts in all", were there no nodes: each price has its stretch of levels, and those of one
    price fill in proportion to their room.
    """
    cheapest_first, number = columns.ratings.prices
    of_price = np.bincount(number[cheapest_first], weights=room_w[cheapest_first])
    before = np.cumsum(of_price) - of_price
    weight = np.divide(room_w, of_price[number], out=np.zeros_like(room_w), where=room_w > 0)
    return weight, weight * before[number]


def _storage(columns: AssetColumns) -> Flags:
    return columns.ratings.is_storage


def _generation(columns: AssetColumns) -> Flags:
    return columns.ratings.is_generation


def _capacity(columns: AssetColumns, low_w: Column, high_w: Column, up: bool) -> Column:
    return columns.ratings.capacity_wh


def _headroom(columns: AssetColumns, low_w: Column, high_w: Column, up: bool) -> Column:
    return np.maximum(high_w, 0.0) if up else np.maximum(-low_w, 0.0)


def _energy(columns: AssetColumns, low_w: Column, high_w: Column, up: bool) -> Column:
    """What is left to give, or to take in, at the terminals; half the window where the charge is not known."""
    ratings = columns.ratings
    known = np.where(np.isnan(columns.soc_wh), (ratings.min_soc_wh + ratings.max_soc_wh) / 2, columns.soc_wh)
    left_wh = (known - ratings.min_soc_wh) * ratings.efficiency
    space_wh = (ratings.max_soc_wh - known) / ratings.efficiency
    return np.maximum(left_wh if up else space_wh, 0.0)


def _rating(columns: AssetColumns, low_w: Column, high_w: Column, up: bool) -> Column:
    return np.maximum(columns.ratings.max_w if up else -columns.ratings.min_w, 0.0)


def _generator_rating(columns: AssetColumns, low_w: Column, high_w: Column, up: bool) -> Column:
    return np.maximum(columns.ratings.max_w, 0.0)


def _output(columns: AssetColumns, low_w: Column, high_w: Column, up: bool) -> Column:
    return np.fmax(columns.output_w, 0.0)


RULES: Final[Mapping[str, Rule]] = {
    rule.name: rule
    for rule in (
        Rule(CAPACITY_SHARE, _storage, _capacity, of_total=True),
        Rule(HEADROOM, _storage, _headroom),
        Rule(SOC_BALANCE, _storage, _energy, of_total=True),
        Rule(MERIT_ORDER, _storage, _rating, in_order=True),
        Rule(CURTAIL_BY_RATING, _generation, _generator_rating, curtails=True),
        Rule(CURTAIL_BY_OUTPUT, _generation, _output, curtails=True),
    )
}
