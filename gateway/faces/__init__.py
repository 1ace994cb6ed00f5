"""The seam between the one door and the protocols that legacy SCADA speaks.

A *face* (DNP3, Modbus, TASE.2) repeats the gateway's point image to its masters and hands their controls to one
`ControlDesk`. Only `gateway.crossing` calls `Face.show`. Everything here is protocol-neutral apart from `Status`, whose
names are DNP3's because they are the richest set and the one the field knows.

Faces run on the asyncio loop that started them: `show` and the desk's calls happen on that loop's thread, and none of
them is thread-safe.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol

from dermscore.quality import Quality
from dermscore.sheets.points import PointType

How = Literal["select", "operate", "direct"]


@dataclass(frozen=True, slots=True)
class Update:
    """A point's new state, ready for the wire.

    `raw` is already scaled by the contract (int32 for analogs, 0 or 1 for binaries); `time_ms` is the UTC time of the
    source, or the gateway's where the gateway is the source of what is told (COMM_LOST). `point` is a name of
    points.csv or commands.csv.
    """

    point: str
    raw: int
    quality: Quality
    time_ms: int


@dataclass(frozen=True, slots=True)
class ControlRequest:
    """One object of a master's control, decoded and not yet judged by the contract.

    An AO carries `value` (raw units of the row, always finite: a face refuses NaN and infinities) and no `code`. A BO
    carries `code`, such as `LATCH_ON`, `PULSE_OFF` or, with a trip-close code, `CLOSE_PULSE_ON`, and `count`; its
    `value` is None. `how` says whether it was selected, operated after a matching select, or operated directly.
    `master` is the configured name of the group, `session` the id of one connection, `peer` its `host:port`.
    """

    outstation: str
    type: PointType
    index: int
    value: float | None
    code: str | None
    count: int
    how: How
    master: str
    session: str
    peer: str


class Status(StrEnum):
    """What a master is told of its control: the names of IEEE 1815-2012 table 11-9 (control-related status codes).

    SUCCESS means accepted, initiated or queued; what came of it arrives on status points.
    """

    SUCCESS = "SUCCESS"
    TIMEOUT = "TIMEOUT"
    NO_SELECT = "NO_SELECT"
    FORMAT_ERROR = "FORMAT_ERROR"
    NOT_SUPPORTED = "NOT_SUPPORTED"
    ALREADY_ACTIVE = "ALREADY_ACTIVE"
    HARDWARE_ERROR = "HARDWARE_ERROR"
    LOCAL = "LOCAL"
    TOO_MANY_OBJS = "TOO_MANY_OBJS"
    NOT_AUTHORIZED = "NOT_AUTHORIZED"
    AUTOMATION_INHIBIT = "AUTOMATION_INHIBIT"
    PROCESSING_LIMITED = "PROCESSING_LIMITED"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    DOWNSTREAM_LOCAL = "DOWNSTREAM_LOCAL"
    ALREADY_COMPLETE = "ALREADY_COMPLETE"
    BLOCKED = "BLOCKED"
    CANCELLED = "CANCELLED"
    BLOCKED_OTHER_MASTER = "BLOCKED_OTHER_MASTER"
    DOWNSTREAM_FAIL = "DOWNSTREAM_FAIL"


class FaceEventKind(StrEnum):
    """What a face notices that the trail should know. The desk coalesces; a face tells every one."""

    LISTENING = "listening"
    MASTER_CONNECTED = "master_connected"
    MASTER_DISCONNECTED = "master_disconnected"
    STRANGER_REFUSED = "stranger_refused"
    CONNECTION_REFUSED = "connection_refused"  # too many connections, or too long or too much before admission
    FUNCTION_REFUSED = "function_refused"  # a function code, broadcast or object that this face never executes
    CONTROL_REFUSED = "control_refused"  # a control that was answered before it reached the desk
    TIME_OFFSET = "time_offset"  # a master wrote the time; `number` is its clock minus ours in ms, applied to nothing
    EVENTS_LOST = "events_lost"  # the event buffer overflowed; `number` counts those lost
    FAULT = "fault"  # an exception was contained: a connection was closed for it, the face goes on


@dataclass(frozen=True, slots=True)
class FaceEvent:
    """One thing a face noticed.

    `master` and `session` are empty for a peer that was never admitted; `detail` is plain words.
    """

    kind: FaceEventKind
    outstation: str
    master: str
    session: str
    peer: str
    detail: str
    number: int | None = None


class ControlDesk(Protocol):
    """Where every face brings its controls. Synchronous: a master is timing the answer, so it decides from local state.

    Both decide calls return one status per request, in order. What they raise is contained by the face: the master gets
    no answer and its connection is closed.
    """

    def select(self, requests: Sequence[ControlRequest]) -> Sequence[Status]:
        """Whether each *could* be operated. Nothing is executed."""
        ...

    def operate(self, requests: Sequence[ControlRequest]) -> Sequence[Status]:
        """Decide, make durable, and start what each asks."""
        ...

    def note(self, event: FaceEvent) -> None:
        """Take notice. Must not raise and must not block."""
        ...


@dataclass(frozen=True, slots=True)
class FaceHealth:
    """How a face does, for `derms gateway status`. `masters` names the groups that have an active connection."""

    listening: bool
    masters: tuple[str, ...]
    events_waiting: int
    events_lost: int
    detail: str = ""


class Face(Protocol):
    """One protocol towards legacy SCADA: DNP3, Modbus, TASE.2."""

    async def start(self) -> None:
        """Listen. Returns once listening; raises OSError where the address cannot be bound."""
        ...

    async def stop(self) -> None:
        """Close every connection and stop listening; unconfirmed events are given up."""
        ...

    def show(self, batch: Sequence[Update]) -> None:
        """Replace what masters see.

        Raises:
            UnknownPointError: a name that this face was not configured with; nothing of the batch is shown then.
        """
        ...

    def health(self) -> FaceHealth:
        """A snapshot; cheap."""
        ...


class UnknownPointError(LookupError):
    """An update names a point that this face does not have: a fault of the caller, never of a peer."""
