"""A good plan at once, without a solver: greedy, in one pass, never undoing what it has done.

Against prices: a trade moves stored energy from an interval in which it is charged to another in which it is given. All
trades are ranked by what a stored Wh earns, the best first, and each is made as large as ratings, the window of the
charge between the two intervals, and the limits of nodes in both allow. Where a node cannot take all, the most
efficient batteries go first. What a battery begins with above what it must end with is a charge that costs nothing;
what it lacks is bought before all else. (Ranking by price is what a merchant does by hand; it can miss a plan in which
a worse trade makes room for two better ones, which the exact plan finds.)

Along a target: interval by interval, as much as can be, those first that could go on longest at full power. Where
nothing is recharged and no node limits, no order serves longer (M. Evans, S. H. Tindemans and D. Angeli, "Robustly
Maximal Utilisation of Energy-Constrained Distributed Resources", 2017, arXiv:1710.06302). Each keeps what it needs to
come back to what it must hold at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from dermscore.dispatch.check import Refused
from dermscore.dispatch.schedule.batteries import Column, Flags, Indices
from dermscore.dispatch.schedule.problem import Group, Problem, Table

_DUST: Final = 1e-9  # of the largest rating or charge


@dataclass(frozen=True, slots=True)
class Offer:
    """Energy that can be bought or sold in one interval at one price, up to a power of the whole, W."""

    interval: int
    price: float
    room_w: float


@dataclass(frozen=True, slots=True)
class Trade:
    """Charge at `buy`, give at `sell` (the indices of offers): None is what was there before, or must be after."""

    profit: float
    buy: int | None
    sell: int | None


def solve(problem: Problem) -> tuple[Table, Table] | Refused:
    """Power of each battery in each interval, W, and the charge before and after, Wh."""
    lows = np.array([group.low_w.max() for group in problem.groups])
    highs = np.array([group.high_w.min() for group in problem.groups])
    short = np.flatnonzero((lows > 0) | (highs < 0))
    if len(short):
        return Refused(
            f"without batteries the limits at {_called(problem.groups[short[0]])} do not hold;"
            " only method='exact' can plan this"
        )
    places = _Places(problem)
    if problem.target_w is None:
        power_w = _Book(places).settle()
    else:
        power_w = _follow(places, problem.target_w - problem.other_w)
    given, soc_wh = problem.replay(power_w)
    return _fault(problem, soc_wh) or (given, soc_wh)


def _fault(problem: Problem, soc_wh: Table) -> Refused | None:
    each = problem.batteries
    lacking = each.end_soc_wh - soc_wh[-1] > _DUST * np.maximum(each.end_soc_wh, 1.0) * 1e3
    if lacking.any():
        return Refused(
            f"the myopic plan cannot bring {each.ids[int(np.argmax(lacking))]} to what it must hold at the end"
        )
    return None


def _called(group: Group) -> str:
    return group.name or "the whole"


def _levels(groups: Sequence[Group]) -> Iterator[Indices]:
    """The groups by how many are around them; those of one level share no battery."""
    depth: list[int] = []
    for group in groups:
        depth.append(0 if group.parent < 0 else depth[group.parent] + 1)
    for level in range(max(depth) + 1):
        yield np.flatnonzero(np.array(depth) == level)


@dataclass(frozen=True, slots=True)
class Rank:
    """The batteries of one level's groups in order of who is cut last.

    `order` holds them, `group` each one's group, and `first` where that group's begin in `order`.
    """

    groups: Indices
    order: Indices
    first: Indices
    group: Indices


class _Places:
    """The columns that are used most, and sums and cuts over the groups."""

    def __init__(self, problem: Problem) -> None:
        each = problem.batteries
        self.problem = problem
        self.efficiency, self.wear = each.efficiency, each.cost_per_mwh
        self.soc_wh, self.end_wh = each.soc_wh, each.end_soc_wh
        self.low_wh, self.high_wh = problem.low_wh, problem.high_wh
        self.charge_w, self.discharge_w = -each.min_w, each.max_w
        self.parents = np.array([group.parent for group in problem.groups])
        self.levels = list(_levels(problem.groups))
        self.dust_w = _DUST * float(np.sum(self.charge_w + self.discharge_w))
        self.runs = [group.members for group in problem.groups]
        self.edges = np.array([(run.start, run.stop) for run in self.runs]).T
        self.by_efficiency = self.ranks(self.efficiency)

    def sums(self, power_w: Column) -> Column:
        """Of each group."""
        if len(self.runs) == 1:
            return np.array([power_w.sum()])
        running = np.zeros(len(power_w) + 1)
        np.cumsum(power_w, out=running[1:])
        first, last = self.edges
        moved: Column = running[last] - running[first]
        return moved

    def fit(self, power_w: Column, room_w: Column, ranks: Sequence[Rank]) -> Column:
        """`power_w` >= 0 cut so that no group has more than its room, by the inner before the outer groups."""
        for rank in ranks:
            if not (self.sums(power_w) > room_w)[rank.groups].any():
                continue
            asked = power_w[rank.order]
            running = np.cumsum(asked) - asked
            before = running - running[rank.first]
            power_w[rank.order] = np.clip(room_w[rank.group] - before, 0, asked)
        return power_w

    def ranks(self, priority: Column) -> tuple[Rank, ...]:
        """Who is cut last, level by level: those of the highest priority."""
        return tuple(self._rank(level, priority) for level in reversed(self.levels))

    def _rank(self, groups: Indices, priority: Column) -> Rank:
        runs = [self.runs[group] for group in groups]
        counts = np.array([run.stop - run.start for run in runs])
        members = np.concatenate([np.arange(run.start, run.stop) for run in runs])
        group = np.repeat(groups, counts)
        order = np.lexsort((-priority[members], np.repeat(np.arange(len(runs)), counts)))
        return Rank(groups, members[order], np.repeat(np.cumsum(counts) - counts, counts), group)

    def within(self, chosen: Flags) -> Flags:
        """Which batteries are in a chosen group."""
        inside = chosen.copy()
        for level in self.levels[1:]:
            inside[level] |= inside[self.parents[level]]
        return inside[self.problem.owner]


@dataclass
class _Side:
    """Buying or selling: what was traded so far and what can be, in Wh stored. Owned by the one call of `solve`.

    By interval and battery: `left` of the rating, and what is `done`. By interval and group: `room_w`. By offer: how
    much of it is `taken_w`. `open` says in which intervals anything is left, `free` that no group limits it.
    """

    places: _Places
    offers: Sequence[Offer]
    w_per_wh: Column
    left: Table
    room_w: Table
    done: Table = field(init=False)
    taken_w: list[float] = field(init=False)
    open: list[bool] = field(init=False)
    free: bool = field(init=False)

    def __post_init__(self) -> None:
        self.done = np.zeros_like(self.left)
        self.taken_w = [0.0] * len(self.offers)
        self.open = [True] * len(self.left)
        self.free = bool(np.isinf(self.room_w).all())

    def is_open(self, place: int | None) -> bool:
        """Whether anything of an offer is left; no offer is what was there before or must be after."""
        if place is None:
            return True
        offer = self.offers[place]
        return self.open[offer.interval] and self.taken_w[place] < offer.room_w - self.places.dust_w

    def fit(self, stored: Column, place: int) -> Column:
        """As much of it as the groups and the offer have room for."""
        offer = self.offers[place]
        if self.free and np.isinf(offer.room_w):
            return stored
        room = self.room_w[offer.interval].copy()
        room[0] = min(room[0], offer.room_w - self.taken_w[place])
        power = stored * self.w_per_wh
        if not (self.places.sums(power) > room).any():
            return stored
        return self.places.fit(power, np.maximum(room, 0), self.places.by_efficiency) / self.w_per_wh

    def take(self, stored: Column, place: int, other: _Side) -> None:
        """Book it. Who trades here cannot trade the other way in the same interval, and a full group is closed."""
        at = self.offers[place].interval
        self.done[at] += stored
        self.left[at] = np.maximum(self.left[at] - stored, 0)
        other.left[at] *= stored == 0
        moved = self.places.sums(stored * self.w_per_wh)
        self.room_w[at] -= moved
        full = self.room_w[at] <= self.places.dust_w
        if full.any():
            self.left[at] *= ~self.places.within(full)
        self.open[at] = bool(self.left[at].any())
        other.room_w[at] += moved
        self.taken_w[place] += float(moved[0])


class _Book:
    """All that was traded so far, and the charge that it leads to. Owned by the one call of `solve`."""

    def __init__(self, places: _Places) -> None:
        problem = places.problem
        self.places = places
        self.soc_wh = np.tile(places.soc_wh, (problem.intervals, 1))  # after each interval
        self.surplus_wh = np.maximum(places.soc_wh - places.end_wh, 0)
        self.lacking_wh = np.maximum(places.end_wh - places.soc_wh, 0)
        w_per_wh = 1 / (places.efficiency * problem.hours), places.efficiency / problem.hours
        offers = tuple(_buys(problem)), tuple(_sells(problem))
        rooms = -np.array([group.low_w for group in problem.groups]).T, np.array([g.high_w for g in problem.groups]).T
        self.buying, self.selling = (
            _Side(places, offer, per_wh, np.tile(rating / per_wh, (problem.intervals, 1)), room.copy())
            for offer, per_wh, rating, room in zip(
                offers, w_per_wh, (places.charge_w, places.discharge_w), rooms, strict=True
            )
        )

    def settle(self) -> Table:
        """Make every trade that pays, the best first; the powers, W."""
        for trade in self._ranked():
            self._make(trade)
        return self.selling.done * self.selling.w_per_wh - self.buying.done * self.buying.w_per_wh

    def _ranked(self) -> list[Trade]:
        """Every trade that may pay somebody: what must be bought, cheapest first, then by what a stored Wh earns."""
        best, wear = float(np.max(self.places.efficiency)), float(np.min(self.places.wear))
        costs = [(offer.price + wear) / best for offer in self.buying.offers]
        earns = [(offer.price - wear) * best for offer in self.selling.offers]
        trades = [Trade(earn - cost, buy, sell) for buy, cost in enumerate(costs) for sell, earn in enumerate(earns)]
        if self.surplus_wh.any():
            trades += [Trade(earn, None, sell) for sell, earn in enumerate(earns)]
        chosen = sorted((trade for trade in trades if trade.profit > 0), key=lambda trade: -trade.profit)
        if self.lacking_wh.any():
            chosen[:0] = [Trade(-costs[buy], buy, None) for buy in np.argsort(costs, kind="stable").tolist()]
        return chosen

    def _make(self, trade: Trade) -> None:
        """Make it as large as can be."""
        bought = None if trade.buy is None else self.buying.offers[trade.buy].interval
        sold = None if trade.sell is None else self.selling.offers[trade.sell].interval
        if bought == sold or not (self.buying.is_open(trade.buy) and self.selling.is_open(trade.sell)):
            return
        stored = self._wanted(trade, bought, sold)
        between, raises = self._between(bought, sold)
        reach = self.places.high_wh - between.max(axis=0) if raises else between.min(axis=0) - self.places.low_wh
        stored = np.maximum(np.minimum(stored, reach), 0)
        if not stored.any():
            return
        if trade.buy is not None:
            stored = self.buying.fit(stored, trade.buy)
        if trade.sell is not None:
            stored = self.selling.fit(stored, trade.sell)
        between += stored if raises else -stored
        if trade.buy is None:
            self.surplus_wh -= stored
        else:
            self.buying.take(stored, trade.buy, self.selling)
        if trade.sell is None:
            self.lacking_wh -= stored
        else:
            self.selling.take(stored, trade.sell, self.buying)

    def _wanted(self, trade: Trade, bought: int | None, sold: int | None) -> Column:
        """What ratings allow of those whom it pays, Wh stored."""
        buyable = self.surplus_wh if bought is None else self.buying.left[bought]
        sellable = self.lacking_wh if sold is None else self.selling.left[sold]
        wanted = np.minimum(buyable, sellable)
        if trade.sell is None:
            return wanted
        earned = (self.selling.offers[trade.sell].price - self.places.wear) * self.places.efficiency
        if trade.buy is not None:
            earned -= (self.buying.offers[trade.buy].price + self.places.wear) / self.places.efficiency
        return wanted * (earned > 0)

    def _between(self, bought: int | None, sold: int | None) -> tuple[Table, bool]:
        """The charge that moves, and whether it rises: it is held from the one to the other, or lent."""
        if bought is not None and (sold is None or bought < sold):
            return self.soc_wh[bought:sold], True
        return self.soc_wh[sold:bought], False


def _buys(problem: Problem) -> Iterator[Offer]:
    """First what else would be exported, then what must be imported."""
    for at in range(problem.intervals):
        spare = max(float(problem.other_w[at]), 0.0)
        if spare:
            yield Offer(at, float(problem.export_price[at]), spare)
        yield Offer(at, float(problem.import_price[at]), np.inf)


def _sells(problem: Problem) -> Iterator[Offer]:
    """First what else would be imported, then what can be exported."""
    for at in range(problem.intervals):
        needed = max(-float(problem.other_w[at]), 0.0)
        if needed:
            yield Offer(at, float(problem.import_price[at]), needed)
        yield Offer(at, float(problem.export_price[at]), np.inf)


def _follow(places: _Places, wanted_w: Column) -> Table:
    """Interval by interval as near to what is wanted as can be, W."""
    problem = places.problem
    power_w = np.zeros((problem.intervals, len(places.efficiency)))
    soc, hours = places.soc_wh.copy(), problem.hours
    certain_w = _certain(places)
    for at in range(problem.intervals):
        regained = certain_w[at + 1 :].sum(axis=0) * places.efficiency * hours
        above = soc - np.maximum(places.low_wh, places.end_wh - regained)
        up = np.where(above > 0, above * places.efficiency, above / places.efficiency) / hours
        down = np.maximum(places.high_wh - soc, 0) / places.efficiency / hours
        power = power_w[at] = _share(places, float(wanted_w[at]), np.maximum(up, -certain_w[at]), down, at)
        soc = soc - np.where(power > 0, power / places.efficiency, power * places.efficiency) * hours
    return power_w


def _certain(places: _Places) -> Table:
    """What each can charge with in an interval whatever the others do, W: its part by rating of every group's room."""
    part = np.ones((places.problem.intervals, len(places.efficiency)))
    for group in places.problem.groups:
        together = float(places.charge_w[group.members].sum())
        if together:
            share = np.minimum(-group.low_w / together, 1)[:, None]
            part[:, group.members] = np.minimum(part[:, group.members], share)
    return part * places.charge_w


def _share(places: _Places, wanted_w: float, up_w: Column, down_w: Column, at: int) -> Column:
    """Powers that come as near to what is wanted as ratings and groups allow.

    `up_w` and `down_w` are what the charge allows each; where `up_w` is below 0 the battery must charge so much.
    """
    groups = places.problem.groups
    must = np.minimum(up_w, 0)
    sums, rest = places.sums(must), wanted_w - float(must.sum())
    if rest > 0:
        room = np.array([group.high_w[at] for group in groups]) - sums
        reach, rating, sign = np.maximum(up_w, 0), places.discharge_w, 1.0
    else:
        room = sums - np.array([group.low_w[at] for group in groups])
        reach, rating, sign = np.maximum(down_w + must, 0), places.charge_w, -1.0
    room[0] = min(room[0], abs(rest))
    lasts = np.divide(reach, rating, out=np.zeros_like(reach), where=rating > 0)
    free = np.minimum(reach, rating if sign > 0 else rating + must)
    return must + sign * places.fit(free, np.maximum(room, 0), places.ranks(lasts))
