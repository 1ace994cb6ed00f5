"""Pure mappers between the wire's messages and the nouns of dermscore: what goes over AgentLink.

What is here maps both ways, checks every number both ways, and raises BadInput with every problem of a message, named
by message, field and row. The mappers of the boundary are in `wire.boundary` and can be imported from here too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from dermscore.intent import Intent, IntentState, Step
from dermscore.model import Measurement
from wire.boundary import (
    BoundaryCommand,
    BoundaryOutcome,
    Reading,
    Wanted,
    boundary_command,
    boundary_outcome,
    command,
    command_outcome,
    hello,
    point_batch,
    readings,
    wanted,
)
from wire.columns import Checks, clipped
from wire.v1.agent_link_pb2 import Event, Held, Outcome, Register, Setpoint, Telemetry
from wire.v1.agent_link_pb2 import Step as StepMessage

__all__ = [
    "AssetEvent",
    "BoundaryCommand",
    "BoundaryOutcome",
    "Claim",
    "Reading",
    "Report",
    "Severity",
    "Wanted",
    "asset_event",
    "boundary_command",
    "boundary_outcome",
    "claim",
    "command",
    "command_outcome",
    "event",
    "hello",
    "intent",
    "measurements",
    "outcome",
    "point_batch",
    "readings",
    "register",
    "report",
    "setpoint",
    "telemetry_columns",
    "wanted",
]

_SOC, _SETPOINT = 1, 2  # the bits of Telemetry.present


# --- Register: who speaks for what -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Claim:
    """What an agent says when it registers. `held` has the (epoch, revision) of each asset that holds an intent.

    The order of `asset_ids` is the index of every later message on the stream.
    """

    asset_ids: tuple[str, ...]
    software: str
    held: Mapping[str, tuple[str, int]]

    @property
    def index(self) -> dict[str, int]:
        """Asset id to index, for the mappers that write."""
        return {asset_id: number for number, asset_id in enumerate(self.asset_ids)}


def register(claim: Claim) -> Register:
    nothing = ("", 0)
    held = [
        Held(epoch=epoch, revision=revision)
        for epoch, revision in (claim.held.get(a, nothing) for a in claim.asset_ids)
    ]
    return Register(asset_ids=claim.asset_ids, software=clipped(claim.software), held=held)


def claim(message: Register) -> Claim:
    """Raises BadInput: no asset, one twice, or `held` for another number of assets (none at all is allowed)."""
    checks = Checks("Register")
    ids = tuple(message.asset_ids)
    if not ids:
        checks.wrong("asset_ids", "is empty; an agent speaks for at least one asset")
    if len(set(ids)) != len(ids):
        checks.wrong("asset_ids", "names an asset twice")
    for row, asset_id in enumerate(ids):
        checks.text(f"asset_ids[{row}]", asset_id, needed=True)
    checks.text("software", message.software)
    if message.held and len(message.held) != len(ids):
        checks.wrong("held", f"has {len(message.held)} rows where asset_ids has {len(ids)}")
    checks.settle()
    held = {a: (h.epoch, h.revision) for a, h in zip(ids, message.held, strict=False) if h.revision}
    return Claim(ids, message.software, held)


# --- Telemetry -------------------------------------------------------------------------------------------------------


def telemetry_columns(measurements: Iterable[Measurement], index: Mapping[str, int], seq: int) -> Telemetry:
    """Measurements as columns; `index` maps asset ids to the order agreed at Register.

    Raises:
        BadInput: a number is not finite or out of its range, or an asset is not of this stream.
    """
    rows = list(measurements)
    checks = Checks("Telemetry")
    columns = Telemetry(
        seq=seq,
        assets=_indices(checks, "assets", [row.asset_id for row in rows], index),
        time_ms=[row.time_ms for row in rows],
        power_w=[row.power_w for row in rows],
        soc_wh=[0.0 if row.soc_wh is None else row.soc_wh for row in rows],
        available_up_w=[row.available_up_w for row in rows],
        available_down_w=[row.available_down_w for row in rows],
        setpoint_w=[0.0 if row.setpoint_w is None else row.setpoint_w for row in rows],
        quality=[row.quality.bits for row in rows],
        present=[_SOC * (row.soc_wh is not None) | _SETPOINT * (row.setpoint_w is not None) for row in rows],
    )
    _check_telemetry(checks, columns)
    checks.settle()
    return columns


def measurements(columns: Telemetry, asset_ids: Sequence[str]) -> list[Measurement]:
    """The measurements in a Telemetry; `asset_ids` is the order agreed at Register. One asset may have several rows.

    Raises:
        BadInput: ragged columns, an index out of range, a number that is not finite or out of its range, unknown bits.
    """
    checks = Checks("Telemetry")
    checks.same_length({name: getattr(columns, name) for name in _TELEMETRY_COLUMNS})
    checks.indices("assets", columns.assets, len(asset_ids))
    checks.bits("present", columns.present, _SOC | _SETPOINT)
    qualities = checks.qualities("quality", columns.quality)
    _check_telemetry(checks, columns)
    checks.settle()
    return [
        Measurement(
            asset_id=asset_ids[asset],
            time_ms=time_ms,
            power_w=power_w,
            soc_wh=soc_wh if present & _SOC else None,
            available_up_w=up_w,
            available_down_w=down_w,
            setpoint_w=setpoint_w if present & _SETPOINT else None,
            quality=qualities[quality],
        )
        for asset, time_ms, power_w, soc_wh, up_w, down_w, setpoint_w, quality, present in zip(
            *(getattr(columns, name) for name in _TELEMETRY_COLUMNS), strict=True
        )
    ]


_TELEMETRY_COLUMNS = (
    "assets",
    "time_ms",
    "power_w",
    "soc_wh",
    "available_up_w",
    "available_down_w",
    "setpoint_w",
    "quality",
    "present",
)


def _check_telemetry(checks: Checks, columns: Telemetry) -> None:
    checks.times("time_ms", columns.time_ms)
    checks.time("sent_ms", columns.sent_ms)
    checks.finite_column("power_w", columns.power_w)
    checks.finite_column("soc_wh", columns.soc_wh, at_least=0)
    checks.finite_column("available_up_w", columns.available_up_w, at_least=0)
    checks.finite_column("available_down_w", columns.available_down_w, at_least=0)
    checks.finite_column("setpoint_w", columns.setpoint_w)


# --- Setpoint: an intent on its way to the edge ----------------------------------------------------------------------


def setpoint(intent: Intent, index: Mapping[str, int]) -> Setpoint:
    """Raises BadInput: the asset is not of this stream, or a number is not finite or out of its range."""
    checks = Checks("Setpoint")
    (asset,) = _indices(checks, "asset", [intent.asset_id], index)
    _check_unsigned(checks, revision=(intent.revision, 64), primacy=(intent.primacy, 32))
    for name in ("issued_ms", "expires_ms"):
        checks.time(name, getattr(intent, name))
    for row, step in enumerate(intent.schedule):
        checks.time(f"schedule[{row}].from_ms", step.from_ms)
    checks.settle()
    message = Setpoint(
        asset=asset,
        epoch=intent.epoch,
        revision=intent.revision,
        dispatch_id=intent.dispatch_id,
        setpoint_w=intent.setpoint_w,
        reversion_w=intent.reversion_w,
        issued_ms=intent.issued_ms,
        expires_ms=intent.expires_ms,
        program=intent.program,
        primacy=intent.primacy,
        schedule=[StepMessage(from_ms=step.from_ms, setpoint_w=step.setpoint_w) for step in intent.schedule],
    )
    _check_setpoint(checks, message)
    return message


def intent(message: Setpoint, asset_ids: Sequence[str]) -> Intent:
    """The intent in a Setpoint. Raises BadInput: an index out of range, a number not finite, an empty id."""
    checks = Checks("Setpoint")
    checks.indices("asset", [message.asset], len(asset_ids))
    _check_setpoint(checks, message)
    return Intent(
        asset_id=asset_ids[message.asset],
        epoch=message.epoch,
        revision=message.revision,
        dispatch_id=message.dispatch_id,
        setpoint_w=message.setpoint_w if message.HasField("setpoint_w") else None,
        reversion_w=message.reversion_w if message.HasField("reversion_w") else None,
        issued_ms=message.issued_ms,
        expires_ms=message.expires_ms,
        program=message.program,
        primacy=message.primacy,
        schedule=tuple(Step(step.from_ms, step.setpoint_w) for step in message.schedule),
    )


def _check_setpoint(checks: Checks, message: Setpoint) -> None:
    checks.finite("setpoint_w", message.setpoint_w)
    checks.finite("reversion_w", message.reversion_w)
    checks.time("issued_ms", message.issued_ms)
    checks.time("expires_ms", message.expires_ms)
    checks.text("epoch", message.epoch, needed=True)
    checks.text("dispatch_id", message.dispatch_id, needed=True)
    checks.text("program", message.program)
    for row, step in enumerate(message.schedule):
        checks.time(f"schedule[{row}].from_ms", step.from_ms)
        checks.finite(f"schedule[{row}].setpoint_w", step.setpoint_w)
    checks.settle()


# --- Outcome: what became of an intent -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Report:
    """What the edge saw of one intent. `power_w` is None where nothing was measured."""

    asset_id: str
    epoch: str
    revision: int
    dispatch_id: str
    state: IntentState
    reason: str
    time_ms: int
    power_w: float | None


def outcome(report: Report, index: Mapping[str, int]) -> Outcome:
    """Raises BadInput: the asset is not of this stream, or a number is not finite or out of its range."""
    checks = Checks("Outcome")
    (asset,) = _indices(checks, "asset", [report.asset_id], index)
    _check_unsigned(checks, revision=(report.revision, 64))
    checks.time("time_ms", report.time_ms)
    checks.settle()
    message = Outcome(
        asset=asset,
        epoch=report.epoch,
        revision=report.revision,
        dispatch_id=report.dispatch_id,
        state=report.state.value,
        reason=clipped(report.reason),
        time_ms=report.time_ms,
        power_w=report.power_w,
    )
    _check_outcome(checks, message)
    return message


def report(message: Outcome, asset_ids: Sequence[str]) -> Report:
    """Raises BadInput: an index out of range, a state we do not know, a number that is not finite, an empty id."""
    checks = Checks("Outcome")
    checks.indices("asset", [message.asset], len(asset_ids))
    if message.state not in list(IntentState):
        checks.wrong("state", f"is {message.state[:40]!r}, which is not a state of an intent")
    _check_outcome(checks, message)
    return Report(
        asset_id=asset_ids[message.asset],
        epoch=message.epoch,
        revision=message.revision,
        dispatch_id=message.dispatch_id,
        state=IntentState(message.state),
        reason=message.reason,
        time_ms=message.time_ms,
        power_w=message.power_w if message.HasField("power_w") else None,
    )


def _check_outcome(checks: Checks, message: Outcome) -> None:
    checks.finite("power_w", message.power_w)
    checks.time("time_ms", message.time_ms)
    checks.text("epoch", message.epoch, needed=True)
    checks.text("dispatch_id", message.dispatch_id, needed=True)
    checks.text("reason", message.reason)
    checks.settle()


# --- Event -----------------------------------------------------------------------------------------------------------


class Severity(StrEnum):
    """How bad an asset event is."""

    INFO = "info"
    WARNING = "warning"
    ALARM = "alarm"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class AssetEvent:
    """Something that happened at an asset. `type` is a short name such as `soc_bound`."""

    asset_id: str
    type: str
    severity: Severity
    message: str
    time_ms: int


def event(happened: AssetEvent, index: Mapping[str, int]) -> Event:
    """Raises BadInput: the asset is not of this stream, or the time is none."""
    checks = Checks("Event")
    (asset,) = _indices(checks, "asset", [happened.asset_id], index)
    _check_event(checks, happened.type, happened.time_ms)
    return Event(
        asset=asset,
        type=happened.type,
        severity=happened.severity.value,
        message=clipped(happened.message),
        time_ms=happened.time_ms,
    )


def asset_event(message: Event, asset_ids: Sequence[str]) -> AssetEvent:
    """Raises BadInput: an index out of range, a severity we do not know, no type, a time that is none."""
    checks = Checks("Event")
    checks.indices("asset", [message.asset], len(asset_ids))
    if message.severity not in list(Severity):
        checks.wrong("severity", f"is {message.severity[:40]!r}, not one of {', '.join(Severity)}")
    checks.text("message", message.message)
    _check_event(checks, message.type, message.time_ms)
    return AssetEvent(
        asset_ids[message.asset], message.type, Severity(message.severity), message.message, message.time_ms
    )


def _check_event(checks: Checks, kind: str, time_ms: int) -> None:
    checks.text("type", kind, needed=True)
    checks.time("time_ms", time_ms)
    checks.settle()


# --- what several share ----------------------------------------------------------------------------------------------


def _indices(checks: Checks, path: str, asset_ids: Sequence[str], index: Mapping[str, int]) -> list[int]:
    found = [index.get(asset_id, -1) for asset_id in asset_ids]
    for asset_id, number in zip(asset_ids, found, strict=True):
        if number < 0:
            checks.wrong(path, f"names asset {asset_id}, which is not of this stream")
    checks.settle()
    return found


def _check_unsigned(checks: Checks, **fields: tuple[int, int]) -> None:
    """Each field as (value, bits)."""
    for name, (value, bits) in fields.items():
        if not 0 <= value < 1 << bits:
            checks.wrong(name, f"is {value}, outside 0..2^{bits}-1")
