"""Whatever arrives, nothing escapes the hub, and the active master is answered as if it were alone.

The connections are the real ones, called as asyncio calls them, over a transport in memory.
"""

from __future__ import annotations

import asyncio
import os

from hypothesis import given, settings
from hypothesis import strategies as st

from dermscore.quality import GOOD
from gateway.faces import FaceEventKind, Update
from gateway.faces.dnp3 import Dnp3Face
from gateway.faces.dnp3.hub import Connection
from tests.gateway.faces.dnp3.stage import OUTSTATION, T0, Clock, Desk
from tests.peers.frames import INTEGRITY, LATCH_ON_BO_0, SET_AO_0_TO_55, fragments, frame, request

EXAMPLES = 5000 if os.environ.get("DERMS_SOAK") else 150


class MemoryTransport(asyncio.Transport):
    """Keeps what is written, and tells its protocol when it is aborted, as a socket would."""

    def __init__(self, protocol: asyncio.BufferedProtocol, port: int) -> None:
        super().__init__({"peername": ("192.0.2.1", port)})
        self._protocol = protocol
        self.written = b""
        self.reading = True
        self.gone = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def abort(self) -> None:
        if not self.gone:
            self.gone = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)


class Line:
    """One connection to the face."""

    def __init__(self, face: Dnp3Face, port: int) -> None:
        self.connection = Connection(face._hub)
        self.transport = MemoryTransport(self.connection, port)
        self.connection.connection_made(self.transport)

    async def hear(self, octets: bytes) -> bytes:
        """Give it octets in the portions that asyncio would; what it answered."""
        before = len(self.transport.written)
        at = 0
        while at < len(octets) and not self.transport.gone:
            if self.transport.reading:
                buffer = self.connection.get_buffer(-1)
                portion = octets[at : at + len(buffer)]
                buffer[: len(portion)] = portion
                self.connection.buffer_updated(len(portion))
                at += len(portion)
            await asyncio.sleep(0)
        for _ in range(10_000):  # turns, for the frames that wait behind a time slice
            if self.transport.reading or self.transport.gone:
                break
            await asyncio.sleep(0)
        return self.transport.written[before:]


ADDRESS = st.sampled_from([0, 1, 2, 10, 0xFFF0, 0xFFFC, 0xFFFD, 0xFFFF])
OBJECTS = st.sampled_from([INTEGRITY, LATCH_ON_BO_0, SET_AO_0_TO_55, b""]) | st.binary(max_size=40)
REQUEST = st.builds(
    request, st.integers(0, 255), OBJECTS, sequence=st.integers(0, 15), to=st.just(10) | ADDRESS, by=ADDRESS
)
FRAME = st.builds(frame, st.integers(0, 255), st.binary(max_size=250), to=st.just(10) | ADDRESS, by=ADDRESS)


def _flip(octets: bytes, at: int) -> bytes:
    at %= len(octets)
    return octets[:at] + bytes([octets[at] ^ 0x10]) + octets[at + 1 :]


DAMAGED = st.builds(_flip, REQUEST | FRAME, st.integers(0, 500))
NOISE = st.lists(st.binary(max_size=60) | REQUEST | FRAME | DAMAGED, max_size=12).map(b"".join)

POLL = [request(1, INTEGRITY, sequence=sequence) for sequence in range(16)]


def staged() -> tuple[Dnp3Face, Desk]:
    desk = Desk()
    face = Dnp3Face(OUTSTATION, desk, Clock())
    face.show([Update("ai0", 12, GOOD, T0), Update("bi1", 1, GOOD, T0)])
    return face, desk


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(st.binary(max_size=60) | REQUEST | FRAME | DAMAGED, max_size=12))
def test_a_stranger_changes_nothing_for_the_master(pieces: list[bytes]) -> None:
    # What would make the newcomer the master is not a stranger's; addresses are compared, not secrets.
    strange = b"".join(piece for piece in pieces if piece[4:8] != b"\x0a\x00\x01\x00")

    async def scene() -> None:
        face, desk = staged()
        alone = await Line(staged()[0], 1).hear(POLL[0])
        master = Line(face, 1)
        assert await master.hear(POLL[0]) == alone
        stranger = Line(face, 2)
        assert await stranger.hear(strange) == b""
        assert await master.hear(POLL[0]) == alone
        assert not master.transport.gone
        assert desk.operated + desk.selected == []

    asyncio.run(scene())


@settings(max_examples=EXAMPLES, deadline=None)
@given(NOISE, st.lists(REQUEST | FRAME | DAMAGED, max_size=10))
def test_nothing_that_a_master_sends_escapes(noise: bytes, pieces: list[bytes]) -> None:
    async def scene() -> None:
        face, desk = staged()
        line = Line(face, 1)
        await line.hear(POLL[0] + noise + b"".join(pieces))
        assert desk.details(FaceEventKind.FAULT) == []
        fragments(line.transport.written)  # every octet we sent is a whole frame with right check sequences
        again = Line(face, 2)
        told = fragments(await again.hear(POLL[7]))
        assert told[-1][1] == 0x81
        assert told[-1][0] & 0x0F == 7

    asyncio.run(scene())


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.integers(0, 255), OBJECTS, st.integers(0, 15))
def test_only_controls_reach_the_desk(function: int, objects: bytes, sequence: int) -> None:
    async def scene() -> None:
        face, desk = staged()
        line = Line(face, 1)
        await line.hear(request(function, objects, sequence=sequence))
        if function not in (3, 5):
            assert desk.operated + desk.selected == []
        assert len(desk.operated) + len(desk.selected) <= 1

    asyncio.run(scene())


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=10))
def test_a_request_may_arrive_in_any_portions(portions: list[int]) -> None:
    octets = POLL[0] + request(5, SET_AO_0_TO_55, sequence=1)

    async def scene() -> None:
        face, desk = staged()
        whole = await Line(staged()[0], 1).hear(octets)
        line, at, told = Line(face, 1), 0, b""
        for size in [*portions, len(octets)]:
            told += await line.hear(octets[at : at + size])
            at += size
        assert told == whole
        assert len(desk.operated) == 1

    asyncio.run(scene())
