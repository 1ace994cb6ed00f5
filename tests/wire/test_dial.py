"""Dialling and listening: back-off, ports, roles, a fleet that redials at once, and who is turned away."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import socket
import statistics
from pathlib import Path
from typing import Any

import grpc
import pytest

from dermscore.errors import BadInput, NotSetUp, Problem
from wire import dial
from wire.dial import Ended, PortInUse, Session, Why
from wire.identity import Refused, TlsFiles
from wire.v1.agent_link_pb2 import AgentMessage, HeadendMessage, Heartbeat, Register
from wire.v1.boundary_link_pb2 import GatewayMessage, SignedPublication

SOAK = os.environ.get("DERMS_SOAK") == "1"


def heartbeat(number: int) -> AgentMessage:
    return AgentMessage(heartbeat=Heartbeat(number=number))


async def ignore(_: object) -> None:
    return


async def talk_once(address: str, files: TlsFiles, within_s: float = 20) -> Ended:
    """One stream whose client leaves as soon as it was heard; how it ended."""
    async with asyncio.timeout(within_s), dial.channel(address, files) as channel:
        session: Session[HeadendMessage, AgentMessage, AgentMessage] = Session(
            dial.open_stream(channel, dial.AGENT_LINK), beat=heartbeat, beat_s=0.1
        )
        session.outgoing.put(AgentMessage(register=Register(asset_ids=["a"])))

        async def leave(_: HeadendMessage) -> None:
            session.outgoing.close()

        return await session.run(leave)


# --- back-off -------------------------------------------------------------------------------------------------------


def test_backoff_is_spread_evenly_under_a_ceiling_that_doubles() -> None:
    """Full jitter: 2000 agents' n-th waits are uniform in 0..min(cap, base * 2^n)."""
    fleet = [list(itertools.islice(dial.backoff(random.Random(seed), 0.5, 30), 9)) for seed in range(2000)]
    for number, ceiling in enumerate([0.5, 1, 2, 4, 8, 16, 30, 30, 30]):
        waits = [agent[number] for agent in fleet]
        assert 0 <= min(waits) <= max(waits) <= ceiling
        assert statistics.mean(waits) == pytest.approx(ceiling / 2, rel=0.05)
        assert statistics.stdev(waits) == pytest.approx(ceiling / 12**0.5, rel=0.05)


async def test_persist_waits_longer_and_longer_until_a_stream_was_steady() -> None:
    clock = itertools.count()
    ends = iter([Ended(Why.LOST)] * 6 + [Ended(Why.SILENT), Ended(Why.LOST), Ended(Why.CLOSED)])
    waits: list[float] = []

    async def talk() -> Ended:
        next(clock)
        ended = next(ends)
        await asyncio.sleep(0.06 if ended.why is Why.SILENT else 0)
        return ended

    await dial.persist(
        talk,
        rng=_Highest(),
        note=lambda _, wait_s: waits.append(wait_s),
        base_s=0.001,
        cap_s=0.016,
        steady_s=0.05,
    )
    assert waits == [0.001, 0.002, 0.004, 0.008, 0.016, 0.016, 0.001, 0.002]


@pytest.mark.parametrize("why", [Why.REFUSED, Why.REPLACED])
async def test_a_refusal_or_a_replacement_never_starts_the_backoff_anew(why: Why) -> None:
    """Two processes with one identity would else replace each other for ever, twice a second."""
    ends = iter([Ended(why)] * 3 + [Ended(Why.CLOSED)])
    waits: list[float] = []

    async def talk() -> Ended:
        await asyncio.sleep(0.01)
        return next(ends)

    await dial.persist(
        talk, rng=_Highest(), note=lambda _, wait_s: waits.append(wait_s), base_s=0.001, cap_s=1, steady_s=0
    )
    assert waits == [0.001, 0.002, 0.004]


class _Highest(random.Random):
    def uniform(self, _: float, b: float) -> float:
        return b


