"""A group of assets: its sums, who of it reports, how old what they say is, and how far it may be believed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

from dermscore.aggregate.tally import Lane, causes_of, counted, worst
from dermscore.model import Now
from dermscore.quality import Cause, Quality, Source, Validity
from dermscore.quantities import Quantity

MICRO: Final = 1_000_000
"""How many of the integers' units make a W or a Wh."""


@dataclass(frozen=True, slots=True)
class Aggregate:
    """What is known of a group of assets. `Aggregate()` is the group of nobody: merging it changes nothing.

    A member *reports* when a measurement of it is fresh, in numbers and not INVALID; only such enter the sums. A member
    that was never heard, or not lately, is configured all the same. The integer sums are in millionths (µW, µWh), the
    properties in W and Wh. `soc_uwh` and `capacity_uwh` are of reporting members that store energy and said how much,
    `stores_uwh` is the capacity of all reporting members that store energy, whether they said or not.
    `oldest_ms` is the source time (UTC) of the oldest last measurement of all members that were ever heard, those that
    report no more among them: whoever falls silent leaves the sums, and the age goes on growing. `tally` counts the
    members by condition (see `dermscore.aggregate.tally`); the quality is made of it, so that it can be explained.
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
        return self.soc_uwh / MICRO if self.capacity_uwh else None

    @property
    def capacity_wh(self) -> float | None:
        """The capacity that `soc_wh` is of, Wh."""
        return self.capacity_uwh / MICRO if self.capacity_uwh else None

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
        if quantity.local:
            raise KeyError(f"{quantity} is the gateway's own, and no group of assets has it")
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
        if (quantity in ABOUT_MEMBERS and self.configured) or (quantity is Quantity.OLDEST_AGE and self.heard):
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
        from dermscore.aggregate.words import arithmetic

        return arithmetic(self, quantity, now)

    def _of_reporting(self, micro: int) -> float | None:
        return micro / MICRO if self.reporting else None


ABOUT_MEMBERS: Final = frozenset({Quantity.MEMBERS, Quantity.COVERAGE})
"""What is known of who reports, whatever they say."""


def oldest_age_s(group: Aggregate, now: Now) -> float | None:
    """`Aggregate.oldest_age_ms` in s."""
    age_ms = group.oldest_age_ms(now)
    return None if age_ms is None else age_ms / 1000


_VALUES: Final[Mapping[Quantity, Callable[[Aggregate, Now], float | None]]] = {
    Quantity.POWER: lambda group, _: group.power_w,
    Quantity.SOC: lambda group, _: group.soc_pct,
    Quantity.AVAILABLE_UP: lambda group, _: group.available_up_w,
    Quantity.AVAILABLE_DOWN: lambda group, _: group.available_down_w,
    Quantity.MEMBERS: lambda group, _: float(group.reporting),
    Quantity.COVERAGE: lambda group, _: group.coverage_pct,
    Quantity.OLDEST_AGE: oldest_age_s,
}


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
