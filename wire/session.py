"""One live stream, seen from either end: one writer, heartbeats, silence, and one word for why it ended.

Both servers and both clients of the system hold their streams through `Session`, so that a stalled reader, a half-open
connection or an expired certificate means the same thing everywhere.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Generic, Protocol, TypeVar

import grpc
import grpc.aio

from dermscore.errors import BadInput
from wire.identity import Refused
from wire.outgoing import Outgoing, Overflow

In = TypeVar("In")
Out = TypeVar("Out")
Item = TypeVar("Item")
In_co = TypeVar("In_co", covariant=True)
Out_contra = TypeVar("Out_contra", contravariant=True)

HEARTBEAT_S = 5.0
SILENCE_S = 15.0
FIRST_MESSAGE_S = 10.0
_FAREWELL_S = 2.0
_LATE_S = 1.0
_CANCELLATION_S = 0.1
_READER_TELLS_S = 1.0
_HUNG_UP = "Socket closed"  # all that gRPC tells of a peer that refuses our certificate


class Stream(Protocol[In_co, Out_contra]):
    """What a `grpc.aio` call (client) and a `ServicerContext` (server) share. `read` ends with `grpc.aio.EOF`."""

    async def read(self) -> In_co: ...
    async def write(self, message: Out_contra) -> None: ...


class Why(StrEnum):
    """Why a stream ended."""

    LEFT = "left"  # the peer ended it in good order
    CLOSED = "closed"  # we ended it in good order
    LOST = "lost"  # the connection broke, or never came to be
    REFUSED = "refused"  # one side turned the other away, and said why
    REPLACED = "replaced"  # a newer session of the same identity took its place
    EXPIRED = "expired"  # the peer's certificate ran out
    REVOKED = "revoked"  # the peer may no longer be here
    SILENT = "silent"  # nothing was heard for SILENCE_S
    STALLED = "stalled"  # the peer took nothing for SILENCE_S
    OVERFLOW = "overflow"  # the peer took too little for too long
    BAD_MESSAGE = "bad message"  # the peer said what cannot be read


@dataclass(frozen=True, slots=True)
class Ended:
    """How a stream ended. `detail` is for this side's log; of a stream that the peer ended it is what the peer said."""

    why: Why
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.why}: {self.detail}" if self.detail else str(self.why)


_CUT_OFF = Ended(Why.LOST, "the stream was cut off")


class Silence:
    """Watches for a peer that has gone quiet. Times are seconds of one monotonic clock. Owner: whoever made it."""

    def __init__(self, limit_s: float = SILENCE_S, *, now_s: float) -> None:
        self.limit_s = limit_s
        self._heard_s = now_s

    def heard(self, now_s: float) -> None:
        """The peer said something, anything."""
        self._heard_s = max(self._heard_s, now_s)

    def forgive(self, pause_s: float, now_s: float) -> None:
        """We stood still for `pause_s` ourselves (stopped, stalled or suspended): not the peer's silence.

        What was heard since we went on counts from then, and not from so long after it.
        """
        self._heard_s = max(self._heard_s, min(self._heard_s + pause_s, now_s))

    def expired(self, now_s: float) -> bool:
        return now_s >= self.deadline_s

    @property
    def deadline_s(self) -> float:
        """When the silence becomes too long."""
        return self._heard_s + self.limit_s


class _Beat:
    """Stands in the queue for a heartbeat, which is made only when it is written: its number and time are then true."""


_BEAT = _Beat()