# --- listening ------------------------------------------------------------------------------------------------------


async def test_a_port_in_use_is_said_plainly_before_anything_starts(pki_folder: Path) -> None:
    files = TlsFiles.headend(pki_folder)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(PortInUse, match=rf"cannot listen on {address}: the port is in use"):
            dial.listen(dial.server(), address, files)


async def test_two_of_our_servers_never_share_a_port(serving: Any, pki_folder: Path) -> None:
    """grpc.so_reuseport is on by default: the second headend would take half of the agents, in silence."""
    async with serving() as headend:
        with pytest.raises(PortInUse, match="in use"):
            dial.listen(dial.server(), headend.address, TlsFiles.headend(pki_folder))


async def test_the_option_itself_keeps_ports_apart(pki_folder: Path) -> None:
    """Without our own check before: gRPC, too, must refuse."""
    credentials = grpc.ssl_server_credentials(
        [(TlsFiles.headend(pki_folder).load().key, TlsFiles.headend(pki_folder).load().cert)]
    )
    first, second = dial.server(), dial.server()
    port = first.add_secure_port("127.0.0.1:0", credentials)
    await first.start()
    try:
        with pytest.raises(RuntimeError, match="bind"):
            second.add_secure_port(f"127.0.0.1:{port}", credentials)
    finally:
        await first.stop(0)


async def test_an_address_that_is_not_ours_is_said_plainly(pki_folder: Path) -> None:
    """203.0.113.0/24 is for documentation (RFC 5737): nobody has it."""
    with pytest.raises(PortInUse, match=r"cannot listen on 203\.0\.113\.7:7450: Cannot assign"):
        dial.listen(dial.server(), "203.0.113.7:7450", TlsFiles.headend(pki_folder))


async def test_listening_without_certificates_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(NotSetUp, match="derms pki init"):
        dial.listen(dial.server(), "127.0.0.1:0", TlsFiles.headend(tmp_path))


async def test_a_port_can_be_listened_on_again_at_once(serving: Any, agent_files: TlsFiles, pki_folder: Path) -> None:
    async with serving() as headend:
        assert (await talk_once(headend.address, agent_files)).why is Why.CLOSED
    assert dial.listen(dial.server(), headend.address, TlsFiles.headend(pki_folder)) == headend.port


# --- serving --------------------------------------------------------------------------------------------------------


async def test_a_caller_of_another_role_is_refused_and_both_sides_know(serving: Any, pki_folder: Path) -> None:
    async with serving() as headend:
        ended = await talk_once(headend.address, TlsFiles.gateway(pki_folder))
        assert ended == Ended(Why.REFUSED, "urn:derms:gateway:gateway has no business here: this is for the role agent")
        ((peer, noted),) = headend.noted
        assert noted == ended
        assert peer.startswith("ipv4:127.0.0.1:")


@pytest.mark.parametrize(
    ("raised", "why"),
    [(Refused("may not claim asset b"), Why.REFUSED), (BadInput([Problem("R", "a", "is empty")]), Why.BAD_MESSAGE)],
)
async def test_what_a_handler_raises_is_told_to_the_caller_and_noted(
    serving: Any, agent_files: TlsFiles, raised: Exception, why: Why
) -> None:
    async def talk(*_: object) -> Ended:
        raise raised

    async with serving(talk) as headend:
        assert await talk_once(headend.address, agent_files) == Ended(Why.REFUSED, str(raised))
        assert [ended for _, ended in headend.noted] == [Ended(why, str(raised))]


