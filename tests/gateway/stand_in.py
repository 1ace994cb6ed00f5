"""A small but real headend for the gateway's tests (mutual TLS, BoundaryLink over gRPC, signed publications), and the
gateway as a process of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from dermscore.sheets.points import Series
from gateway.contract import FILES
from gateway.setup import init
from tests.gateway.stage import CALCULATED, files
from tests.ports import free_ports
from wire import dial, pki
from wire.boundary import (
    BoundaryCommand,
    BoundaryOutcome,
    Reading,
    Wanted,
    boundary_command,
    command_outcome,
    point_batch,
    wanted,
)
from wire.dial import Caller, Ended, Session, Stream, Why
from wire.identity import Role, TlsFiles
from wire.publication import Publisher, load_publisher
from wire.v1.boundary_link_pb2 import GatewayMessage, Publication, PublisherHeartbeat, SignedPublication

ROOT = Path(__file__).parents[2]

Values = Callable[[], dict[Series, float | None]]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass
class StandIn:
    """Publishes `values()` every `period_s` to whoever says Hello. Owner of every field: the test's loop."""

    publisher: Publisher
    values: Values = dict
    period_s: float = 0.1
    port: int = 0
    commands: asyncio.Queue[BoundaryCommand] = field(default_factory=asyncio.Queue)
    status: list[dict[str, str]] = field(default_factory=list)
    open_commands: tuple[str, ...] = ()
    published: list[list[Reading]] = field(default_factory=list)
    session: Session[GatewayMessage, Publication, SignedPublication] | None = None
    _echo: int = 0
    _seq: int = 0
    _nonce: bytes = b""
    _series: tuple[Series, ...] = ()

    @contextlib.asynccontextmanager
    async def listening(self, files: TlsFiles) -> AsyncIterator[StandIn]:
        server = dial.server()
        dial.serve(server, dial.BOUNDARY_LINK, self._talk, role=Role.GATEWAY, note=lambda peer, ended: None)
        self.port = dial.listen(server, f"127.0.0.1:{self.port}", files)
        await server.start()
        try:
            yield self
        finally:
            if self.session is not None:
                self.session.end(Why.LOST)
            await server.stop(0)

    def outcome(self, told: BoundaryOutcome) -> None:
        assert self.session is not None
        self.session.outgoing.put(Publication(outcome=command_outcome(told)))

    @property
    def seq(self) -> int:
        """The number of the newest publication on the stream that is open."""
        return self._seq

    async def _talk(self, caller: Caller, stream: Stream[GatewayMessage, SignedPublication]) -> Ended:
        session: Session[GatewayMessage, Publication, SignedPublication] = Session(
            stream, beat=lambda number: Publication(heartbeat=PublisherHeartbeat()), seal=self._seal
        )
        said: Wanted = wanted((await session.first()).hello)
        self.open_commands = said.open_commands
        self._nonce, self._series, self._seq, self._echo = said.nonce, said.series, 0, 0
        self.session = session
        try:
            async with asyncio.TaskGroup() as group:
                publishing = group.create_task(self._publish(session))
                ended = await session.run(self._hear)
                publishing.cancel()
        finally:
            self.session = None
        return ended

    async def _publish(self, session: Session[GatewayMessage, Publication, SignedPublication]) -> None:
        index = {series: number for number, series in enumerate(self._series)}
        published_s = -math.inf
        while True:
            if time.monotonic() - published_s >= self.period_s:  # which the test may change meanwhile
                published_s = time.monotonic()
                self._publish_once(session, index)
            await asyncio.sleep(min(self.period_s, 0.05))

    def _publish_once(
        self, session: Session[GatewayMessage, Publication, SignedPublication], index: dict[Series, int]
    ) -> None:
        rows = [
            Reading(series, value, now_ms(), CALCULATED, 4, 4, 100.0, 100)
            for series, value in self.values().items()
            if series in index
        ]
        if rows:
            self.published.append(rows)
            session.outgoing.offer("points", Publication(points=point_batch(rows, index)))

    async def _hear(self, message: GatewayMessage) -> None:
        match message.WhichOneof("body"):
            case "heartbeat":
                self._echo = message.heartbeat.number
            case "command":
                self.commands.put_nowait(boundary_command(message.command))
            case "status":
                self.status.append(dict(message.status.fields))

    def _seal(self, body: Publication) -> SignedPublication:
        self._seq += 1
        body.nonce, body.seq, body.heartbeat_echo, body.made_ms = self._nonce, self._seq, self._echo, now_ms()
        return self.publisher.sign(body)


@dataclass
class GatewayProcess:
    """`derms gateway run` in a process of its own, with a folder that `init` made."""

    folder: Path
    port: int
    log: Path
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "daemon.cli", "--log", "plain", "gateway", "run", str(self.folder),
                cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=log, stderr=log,
            )  # fmt: skip

    async def listening(self) -> None:
        """Wait until masters can connect."""
        async with asyncio.timeout(30):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.close()
                    await writer.wait_closed()
                    return
                assert self.process is not None
                assert self.process.returncode is None, self.log.read_text()
                await asyncio.sleep(0.02)

    async def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()

    async def stop(self) -> int:
        """Ask it to end, and return its exit code."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.terminate()
        return await asyncio.wait_for(self.process.wait(), 20)


def make_gateway(folder: Path, pki_folder: Path, headend_port: int, **contract: object) -> tuple[Path, int]:
    """A gateway's folder as `init` makes it, with the tests' small contract; and the port where masters connect."""
    from daemon.config import Address

    home = folder / "gateway"
    init(home, pki_folder, Address(f"127.0.0.1:{headend_port}"), "tests/gateway")
    port = free_port()
    for name, content in files(port=port, **contract).items():  # type: ignore[arg-type]
        assert name in FILES
        (home / "policies" / "gateway" / name).write_bytes(content)
    return home, port


def free_port() -> int:
    return free_ports(1)[0]


def make_pki(folder: Path) -> Path:
    pki.init(folder, [])
    return folder


def publisher_of(pki_folder: Path) -> Publisher:
    return load_publisher(pki_folder / "publisher.key")


async def eventually(met: Callable[[], bool], within_s: float = 20) -> None:
    """Wait for a condition, with a deadline."""
    until_s = time.monotonic() + within_s
    while not met():
        assert time.monotonic() < until_s, f"not within {within_s} s"
        await asyncio.sleep(0.02)
