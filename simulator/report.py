"""What the demo proved, as the one JSON object that it prints last."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Report:
    """None where a stage did not get as far. Owner of every field: the demo's event loop."""

    agents_connected: int = 0
    readings: int = 0
    points_published: int = 0
    scada_polls: int = 0
    max_error_w: float | None = None
    command_round_trip_s: float | None = None
    comm_lost_after_s: float | None = None
    agents_ticking: int = 0
    audit_records: int = 0
    audit_dir: str = ""
    audit_key: str = ""
    verify: str = "not run"
    # How many records of the trail the witness has cosigned, and how many it has not yet.
    witness: dict[str, int] | None = None
    # The evidence file that the demo ends with, and the verdict on it.
    evidence: dict[str, str] | None = None
    http: str = ""
    # Stages that need a battery, where the fleet has none.
    not_applicable: list[str] = field(default_factory=list)
    failed_stages: list[str] = field(default_factory=list)
    # From the moment an aggregate was calculated (the event's own time) to its arrival at the master, in ms.
    latencies_ms: list[float] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        figures = {name: value for name, value in vars(self).items() if name not in ("latencies_ms", "failed_stages")}
        latency = {f"p{percent}": percentile(self.latencies_ms, percent) for percent in (50, 95, 99)}
        return {**figures, "latency_ms": latency, "failed_stages": self.failed_stages}


def percentile(values: list[float], percent: int) -> float | None:
    """The nearest-rank percentile; None of nothing."""
    if not values:
        return None
    ranked = sorted(values)
    return ranked[max(0, math.ceil(percent / 100 * len(ranked)) - 1)]
