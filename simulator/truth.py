"""What the sites measured, read from the agents' own state files: a road to the truth that crosses no boundary.

The state file of an asset (`STATE/<asset id>.json`, replaced once a second by its agent) holds what the device really
does. What SCADA shows is held against it.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dermscore.model import Asset, Fleet
from dermscore.sheets.points import PointKind

# Telemetry every 4 s, a publication a second later, a scan half a second after: what SCADA shows is at most this old.
SETTLING_S = 8.0


@dataclass(frozen=True, slots=True)
class Reading:
    """One asset as its agent last wrote it down."""

    tick: int
    power_w: float
    setpoint_w: float | None
    link: str


@dataclass
class Sites:
    """Owner of every field: the demo's event loop."""

    fleet: Fleet
    folder: Path
    readings: dict[str, Reading] = field(default_factory=dict)
    # One list of (moment, power by asset) per look, as far back as anything needs.
    _past: deque[tuple[float, dict[str, float]]] = field(default_factory=deque)

    def look(self, at_s: float) -> None:
        """Read every state file. One that is missing or half written keeps its asset's last reading."""
        for asset_id in self.fleet.assets:
            state = _read(self.folder / f"{asset_id}.json")
            if state is not None:
                self.readings[asset_id] = Reading(
                    int(state["tick"]), float(state["power_w"]), state["setpoint_w"], str(state["link"])
                )
        self._past.append((at_s, {asset: reading.power_w for asset, reading in self.readings.items()}))
        while self._past and self._past[0][0] < at_s - SETTLING_S - 1:
            self._past.popleft()

    def members(self, path: str, kind: PointKind) -> tuple[Asset, ...]:
        chosen = self.fleet.under(path)
        return chosen if kind is PointKind.ALL else tuple(a for a in chosen if a.kind.value == kind.value)

    def power_w(self, path: str, kind: PointKind) -> float | None:
        """The sum that the devices really deliver; None while any of them has not written yet."""
        return _sum(self.members(path, kind), {asset: reading.power_w for asset, reading in self.readings.items()})

    def steady_power_w(self, path: str, kind: PointKind, within_w: float) -> float | None:
        """The same, but None unless it moved by no more than `within_w` for as long as a value takes to reach SCADA."""
        if not self._past or self._past[-1][0] - self._past[0][0] < SETTLING_S:
            return None
        members = self.members(path, kind)
        sums = [_sum(members, powers) for _, powers in self._past]
        known = [value for value in sums if value is not None]
        if len(known) < len(sums) or max(known) - min(known) > within_w:
            return None
        return known[-1]

    def ticks(self) -> dict[str, int]:
        return {asset: reading.tick for asset, reading in self.readings.items()}


def _sum(members: Iterable[Asset], powers: dict[str, float]) -> float | None:
    values = [powers.get(asset.id) for asset in members]
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _read(path: Path) -> dict[str, Any] | None:
    try:
        state = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return state if isinstance(state, dict) else None
