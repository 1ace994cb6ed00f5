"""The book of trades: what was bought and sold so far, the charge that it leads to, and what room is left."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from dermscore.dispatch.schedule.batteries import Column, Flags
from dermscore.dispatch.schedule.market import Market, Offer, Trade
from dermscore.dispatch.schedule.places import Places
from dermscore.dispatch.schedule.problem import Problem, Table

_DUST: Final = 1e-9  # of all ratings, or of what a battery can hold


@dataclass
class Side:
    """Buying or selling: what still can be, of ratings and of groups' limits. Owned by the one call of `settle`.

    By interval and battery, Wh stored: what is `left`; by interval and group, W: `room_w`. The row after the last
    interval is what need not be bought again, or is to be kept. `open` says in which intervals anything is left,
    `limited` that some group has a limit.
    """

    places: Places
    w_per_wh: Column
    left: Table
    room_w: Table
    dust_w: float
    open: list[bool] = field(init=False)
    limited: bool = field(init=False)

    def __post_init__(self) -> None:
        self.open = [bool(most > 0) for most in self.left.max(axis=1)]
        self.limited = not np.isinf(self.room_w).all()

    def sums(self, stored: Column) -> Column:
        """Its power in each group, W."""
        return self.places.sums(stored * self.w_per_wh)

    def fit(self, stored: Column, at: int, asked_w: float, lasts: Column | None) -> tuple[Column, Column]:
        """As much of it as the groups have room for and the whole is asked, and its power in each group."""
        power, room = stored * self.w_per_wh, self.room_w[at]
        if asked_w < room[0]:
            room = room.copy()
            room[0] = asked_w
        sums = self.places.sums(power)
        if (sums <= room).all():
            return stored, sums
        kept = power.copy()
        sums = self.places.cut(kept, sums, room, lasts)
        return np.where(kept < power, kept / self.w_per_wh, stored), sums

    def take(self, stored: Column, traded: Flags, at: int, other: Side) -> None:
        """Book it. Who trades here cannot trade the other way in the same interval."""
        left = self.left[at]
        left -= stored
        self.open[at] = bool(np.count_nonzero(left))
        np.putmask(other.left[at], traded, 0)

    def count(self, sums: Column, at: int, other: Side) -> None:
        """Count what it takes of each group's room, and makes the other way. A full group is closed."""
        self.room_w[at] -= sums
        other.room_w[at] += sums
        full = self.room_w[at] <= self.dust_w
        if full.any():
            self.left[at][self.places.within(full)] = 0
            self.open[at] = bool(np.count_nonzero(self.left[at]))


