"""BoundaryLink: the gateways' streams. Signed aggregates go down, SCADA's wishes come up, their outcomes go down.

Everything that leaves here is numbered and signed at the moment it is written, so that numbers on a stream have no gap
even where a newer batch took the place of an older one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from daemon import logs
from dermscore.decision.request import Aim, Request
from dermscore.errors import BadInput, Problem
from dermscore.model import Measurement, Now
from dermscore.policy import Action, Denied
from dermscore.sheets.points import Series
from headend import publisher
from headend.dispatch import Dispatcher
from headend.filing import NotTaken
from headend.fleet import LiveFleet
from headend.records import Kept
from wire import convert
from wire.dial import Caller, Ended, Session, Stream, Why
from wire.identity import Refused
from wire.publication import Publisher
from wire.v1 import boundary_link_pb2 as pb

log = logs.get(__name__)

COMMAND_MAX_AGE_MS: Final = 5_000
"""A command that may have been under way for longer is refused: by then SCADA has been told that it failed."""

LONGEST_ID: Final = 128
_BEAT_S: Final = 5.0
_MOST_ASKS: Final = 1000  # a gateway that wants more at once is not read until they are done
_POINTS: Final = "points"


@dataclass(frozen=True, slots=True)
class _Item:
    """Something to be published. `echo` and `made_ms` are of the moment its content was made, not sent."""

    body: pb.PointBatch | pb.CommandOutcome | pb.PublisherHeartbeat
    echo: int
    made_ms: int


Downward = Session[pb.GatewayMessage, _Item, pb.SignedPublication]


@dataclass(slots=True)
class _Stream:
    """One gateway's stream. Owner of every field: the event loop of the headend."""

    gateway: str
    wanted: convert.Wanted
    began_ms: int
    command_max_age_ms: int
    index: Mapping[Series, int] = field(default_factory=dict)
    session: Downward | None = None
    echo: int = 0
    seq: int = 0
    made_ms: int = 0
    status: Mapping[str, str] = field(default_factory=dict)
    asks: asyncio.Queue[Request] = field(default_factory=lambda: asyncio.Queue(_MOST_ASKS))
    told: dict[str, convert.BoundaryOutcome] = field(default_factory=dict)  # of its commands in force, what it was told
    sealed_ms: dict[int, int] = field(default_factory=dict)  # of the latest publications, by number; monotonic ms

    def number(self, now: Now) -> int:
        """The number of the publication that is being sealed now. Only those young enough to matter are remembered."""
        while self.sealed_ms and now.mono_ms - next(iter(self.sealed_ms.values())) > self.command_max_age_ms:
            del self.sealed_ms[next(iter(self.sealed_ms))]
        self.seq += 1
        self.sealed_ms[self.seq] = now.mono_ms
        return self.seq

    def late_after_ms(self, heard_seq: int) -> int:
        """Until when a command counts whose sender had heard publication `heard_seq` by then (0: none yet).

        It cannot have been sent before that publication was made, and this is all that our clock knows of its age: what
        waited in a connection while we stood still looks like news when it is read. Of a publication that we do not
        remember it is over already.
        """
        heard_ms = self.began_ms if heard_seq == 0 else self.sealed_ms.get(heard_seq)
        return -1 if heard_ms is None else heard_ms + self.command_max_age_ms

    def item(self, body: pb.PointBatch | pb.CommandOutcome | pb.PublisherHeartbeat, now: Now) -> _Item:
        """To be published. A wall clock that was set back must not make a batch look older than what is in it."""
        self.made_ms = max(self.made_ms, now.utc_ms)
        return _Item(body, self.echo, self.made_ms)


