"""AgentLink over real mutual TLS: who may speak for what, what is believed, and who holds up whom (nobody)."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import UTC, datetime, timedelta

import pytest

from daemon.clock import now as host_now
from daemon.config import packaged
from dermscore.decision.request import Aim, Request
from dermscore.guard import Fallback
from dermscore.intent import Intent
from dermscore.intent import IntentState as S
from dermscore.model import Impairment, ImpairmentKind, Measurement
from dermscore.quality import GOOD
from headend import setup
from wire import dial, guarding
from wire import pki as authority
from wire.convert import AssetEvent, Claim, Report, Severity, event, outcome, register, telemetry_columns
from wire.dial import Why
from wire.identity import TlsFiles
from wire.v1.agent_link_pb2 import AgentMessage, Heartbeat


def measured(asset_id: str, power_w: float = 1e6, soc_wh: float | None = 5e7, ahead_ms: int = 0) -> Measurement:
    return Measurement(asset_id, host_now().utc_ms + ahead_ms, power_w, soc_wh, 1e6, 1e6, None, GOOD)


def tell(peer, assets, *measurements, seq=1):
    index = {asset_id: number for number, asset_id in enumerate(assets)}
    peer.session.outgoing.put(AgentMessage(telemetry=telemetry_columns(measurements, index, seq)))


def tell_impaired(peer, assets, impaired, *measurements):
    index = {asset_id: number for number, asset_id in enumerate(assets)}
    columns = telemetry_columns(measurements, index, 1)
    columns.impaired.extend(guarding.impairments(impaired, index))
    peer.session.outgoing.put(AgentMessage(telemetry=columns))


def ask(up, asset_id, w, identifier="d", duration_s=60.0):
    who = up.headend.dispatcher.policy.principal("http:loopback")
    return up.headend.dispatcher.submit(
        Request(identifier, who, asset_id, asset_id, Aim.TARGET, w, duration_s, "operator")
    )


@pytest.fixture
async def up(home, run_headend):
    async with run_headend(home) as made:
        yield made


async def test_an_agent_registers_tells_and_is_acknowledged(up, ids, dial_agent, wait_until):
    async with dial_agent(up, ids.b1, (ids.b1,)) as peer:
        await wait_until(lambda: peer.of("registered"))
        assert abs(peer.of("registered")[0].headend_time_ms - host_now().utc_ms) < 5000
        taken = measured(ids.b1)
        tell(peer, (ids.b1,), taken, seq=7)
        await wait_until(lambda: peer.of("ack"))
        assert peer.of("ack")[0].seq == 7
        assert up.headend.live.latest(ids.b1).measurement == taken
        assert not peer.of("setpoint"), "nothing was asked, so nothing is said: never an invented 0"
    await wait_until(lambda: up.headend.live.connection(ids.b1) is None)


async def test_a_sites_agent_speaks_for_all_its_assets(up, ids, dial_agent, wait_until):
    members = (ids.load, ids.b2, ids.b1, ids.solar)
    async with dial_agent(up, ids.jersey, members) as peer:
        await wait_until(lambda: peer.of("registered"))
        tell(peer, members, measured(ids.b2, 2e6), measured(ids.solar, 3e6, None))
        await wait_until(lambda: up.headend.live.latest(ids.solar))
        assert up.headend.live.latest(ids.b2).measurement.power_w == 2e6
        assert up.headend.live.latest(ids.load) is None


async def test_an_agent_is_told_its_assets_part_of_the_policys_limits(
    home, fleet, ids, run_headend, dial_agent, wait_until
):
    policy = home / "policies/headend/dispatch.yaml"
    limits = "limits: [{paths: [%s], fallback_ramp_w_per_s: 1.4e5, export_limit_w: 12.0e6, reason: connection}]"
    policy.write_text(policy.read_text().replace("limits: []", limits % ids.path))
    async with run_headend(home) as up, dial_agent(up, ids.jersey, (ids.load, ids.b1)) as peer:
        await wait_until(lambda: peer.of("registered"))
        found = guarding.fallbacks(peer.of("registered")[0], (ids.load, ids.b1))
    load, battery = fleet.assets[ids.load], fleet.assets[ids.b1]
    assert found == {  # of 140 MW of ratings, and 120 MW that can be injected
        ids.load: Fallback(Fallback.of(load).delay_ms, 2e4, most_w=0.0),
        ids.b1: Fallback(Fallback.of(battery).delay_ms, 5e4, most_w=5e6),
    }


async def test_what_cannot_be_asked_is_left_out_with_its_reason_until_it_can(up, ids, dial_agent, wait_until):
    members = (ids.b1, ids.b2)
    async with dial_agent(up, ids.jersey, members) as peer:
        both = [measured(ids.b1, 0.0), measured(ids.b2, 0.0)]
        tell_impaired(peer, members, {ids.b1: Impairment(ImpairmentKind.LOCKOUT, "door open")}, *both)
        await wait_until(lambda: up.headend.live.latest(ids.b2))
        answer = await ask(up, ids.b1, 1e6)
        assert "door open" in answer.reason
        assert up.headend.live.snapshot(host_now()).impaired == {
            ids.b1: Impairment(ImpairmentKind.LOCKOUT, "door open")
        }
        tell(peer, members, *both, seq=2)
        await wait_until(lambda: not up.headend.live.snapshot(host_now()).impaired)
        assert (await ask(up, ids.b1, 1e6, "again")).kept


async def test_an_impairment_of_no_kind_ends_the_stream(up, ids, dial_agent, wait_until):
    async with dial_agent(up, ids.b1, (ids.b1,)) as peer:
        columns = telemetry_columns([measured(ids.b1)], {ids.b1: 0}, 1)
        columns.impaired.add(asset=0, kind="asleep")
        peer.session.outgoing.put(AgentMessage(telemetry=columns))
        await wait_until(lambda: peer.ended)
    assert "asleep" in peer.ended.detail
    assert up.headend.live.latest(ids.b1) is None


@pytest.mark.parametrize(
    ("agent", "claims", "says"),
    [
        ("b1", ("b2",), "may not claim"),
        ("b1", ("b1", "b2"), "may not claim"),
        ("stranger", ("b1",), "may not claim"),
        ("jersey", ("87d2ce68-a7b5-5014-9a03-1931f76ffd77",), "may not claim"),
        ("b1", (), "speaks for at least one asset"),
        ("b1", ("b1", "b1"), "names an asset twice"),
    ],
)
async def test_a_claim_that_is_not_ones_own_is_refused_with_the_reason(
    up, ids, dial_agent, wait_until, agent, claims, says
):
    names = vars(ids)
    async with dial_agent(up, names.get(agent, agent), tuple(names.get(c, c) for c in claims)) as peer:
        await wait_until(lambda: peer.ended)
    assert peer.ended.why is Why.REFUSED
    assert says in peer.ended.detail
    assert up.headend.live.agents_connected == 0


async def test_another_identity_cannot_take_a_live_asset(up, ids, dial_agent, wait_until):
    async with dial_agent(up, ids.jersey, (ids.b1, ids.b2)) as first:
        await wait_until(lambda: first.of("registered"))
        async with dial_agent(up, ids.b1, (ids.b1,)) as second:
            await wait_until(lambda: second.ended)
        assert second.ended.why is Why.REFUSED
        assert ids.jersey in second.ended.detail
        assert up.headend.live.connection(ids.b1).agent_id == ids.jersey


async def test_a_newer_session_replaces_the_older_and_survives_its_clean_up(up, ids, dial_agent, wait_until):
    async with dial_agent(up, ids.b1, (ids.b1,)) as first:
        await wait_until(lambda: first.of("registered"))
        async with dial_agent(up, ids.b1, (ids.b1,)) as second:
            await wait_until(lambda: first.ended)
            assert first.ended.why is Why.REPLACED
            session = second.of("registered")[0].session_id
            assert up.headend.live.connection(ids.b1).session_id == session
            assert isinstance(await ask(up, ids.b1, 0.0), object)
            await wait_until(lambda: second.of("setpoint"))


async def test_a_gateway_is_no_agent(up, pki, ids, dial_gateway, wait_until):
    at = up.at
    up.at = type(at)(at.pid, at.http, at.agent_link, at.agent_link, at.started_ms)
    async with dial_gateway(up, ()) as peer:
        await wait_until(lambda: peer.ended)
    assert peer.ended.why in (Why.REFUSED, Why.LOST)
    assert not peer.heard


async def test_a_setpoint_goes_down_and_its_outcome_comes_up(up, ids, dial_agent, wait_until):
    async with dial_agent(up, ids.b1, (ids.b1,)) as peer:
        tell(peer, (ids.b1,), measured(ids.b1))
        await wait_until(lambda: up.headend.live.latest(ids.b1))
        await ask(up, ids.b1, 5e6)
        await wait_until(lambda: peer.of("setpoint"))
        setpoint = peer.of("setpoint")[0]
        assert (setpoint.setpoint_w, setpoint.reversion_w, setpoint.dispatch_id) == (5e6, 0.0, "d")
        assert up.headend.dispatcher.ledger.current(ids.b1).state is S.SENT
        said = Report(ids.b1, setpoint.epoch, setpoint.revision, "d", S.FOLLOWING, "", host_now().utc_ms, 5e6)
        peer.session.outgoing.put(AgentMessage(outcome=outcome(said, {ids.b1: 0})))
        await wait_until(lambda: up.headend.dispatcher.ledger.current(ids.b1).state is S.FOLLOWING)


async def test_an_agent_that_comes_back_is_told_only_what_it_does_not_hold(up, ids, dial_agent, wait_until):
    async with dial_agent(up, ids.b1, (ids.b1,)) as peer:
        tell(peer, (ids.b1,), measured(ids.b1))
        await wait_until(lambda: up.headend.live.latest(ids.b1))
        await ask(up, ids.b1, 5e6)
        await wait_until(lambda: peer.of("setpoint"))
        held = peer.of("setpoint")[0]
    async with dial_agent(up, ids.b1, (ids.b1,), {ids.b1: (held.epoch, held.revision)}) as peer:
        tell(peer, (ids.b1,), measured(ids.b1))
        await wait_until(lambda: peer.of("ack"))
        assert not peer.of("setpoint")
    async with dial_agent(up, ids.b1, (ids.b1,)) as peer:
        await wait_until(lambda: peer.of("setpoint"))
        assert peer.of("setpoint")[0] == held


async def test_an_expired_intent_is_never_sent_again(up, ids, dial_agent, wait_until):
    async with dial_agent(up, ids.b1, (ids.b1,)) as peer:
        tell(peer, (ids.b1,), measured(ids.b1))
        await wait_until(lambda: up.headend.live.latest(ids.b1))
        await ask(up, ids.b1, 5e6, duration_s=0.2)
        await wait_until(lambda: peer.of("setpoint"))
        ends_ms = peer.of("setpoint")[0].expires_ms
    await wait_until(lambda: host_now().utc_ms > ends_ms)
    async with dial_agent(up, ids.b1, (ids.b1,)) as peer:
        tell(peer, (ids.b1,), measured(ids.b1))
        await wait_until(lambda: peer.of("ack"))
        assert not peer.of("setpoint")


async def test_one_that_does_not_read_holds_up_nobody_and_later_gets_the_latest(up, ids, dial_agent, wait_until):
    rounds = 200 if os.environ.get("DERMS_SOAK") else 20
    async with dial_agent(up, ids.b1, (ids.b1,)) as stalled, dial_agent(up, ids.b2, (ids.b2,)) as other:
        for peer, asset_id in ((stalled, ids.b1), (other, ids.b2)):
            tell(peer, (asset_id,), measured(asset_id))
            await wait_until(lambda peer=peer: peer.of("ack"))
        stalled.reading.clear()
        connection = up.headend.live.connection(ids.b1)
        for revision in range(2000):  # with long ids: more than any buffer on the way takes
            connection.deliver(Intent(ids.b1, "e", revision, "x" * 1000, 1.0, 0.0, 0, 1, "p", 5))
            await asyncio.sleep(0)
        for number in range(rounds):
            begun = time.monotonic()
            await ask(up, ids.b1, 1e6 + number, f"s{number}")
            await ask(up, ids.b2, 1e6 + number, f"o{number}")
            await wait_until(lambda number=number: len(other.of("setpoint")) == number + 1)
            assert other.of("setpoint")[-1].setpoint_w == 1e6 + number
            assert time.monotonic() - begun < 5
        assert up.headend.dispatcher.ledger.current(ids.b1).state is S.SUBMITTED, "not written yet, and not said to be"
        stalled.reading.set()
        await wait_until(lambda: [m.setpoint_w for m in stalled.of("setpoint")][-1:] == [1e6 + rounds - 1])
        assert len(stalled.of("setpoint")) < 2000 + rounds, "what was overtaken was never sent"


@pytest.mark.parametrize("column", ["power_w", "soc_wh", "available_up_w", "available_down_w", "setpoint_w"])
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
async def test_what_is_not_a_number_ends_the_stream_and_is_never_taken(up, ids, dial_agent, wait_until, column, number):
    async with dial_agent(up, ids.b1, (ids.b1,)) as peer:
        columns = telemetry_columns([measured(ids.b1)], {ids.b1: 0}, 1)
        getattr(columns, column)[0] = number
        peer.session.outgoing.put(AgentMessage(telemetry=columns))
        await wait_until(lambda: peer.ended)
    assert column in peer.ended.detail
    assert up.headend.live.latest(ids.b1) is None


async def test_what_cannot_be_is_dropped_and_the_rest_of_the_batch_taken(up, ids, dial_agent, wait_until):
    members = (ids.b1, ids.b2)
    async with dial_agent(up, ids.jersey, members) as peer:
        tell(peer, members, measured(ids.b1, 900e6), measured(ids.b2, 1e6), measured(ids.b1, 1e6, ahead_ms=120_000))
        await wait_until(lambda: peer.of("ack"))
        assert up.headend.live.latest(ids.b1) is None
        assert up.headend.live.latest(ids.b2).measurement.power_w == 1e6


async def test_nonsense_ends_the_stream(up, ids, dial_agent, wait_until):
    for message in (AgentMessage(), AgentMessage(register={"asset_ids": [ids.b1]})):
        async with dial_agent(up, ids.b1, (ids.b1,)) as peer:
            peer.session.outgoing.put(message)
            await wait_until(lambda peer=peer: peer.ended)
        assert peer.ended.why is Why.REFUSED


async def test_a_stream_ends_with_its_certificate(tmp_path, fleet, ids, monkeypatch, run_headend, wait_until):
    for name in ("HEADEND_HTTP_ADDR", "HEADEND_GRPC_ADDR", "HEADEND_BOUNDARY_ADDR"):
        monkeypatch.setenv(name, "127.0.0.1:0")
    short = tmp_path / "pki"
    authority.init(short, [ids.b1], days=1, now=datetime.now(UTC) - timedelta(days=1) + timedelta(seconds=6))
    setup.init(tmp_path / "h", short, packaged("assets.yaml"), "none")
    async with run_headend(tmp_path / "h") as up:
        first = AgentMessage(register=register(Claim((ids.b1,), "test", {})))
        beat = lambda n: AgentMessage(heartbeat=Heartbeat(number=n, sent_ms=host_now().utc_ms))  # noqa: E731
        async with dial.channel(up.at.agent_link, TlsFiles.agent(short, ids.b1)) as channel:
            session = dial.Session(dial.open_stream(channel, dial.AGENT_LINK), beat=beat, beat_s=0.5)
            session.outgoing.put(first)
            heard = []

            async def hear(message):
                heard.append(message.WhichOneof("body"))

            ended = await session.run(hear)
        assert "registered" in heard
        assert ended.why is Why.EXPIRED


async def test_sessions_and_events_are_history(up, ids, dial_agent, wait_until):
    async with dial_agent(up, ids.b1, (ids.b1,)) as peer:
        tell(peer, (ids.b1,), measured(ids.b1))
        happened = AssetEvent(ids.b1, "soc_bound", Severity.WARNING, "at its minimum", host_now().utc_ms)
        peer.session.outgoing.put(AgentMessage(event=event(happened, {ids.b1: 0})))
        store = up.headend._parts.history
        await wait_until(lambda: store.events(ids.b1, 0, 2**52, 9))
        assert store.events(ids.b1, 0, 2**52, 9)[0].source == f"urn:derms:agent:{ids.b1}"
        assert store.sessions(5)[ids.b1][0].disconnected_ms is None
    await wait_until(lambda: store.sessions(5)[ids.b1][0].disconnected_ms)
    assert store.sessions(5)[ids.b1][0].ended.startswith("lost")
    assert store.count() == 1


async def test_a_hundred_agents_at_once(up, ids, fleet, dial_agent, wait_until):
    """Every agent of the packaged fleet, connecting together, reconnecting together."""
    for _ in range(3):
        async with asyncio.TaskGroup() as group:
            done = asyncio.Event()

            async def hold(asset_id: str, done: asyncio.Event = done) -> None:
                async with dial_agent(up, asset_id, (asset_id,)):
                    await done.wait()

            for asset_id in fleet.assets:
                group.create_task(hold(asset_id))
            await wait_until(lambda: up.headend.live.agents_connected == len(fleet.assets))
            done.set()
    await wait_until(lambda: up.headend.live.agents_connected == 0)
