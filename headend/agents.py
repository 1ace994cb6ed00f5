"""AgentLink: the agents' streams. Who is it, may it claim these assets, are its numbers possible; then it is served.

Each stream has its own writer and its own latest-wins slot per asset, so an agent that does not read holds up nobody.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from daemon import logs
from dermscore.errors import BadInput, Problem
from dermscore.guard import Fallback
from dermscore.intent import Intent, IntentState
from dermscore.model import Measurement, Now
from headend.dispatch import Dispatcher
from headend.fleet import Connection, LiveFleet
from headend.plausible import AHEAD_MS, implausible, implausible_power
from headend.records import EventRow, HistoryRow, SessionEnd, SessionRow, TelemetryRow
from wire import convert, guarding
from wire.columns import LATEST_MS
from wire.dial import Caller, Ended, Session, Stream, Why
from wire.identity import Refused
from wire.source_time import SourceTime
from wire.v1.agent_link_pb2 import Ack, AgentMessage, HeadendMessage, Heartbeat, Telemetry

log = logs.get(__name__)

_COMPLAIN_EVERY_S: Final = 10.0
_CLOCK_TOLERANCE_MS: Final = 2_000
_SEEN: Final = frozenset({IntentState.ACTIVE, IntentState.FOLLOWING})  # reported after a look at the device

Downward = Session[AgentMessage, "HeadendMessage | _Setpoint", HeadendMessage]


@dataclass(frozen=True, slots=True)
class _Setpoint:
    """An intent waiting for its stream's writer, who says when it is written."""

    intent: Intent
    message: HeadendMessage


@dataclass(slots=True)
class _Complaints:
    """Counts what a stream's agent does wrong, so that the log has a line now and then. Owner: its stream's reader."""

    refused_rows: int = 0
    said_s: float = -_COMPLAIN_EVERY_S
    clock_told: bool = False


@dataclass(slots=True)
class _Served:
    """One registered stream: whose it is, what was agreed, and its agent's clock. Owner: its stream's reader."""

    session_id: str
    agent: str
    claim: convert.Claim
    complaints: _Complaints = field(default_factory=_Complaints)
    source: SourceTime | None = None

    def hear(self, sent_ms: int, now: Now) -> None:
        """A message was written at `sent_ms` by the agent's clock."""
        self.source = SourceTime.first(sent_ms, now) if self.source is None else self.source.hear(sent_ms, now)

    def told(self, now: Now) -> Now:
        """This moment by the agent's clock; by ours until it has said what its says."""
        return now if self.source is None else self.source.at(now)


