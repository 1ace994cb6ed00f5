"""The witness's service on a real socket: the protocol, and clients that are slow, greedy, wrong or gone."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.errors import Damaged
from audit.format.note import parse
from audit.witness.cosignature import Cosigned, check
from audit.witness.server import Limits, Server
from audit.witness.store import WitnessStore
from tests.audit.witness.stage import KEY, NOW_S, ORIGIN, OTHER, asked, forked, leaves, log_key, made, signed, wkey

NEVER_S = 60.0
"""Far longer than anything here takes on the slowest machine."""


@contextlib.asynccontextmanager
async def serving(store: WitnessStore, limits: Limits | None = None) -> AsyncIterator[int]:
    server = Server(store, lambda: NOW_S, limits or Limits())
    port = await server.start("127.0.0.1", 0)
    try:
        yield port
    finally:
        await server.stop()


@pytest.fixture
def store(tmp_path: Path) -> WitnessStore:
    return made(tmp_path / "witness")


async def exchange(port: int, data: bytes, *, end: bool = False) -> bytes:
    """Send, perhaps send no more, and hear everything that comes until the connection ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        if end:
            writer.write_eof()
        async with asyncio.timeout(NEVER_S):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.transport.abort()


def posted(body: bytes, target: str = "/add-checkpoint", *, close: bool = True) -> bytes:
    more = "Connection: close\r\n" if close else ""
    return f"POST {target} HTTP/1.1\r\nHost: w\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


async def ask(port: int, body: bytes) -> tuple[int, bytes]:
    answer = await exchange(port, posted(body))
    return status(answer), answer.partition(b"\r\n\r\n")[2]


async def test_a_checkpoint_is_cosigned_by_the_books(store: WitnessStore) -> None:
    async with serving(store) as port:
        code, lines = await ask(port, asked(0, leaves(5)))
        assert code == 200
        assert lines.startswith("— ".encode())
        assert lines.endswith(b"\n")
        assert check(parse(signed(leaves(5)) + lines), [store.key]) == Cosigned(store.key, NOW_S)


async def test_every_refusal_has_its_status(store: WitnessStore) -> None:
    async with serving(store) as port:
        await ask(port, asked(0, leaves(5)))
        assert (await ask(port, b"old 5\n"))[0] == 400
        assert (await ask(port, asked(0, leaves(9), OTHER)))[0] == 403
        assert (await ask(port, asked(0, leaves(9), KEY, "example.com/else")))[0] == 404
        assert await ask(port, asked(0, leaves(9))) == (409, b"5\n")
        assert await ask(port, asked(5, forked(5, at=1))) == (409, b"5\n")
        assert (await ask(port, asked(5, forked(9, at=1))))[0] == 422
        answer = await exchange(port, posted(asked(0, leaves(9))))
        assert b"\r\nContent-Type: text/x.tlog.size\r\n" in answer


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (posted(b"", "/"), 404),
        (b"GET /add-checkpoint HTTP/1.1\r\nConnection: close\r\n\r\n", 405),
        (b"POST /add-checkpoint HTTP/1.1\r\n\r\n", 411),
        (b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 16385\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 9_000, 431),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 8_192 + b"\r\n\r\n", 431),
        (b"POST /add-checkpoint HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501),
        (b"\x16\x03\x01\r\n\r\n", 400),
    ],
)
async def test_what_is_no_request_is_told_so(store: WitnessStore, data: bytes, code: int) -> None:
    async with serving(store) as port:
        assert status(await exchange(port, data)) == code
        assert (await ask(port, asked(0, leaves(5))))[0] == 200


async def test_a_connection_serves_several_requests_and_then_ends(store: WitnessStore) -> None:
    async with serving(store, Limits(requests=3)) as port:
        bodies = [asked(size, leaves(size + 1)) for size in range(4)]
        answer = await exchange(port, b"".join(posted(body, close=False) for body in bodies))
        assert answer.count(b"HTTP/1.1 200 OK\r\n") == 3
        assert answer.count(b"Connection: close") == 1


async def test_whoever_says_nothing_more_is_let_go(store: WitnessStore) -> None:
    async with serving(store, Limits(request_s=0.2)) as port:
        for part in (b"", b"POST /add-ch", posted(asked(0, leaves(5)))[:-10]):
            assert await exchange(port, part) == b""
        assert (await ask(port, asked(0, leaves(5))))[0] == 200


async def test_whoever_goes_in_the_middle_disturbs_nobody(store: WitnessStore) -> None:
    async with serving(store) as port:
        for part in (b"", b"POST /add-ch", posted(asked(0, leaves(5)))[:-10]):
            assert await exchange(port, part, end=True) == b""
        assert (await ask(port, asked(0, leaves(5))))[0] == 200


