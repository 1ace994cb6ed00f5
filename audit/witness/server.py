"""The witness's HTTP service: POST /add-checkpoint, and nothing else. Standard library only.

Whatever a client does costs it its own connection: heads and bodies are short, every request has a deadline, and
connections are counted, all of them and each address's. Checkpoints are judged one after the other, in one thread.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from audit.errors import AuditError
from audit.format.note import parse, signature_line
from audit.witness import http
from audit.witness.http import BadHttp, RequestHead
from audit.witness.request import REQUEST_LIMIT
from audit.witness.rules import Refused, Status
from audit.witness.store import WitnessStore
from audit.witness.submission import SIZE_KIND

log = logging.getLogger(__name__)

TARGET: Final = "/add-checkpoint"
TEXT: Final = "text/plain; charset=utf-8"
SAY_AGAIN_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client, and all of them, may take."""

    request_s: float = 10.0
    """From the end of the last answer, or the connection's beginning, to the whole of the next request."""
    connections: int = 256
    per_address: int = 16
    requests: int = 100
    """On one connection."""


@dataclass(frozen=True, slots=True)
class _Reply:
    status: HTTPStatus
    kind: str
    body: bytes


@dataclass(slots=True)
class _Refusals:
    """Says each kind of refusal once a minute, with how many there were. Owner: the server's loop."""

    counts: Counter[tuple[int, bool]] = field(default_factory=Counter)
    said: dict[tuple[int, bool], float] = field(default_factory=dict)

    def note(self, refused: Refused, peer: str) -> None:
        what, now = (int(refused.status), refused.fork), time.monotonic()
        self.counts[what] += 1
        if what not in self.said or now - self.said[what] >= SAY_AGAIN_S:
            said = "TWO TREES OF ONE SIZE, see forks/;" if refused.fork else "refused"
            level = logging.ERROR if refused.fork else logging.WARNING
            log.log(
                level, "%s status=%d times=%d peer=%s why=%r", said, *what[:1], self.counts.pop(what), peer, refused.why
            )
            self.said[what] = now


class Server:
    """A witness that listens. Owner of every field: its loop."""

    def __init__(self, store: WitnessStore, clock: Callable[[], int], limits: Limits = Limits()) -> None:
        """`clock` tells UTC in seconds since 1970."""
        self._store = store  # the worker's, once it listens
        self._clock = clock
        self._limits = limits
        self._worker = ThreadPoolExecutor(1, "witness")
        self._refusals = _Refusals()
        self._open: dict[asyncio.StreamWriter, str] = {}  # each connection, and from which address
        self._talking: set[asyncio.Task[None]] = set()  # the tasks of these connections
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Listen, and say on which port. OSError."""
        within = None if tls is None else self._limits.request_s
        self._server = await asyncio.start_server(
            self._connected, host, port, ssl=tls, ssl_handshake_timeout=within, limit=http.HEAD_LIMIT
        )
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Listen no more and end every connection; what is being judged is finished first, and may stay unheard."""
        assert self._server is not None  # started
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        if self._talking:
            await asyncio.wait(self._talking)
        await asyncio.to_thread(self._worker.shutdown)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = str((writer.get_extra_info("peername") or ("?",))[0])
        others = sum(1 for each in self._open.values() if each == address)
        if len(self._open) >= self._limits.connections or others >= self._limits.per_address:
            writer.transport.abort()
            return
        self._open[writer] = address
        task = asyncio.current_task()
        assert task is not None
        self._talking.add(task)
        task.add_done_callback(self._talking.discard)
        try:
            await self._talk(reader, writer, address)
        except (OSError, EOFError, TimeoutError):
            pass  # it went away, or was too slow
        except Exception:
            log.exception("a request failed peer=%s", address)
        finally:
            del self._open[writer]
            writer.transport.abort() if writer.is_closing() else writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str) -> None:
        keep_alive, served = True, 0
        while keep_alive:
            keep_alive, served = False, served + 1
            try:
                async with asyncio.timeout(self._limits.request_s):
                    head, body = await _request(reader)
                keep_alive = head.keep_alive and served < self._limits.requests
                reply = await self._reply(head, body, address)
            except BadHttp as bad:
                reply = _Reply(bad.status, TEXT, f"{bad}\n".encode())
            except asyncio.LimitOverrunError:
                reply = _Reply(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, TEXT, b"the head is too long\n")
            writer.write(http.response(reply.status, reply.kind, reply.body, keep_alive=keep_alive))
            async with asyncio.timeout(self._limits.request_s):
                await writer.drain()

    async def _reply(self, head: RequestHead, body: bytes, address: str) -> _Reply:
        if head.target != TARGET:
            return _Reply(HTTPStatus.NOT_FOUND, TEXT, b"a witness has /add-checkpoint, and nothing else\n")
        if head.method != "POST":
            return _Reply(HTTPStatus.METHOD_NOT_ALLOWED, TEXT, b"POST a checkpoint\n")
        loop = asyncio.get_running_loop()
        try:
            answer = await loop.run_in_executor(self._worker, self._store.add, body, self._clock)
        except (AuditError, OSError) as why:
            log.error("nothing can be cosigned: %s", why)
            return _Reply(HTTPStatus.SERVICE_UNAVAILABLE, TEXT, b"the witness cannot cosign now\n")
        if isinstance(answer, Refused):
            return self._refused(answer, address)
        log.info("cosigned %s", " size ".join(answer.decode().split("\n", 2)[:2]))
        own = [line for line in parse(answer).signatures if line.key_id == self._store.key.key_id]
        return _Reply(HTTPStatus.OK, TEXT, b"".join(signature_line(line) for line in own))

    def _refused(self, refused: Refused, address: str) -> _Reply:
        self._refusals.note(refused, address)
        status = HTTPStatus(refused.status)
        if refused.status is Status.CONFLICT:
            return _Reply(status, SIZE_KIND, b"%d\n" % refused.size)
        return _Reply(status, TEXT, f"{refused.why}\n".encode())


async def _request(reader: asyncio.StreamReader) -> tuple[RequestHead, bytes]:
    """A whole request. BadHttp, asyncio.LimitOverrunError; EOFError where the client has no more."""
    head = http.request_head(await reader.readuntil(b"\r\n\r\n"), REQUEST_LIMIT)
    return head, await reader.readexactly(head.length)
