"""Limits on the power and the charge of nodes and assets: policy's, and those of events. Loads numpy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from typing import Final, NamedTuple

from dermscore.dispatch.envelope.bounding import ALL, Above, Bounding, Side, known
from dermscore.dispatch.limits import BoundSource, Limit
from dermscore.dispatch.words import power


class Kind(StrEnum):
    """What a limit on power is about: the net power at a node, out or in, or its parts."""

    EXPORT = "export"
    IMPORT = "import"
    GENERATION = "generation"
    LOAD = "load"


_AMOUNTS: Final[Mapping[Kind, Callable[[Limit], float | None]]] = {kind: attrgetter(f"{kind}_limit_w") for kind in Kind}


class Stated(NamedTuple):
    """What a standing limit says, put into words when it is read."""

    source: str
    kind: Kind
    w: float

    def __str__(self) -> str:
        return f"{self.source}: {self.kind} {power(self.w)}"


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


@dataclass(frozen=True, slots=True)
class Limiting:
    """Puts limits on bounds in the making. `elsewhere` tells what is not in the tree below a node above it."""

    bounding: Bounding
    elsewhere: Callable[[str], Elsewhere | None] = _nowhere

    def stand(self, limits: Sequence[Limit], within_s: float | None = None) -> None:
        """Put standing limits on their nodes and assets; with `within_s` those on ramps too."""
        for kind, amount in _AMOUNTS.items():
            stated = [
                (limit.node, w, Stated(limit.source, kind, w)) for limit in limits if (w := amount(limit)) is not None
            ]
            self.power(kind, BoundSource.LIMIT, stated)
        for limit in limits:
            if not (limit.soc_reserve_pct is limit.soc_min_pct is limit.soc_max_pct is None):
                self._window(limit)
            if limit.ramp_w_per_s is not None and within_s is not None:
                self._ramp(limit, limit.ramp_w_per_s * within_s, f"{limit.source}: ramp in {within_s:g} s")

    def power(self, kind: Kind, source: BoundSource, stated: Iterable[tuple[str, float, object]]) -> None:
        """Hold the export, import, generation or load of nodes, or of single assets, each to a magnitude.

        Of a node above the tree's root, the root gets what assets elsewhere below that node leave.

        Args:
            kind: of what.
            source: where all of these come from.
            stated: each one's node or asset id, magnitude in W, and detail.
        """
        place_of, node_of = self.bounding.columns.ratings.place, self.bounding.columns.tree.place
        of_assets: list[tuple[int, float, int]] = []
        of_nodes: list[tuple[int, float, int]] = []
        for node, w, detail in stated:
            place, at = place_of.get(node), node_of.get(node)
            if place is not None:
                of_assets.append((place, w, self.bounding.say(detail)))
            elif at is not None:
                of_nodes.append((at, w, self.bounding.say(detail)))
            elif (others := self.elsewhere(node)) is not None:
                of_nodes.append((0, others.left_w(kind, w), self.bounding.say(Above(detail, node))))
        asset_side, node_side = self._sides(kind)
        asset_side.tighten_each(of_assets, source)
        node_side.tighten_each(of_nodes, source)

    def _sides(self, kind: Kind) -> tuple[Side, Side]:
        """What such a limit bounds of an asset, and of a node."""
        bounding = self.bounding
        return {
            Kind.EXPORT: (bounding.high, bounding.net_high),
            Kind.IMPORT: (bounding.low, bounding.net_low),
            Kind.GENERATION: (bounding.high, bounding.generation),
            Kind.LOAD: (bounding.low, bounding.load),
        }[kind]

    def _window(self, limit: Limit) -> None:
        """Narrow the window of the state of charge of every battery there."""
        floor, ceiling, run = self.bounding.floor, self.bounding.ceiling, self.run(limit.node)
        capacity_wh = self.bounding.columns.ratings.capacity_wh[run]
        for side, pct, word in (
            (floor, limit.soc_reserve_pct, "reserve"),
            (floor, limit.soc_min_pct, "minimum"),
            (ceiling, limit.soc_max_pct, "maximum"),
        ):
            if pct is not None:
                number = self.bounding.say(f"{limit.source}: {word} {pct:g} %")
                side.tighten(run, capacity_wh * pct / 100, BoundSource.SOC, number)

    def _ramp(self, limit: Limit, reach_w: float, detail: str) -> None:
        """Hold a node to within `reach_w` of the power that is measured there. A node above the tree is not judged."""
        at = self.bounding.columns.tree.place.get(limit.node)
        if at is not None:
            number = self.bounding.say(detail)
            measured_w = float(known(self.bounding.columns.power_w[self.bounding.columns.tree.run(at)]).sum())
            here = slice(at, at + 1)
            self.bounding.net_high.tighten(here, measured_w + reach_w, BoundSource.RAMP, number)
            self.bounding.net_low.tighten(here, measured_w - reach_w, BoundSource.RAMP, number)

    def run(self, node: str) -> slice:
        """The assets that what is said of `node` reaches: one by its id, or all at or below a path."""
        place = self.bounding.columns.ratings.place.get(node)
        if place is not None:
            return slice(place, place + 1)
        at = self.bounding.columns.tree.place.get(node)
        if at is not None:
            return self.bounding.columns.tree.run(at)
        return ALL if self.elsewhere(node) is not None else slice(0)
