"""What is decided of a frame before the protocol core sees it: whose it is, and whether it may be acted on."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.faces.dnp3.core import (
    CONTROL_FUNCTIONS,
    MAX_RESPONSE,
    NEVER_ANSWERED,
    FunctionCode,
    LinkFrame,
    PrimaryFunction,
    Reassembler,
    RequestError,
    TransportError,
    object_size,
    parse_object_blocks,
    parse_request,
)
from gateway.faces.dnp3.outstation import Dnp3Master, Dnp3Outstation

USER_DATA = (PrimaryFunction.CONFIRMED_USER_DATA, PrimaryFunction.UNCONFIRMED_USER_DATA)

SERVED = CONTROL_FUNCTIONS | {
    FunctionCode.CONFIRM,
    FunctionCode.READ,
    FunctionCode.WRITE,
    FunctionCode.DELAY_MEASURE,
    FunctionCode.RECORD_CURRENT_TIME,
}

_ASKED_BY_EVERY_MASTER = frozenset({FunctionCode.ENABLE_UNSOLICITED, FunctionCode.DISABLE_UNSOLICITED})
"""Refused like the rest, but not worth a line in the trail: masters send them at each start and nothing could cross."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """The frame is from this master."""

    master: Dnp3Master


@dataclass(frozen=True, slots=True)
class Stranger:
    """The frame is from nobody we know, and why."""

    reason: str


def admit(frame: LinkFrame, host: str, outstation: Dnp3Outstation) -> Admitted | Stranger:
    """Whose frame this is, judged by its addresses and by where it came from."""
    if frame.is_broadcast:
        return Stranger(f"broadcast to {frame.destination:#06x}")
    if frame.destination != outstation.address:
        return Stranger(f"frame to address {frame.destination}, we are {outstation.address}")
    if not (frame.from_master and frame.is_primary):
        return Stranger(f"frame with control octet {frame.control:#04x}, which no master sends first")
    for master in outstation.masters:
        if master.address == frame.source:
            if master.may_call_from(host):
                return Admitted(master)
            return Stranger(f"master {master.name} may not call from {host}")
    return Stranger(f"frame from address {frame.source}, which is no master's")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a frame of an admitted master is.

    `function` and `fragment` are set by the frame that completes a request; `refused` says why a frame goes no further.
    """

    function: int | None = None
    fragment: bytes = b""
    refused: str | None = None


class Screen:
    """Follows the requests of one connection so that none is acted on that could not be refused.

    A master that sends a function without response, or a broadcast, would never hear that it was refused: such a
    request is dropped whole, and noted. Not thread-safe: owned by the face's loop.
    """

    def __init__(self) -> None:
        self._fragments = Reassembler(max_fragment=MAX_RESPONSE)

    def judge(self, frame: LinkFrame) -> Seen:
        """Look at the next frame of the connection."""
        if frame.is_broadcast:
            return Seen(refused=f"broadcast to {frame.destination:#06x}{_function_of_first_segment(frame)}")
        if frame.function not in USER_DATA:
            if frame.function == PrimaryFunction.RESET_LINK_STATES:
                self._fragments.reset()
            return Seen()
        try:
            fragment = self._fragments.add(frame.payload)
        except TransportError:
            return Seen()  # the session finds the same and reports it
        if fragment is None or len(fragment) < 2:
            return Seen()
        refused = f"{name_of(fragment[1])}, which takes no response" if fragment[1] in NEVER_ANSWERED else None
        return Seen(fragment[1], fragment, refused)


def unserved(function: int) -> bool:
    """Whether the answer to this function is "not supported" and the trail should know that it was tried."""
    return function not in SERVED and function not in _ASKED_BY_EVERY_MASTER


def name_of(function: int) -> str:
    """A function code in words: `function 13 (COLD_RESTART)`."""
    try:
        return f"function {function} ({FunctionCode(function).name})"
    except ValueError:
        return f"function {function} (unassigned)"


def controls_in(fragment: bytes) -> int:
    """How many control objects a request carries; 0 where it cannot be read, and the session refuses it for that."""
    try:
        return sum(len(block.items) for block in parse_object_blocks(parse_request(fragment), object_size))
    except RequestError:
        return 0


def _function_of_first_segment(frame: LinkFrame) -> str:
    # Transport header, application control, function code.
    return f", {name_of(frame.payload[2])}" if len(frame.payload) > 2 else ""
