"""A stream from either end, over real mutual TLS: it beats, it notices, and it ends with one word for why."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dermscore.errors import BadInput, Problem
from wire import dial, pki
from wire import session as one_session
from wire.dial import Ended, Session, Silence, Why
from wire.identity import Refused, TlsFiles
from wire.v1.agent_link_pb2 import AgentMessage, Event, HeadendMessage, Heartbeat, Register

AgentSession = Session[HeadendMessage, AgentMessage, AgentMessage]


# What a server sees of a client that breaks off: LOST, but LEFT where gRPC tells of the cancellation late.
GONE = (Why.LOST, Why.LEFT)


def heartbeat(number: int) -> AgentMessage:
    return AgentMessage(heartbeat=Heartbeat(number=number))


async def ignore(_: HeadendMessage) -> None:
    return


@contextlib.asynccontextmanager
async def dialled(address: str, files: TlsFiles, **options: Any) -> AsyncIterator[AgentSession]:
    options = {"beat": heartbeat, "beat_s": 0.1, "silence_s": 5.0} | options
    async with asyncio.timeout(30), dial.channel(address, files) as channel:
        yield Session(dial.open_stream(channel, dial.AGENT_LINK), **options)


async def running(
    session: AgentSession,
    then: Callable[[], Awaitable[object]],
    hear: Callable[[HeadendMessage], Awaitable[None]] = ignore,
) -> Ended:
    """Run the session while `then` happens."""
    async with asyncio.TaskGroup() as group:
        ended = group.create_task(session.run(hear))
        await then()
    return ended.result()


# --- silence, pure --------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 100)), st.floats(0, 200))
def test_silence_counts_from_what_was_heard_last(heard: list[float], now: float) -> None:
    silence = Silence(15, now_s=0)
    for at in heard:
        silence.heard(at)
    assert silence.expired(now) == (now >= max([0.0, *heard]) + 15)


def test_our_own_pause_is_not_the_peers_silence() -> None:
    silence = Silence(15, now_s=0)
    silence.forgive(20, now_s=20)
    assert not silence.expired(20)
    assert silence.expired(35)


def test_a_pause_is_not_forgiven_twice_where_the_peer_was_heard_first() -> None:
    silence = Silence(15, now_s=0)
    silence.heard(8 * 3600)  # the first thing after a night's suspension
    silence.forgive(8 * 3600, now_s=8 * 3600 + 1)
    assert silence.expired(8 * 3600 + 16)


def test_a_sessions_clock_goes_on_while_the_machine_is_suspended(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = {time.CLOCK_BOOTTIME: 3_700.0, time.CLOCK_MONOTONIC: 100.0}
    monkeypatch.setattr(time, "clock_gettime", clocks.__getitem__)
    monkeypatch.setattr(time, "monotonic", lambda: clocks[time.CLOCK_MONOTONIC])
    said_s = one_session._mono_s()
    monkeypatch.setattr(one_session, "_BOOT_CLOCK", None)  # a platform that has none
    without_s = one_session._mono_s()
    monkeypatch.undo()
    assert (said_s, without_s) == (3_700.0, 100.0)


# --- the usual ------------------------------------------------------------------------------------------------------


async def test_both_sides_beat_with_numbers_from_one(serving: Any, agent_files: TlsFiles) -> None:
    beats: asyncio.Queue[HeadendMessage] = asyncio.Queue()
    async with serving() as headend, dialled(headend.address, agent_files) as session:

        async def three_each_way() -> None:
            assert [(await beats.get()).heartbeat.number for _ in range(3)] == [1, 2, 3]
            assert [(await headend.heard.get()).heartbeat.number for _ in range(3)] == [1, 2, 3]
            session.end(Why.CLOSED)

        assert await running(session, three_each_way, beats.put) == Ended(Why.CLOSED)


async def test_what_is_queued_before_closing_arrives(serving: Any, agent_files: TlsFiles) -> None:
    async with serving() as headend, dialled(headend.address, agent_files) as session:
        for number in range(50):
            session.outgoing.put(AgentMessage(event=Event(time_ms=number)))
        session.outgoing.close()
        assert await session.run(ignore) == Ended(Why.CLOSED)
        assert await headend.ended.get() == Ended(Why.LEFT)
        assert [headend.heard.get_nowait().event.time_ms for _ in range(50)] == list(range(50))


async def test_sealing_happens_when_written_so_that_numbers_have_no_gaps(serving: Any, agent_files: TlsFiles) -> None:
    numbers = iter(range(1, 100))

    def seal(message: AgentMessage) -> AgentMessage:
        return AgentMessage(event=Event(time_ms=next(numbers), message=message.event.message))

    async with serving() as headend, dialled(headend.address, agent_files, seal=seal, beat_s=60) as session:
        for text in ("first", "swallowed", "last"):
            session.outgoing.offer("slot", AgentMessage(event=Event(message=text)))
        session.outgoing.put(AgentMessage(event=Event(message="ordered")))
        session.outgoing.close()
        await session.run(ignore)
        events = [headend.heard.get_nowait().event for _ in range(headend.heard.qsize())]
        assert [(event.time_ms, event.message) for event in events] == [(1, "last"), (2, "ordered")]


async def test_the_server_ends_in_good_order(serving: Any, agent_files: TlsFiles) -> None:
    async with serving() as headend, dialled(headend.address, agent_files) as session:

        async def server_closes() -> None:
            other = await headend.sessions.get()
            other.outgoing.put(HeadendMessage(heartbeat=Heartbeat(number=77)))
            other.outgoing.close()

        heard: list[int] = []

        async def hear(message: HeadendMessage) -> None:
            heard.append(message.heartbeat.number)

        assert await running(session, server_closes, hear) == Ended(Why.LEFT)
        assert heard[-1] == 77


# --- ends that are told ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("why", "seen"),
    [
        (Why.REPLACED, Why.REPLACED),
        (Why.EXPIRED, Why.EXPIRED),
        (Why.REFUSED, Why.REFUSED),
        (Why.REVOKED, Why.REFUSED),
        (Why.BAD_MESSAGE, Why.REFUSED),
        (Why.SILENT, Why.LOST),
        (Why.STALLED, Why.LOST),
        (Why.OVERFLOW, Why.LOST),
    ],
)
async def test_the_client_is_told_why_the_server_ended(
    serving: Any, agent_files: TlsFiles, why: Why, seen: Why
) -> None:
    async with serving() as headend, dialled(headend.address, agent_files) as session:

        async def server_ends() -> None:
            (await headend.sessions.get()).end(why, "because of the test")

        assert await running(session, server_ends) == Ended(seen, "because of the test")


@pytest.mark.parametrize(
    ("raised", "why", "detail"),
    [
        (BadInput([Problem("Event", "asset", "is 9")]), Why.BAD_MESSAGE, "Event: asset: is 9"),
        (Refused("not yours"), Why.REFUSED, "not yours"),
    ],
)
async def test_a_message_that_is_not_taken_ends_the_stream_on_both_sides(
    serving: Any, agent_files: TlsFiles, raised: Exception, why: Why, detail: str
) -> None:
    async def talk(_: dial.Caller, stream: Any) -> Ended:
        session = Session(stream, beat=lambda number: HeadendMessage(heartbeat=Heartbeat(number=number)))

        async def hear(_: AgentMessage) -> None:
            raise raised

        ended = await session.run(hear)
        assert ended == Ended(why, detail)
        return ended

    async with serving(talk) as headend, dialled(headend.address, agent_files) as session:
        session.outgoing.put(AgentMessage(event=Event()))
        assert await session.run(ignore) == Ended(Why.REFUSED, detail)


async def test_a_fault_of_ours_in_hear_is_not_hidden(serving: Any, agent_files: TlsFiles) -> None:
    async def broken(_: HeadendMessage) -> None:
        raise ZeroDivisionError

    async with serving() as headend, dialled(headend.address, agent_files) as session:
        with pytest.raises(ExceptionGroup) as caught:
            await session.run(broken)
        assert caught.group_contains(ZeroDivisionError)
        assert session.ended is not None
        assert (await headend.ended.get()).why in GONE


async def test_a_session_that_was_ended_before_it_ran(serving: Any, agent_files: TlsFiles) -> None:
    """A newer session may replace an older one that has only just been made."""
    async with serving() as headend, dialled(headend.address, agent_files) as session:
        session.end(Why.REPLACED, "by a newer one")
        session.end(Why.CLOSED, "the first reason stands")
        assert await session.run(ignore) == Ended(Why.REPLACED, "by a newer one")


# --- the first message ----------------------------------------------------------------------------------------------


async def test_the_first_message_is_waited_for_only_so_long(serving: Any, agent_files: TlsFiles) -> None:
    async def talk(_: dial.Caller, stream: Any) -> Ended:
        await Session(stream, beat=heartbeat).first(within_s=0.1)
        raise AssertionError("nothing was sent")

    async with serving(talk) as headend, dialled(headend.address, agent_files, beat_s=60) as session:
        assert await session.run(ignore) == Ended(Why.REFUSED, "no first message within 0.1 s")
        assert [ended.why for _, ended in headend.noted] == [Why.REFUSED]


async def test_the_first_message_comes_before_the_rest(serving: Any, agent_files: TlsFiles) -> None:
    async def talk(_: dial.Caller, stream: Any) -> Ended:
        session = Session(stream, beat=lambda number: HeadendMessage(heartbeat=Heartbeat(number=number)))
        first = await session.first()
        assert list(first.register.asset_ids) == ["a", "b"]
        rest: asyncio.Queue[AgentMessage] = asyncio.Queue()
        ended = await session.run(rest.put)
        assert rest.get_nowait().event.time_ms == 5
        return ended

    async with serving(talk) as headend, dialled(headend.address, agent_files) as session:
        session.outgoing.put(AgentMessage(register=Register(asset_ids=["a", "b"])))
        session.outgoing.put(AgentMessage(event=Event(time_ms=5)))
        session.outgoing.close()
        assert await session.run(ignore) == Ended(Why.CLOSED)


async def test_a_stream_that_ends_before_its_first_message(serving: Any, agent_files: TlsFiles) -> None:
    async def talk(_: dial.Caller, stream: Any) -> Ended:
        await Session(stream, beat=heartbeat).first()
        raise AssertionError("nothing was sent")

    async with serving(talk) as headend, dialled(headend.address, agent_files, beat_s=60) as session:
        session.outgoing.close()
        assert (await session.run(ignore)).detail == "the stream ended before its first message"


# --- ends that nobody tells -----------------------------------------------------------------------------------------


async def test_a_half_open_connection_is_noticed_on_both_sides(serving: Any, agent_files: TlsFiles, proxy: Any) -> None:
    """A middlebox that swallows every byte and keeps both sockets open: only silence can tell."""
    async with (
        serving(silence_s=0.8) as headend,
        proxy(headend.port) as middlebox,
        dialled(f"127.0.0.1:{middlebox.port}", agent_files, silence_s=0.8) as session,
    ):

        async def swallow() -> None:
            await headend.heard.get()
            middlebox.swallowing = True

        assert (await running(session, swallow)).why is Why.SILENT
        assert (await headend.ended.get()).why is Why.SILENT


async def test_a_refused_connection_is_lost(agent_files: TlsFiles, unused_port: int) -> None:
    async with dialled(f"127.0.0.1:{unused_port}", agent_files) as session:
        ended = await session.run(ignore)
    assert ended.why is Why.LOST
    assert "refused" in ended.detail


async def test_a_server_that_stops_is_lost(serving: Any, agent_files: TlsFiles) -> None:
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving())
        async with dialled(server.address, agent_files) as session:

            async def stop() -> None:
                await server.heard.get()
                await stack.aclose()

            assert (await running(session, stop)).why is Why.LOST


async def test_cancelling_the_client_is_seen_as_a_loss(serving: Any, agent_files: TlsFiles) -> None:
    async with serving() as headend, dialled(headend.address, agent_files) as session:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(session.run(ignore))
            await headend.heard.get()
            task.cancel()
        assert session.ended == Ended(Why.LOST, "the stream was cut off")
        assert (await headend.ended.get()).why in GONE


async def test_a_killed_client_is_seen_at_once(serving: Any, pki_folder: Path) -> None:
    """SIGKILL: the kernel closes the socket, and no goodbye is said."""
    async with asyncio.timeout(30), serving(silence_s=20) as headend:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _CLIENT, headend.address, str(pki_folder), env=os.environ | {"PYTHONPATH": "."}
        )
        await headend.heard.get()
        process.send_signal(signal.SIGKILL)
        await process.wait()
        assert (await headend.ended.get()).why in GONE


_CLIENT = """
import asyncio, sys
from pathlib import Path
from wire import dial
from wire.identity import TlsFiles
from wire.v1.agent_link_pb2 import AgentMessage, Heartbeat

