"""The bounds of every asset and node as arrays, while an envelope is being made and after. Loads numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from dermscore.dispatch.columns import AssetColumns
from dermscore.dispatch.limits import BoundSource
from dermscore.dispatch.tree import Column, Flags

SOURCES: Final = tuple(BoundSource)
CODES: Final[Mapping[BoundSource, int]] = {source: code for code, source in enumerate(SOURCES)}
TAKES_PART: Final = -1
ALL: Final = slice(None)


@dataclass
class Side:
    """The upper or the lower bounds of a row of assets or nodes: W, where from, and which of the details says so.

    `sign` is +1 for upper bounds and -1 for lower ones. A bound can only be tightened. Owned by the one call that makes
    the envelope.
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
        tighter = w < self.w[run] if self.sign > 0 else w > self.w[run]
        if tighter.any():
            np.copyto(self.w[run], w, where=tighter)
            np.copyto(self.source[run], CODES[source], where=tighter)
            np.copyto(self.detail[run], detail, where=tighter)

    def tighten_each(self, stated: Sequence[tuple[int, float, int]], source: BoundSource) -> None:
        """The same for many at once, each with its place, a magnitude in the side's direction, and its detail.

        Where one place is named more than once, what is assigned last stays: so the tightest, and of equals the first.
        """
        if not stated:
            return
        at, magnitude, detail = (np.array(column) for column in zip(*stated, strict=True))
        tightest_last = np.argsort(magnitude, kind="stable")[::-1]
        tightest_last = tightest_last[(magnitude < self.sign * self.w[at])[tightest_last]]
        places = at[tightest_last]
        self.w[places] = self.sign * magnitude[tightest_last]
        self.source[places] = CODES[source]
        self.detail[places] = detail[tightest_last]

    def put(
        self, where: Flags, w: Column | float, source: NDArray[np.int8] | int, detail: NDArray[np.int32] | int
    ) -> None:
        """Set the bound, whatever it was."""
        np.copyto(self.w, w, where=where)
        np.copyto(self.source, source, where=where)
        np.copyto(self.detail, detail, where=where)


class Above(NamedTuple):
    """What a limit of a node above the tree's root says, which counts at the root."""

    detail: object
    node: str

    def __str__(self) -> str:
        return str(self.detail)


@dataclass
class Bounding:
    """The bounds of a fleet. Owned by the one call that makes them; not changed after.

    A detail is words, or what becomes words by `str` once somebody reads it: of a thousand limits few ever bind.
    """

    columns: AssetColumns
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
    details: list[object] = field(default_factory=lambda: [""])

    @classmethod
    def of(cls, columns: AssetColumns) -> Self:
        """The ratings, and no limits yet."""
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
        )

    @property
    def standing_w(self) -> Column:
        """What each asset runs at where it is not asked: what another dispatch holds it at, else what was last measured
        (told to go elsewhere, it may not have got there yet); 0 where nothing is known.
        """
        held = (self.high.source == CODES[BoundSource.HELD]) & (self.out == TAKES_PART)
        return np.where(held, self.low.w, known(self.columns.power_w))

    def source(self, code: int) -> BoundSource:
        return SOURCES[code]

    def source_of(self, side: Side, place: int) -> BoundSource:
        return SOURCES[int(side.source[place])]

    def words_of(self, side: Side, place: int) -> str:
        """What was said of a bound when it was stated."""
        return self.words(int(side.detail[place]))

    def words(self, detail: int) -> str:
        return str(self.details[detail])

    def limit_of(self, node: int, up: bool, is_net: bool) -> tuple[BoundSource, str]:
        """Whence a limit of a node is, and in words: on its net power, or on its generation (on the way down: load)."""
        net, part = (self.net_high, self.generation) if up else (self.net_low, self.load)
        side = net if is_net else part
        said = self.details[int(side.detail[node])]
        where = (said.node if isinstance(said, Above) else self.columns.tree.paths[node]) or "the whole fleet"
        return self.source_of(side, node), f"{self.words_of(side, node)}, at {where}"

    def say(self, detail: object) -> int:
        """The number of a detail."""
        self.details.append(detail)
        return len(self.details) - 1

    def leave_out(self, at: int, source: BoundSource, detail: str) -> None:
        """Let an asset take no part."""
        self.out[at], self.out_detail[at] = CODES[source], self.say(detail)

    def switch_off(self, run: slice, detail: str) -> None:
        """Nothing but 0 W, at once."""
        number = self.say(detail)
        for side in (self.low, self.high):
            side.w[run], side.source[run], side.detail[run] = 0.0, CODES[BoundSource.EVENT], number


def known(w: Column) -> Column:
    """What was measured, 0 where that is not a number."""
    return np.where(np.isfinite(w), w, 0.0)
