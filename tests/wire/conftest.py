"""A certificate authority, a server on a free port, and a proxy that can lie: what the tests of `wire` stand on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.ports import free_ports
from wire import dial, pki
from wire.dial import Caller, Ended, Session, Stream
from wire.identity import Role, TlsFiles
from wire.v1.agent_link_pb2 import AgentMessage, HeadendMessage, Heartbeat

AGENT = "c135af9e-604f-5f2a-aff0-1c5b43688d0c"
OTHER_AGENT = "12565c6a-4f09-57da-a16d-210ecdc00677"


@pytest.fixture(scope="session")
def pki_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki") / "pki"
    pki.init(folder, [AGENT, OTHER_AGENT])
    return folder


@pytest.fixture(scope="session")
def stranger_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another installation's CA, with the same names."""
    folder = tmp_path_factory.mktemp("stranger") / "pki"
    pki.init(folder, [AGENT, OTHER_AGENT])
    return folder


@pytest.fixture(scope="session")
def agent_files(pki_folder: Path) -> TlsFiles:
    return TlsFiles.agent(pki_folder, AGENT)


@dataclass
class Headend:
    """A server of AgentLink whose handler a test may give. Owner of what it was told: the test's loop."""

    port: int = 0
    noted: list[tuple[str, Ended]] = field(default_factory=list)
    ended: asyncio.Queue[Ended | None] = field(default_factory=asyncio.Queue)
    heard: asyncio.Queue[AgentMessage] = field(default_factory=asyncio.Queue)
    sessions: asyncio.Queue[Session[AgentMessage, HeadendMessage, HeadendMessage]] = field(
        default_factory=asyncio.Queue
    )
    beat_s: float = 0.1
    silence_s: float = 5.0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def talk(self, caller: Caller, stream: Stream[AgentMessage, HeadendMessage]) -> Ended:
        session = Session(
            stream,
            beat=lambda number: HeadendMessage(heartbeat=Heartbeat(number=number)),
            beat_s=self.beat_s,
            silence_s=self.silence_s,
            not_after_ms=caller.identity.not_after_ms,
        )
        self.sessions.put_nowait(session)
        try:
            return await session.run(self.heard.put)
        finally:
            self.ended.put_nowait(session.ended)


Serving = Callable[..., "contextlib.AbstractAsyncContextManager[Headend]"]


@pytest.fixture
def serving(pki_folder: Path) -> Serving:
    """`async with serving(**Headend fields) as headend:` a server on a free port, stopped at the end."""

    @contextlib.asynccontextmanager
    async def serve(
        handler: Callable[[Caller, Stream[AgentMessage, HeadendMessage]], Awaitable[Ended]] | None = None,
        files: TlsFiles | None = None,
        **fields: float,
    ) -> AsyncIterator[Headend]:
        headend = Headend(**fields)
        server = dial.server()
        note = lambda peer, ended: headend.noted.append((peer, ended))  # noqa: E731
        dial.serve(server, dial.AGENT_LINK, handler or headend.talk, role=Role.AGENT, note=note)
        headend.port = dial.listen(server, "127.0.0.1:0", files or TlsFiles.headend(pki_folder))
        await server.start()
        try:
            yield headend
        finally:
            await server.stop(0)

    return serve


class Proxy:
    """A TCP proxy that can swallow every byte and keep both connections open, as a broken middlebox does.

    Owner of every field: the loop that started it.
    """

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self.swallowing = False
        self._target_port = target_port
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()
        for writer in self._writers:
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        self._writers += [writer, far_writer]
        with contextlib.suppress(OSError):
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if not self.swallowing:
                writer.write(data)
        writer.close()


@pytest.fixture
def proxy() -> type[Proxy]:
    return Proxy


@pytest.fixture
def unused_port() -> int:
    """A port that nobody listens on."""
    return free_ports(1)[0]
