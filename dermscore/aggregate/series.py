"""The groups behind what the headend can publish: which assets are of each, taken once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from dermscore.aggregate.group import Aggregate, total
from dermscore.aggregate.members import FRESH_WITHIN_MS, is_in_numbers, lane_of, of
from dermscore.aggregate.tally import Lane
from dermscore.aggregate.words import quality_in_words
from dermscore.model import Asset, Fleet, Measurement, Now
from dermscore.quantities import PointKind, Series

_MOST_NAMED: Final = 20


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


def _fault(last: Measurement | None, now: Now, fresh_within_ms: int) -> str | None:
    """What is wrong with one member's last reading, in words; None where it reports and is GOOD."""
    if last is None:
        return "never heard"
    lane, age_s = lane_of(last, now, fresh_within_ms), (now.utc_ms - last.time_ms) / 1000
    if lane is Lane.GOOD:
        return None
    if lane is Lane.SILENT:
        return f"silent for {age_s:g} s, where {fresh_within_ms / 1000:g} s is the most"
    if lane is Lane.AHEAD:
        return f"its time is {-age_s:g} s ahead of ours"
    return quality_in_words(last.quality) if is_in_numbers(last) else "its reading is not a number"