class BoundaryDesk:
    """Serves gateways' streams. Owner of every field: the event loop of the headend."""

    def __init__(
        self,
        live: LiveFleet,
        dispatcher: Dispatcher,
        publisher: Publisher,
        clock: Callable[[], Now],
        *,
        program: str,
        period_s: float,
        silence_s: float = 15.0,
    ) -> None:
        self._live, self._dispatcher, self._publisher, self._clock = live, dispatcher, publisher, clock
        self._program, self._period_s, self._silence_s = program, period_s, silence_s
        self._streams: dict[str, _Stream] = {}  # by gateway
        self._calculated_ms = 0
        self._told_ms: dict[str, int] = {}  # by dispatch in force: the time of what was last told of it, to anybody
        dispatcher.watch(self._follow)

    @property
    def gateways(self) -> Mapping[str, Mapping[str, str]]:
        """The gateways that are connected, with what their contracts let us know of them."""
        return {urn: stream.status for urn, stream in self._streams.items()}

    async def run(self) -> None:
        """Publish to every gateway, every period, until cancelled."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + self._period_s, loop.time())  # a pause is not made up for
            await asyncio.sleep(due - loop.time())
            try:
                self._publish(list(self._streams.values()))
            except Exception:  # in what all of them share: their values age until it is mended, and nothing else stops
                log.exception("nothing is published in this period")
            for ours in list(self._streams.values()):
                with self._alone(ours):
                    self._tell_news(ours)

    async def serve(self, caller: Caller, stream: Stream[pb.GatewayMessage, pb.SignedPublication]) -> Ended:
        """Hold one gateway's stream from its Hello to its end; returns how it ended.

        Raises:
            Refused: policy does not let it have what it wants.
            BadInput: its Hello makes no sense.
        """
        nothing = convert.Wanted(b"", (), "")
        ours = _Stream(caller.identity.urn, nothing, self._clock().mono_ms, COMMAND_MAX_AGE_MS)
        session: Downward = Session(
            stream,
            beat=lambda _: ours.item(pb.PublisherHeartbeat(), self._clock()),
            seal=lambda item: self._sealed(ours, item),
            beat_s=_BEAT_S,
            silence_s=self._silence_s,
            not_after_ms=caller.identity.not_after_ms,
        )
        ours.session, ours.wanted = session, self._hello(caller, await session.first())
        ours.index = ours.wanted.index
        ours.command_max_age_ms = self._command_max_age_ms(ours.wanted)
        try:
            self._begin(caller, ours)
            async with asyncio.TaskGroup() as group:
                answering = group.create_task(self._answer(ours))
                try:
                    return await session.run(lambda message: self._hear(ours, message))
                finally:  # what it still wanted is not carried out: its sender has no word of it, so it has failed
                    answering.cancel()
        finally:
            if self._streams.get(ours.gateway) is ours:
                del self._streams[ours.gateway]
            log.info("gateway disconnected", gateway=ours.gateway, why=str(session.ended))

    @contextmanager
    def _alone(self, ours: _Stream) -> Iterator[None]:
        """A fault of ours in serving one gateway ends its stream, which it dials anew, and nobody else's."""
        try:
            yield
        except Exception:
            log.exception("a gateway's stream is ended by a fault of the headend", gateway=ours.gateway)
            if ours.session is not None:
                ours.session.end(Why.LOST, "a fault of the headend; its log says which")

    # --- beginning

    def _hello(self, caller: Caller, message: pb.GatewayMessage) -> convert.Wanted:
        if message.WhichOneof("body") != "hello":
            raise Refused("the first message must be Hello")
        wanted = convert.wanted(message.hello)
        who = self._dispatcher.policy.principal(caller.identity.urn)
        for path in dict.fromkeys(series.path for series in wanted.series):
            verdict = self._dispatcher.policy.authorize(who, Action.SUBSCRIBE, path, now=self._clock())
            if isinstance(verdict, Denied):
                raise Refused(
                    f"{caller.identity.urn} may not subscribe to {path or 'the whole fleet'}: {verdict.reason}"
                )
        return wanted

    def _command_max_age_ms(self, wanted: convert.Wanted) -> int:
        """Where we publish so rarely that an honest gateway last heard us long ago, a few publications' time."""
        between_s = min(self._period_s, _BEAT_S) if wanted.series else _BEAT_S
        return max(COMMAND_MAX_AGE_MS, round(3 * between_s * 1000))

    def _begin(self, caller: Caller, ours: _Stream) -> None:
        unknown = sorted({s.path for s in ours.wanted.series if self._live.fleet.node(s.path) is None})
        if unknown:  # not refused: one row that lags behind assets.yaml must not blind SCADA to all others
            log.warning("a gateway wants paths without assets; they have no value", gateway=ours.gateway, paths=unknown)
        older = self._streams.pop(ours.gateway, None)
        if older is not None and older.session is not None:
            older.session.end(Why.REPLACED, "a newer stream of the same gateway took its place")
        self._streams[ours.gateway] = ours
        log.info("gateway connected", gateway=ours.gateway, peer=caller.peer, series=len(ours.wanted.series))
        self._publish([ours])

    # --- what it says

    async def _hear(self, ours: _Stream, message: pb.GatewayMessage) -> None:
        match message.WhichOneof("body"):
            case "heartbeat":
                ours.echo = max(ours.echo, message.heartbeat.number)
            case "command":
                await ours.asks.put(self._ask(ours, convert.boundary_command(message.command)))
            case "status":
                ours.status = dict(message.status.fields)
            case "ack":
                pass  # of use to those who count what is on its way; we publish the state, not its changes
            case "hello":
                raise BadInput([Problem("GatewayMessage", "hello", "came twice on one stream")])
            case _:
                raise BadInput([Problem("GatewayMessage", "body", "is empty, or of a newer protocol than this")])

    def _ask(self, ours: _Stream, command: convert.BoundaryCommand) -> Request:
        if len(command.id) > LONGEST_ID or not command.id.isprintable():
            raise BadInput([Problem("Command", "id", f"is longer than {LONGEST_ID} characters, or not printable")])
        return Request(
            id=command.id,
            who=self._dispatcher.policy.principal(ours.gateway),
            node=command.path,
            asset_id=None,
            aim=Aim(command.mode),
            target_w=command.target_w,
            duration_s=float(command.hold_s) if command.hold_s else None,
            program=self._program,
            primacy=command.primacy or None,
            late_after_ms=ours.late_after_ms(command.heard_seq),
        )

    # --- what it is told

    async def _answer(self, ours: _Stream) -> None:
        """Tell what became of its commands so far, then carry out those that come, in their order, until cancelled.

        What it names in its Hello is told first, so that nothing which it sends now is told of before it is done.
        Apart from the reading, so that a slow store stops no heartbeat: without its echo all points would go stale.
        """
        await self._catch_up(ours)
        while True:
            ask = await ours.asks.get()
            with self._alone(ours):
                answer = await self._dispatcher.submit(ask)
                if isinstance(answer, NotTaken):
                    self._tell(ours, Kept(answer.dispatch))
                elif answer.repeated or answer.kept.dispatch.over:
                    self._tell(ours, answer.kept)

    async def _catch_up(self, ours: _Stream) -> None:
        try:
            for identifier in ours.wanted.open_commands:
                kept = await self._dispatcher.find(identifier)
                if kept is None or kept.dispatch.principal != ours.gateway:
                    self._say(ours, publisher.unknown(identifier, self._clock()), self._clock(), over=True)
                elif identifier not in ours.told:  # meanwhile, because it has changed
                    self._tell(ours, kept)
        except Exception:  # a store that does not answer must not keep the points from a gateway at every dial
            log.exception("a gateway is not told what became of its commands", gateway=ours.gateway)

    def _publish(self, streams: list[_Stream]) -> None:
        if not streams:
            return
        now = self._clock()
        # The time of an aggregate is when it was calculated, and never goes back, whatever our wall clock does.
        self._calculated_ms = max(self._calculated_ms + 1, now.utc_ms)
        measurements = self._live.measurements(now)
        for ours in streams:
            if ours.session is not None and ours.wanted.series:
                with self._alone(ours):
                    batch = self._batch(ours, measurements, now)
                    ours.made_ms = max(ours.made_ms, self._calculated_ms)
                    ours.session.outgoing.offer(_POINTS, ours.item(batch, now))

    def _batch(self, ours: _Stream, measurements: Mapping[str, Measurement], now: Now) -> pb.PointBatch:
        rows = publisher.readings(
            self._live.fleet,
            measurements,
            ours.wanted.series,
            now,
            calculated_ms=self._calculated_ms,
            fresh_within_ms=self._live.fresh_within_ms,
        )
        return convert.point_batch(rows, ours.index)

    def _follow(self, kept: Kept) -> None:
        """A dispatch has changed; if it is a command of a gateway that is here, it is told."""
        ours = self._streams.get(kept.dispatch.principal)
        if ours is not None:
            with self._alone(ours):
                self._tell(ours, kept)
        if kept.dispatch.over:
            self._told_ms.pop(kept.dispatch.id, None)

    def _tell_news(self, ours: _Stream) -> None:
        """Tell what its commands in force deliver by now, each where that is news: a steady fleet has none.

        Agents report no more once a device follows; what becomes of its power after that, their telemetry says.
        """
        now = self._clock()
        for kept in self._dispatcher.ledger.moving(ours.gateway):
            told, fresh = ours.told.get(kept.dispatch.id), self._outcome(kept, now)
            if told is None or publisher.news(told, fresh):
                self._say(ours, fresh, now)

    def _tell(self, ours: _Stream, kept: Kept) -> None:
        now = self._clock()
        self._say(ours, self._outcome(kept, now), now, over=kept.dispatch.over)

    def _outcome(self, kept: Kept, now: Now) -> convert.BoundaryOutcome:
        not_before_ms = self._told_ms.get(kept.dispatch.id, 0)
        return publisher.outcome(
            kept, lambda asset_id: self._live.power(asset_id, now), now, not_before_ms=not_before_ms
        )

    def _say(self, ours: _Stream, outcome: convert.BoundaryOutcome, now: Now, *, over: bool = False) -> None:
        if ours.session is None:
            return
        if over:
            ours.told.pop(outcome.id, None)
        else:
            ours.told[outcome.id] = outcome
            self._told_ms[outcome.id] = outcome.time_ms
        ours.session.outgoing.put(ours.item(convert.command_outcome(outcome), now))

    def _sealed(self, ours: _Stream, item: _Item) -> pb.SignedPublication:
        publication = pb.Publication(
            nonce=ours.wanted.nonce,
            seq=ours.number(self._clock()),
            heartbeat_echo=item.echo,
            made_ms=item.made_ms,
        )
        match item.body:
            case pb.PointBatch():
                publication.points.CopyFrom(item.body)
            case pb.CommandOutcome():
                publication.outcome.CopyFrom(item.body)
            case _:
                publication.heartbeat.CopyFrom(item.body)
        return self._publisher.sign(publication)