@dataclass(frozen=True, slots=True)
class AgentDesk:
    """Serves agents' streams. Immutable; what changes belongs to the live fleet, the dispatcher and the history writer.

    `claims` says which agent may speak for which assets. `fallbacks` is what each asset's Guard must know of the
    policy, by asset id; it does not change while the headend runs. `keep` queues rows of history and never waits.
    """

    live: LiveFleet
    dispatcher: Dispatcher
    claims: Mapping[str, frozenset[str]]
    fallbacks: Mapping[str, Fallback]
    keep: Callable[[list[HistoryRow]], None]
    clock: Callable[[], Now]
    beat_s: float = 5.0
    silence_s: float = 15.0

    async def serve(self, caller: Caller, stream: Stream[AgentMessage, HeadendMessage]) -> Ended:
        """Hold one agent's stream from its first message to its end; returns how it ended.

        Raises:
            Refused: the agent may not claim what it claims, or another live session does already.
            BadInput: its first message makes no sense.
        """
        session: Downward = Session(
            stream,
            beat=self._beat,
            seal=self._seal,
            beat_s=self.beat_s,
            silence_s=self.silence_s,
            not_after_ms=caller.identity.not_after_ms,
        )
        served = await self._register(caller, await session.first())
        self._begin(caller, served, session)
        try:
            return await session.run(lambda message: self._hear(served, session, message))
        finally:  # cut off, too: by the agent's connection, or because the headend stops
            self._end(served, session.ended or Ended(Why.LOST))

    # --- beginning and end

    async def _register(self, caller: Caller, message: AgentMessage) -> _Served:
        if message.WhichOneof("body") != "register":
            raise Refused("the first message must be Register")
        claim = convert.claim(message.register)
        agent_id = caller.identity.id
        foreign = [a for a in claim.asset_ids if a not in self.claims.get(agent_id, ())]
        if foreign:
            raise Refused(f"agent {agent_id} may not claim {_some(foreign)}; the headend's claims table says who may")
        unknown = [a for a in claim.asset_ids if a not in self.live.fleet.assets]
        if unknown:
            raise Refused(f"there is no asset {_some(unknown)} in the headend's assets.yaml")
        await self.dispatcher.count_on(claim.held)
        rival = self.live.rival(agent_id, claim.asset_ids)
        if rival is not None:
            raise Refused(f"agent {rival[1].agent_id} speaks for asset {rival[0]} at this moment")
        return _Served(uuid.uuid4().hex, agent_id, claim)

    def _begin(self, caller: Caller, served: _Served, session: Downward) -> None:
        now = self.clock()
        index = served.claim.index

        def deliver(intent: Intent) -> None:
            message = HeadendMessage(setpoint=convert.setpoint(intent, index))
            session.outgoing.offer(("setpoint", intent.asset_id), _Setpoint(intent, message))

        connection = Connection(
            served.session_id,
            served.agent,
            caller.peer,
            served.claim.asset_ids,
            now.utc_ms,
            deliver,
            lambda detail: session.end(Why.REPLACED, detail),
        )
        older = self.live.connect(connection)
        if older is not None:
            older.end("a newer session of the same agent took its place")
        self.live.heartbeat(served.claim.asset_ids, now.utc_ms)
        answer = guarding.registered(served.session_id, now.utc_ms, self.fallbacks, served.claim.asset_ids)
        session.outgoing.put(HeadendMessage(registered=answer))
        for intent in self.dispatcher.unsent(served.claim.held, served.claim.asset_ids):
            deliver(intent)
        self.keep([self._session_row(served, caller.peer, asset_id, now.utc_ms) for asset_id in served.claim.asset_ids])
        log.info(
            "agent connected",
            agent=served.agent,
            peer=caller.peer,
            session=served.session_id,
            assets=len(index),
            software=served.claim.software,
        )

    def _session_row(self, served: _Served, peer: str, asset_id: str, now_ms: int) -> SessionRow:
        asset = self.live.fleet.assets[asset_id]
        site = self.live.fleet.site_of(asset)
        return SessionRow(served.session_id, asset_id, asset.name, site.id, site.name, served.agent, peer, now_ms)

    def _end(self, served: _Served, ended: Ended) -> None:
        self.live.disconnect(served.session_id)
        self.keep([SessionEnd(served.session_id, self.clock().utc_ms, str(ended))])
        log.info("agent disconnected", agent=served.agent, session=served.session_id, why=str(ended))

    # --- what it says

    async def _hear(self, served: _Served, session: Downward, message: AgentMessage) -> None:
        now = self.clock()
        ids = served.claim.asset_ids
        self.live.heartbeat(ids, now.utc_ms)
        match message.WhichOneof("body"):
            case "telemetry":
                self._hear_telemetry(served, message.telemetry, now)
                session.outgoing.offer("ack", HeadendMessage(ack=Ack(seq=message.telemetry.seq)))
            case "outcome":
                self._note_report(served, convert.report(message.outcome, ids), now)
            case "event":
                self._note_event(served, convert.asset_event(message.event, ids), now)
            case "heartbeat":
                self._hear_clock(served, message.heartbeat.sent_ms, now)
            case "register":
                raise BadInput([Problem("AgentMessage", "register", "came twice on one stream")])
            case _:
                raise BadInput([Problem("AgentMessage", "body", "is empty, or of a newer protocol than this")])

    def _hear_telemetry(self, served: _Served, telemetry: Telemetry, now: Now) -> None:
        ids = served.claim.asset_ids
        impaired, measurements = guarding.impaired(telemetry.impaired, ids), convert.measurements(telemetry, ids)
        self.live.impair(ids, impaired)
        self._take(served, measurements, telemetry.sent_ms, now)

    def _take(self, served: _Served, measurements: list[Measurement], sent_ms: int, now: Now) -> None:
        """What is old, new or of the future is judged by the agent's clock: ours may be wrong, or may have stepped."""
        if sent_ms:  # an older agent does not say, save in its heartbeats
            served.hear(sent_ms, now)
        told = served.told(now)
        rows: list[HistoryRow] = []
        for measurement in measurements:
            why = implausible(self.live.fleet.assets[measurement.asset_id], measurement, told)
            if why is not None:
                self._complain(served, measurement.asset_id, why)
                continue
            self.live.take(measurement, told)
            if measurement.time_ms <= now.utc_ms + AHEAD_MS:
                rows.append(TelemetryRow(measurement, now.utc_ms))
            else:
                self._complain(served, measurement.asset_id, "history cannot keep what is of the future by our clock")
        if rows:
            self.keep(rows)

    def _note_report(self, served: _Served, report: convert.Report, now: Now) -> None:
        """Of a device that it has just looked at, an agent knows more than its telemetry of up to a period ago.

        Not so before it has said what its clock says: what it says again when it comes back may be of long ago.
        """
        report = self._believable(served, report)
        if report.state in _SEEN and report.power_w is not None and served.source is not None:
            self.live.report(report.asset_id, report.power_w, report.time_ms, served.told(now))
        self.dispatcher.heard(report)

    def _believable(self, served: _Served, report: convert.Report) -> convert.Report:
        """The report, without a power that cannot be: it would go into the sum of its dispatch."""
        if report.power_w is None:
            return report
        why = implausible_power(self.live.fleet.assets[report.asset_id], report.power_w)
        if why is None:
            return report
        self._complain(served, report.asset_id, why)
        return replace(report, power_w=None)

    def _complain(self, served: _Served, asset_id: str, why: str) -> None:
        complaints = served.complaints
        complaints.refused_rows += 1
        if time.monotonic() - complaints.said_s >= _COMPLAIN_EVERY_S:
            complaints.said_s = time.monotonic()
            log.warning(
                "measurement refused", agent=served.agent, asset=asset_id, why=why, refused=complaints.refused_rows
            )

    def _note_event(self, served: _Served, event: convert.AssetEvent, now: Now) -> None:
        source = f"urn:derms:agent:{served.agent}"
        row = EventRow(
            uuid.uuid4().hex,
            event.asset_id,
            event.time_ms,
            event.type,
            event.severity.value,
            event.message,
            source,
            now.utc_ms,
        )
        self.keep([row])

    def _hear_clock(self, served: _Served, sent_ms: int, now: Now) -> None:
        """A source whose clock is off dates its values and its history by that: say so once."""
        if not 0 <= sent_ms <= LATEST_MS:
            raise BadInput([Problem("Heartbeat", "sent_ms", f"is {sent_ms}, no UTC time in milliseconds")])
        served.hear(sent_ms, now)
        if abs(now.utc_ms - sent_ms) > _CLOCK_TOLERANCE_MS and not served.complaints.clock_told:
            served.complaints.clock_told = True
            log.warning("an agent's clock differs", agent=served.agent, by_s=round((sent_ms - now.utc_ms) / 1000, 1))

    # --- what it is told

    def _beat(self, number: int) -> HeadendMessage:
        return HeadendMessage(heartbeat=Heartbeat(number=number, sent_ms=self.clock().utc_ms))

    def _seal(self, item: HeadendMessage | _Setpoint) -> HeadendMessage:
        if isinstance(item, HeadendMessage):
            return item
        self.dispatcher.sent(item.intent)
        return item.message


def _some(ids: list[str], most: int = 3) -> str:
    more = f" and {len(ids) - most} more" if len(ids) > most else ""
    return ", ".join(ids[:most]) + more
