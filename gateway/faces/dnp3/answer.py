"""What a master was told: our own response read back, so that the trail can say what the protocol core decided."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.faces import Status
from gateway.faces.dnp3.controls import STATUS_NAMES
from gateway.faces.dnp3.core import (
    MAX_RESPONSE,
    FrameReader,
    FunctionCode,
    IIN2Bit,
    ObjectBlock,
    Reassembler,
    RequestError,
    ResponseError,
    TransportError,
    object_size,
    parse_object_blocks,
    parse_request,
    parse_response,
)

_REFUSALS = IIN2Bit.FUNC_NOT_SUPPORTED | IIN2Bit.OBJECT_UNKNOWN | IIN2Bit.PARAM_ERROR


@dataclass(frozen=True, slots=True)
class Answer:
    """The second octet of indications, and of a control's echo each object's place (`AO 3`) and status."""

    indications: int
    controls: tuple[tuple[str, Status | int], ...] = ()

    @property
    def refused(self) -> bool:
        """Whether any part of the request was refused."""
        return bool(self.indications & _REFUSALS) or any(status is not Status.SUCCESS for _, status in self.controls)

    def __str__(self) -> str:
        told = [f"{place} {status}" for place, status in self.controls]
        told += [bit.name for bit in IIN2Bit if bit & self.indications & _REFUSALS]
        return ", ".join(told) or "accepted"


def read_back(octets: bytes, *, control: bool) -> Answer | None:
    """The answer in these octets, frames and all; None where there is no whole response in them."""
    fragment = _fragment(octets)
    if fragment is None:
        return None
    try:
        response = parse_response(fragment)
        if not control or not response.body:
            return Answer(response.iin.second)
        # The echo of a control is laid out as its request was, so the request's parser reads it.
        echo = parse_request(bytes([fragment[0], FunctionCode.OPERATE]) + response.body)
        return Answer(response.iin.second, _statuses(parse_object_blocks(echo, object_size)))
    except (ResponseError, RequestError):
        return None


def _fragment(octets: bytes) -> bytes | None:
    reassembler = Reassembler(max_fragment=MAX_RESPONSE)
    try:
        for frame in FrameReader().feed(octets):
            if frame.payload and (fragment := reassembler.add(frame.payload)) is not None:
                return fragment
    except TransportError:
        return None
    return None


def _statuses(blocks: tuple[ObjectBlock, ...]) -> tuple[tuple[str, Status | int], ...]:
    """Each object's status, which is its last octet in every variation of g12 and g41."""
    return tuple(
        (f"{'BO' if block.header.group == 12 else 'AO'} {index}", STATUS_NAMES.get(data[-1], data[-1]))
        for block in blocks
        for index, data in block.items
    )