async def test_who_is_refused_while_writing_learns_why_too(serving: Any, agent_files: TlsFiles) -> None:
    """The refusal races the caller's messages; grpc.aio's own write would hide it behind an internal error."""

    async def talk(*_: object) -> Ended:
        raise Refused("may not claim asset b")

    async def many_messages(channel: grpc.aio.Channel) -> Ended:
        session: Session[HeadendMessage, AgentMessage, AgentMessage] = Session(
            dial.open_stream(channel, dial.AGENT_LINK), beat=heartbeat
        )
        for _ in range(20):
            session.outgoing.put(AgentMessage())
        return await session.run(ignore)

    async with serving(talk) as headend, asyncio.timeout(60), dial.channel(headend.address, agent_files) as channel:
        ends = [await many_messages(channel) for _ in range(1000 if SOAK else 100)]
    assert set(ends) == {Ended(Why.REFUSED, "may not claim asset b")}


async def test_a_handler_learns_who_called(serving: Any, agent_files: TlsFiles) -> None:
    callers: list[dial.Caller] = []

    async def talk(caller: dial.Caller, _: object) -> Ended:
        callers.append(caller)
        return Ended(Why.CLOSED)

    async with serving(talk) as headend:
        assert (await talk_once(headend.address, agent_files)).why is Why.LEFT
    assert callers[0].identity == agent_files.load().identity
    assert callers[0].peer.startswith("ipv4:127.0.0.1:")


async def test_a_fleet_that_redials_at_once_gets_in(serving: Any, agent_files: TlsFiles) -> None:
    """A headend came back: every agent dials in the same instant, each on a connection of its own."""
    async with serving() as headend:
        ends = await asyncio.gather(
            *(talk_once(headend.address, agent_files, within_s=100) for _ in range(300 if SOAK else 60))
        )
    assert {ended.why for ended in ends} == {Why.CLOSED}


async def test_a_proxy_in_the_environment_is_no_part_of_the_path(
    serving: Any, agent_files: TlsFiles, monkeypatch: pytest.MonkeyPatch, unused_port: int
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{unused_port}")
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{unused_port}")
    monkeypatch.delenv("no_proxy", raising=False)
    async with serving() as headend:
        assert (await talk_once(headend.address, agent_files)).why is Why.CLOSED


async def test_a_message_beyond_the_limit_ends_its_stream_and_no_other(serving: Any, agent_files: TlsFiles) -> None:
    async with serving() as headend, asyncio.timeout(20), dial.channel(headend.address, agent_files) as channel:
        session: Session[HeadendMessage, AgentMessage, AgentMessage] = Session(
            dial.open_stream(channel, dial.AGENT_LINK), beat=heartbeat
        )
        session.outgoing.put(AgentMessage(register=Register(software="x" * dial.MAX_MESSAGE_BYTES)))
        assert (await session.run(ignore)).why in (Why.REFUSED, Why.LOST, Why.LEFT)
        assert (await talk_once(headend.address, agent_files)).why is Why.CLOSED


async def test_the_wrong_port_of_a_headend_is_said_in_words(serving: Any, agent_files: TlsFiles) -> None:
    """The agents' port answers a gateway's link, or the other way round: gRPC says `Method not found!`."""
    async with serving() as headend, asyncio.timeout(20), dial.channel(headend.address, agent_files) as channel:
        session: Session[SignedPublication, GatewayMessage, GatewayMessage] = Session(
            dial.open_stream(channel, dial.BOUNDARY_LINK), beat=lambda number: GatewayMessage()
        )
        ended = await session.run(ignore)
    assert ended.why is Why.REFUSED
    assert "is not a headend's BoundaryLink: gateways dial `boundary_link` of headend.yaml" in ended.detail


# --- the descriptions of the links ----------------------------------------------------------------------------------


@pytest.mark.parametrize("link", [dial.AGENT_LINK, dial.BOUNDARY_LINK])
def test_a_link_is_what_its_proto_says(link: dial.Link[Any, Any]) -> None:
    service = link.up.DESCRIPTOR.file.services_by_name[link.service.rpartition(".")[2]]
    method = service.methods_by_name[link.method]
    assert service.full_name == link.service
    assert (method.input_type, method.output_type) == (link.up.DESCRIPTOR, link.down.DESCRIPTOR)
