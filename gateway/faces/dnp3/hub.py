"""The connection hub: sockets of strangers, standing-by front ends and active masters, on one asyncio loop.

A connection is *waiting* until its first whole frame shows a configured master; then it is *standing by* and its
keep-alives are answered; with its first request it becomes the master's *active* connection and the one before it is
closed. Nothing that a stranger does touches a session, so a stranger displaces nobody (DESIGN.md section 8, rule 9).

No task is made: asyncio calls us with octets, and every answer is computed in that call. What one peer may cost is
bounded in each turn of the loop (octets read, time spent) and over its life (`Dnp3Limits`).
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Mapping
from time import perf_counter

from dermscore.model import Now
from gateway.faces import FaceEvent, FaceEventKind
from gateway.faces.dnp3.association import Association, Note
from gateway.faces.dnp3.controls import Caller
from gateway.faces.dnp3.core import (
    FrameReader,
    FunctionCode,
    LinkFrame,
    PrimaryFunction,
    link_acknowledgement,
    link_status,
)
from gateway.faces.dnp3.outstation import Dnp3Outstation
from gateway.faces.dnp3.screen import USER_DATA, Screen, Stranger, admit

logger = logging.getLogger(__name__)

_READ_OCTETS = 2048  # per turn of the loop: a flood of false start octets costs at most this many checksums
_TURN_S = 0.004  # spent on one connection's requests before the others have their turn
_SWEEP_S = 0.5
_TELL_LOSS_MS = 60_000


class Connection(asyncio.BufferedProtocol):
    """One TCP connection. Every field is owned by the face's loop."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._buffer = bytearray(_READ_OCTETS)
        self._held = False  # whether the peer is slower than our answers
        self._transport: asyncio.Transport | None = None
        self.frames: deque[LinkFrame] = deque()
        self.reader = FrameReader()
        self.screen = Screen()
        self.caller = Caller("", "")
        self.host = ""
        self.association: Association | None = None
        self.reset: LinkFrame | None = None
        self.octets = 0
        self.since_ms = 0  # of the connection, then of its last whole frame
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        name = transport.get_extra_info("peername")
        # A peer that is gone before we look has no name, and no octets either.
        self.host = str(name[0]) if name else ""
        self._hub.opened(self, f"{name[0]}:{name[1]}" if name else "unknown")

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._hub.received(self, bytes(self._buffer[:nbytes]))

    def connection_lost(self, exc: Exception | None) -> None:
        self._hub.lost(self, f"connection lost: {exc}" if exc else "closed by the peer")

    def pause_writing(self) -> None:
        self._held = True
        self.pause()

    def resume_writing(self) -> None:
        self._held = False
        self._hub.turn(self)

    def pause(self) -> None:
        """Read no more until `resume`."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again, unless the peer does not take its answers."""
        if self._transport is not None and not self.held:
            self._transport.resume_reading()

    @property
    def held(self) -> bool:
        return self._held

    def send(self, octets: bytes) -> None:
        if self._transport is not None and octets:
            self._transport.write(octets)

    def abort(self) -> None:
        """End at once: a dead peer would hold a graceful close until TCP gives up."""
        if self._transport is not None:
            self._transport.abort()


