"""SCADA's picture beside the sites' truth: the one comparison that the table, the figures and the stages share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dermscore.sheets.points import PointRow, Quantity
from simulator.plant import Plant
from simulator.station import Seen


@dataclass(frozen=True, slots=True)
class Row:
    """One point: what SCADA shows, and what the sites measured where they measure such a thing (SI units)."""

    point: PointRow
    seen: Seen | None
    shown: float | None
    measured: float | None

    @property
    def difference(self) -> float | None:
        return None if self.shown is None or self.measured is None else self.shown - self.measured


def rows(plant: Plant) -> Iterator[Row]:
    """Every point of the sheet, in its order."""
    for point in plant.points:
        seen = plant.scada.seen.get((point.type.value, point.index))
        shown = point.to_si(seen.value) if seen else None
        measured = plant.sites.power_w(point.path, point.kind) if point.quantity is Quantity.POWER else None
        yield Row(point, seen, shown, measured)


def telemetry(plant: Plant) -> Iterator[Row]:
    """The points that come from the sites, not from the gateway itself."""
    return (row for row in rows(plant) if not row.point.quantity.local)


def steady_errors_w(plant: Plant, among: str = "") -> dict[str, float]:
    """|SCADA - sites| by point name, for the power points that stood still long enough to be compared honestly.

    `among` narrows it to the points of one path.
    """
    errors = {}
    for row in telemetry(plant):
        if row.point.quantity is not Quantity.POWER or row.shown is None or row.seen is None or not row.seen.online:
            continue
        if among and row.point.path != among:
            continue
        resolution_w = abs(row.point.to_si(1) - row.point.to_si(0))
        steady = plant.sites.steady_power_w(row.point.path, row.point.kind, within_w=resolution_w / 2)
        if steady is not None:
            errors[row.point.name] = abs(row.shown - steady)
    return errors