async def main(address, folder):
    agent = next(iter(sorted((folder / "agents").glob("*.crt")))).stem
    async with dial.channel(address, TlsFiles.agent(folder, agent)) as channel:
        stream = dial.open_stream(channel, dial.AGENT_LINK)
        session = dial.Session(stream, beat=lambda n: AgentMessage(heartbeat=Heartbeat(number=n)), beat_s=0.1)
        await session.run(lambda _: asyncio.sleep(0))

asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
"""


async def test_a_stream_ends_when_the_peers_certificate_does(serving: Any, tmp_path: Path) -> None:
    folder = tmp_path / "pki"
    now = datetime.now(UTC)
    pki.init(folder, ["brief"], days=1, now=now - timedelta(days=1) + timedelta(seconds=3))
    files = TlsFiles.agent(folder, "brief")
    async with serving(files=TlsFiles.headend(folder)) as headend, dialled(headend.address, files) as session:
        ended = await session.run(ignore)
    assert ended == Ended(Why.EXPIRED, "the peer's certificate has expired")


# --- slow readers ---------------------------------------------------------------------------------------------------


def big(number: int) -> HeadendMessage:
    """64 KiB: a few of them fill every buffer between two processes that do not read."""
    return HeadendMessage(registered={"session_id": "x" * 65536, "headend_time_ms": number})


async def test_one_stalled_reader_holds_up_nobody_else(serving: Any, agent_files: TlsFiles) -> None:
    """Fifty messages of 64 KiB for both; one client never reads. The other gets all of them, in order, at once."""
    done: asyncio.Queue[int] = asyncio.Queue()

    async def count(message: HeadendMessage) -> None:
        if message.HasField("registered"):
            done.put_nowait(message.registered.headend_time_ms)

    async with serving() as headend, dialled(headend.address, agent_files) as stalled:
        asleep = asyncio.Event()

        async def sleep(_: HeadendMessage) -> None:
            await asleep.wait()

        async def prove() -> None:
            stalled_end = await headend.sessions.get()
            async with dialled(headend.address, agent_files) as lively:

                async def feed_both() -> None:
                    lively_end = await headend.sessions.get()
                    for number in range(50):
                        stalled_end.outgoing.put(big(number))
                        lively_end.outgoing.put(big(number))
                    assert [await done.get() for _ in range(50)] == list(range(50))
                    assert len(stalled_end.outgoing) > 0
                    lively.end(Why.CLOSED)

                await running(lively, feed_both, count)
            asleep.set()
            stalled.end(Why.CLOSED)

        await running(stalled, prove, sleep)


async def test_a_reader_that_takes_nothing_is_given_up(serving: Any, agent_files: TlsFiles) -> None:
    """It keeps sending heartbeats, so it is not silent; it takes nothing, so it is of no use."""
    async with serving(silence_s=0.6) as headend, dialled(headend.address, agent_files, silence_s=20) as session:
        asleep = asyncio.Event()

        async def sleep(_: HeadendMessage) -> None:
            await asleep.wait()

        async def flood() -> None:
            other = await headend.sessions.get()
            for number in range(100):
                other.outgoing.put(big(number))
            assert (await headend.ended.get()).why is Why.STALLED
            asleep.set()

        assert (await running(session, flood, sleep)).why is Why.LOST


async def test_too_much_for_a_slow_reader_ends_the_stream(serving: Any, agent_files: TlsFiles) -> None:
    async with serving() as headend, dialled(headend.address, agent_files) as session:

        async def flood() -> None:
            other = await headend.sessions.get()
            while other.outgoing.put(HeadendMessage(heartbeat=Heartbeat(number=1))):
                pass
            assert (await headend.ended.get()).why is Why.OVERFLOW

        assert (await running(session, flood)).why is Why.LOST


async def test_our_own_long_work_is_not_the_peers_silence(serving: Any, agent_files: TlsFiles) -> None:
    async with serving() as headend, dialled(headend.address, agent_files, silence_s=0.5) as session:
        slow = iter([0.8])

        async def hear(_: HeadendMessage) -> None:
            await asyncio.sleep(next(slow, 0))

        async def after_a_while() -> None:
            for _ in range(12):
                await headend.heard.get()
            session.end(Why.CLOSED)

        assert await running(session, after_a_while, hear) == Ended(Why.CLOSED)
