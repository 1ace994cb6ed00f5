"""Sums over members that can be merged: of assets into sites, of sites into feeders, of feeders into the fleet.

Merging is *exact*: associative, commutative and with an identity, bit for bit. Each member's watts and watt-hours are
rounded once to a millionth of their unit and from then on added as integers, so no order of merging and no split into
parts can change a result; a member is wrong by half a millionth at most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

from dermscore.model import Asset, Fleet, Measurement, Now
from dermscore.quality import Cause, Quality, Source, Validity
from dermscore.quantities import PointKind, Quantity, Series
from dermscore.tally import Lane, causes_of, counted, one, worst

FRESH_WITHIN_MS: Final = 12_000  # three telemetry periods of 4 s
_MICRO: Final = 1_000_000
_LAST_THAT_REPORTS: Final = Lane.HELD
_MOST_NAMED: Final = 20


@dataclass(frozen=True, slots=True)
class Aggregate:
    """What is known of a group of assets. `Aggregate()` is the group of nobody: merging it changes nothing.

    A member *reports* when a measurement of it is fresh and not INVALID; only such members enter the sums. A member
    that was never heard, or not lately, is configured all the same. The integer sums are in millionths (µW, µWh), the
    properties in W and Wh. `soc_uwh` and `capacity_uwh` are of reporting members that store energy and said how much,
    `stores_uwh` is the capacity of all reporting members that store energy, whether they said or not.
    `oldest_ms` is the source time (UTC) of the oldest last measurement of all members that were ever heard, those that
    report no more among them: whoever falls silent leaves the sums, and the age goes on growing. `tally` counts the
    members by condition (see `dermscore.tally`); the quality is made of it, so that it can be explained.
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
    tally: int = 0
    oldest_ms: int | None = None

    def merge(self, other: Aggregate) -> Aggregate:
        """The two groups as one. They must not share a member, or it counts twice."""
        return total((self, other))

    @property
    def validity(self) -> Validity:
        """The worst of the members that report."""
        return worst(self.tally)

    @property
    def causes(self) -> Cause:
        """Every cause of the members that report, and TEST of those that did."""
        return causes_of(self.tally)

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

    def count(self, lane: Lane) -> int:
        """How many members are in this condition."""
        return counted(self.tally, lane)

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

    def explain(self, quantity: Quantity, now: Now) -> tuple[str, ...]:
        """The arithmetic behind a quantity's value and quality, a line each: value, members, coverage, quality, age.

        Raises:
            KeyError: the quantity is the gateway's own and no aggregate has it.
        """
        value, quality = self.value(quantity, now), self.quality_of(quantity)
        shown = "no value" if value is None else f"{value:g}"
        lines = [f"{quantity} = {shown}, {_in_words(quality)}", _members_line(self), _coverage_line(self)]
        if quantity is Quantity.SOC:
            lines.append(_charge_line(self))
        return (*lines, _quality_line(self, quantity), _age_line(self, now))

    def _of_reporting(self, micro: int) -> float | None:
        return micro / _MICRO if self.reporting else None


_LANE_OF: Final = (Lane.GOOD, Lane.QUESTIONABLE, Lane.HELD, Lane.INVALID)  # by validity
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
        return Aggregate(configured=1, rated_uw=rated, tally=one(Lane.NEVER_HEARD))
    lane = _lane(measurement, now, fresh_within_ms)
    if lane > _LAST_THAT_REPORTS:
        lost = one(lane, measurement.quality.causes & Cause.TEST)
        return Aggregate(configured=1, rated_uw=rated, tally=lost, oldest_ms=measurement.time_ms)
    capacity, soc_wh = _micro(asset.capacity_wh), measurement.soc_wh
    return Aggregate(
        configured=1,
        reporting=1,
        rated_uw=rated,
        reporting_rated_uw=rated,
        power_uw=_micro(measurement.power_w),
        available_up_uw=_micro(measurement.available_up_w),
        available_down_uw=_micro(measurement.available_down_w),
        soc_uwh=_micro(soc_wh) if soc_wh is not None and capacity else 0,
        capacity_uwh=capacity if soc_wh is not None else 0,
        stores_uwh=capacity,
        tally=one(lane, measurement.quality.causes),
        oldest_ms=measurement.time_ms,
    )


def reports(measurement: Measurement, now: Now, fresh_within_ms: int = FRESH_WITHIN_MS) -> bool:
    """Whether a measurement may enter a sum: fresh by its source's time, and not INVALID."""
    return _lane(measurement, now, fresh_within_ms) <= _LAST_THAT_REPORTS


def _lane(measurement: Measurement, now: Now, fresh_within_ms: int) -> Lane:
    age_ms = now.utc_ms - measurement.time_ms
    if age_ms > fresh_within_ms:
        return Lane.SILENT
    return Lane.AHEAD if age_ms < -fresh_within_ms else _LANE_OF[measurement.quality.validity]


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
    "tally",
)
_summed: Final = attrgetter(*_SUMMED)


