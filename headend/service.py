"""A headend that runs: everything is opened first, then it listens, serves and publishes until it is told to stop.

Owner of all state: the one event loop. Each store has a thread of its own, so that a slow disk stops neither telemetry
nor setpoints.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import uvicorn
from sqlalchemy.exc import SQLAlchemyError

from daemon import logs
from daemon.clock import now as host_now
from daemon.config import Address
from daemon.run import Stop
from dermscore import assets
from dermscore.model import Fleet, Now
from dermscore.policy import Policy
from dermscore.policy.edge import edge_fallbacks
from headend import report, setup
from headend.agents import AgentDesk
from headend.api.app import create
from headend.api.desk import ApiDesk, History
from headend.boundary import BoundaryDesk
from headend.config import Home
from headend.dispatch import Dispatcher
from headend.fleet import LiveFleet
from headend.records import Abandoned, HistoryRow
from headend.store import migrate
from headend.store.history import HistoryStore
from headend.store.state import StateStore
from headend.store.thread import OneThread
from headend.store.writer import HistoryWriter, Retention
from wire import dial
from wire.dial import Ended, PortInUse
from wire.identity import Role
from wire.publication import Publisher, load_publisher

log = logs.get(__name__)

_GRACE_S: Final = 0.5
_BACKLOG: Final = 128

Clock = Callable[[], Now]


@dataclass(frozen=True, slots=True)
class Parts:
    """What a headend needs and may not start without; nothing of it listens or runs yet."""

    home: Home
    fleet: Fleet
    policy: Policy
    publisher: Publisher
    state: StateStore
    claims: Mapping[str, frozenset[str]]
    history: HistoryStore | None

    def close(self) -> None:
        self.state.close()
        if self.history is not None:
            self.history.close()


def prepare(home: Home) -> Parts:
    """Read everything that can be wrong before anything is started. Creates nothing.

    A history store that does not answer is no reason not to start; one that lacks its tables is.

    Raises:
        NotSetUp, BadInput: what is missing or wrong, and the command that mends it.
    """
    import numpy  # noqa: F401  # loaded now: the first dispatch must not make every stream wait for it

    setup.check_certificate(home.tls)
    publisher = load_publisher(home.publisher_key)
    policy = setup.load_policy(home)
    fleet = assets.load_file(home.assets)
    setup.check_listeners(home)
    state = setup.open_state(home)
    try:
        state.epoch()
        claims = setup.require_claims(state, fleet, home)
        state.expect(fleet)
        history = _open_history(home)
    except BaseException:
        state.close()
        raise
    return Parts(home, fleet, policy, publisher, state, claims, history)


async def serve(
    home: Home, stop: Stop, *, now: Clock = host_now, ready: Callable[[report.Running], None] | None = None
) -> None:
    """Run the headend in `home` until `stop`. `ready` is told once it serves.

    Raises:
        NotSetUp, BadInput, PortInUse, AlreadyRunningError: it cannot start, and nothing of it was started.
    """
    with report.only_one(home.folder):
        parts = prepare(home)
        try:
            await Headend(parts, now).run(stop, ready)
        finally:
            await asyncio.to_thread(parts.close)


class Headend:
    """One headend's parts, wired together. Owner: its loop."""

    def __init__(self, parts: Parts, now: Clock) -> None:
        config = parts.home.config
        self._parts, self._now = parts, now
        self._state_thread, self._reader = OneThread("state store"), OneThread("history reader")
        self.live = LiveFleet(parts.fleet, round(config.fresh_within_s * 1000))
        self.dispatcher = Dispatcher(parts.policy, self.live, parts.state, self._state_thread, now)
        self._writer = _writer(parts, now)
        fallbacks = edge_fallbacks(parts.policy, parts.fleet)
        self._agents = AgentDesk(self.live, self.dispatcher, parts.claims, fallbacks, self._keep, now)
        self._boundary = BoundaryDesk(
            self.live,
            self.dispatcher,
            parts.publisher,
            now,
            program=config.programs.boundary,
            period_s=config.publish_period_s,
        )

    async def run(self, stop: Stop, ready: Callable[[report.Running], None] | None = None) -> None:
        """Listen on all three addresses or on none, serve until `stop`, then leave in good order."""
        await self.dispatcher.load()
        if self._writer is not None:
            self._writer.start()
            self._writer.take([Abandoned(self._now().utc_ms)])
        try:
            async with self._listening() as (http, running):
                report.write(self._parts.home.folder, running)
                log.info("headend is up", http=running.http, agents=running.agent_link, gateways=running.boundary_link)
                if ready is not None:
                    ready(running)
                await self._work(stop, http)
        finally:
            report.remove(self._parts.home.folder)
            await self._close()
        log.info("headend stopped", why=stop.reason)

    @contextlib.asynccontextmanager
    async def _listening(self) -> AsyncIterator[tuple[socket.socket, report.Running]]:
        config, files = self._parts.home.config, self._parts.home.tls
        agents, gateways = dial.server(), dial.server()
        dial.serve(agents, dial.AGENT_LINK, self._agents.serve, role=Role.AGENT, note=_noted("agent"))
        dial.serve(gateways, dial.BOUNDARY_LINK, self._boundary.serve, role=Role.GATEWAY, note=_noted("gateway"))
        with _bound(config.http) as http:
            try:
                running = report.Running(
                    pid=os.getpid(),
                    http=_with_port(config.http, http.getsockname()[1]),
                    agent_link=_with_port(config.agent_link, dial.listen(agents, config.agent_link, files)),
                    boundary_link=_with_port(config.boundary_link, dial.listen(gateways, config.boundary_link, files)),
                    started_ms=self._now().utc_ms,
                )
                await agents.start()
                await gateways.start()
                yield http, running
            finally:
                await gateways.stop(_GRACE_S)
                await agents.stop(_GRACE_S)

    async def _work(self, stop: Stop, http: socket.socket) -> None:
        """Serve until `stop`.

        Faults are kept where they arise: of one stream in its desk, of one request in the dispatcher or the API, of one
        turn of a loop in that loop; each is logged, and all else goes on. What ends the process is `stop`, an HTTP
        server that ends, and a loop that cannot even go on to its next turn: without it the headend would only look
        alive, and a supervisor starts it anew from what is stored.
        """
        web = _Web(uvicorn.Config(create(self._api()), **_UVICORN))
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(web.serve(sockets=[http]))
            loops = [group.create_task(part) for part in (self.dispatcher.run(), self._boundary.run())]
            stopping = group.create_task(stop.wait())
            await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
            web.should_exit = True
            await serving
            stop.set("the HTTP server ended")
            for loop in loops:
                loop.cancel()

    def _api(self) -> ApiDesk:
        history = None
        if self._parts.history is not None and self._writer is not None:
            writer = self._writer
            history = History(self._parts.history, self._reader, lambda: writer.health)
        program = self._parts.home.config.programs.http
        return ApiDesk(self.live, self.dispatcher, history, self._keep, self._now, program)

    def _keep(self, rows: list[HistoryRow]) -> None:
        if self._writer is not None:
            self._writer.take(rows)

    async def _close(self) -> None:
        """What was heard last is stored, then the threads end."""
        await self.dispatcher.record()
        if self._writer is not None:
            await asyncio.to_thread(self._writer.close)
        for thread in (self._state_thread, self._reader):
            await asyncio.to_thread(thread.close)


