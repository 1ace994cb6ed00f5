"""The words of an envelope: what limits there are, what a bound is, and where bounds come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from math import isfinite
from typing import Final


class BoundSource(StrEnum):
    """Where a bound comes from, or why an asset is not asked at all."""

    RATING = "rating"
    SOC = "state of charge"
    AVAILABLE = "available"
    RAMP = "ramp"
    LIMIT = "limit"
    EVENT = "event"
    HELD = "held by another dispatch"
    ASSETS = "the assets together"
    GIVEN = "given"
    OUTAGE = "outage"
    LOCKOUT = "lockout"
    LOCAL = "local control"
    CONTESTED = "contested"
    DISCONNECTED = "disconnected"
    NEVER_HEARD = "never heard"
    NOT_KNOWN = "measurement not usable"
    NO_SHARE = "no share under this rule"
    NO_ASSETS = "no assets"


@dataclass(frozen=True, slots=True)
class Bound:
    """One bound: W (injection positive), where it comes from, and that in words with the number."""

    w: float
    source: BoundSource
    detail: str


@dataclass(frozen=True, slots=True)
class Bounds:
    """The lower and the upper bound of one asset or node; `min.w <= max.w`."""

    min: Bound
    max: Bound


@dataclass(frozen=True, slots=True)
class Excluded:
    """An asset that takes no part and is sent nothing, and why."""

    asset_id: str
    source: BoundSource
    detail: str


@dataclass(frozen=True, slots=True)
class Limit:
    """A standing limit on a node (its path, "" for the whole fleet) or on one asset (its id).

    All are magnitudes, W, W/s or percent, never negative; None is no limit, and 0 means zero. Export and import bound
    the net power at the node; generation and load the sum of what injects there and of what absorbs. `ramp_w_per_s` is
    how fast the node's net power may move, `fallback_ramp_w_per_s` the same where nobody leads (the Guards' business).
    The three of the state of charge count for every battery at or below the node: a reserve and a minimum are both
    levels that are not discharged below. `source` names the limit to a reader: "limits[2]: connection agreement of S3".
    """

    node: str
    source: str
    export_limit_w: float | None = None
    import_limit_w: float | None = None
    generation_limit_w: float | None = None
    load_limit_w: float | None = None
    ramp_w_per_s: float | None = None
    soc_reserve_pct: float | None = None
    soc_min_pct: float | None = None
    soc_max_pct: float | None = None
    fallback_ramp_w_per_s: float | None = None

    def __post_init__(self) -> None:
        """Refuse what is no magnitude: a comparison with NaN would let everything through.

        Raises:
            ValueError: a limit is not a number, or is below 0; or a percentage is above 100.
        """
        for name, value in self.stated().items():
            if not (isfinite(value) and value >= 0) or (name.endswith("_pct") and value > 100):
                raise ValueError(f"{self.source}: {name} cannot be {value:g}")

    def stated(self) -> Mapping[str, float]:
        """The amounts that are given, by name."""
        amounts = {name: getattr(self, name) for name in AMOUNTS}
        return {name: value for name, value in amounts.items() if value is not None}

    def placed(self, node: str, source: str) -> Limit:
        """The same amounts at another node, by another name."""
        return replace(self, node=node, source=source)


AMOUNTS: Final = Limit.__slots__[2:]
"""What can be limited, by name."""
