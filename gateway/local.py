"""The points that the gateway makes itself: of its own health, and of the commands. Pure.

They never age, save for what a command delivers: the gateway knows the others at first hand. What they say did not
cross the boundary, so no record precedes them; what a command has come to is known from a publication, and that one has
its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dermscore.model import Now
from dermscore.points import COMMAND_STATE_CODES, CommandRow, Mode, PointRow, PointType, Quantity
from dermscore.quality import GOOD, Cause, Quality, Source, Validity
from gateway.commands import Commands, Flight
from gateway.contract import Contract
from gateway.faces import Update

_NO_FEEDBACK = Quality(Validity.INVALID, Source.CALCULATED, Cause.RESTART)
_SIMULATED = Quality(Validity.INVALID, Source.CALCULATED, Cause.TEST)
_UNVOUCHED = Quality(Validity.QUESTIONABLE, Source.CALCULATED)
_CALCULATED = Quality(Validity.GOOD, Source.CALCULATED)


@dataclass(frozen=True, slots=True)
class Health:
    """What the gateway knows of itself. `beats` counts seconds of its loop."""

    audit_ok: bool
    link_up: bool
    beats: int


def health_points(contract: Contract, health: Health, now: Now) -> list[Update]:
    """Every point of kind gateway."""
    says = {
        Quantity.AUDIT_HEALTH: int(health.audit_ok),
        Quantity.HEADEND_LINK: int(health.link_up),
        Quantity.REHEARSAL: int(not contract.live),
        Quantity.HEARTBEAT: health.beats,
    }
    rows = contract.of_the_gateway
    return [Update(row.name, _wrapped(row, says[row.quantity]), GOOD, now.utc_ms) for row in rows]


def command_points(contract: Contract, commands: Commands, row: CommandRow, now: Now) -> list[Update]:
    """Everything that shows how a command stands: its state, what it delivered, and the output's own status."""
    flight = commands.newest(row.name)
    return [*_state(contract, row, flight, now), *_feedback(contract, row, flight, now), _mirror(row, flight, now)]


def _state(contract: Contract, row: CommandRow, flight: Flight | None, now: Now) -> Iterator[Update]:
    point = contract.point[row.status_point]
    code = COMMAND_STATE_CODES["idle" if flight is None else flight.state.value]
    yield Update(point.name, point.to_raw(code).raw, _CALCULATED, now.utc_ms)


def _feedback(contract: Contract, row: CommandRow, flight: Flight | None, now: Now) -> Iterator[Update]:
    for point in contract.feedback_of(row):
        if flight is None or flight.delivered_w is None:
            yield Update(point.name, point.to_raw(0.0).raw, _NO_FEEDBACK, now.utc_ms)
            continue
        told = _UNVOUCHED if flight.quality is None else flight.quality
        if contract.live and told.causes & Cause.TEST:
            yield Update(point.name, point.to_raw(0.0).raw, _SIMULATED, now.utc_ms)
            continue
        scaled = point.to_raw(flight.delivered_w)
        if scaled.clamped is not None:
            told = told.because(Cause.OVER_RANGE, Validity.QUESTIONABLE)
        quality = _by_now(told, flight)
        yield Update(point.name, scaled.raw, quality, flight.measured_ms if quality == told else now.utc_ms)


def _by_now(told: Quality, flight: Flight) -> Quality:
    """What was measured is the last value that will come once the command is over, or as long as the link is down."""
    if flight.lost:
        return told.because(Cause.COMM_LOST, Validity.HELD)
    return told.because(Cause.NONE, Validity.HELD) if flight.over else told


def _mirror(row: CommandRow, flight: Flight | None, now: Now) -> Update:
    """The output status: the target accepted last, or whether a release is under way. NOT_IN_EFFECT once it is over."""
    in_effect = flight is not None and not flight.over
    quality = GOOD if in_effect else GOOD.because(Cause.NOT_IN_EFFECT)
    if row.mode is Mode.RELEASE:
        return Update(row.name, int(in_effect), quality, now.utc_ms)
    target_w = 0.0 if flight is None or flight.target_w is None else flight.target_w
    return Update(row.name, row.to_raw(target_w).raw, quality, now.utc_ms)


def _wrapped(row: PointRow, value: int) -> int:
    """A binary as it is; a count within the row's range, beginning anew at its end."""
    if row.type is PointType.BI:
        return value
    lowest, highest = row.raw_range
    return max(lowest, 0) + value % (highest - max(lowest, 0) + 1)
