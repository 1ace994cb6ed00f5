"""How an envelope is worked out, as arrays: each step can only tighten what the steps before it left. Loads numpy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from dermscore.dispatch.columns import Columns
from dermscore.dispatch.limits import BoundSource, Limit
from dermscore.dispatch.tree import Column, Flags
from dermscore.dispatch.words import power

SOURCES: Final = tuple(BoundSource)
CODES: Final[Mapping[BoundSource, int]] = {source: code for code, source in enumerate(SOURCES)}
TAKES_PART: Final = -1

_SOC_TOLERANCE: Final = 1e-9  # of capacity, as the Guard has it
_ALL: Final = slice(None)


class Kind(StrEnum):
    """What a limit on power is about: the net power at a node, out or in, or its parts."""

    EXPORT = "export"
    IMPORT = "import"
    GENERATION = "generation"
    LOAD = "load"


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What the assets below a node that are not in the tree do, or soon will: net at most and at least, and its two
    parts at most, W.
    """

    most_w: float = 0.0
    least_w: float = 0.0
    generation_w: float = 0.0
    load_w: float = 0.0

    def left_w(self, kind: Kind, limit_w: float) -> float:
        """What the others leave of a limit. Of a net one it may be below 0: then the tree must make up for them."""
        if kind is Kind.EXPORT:
            return limit_w - self.most_w
        if kind is Kind.IMPORT:
            return limit_w + self.least_w
        return max(limit_w - (self.generation_w if kind is Kind.GENERATION else self.load_w), 0.0)


def _nowhere(node: str) -> Elsewhere | None:
    return None


@dataclass
class Side:
    """The upper or the lower bounds of a row of assets or nodes: W, where from, and which of the details says so.

    `sign` is +1 for upper bounds and -1 for lower ones. Owned by the one call that makes the envelope.
    """

    w: Column
    sign: int
    source: NDArray[np.int8]
    detail: NDArray[np.int32]

    @classmethod
    def of(cls, w: Column, sign: int, source: BoundSource) -> Self:
        count = len(w)
        return cls(w.copy(), sign, np.full(count, CODES[source], np.int8), np.zeros(count, np.int32))

    @classmethod
    def open(cls, count: int, sign: int) -> Self:
        """No bounds yet."""
        return cls.of(np.full(count, sign * np.inf), sign, BoundSource.ASSETS)

    def tighten(self, run: slice, w: Column | float, source: BoundSource, detail: NDArray[np.int32] | int = 0) -> None:
        """Take `w` as the bound wherever it is the tighter one."""
        tighter = self.sign * np.asarray(w) < self.sign * self.w[run]
        self.w[run] = np.where(tighter, w, self.w[run])
        self.source[run] = np.where(tighter, CODES[source], self.source[run])
        self.detail[run] = np.where(tighter, detail, self.detail[run])

    def tighten_one(self, at: int, w: float, source: BoundSource, detail: int) -> None:
        """The same for a single one, without the cost of whole columns."""
        if self.sign * w < self.sign * self.w[at]:
            self.w[at], self.source[at], self.detail[at] = w, CODES[source], detail

    def put(
        self, where: Flags, w: Column | float, source: NDArray[np.int8] | int, detail: NDArray[np.int32] | int
    ) -> None:
        """Set the bound, whatever it was."""
        self.w = np.where(where, w, self.w)
        self.source = np.where(where, source, self.source).astype(np.int8)
        self.detail = np.where(where, detail, self.detail).astype(np.int32)


