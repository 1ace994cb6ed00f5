"""A small headend: a real AgentLink server over mutual TLS that keeps all it hears, for tests and measurements.

In a test it runs on the test's own event loop; as a program (`small_headend.py PKI PORT`) it prints JSON lines.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import grpc.aio

from dermscore.guard import Fallback
from dermscore.intent import Intent
from dermscore.model import Impairment, Measurement
from wire import convert, dial, guarding
from wire.convert import AssetEvent, Claim, Report
from wire.dial import Caller, Ended, Session, Why
from wire.identity import Refused, Role, TlsFiles
from wire.v1.agent_link_pb2 import Ack, AgentMessage, HeadendMessage, Heartbeat

HEARD_S = 4.5  # a period of telemetry and a little


def utc_ms() -> int:
    return time.time_ns() // 1_000_000


class SmallHeadend:
    """Takes every agent of its CA unless told to refuse. Owner of every field: the event loop it runs on."""

    def __init__(self, pki: Path, *, clock_ahead_ms: int = 0, beat_s: float = 5.0, silence_s: float = 15.0) -> None:
        self._files = TlsFiles.headend(pki)
        self._ahead_ms, self._beat_s, self._silence_s = clock_ahead_ms, beat_s, silence_s
        self._server: grpc.aio.Server | None = None
        self.port = 0
        self.refusal: str | None = None
        self.sessions: dict[str, Session[AgentMessage, HeadendMessage, HeadendMessage]] = {}
        self.claims: dict[str, Claim] = {}
        self.registrations = 0
        self.seqs: list[int] = []
        self.readings: list[tuple[float, Measurement]] = []
        self.count = 0
        self.impaired: dict[str, Impairment] = {}
        self.fallbacks: dict[str, Fallback] = {}  # what is told at Register; none: as an older headend
        self.reports: list[Report] = []
        self.events: list[AssetEvent] = []
        self.beats = 0
        self.turned_away: list[str] = []

    async def start(self, port: int = 0) -> int:
        self._server = dial.server()
        dial.serve(self._server, dial.AGENT_LINK, self._stream, role=Role.AGENT, note=self._note)
        self.port = dial.listen(self._server, f"127.0.0.1:{port}", self._files)
        await self._server.start()
        return self.port

    async def stop(self) -> None:
        assert self._server is not None
        await self._server.stop(grace=None)

    def now_ms(self) -> int:
        return utc_ms() + self._ahead_ms

    def send(self, agent_id: str, intent: Intent) -> None:
        message = convert.setpoint(intent, self.claims[agent_id].index)
        assert self.sessions[agent_id].outgoing.put(HeadendMessage(setpoint=message))

    async def _stream(self, caller: Caller, stream: Any) -> Ended:
        if self.refusal is not None:
            raise Refused(self.refusal)
        session = Session(stream, beat=self._beat, beat_s=self._beat_s, silence_s=self._silence_s)
        claim = convert.claim((await session.first()).register)
        agent_id = caller.identity.id
        if agent_id in self.sessions:
            self.sessions[agent_id].end(Why.REPLACED)
        self.sessions[agent_id], self.claims[agent_id] = session, claim
        self.registrations += 1
        registered = guarding.registered(
            f"s{self.registrations}", self.now_ms(), self.fallbacks, self.claims[agent_id].asset_ids
        )
        session.outgoing.put(HeadendMessage(registered=registered))
        try:
            return await session.run(lambda message: self._hear(claim, session, message))
        finally:
            if self.sessions.get(agent_id) is session:
                del self.sessions[agent_id]

    async def _hear(self, claim: Claim, session: Any, message: AgentMessage) -> None:
        body = message.WhichOneof("body")
        if body == "telemetry":
            self._on_telemetry(claim, message)
            session.outgoing.offer("ack", HeadendMessage(ack=Ack(seq=message.telemetry.seq)))
        elif body == "outcome":
            self.reports.append(convert.report(message.outcome, claim.asset_ids))
        elif body == "event":
            self.events.append(convert.asset_event(message.event, claim.asset_ids))
        elif body == "heartbeat":
            self.beats += 1

    def _on_telemetry(self, claim: Claim, message: AgentMessage) -> None:
        self.seqs.append(message.telemetry.seq)
        for asset_id in claim.asset_ids:
            self.impaired.pop(asset_id, None)
        self.impaired |= guarding.impaired(message.telemetry.impaired, claim.asset_ids)
        for reading in convert.measurements(message.telemetry, claim.asset_ids):
            self.readings.append((time.monotonic(), reading))
            self.count += 1

    def _beat(self, number: int) -> HeadendMessage:
        return HeadendMessage(heartbeat=Heartbeat(number=number, sent_ms=self.now_ms()))

    def _note(self, peer: str, ended: Ended) -> None:
        self.turned_away.append(f"{peer} {ended}")


async def _main(pki: Path, port: int) -> None:
    headend = SmallHeadend(pki)
    await headend.start(port)
    while True:
        print(json.dumps(_line(headend)), flush=True)
        headend.readings = [(at_s, reading) for at_s, reading in headend.readings if at_s > time.monotonic() - HEARD_S]
        await asyncio.sleep(1)


def _line(headend: SmallHeadend) -> dict[str, object]:
    return {
        "mono_s": time.monotonic(),
        "port": headend.port,
        "connected": len(headend.sessions),
        "registrations": headend.registrations,
        "readings": headend.count,
        "heard": sorted({reading.asset_id for _, reading in headend.readings}),
        "cpu_s": time.process_time(),
    }


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), int(sys.argv[2])))
