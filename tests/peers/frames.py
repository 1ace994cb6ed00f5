"""DNP3 octets from the standard alone (IEEE 1815-2012 clauses 4, 8, 9), built by none of the libraries under test."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable

MASTER = 1
OUTSTATION = 10

RESET_LINK = 0xC0  # DIR PRM, function 0
CONFIRMED = 0xF3  # DIR PRM FCB FCV, function 3
UNCONFIRMED = 0xC4  # DIR PRM, function 4
REQUEST_STATUS = 0xC9  # DIR PRM, function 9


def crc(octets: bytes) -> bytes:
    """The check sequence of clause 9.2.3.1: polynomial 0x3D65 (0xA6BC reflected), complemented, low octet first."""
    register = 0
    for octet in octets:
        register ^= octet
        for _ in range(8):
            register = register >> 1 ^ 0xA6BC if register & 1 else register >> 1
    return (register ^ 0xFFFF).to_bytes(2, "little")


def frame(control: int, payload: bytes = b"", *, to: int = OUTSTATION, by: int = MASTER) -> bytes:
    """One link frame: 05 64, length, control, destination, source, CRC, then blocks of 16 octets with a CRC each."""
    header = b"\x05\x64" + bytes([5 + len(payload), control]) + to.to_bytes(2, "little") + by.to_bytes(2, "little")
    blocks = (payload[at : at + 16] for at in range(0, len(payload), 16))
    return header + crc(header) + b"".join(block + crc(block) for block in blocks)


def request(function: int, objects: bytes = b"", *, sequence: int = 0, to: int = OUTSTATION, by: int = MASTER) -> bytes:
    """One request in one frame: transport FIR FIN, application FIR FIN with the sequence, function code, objects."""
    application = bytes([0xC0 | sequence, function]) + objects
    return frame(UNCONFIRMED, bytes([0xC0 | sequence]) + application, to=to, by=by)


def confirm(sequence: int) -> bytes:
    """The application confirmation of a response."""
    return request(0, sequence=sequence)


INTEGRITY = bytes.fromhex("3c0206 3c0306 3c0406 3c0106")
"""Object headers g60v2, v3, v4, v1 with qualifier 06: classes 1, 2, 3 and 0, all objects."""

EVENTS = bytes.fromhex("3c0206 3c0306 3c0406")

LATCH_ON_BO_0 = bytes.fromhex("0c01 17 01 00 03 01 64000000 64000000 00")
"""g12v1, qualifier 17, one object, index 0: LATCH_ON, count 1, on and off 100 ms, status 0."""

SET_AO_0_TO_55 = bytes.fromhex("2901 17 01 00 37000000 00")
"""g41v1, qualifier 17, one object, index 0: int32 55, status 0."""


def fragments(octets: bytes) -> list[bytes]:
    """The application fragments in a stream of frames, CRCs checked."""
    found, fragment = [], b""
    for payload in _payloads(octets):
        fragment = payload[1:] if payload[0] & 0x40 else fragment + payload[1:]
        if payload[0] & 0x80:
            found.append(fragment)
    return found


def _payloads(octets: bytes) -> Iterable[bytes]:
    while octets:
        assert octets[:2] == b"\x05\x64", octets
        assert crc(octets[:8]) == octets[8:10], "header CRC"
        size, at, payload = octets[2] - 5, 10, b""
        while size:
            step = min(16, size)
            assert crc(octets[at : at + step]) == octets[at + step : at + step + 2], "block CRC"
            payload, at, size = payload + octets[at : at + step], at + step + 2, size - step
        octets = octets[at:]
        if payload:
            yield payload


class RawPeer:
    """A TCP peer that writes what it likes."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._at = (host, port)

    async def __aenter__(self) -> RawPeer:
        self._reader, self._writer = await asyncio.open_connection(*self._at)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    async def send(self, octets: bytes) -> None:
        self._writer.write(octets)
        await self._writer.drain()

    async def answer(self, timeout_s: float = 5.0) -> bytes:
        """The octets that come next; empty where the outstation closed."""
        try:
            return await asyncio.wait_for(self._reader.read(65536), timeout_s)
        except ConnectionError:
            return b""

    async def ask(self, octets: bytes) -> list[bytes]:
        """Send a request and read until its whole response fragment is there."""
        await self.send(octets)
        got = b""
        while True:
            more = await self.answer()
            assert more, "the outstation closed the connection"
            got += more
            try:
                found = fragments(got)
            except (AssertionError, IndexError):
                continue  # half a frame so far
            if found:
                return found

    async def closed(self) -> bool:
        """Wait until the outstation closes this connection."""
        while await self.answer():
            pass
        return True