class _Web(uvicorn.Server):
    """Uvicorn in our loop: signals are the daemon's, not its."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


_UVICORN: Final[dict[str, Any]] = {
    "lifespan": "off",
    "log_config": None,
    "access_log": False,
    "server_header": False,
    "date_header": True,
    "proxy_headers": False,
    "ws": "none",
    "timeout_keep_alive": 15,
    "timeout_graceful_shutdown": 2,
    "limit_concurrency": 256,
    "h11_max_incomplete_event_size": 16 * 1024,
}


def _open_history(home: Home) -> HistoryStore | None:
    url = home.history_url
    if url is None:
        return None
    opened = setup.open_history(url, home)
    try:
        migrate.require_newest(opened, "history", home.update_command)
    except SQLAlchemyError as error:
        log.error("the history store does not answer; starting without it", why=str(error).partition("\n")[0])
    except BaseException:
        opened.dispose()
        raise
    return HistoryStore(opened)


def _writer(parts: Parts, now: Clock) -> HistoryWriter | None:
    if parts.history is None:
        return None
    retention = Retention(tuple(parts.fleet.assets), parts.home.config.keep_days, lambda: now().utc_ms)
    return HistoryWriter(parts.history, retention=retention)


@contextlib.contextmanager
def _bound(address: Address) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((address.host, address.port))
            bound.listen(_BACKLOG)
        except OSError as error:
            raise PortInUse(f"cannot listen on {address}: {error.strerror}") from None
        bound.setblocking(False)
        yield bound


def _with_port(address: Address, port: int) -> str:
    return f"{address.rpartition(':')[0]}:{port}"


def _noted(role: str) -> Callable[[str, Ended], None]:
    def note(peer: str, ended: Ended) -> None:
        log.warning("a stream was refused", role=role, peer=peer, why=str(ended))

    return note