def total(parts: Iterable[Aggregate]) -> Aggregate:
    """All of the groups as one; of no groups, the group of nobody. Equal whatever their order and however nested."""
    groups = tuple(parts)
    sums: dict[str, Any] = dict(zip(_SUMMED, map(sum, zip(*map(_summed, groups), strict=True)), strict=False))
    return Aggregate(
        **sums,
        oldest_ms=min([group.oldest_ms for group in groups if group.oldest_ms is not None], default=None),
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
            chosen = _chosen(fleet, path, kind)
            for asset in chosen:
                if asset.id not in members:
                    members[asset.id] = of(asset, measurements.get(asset.id), now, fresh_within_ms)
            groups[path, kind] = total(members[asset.id] for asset in chosen)
    return [(each, groups[each.path, each.kind]) for each in series]


def _micro(value: float) -> int:
    return round(value * _MICRO)


def explain_series(
    fleet: Fleet,
    measurements: Mapping[str, Measurement],
    series: Series,
    now: Now,
    fresh_within_ms: int = FRESH_WITHIN_MS,
) -> tuple[str, ...]:
    """`Aggregate.explain` of a series, and then a line for each member that makes it worse, by name (20 at most).

    Raises:
        KeyError: the series' quantity is the gateway's own.
    """
    ((_, group),) = aggregates(fleet, measurements, [series], now, fresh_within_ms)
    members = ((asset, measurements.get(asset.id)) for asset in _chosen(fleet, series.path, series.kind))
    lines = [f"{asset.name}: {words}" for asset, last in members if (words := _fault(last, now, fresh_within_ms))]
    more = [f"and {len(lines) - _MOST_NAMED} more"] if len(lines) > _MOST_NAMED else []
    return (*group.explain(series.quantity, now), *lines[:_MOST_NAMED], *more)


def _chosen(fleet: Fleet, path: str, kind: PointKind) -> list[Asset]:
    return [asset for asset in fleet.under(path) if kind is PointKind.ALL or asset.kind.value == kind.value]


# --- the arithmetic in words -----------------------------------------------------------------------------------------


def _in_words(quality: Quality) -> str:
    causes = "+".join(cause.name or "" for cause in Cause if cause in quality.causes and cause.name)
    return f"{quality.source.name} {quality.validity.name}{' by ' if causes else ''}{causes}"


def _members_line(group: Aggregate) -> str:
    missing = {
        "never heard": Lane.NEVER_HEARD,
        "silent for too long": Lane.SILENT,
        "with a time ahead of ours": Lane.AHEAD,
        "INVALID": Lane.INVALID,
    }
    named = [f"{group.count(lane)} {words}" for words, lane in missing.items() if group.count(lane)]
    return f"members: {group.reporting} of {group.configured} report" + "".join(f", {words}" for words in named)


def _coverage_line(group: Aggregate) -> str:
    if not group.configured:
        return "coverage: nobody is configured"
    if not group.rated_uw:
        return f"coverage: {group.coverage_pct:g} %, by heads since no member has a rating"
    rated = f"{group.reporting_rated_uw / _MICRO:g} W of {group.rated_uw / _MICRO:g} W of rating report"
    return f"coverage: {rated} = {group.coverage_pct:g} %"


def _charge_line(group: Aggregate) -> str:
    if not group.capacity_uwh:
        return "charge: no member that stores energy says its own"
    said = f"{group.soc_wh:g} Wh of {group.capacity_wh:g} Wh = {group.soc_pct:g} %"
    return (
        f"charge: {said}, said for {group.capacity_uwh / _MICRO:g} Wh of {group.stores_uwh / _MICRO:g} Wh that report"
    )


def _quality_line(group: Aggregate, quantity: Quantity) -> str:
    if quantity in _ABOUT_MEMBERS or quantity is Quantity.OLDEST_AGE:
        return "quality: it is known from who was heard and when, whatever they said"
    by_validity = [(group.count(_LANE_OF[validity]), validity.name) for validity in reversed(Validity)]
    by_worst = ", ".join(f"{count} {name}" for count, name in by_validity if count and name != Validity.INVALID.name)
    causes = [(group.count(Lane[cause.name]), cause.name) for cause in Cause if cause.name]
    because = ", ".join(f"{name} of {count}" for count, name in causes if count)
    doubt = quantity is Quantity.SOC and 0 < group.capacity_uwh < group.stores_uwh
    return f"quality: the worst of {by_worst or 'nobody'}; causes: {because or 'none'}" + (
        "; in doubt by LOW_COVERAGE, since not every store that reports said its charge" if doubt else ""
    )


def _age_line(group: Aggregate, now: Now) -> str:
    age_s = _oldest_age_s(group, now)
    return "age: nobody was ever heard" if age_s is None else f"age: whoever was heard least lately, {age_s:g} s ago"


def _fault(last: Measurement | None, now: Now, fresh_within_ms: int) -> str | None:
    """What is wrong with one member's last reading, in words; None where it reports and is GOOD."""
    if last is None:
        return "never heard"
    lane, age_s = _lane(last, now, fresh_within_ms), (now.utc_ms - last.time_ms) / 1000
    if lane is Lane.GOOD:
        return None
    if lane is Lane.SILENT:
        return f"silent for {age_s:g} s, where {fresh_within_ms / 1000:g} s is the most"
    if lane is Lane.AHEAD:
        return f"its time is {-age_s:g} s ahead of ours"
    return _in_words(last.quality)
