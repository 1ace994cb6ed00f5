"""The agent's stream to the headend: it dials, registers, tells and hears, and comes back when the stream breaks.

The loops know nothing of it but `receive` and `link`: whatever happens here, they tick.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from agent.drivers import Clock
from agent.loop import AssetLoop
from agent.reports import Reports
from daemon import logs
from daemon.version import software
from dermscore.errors import BadInput, DermsError, Problem
from wire import convert, dial, guarding
from wire.convert import AssetEvent, Claim, Report
from wire.dial import Ended, Session, Why
from wire.identity import TlsFiles
from wire.source_time import SourceTime
from wire.v1.agent_link_pb2 import AgentMessage, HeadendMessage, Heartbeat, Registered, Telemetry

log = logs.get(__name__)

TELEMETRY_S = 4.0
# After a refusal somebody has to change something, so there is no hurry; the jitter keeps a refused fleet apart.
REFUSED_S = 30.0
_TELEMETRY = "telemetry"

AgentSession = Session[HeadendMessage, AgentMessage, AgentMessage]


class Link:
    """One agent's link. Owner of every field: the agent's event loop."""

    def __init__(
        self,
        agent_id: str,
        loops: Sequence[AssetLoop],
        reports: Reports,
        address: str,
        files: TlsFiles,
        clock: Clock,
        *,
        redial_cap_s: float = dial.CAP_S,
        telemetry_s: float = TELEMETRY_S,
        refused_s: float = REFUSED_S,
    ) -> None:
        self._agent_id = agent_id
        self._loops = {loop.asset.id: loop for loop in loops}
        self._ids = tuple(self._loops)
        self._index = {asset_id: number for number, asset_id in enumerate(self._ids)}
        self._reports = reports
        self._address, self._files, self._clock = address, files, clock
        self._redial_cap_s, self._telemetry_s, self._refused_s = redial_cap_s, telemetry_s, refused_s
        self._rng = random.Random()
        self._phase_s = random.Random(agent_id).uniform(0, telemetry_s)
        self._session: AgentSession | None = None
        self._registered = asyncio.Event()
        self._headend: SourceTime | None = None
        self._heard_mono_ms = 0
        self._seq = 0
        self._leaving = False
        self._said = ""  # why there is no link, as last logged

    @property
    def up(self) -> bool:
        """Whether a session is up and registered."""
        return self._registered.is_set()

    async def run(self) -> None:
        """Hold a session, and another, until `leave` or cancellation."""
        await dial.persist(self._talk, rng=self._rng, note=self._note, cap_s=self._redial_cap_s)

    def leave(self) -> bool:
        """Say what is queued and end the session in good order. False where there is none to end."""
        self._leaving = True
        if self._session is None:
            return False
        self._session.outgoing.close()
        return True

    # One session

    async def _talk(self) -> Ended:
        try:
            ended = await self._session_once()
        except DermsError as error:  # certificates that went away, an address that is none
            ended = Ended(Why.LOST, str(error))
        except Exception as error:
            log.exception("the link failed", agent=self._agent_id)
            ended = Ended(Why.LOST, f"a fault of ours: {error}")  # the loops must not fall with it
        if ended.why is Why.REFUSED and not self._leaving:
            await self._wait_out(ended)
        return Ended(Why.CLOSED) if self._leaving else ended

    async def _session_once(self) -> Ended:
        async with dial.channel(self._address, self._files) as channel:
            session: AgentSession = Session(
                dial.open_stream(channel, dial.AGENT_LINK), beat=self._beat, seal=self._seal
            )
            session.outgoing.put(AgentMessage(register=convert.register(self._claim())))
            self._session, self._heard_mono_ms = session, self._clock().mono_ms
            try:
                return await self._hold(session)
            finally:
                self._down()

    async def _hold(self, session: AgentSession) -> Ended:
        async with asyncio.TaskGroup() as group:
            telling = group.create_task(self._tell(session))
            ended = await session.run(self._hear)
            telling.cancel()
        return ended

    def _down(self) -> None:
        self._session = None
        self._headend = None
        self._reports.detach()
        if self._registered.is_set():
            self._registered.clear()
            for loop in self._loops.values():
                loop.link(False)

    async def _wait_out(self, ended: Ended) -> None:
        wait_s = self._rng.uniform(self._refused_s, 1.5 * self._refused_s)
        where = {"agent": self._agent_id, "headend": self._address}
        log.error("refused by the headend", why=ended.detail, retry_in_s=round(wait_s, 1), **where)
        await asyncio.sleep(wait_s)

    def _note(self, ended: Ended, wait_s: float) -> None:
        """Say once why there is no link: a fleet that redials for a day must not fill the log with one sentence."""
        if ended.why is Why.REFUSED or str(ended) == self._said:
            return
        self._said = str(ended)
        where = {"agent": self._agent_id, "headend": self._address}
        log.warning("link down", why=str(ended), redial_in_s=round(wait_s, 2), **where)

    # Up

    def _claim(self) -> Claim:
        held = {asset_id: loop.seen for asset_id, loop in self._loops.items() if loop.seen[1]}
        return Claim(self._ids, software(), held)

    def _beat(self, number: int) -> AgentMessage:
        return AgentMessage(heartbeat=Heartbeat(number=number, sent_ms=self._clock().utc_ms))

    def _seal(self, message: AgentMessage) -> AgentMessage:
        """Telemetry gets its number and its time as it is written: what a newer one replaced leaves no gap."""
        if message.WhichOneof("body") == "telemetry":
            self._seq += 1
            message.telemetry.seq = self._seq
            message.telemetry.sent_ms = self._clock().utc_ms
        return message

    async def _tell(self, session: AgentSession) -> None:
        """Telemetry at once, then at this agent's own phase of the period: a fleet must not report in chorus."""
        await self._registered.wait()
        while True:
            columns = self._columns()
            if columns.assets or columns.impaired:
                session.outgoing.offer(_TELEMETRY, AgentMessage(telemetry=columns))
            now_s = self._clock().mono_ms / 1000
            await asyncio.sleep(self._telemetry_s - (now_s - self._phase_s) % self._telemetry_s)

    def _columns(self) -> Telemetry:
        readings = [reading for loop in self._loops.values() if (reading := loop.tell()) is not None]
        columns = convert.telemetry_columns(readings, self._index, seq=0)
        impaired = {name: each for name, loop in self._loops.items() if (each := loop.impairment) is not None}
        columns.impaired.extend(guarding.impairments(impaired, self._index))
        return columns

    def _say(self, said: Report | AssetEvent) -> bool:
        if self._session is None:
            return False
        if isinstance(said, Report):
            # The latest on each intent: however many a large site has to say again, the queue does not overflow.
            of = (said.asset_id, said.epoch, said.revision)
            return self._session.outgoing.offer(of, AgentMessage(outcome=convert.outcome(said, self._index)))
        return self._session.outgoing.put(AgentMessage(event=convert.event(said, self._index)))

    # Down

    async def _hear(self, message: HeadendMessage) -> None:
        """Raises BadInput: the headend said what makes no sense, and the session ends."""
        if self._stood_still():
            return
        body = message.WhichOneof("body")
        if body == "registered":
            self._on_registered(message.registered)
        elif body == "heartbeat":
            self._on_heartbeat(message.heartbeat)
        elif body == "setpoint":
            self._on_setpoint(message)

    def _stood_still(self) -> bool:
        """Whether this process was stopped so long that what it now reads has waited for it. Then the session ends.

        Nothing tells how old such a message is; a new session brings what is in force, and the headend's time with it.
        """
        before_ms, self._heard_mono_ms = self._heard_mono_ms, self._clock().mono_ms
        paused_s = (self._heard_mono_ms - before_ms) / 1000
        if paused_s < dial.SILENCE_S or self._session is None:
            return False
        self._session.end(Why.SILENT, f"this agent heard nothing for {paused_s:.0f} s; what waited is not believed")
        return True

    def _on_heartbeat(self, heartbeat: Heartbeat) -> None:
        if self._headend is not None:
            self._headend = self._headend.hear(heartbeat.sent_ms, self._clock())

    def _on_registered(self, registered: Registered) -> None:
        if self._registered.is_set():
            raise BadInput([Problem("Registered", "", "came twice on one stream")])
        for asset_id, fallback in guarding.fallbacks(registered, self._ids).items():
            self._loops[asset_id].fall_back_by(fallback)
        self._headend = SourceTime.first(registered.headend_time_ms, self._clock())
        self._registered.set()
        self._said = ""
        for loop in self._loops.values():
            loop.link(True)
        self._reports.attach(self._say)
        log.info("registered", agent=self._agent_id, assets=len(self._ids), session=registered.session_id)

    def _on_setpoint(self, message: HeadendMessage) -> None:
        intent = convert.intent(message.setpoint, self._ids)
        if self._headend is None:
            raise BadInput([Problem("Setpoint", "", "came before Registered, so its end cannot be told")])
        self._loops[intent.asset_id].receive(intent, self._headend.offset_ms(self._clock()))
