"""Sums over members that can be merged: of assets into sites, of sites into feeders, of feeders into the fleet.

Merging is *exact*: associative, commutative and with an identity, bit for bit. Each member's watts and watt-hours are
rounded once to a millionth of their unit and from then on added as integers, so no order of merging and no split into
parts can change a result; a member is wrong by half a millionth at most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import attrgetter, or_
from typing import Any, Final

from dermscore.model import Asset, Fleet, Measurement, Now
from dermscore.quality import Cause, Quality, Source, Validity
from dermscore.quantities import PointKind, Quantity, Series

FRESH_WITHIN_MS: Final = 12_000  # three telemetry periods of 4 s
_MICRO: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Aggregate:
    """What is known of a group of assets. `Aggregate()` is the group of nobody: merging it changes nothing.

    A member *reports* when a measurement of it is fresh and not INVALID; only such members enter the sums. A member
    that was never heard, or not lately, is configured all the same. The integer sums are in millionths (µW, µWh), the
    properties in W and Wh. `soc_uwh` and `capacity_uwh` are of reporting members that store energy and said how much,
    `stores_uwh` is the capacity of all reporting members that store energy, whether they said or not.
    `oldest_ms` is the source time (UTC) of the oldest last measurement of all members that were ever heard, those that
    report no more among them: whoever falls silent leaves the sums, and the age goes on growing. `validity` is the
    worst in the sums.
    """

    configured: int = 0
    reporting: int = 0
    rated_uw: int = 0
    reporting_rated_uw: int = 0
    power_uw: int = 0
    available_up_uw: int = 0
    available_down_uw: int = 0
    soc_uwh: int = 0
    capacity_uwh: int = 0
    stores_uwh: int = 0
    oldest_ms: int | None = None
    validity: Validity = Validity.GOOD
    causes: Cause = Cause.NONE

    def merge(self, other: Aggregate) -> Aggregate:
        """The two groups as one. They must not share a member, or it counts twice."""
        return total((self, other))

    @property
    def power_w(self) -> float | None:
        """The power of the members that report, W; None where none does. The like holds for all that follow."""
        return self._of_reporting(self.power_uw)

    @property
    def available_up_w(self) -> float | None:
        return self._of_reporting(self.available_up_uw)

    @property
    def available_down_w(self) -> float | None:
        return self._of_reporting(self.available_down_uw)

    @property
    def soc_wh(self) -> float | None:
        """Stored energy, Wh; None where no member that stores energy reports."""
        return self.soc_uwh / _MICRO if self.capacity_uwh else None

    @property
    def capacity_wh(self) -> float | None:
        """The capacity that `soc_wh` is of, Wh."""
        return self.capacity_uwh / _MICRO if self.capacity_uwh else None

    @property
    def soc_pct(self) -> float | None:
        """Stored energy as a share of the capacity of the members that reported it, 0..100."""
        return 100 * self.soc_uwh / self.capacity_uwh if self.capacity_uwh else None

    @property
    def coverage_pct(self) -> float | None:
        """How much of the group reports, weighed by rated power, 0..100; None for the group of nobody.

        A group whose ratings are all zero is weighed by heads.
        """
        if self.rated_uw:
            return 100 * self.reporting_rated_uw / self.rated_uw
        return 100 * self.reporting / self.configured if self.configured else None

    @property
    def heard(self) -> bool:
        """Whether any member was ever heard."""
        return self.oldest_ms is not None

    def oldest_age_ms(self, now: Now) -> int | None:
        """How long ago the member that was heard least lately was heard, ms; never negative; None where none ever was.

        A member that was never heard has no age; that it is missing is in `coverage_pct`.
        """
        return None if self.oldest_ms is None else max(0, now.utc_ms - self.oldest_ms)

    def value(self, quantity: Quantity, now: Now) -> float | None:
        """The number that a point of this quantity shows, in SI units; None where there is nothing to show.

        Raises:
            KeyError: the quantity is the gateway's own and no aggregate has it.
        """
        return _VALUES[quantity](self, now)

    @property
    def quality(self) -> Quality:
        """The sums' quality: the worst validity and every cause of the members that report.

        Where none reports it is INVALID, by COMM_LOST. Missing members alone do not make it worse: how many
        may be missing is the contract's to say (`min_coverage_pct`).
        """
        if not self.reporting:
            lost = Cause.COMM_LOST if self.configured else Cause.NONE
            return Quality(Validity.INVALID, Source.CALCULATED, self.causes | lost)
        return Quality(self.validity, Source.CALCULATED, self.causes)

    def quality_of(self, quantity: Quantity) -> Quality:
        """The quality of one quantity: that of the sums, but how many members report is known even when none does, and
        how long ago the last was heard.

        A state of charge that some of the reporting stores did not say theirs for is QUESTIONABLE, by LOW_COVERAGE: the
        coverage that the contract checks counts those as members that report.
        """
        if (quantity in _ABOUT_MEMBERS and self.configured) or (quantity is Quantity.OLDEST_AGE and self.heard):
            return Quality(Validity.GOOD, Source.CALCULATED, self.causes & Cause.TEST)
        if quantity is Quantity.SOC and self.soc_pct is None:
            return self.quality.because(Cause.NONE, at_best=Validity.INVALID)
        if quantity is Quantity.SOC and self.capacity_uwh < self.stores_uwh:
            return self.quality.because(Cause.LOW_COVERAGE, at_best=Validity.QUESTIONABLE)
        return self.quality

    def _of_reporting(self, micro: int) -> float | None:
        return micro / _MICRO if self.reporting else None


_ABOUT_MEMBERS: Final = frozenset({Quantity.MEMBERS, Quantity.COVERAGE})


def _oldest_age_s(group: Aggregate, now: Now) -> float | None:
    age_ms = group.oldest_age_ms(now)
    return None if age_ms is None else age_ms / 1000


_VALUES: Final[Mapping[Quantity, Callable[[Aggregate, Now], float | None]]] = {
    Quantity.POWER: lambda group, _: group.power_w,
    Quantity.SOC: lambda group, _: group.soc_pct,
    Quantity.AVAILABLE_UP: lambda group, _: group.available_up_w,
    Quantity.AVAILABLE_DOWN: lambda group, _: group.available_down_w,
    Quantity.MEMBERS: lambda group, _: float(group.reporting),
    Quantity.COVERAGE: lambda group, _: group.coverage_pct,
    Quantity.OLDEST_AGE: _oldest_age_s,
}


def of(asset: Asset, measurement: Measurement | None, now: Now, fresh_within_ms: int = FRESH_WITHIN_MS) -> Aggregate:
    """The group of one asset, with its last measurement where there is one.

    A measurement from further ahead than `fresh_within_ms` is no fresher than one from as far behind: a clock that runs
    ahead must not keep a dead device alive.

    Raises:
        ValueError, OverflowError: the measurement holds a NaN or an infinity, which every edge refuses.
    """
    rated = _micro(rated_w(asset))
    if measurement is None:
        return Aggregate(configured=1, rated_uw=rated)
    if not reports(measurement, now, fresh_within_ms):
        causes = measurement.quality.causes & Cause.TEST
        return Aggregate(configured=1, rated_uw=rated, oldest_ms=measurement.time_ms, causes=causes)
    capacity = _micro(asset.capacity_wh)
    said = capacity > 0 and measurement.soc_wh is not None
    return Aggregate(
        configured=1,
        reporting=1,
        rated_uw=rated,
        reporting_rated_uw=rated,
        power_uw=_micro(measurement.power_w),
        available_up_uw=_micro(measurement.available_up_w),
        available_down_uw=_micro(measurement.available_down_w),
        soc_uwh=_micro(measurement.soc_wh or 0.0) if said else 0,
        capacity_uwh=capacity if said else 0,
        stores_uwh=capacity,
        oldest_ms=measurement.time_ms,
        validity=measurement.quality.validity,
        causes=measurement.quality.causes,
    )


def reports(measurement: Measurement, now: Now, fresh_within_ms: int = FRESH_WITHIN_MS) -> bool:
    """Whether a measurement may enter a sum: fresh by its source's time, and not INVALID."""
    fresh = abs(now.utc_ms - measurement.time_ms) <= fresh_within_ms
    return fresh and measurement.quality.validity is not Validity.INVALID


