"""One master: its session, its events, and which of its connections is the active one.

DNP3 state belongs to the association of two link addresses, not to a socket: a master that reconnects, or its
hot-standby partner that takes over, finds the events that nobody confirmed (DESIGN.md section 8, rule 9).
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from dermscore.model import Now
from gateway.faces import ControlDesk, FaceEvent, FaceEventKind
from gateway.faces.dnp3.answer import read_back
from gateway.faces.dnp3.controls import Caller, Controls
from gateway.faces.dnp3.core import (
    CONTROL_FUNCTIONS,
    AnomalyCode,
    EventBuffers,
    FunctionCode,
    LinkFrame,
    ProtocolAnomaly,
    frame_octets,
    open_session,
)
from gateway.faces.dnp3.outstation import Dnp3Master, Dnp3Outstation
from gateway.faces.dnp3.packed import PackedImage
from gateway.faces.dnp3.screen import Seen, controls_in, name_of, unserved

logger = logging.getLogger(__name__)

Note = Callable[[FaceEvent], None]

_STRANGERS = (AnomalyCode.UNEXPECTED_MASTER_ADDRESS, AnomalyCode.INVALID_SOURCE_ADDRESS)


class Association:
    """The state of one master. Not thread-safe: owned by the face's loop."""

    def __init__(
        self,
        outstation: Dnp3Outstation,
        master: Dnp3Master,
        image: PackedImage,
        desk: ControlDesk,
        now: Callable[[], Now],
        note: Note,
    ) -> None:
        limits = outstation.limits
        self.master = master
        self.events = EventBuffers(capacity=max(limits.events, 2 * len(outstation.points)))
        self._outstation = outstation
        self._now = now
        self._note = note
        self._controls = Controls(outstation, master.name, desk)
        self._lost_told = 0
        self.session = open_session(
            image,
            self._controls,
            self.events,
            outstation=outstation.address,
            master=master.address,
            select_timeout_s=limits.select_s,
            clock=lambda: now().mono_ms / 1000,
            on_time_written=self._time_written,
            on_anomaly=self._anomaly,
        )

    def take_over(self, caller: Caller, reset: LinkFrame | None) -> None:
        """A connection becomes the active one. `reset` is the link reset it was already answered to, if it sent one."""
        self.release()
        self._controls.caller = caller
        if reset is not None:
            self.session.receive(frame_octets(reset))
        self.note(FaceEventKind.MASTER_CONNECTED, f"address {self.master.address} polls")

    def release(self) -> None:
        """The active connection is gone. Its unconfirmed events go back to waiting, its select is forgotten."""
        self.session.connection_reset()
        self._controls.caller = Caller("", "")

    def answer(self, frame: LinkFrame, seen: Seen) -> bytes:
        """Hand a frame to the session and return the octets to send; what was refused on the way is noted.

        Raises:
            Exception: whatever the desk raised; the connection cannot go on then.
        """
        asked = self._controls.asked
        self._controls.objects = controls_in(seen.fragment) if seen.function in CONTROL_FUNCTIONS else 0
        octets = self.session.receive(frame_octets(frame))
        if seen.function in CONTROL_FUNCTIONS:
            self._tell_of_control(seen, octets, reached_desk=self._controls.asked > asked)
        elif seen.function is not None:
            self._tell_of_refusal(seen.function, octets)
        return octets

    def newly_lost(self) -> int:
        """How many events the buffers dropped since this was last called."""
        lost = self.events.overflow_generation - self._lost_told
        self._lost_told += lost
        return lost

    def note(self, kind: FaceEventKind, detail: str, number: int | None = None) -> None:
        """Tell the desk something of the connection that is active now."""
        caller = self._controls.caller
        event = FaceEvent(kind, self._outstation.name, self.master.name, caller.session, caller.peer, detail, number)
        self._note(event)

    def _tell_of_control(self, seen: Seen, octets: bytes, *, reached_desk: bool) -> None:
        answer = None if reached_desk else read_back(octets, control=True)
        if answer is not None and answer.refused:
            self.note(FaceEventKind.CONTROL_REFUSED, f"{name_of(seen.function or 0)}: {answer}")

    def _tell_of_refusal(self, function: int, octets: bytes) -> None:
        if unserved(function):
            self.note(FaceEventKind.FUNCTION_REFUSED, f"{name_of(function)} is not supported")
        elif function == FunctionCode.WRITE:
            answer = read_back(octets, control=False)
            if answer is not None and answer.refused:
                self.note(FaceEventKind.FUNCTION_REFUSED, f"{name_of(function)}: {answer}")

    def _time_written(self, utc_ms: int) -> None:
        offset = utc_ms - self._now().utc_ms
        self.note(FaceEventKind.TIME_OFFSET, "time written by the master, not applied: host time is NTP's", offset)

    def _anomaly(self, anomaly: ProtocolAnomaly) -> None:
        kind = FaceEventKind.STRANGER_REFUSED if anomaly.code in _STRANGERS else FaceEventKind.FUNCTION_REFUSED
        self.note(kind, anomaly.message)