class Book:
    """All trades. Owned by the one call of `settle`.

    `position_w` is the market's with them, `soc_wh` the charge before and after each interval.
    """

    def __init__(self, problem: Problem) -> None:
        each, self.end = problem.batteries, problem.intervals
        self.market = Market.of(problem)
        self.position_w: list[float] = [*self.market.position_w.tolist(), 0.0]
        self.low_wh, self.high_wh = problem.low_wh, problem.high_wh
        self.soc_wh = np.tile(each.soc_wh, (self.end + 1, 1))
        self.dust_w = _DUST * float(np.sum(each.max_w - each.min_w))
        self.dust_wh = _DUST * np.maximum(self.high_wh, 1.0)
        self.places = Places(problem)
        import_w, export_w = [-group.low_w for group in problem.groups], [group.high_w for group in problem.groups]
        self.lacking_wh = np.maximum(each.end_soc_wh - each.soc_wh, 0)
        surplus_wh = np.maximum(each.soc_wh - each.end_soc_wh, 0)
        self.buying = self._side(1 / (each.efficiency * problem.hours), -each.min_w, surplus_wh, import_w)
        self.selling = self._side(each.efficiency / problem.hours, each.max_w, self.lacking_wh, export_w)
        self.counted = self.market.has_ends or self.buying.limited or self.selling.limited

    def _side(self, w_per_wh: Column, rating_w: Column, after_wh: Column, room_w: list[Column]) -> Side:
        left = np.vstack((np.tile(rating_w / w_per_wh, (self.end, 1)), after_wh))
        room = np.vstack((np.array(room_w).T, np.full(len(room_w), np.inf)))
        return Side(self.places, w_per_wh, left, room, self.dust_w)

    def settle(self) -> Table:
        """Make every trade, the best first; the powers, W."""
        if self.lacking_wh.any():
            self._make_all(self.market.owed())
        self.selling.left[-1], self.selling.open[-1] = np.inf, True
        self._make_all(self.market.paying(self.buying.open[-1]))
        given_wh = self.soc_wh[:-1] - self.soc_wh[1:]  # the first product is the lesser above 0, the second below
        return np.minimum(given_wh * self.selling.w_per_wh, given_wh * self.buying.w_per_wh)

    def _make_all(self, trades: Iterable[Trade]) -> None:
        for trade in trades:
            if self._is_open(trade):
                self._make(trade)

    def _is_open(self, trade: Trade) -> bool:
        buy, sell, _ = trade
        return (
            self.buying.open[buy.interval]
            and self.selling.open[sell.interval]
            and (buy.endless or self.position_w[buy.interval] > self.dust_w)
            and (sell.endless or self.position_w[sell.interval] < -self.dust_w)
        )

    def _make(self, trade: Trade) -> None:
        """Make it as large as can be."""
        bought, sold = trade.buy.interval, trade.sell.interval
        stored = np.minimum(self.buying.left[bought], self.selling.left[sold])
        if not np.count_nonzero(stored):
            return
        between = self.soc_wh[1 + min(bought, sold) : 1 + max(bought, sold)]  # it is held until it is sold, or lent
        reach = self.high_wh - between.max(axis=0) if bought < sold else between.min(axis=0) - self.low_wh
        np.minimum(stored, reach, out=stored)
        idle = stored < self.dust_wh
        if not trade.pays_all:
            idle |= self.market.losing(trade)
        if idle.all():
            return
        np.putmask(stored, idle, 0)
        powers = None
        if self.counted:
            stored, *powers = self._fit(stored, trade, reach)
        (np.add if bought < sold else np.subtract)(between, stored, out=between)
        traded = stored > 0
        self.buying.take(stored, traded, bought, self.selling)
        self.selling.take(stored, traded, sold, self.buying)
        if powers is not None:
            self._count(bought, sold, *powers)

    def _fit(self, stored: Column, trade: Trade, reach: Column) -> tuple[Column, Column, Column]:
        """As much of it as the market and the groups have room for, and its power in each group, bought and sold."""
        lasts = self._lasts(trade, reach)
        buyable, bought_w = self.buying.fit(stored, trade.buy.interval, self._asked_w(trade.buy), lasts)
        stored, sold_w = self.selling.fit(buyable, trade.sell.interval, self._asked_w(trade.sell), lasts)
        return stored, bought_w if stored is buyable else self.buying.sums(stored), sold_w

    def _asked_w(self, offer: Offer) -> float:
        return np.inf if offer.endless else abs(self.position_w[offer.interval])

    def _count(self, bought: int, sold: int, bought_w: Column, sold_w: Column) -> None:
        self.buying.count(bought_w, bought, self.selling)
        self.selling.count(sold_w, sold, self.buying)
        self.position_w[bought] -= float(bought_w[0])
        self.position_w[sold] += float(sold_w[0])

    def _lasts(self, trade: Trade, reach: Column) -> Column | None:
        """How many intervals long each could go on, where nothing is bought or sold again.

        Those that could go on longest go first then: no order serves longer (M. Evans, S. H. Tindemans and D. Angeli,
        "Robustly Maximal Utilisation of Energy-Constrained Distributed Resources", 2017, arXiv:1710.06302).
        """
        bought, sold = self.buying.left[trade.buy.interval], self.selling.left[trade.sell.interval]
        lasts: Column | None = None
        if trade.buy.interval == self.end:
            lasts = np.minimum(reach, bought) / np.maximum(sold, self.dust_wh)
        elif trade.sell.interval == self.end:
            lasts = np.minimum(reach, sold) / np.maximum(bought, self.dust_wh)
        return lasts