def rated_w(asset: Asset) -> float:
    """The magnitude that an asset weighs by: the larger of what it may inject and what it may absorb, W."""
    return max(abs(asset.max_w), abs(asset.min_w))


_SUMMED: Final = (
    "configured",
    "reporting",
    "rated_uw",
    "reporting_rated_uw",
    "power_uw",
    "available_up_uw",
    "available_down_uw",
    "soc_uwh",
    "capacity_uwh",
    "stores_uwh",
)
_summed: Final = attrgetter(*_SUMMED)


def total(parts: Iterable[Aggregate]) -> Aggregate:
    """All of the groups as one; of no groups, the group of nobody. Equal whatever their order and however nested."""
    groups = tuple(parts)
    sums: dict[str, Any] = dict(zip(_SUMMED, map(sum, zip(*map(_summed, groups), strict=True)), strict=False))
    return Aggregate(
        **sums,
        oldest_ms=min((group.oldest_ms for group in groups if group.oldest_ms is not None), default=None),
        validity=max({group.validity for group in groups}, default=Validity.GOOD),
        causes=reduce(or_, {group.causes for group in groups}, Cause.NONE),
    )


def aggregates(
    fleet: Fleet,
    measurements: Mapping[str, Measurement],
    series: Sequence[Series],
    now: Now,
    fresh_within_ms: int = FRESH_WITHIN_MS,
) -> list[tuple[Series, Aggregate]]:
    """The group behind every series, in the order asked for. A path or kind without assets is the group of nobody.

    `measurements` holds the last one per asset id; an asset that was never heard has none. An asset is taken once and a
    group summed once, however many series ask for them.
    """
    members: dict[str, Aggregate] = {}
    groups: dict[tuple[str, PointKind], Aggregate] = {}
    for path, kind, _ in series:
        if (path, kind) not in groups:
            chosen = [asset for asset in fleet.under(path) if kind is PointKind.ALL or asset.kind.value == kind.value]
            for asset in chosen:
                if asset.id not in members:
                    members[asset.id] = of(asset, measurements.get(asset.id), now, fresh_within_ms)
            groups[path, kind] = total(members[asset.id] for asset in chosen)
    return [(one, groups[one.path, one.kind]) for one in series]


def _micro(value: float) -> int:
    return round(value * _MICRO)
