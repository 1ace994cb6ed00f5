"""The arithmetic behind a group's value and quality, in words."""

from __future__ import annotations

from dermscore.aggregate.group import ABOUT_MEMBERS, MICRO, Aggregate, oldest_age_s
from dermscore.aggregate.tally import LANE_OF, Lane
from dermscore.model import Now
from dermscore.quality import Cause, Quality, Validity
from dermscore.quantities import Quantity


def arithmetic(group: Aggregate, quantity: Quantity, now: Now) -> tuple[str, ...]:
    """See `Aggregate.explain`."""
    value, quality = group.value(quantity, now), group.quality_of(quantity)
    shown = "no value" if value is None else figure(value)
    lines = [f"{quantity} = {shown}, {quality_in_words(quality)}", _members_line(group), _coverage_line(group)]
    if quantity is Quantity.SOC:
        lines.append(_charge_line(group))
    return (*lines, _quality_line(group, quantity), _age_line(group, now))


def figure(value: float) -> str:
    """A figure that can be added up: in full, to the millionth."""
    return f"{value:,.6f}".rstrip("0").rstrip(".")


def quality_in_words(quality: Quality) -> str:
    """Source, validity and causes by their names."""
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
    rated = f"{figure(group.reporting_rated_uw / MICRO)} W of {figure(group.rated_uw / MICRO)} W of rating report"
    return f"coverage: {rated} = {group.coverage_pct:g} %"


def _charge_line(group: Aggregate) -> str:
    if not group.capacity_uwh:
        return "charge: no member that stores energy says its own"
    soc, capacity, stores = (figure(uwh / MICRO) for uwh in (group.soc_uwh, group.capacity_uwh, group.stores_uwh))
    share = f"{soc} Wh of {capacity} Wh = {group.soc_pct:g} %"
    return f"charge: {share}, said for {capacity} Wh of {stores} Wh that report"


def _quality_line(group: Aggregate, quantity: Quantity) -> str:
    if quantity in ABOUT_MEMBERS or quantity is Quantity.OLDEST_AGE:
        return "quality: it is known from who was heard and when, whatever they said"
    by_validity = [(group.count(LANE_OF[validity]), validity.name) for validity in reversed(Validity)]
    by_worst = ", ".join(f"{count} {name}" for count, name in by_validity if count and name != Validity.INVALID.name)
    causes = [(group.count(Lane[cause.name]), cause.name) for cause in Cause if cause.name]
    because = ", ".join(f"{name} of {count}" for count, name in causes if count)
    doubt = quantity is Quantity.SOC and 0 < group.capacity_uwh < group.stores_uwh
    return f"quality: the worst of {by_worst or 'nobody'}; causes: {because or 'none'}" + (
        "; in doubt by LOW_COVERAGE, since not every store that reports said its charge" if doubt else ""
    )


def _age_line(group: Aggregate, now: Now) -> str:
    age_s = oldest_age_s(group, now)
    return "age: nobody was ever heard" if age_s is None else f"age: whoever was heard least lately, {age_s:g} s ago"
