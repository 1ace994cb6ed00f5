"""The protocol core: everything this package takes from `py1815` (sans-IO, IEEE 1815-2012), and what is put around it.

No other module of `gateway` imports the library, so what we rely on can be read here. Used are its `Session` (one
master's application, transport and link state), its `EventBuffers`, its frame reader and its encoders of headers. Not
used are its listener (a newcomer displaces the master there), its point encoders (slower than slicing a packed image)
and its profile.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from py1815.application import (
    IIN,
    RESPONSE_HEADER_SIZE,
    FunctionCode,
    IIN2Bit,
    IINBit,
    ObjectBlock,
    ObjectHeader,
    QualifierCode,
    RequestError,
    ResponseError,
    object_header,
    parse_object_blocks,
    parse_request,
    parse_response,
)
from py1815.control import AnalogOutput, CommandStatus, ControlRelayOutputBlock, object_size
from py1815.events import Event, EventBuffers, EventClass
from py1815.link import (
    MAX_ADDRESS,
    FrameReader,
    LinkFrame,
    PrimaryFunction,
    SecondaryFunction,
    build,
    control_byte,
)
from py1815.objects import AnalogPoint, BinaryPoint, indexed_block
from py1815.observers import AnomalyCode, ProtocolAnomaly
from py1815.session import Control, ControlProvider, ParameterError, Session, UnknownObject
from py1815.transport import Reassembler, TransportError

__all__ = [
    "CONTROL_FUNCTIONS",
    "IIN",
    "MAX_ADDRESS",
    "MAX_RESPONSE",
    "NEVER_ANSWERED",
    "RESPONSE_HEADER_SIZE",
    "AnalogOutput",
    "AnalogPoint",
    "AnomalyCode",
    "BinaryPoint",
    "CommandStatus",
    "Control",
    "ControlRelayOutputBlock",
    "Event",
    "EventBuffers",
    "EventClass",
    "FrameReader",
    "FunctionCode",
    "IIN2Bit",
    "IINBit",
    "LinkFrame",
    "ObjectBlock",
    "ObjectHeader",
    "OutstationSession",
    "ParameterError",
    "PrimaryFunction",
    "ProtocolAnomaly",
    "QualifierCode",
    "Reassembler",
    "RequestError",
    "ResponseError",
    "TransportError",
    "UnknownObject",
    "frame_octets",
    "indexed_block",
    "link_acknowledgement",
    "link_status",
    "object_header",
    "object_size",
    "open_session",
    "parse_object_blocks",
    "parse_request",
    "parse_response",
]

MAX_RESPONSE = 2048
"""Octets of the largest response fragment: the default of IEEE 1815-2012 and of the masters in use."""

NEVER_ANSWERED = frozenset(
    {
        FunctionCode.DIRECT_OPERATE_NR,
        FunctionCode.IMMED_FREEZE_NR,
        FunctionCode.FREEZE_CLEAR_NR,
        FunctionCode.FREEZE_AT_TIME_NR,
        FunctionCode.AUTH_REQUEST_NO_ACK,
    }
)
"""The functions of table 4-2 that take no response. Nothing could tell a master of a refusal, so none is executed."""

CONTROL_FUNCTIONS = frozenset({FunctionCode.SELECT, FunctionCode.OPERATE, FunctionCode.DIRECT_OPERATE})


class BlockProvider(ABC):
    """What a session reads static objects from. It calls `read_blocks`; `read` is there because its type says so."""

    def read(self, headers: Sequence[ObjectHeader]) -> bytes:
        return b"".join(self.read_blocks(headers))

    @abstractmethod
    def read_blocks(self, headers: Sequence[ObjectHeader]) -> Sequence[bytes]:
        """The objects that a request asks for, encoded, in its order."""


class OutstationSession(Session):
    """A `Session` that can also say DEVICE_TROUBLE and LOCAL_CONTROL, for which py1815 0.3.0 has no setter.

    `_indications` is the one private name of the library that we touch. A test pins the library's version and that both
    bits reach the wire, so an upgrade that moves it fails there and not at a master.
    """

    trouble: bool = False  # owner: the face's loop
    local: bool = False  # owner: the face's loop

    def _indications(self, extra: IIN | None = None, reporting: Sequence[Event] = ()) -> IIN:
        ours = (IINBit.DEVICE_TROUBLE if self.trouble else 0) | (IINBit.LOCAL_CONTROL if self.local else 0)
        return super()._indications(extra, reporting) | IIN(first=ours)


def open_session(
    provider: BlockProvider,
    controls: ControlProvider,
    events: EventBuffers,
    *,
    outstation: int,
    master: int,
    select_timeout_s: float,
    clock: Callable[[], float],
    on_time_written: Callable[[int], None],
    on_anomaly: Callable[[ProtocolAnomaly], None],
) -> OutstationSession:
    """The session of one master: no unsolicited responses, no restart, no freeze, never asks for the time.

    A time write is handed to `on_time_written` (UTC ms) and answered as accepted; what is done with it is the caller's.
    The functions that take no response are disabled here too, behind the screen that already drops them.
    """
    return OutstationSession(
        provider,
        control_provider=controls,
        events=events,
        outstation_address=outstation,
        master_address=master,
        max_response=MAX_RESPONSE,
        select_timeout=select_timeout_s,
        clock=clock,
        time_sink=on_time_written,
        need_time=False,
        disabled_functions=NEVER_ANSWERED,
        unsolicited=False,
        anomaly_observer=on_anomaly,
    )


def frame_octets(frame: LinkFrame) -> bytes:
    """The frame as it goes over the wire: the octets that it was read from, since every CRC of it was checked."""
    return build(frame.control, frame.destination, frame.source, frame.payload)


def link_status(*, outstation: int, master: int) -> bytes:
    """The answer to a request for link status (IEEE 1815-2012 clause 9.2.4), which is a front end's keep-alive."""
    return _secondary(SecondaryFunction.LINK_STATUS, outstation, master)


def link_acknowledgement(*, outstation: int, master: int) -> bytes:
    """The answer to a reset of the link states."""
    return _secondary(SecondaryFunction.ACK, outstation, master)


def _secondary(function: SecondaryFunction, outstation: int, master: int) -> bytes:
    control = control_byte(from_master=False, primary=False, function=function)
    return build(control, destination=master, source=outstation)
