"""One request to a witness: outbound, one connection, everything within a deadline and a length."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from audit.format.note import NOTE_LIMIT
from audit.witness import http
from audit.witness.submission import Answer

DEADLINE_S: Final = 10.0


class Unreachable(Exception):
    """No answer. The text says why."""


@dataclass(frozen=True, slots=True)
class Url:
    """A witness's submission prefix, such as `http://witness.example:7453` or `https://witness.example/w1`."""

    text: str
    tls: bool
    host: str
    port: int
    target: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """ValueError in plain words."""
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            raise ValueError(f"{text!r} is not a witness's URL, such as http://witness.example:7453")
        if parts.query or parts.fragment or any(not "!" <= character <= "~" for character in text):
            raise ValueError(f"{text!r} has more than a host, a port and a path in it")
        tls = parts.scheme == "https"
        port = parts.port if parts.port is not None else 443 if tls else 80
        return cls(text, tls, parts.hostname, port, f"{parts.path.rstrip('/')}/add-checkpoint")


def tls_context(ca: Path | None) -> ssl.SSLContext:
    """What an https witness is checked against: `ca` (PEM), else the system's authorities. OSError, ssl.SSLError."""
    context = ssl.create_default_context(cafile=None if ca is None else str(ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


async def post(url: Url, body: bytes, tls: ssl.SSLContext | None, deadline_s: float = DEADLINE_S) -> Answer:
    """Send an add-checkpoint body. Unreachable for whatever is no answer; never longer than `deadline_s`."""
    try:
        async with asyncio.timeout(deadline_s):
            return await _exchange(url, body, tls)
    except TimeoutError:
        raise Unreachable(f"{url.text} did not answer within {deadline_s:g} s") from None
    except (OSError, EOFError, UnicodeError, asyncio.LimitOverrunError, http.BadHttp) as why:  # UnicodeError: the host
        text = why.strerror if isinstance(why, OSError) and why.strerror else str(why) or type(why).__name__
        raise Unreachable(f"{url.text}: {text}") from None


async def _exchange(url: Url, body: bytes, tls: ssl.SSLContext | None) -> Answer:
    reader, writer = await asyncio.open_connection(url.host, url.port, ssl=tls if url.tls else None)
    try:
        host = f"[{url.host}]" if ":" in url.host else url.host
        writer.write(http.request(f"{host}:{url.port}", url.target, body))
        await writer.drain()
        head = http.response_head(await reader.readuntil(b"\r\n\r\n"))
        if head.length is not None and head.length > NOTE_LIMIT:
            raise http.BadHttp(HTTPStatus.BAD_GATEWAY, f"the answer has {head.length} bytes")
        return Answer(head.status, head.kind, await _body(reader, head.length))
    finally:
        writer.transport.abort()


async def _body(reader: asyncio.StreamReader, length: int | None) -> bytes:
    if length is not None:
        return await reader.readexactly(length)
    parts, total = [], 0
    while part := await reader.read(NOTE_LIMIT):
        parts.append(part)
        total += len(part)
        if total > NOTE_LIMIT:
            raise http.BadHttp(HTTPStatus.BAD_GATEWAY, f"the answer has more than {NOTE_LIMIT} bytes")
    return b"".join(parts)
