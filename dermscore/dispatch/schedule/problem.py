"""What a plan is made of: batteries as columns, prices, limits on nodes; and the check that it can be planned with.

Power is in W, injection positive; energy in Wh; prices in any currency per MWh. Columns are arrays with one entry for
each battery, curves arrays with one for each interval. Loads numpy.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Real
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dermscore.dispatch.check import Refused
from dermscore.dispatch.limits import Limit
from dermscore.dispatch.schedule.batteries import Batteries, Column, Indices, battery_fault, in_tree_order, order_key
from dermscore.model import ancestry

Table = NDArray[np.float64]  # one row for each interval, one column for each battery or node

WHOLE: Final = ""  # the node where prices and targets count
_WH_PER_MWH: Final = 1e6
_NOT_PLANNED: Final = ("generation_limit_w", "load_limit_w")


@dataclass(frozen=True, eq=False)
class Prices:
    """What a MWh taken from the grid costs and what one given to it earns, for each interval."""

    import_per_mwh: ArrayLike
    export_per_mwh: ArrayLike


@dataclass(frozen=True, slots=True)
class Group:
    """A node with a limit: which batteries are at or below it, and what they may do together, W for each interval.

    `members` are neighbours in the order of the tree. `parent` is the index of the group around it, -1 for the whole;
    `low_source` and `high_source` name the limits.
    """

    name: str
    members: slice
    parent: int
    low_w: Column
    high_w: Column
    low_source: str
    high_source: str


@dataclass(frozen=True, eq=False)
class Problem:
    """A plan to be made, all of it checked, with the batteries in the order of the tree.

    `groups` stand with the whole first and each after the one around it. `back` are the places of the batteries as they
    were given.
    """

    batteries: Batteries
    back: Indices
    hours: float
    intervals: int
    import_price: Column
    export_price: Column
    has_prices: bool
    target_w: Column | None
    other_w: Column
    groups: tuple[Group, ...]

    @cached_property
    def owner(self) -> Indices:
        """The innermost group of each battery."""
        owner = np.zeros(len(self.batteries.ids), dtype=np.intp)
        for place, group in enumerate(self.groups):
            owner[group.members] = place
        return owner

    @cached_property
    def low_wh(self) -> Column:
        """What each battery may not fall below: its window, or where it begins if that is lower."""
        return np.minimum(self.batteries.min_soc_wh, self.batteries.soc_wh)

    @cached_property
    def high_wh(self) -> Column:
        """What each battery may not rise above: its window, or where it begins if that is higher."""
        return np.maximum(self.batteries.max_soc_wh, self.batteries.soc_wh)

    @cached_property
    def last_wh(self) -> Column:
        """What each battery must hold at least after the last interval."""
        return np.maximum(self.low_wh, self.batteries.end_soc_wh)

    def replay(self, power_w: Table) -> tuple[Table, Table]:
        """Run the device model: the power that each battery can really give, and its charge before and after (Wh).

        Energy is power times time; the charge falls by energy / efficiency, rises by energy * efficiency, and at the
        edge of its window the power outward ends. What is asked of a battery beyond that is cut off.
        """
        each = self.batteries
        given, charge = np.empty_like(power_w), np.empty((self.intervals + 1, len(each.ids)))
        charge[0] = each.soc_wh
        low, high, taken, stored = self.low_wh, self.high_wh, self.hours / each.efficiency, self.hours * each.efficiency
        for at in range(self.intervals):
            soc = charge[at]
            power = np.maximum(power_w[at], (soc - high) / stored, out=given[at])
            np.minimum(power, (soc - low) / taken, out=power)
            moved = np.maximum(power * taken, power * stored)  # the first is more above 0, the second below
            np.maximum(soc - moved, low, out=charge[at + 1])
            np.minimum(charge[at + 1], high, out=charge[at + 1])
        return given, charge

    def cost(self, power_w: Table) -> float:
        """What the plan costs: what is bought less what is sold, and what the throughput costs."""
        net = power_w.sum(axis=1) + self.other_w
        energy = self.import_price * np.maximum(-net, 0) - self.export_price * np.maximum(net, 0)
        wear = np.abs(power_w) @ self.batteries.cost_per_mwh
        return float((energy + wear).sum()) * self.hours / _WH_PER_MWH

    def deviation_mwh(self, power_w: Table) -> float:
        """How much energy more and less than the target the whole injects, all in all; 0 where there is no target."""
        missed = 0.0 if self.target_w is None else self.target_w - self.other_w - power_w.sum(axis=1)
        return float(np.abs(missed).sum()) * self.hours / _WH_PER_MWH


def pose(
    batteries: Batteries,
    step_s: float,
    prices: Prices | ArrayLike | None,
    target_w: ArrayLike | None,
    limits: Sequence[Limit],
    other_w: Mapping[str, ArrayLike],
) -> Problem | Refused:
    """The problem, or what is wrong with it."""
    if not (isinstance(step_s, Real) and np.isfinite(step_s) and step_s > 0):
        return Refused("step_s must be a number of seconds above 0")
    given = _curves(prices, target_w, other_w)
    fault = _curve_fault(given) or battery_fault(batteries) or _limit_fault(limits)
    if fault:
        return Refused(fault)
    curves = {name: curve.astype(np.float64) for name, curve in given.items()}
    batteries, back = in_tree_order(batteries)
    place = {name: at for at, name in enumerate(batteries.ids)}
    bounded = _with_asset_limits(batteries, limits, place)
    intervals = len(next(iter(curves.values())))
    other = {path: curves[_other(path)] for path in other_w}
    zero = np.zeros(intervals)
    return Problem(
        bounded,
        back,
        step_s / 3600,
        intervals,
        curves.get("import_per_mwh", zero),
        curves.get("export_per_mwh", zero),
        prices is not None,
        curves.get("target_w"),
        np.sum([zero, *(other[path] for path in sorted(other))], axis=0),
        tuple(_groups(bounded, intervals, [limit for limit in limits if limit.node not in place], other)),
    )


def _other(path: str) -> str:
    return f"other_w[{path!r}]"


def _curves(
    prices: Prices | ArrayLike | None, target_w: ArrayLike | None, other_w: Mapping[str, ArrayLike]
) -> dict[str, NDArray[Any]]:
    """Every curve by the name that a refusal calls it."""
    given: dict[str, ArrayLike] = {}
    if prices is not None:
        both = prices if isinstance(prices, Prices) else Prices(prices, prices)
        given |= {"import_per_mwh": both.import_per_mwh, "export_per_mwh": both.export_per_mwh}
    if target_w is not None:
        given["target_w"] = target_w
    if given:
        given |= {_other(path): curve for path, curve in other_w.items()}
    return {name: np.asarray(curve) for name, curve in given.items()}


def _curve_fault(curves: Mapping[str, NDArray[Any]]) -> str | None:
    if not curves:
        return "there is nothing to plan for: give prices, target_w or both"
    first, *_ = curves
    for name, curve in curves.items():
        if curve.ndim != 1 or not len(curve) or curve.dtype.kind not in "iuf":
            return f"{name} must be a curve with one number for each interval"
        if len(curve) != len(curves[first]):
            return f"{name} has {len(curve)} intervals, and {first} has {len(curves[first])}"
        if not np.isfinite(curve).all():
            return f"{name} has something that is not a number in interval {int(np.argmin(np.isfinite(curve)))}"
    dearer = curves.get("export_per_mwh", np.zeros(1)) > curves.get("import_per_mwh", np.zeros(1))
    if dearer.any():
        at = int(np.argmax(dearer))
        return f"in interval {at} export earns more than import costs: both at once would pay without end"
    return None


def _limit_fault(limits: Sequence[Limit]) -> str | None:
    for limit in limits:
        for name in _NOT_PLANNED:
            if getattr(limit, name) is not None:
                return f"{limit.source}: a plan keeps export and import limits; it cannot keep {name}"
    return None


def _with_asset_limits(batteries: Batteries, limits: Sequence[Limit], place: Mapping[str, int]) -> Batteries:
    """With the ratings and windows that limits leave: those on a battery by its id, and every limit of the charge."""
    low_w, high_w = batteries.min_w.copy(), batteries.max_w.copy()
    low_wh, high_wh = batteries.min_soc_wh.copy(), batteries.max_soc_wh.copy()
    paths = [order_key(path) for path in batteries.paths] if limits else []
    for limit in limits:
        alone = place.get(limit.node)
        at = _run(paths, limit.node) if alone is None else slice(alone, alone + 1)
        for floor in (limit.soc_min_pct, limit.soc_reserve_pct):
            if floor is not None:
                low_wh[at] = np.maximum(low_wh[at], batteries.capacity_wh[at] * floor / 100)
        if limit.soc_max_pct is not None:
            high_wh[at] = np.minimum(high_wh[at], batteries.capacity_wh[at] * limit.soc_max_pct / 100)
        if alone is not None:
            low_w[at] = np.maximum(low_w[at], -_or_infinite(limit.import_limit_w))
            high_w[at] = np.minimum(high_w[at], _or_infinite(limit.export_limit_w))
    low_wh = np.minimum(low_wh, high_wh)
    return replace(batteries, min_w=low_w, max_w=high_w, min_soc_wh=low_wh, max_soc_wh=high_wh)


def _or_infinite(magnitude: float | None) -> float:
    return float("inf") if magnitude is None else magnitude


def _run(paths: Sequence[str], node: str) -> slice:
    """Those at or below `node`, of paths as keys and in order."""
    if not node:
        return slice(0, len(paths))
    key = order_key(node)
    return slice(bisect_left(paths, key), bisect_left(paths, key + "\1"))


def _groups(
    batteries: Batteries, intervals: int, limits: Sequence[Limit], other: Mapping[str, Column]
) -> Iterator[Group]:
    """The whole, then every node with a limit on its power, the outer before the inner."""
    kept = [each for each in limits if each.export_limit_w is not None or each.import_limit_w is not None]
    paths = [order_key(path) for path in batteries.paths] if kept else batteries.paths
    names = sorted({limit.node for limit in kept} | {WHOLE}, key=lambda name: (name.count("/"), len(name), name))
    by_name: dict[str, list[Limit]] = {name: [] for name in names}
    for limit in kept:
        by_name[limit.node].append(limit)
    places = {name: place for place, name in enumerate(names)}
    beside = dict.fromkeys(names, np.zeros(intervals))
    for path in sorted(other):
        for node in {WHOLE, *ancestry(path)} & places.keys():
            beside[node] = beside[node] + other[path]
    for name, here in by_name.items():
        high, low = _tightest(here, "export_limit_w"), _tightest(here, "import_limit_w")
        around = [places[outer] for outer in (WHOLE, *ancestry(name)) if outer in places and outer != name]
        yield Group(
            name,
            _run(paths, name),
            around[-1] if around else -1,
            -low[0] - beside[name],
            high[0] - beside[name],
            low[1],
            high[1],
        )


def _tightest(limits: Sequence[Limit], name: str) -> tuple[float, str]:
    given = [(float(getattr(limit, name)), limit.source) for limit in limits if getattr(limit, name) is not None]
    return min(given, default=(float("inf"), ""))