@dataclass
class Bounding:
    """An envelope in the making. Owned by the one call that makes it."""

    columns: Columns
    low: Side
    high: Side
    net_low: Side  # by node, the power that assets without a part in it included
    net_high: Side
    generation: Side
    load: Side
    floor: Side  # of the state of charge, Wh: not discharged below it
    ceiling: Side
    out: NDArray[np.int8]
    out_detail: NDArray[np.int32]
    elsewhere: Callable[[str], Elsewhere | None] = _nowhere
    details: list[str] = field(default_factory=lambda: [""])

    @classmethod
    def of(cls, columns: Columns, elsewhere: Callable[[str], Elsewhere | None] = _nowhere) -> Self:
        ratings, nodes = columns.ratings, len(columns.tree.paths)
        source = BoundSource.GIVEN if ratings.given else BoundSource.RATING
        return cls(
            columns,
            Side.of(ratings.min_w, -1, source),
            Side.of(ratings.max_w, 1, source),
            Side.open(nodes, -1),
            Side.open(nodes, 1),
            Side.open(nodes, 1),
            Side.open(nodes, 1),
            Side.of(ratings.min_soc_wh, -1, BoundSource.SOC),
            Side.of(ratings.max_soc_wh, 1, BoundSource.SOC),
            np.full(len(ratings.ids), TAKES_PART, np.int8),
            np.zeros(len(ratings.ids), np.int32),
            elsewhere,
        )

    @property
    def standing_w(self) -> Column:
        """What each asset runs at where it is not asked: held, or as last measured; 0 where nothing is known."""
        held = (self.low.w == self.high.w) & (self.out == TAKES_PART)
        return np.where(held, self.low.w, known(self.columns.power_w))

    def source(self, code: int) -> BoundSource:
        return SOURCES[code]

    def source_of(self, side: Side, place: int) -> BoundSource:
        return SOURCES[int(side.source[place])]

    def say(self, detail: str) -> int:
        """The number of a detail."""
        self.details.append(detail)
        return len(self.details) - 1

    def leave_out(self, at: int, source: BoundSource, detail: str) -> None:
        self.out[at], self.out_detail[at] = CODES[source], self.say(detail)

    # --- limits on nodes and assets ---

    def limit(self, limit: Limit, within_s: float | None) -> None:
        """Put a standing limit on a node or on one asset."""
        self._window(limit)
        for kind, w in (
            (Kind.EXPORT, limit.export_limit_w),
            (Kind.IMPORT, limit.import_limit_w),
            (Kind.GENERATION, limit.generation_limit_w),
            (Kind.LOAD, limit.load_limit_w),
        ):
            if w is not None:
                self.limit_power(limit.node, kind, w, BoundSource.LIMIT, f"{limit.source}: {kind} {power(w)}")
        if limit.ramp_w_per_s is not None and within_s is not None:
            self._ramp(limit.node, limit.ramp_w_per_s * within_s, self.say(f"{limit.source}: ramp in {within_s:g} s"))

    def _window(self, limit: Limit) -> None:
        if limit.soc_reserve_pct is limit.soc_min_pct is limit.soc_max_pct is None:
            return
        lows = ((limit.soc_reserve_pct, "reserve"), (limit.soc_min_pct, "minimum"))
        run = self.run(limit.node)
        capacity_wh = self.columns.ratings.capacity_wh[run]
        for pct, word in lows:
            if pct is not None:
                number = self.say(f"{limit.source}: {word} {pct:g} %")
                self.floor.tighten(run, capacity_wh * pct / 100, BoundSource.SOC, number)
        if limit.soc_max_pct is not None:
            number = self.say(f"{limit.source}: maximum {limit.soc_max_pct:g} %")
            self.ceiling.tighten(run, capacity_wh * limit.soc_max_pct / 100, BoundSource.SOC, number)

    def run(self, node: str) -> slice:
        """The assets that what is said of `node` reaches: one by its id, or all at or below a path."""
        place = self.columns.ratings.place.get(node)
        if place is not None:
            return slice(place, place + 1)
        at = self.columns.tree.place.get(node)
        if at is not None:
            return self.columns.tree.run(at)
        return slice(None) if self.elsewhere(node) is not None else slice(0)

    def limit_power(self, node: str, kind: Kind, w: float, source: BoundSource, detail: str) -> None:
        """Hold the export, import, generation or load of one asset, or of a node, to the magnitude `w`.

        Of a node above the tree's root, the root gets what assets elsewhere below that node leave.
        """
        number = self.say(detail)
        place, at = self.columns.ratings.place.get(node), self.columns.tree.place.get(node)
        if place is not None:
            upward = kind in (Kind.EXPORT, Kind.GENERATION)
            (self.high if upward else self.low).tighten_one(place, w if upward else -w, source, number)
        elif at is not None:
            self._limit_node(at, kind, w, source, number)
        elif (others := self.elsewhere(node)) is not None:
            self._limit_node(0, kind, others.left_w(kind, w), source, number)

    def _limit_node(self, at: int, kind: Kind, w: float, source: BoundSource, number: int) -> None:
        side = {
            Kind.EXPORT: self.net_high,
            Kind.IMPORT: self.net_low,
            Kind.GENERATION: self.generation,
            Kind.LOAD: self.load,
        }[kind]
        side.tighten_one(at, -w if kind is Kind.IMPORT else w, source, number)

    def _ramp(self, node: str, reach_w: float, number: int) -> None:
        """Hold a node to within `reach_w` of the power that is measured there. A node above the tree is not judged."""
        at = self.columns.tree.place.get(node)
        if at is not None:
            measured_w = float(known(self.columns.power_w[self.columns.tree.run(at)]).sum())
            self.net_high.tighten_one(at, measured_w + reach_w, BoundSource.RAMP, number)
            self.net_low.tighten_one(at, measured_w - reach_w, BoundSource.RAMP, number)

    # --- what the devices themselves can do ---

    def hold_charge(self, hold_s: float) -> None:
        """Keep inside the window of the state of charge: now, and for `hold_s` seconds of the bound.

        Discharging P takes P/efficiency out of the store, charging P puts P*efficiency in.
        """
        ratings, soc_wh = self.columns.ratings, self.columns.soc_wh
        slack_wh = ratings.capacity_wh * _SOC_TOLERANCE
        stores = ratings.is_storage & ~np.isnan(soc_wh)
        above_wh = np.where(stores & (soc_wh > self.floor.w + slack_wh), soc_wh - self.floor.w, 0.0)
        below_wh = np.where(stores & (soc_wh < self.ceiling.w - slack_wh), self.ceiling.w - soc_wh, 0.0)
        out_w = _lasting(above_wh * ratings.efficiency, hold_s)
        in_w = _lasting(below_wh / ratings.efficiency, hold_s)
        self.high.tighten(_ALL, np.where(stores, out_w, np.inf), BoundSource.SOC, self.floor.detail)
        self.low.tighten(_ALL, np.where(stores, -in_w, -np.inf), BoundSource.SOC, self.ceiling.detail)

    def hold_available(self) -> None:
        """A generator gives no more than there is to give."""
        available_w = np.where(np.isnan(self.columns.output_w), np.inf, self.columns.output_w)
        self.high.tighten(_ALL, available_w, BoundSource.AVAILABLE)

    def reach(self, within_s: float) -> None:
        """What a device's own ramp lets it reach in `within_s` seconds."""
        near_w = np.clip(known(self.columns.power_w), self.low.w, self.high.w)
        step_w = self.columns.ratings.ramp_w_per_s * within_s
        self.high.tighten(_ALL, near_w + step_w, BoundSource.RAMP)
        self.low.tighten(_ALL, near_w - step_w, BoundSource.RAMP)

    def uncross(self) -> None:
        """Where a device's two bounds have crossed (a rating without 0, a limit inside it) only off is left."""
        crossed = self.low.w > self.high.w
        if not crossed.any():
            return
        lower_is_nearer = np.abs(self.low.w) <= np.abs(self.high.w)
        source = np.where(lower_is_nearer, self.low.source, self.high.source)
        detail = np.where(lower_is_nearer, self.low.detail, self.high.detail)
        for side in (self.low, self.high):
            side.put(crossed, 0.0, source, detail)

    def switch_off(self, run: slice, detail: str) -> None:
        """Nothing but 0 W, at once."""
        number = self.say(detail)
        for side in (self.low, self.high):
            side.w[run], side.source[run], side.detail[run] = 0.0, CODES[BoundSource.EVENT], number


def known(w: Column) -> Column:
    """What was measured, 0 where that is not a number."""
    return np.where(np.isfinite(w), w, 0.0)


def _lasting(energy_wh: Column, hold_s: float) -> Column:
    """The power that an amount of energy sustains for so long: any, for an instant, where there is some."""
    if hold_s == 0:
        return np.where(energy_wh > 0, np.inf, 0.0)
    return energy_wh * (3600 / hold_s)


def of_columns(columns: Columns, limits: Iterable[Limit], hold_s: float) -> Bounding:
    """What plain columns can do: their ratings, charge and output, and the limits."""
    bounding = Bounding.of(columns)
    for limit in limits:
        bounding.limit(limit, None)
    bounding.hold_charge(hold_s)
    bounding.hold_available()
    bounding.uncross()
    return bounding
