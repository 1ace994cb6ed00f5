"""How one asset of many goes back by itself: staggered, ramped, and never past the static limit of its site."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from math import inf
from typing import Self

from dermscore.guard.bounds import rating_w
from dermscore.model import Asset, Kind

STAGGER_MS = 5_000
"""Fallbacks of a fleet begin at moments spread over this time, in ms."""

FALLBACK_S = 10.0
"""Where no node limit is given, a fallback crosses an asset's whole rating in this time, in s."""


@dataclass(frozen=True, slots=True)
class Together:
    """What the assets that share a limit come to, W, each >= 0: their ratings, what they inject and absorb at most."""

    rating_w: float
    up_w: float
    down_w: float

    @classmethod
    def of(cls, assets: Iterable[Asset]) -> Self:
        members = tuple(assets)
        return cls(sum(map(rating_w, members)), sum(map(_up_w, members)), sum(map(_down_w, members)))


@dataclass(frozen=True, slots=True)
class Fallback:
    """How one asset moves without hearing its headend: after `delay_ms`, then at no more than `ramp_w_per_s`.

    The ramp is above 0, but of an asset without a rating, which moves nowhere. `most_w` (>= 0) and `least_w` (<= 0)
    bound what it goes back to, in W: the asset's part of a static limit of its site. None: the rating alone bounds it.
    """

    delay_ms: int
    ramp_w_per_s: float
    most_w: float | None = None
    least_w: float | None = None

    def __post_init__(self) -> None:
        """Refuse what would lead nowhere, or away: it is obeyed when nobody is there to notice.

        Raises:
            ValueError: a number is none, or is on the wrong side of 0.
        """
        least_w = None if self.least_w is None else -self.least_w
        for name, magnitude in (
            ("delay_ms", self.delay_ms),
            ("ramp_w_per_s", self.ramp_w_per_s),
            ("most_w", self.most_w),
            ("least_w", least_w),
        ):
            if magnitude is not None and not 0 <= magnitude < inf:
                raise ValueError(f"a fallback's {name} cannot be {getattr(self, name)}")

    @classmethod
    def of(
        cls,
        asset: Asset,
        node: Sequence[Asset] = (),
        node_ramp_w_per_s: float | None = None,
        stagger_ms: int = STAGGER_MS,
        seed: str = "",
    ) -> Self:
        """An asset's own fallback: the delay drawn from (`seed`, asset id), the same at every start.

        With `node_ramp_w_per_s` the asset gets the part of the node's ramp limit that its rating is of the `node` (all
        the assets that share the limit, itself among them), so that however they fall together the node keeps its
        limit.

        Raises:
            ValueError: the node's ramp is not above 0.
        """
        digest = sha256(f"{seed}:{asset.id}".encode()).digest()
        delay_ms = int.from_bytes(digest[:8], "big") * stagger_ms >> 64
        own = cls(delay_ms, rating_w(asset) / FALLBACK_S)
        return own if node_ramp_w_per_s is None else own.part_of(asset, Together.of(node), node_ramp_w_per_s)

    def within(
        self,
        asset: Asset,
        site: Sequence[Asset],
        *,
        export_limit_w: float | None = None,
        import_limit_w: float | None = None,
    ) -> Self:
        """The same, held to the asset's part of the static limits that the `site` (itself among them) shares.

        Each limit is a magnitude in W, None is no limit. The part is that of its rating in this direction, so that the
        site keeps the limit whatever each member knows of the others. Where the ratings together keep it anyway, it
        binds nobody. Of several limits, one after the other, the tightest binds.

        Raises:
            ValueError: a limit is negative or not a number.
        """
        together = Together.of(site)
        return self.part_of(asset, together, export_limit_w=export_limit_w, import_limit_w=import_limit_w)

    def part_of(
        self,
        asset: Asset,
        node: Together,
        ramp_w_per_s: float | None = None,
        export_limit_w: float | None = None,
        import_limit_w: float | None = None,
    ) -> Self:
        """The same, held to the asset's part of what a `node` may do; for a whole fleet, where each node is added up
        once. See `of` and `within`.

        Raises:
            ValueError: a limit is negative or not a number, or the ramp is not above 0.
        """
        if ramp_w_per_s is not None and not ramp_w_per_s > 0:
            raise ValueError(f"a node's fallback ramp of {ramp_w_per_s} W/s would never end: it must be above 0")
        most_w = _part(export_limit_w, _up_w(asset), node.up_w)
        import_w = _part(import_limit_w, _down_w(asset), node.down_w)
        ramp = None if ramp_w_per_s is None else ramp_w_per_s * rating_w(asset) / (node.rating_w or 1.0)
        return replace(
            self,
            ramp_w_per_s=self.ramp_w_per_s if ramp is None else min(self.ramp_w_per_s, ramp),
            most_w=_tightest(min, self.most_w, most_w),
            least_w=_tightest(max, self.least_w, None if import_w is None else -import_w),
        )

    def bounded(self, asset: Asset, w: float | None) -> float | None:
        """`w` (None: what the asset does of itself) as far as the static limit lets it be gone back to."""
        if w is None:
            return self.least_w if asset.kind is Kind.LOAD else self.most_w
        w = w if self.most_w is None else min(w, self.most_w)
        return w if self.least_w is None else max(w, self.least_w)


def _part(limit_w: float | None, own_w: float, total_w: float) -> float | None:
    if limit_w is None:
        return None
    if not limit_w >= 0:
        raise ValueError(f"a limit of {limit_w} W is none: it is a magnitude of 0 or more")
    return None if total_w <= limit_w else limit_w * own_w / total_w


def _tightest(of: Callable[[float, float], float], one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return of(one, other)


def _up_w(asset: Asset) -> float:
    return max(asset.max_w, 0.0)


def _down_w(asset: Asset) -> float:
    return max(-asset.min_w, 0.0)
