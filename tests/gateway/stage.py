"""What the tests of the gateway share: a small contract, a publisher that signs, and two clocks to set."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dermscore.model import Now
from dermscore.quality import Quality, Source, Validity
from dermscore.sheets.points import Series
from dermscore.sheets.reading import COMMAND_COLUMNS, POINT_COLUMNS
from gateway.contract import Contract
from wire.boundary import BoundaryOutcome, Reading, command_outcome, point_batch
from wire.publication import Publisher, key_id
from wire.v1.boundary_link_pb2 import Publication, PublisherHeartbeat, SignedPublication

T0 = 1_760_000_000_000  # UTC ms of the tests' epoch
M0 = 5_000_000  # monotonic ms at that moment
NONCE = bytes(range(16))
PATH = "feeder/F1/site/S1"

BOUNDARY = """
version: 1
contract: {contract}
outstations:
  - name: main
    listen: 127.0.0.1:{port}
    address: 10
    masters:
      - {{name: ems, address: 1, peers: [127.0.0.0/8]}}
      - {{name: backup, address: 2, peers: [127.0.0.0/8]}}
      - {{name: viewer, address: 3, peers: [127.0.0.0/8], control: false}}
limits: {{max_in_flight: 2, energy_mwh_per_15min: {energy}}}
upward: {upward}
"""

_WHY = {"reason": "test", "owner": "tests", "ticket": "T-1", "retired": "no"}
_POINT = {"outstation": "main", "scale": 1, "offset": 0, "deadband": 0, "class": 1, "bcsi": "no", **_WHY}
_UNCHECKED = {"min_members": 1, "min_coverage_pct": 0}

POWER = "power"
ABSORBED = "absorbed"
SOC = "soc"
PUBLISHED = (POWER, ABSORBED, SOC)


def point(name: str, quantity: str, unit: str, kind: str, index: int, **more: object) -> dict[str, object]:
    """A row of points.csv, by column."""
    path = PATH if kind != "gateway" else ""
    row = {"name": name, "path": path, "kind": kind, "quantity": quantity, "unit": unit, "type": "AI", "index": index}
    return {**_POINT, **row, **more}


def points() -> list[dict[str, object]]:
    """A power point with every check, the same series seen from the other side, an SOC without any, and local ones."""
    checked = {"low": -1000, "high": 1000, "max_rate_per_s": 100, "min_members": 2, "min_coverage_pct": 80}
    return [
        point(POWER, "power_w", "kW", "all", 0, positive_means="injection", **checked, stale_after_s=10),
        point(
            ABSORBED, "power_w", "kW", "all", 1, positive_means="absorption", scale=0.1, stale_after_s=10, **_UNCHECKED
        ),
        point(SOC, "soc_pct", "%", "battery", 2, scale=0.01, low=0, high=100, stale_after_s=4, **_UNCHECKED),
        point("target state", "command_state", "state", "command", 3),
        point("release state", "command_state", "state", "command", 4),
        point("feedback", "command_feedback_w", "kW", "command", 5, positive_means="injection", low=-500, high=500),
        point("heartbeat", "heartbeat", "count", "gateway", 6, **{"class": 3}),
        point("audit", "audit_health", "state", "gateway", 0, type="BI"),
        point("link", "headend_link", "state", "gateway", 1, type="BI"),
        point("rehearsal", "rehearsal", "state", "gateway", 2, type="BI"),
    ]


def commands() -> list[dict[str, object]]:
    """A power target and its release."""
    shared = {
        "path": PATH,
        "outstation": "main",
        "index": 0,
        "scale": 1,
        "offset": 0,
        "control": "both",
        "hold": "until_changed",
        "on_master_loss": "hold",
        "on_isolate": "hold_until_expiry",
        "primacy": 1,
        "feedback_timeout_s": 30,
        **_WHY,
    }
    target = {"name": "target", "mode": "target", "unit": "kW", "type": "AO", "low": -500, "high": 500}
    release = {"name": "release", "mode": "release", "unit": "state", "type": "BO"}
    return [
        {**shared, **target, "max_step_w": 600_000, "status_point": "target state"},
        {**shared, **release, "status_point": "release state"},
    ]


def sheet(columns: Iterable[str], rows: Iterable[Mapping[str, object]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def files(
    *,
    contract: str = "rehearsal",
    port: int = 20000,
    energy: float = 1000.0,
    upward: str = "[]",
    point_rows: list[dict[str, object]] | None = None,
    command_rows: list[dict[str, object]] | None = None,
) -> dict[str, bytes]:
    """The three files of a contract."""
    return {
        "boundary.yaml": BOUNDARY.format(contract=contract, port=port, energy=energy, upward=upward).encode(),
        "points.csv": sheet(POINT_COLUMNS, points() if point_rows is None else point_rows),
        "commands.csv": sheet(COMMAND_COLUMNS, commands() if command_rows is None else command_rows),
    }


def contract(**changes: Any) -> Contract:
    return Contract.parse(files(**changes), "test")


KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
PUBLISHER = Publisher(KEY)
TRUSTED = {key_id(KEY.public_key()): KEY.public_key()}
STRANGER = Publisher(Ed25519PrivateKey.from_private_bytes(b"\1" * 32))

CALCULATED = Quality(Validity.GOOD, Source.CALCULATED)


@dataclass
class Headend:
    """Makes signed publications as a headend would: numbered, stamped, echoing. `made_ms` is its own UTC."""

    contract: Contract
    made_ms: int = T0
    seq: int = 0
    echo: int = 0
    nonce: bytes = NONCE
    publisher: Publisher = PUBLISHER

    def reading(self, series: Series, value: float | None, **more: Any) -> Reading:
        told: dict[str, Any] = {
            "time_ms": self.made_ms,
            "quality": CALCULATED,
            "configured": 4,
            "reporting": 4,
            "coverage_pct": 100.0,
            "oldest_age_ms": 500,
        }
        return Reading(series=series, value=value, **{**told, **more})

    def power(self, value_w: float | None, **more: Any) -> SignedPublication:
        """One publication with the power series alone."""
        return self.points([self.reading(self.contract.series[0], value_w, **more)])

    def soc(self, value_pct: float | None, **more: Any) -> SignedPublication:
        return self.points([self.reading(self.contract.series[1], value_pct, **more)])

    def points(self, rows: list[Reading]) -> SignedPublication:
        index = {series: number for number, series in enumerate(self.contract.series)}
        return self.sign(Publication(points=point_batch(rows, index)))

    def outcome(self, told: BoundaryOutcome) -> SignedPublication:
        return self.sign(Publication(outcome=command_outcome(told)))

    def beat(self) -> SignedPublication:
        return self.sign(Publication(heartbeat=PublisherHeartbeat()))

    def sign(self, body: Publication) -> SignedPublication:
        self.seq += 1
        body.nonce, body.seq, body.heartbeat_echo, body.made_ms = self.nonce, self.seq, self.echo, self.made_ms
        return self.publisher.sign(body)


@dataclass
class Clock:
    """Both clocks, set by the test."""

    now: Now = field(default_factory=lambda: Now(T0, M0))

    def __call__(self) -> Now:
        return self.now

    def advance(self, seconds: float) -> None:
        ms = round(seconds * 1000)
        self.now = Now(self.now.utc_ms + ms, self.now.mono_ms + ms)
