"""What can be bought and sold in each interval, and the trades between two of them, the best first.

A target is a market too: a MWh that the whole injects less than it is asked costs 1, one more than it is asked costs 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dermscore.dispatch.schedule.batteries import Column, Flags
from dermscore.dispatch.schedule.problem import Problem


class Offer(NamedTuple):
    """Energy that can be bought or sold in one interval at one price: without end, or until the position is 0."""

    interval: int
    price: float
    endless: bool


class Trade(NamedTuple):
    """Charge in one interval, give in another, before or after. `pays_all`: it pays whatever battery it is made with.

    One of the two may lie after the last interval, at no price: what need not be bought again, or is kept.
    """

    buy: Offer
    sell: Offer
    pays_all: bool


class _Offers:
    """All of one side: those that end where the position is 0, at `near`; then those beyond, at `far`; then the end."""

    def __init__(self, market: Market, near: Column, far: Column) -> None:
        ending, count = np.flatnonzero(market.short > market.over), len(far)
        self.interval = np.concatenate((ending, np.arange(count + 1)))
        self.price = np.concatenate((near[ending], far, [0.0]))
        self.asked_w = np.append(np.abs(market.position_w), 0.0)[self.interval]
        endless = np.arange(len(self.interval)) >= len(ending)
        self.all = list(map(Offer, self.interval.tolist(), self.price.tolist(), endless.tolist()))


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """The position, W, is what the whole injects without batteries: below 0 a MWh costs `short`, above it earns `over`.

    `wear` is what a MWh through each battery costs, `efficiency` each one's, one way.
    """

    position_w: Column
    short: Column
    over: Column
    wear: Column
    efficiency: Column

    @classmethod
    def of(cls, problem: Problem) -> Market:
        """That of the prices, or of the target if there is one."""
        each = problem.batteries
        if problem.target_w is None:
            return cls(problem.other_w, problem.import_price, problem.export_price, each.cost_per_mwh, each.efficiency)
        one, no_wear = np.ones(problem.intervals), np.zeros(len(each.ids))
        return cls(problem.other_w - problem.target_w, one, -one, no_wear, each.efficiency)

    @property
    def has_ends(self) -> bool:
        """Whether any offer ends."""
        return bool((self.short > self.over).any())

    def owed(self) -> Iterator[Trade]:
        """To buy what is to be held at the end: the cheapest first, of equals where the most is asked."""
        buys = _Offers(self, self.over, self.short)
        cost, _most = self._costs(buys)
        after = Offer(len(self.short), 0.0, True)
        for at in np.lexsort((-buys.asked_w[:-1], cost[:-1])).tolist():
            yield Trade(buys.all[at], after, True)

    def paying(self, has_surplus: bool) -> Iterator[Trade]:
        """Every trade that may pay some battery, by what a stored Wh earns at most.

        Of equals first those between intervals that ask the most, for there all batteries will be needed; then the
        nearest.
        """
        buys, sells = _Offers(self, self.over, self.short), _Offers(self, self.short, self.over)
        (cost_least, cost_most), (earn_least, earn_most) = self._costs(buys), self._earnings(sells)
        best, worst = earn_most - cost_least[:, None], earn_least - cost_most[:, None]
        paying = (best > 0) & (buys.interval[:, None] != sells.interval)
        paying[-1] &= has_surplus
        rows, columns = np.nonzero(paying)
        distance = np.abs(buys.interval[rows] - sells.interval[columns])
        asked_w = buys.asked_w[rows] + sells.asked_w[columns]
        order = np.lexsort((distance, -asked_w, -best[rows, columns]))
        rows, columns = rows[order], columns[order]
        pays_all = worst[rows, columns] > 0
        bought, sold = map(buys.all.__getitem__, rows.tolist()), map(sells.all.__getitem__, columns.tolist())
        return map(Trade._make, zip(bought, sold, pays_all.tolist(), strict=True))

    def losing(self, trade: Trade) -> Flags:
        """Which batteries it does not pay."""
        end = len(self.short)
        cost = 0.0 if trade.buy.interval == end else (trade.buy.price + self.wear) / self.efficiency
        earned = 0.0 if trade.sell.interval == end else (trade.sell.price - self.wear) * self.efficiency
        losing: Flags = np.less_equal(earned, cost)
        return losing

    def _costs(self, buys: _Offers) -> tuple[Column, Column]:
        """The least and the most that a stored Wh of each costs any battery."""
        return _edges(buys.price, self.wear, 1 / self.efficiency)

    def _earnings(self, sells: _Offers) -> tuple[Column, Column]:
        """The least and the most that a stored Wh of each earns any battery."""
        return _edges(sells.price, -self.wear, self.efficiency)


def _edges(price: Column, wear: Column, factor: Column) -> tuple[Column, Column]:
    """The least and the most of (price + wear) * factor; the last has a price and no wear."""
    factors = np.array([factor.min(), factor.max()])[:, None]
    least, most = ((price + wear.min()) * factors).min(axis=0), ((price + wear.max()) * factors).max(axis=0)
    least[-1] = most[-1] = 0
    return least, most
