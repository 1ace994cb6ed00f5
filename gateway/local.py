"""The points that the gateway makes itself: of its own health, and of the commands. Pure.

Those of its own health never age: the gateway knows them at first hand, and they did not cross the boundary. How a
command stands is known from publications, each with a record of its own that comes first; while none can come it is the
last known word, and says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from dermscore.model import Now
from dermscore.quality import GOOD, Cause, Quality, Source, Validity
from dermscore.sheets.points import COMMAND_STATE_CODES, CommandRow, Mode, PointRow, PointType, Quantity
from gateway.commands import UNVOUCHED, Commands, Conditions, Flight
from gateway.contract import Contract
from gateway.faces import Update
from wire.boundary import BoundaryOutcome

UNHEARD_S: Final = 10
"""How long no publication may come before what a command delivers is COMM_LOST. No row says it: a local point has none.
A headend publishes at least a heartbeat every 5 s."""

_NO_FEEDBACK = Quality(Validity.INVALID, Source.CALCULATED, Cause.RESTART)
_SIMULATED = Quality(Validity.INVALID, Source.CALCULATED, Cause.TEST)
_NEVER_ASKED = Quality(Validity.INVALID, Source.CALCULATED, Cause.RESTART | Cause.NOT_IN_EFFECT)
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


@dataclass(frozen=True, slots=True)
class Hearing:
    """Whether the headend's word of the commands is news.

    `linked`: the link is up and publications come. `silent`: the boundary is closed, or none has come for
    `UNHEARD_S`. Neither is so while the link has been down for less than that.
    """

    linked: bool
    silent: bool


def hearing(conditions: Conditions, now: Now) -> Hearing:
    """No news of a command is fine, as the headend tells only of changes; no news of anything is not."""
    silent = conditions.isolated or now.mono_ms - conditions.heard_mono_ms >= UNHEARD_S * 1000
    return Hearing(conditions.link_up and not silent, silent)


def command_points(contract: Contract, commands: Commands, row: CommandRow, heard: Hearing, now: Now) -> list[Update]:
    """Everything that shows how a command stands: its state, what it delivered, and the output's own status."""
    newest, standing = commands.newest(row.name), commands.standing(row.name)
    return [
        *_state(contract, row, newest, heard, now),
        *_feedback(contract, row, standing, heard, now),
        _release_status(row, newest, heard, now)
        if row.mode is Mode.RELEASE
        else _target_status(row, standing or newest, heard, now),
    ]


def worse_of(shown: list[Update], foreseen: list[Update], now: Now) -> list[Update]:
    """What is shown, with as little trust as what is foreseen of the same points deserves; no value is from there."""
    return [_distrusted(ours, theirs, now) for ours, theirs in zip(shown, foreseen, strict=True)]


def _distrusted(shown: Update, foreseen: Update, now: Now) -> Update:
    if foreseen.quality.validity <= shown.quality.validity:
        return shown
    quality = shown.quality.because(foreseen.quality.causes, foreseen.quality.validity)
    return replace(shown, quality=quality, time_ms=max(now.utc_ms, shown.time_ms))


def dated(told: BoundaryOutcome, floor_ms: int) -> BoundaryOutcome:
    """An outcome whose measurement seems no older than `floor_ms`, what was told before: a headend started anew with
    its clock set back does not know what it said.
    """
    return told if told.delivered_w is None else replace(told, time_ms=max(told.time_ms, floor_ms))


def as_told(
    contract: Contract, row: CommandRow, delivered_w: float | None, quality: Quality | None, time_ms: int
) -> list[Update]:
    """What the command's feedback points show of an outcome while it is news. Its record holds the same."""
    if delivered_w is None:
        return []
    told = UNVOUCHED if quality is None else quality
    return [_delivered(contract, point, delivered_w, told, time_ms) for point in contract.feedback_of(row)]


def _delivered(contract: Contract, point: PointRow, delivered_w: float, told: Quality, time_ms: int) -> Update:
    if contract.live and told.causes & Cause.TEST:
        return Update(point.name, point.to_raw(0.0).raw, _SIMULATED, time_ms)
    scaled = point.to_raw(delivered_w)
    if scaled.clamped is not None:
        told = told.because(Cause.OVER_RANGE, Validity.QUESTIONABLE)
    return Update(point.name, scaled.raw, told, time_ms)


def _state(contract: Contract, row: CommandRow, flight: Flight | None, heard: Hearing, now: Now) -> Iterator[Update]:
    point = contract.point[row.status_point]
    code = COMMAND_STATE_CODES["idle" if flight is None else flight.state.value]
    yield Update(point.name, point.to_raw(code).raw, _as_heard(_CALCULATED, flight, heard), now.utc_ms)


def _feedback(contract: Contract, row: CommandRow, flight: Flight | None, heard: Hearing, now: Now) -> Iterator[Update]:
    if flight is None or flight.delivered_w is None:
        for point in contract.feedback_of(row):
            yield Update(point.name, point.to_raw(0.0).raw, _NO_FEEDBACK, now.utc_ms)
        return
    for told in as_told(contract, row, flight.delivered_w, flight.quality, flight.measured_ms):
        quality = _by_now(told.quality, flight, heard, now)
        yield told if quality == told.quality else replace(told, quality=quality, time_ms=max(now.utc_ms, told.time_ms))


def _by_now(told: Quality, flight: Flight, heard: Hearing, now: Now) -> Quality:
    """What was measured ages as any telemetry does, is no longer known where the headend says so, and is the last that
    will come once the command is over.
    """
    lost_for_ms = 0 if flight.lost_mono_ms is None else now.mono_ms - flight.lost_mono_ms
    unknown = flight.unmeasured and not flight.over
    if heard.silent or lost_for_ms >= UNHEARD_S * 1000 or unknown:
        return told.because(Cause.COMM_LOST, Validity.HELD)
    return told.because(Cause.NONE, Validity.HELD) if flight.over else told


def _target_status(row: CommandRow, flight: Flight | None, heard: Hearing, now: Now) -> Update:
    """The target that came into force last: plainly good only while it is in effect, and we would hear if it were not.

    Before the first of all it is RESTART, as any point that never crossed: a 0 that nobody asked for is no target.
    """
    if flight is None:
        return Update(row.name, row.to_raw(0.0).raw, _NEVER_ASKED, now.utc_ms)
    quality = GOOD if flight.in_effect(now) else GOOD.because(Cause.NOT_IN_EFFECT, Validity.HELD)
    return Update(row.name, row.to_raw(flight.target_w or 0.0).raw, _as_heard(quality, flight, heard), now.utc_ms)


def _release_status(row: CommandRow, flight: Flight | None, heard: Hearing, now: Now) -> Update:
    """Whether a release is under way. 0 says by itself that none is, so it needs no other mark."""
    under_way = flight is not None and flight.in_effect(now)
    return Update(row.name, int(under_way), _as_heard(GOOD, flight, heard), now.utc_ms)


def _as_heard(quality: Quality, flight: Flight | None, heard: Hearing) -> Quality:
    """The last known word, while nobody could tell us of another."""
    if heard.linked and (flight is None or flight.lost_mono_ms is None):
        return quality
    return quality.because(Cause.COMM_LOST, Validity.HELD)


def _wrapped(row: PointRow, value: int) -> int:
    """A binary as it is; a count within the row's range, beginning anew at its end."""
    if row.type is PointType.BI:
        return value
    lowest, highest = row.raw_range
    return max(lowest, 0) + value % (highest - max(lowest, 0) + 1)