class Session(Generic[In, Item, Out]):
    """One stream and everything that keeps it honest.

    A client:

        async with dial.channel(address, files) as channel:
            session = Session(dial.open_stream(channel, dial.AGENT_LINK), beat=my_heartbeat)
            session.outgoing.put(register)               # in order, never dropped
            session.outgoing.offer("telemetry", columns) # the latest wins while the peer is slow
            ended = await session.run(hear)              # hear(message) is called for each message, in order

    A server hands its own end of the stream in (see `dial.serve`), usually after `await session.first()`:

        session = Session(stream, beat=..., not_after_ms=caller.identity.not_after_ms)
        claim = await session.first()
        older.end(Why.REPLACED)
        return await session.run(hear)

    `run` is the stream's only reader and only writer. It returns how the stream ended, whoever ended it, and cancels
    all that is left of it; cancelled from outside, it sets `ended` and lets the cancellation pass. It sends
    `beat(number)` every `beat_s`, numbers 1, 2, 3 …; gives up after `silence_s` without a message, or without the peer
    taking one; and ends at `not_after_ms` (UTC), when the peer's certificate does. `hear` may raise BadInput (the
    message makes no sense) or Refused (its sender may not): the stream ends with that reason. It should return soon,
    for nothing is read meanwhile.

    `seal` turns what was queued into what is sent, at the moment it is written and in that order: the place for
    sequence numbers and signatures, since a latest-wins slot may swallow what was queued.

    Owner of every field: the event loop that runs it. Nothing here is thread-safe.
    """

    def __init__(
        self,
        stream: Stream[In, Out],
        *,
        beat: Callable[[int], Item],
        seal: Callable[[Item], Out] | None = None,
        beat_s: float = HEARTBEAT_S,
        silence_s: float = SILENCE_S,
        not_after_ms: int | None = None,
        queue: int = 1024,
        utc_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.outgoing: Outgoing[Item | _Beat] = Outgoing(queue)
        self.ended: Ended | None = None
        self._stream: Any = stream
        self._dialled = hasattr(stream, "done_writing")  # ours is the client's end
        self._beat, self._seal = beat, seal
        self._beat_s, self._silence_s = beat_s, silence_s
        self._not_after_ms, self._utc_ms = not_after_ms, utc_ms
        self._over = asyncio.Event()
        self._beats = 0
        self._leaving = False
        self._hearing = self._heard = False
        self._writing_since_s: float | None = None

    def end(self, why: Why, detail: str = "") -> None:
        """End the stream now; `run` returns. The first reason stands. What is still queued is not sent."""
        if self.ended is None:
            self.ended = Ended(why, detail)
        self._over.set()

    async def first(self, within_s: float = FIRST_MESSAGE_S) -> In:
        """The peer's first message, before `run`.

        Raises:
            Refused: it did not come in time, or the stream ended before it.
        """
        try:
            async with asyncio.timeout(within_s):
                message: Any = await self._stream.read()
        except TimeoutError:
            raise Refused(f"no first message within {within_s:g} s") from None
        except grpc.RpcError as error:
            raise Refused(str(Ended(*_ended_by_peer(error)))) from None
        if message is grpc.aio.EOF:
            raise Refused("the stream ended before its first message")
        return message  # type: ignore[no-any-return]

    async def run(self, hear: Callable[[In], Awaitable[None]]) -> Ended:
        """Read, write and watch until the stream ends; returns how it did."""
        silence = Silence(self._silence_s, now_s=_mono_s())
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(part) for part in (self._read(hear, silence), self._write(), self._pulse(silence))
                ]
                await self._over.wait()
                for task in tasks:
                    task.cancel()
        finally:
            self.end(_CUT_OFF.why, _CUT_OFF.detail)  # stands only where nothing else has ended it
            self.outgoing.close()
            if self._dialled:
                self._stream.cancel()
        assert self.ended is not None
        return self.ended

    async def _read(self, hear: Callable[[In], Awaitable[None]], silence: Silence) -> None:
        try:
            while (message := await self._stream.read()) is not grpc.aio.EOF:
                silence.heard(_mono_s())
                self._heard = self._hearing = True
                await hear(message)
                self._hearing = False
                silence.heard(_mono_s())
            await self._last_word()
        except BadInput as bad:
            self.end(Why.BAD_MESSAGE, str(bad))
        except Refused as refused:
            self.end(Why.REFUSED, refused.reason)
        except grpc.RpcError as error:
            self._broken(error)
        except grpc.aio.BaseError as error:
            self.end(Why.LOST, str(error))

    async def _last_word(self) -> None:
        """The peer says no more. To a server a broken connection looks the same at first; the cancellation follows."""
        if not self._dialled:
            await asyncio.sleep(_CANCELLATION_S)
        self.end(Why.CLOSED if self._leaving else Why.LEFT)

    async def _write(self) -> None:
        try:
            async for item in self.outgoing:
                self._writing_since_s = _mono_s()
                await self._stream.write(self._sealed(item))
                self._writing_since_s = None
            await self._leave()
        except Overflow:
            self.end(Why.OVERFLOW, "the peer takes its messages too slowly")
        except (grpc.RpcError, grpc.aio.BaseError, asyncio.InvalidStateError):
            await asyncio.sleep(_READER_TELLS_S)  # the call is over: whoever reads it learns why, and ends us
            self.end(Why.LOST, "the connection broke while a message was written")

    async def _leave(self) -> None:
        """All is said. A client closes its half and gives the server a moment to hear it out; a server just returns."""
        self._leaving = True
        if self._dialled:
            await self._stream.done_writing()
            await asyncio.sleep(_FAREWELL_S)
        self.end(Why.CLOSED)

    async def _pulse(self, silence: Silence) -> None:
        """Send heartbeats, and look for what ends a stream without a message: silence, a stall, a certificate's end."""
        next_beat_s = _mono_s() + self._beat_s
        while True:
            due_s = min(next_beat_s, silence.deadline_s)
            await asyncio.sleep(max(0.0, due_s - _mono_s()))
            now_s = _mono_s()
            if now_s - due_s > _LATE_S:
                silence.forgive(now_s - due_s, now_s)
            if self._hearing:
                silence.heard(now_s)  # it may have said more; we are busy with what it said before
            if self._writing_since_s is not None and now_s - self._writing_since_s >= self._silence_s:
                self.end(Why.STALLED, f"the peer took nothing for {self._silence_s:g} s")
            if silence.expired(now_s):
                self.end(Why.SILENT, f"nothing was heard for {self._silence_s:g} s")
            if self._not_after_ms is not None and self._utc_ms() >= self._not_after_ms:
                self.end(Why.EXPIRED, "the peer's certificate has expired")
            if now_s >= next_beat_s:
                self.outgoing.offer(_BEAT, _BEAT)
                next_beat_s = now_s + self._beat_s

    def _sealed(self, item: Item | _Beat) -> Any:
        if isinstance(item, _Beat):
            self._beats += 1
            item = self._beat(self._beats)
        return item if self._seal is None else self._seal(item)

    def _broken(self, error: grpc.RpcError) -> None:
        why, detail = _ended_by_peer(error)
        if not self._heard and _HUNG_UP in detail:
            detail += " (it hung up during the TLS handshake: it may not accept our certificate; its own log says why)"
        self.end(why, detail)


_LOST_CODES = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.INTERNAL,
    }
)
_SAID_BY_CODE = {
    grpc.StatusCode.ABORTED: Why.REPLACED,
    grpc.StatusCode.UNAUTHENTICATED: Why.EXPIRED,
}


def _ended_by_peer(error: Any) -> tuple[Why, str]:
    """What the status that ended a client's call means (`dial.finish` is its mirror)."""
    code = error.code() if hasattr(error, "code") else grpc.StatusCode.UNKNOWN
    detail = str(error.details() if hasattr(error, "details") else error)
    if code in _LOST_CODES:
        return Why.LOST, detail
    return _SAID_BY_CODE.get(code, Why.REFUSED), detail


# It goes on while the machine is suspended, as the clock that the rest of a process counts by (`daemon.clock`): a pause
# is then seen here too. None where the platform has no such clock.
_BOOT_CLOCK: Final[int | None] = getattr(time, "CLOCK_BOOTTIME", None)


def _mono_s() -> float:
    return time.monotonic() if _BOOT_CLOCK is None else time.clock_gettime(_BOOT_CLOCK)