class Hub:
    """Listens, admits, and hands each master's frames to its association. Owned by the face's loop."""

    def __init__(
        self,
        outstation: Dnp3Outstation,
        associations: Mapping[str, Association],
        now: Callable[[], Now],
        note: Note,
        refresh: Callable[[], None],
    ) -> None:
        self._outstation = outstation
        self._refresh = refresh
        self._limits = outstation.limits
        self._associations = associations
        self._now = now
        self._note = note
        self._server: asyncio.Server | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._connections: dict[Connection, None] = {}  # oldest first
        self._active: dict[str, Connection] = {}  # by the master's name
        self._numbered = 0
        self._stopping = False
        self._told_loss_ms = 0

    @property
    def listening(self) -> bool:
        return self._server is not None and self._server.is_serving()

    @property
    def port(self) -> int:
        """The bound port, which differs from the configured one when that is 0."""
        bound = self._server.sockets if self._server else ()
        return int(bound[0].getsockname()[1]) if bound else self._outstation.port

    @property
    def masters(self) -> tuple[str, ...]:
        """The masters that have an active connection."""
        return tuple(self._active)

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address is in use or not ours.
        """
        loop = asyncio.get_running_loop()
        outstation = self._outstation
        self._stopping = False
        self._server = await loop.create_server(lambda: Connection(self), outstation.host, outstation.port)
        self._timer = loop.call_later(_SWEEP_S, self._sweep)
        self._tell(FaceEventKind.LISTENING, None, f"listening on {outstation.host}:{self.port}")

    async def stop(self) -> None:
        """Stop listening and end every connection."""
        self._stopping = True
        server, self._server = self._server, None
        if self._timer is not None:
            self._timer.cancel()
        if server is not None:
            server.close()
        for connection in tuple(self._connections):
            self.drop(connection, "the gateway stops")
        if server is not None:
            await server.wait_closed()

    # What asyncio tells us.

    def opened(self, connection: Connection, peer: str) -> None:
        """A peer connected: it may wait for a while, unless nothing from its address could ever be admitted."""
        if self._stopping:
            connection.abort()  # accepted before the listener closed, told of after
            return
        self._numbered += 1
        connection.caller = Caller(f"{self._outstation.name}/{self._numbered}", peer)
        connection.since_ms = self._now().mono_ms
        self._connections[connection] = None
        if not any(master.may_call_from(connection.host) for master in self._outstation.masters):
            self._refuse(connection, FaceEventKind.STRANGER_REFUSED, "no master may call from this address")
            return
        waiting = [each for each in self._connections if each.association is None]
        if len(waiting) > self._limits.waiting:
            crowded = Counter(each.host for each in waiting).most_common(1)[0][0]
            oldest = next(each for each in waiting if each.host == crowded)
            self._refuse(oldest, FaceEventKind.CONNECTION_REFUSED, "too many connections wait to show who they are")

    def received(self, connection: Connection, octets: bytes) -> None:
        """Octets arrived: cut them into frames and work on those."""
        if connection.closed:
            return
        connection.octets += len(octets)
        connection.frames.extend(connection.reader.feed(octets))
        self.turn(connection)
        if connection.association is None and connection.octets > self._limits.admission_octets:
            self._refuse(connection, FaceEventKind.CONNECTION_REFUSED, "too many octets without a whole frame")

    def turn(self, connection: Connection) -> None:
        """Work on the frames that wait, for a slice of time; the rest has another turn after everyone else's."""
        until = perf_counter() + _TURN_S
        while connection.frames and not connection.closed and not connection.held:
            if perf_counter() > until:
                connection.pause()
                asyncio.get_running_loop().call_soon(self.turn, connection)
                return
            self._contained(connection, connection.frames.popleft())
        if not connection.closed:
            connection.resume()

    def lost(self, connection: Connection, reason: str) -> None:
        """The peer, or the network, ended the connection."""
        if connection.association is None and not connection.closed:
            self._tell(FaceEventKind.CONNECTION_REFUSED, connection, f"{reason} before a whole frame")
        self.drop(connection, reason)

    def drop(self, connection: Connection, reason: str) -> None:
        """End a connection, whoever wants it; a master that loses its active one keeps its events."""
        if connection.closed:
            return
        connection.closed = True
        connection.frames.clear()
        self._connections.pop(connection, None)
        association = connection.association
        if association is not None and self._active.get(association.master.name) is connection:
            del self._active[association.master.name]
            association.note(FaceEventKind.MASTER_DISCONNECTED, reason)
            association.release()
        connection.abort()

    # What becomes of a frame.

    def _contained(self, connection: Connection, frame: LinkFrame) -> None:
        """A fault of the desk or of the core costs the connection that met it, never the face."""
        try:
            self._refresh()
            self._frame(connection, frame)
        except Exception as fault:
            logger.exception("dnp3 %s: a request of %s failed", self._outstation.name, connection.caller.peer)
            self._tell(FaceEventKind.FAULT, connection, f"a request failed: {type(fault).__name__}: {fault}")
            self.drop(connection, "a request failed here")

    def _frame(self, connection: Connection, frame: LinkFrame) -> None:
        whose = admit(frame, connection.host, self._outstation)
        if connection.association is None:
            if isinstance(whose, Stranger):
                self._refuse(connection, FaceEventKind.STRANGER_REFUSED, whose.reason)
                return
            self._stand_by(connection, self._associations[whose.master.name])
            if connection.closed:
                return
        elif isinstance(whose, Stranger) and not frame.is_broadcast:
            self._tell(FaceEventKind.STRANGER_REFUSED, connection, whose.reason)
            return
        self._of_master(connection, frame)

    def _of_master(self, connection: Connection, frame: LinkFrame) -> None:
        association = connection.association
        assert association is not None
        if frame.source != association.master.address:
            self._tell(FaceEventKind.STRANGER_REFUSED, connection, f"frame from address {frame.source} among others")
            return
        connection.since_ms = self._now().mono_ms
        seen = connection.screen.judge(frame)
        if seen.refused is not None:
            self._tell(FaceEventKind.FUNCTION_REFUSED, connection, seen.refused)
        elif self._active.get(association.master.name) is connection:
            connection.send(association.answer(frame, seen))
        elif frame.function in USER_DATA and seen.function != FunctionCode.CONFIRM:
            self._activate(connection, association)
            connection.send(association.answer(frame, seen))
        else:
            connection.send(self._standing_answer(connection, association, frame))

    def _stand_by(self, connection: Connection, association: Association) -> None:
        connection.association = association
        standing = [each for each in self._connections if each.association is association]
        idle = [each for each in standing if each is not self._active.get(association.master.name)]
        if len(idle) > self._limits.standing_by:
            self._refuse(idle[0], FaceEventKind.CONNECTION_REFUSED, "too many connections of this master stand by")

    def _activate(self, connection: Connection, association: Association) -> None:
        """The connection polls, so it is the master's now; the one before it is closed."""
        before = self._active.get(association.master.name)
        if before is not None:
            self.drop(before, f"replaced by {connection.caller.peer}, which polls now")
        self._active[association.master.name] = connection
        association.take_over(connection.caller, connection.reset)

    def _standing_answer(self, connection: Connection, association: Association, frame: LinkFrame) -> bytes:
        """Link-layer talk of a front end that does not poll: answered here, so that the active one's session rests."""
        ours, theirs = self._outstation.address, association.master.address
        if frame.function == PrimaryFunction.REQUEST_LINK_STATUS:
            return link_status(outstation=ours, master=theirs)
        if frame.function == PrimaryFunction.RESET_LINK_STATES:
            connection.reset = frame
            return link_acknowledgement(outstation=ours, master=theirs)
        return b""

    # Time, and what is told.

    def _sweep(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep)
        now_ms = self._now().mono_ms
        for connection in tuple(self._connections):
            silent_s = (now_ms - connection.since_ms) / 1000
            if connection.association is None and silent_s > self._limits.admission_s:
                self._refuse(connection, FaceEventKind.CONNECTION_REFUSED, "too long without a whole frame")
            elif connection.association is not None and silent_s > self._limits.idle_s:
                self.drop(connection, f"silent for {self._limits.idle_s:g} s")
        if now_ms - self._told_loss_ms >= _TELL_LOSS_MS:
            self._told_loss_ms = now_ms
            self._tell_losses()

    def _tell_losses(self) -> None:
        for association in self._associations.values():
            if lost := association.newly_lost():
                association.note(FaceEventKind.EVENTS_LOST, "events dropped before the master read them", lost)

    def _refuse(self, connection: Connection, kind: FaceEventKind, why: str) -> None:
        self._tell(kind, connection, why)
        self.drop(connection, why)

    def _tell(self, kind: FaceEventKind, connection: Connection | None, detail: str) -> None:
        caller = connection.caller if connection else Caller("", "")
        association = connection.association if connection else None
        master = association.master.name if association else ""
        session = caller.session if association else ""
        self._note(FaceEvent(kind, self._outstation.name, master, session, caller.peer, detail))
