"""One request to something that calls itself a witness: slow, endless, silent, over TLS, or not HTTP at all."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from audit.witness.client import Unreachable, Url, post, tls_context
from audit.witness.server import Server
from audit.witness.service import tls_context as serving_context
from audit.witness.submission import Answer
from tests.audit.witness.stage import NOW_S, asked, leaves, made
from wire import pki


@pytest.mark.parametrize(
    ("text", "tls", "host", "port", "target"),
    [
        ("http://witness.example:7453", False, "witness.example", 7453, "/add-checkpoint"),
        ("http://127.0.0.1", False, "127.0.0.1", 80, "/add-checkpoint"),
        ("https://witness.example/w1/", True, "witness.example", 443, "/w1/add-checkpoint"),
        ("http://[::1]:7453", False, "::1", 7453, "/add-checkpoint"),
    ],
)
def test_urls(text: str, tls: bool, host: str, port: int, target: str) -> None:
    assert Url.parse(text) == Url(text, tls, host, port, target)


@pytest.mark.parametrize(
    "text",
    [
        "", "witness:7453", "ftp://w", "http://", "http://u:p@w", "http://w?x", "http://w#x", "http://w/a b",
        "http://w:99999", "http://w:x", "http://w\r\nX: y", "http://[::1",
    ],
)  # fmt: skip
def test_what_is_no_url(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Url.parse(text)


@contextlib.asynccontextmanager
async def answering(*parts: bytes, end: bool = True) -> AsyncIterator[Url]:
    """Something that says these parts to whoever connects."""

    tasks: set[asyncio.Task[None]] = set()

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            for part in parts:
                writer.write(part)
                await writer.drain()
            if end:
                writer.close()
            await reader.read()
        writer.transport.abort()

    server = await asyncio.start_server(say, "127.0.0.1", 0)
    try:
        yield Url.parse(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    finally:
        server.close()
        if tasks:
            await asyncio.wait(tasks)


async def test_an_answer_with_a_length_and_one_that_ends_with_the_connection() -> None:
    async with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", b"\r\nabc") as url:
        assert await post(url, b"x", None) == Answer(200, "", b"ab")
    async with answering(b"HTTP/1.0 409 X\r\nContent-Type: text/x.tlog.size\r\n\r\n", b"1", b"7\n") as url:
        assert await post(url, b"x", None) == Answer(409, "text/x.tlog.size", b"17\n")


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([b""], "EOF|0 bytes"),
        ([b"SSH-2.0\r\n\r\n"], "not HTTP"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"], "3 bytes|EOF"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n"], "99999999 bytes"),
        ([b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 70_000], "more than 65536 bytes"),
        ([b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000], "."),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"], "transfer encodings"),
    ],
)
async def test_what_is_no_answer(parts: list[bytes], words: str) -> None:
    async with answering(*parts) as url:
        with pytest.raises(Unreachable, match=words):
            await post(url, b"x", None)


@pytest.mark.parametrize("parts", [[], [b"HTTP/1.1 200 OK\r\n"], [b"HTTP/1.1 200 OK\r\n\r\nabc"]])
async def test_whoever_says_nothing_more_is_given_up(parts: list[bytes]) -> None:
    async with answering(*parts, end=False) as url:
        with pytest.raises(Unreachable, match=r"did not answer within 0\.2 s"):
            await post(url, b"x", None, deadline_s=0.2)


async def test_nobody_there() -> None:
    async with answering() as url:
        pass
    with pytest.raises(Unreachable, match=url.text):
        await post(url, b"x", None)


async def test_a_host_that_no_name_service_could_know() -> None:
    with pytest.raises(Unreachable):
        await post(Url.parse(f"http://{'a' * 70}.example"), b"x", None)


async def test_https_where_the_authority_is_known_and_only_there(tmp_path: Path) -> None:
    pki.init(tmp_path / "pki", [])
    server = Server(made(tmp_path / "witness"), lambda: NOW_S)
    shown = serving_context(tmp_path / "pki" / "headend.crt", tmp_path / "pki" / "headend.key")
    port = await server.start("127.0.0.1", 0, shown)
    url, body = Url.parse(f"https://127.0.0.1:{port}"), asked(0, leaves(5))
    try:
        assert (await post(url, body, tls_context(tmp_path / "pki" / "ca.crt"))).status == 200
        with pytest.raises(Unreachable, match=r"(?i)certificate"):
            await post(url, body, tls_context(None))
        with pytest.raises(Unreachable):
            await post(Url.parse(f"http://127.0.0.1:{port}"), body, None)
    finally:
        await server.stop()
    with pytest.raises((OSError, ssl.SSLError)):
        tls_context(tmp_path / "missing.crt")
