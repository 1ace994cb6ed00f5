"""The book of trades: what was bought and sold so far, the charge that it leads to, and what room is left."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from dermscore.dispatch.schedule.batteries import Column
from dermscore.dispatch.schedule.market import Market, Trade
from dermscore.dispatch.schedule.places import Places
from dermscore.dispatch.schedule.problem import Problem, Table

_DUST: Final = 1e-9  # of all ratings, or of what a battery can hold


@dataclass
class Side:
    """Buying or selling: what was traded so far and what still can be. Owned by the one call of `settle`.

    By interval and battery, Wh stored: `left` of the rating, and what is `done`. By interval and group, W: `room_w`.
    The row after the last interval is what need not be bought again, or is to be kept. `open` says in which intervals
    anything is left, `limited` that some group has a limit.
    """

    places: Places
    w_per_wh: Column
    left: Table
    room_w: Table
    dust_w: float
    done: Table = field(init=False)
    open: list[bool] = field(init=False)
    limited: bool = field(init=False)

    def __post_init__(self) -> None:
        self.done = np.zeros_like(self.left)
        self.open = [bool(most > 0) for most in self.left.max(axis=1)]
        self.limited = not np.isinf(self.room_w).all()

    def fit(self, stored: Column, at: int, asked_w: float, lasts: Column | None) -> Column:
        """As much of it as the groups have room for and the whole is asked."""
        power, room = stored * self.w_per_wh, self.room_w[at]
        if asked_w < room[0]:
            room = room.copy()
            room[0] = asked_w
        return np.minimum(power / self.w_per_wh, stored) if self.places.cut(power, room, lasts) else stored

    def take(self, stored: Column, at: int, other: Side) -> None:
        """Book it. Who trades here cannot trade the other way in the same interval."""
        self.done[at] += stored
        left = self.left[at]
        left -= stored
        np.putmask(other.left[at], stored > 0, 0)
        self.open[at] = bool(np.count_nonzero(left))

    def count(self, stored: Column, at: int, other: Side) -> float:
        """What it is together, W. It makes room the other way; a full group is closed."""
        sums = self.places.sums(stored * self.w_per_wh)
        self.room_w[at] -= sums
        other.room_w[at] += sums
        full = self.room_w[at] <= self.dust_w
        if full.any():
            self.left[at][self.places.within(full)] = 0
            self.open[at] = bool(np.count_nonzero(self.left[at]))
        return float(sums[0])


class Book:
    """All trades. Owned by the one call of `settle`.

    `position_w` is the market's with them, `soc_wh` the charge after each interval.
    """

    def __init__(self, problem: Problem) -> None:
        each, self.end = problem.batteries, problem.intervals
        self.market = Market.of(problem)
        self.position_w: list[float] = [*self.market.position_w.tolist(), 0.0]
        self.low_wh, self.high_wh = problem.low_wh, problem.high_wh
        self.soc_wh = np.tile(each.soc_wh, (self.end, 1))
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
        done = self.selling.done * self.selling.w_per_wh - self.buying.done * self.buying.w_per_wh
        return done[:-1]

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
        if (stored < self.dust_wh).all():
            return
        between = self.soc_wh[min(bought, sold) : max(bought, sold)]  # the charge is held until it is sold, or lent
        reach = self.high_wh - between.max(axis=0) if bought < sold else between.min(axis=0) - self.low_wh
        np.minimum(stored, reach, out=stored)
        idle = stored < self.dust_wh
        if not trade.pays_all:
            idle |= self.market.losing(trade)
        if idle.all():
            return
        np.putmask(stored, idle, 0)
        if self.counted:
            stored = self._fit(stored, trade, reach)
        between += stored if bought < sold else -stored
        self.buying.take(stored, bought, self.selling)
        self.selling.take(stored, sold, self.buying)
        if self.counted:
            self.position_w[bought] -= self.buying.count(stored, bought, self.selling)
            self.position_w[sold] += self.selling.count(stored, sold, self.buying)

    def _fit(self, stored: Column, trade: Trade, reach: Column) -> Column:
        """As much of it as the market and the groups have room for."""
        lasts = self._lasts(trade, reach)
        for side, offer in ((self.buying, trade.buy), (self.selling, trade.sell)):
            asked_w = np.inf if offer.endless else abs(self.position_w[offer.interval])
            stored = side.fit(stored, offer.interval, asked_w, lasts)
        return stored

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