async def test_one_address_has_so_many_connections_and_no_more(store: WitnessStore) -> None:
    async with serving(store, Limits(per_address=3, request_s=NEVER_S)) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        for _, writer in held:
            writer.write(b"POST ")
        assert await exchange(port, posted(asked(0, leaves(5)))) == b""
        held[0][1].transport.abort()
        answer = b""
        async with asyncio.timeout(NEVER_S):
            for _ in range(100_000):  # until the server has noticed that one is gone
                answer = await exchange(port, posted(asked(0, leaves(5))))
                if answer:
                    break
        assert status(answer) == 200
        for _, writer in held:
            writer.transport.abort()


async def test_a_disk_that_stalls_stalls_the_judging_and_not_the_listening(
    store: WitnessStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    stalled, add = threading.Event(), store.add
    monkeypatch.setattr(store, "add", lambda *given: stalled.wait(NEVER_S) and add(*given))
    async with serving(store) as port:
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(ask(port, asked(0, leaves(5))))
            assert status(await exchange(port, posted(b"", "/"))) == 404
            stalled.set()
        assert waiting.result()[0] == 200


@pytest.mark.parametrize("failure", [Damaged("it was tampered with"), OSError(28, "no space left")])
async def test_a_witness_that_cannot_remember_does_not_cosign(
    store: WitnessStore, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    def fail(*_: object) -> None:
        raise failure

    async with serving(store) as port:
        with monkeypatch.context() as patch:
            patch.setattr(store, "add", fail)
            assert await ask(port, asked(0, leaves(5))) == (503, b"the witness cannot cosign now\n")
        assert (await ask(port, asked(0, leaves(5))))[0] == 200


async def test_a_fault_of_ours_ends_one_connection_only(
    store: WitnessStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    async with serving(store) as port:
        with monkeypatch.context() as patch:
            patch.setattr(store, "add", fail)
            assert await exchange(port, posted(asked(0, leaves(5)))) == b""
        assert "a request failed" in caplog.text
        assert (await ask(port, asked(0, leaves(5))))[0] == 200


async def test_a_race_of_two_submissions_has_one_winner_each_time(store: WitnessStore) -> None:
    """All prove from one size to different ones: the first is cosigned, the others hear its size."""
    async with serving(store) as port:
        size = 0
        for _ in range(5):
            answers = await asyncio.gather(*(ask(port, asked(size, leaves(size + more))) for more in range(1, 9)))
            cosigned = [number for number, (code, _) in enumerate(answers, 1) if code == 200]
            assert len(cosigned) == 1
            size += cosigned[0]
            assert {body for code, body in answers if code == 409} == {b"%d\n" % size}


async def test_refusals_do_not_fill_the_log(store: WitnessStore, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(store) as port:
        await ask(port, asked(0, leaves(5)))
        for _ in range(20):
            await ask(port, asked(0, leaves(9), OTHER))
            await ask(port, asked(5, forked(5, at=1)))
    lines = [record.message for record in caplog.records if record.levelname in ("WARNING", "ERROR")]
    assert len(lines) == 2
    assert any("TWO TREES OF ONE SIZE" in line for line in lines)


async def test_another_log_is_no_log_of_this_witness_until_it_is_trusted(store: WitnessStore) -> None:
    body = asked(0, leaves(5), OTHER, "example.com/gateway-2")
    async with serving(store) as port:
        assert (await ask(port, body))[0] == 404
        await asyncio.to_thread(store.trust, [log_key(OTHER, "example.com/gateway-2")])
        assert (await ask(port, body))[0] == 200


GOOD = posted(asked(0, leaves(5)))
HOSTILE = st.one_of(
    st.binary(max_size=300),
    st.lists(st.sampled_from([GOOD, b"\r\n\r\n", b"POST ", b"\0" * 50, b"Content-Length: 99\r\n"]), max_size=6).map(
        b"".join
    ),
    st.tuples(st.integers(0, len(GOOD)), st.integers(0, len(GOOD)), st.binary(max_size=20)).map(
        lambda cut: GOOD[: cut[0]] + cut[2] + GOOD[cut[1] :]
    ),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(HOSTILE, min_size=1, max_size=8))
def test_whatever_is_sent_the_next_one_is_served(store: WitnessStore, sent: list[bytes]) -> None:
    async def attack() -> None:
        async with serving(store) as port:
            answers = await asyncio.gather(*(exchange(port, data, end=True) for data in sent))
            for answer in answers:
                assert answer == b"" or answer.startswith(b"HTTP/1.1 ")
            latest = store.latest(ORIGIN)
            assert latest is None or latest[0].size == 5
            size = latest[0].size if latest else 0
            assert (await ask(port, asked(size, leaves(5))))[0] == 200

    asyncio.run(attack())


def test_the_key_that_cosigns_is_the_witnesss_own(store: WitnessStore) -> None:
    assert store.key != wkey()
