"""Pure mappers of the boundary: what a gateway asks for and commands, and what the headend publishes to it.

Every number is checked both ways; BadInput names message, field and row. Use them through `wire.convert`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dermscore.intent import IntentState
from dermscore.quality import Quality
from dermscore.sheets.points import PointKind, Quantity, Series
from wire.columns import Checks, clipped
from wire.v1 import boundary_link_pb2 as pb

_VALUE, _OLDEST = 1, 2  # the bits of PointBatch.present
_UINT32 = 1 << 32
_UINT64 = 1 << 64
_NONCE_BYTES = 16
MOST_OPEN = 1000
"""The commands that a Hello may name: each is looked up in the headend's store."""

_MODES = ("target", "release")


# --- Hello: what a gateway wants -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a gateway says first. The order of `series` is the index (`ref`) of every batch on the stream.

    `nonce` is at least 16 random bytes, new for each stream. `open_commands` are ids of commands whose end the gateway
    does not know, `MOST_OPEN` at most: it is told what became of each.
    """

    nonce: bytes
    series: tuple[Series, ...]
    software: str
    open_commands: tuple[str, ...] = ()

    @property
    def index(self) -> dict[Series, int]:
        """Series to index, for `point_batch`."""
        return {series: number for number, series in enumerate(self.series)}


def hello(wanted: Wanted) -> pb.Hello:
    series = [pb.Series(path=s.path, kind=s.kind.value, quantity=s.quantity.value) for s in wanted.series]
    return pb.Hello(
        nonce=wanted.nonce, series=series, software=clipped(wanted.software), open_commands=wanted.open_commands
    )


def wanted(message: pb.Hello) -> Wanted:
    """Raises BadInput: a short nonce, a series twice, or one that nobody publishes (its kind or quantity), an empty
    command id, or too many of them.
    """
    checks = Checks("Hello")
    if len(message.nonce) < _NONCE_BYTES:
        checks.wrong("nonce", f"has {len(message.nonce)} bytes; {_NONCE_BYTES} random ones are the least")
    checks.text("software", message.software)
    for row, identifier in enumerate(message.open_commands):
        checks.text(f"open_commands[{row}]", identifier, needed=True)
    if len(message.open_commands) > MOST_OPEN:
        checks.wrong("open_commands", f"has {len(message.open_commands)} ids; {MOST_OPEN} are the most")
    kinds = [kind for kind in PointKind if not kind.local]
    quantities = [quantity for quantity in Quantity if not quantity.local]
    for row, each in enumerate(message.series):
        checks.text(f"series[{row}].path", each.path)
        if each.kind not in kinds:
            checks.wrong(f"series[{row}].kind", f"is {each.kind[:40]!r}, not one of {', '.join(kinds)}")
        if each.quantity not in quantities:
            checks.wrong(f"series[{row}].quantity", f"is {each.quantity[:40]!r}, not one of {', '.join(quantities)}")
    checks.settle()
    series = tuple(Series(each.path, PointKind(each.kind), Quantity(each.quantity)) for each in message.series)
    if len(set(series)) != len(series):
        checks.wrong("series", "names one series twice")
    checks.settle()
    return Wanted(message.nonce, series, message.software, tuple(message.open_commands))


# --- PointBatch: aggregates on their way to the gateway --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reading:
    """One published aggregate. `value` is in the SI unit of its quantity, None where there is none to tell.

    `time_ms` is when it was calculated (UTC). `configured` and `reporting` count assets; `coverage_pct` is 0..100;
    `oldest_age_ms` is how long ago its least lately heard member was heard, None where none ever was.
    """

    series: Series
    value: float | None
    time_ms: int
    quality: Quality
    configured: int
    reporting: int
    coverage_pct: float
    oldest_age_ms: int | None


_BATCH_COLUMNS = (
    "ref",
    "value",
    "time_ms",
    "quality",
    "configured",
    "reporting",
    "coverage_pct",
    "oldest_age_ms",
    "present",
)


def point_batch(rows: Sequence[Reading], index: Mapping[Series, int]) -> pb.PointBatch:
    """Readings as columns; `index` is the order of the Hello (`Wanted.index`).

    Raises:
        BadInput: a series that was not asked for, or a number that is not finite or out of its range.
    """
    checks = Checks("PointBatch")
    for row, reading in enumerate(rows):
        if reading.series not in index:
            checks.wrong(f"ref[{row}]", f"{'/'.join(reading.series)} was not asked for on this stream")
        if not 0 <= reading.reporting <= reading.configured < _UINT32:
            checks.wrong(f"reporting[{row}]", f"{reading.reporting} of {reading.configured} is no count of members")
    checks.settle()
    batch = pb.PointBatch(
        ref=[index[row.series] for row in rows],
        value=[0.0 if row.value is None else row.value for row in rows],
        time_ms=[row.time_ms for row in rows],
        quality=[row.quality.bits for row in rows],
        configured=[row.configured for row in rows],
        reporting=[row.reporting for row in rows],
        coverage_pct=[row.coverage_pct for row in rows],
        oldest_age_ms=[0 if row.oldest_age_ms is None else row.oldest_age_ms for row in rows],
        present=[_VALUE * (row.value is not None) | _OLDEST * (row.oldest_age_ms is not None) for row in rows],
    )
    _check_batch(checks, batch)
    return batch


def readings(batch: pb.PointBatch, series: Sequence[Series]) -> list[Reading]:
    """The readings in a batch; `series` is the order of the Hello.

    Raises:
        BadInput: ragged columns, an index out of range or twice, a number not finite or out of its range, unknown bits.
    """
    checks = Checks("PointBatch")
    checks.same_length({name: getattr(batch, name) for name in _BATCH_COLUMNS})
    checks.indices("ref", batch.ref, len(series))
    checks.bits("present", batch.present, _VALUE | _OLDEST)
    if len(set(batch.ref)) != len(batch.ref):
        checks.wrong("ref", "names one series twice")
    qualities = checks.qualities("quality", batch.quality)
    for row, (reporting, configured) in enumerate(zip(batch.reporting, batch.configured, strict=True)):
        if reporting > configured:
            checks.wrong(f"reporting[{row}]", f"{reporting} of {configured} is no count of members")
    _check_batch(checks, batch)
    return [
        Reading(
            series=series[ref],
            value=value if present & _VALUE else None,
            time_ms=time_ms,
            quality=qualities[quality],
            configured=configured,
            reporting=reporting,
            coverage_pct=coverage_pct,
            oldest_age_ms=oldest_ms if present & _OLDEST else None,
        )
        for ref, value, time_ms, quality, configured, reporting, coverage_pct, oldest_ms, present in zip(
            *(getattr(batch, name) for name in _BATCH_COLUMNS), strict=True
        )
    ]


def _check_batch(checks: Checks, batch: pb.PointBatch) -> None:
    checks.finite_column("value", batch.value)
    checks.times("time_ms", batch.time_ms)
    checks.times("oldest_age_ms", batch.oldest_age_ms)
    checks.finite_column("coverage_pct", batch.coverage_pct, at_least=0, at_most=100)
    checks.settle()


# --- Command and its outcome -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BoundaryCommand:
    """SCADA's wish as it crosses. `mode` is `target` (with `target_w`, injection positive) or `release` (without).

    `hold_s` 0 holds until changed, within the headend's policy maximum. `id` names the command on both sides for ever.
    `heard_seq` is the newest publication that the gateway had taken when it sent this, 0 before the first: what came to
    the headend long after it had made that publication waited somewhere, and is not obeyed.
    """

    id: str
    path: str
    mode: str
    target_w: float | None
    hold_s: int
    primacy: int
    heard_seq: int = 0


def command(wish: BoundaryCommand) -> pb.Command:
    """Raises BadInput: a target that is missing, superfluous or not finite, an empty id, a number out of its range."""
    checks = Checks("Command")
    for name in ("hold_s", "primacy"):
        if not 0 <= getattr(wish, name) < _UINT32:
            checks.wrong(name, f"is {getattr(wish, name)}, outside 0..2^32-1")
    if not 0 <= wish.heard_seq < _UINT64:
        checks.wrong("heard_seq", f"is {wish.heard_seq}, outside 0..2^64-1")
    checks.settle()
    message = pb.Command(
        id=wish.id,
        path=wish.path,
        mode=wish.mode,
        target_w=wish.target_w,
        hold_s=wish.hold_s,
        primacy=wish.primacy,
        heard_seq=wish.heard_seq,
    )
    _check_command(checks, message)
    return message


def boundary_command(message: pb.Command) -> BoundaryCommand:
    """Raises BadInput: a mode we do not know, a target that is missing, superfluous or not finite, an empty id."""
    _check_command(Checks("Command"), message)
    return BoundaryCommand(
        id=message.id,
        path=message.path,
        mode=message.mode,
        target_w=message.target_w if message.HasField("target_w") else None,
        hold_s=message.hold_s,
        primacy=message.primacy,
        heard_seq=message.heard_seq,
    )


def _check_command(checks: Checks, message: pb.Command) -> None:
    checks.text("id", message.id, needed=True)
    checks.text("path", message.path)
    checks.finite("target_w", message.target_w)
    if message.mode not in _MODES:
        checks.wrong("mode", f"is {message.mode[:40]!r}, not one of {', '.join(_MODES)}")
    elif message.HasField("target_w") != (message.mode == "target"):
        checks.wrong("target_w", "stands with mode target, and only there")
    checks.settle()


@dataclass(frozen=True, slots=True)
class BoundaryOutcome:
    """What became of a command. `delivered_w` and `shortfall_w` are None while they are not known.

    `quality` is that of `delivered_w`, rolled up over what was measured; None where nothing vouches for it. `unknown`:
    the headend has no command of this id, so as far as it can tell (state failed) it was never taken.
    """

    id: str
    state: IntentState
    reason: str
    delivered_w: float | None
    shortfall_w: float | None
    time_ms: int
    quality: Quality | None = None
    unknown: bool = False


def command_outcome(outcome: BoundaryOutcome) -> pb.CommandOutcome:
    """Raises BadInput: an empty id, or a number that is not finite or out of its range."""
    checks = Checks("CommandOutcome")
    checks.time("time_ms", outcome.time_ms)
    checks.settle()
    message = pb.CommandOutcome(
        id=outcome.id,
        state=outcome.state.value,
        reason=clipped(outcome.reason),
        delivered_w=outcome.delivered_w,
        shortfall_w=outcome.shortfall_w,
        time_ms=outcome.time_ms,
        quality=None if outcome.quality is None else outcome.quality.bits,
        unknown=outcome.unknown,
    )
    _check_command_outcome(checks, message)
    return message


def boundary_outcome(message: pb.CommandOutcome) -> BoundaryOutcome:
    """Raises BadInput: a state we do not know, an empty id, or a number that is not finite or out of its range."""
    checks = Checks("CommandOutcome")
    if message.state not in list(IntentState):
        checks.wrong("state", f"is {message.state[:40]!r}, which is not a state of an intent")
    qualities = checks.qualities("quality", [message.quality])
    _check_command_outcome(checks, message)
    return BoundaryOutcome(
        id=message.id,
        state=IntentState(message.state),
        reason=message.reason,
        delivered_w=message.delivered_w if message.HasField("delivered_w") else None,
        shortfall_w=message.shortfall_w if message.HasField("shortfall_w") else None,
        time_ms=message.time_ms,
        quality=qualities[message.quality] if message.HasField("quality") else None,
        unknown=message.unknown,
    )


def _check_command_outcome(checks: Checks, message: pb.CommandOutcome) -> None:
    checks.text("id", message.id, needed=True)
    checks.text("reason", message.reason)
    checks.finite("delivered_w", message.delivered_w)
    checks.finite("shortfall_w", message.shortfall_w)
    checks.time("time_ms", message.time_ms)
    if message.unknown and message.state != IntentState.FAILED:
        checks.wrong("unknown", f"stands with state {IntentState.FAILED.value} only")
    checks.settle()
