"""BoundaryLink over real mutual TLS: signed and numbered batches down, SCADA's commands up, their fate down again."""

from __future__ import annotations

import asyncio
import threading
import uuid
from dataclasses import replace

import pytest
from sqlalchemy.exc import OperationalError

from daemon.clock import now as host_now
from dermscore.decision.request import Aim, Request
from dermscore.intent import IntentState as S
from dermscore.model import Measurement, Now
from dermscore.quality import GOOD, Validity
from dermscore.sheets.points import PointKind, Quantity, Series
from headend.boundary import COMMAND_MAX_AGE_MS
from headend.store.state import StateStore
from wire.convert import (
    BoundaryCommand,
    Report,
    boundary_outcome,
    command,
    outcome,
    readings,
    telemetry_columns,
)
from wire.dial import Why
from wire.identity import TlsFiles
from wire.publication import load_keys, verify
from wire.v1.agent_link_pb2 import AgentMessage
from wire.v1.boundary_link_pb2 import GatewayHeartbeat, GatewayMessage

SERIES = (
    Series("feeder/F12/site/S1", PointKind.BATTERY, Quantity.POWER),
    Series("feeder/F12/site/S1", PointKind.BATTERY, Quantity.MEMBERS),
    Series("", PointKind.ALL, Quantity.COVERAGE),
    Series("feeder/F99", PointKind.ALL, Quantity.POWER),
)


@pytest.fixture
async def up(home, run_headend):
    async with run_headend(home) as made:
        yield made


@pytest.fixture
def opened(pki):
    """The publications that a peer has heard so far, verified, in order."""
    keys = load_keys([pki / "publisher.pub"])
    return lambda peer: [verify(signed, keys) for signed in peer.heard]


@pytest.fixture
def outcomes(opened):
    """The outcomes that a peer has heard so far of one command."""

    def of(peer, identifier=None):
        found = [boundary_outcome(each.outcome) for each in opened(peer) if each.WhichOneof("body") == "outcome"]
        return [each for each in found if identifier in (None, each.id)]

    return of


def measured(asset_id, power_w=1e6, soc_wh=4e7):
    return Measurement(asset_id, host_now().utc_ms, power_w, soc_wh, 1e6, 1e6, None, GOOD)


def tell(peer, *measurements):
    index = {one.asset_id: number for number, one in enumerate(measurements)}
    columns = telemetry_columns(measurements, index, 1)
    columns.sent_ms = host_now().utc_ms
    peer.session.outgoing.put(AgentMessage(telemetry=columns))


def send(peer, path, target_w=None, identifier=None, hold_s=60, heard_seq=0):
    mode = "release" if target_w is None else "target"
    wish = BoundaryCommand(identifier or str(uuid.uuid4()), path, mode, target_w, hold_s, 1, heard_seq)
    peer.session.outgoing.put(GatewayMessage(command=command(wish)))
    return wish.id


def says(peer, setpoint, index, state, power_w=None, reason=""):
    asset_id = list(index)[setpoint.asset]
    said = Report(
        asset_id,
        setpoint.epoch,
        setpoint.revision,
        setpoint.dispatch_id,
        state,
        reason,
        host_now().utc_ms,
        power_w,
    )
    peer.session.outgoing.put(AgentMessage(outcome=outcome(said, index)))


async def test_batches_are_signed_numbered_and_of_this_stream(up, dial_gateway, opened, wait_until):
    async with dial_gateway(up, SERIES, b"q" * 16) as peer:
        await wait_until(lambda: len(peer.heard) >= 3)
        got = opened(peer)
    assert [each.seq for each in got] == list(range(1, len(got) + 1))
    assert {each.nonce for each in got} == {b"q" * 16}
    times = [row.time_ms for each in got for row in readings(each.points, SERIES)]
    assert times == sorted(times)
    assert all(row.time_ms <= each.made_ms for each in got for row in readings(each.points, SERIES))


async def test_a_batch_echoes_the_last_heartbeat_that_came_before_it_was_made(up, dial_gateway, opened, wait_until):
    async with dial_gateway(up, SERIES) as peer:
        await wait_until(lambda: peer.heard)
        assert opened(peer)[0].heartbeat_echo == 0
        peer.session.outgoing.put(GatewayMessage(heartbeat=GatewayHeartbeat(number=41)))
        peer.session.outgoing.put(GatewayMessage(heartbeat=GatewayHeartbeat(number=40)))
        await wait_until(lambda: opened(peer)[-1:] and opened(peer)[-1].heartbeat_echo == 41)


async def test_values_are_of_those_who_report_and_say_how_many_that_are(
    up, ids, dial_gateway, dial_agent, opened, wait_until
):
    def last(peer):
        return readings(opened(peer)[-1].points, SERIES)

    async with dial_gateway(up, SERIES) as gateway:
        await wait_until(lambda: gateway.heard)
        power, members, coverage, unknown = last(gateway)
        assert (power.value, members.value, coverage.value) == (None, 0.0, 0.0)
        assert (unknown.value, unknown.configured) == (None, 0)
        async with dial_agent(up, ids.b1, (ids.b1,)) as agent:
            tell(agent, measured(ids.b1, 7e6))
            await wait_until(lambda: last(gateway)[0].value == 7e6)
            assert (last(gateway)[0].reporting, last(gateway)[0].configured) == (1, 2)
            assert last(gateway)[0].quality.validity is Validity.GOOD


@pytest.mark.parametrize("identity", ["agent", "headend"])
async def test_only_a_gateway_may_dial(up, pki, ids, dial_gateway, wait_until, identity):
    files = TlsFiles.agent(pki, ids.b1) if identity == "agent" else TlsFiles.headend(pki)
    async with dial_gateway(up, SERIES, files=files) as peer:
        await wait_until(lambda: peer.ended)
    assert not peer.heard
    assert peer.ended.why in (Why.REFUSED, Why.LOST)


async def test_a_gateway_that_policy_does_not_know_is_refused(home, run_headend, dial_gateway, wait_until):
    access = home / "policies" / "headend" / "access.yaml"
    access.write_text(access.read_text().replace("urn:derms:gateway:gateway", "urn:derms:gateway:another"))
    async with run_headend(home) as up, dial_gateway(up, SERIES) as peer:
        await wait_until(lambda: peer.ended)
        assert peer.ended.why is Why.REFUSED
        assert "may not subscribe" in peer.ended.detail


async def test_a_newer_stream_of_the_gateway_replaces_the_older(up, dial_gateway, opened, wait_until):
    async with dial_gateway(up, SERIES) as first:
        await wait_until(lambda: first.heard)
        async with dial_gateway(up, SERIES, b"2" * 16) as second:
            await wait_until(lambda: first.ended)
            assert first.ended.why is Why.REPLACED
            await wait_until(lambda: len(second.heard) >= 2)
            assert opened(second)[0].seq == 1


# --- commands


async def test_a_command_is_told_of_each_step_with_one_id(up, ids, dial_gateway, dial_agent, outcomes, wait_until):
    index = {ids.b1: 0, ids.b2: 1}
    async with dial_gateway(up, SERIES) as gateway, dial_agent(up, ids.jersey, tuple(index)) as agent:
        tell(agent, measured(ids.b1), measured(ids.b2))
        await wait_until(lambda: agent.of("ack"))
        identifier = send(gateway, ids.path, 18e6)
        await wait_until(lambda: len(agent.of("setpoint")) == 2)
        assert {m.dispatch_id for m in agent.of("setpoint")} == {identifier}
        assert {m.setpoint_w for m in agent.of("setpoint")} == {10e6, 8e6}
        for state, scale in ((S.RECEIVED, None), (S.ACTIVE, 0.5), (S.FOLLOWING, 1.0), (S.COMPLETE, 1.0)):
            for setpoint in agent.of("setpoint"):
                says(agent, setpoint, index, state, None if scale is None else setpoint.setpoint_w * scale)
        await wait_until(
            lambda: outcomes(gateway, identifier)[-1:] and outcomes(gateway, identifier)[-1].state is S.COMPLETE
        )
        got = outcomes(gateway, identifier)
        steps = [
            (S.SUBMITTED, None),
            (S.SENT, None),
            (S.RECEIVED, None),
            (S.ACTIVE, 9e6),
            (S.FOLLOWING, 18e6),
            (S.COMPLETE, 18e6),
        ]
        # Where two assets' reports fall into two periods, what lies between is told too.
        assert [(each.state, each.delivered_w) for each in got if (each.state, each.delivered_w) in steps] == steps
        assert list(dict.fromkeys(each.state for each in got)) == [state for state, _ in steps]
        assert {each.shortfall_w for each in got} == {0.0}
        assert all(each.quality.validity is Validity.GOOD for each in got if each.delivered_w is not None)


async def test_what_it_delivers_is_told_for_as_long_as_it_stands(
    home, run_headend, ids, dial_gateway, dial_agent, opened, outcomes, wait_until
):
    """Agents report no more once a device follows: its telemetry says what becomes of the power, or its silence."""
    passed_ms = 0

    def clock() -> Now:
        now = host_now()
        return Now(now.utc_ms, now.mono_ms + passed_ms)

    index = {ids.b1: 0}
    async with (
        run_headend(home, clock) as up,
        dial_gateway(up, SERIES) as gateway,
        dial_agent(up, ids.b1, (ids.b1,)) as agent,
    ):
        tell(agent, measured(ids.b1, 0.0))
        await wait_until(lambda: agent.of("ack"))
        identifier = send(gateway, ids.path, 5e6)
        await wait_until(lambda: agent.of("setpoint"))
        says(agent, agent.of("setpoint")[0], index, S.FOLLOWING, 5e6)
        await wait_until(lambda: outcomes(gateway)[-1:] and outcomes(gateway)[-1].state is S.FOLLOWING)
        assert outcomes(gateway)[-1].delivered_w == 5e6

        seen, batches = len(outcomes(gateway)), len(gateway.heard)
        tell(agent, measured(ids.b1, 5e6))
        await wait_until(lambda: len(gateway.heard) >= batches + 3)
        assert len(outcomes(gateway)) == seen, "what has not changed is not told again"

        tell(agent, measured(ids.b1, 0.0))
        await wait_until(lambda: outcomes(gateway)[-1:] and outcomes(gateway)[-1].delivered_w == 0)
        assert (outcomes(gateway)[-1].state, outcomes(gateway)[-1].quality.validity) == (S.FOLLOWING, Validity.GOOD)
        assert len(outcomes(gateway)) == seen + 1

        passed_ms = 13_000  # nothing more is heard of the asset
        await wait_until(lambda: outcomes(gateway)[-1:] and outcomes(gateway)[-1].quality.validity is Validity.INVALID)
        assert len(outcomes(gateway)) == seen + 2
        times = [each.time_ms for each in outcomes(gateway)]
        assert times == sorted(times)
        async with dial_gateway(up, SERIES, b"2" * 16) as again:
            await wait_until(lambda: outcomes(again, identifier))
            (told,) = outcomes(again, identifier)
            assert (told.delivered_w, told.quality.validity) == (0, Validity.INVALID)
            assert told.time_ms >= times[-1]


@pytest.mark.parametrize("absurd_w", [1.7e308, 1e12, -1e12])
async def test_a_power_that_cannot_be_is_not_believed_of_a_report_either(
    up, ids, dial_gateway, dial_agent, outcomes, wait_until, absurd_w
):
    """Two of the largest numbers there are have no sum: one mad agent would have ended the headend for all."""
    index = {ids.b1: 0, ids.b2: 1}
    async with dial_gateway(up, SERIES) as gateway, dial_agent(up, ids.jersey, tuple(index)) as agent:
        tell(agent, measured(ids.b1, 1e6), measured(ids.b2, 2e6))
        await wait_until(lambda: agent.of("ack"))
        send(gateway, ids.path, 18e6)
        await wait_until(lambda: len(agent.of("setpoint")) == 2)
        for setpoint in agent.of("setpoint"):
            says(agent, setpoint, index, S.ACTIVE, absurd_w)
        await wait_until(lambda: outcomes(gateway)[-1:] and outcomes(gateway)[-1].state is S.ACTIVE)
        batches = len(gateway.heard)
        await wait_until(lambda: len(gateway.heard) >= batches + 2)
        assert {each.delivered_w for each in outcomes(gateway)} == {None, 3e6}


async def test_a_report_said_again_by_an_agent_whose_clock_is_ahead_is_no_news(
    up, ids, dial_gateway, dial_agent, outcomes, wait_until
):
    """At the start of a session nothing tells yet that it is of an hour ago."""
    ahead_ms = 3_600_000

    def tell_ahead(peer, power_w):
        sent_ms = host_now().utc_ms + ahead_ms
        columns = telemetry_columns([replace(measured(ids.b1, power_w), time_ms=sent_ms - 100)], {ids.b1: 0}, 1)
        columns.sent_ms = sent_ms
        peer.session.outgoing.put(AgentMessage(telemetry=columns))

    async with dial_gateway(up, SERIES) as gateway:
        async with dial_agent(up, ids.b1, (ids.b1,)) as agent:
            tell_ahead(agent, 0.0)
            await wait_until(lambda: agent.of("ack"))
            send(gateway, ids.path, 5e6)
            await wait_until(lambda: agent.of("setpoint"))
            asked = agent.of("setpoint")[0]
            time_ms = host_now().utc_ms + ahead_ms
            said = Report(ids.b1, asked.epoch, asked.revision, asked.dispatch_id, S.FOLLOWING, "", time_ms, 5e6)
            agent.session.outgoing.put(AgentMessage(outcome=outcome(said, {ids.b1: 0})))
            await wait_until(lambda: outcomes(gateway)[-1:] and outcomes(gateway)[-1].delivered_w == 5e6)
        async with dial_agent(up, ids.b1, (ids.b1,)) as again:
            await wait_until(lambda: host_now().utc_ms + ahead_ms > time_ms + 200)  # and its telemetry is newer
            seen = len(outcomes(gateway))
            again.session.outgoing.put(AgentMessage(outcome=outcome(said, {ids.b1: 0})))
            tell_ahead(again, 3e6)
            await wait_until(lambda: again.of("ack"))
            batches = len(gateway.heard)
            await wait_until(lambda: len(gateway.heard) >= batches + 2)
            assert [each.delivered_w for each in outcomes(gateway)[seen:]] == [3e6]


async def test_values_stay_good_when_a_wall_clock_is_set_back(
    home, run_headend, ids, dial_gateway, dial_agent, opened, wait_until
):
    offset_ms = 0

    def clock() -> Now:
        now = host_now()
        return Now(now.utc_ms + offset_ms, now.mono_ms)

    def powers(peer):
        batches = [each.points for each in opened(peer) if each.WhichOneof("body") == "points"]
        return [readings(batch, SERIES)[0] for batch in batches]

    def tell_at(peer, power_w, agent_off_ms):
        columns = telemetry_columns(
            [replace(measured(ids.b1, power_w), time_ms=host_now().utc_ms + agent_off_ms)], {ids.b1: 0}, 1
        )
        columns.sent_ms = host_now().utc_ms + agent_off_ms
        peer.session.outgoing.put(AgentMessage(telemetry=columns))

    async with (
        run_headend(home, clock) as up,
        dial_gateway(up, SERIES) as gateway,
        dial_agent(up, ids.b1, (ids.b1,)) as agent,
    ):
        tell_at(agent, 1e6, 0)
        await wait_until(lambda: powers(gateway) and powers(gateway)[-1].value == 1e6)
        offset_ms = -3_600_000
        tell_at(agent, 2e6, 0)
        await wait_until(lambda: powers(gateway)[-1:] and powers(gateway)[-1].value == 2e6)
        offset_ms = 0
        tell_at(agent, 3e6, -7_200_000)
        await wait_until(lambda: powers(gateway)[-1:] and powers(gateway)[-1].value == 3e6)
        heard = powers(gateway)
        first = next(number for number, each in enumerate(heard) if each.value is not None)
        assert {each.quality.validity for each in heard[first:]} == {Validity.GOOD}
        assert {each.reporting for each in heard[first:]} == {1}


@pytest.mark.parametrize(
    ("path", "says_why"), [("feeder/F99", "nothing at path"), ("feeder/F12/site/S1", "can be asked")]
)
async def test_what_cannot_be_done_is_refused_under_its_id(up, dial_gateway, outcomes, wait_until, path, says_why):
    async with dial_gateway(up, SERIES) as gateway:
        identifier = send(gateway, path, 1e6)
        await wait_until(lambda: outcomes(gateway, identifier))
        (got,) = outcomes(gateway, identifier)
        assert got.state is S.REFUSED
        assert says_why in got.reason


async def test_a_part_that_cannot_be_placed_is_told_with_its_cause(
    up, ids, dial_gateway, dial_agent, outcomes, wait_until
):
    async with dial_gateway(up, SERIES) as gateway, dial_agent(up, ids.b1, (ids.b1,)) as agent:
        tell(agent, measured(ids.b1))
        await wait_until(lambda: agent.of("ack"))
        identifier = send(gateway, ids.path, 70e6)
        await wait_until(lambda: outcomes(gateway, identifier))
        got = outcomes(gateway, identifier)[-1]
        assert got.shortfall_w == pytest.approx(20e6)
        assert "Jersey battery 2" in got.reason


async def test_the_same_command_again_is_answered_and_not_carried_out_again(
    up, ids, dial_gateway, dial_agent, outcomes, wait_until
):
    index = {ids.b1: 0}
    async with dial_agent(up, ids.b1, (ids.b1,)) as agent:
        tell(agent, measured(ids.b1))
        await wait_until(lambda: agent.of("ack"))
        async with dial_gateway(up, SERIES) as gateway:
            identifier = send(gateway, ids.path, 5e6)
            await wait_until(lambda: agent.of("setpoint"))
            says(agent, agent.of("setpoint")[0], index, S.FOLLOWING, 5e6)
            await wait_until(lambda: outcomes(gateway) and outcomes(gateway)[-1].state is S.FOLLOWING)
            before = len(outcomes(gateway))
            send(gateway, ids.path, 5e6, identifier)
            await wait_until(lambda: len(outcomes(gateway)) == before + 1)
            assert outcomes(gateway)[-1].state is S.FOLLOWING
            assert len(agent.of("setpoint")) == 1


async def test_a_gateway_that_comes_back_is_told_what_became_of_its_commands(
    up, ids, dial_gateway, dial_agent, outcomes, wait_until
):
    async with dial_agent(up, ids.b1, (ids.b1,)) as agent:
        tell(agent, measured(ids.b1))
        await wait_until(lambda: agent.of("ack"))
        async with dial_gateway(up, SERIES) as gateway:
            identifier = send(gateway, ids.path, 5e6)
            await wait_until(lambda: agent.of("setpoint"))
        says(agent, agent.of("setpoint")[0], {ids.b1: 0}, S.REFUSED, reason="locked")
        async with dial_gateway(up, SERIES, open_commands=(identifier,)) as gateway:
            await wait_until(lambda: outcomes(gateway, identifier))
            await wait_until(
                lambda: outcomes(gateway, identifier)[-1:] and outcomes(gateway, identifier)[-1].state is S.REFUSED
            )
            assert "locked" in outcomes(gateway, identifier)[-1].reason


async def test_a_gateway_is_told_of_what_it_names_however_long_ago_that_ended(
    home, run_headend, ids, dial_gateway, dial_agent, outcomes, wait_until
):
    passed_ms = 0

    def clock() -> Now:
        now = host_now()
        return Now(now.utc_ms + passed_ms, now.mono_ms + passed_ms)

    async with run_headend(home, clock) as up, dial_agent(up, ids.b1, (ids.b1,)) as agent:
        tell(agent, measured(ids.b1))
        await wait_until(lambda: agent.of("ack"))
        async with dial_gateway(up, SERIES) as gateway:
            identifier = send(gateway, ids.path, 5e6, hold_s=60)
            await wait_until(lambda: agent.of("setpoint"))
        passed_ms = 24 * 3_600_000
        await wait_until(lambda: up.headend.dispatcher.ledger.find(identifier) is None)
        named = (identifier, "never-heard-of")
        async with dial_gateway(up, SERIES, open_commands=named) as gateway:
            await wait_until(lambda: len(outcomes(gateway)) >= 2)
            got = [(each.id, each.state, each.unknown) for each in outcomes(gateway)]
        assert got == [(identifier, S.EXPIRED, False), ("never-heard-of", S.FAILED, True)]


async def test_what_somebody_else_asked_for_is_unknown_to_a_gateway(up, dial_gateway, outcomes, wait_until, ids):
    who = up.headend.dispatcher.policy.principal("http:loopback")
    request = Request("another's", who, ids.b1, ids.b1, Aim.TARGET, 1e6, 60.0, "operator", None)
    await up.headend.dispatcher.submit(request)
    async with dial_gateway(up, SERIES, open_commands=("another's",)) as gateway:
        await wait_until(lambda: outcomes(gateway))
        assert outcomes(gateway)[0].unknown


async def test_a_release_gives_back_and_completes_when_the_assets_follow(
    up, ids, dial_gateway, dial_agent, outcomes, wait_until
):
    index = {ids.b1: 0}
    async with dial_gateway(up, SERIES) as gateway, dial_agent(up, ids.b1, (ids.b1,)) as agent:
        tell(agent, measured(ids.b1))
        await wait_until(lambda: agent.of("ack"))
        send(gateway, ids.path, 5e6, hold_s=0)
        await wait_until(lambda: agent.of("setpoint"))
        identifier = send(gateway, ids.path)
        await wait_until(lambda: len(agent.of("setpoint")) == 2)
        released = agent.of("setpoint")[1]
        assert not released.HasField("setpoint_w")
        assert released.reversion_w == 0.0
        says(agent, released, index, S.FOLLOWING, 0.0)
        await wait_until(
            lambda: outcomes(gateway, identifier)[-1:] and outcomes(gateway, identifier)[-1].state is S.COMPLETE
        )


@pytest.fixture
async def resuming(home, run_headend):
    """A headend under whose policy what was superseded comes back, whoever asked for it."""
    policy = home / "policies" / "headend" / "dispatch.yaml"
    text = policy.read_text()
    for longest in (86400, 14400):
        text = text.replace(
            f"    max_duration_s: {longest}\n", f"    max_duration_s: {longest}\n    on_supersede: resume\n"
        )
    policy.write_text(text)
    async with run_headend(home) as made:
        yield made


async def test_a_command_is_complete_at_its_end_and_what_it_superseded_goes_on(
    resuming, ids, dial_gateway, dial_agent, outcomes, wait_until
):
    dispatcher, index = resuming.headend.dispatcher, {ids.b1: 0}
    async with dial_gateway(resuming, SERIES) as gateway, dial_agent(resuming, ids.b1, (ids.b1,)) as agent:
        tell(agent, measured(ids.b1))
        await wait_until(lambda: agent.of("ack"))
        who = dispatcher.policy.principal("http:loopback")
        await dispatcher.submit(Request("market", who, ids.path, None, Aim.TARGET, 5e6, 600.0, "operator"))
        command = send(gateway, ids.path, 9e6, hold_s=1)
        await wait_until(lambda: len(agent.of("setpoint")) >= 2)
        says(agent, agent.of("setpoint")[1], index, S.FOLLOWING, 9e6)
        await wait_until(lambda: len(agent.of("setpoint")) == 3)
        back = agent.of("setpoint")[2]
        assert (back.dispatch_id, back.setpoint_w, back.revision) == ("market", 5e6, 3)
        await wait_until(lambda: [each.state for each in outcomes(gateway, command)][-1:] == [S.COMPLETE])
        says(agent, back, index, S.FOLLOWING, 5e6)
        await wait_until(lambda: dispatcher.ledger.find("market").dispatch.state is S.FOLLOWING)
        assert not outcomes(gateway, "market"), "which is none of its commands"


async def test_a_command_that_is_suspended_is_told_so_and_of_each_step_when_it_is_back(
    resuming, ids, dial_gateway, dial_agent, outcomes, wait_until
):
    index = {ids.b1: 0}
    async with dial_gateway(resuming, SERIES) as gateway, dial_agent(resuming, ids.b1, (ids.b1,)) as agent:
        tell(agent, measured(ids.b1))
        await wait_until(lambda: agent.of("ack"))
        older = send(gateway, ids.path, 5e6, hold_s=600)
        await wait_until(lambda: agent.of("setpoint"))
        says(agent, agent.of("setpoint")[0], index, S.FOLLOWING, 5e6)
        await wait_until(lambda: [each.state for each in outcomes(gateway, older)][-1:] == [S.FOLLOWING])
        newer = send(gateway, ids.path, 9e6, hold_s=1)
        await wait_until(lambda: len(agent.of("setpoint")) == 3)
        says(agent, agent.of("setpoint")[2], index, S.ACTIVE, 5e6)
        await wait_until(lambda: [each.state for each in outcomes(gateway, older)][-1:] == [S.ACTIVE])
        states = list(dict.fromkeys(each.state for each in outcomes(gateway, older)))
        assert states[-2:] == [S.SUSPENDED, S.ACTIVE]
        (suspended,) = [each for each in outcomes(gateway, older) if each.state is S.SUSPENDED]
        assert (suspended.delivered_w, suspended.shortfall_w) == (None, 5e6)
        assert suspended.reason == f"superseded by dispatch {newer}, and comes back when that ends"


async def test_nonsense_ends_the_stream(up, dial_gateway, wait_until):
    from wire.v1.boundary_link_pb2 import Command

    for message in (
        GatewayMessage(),
        GatewayMessage(command=Command(id="x" * 200, path="", mode="target", target_w=1.0)),
        GatewayMessage(command=Command(id="a", path="", mode="target", target_w=float("nan"))),
        GatewayMessage(hello={"nonce": b"n" * 16}),
    ):
        async with dial_gateway(up, SERIES) as peer:
            peer.session.outgoing.put(message)
            await wait_until(lambda peer=peer: peer.ended)
        assert peer.ended.why is Why.REFUSED


async def test_times_never_go_back_when_the_wall_clock_does(home, run_headend, dial_gateway, opened, wait_until):
    offset_ms = 0

    def clock() -> Now:
        now = host_now()
        return Now(now.utc_ms + offset_ms, now.mono_ms)

    async with run_headend(home, clock) as up, dial_gateway(up, SERIES) as peer:
        await wait_until(lambda: len(peer.heard) >= 2)
        offset_ms = -3_600_000
        seen = len(peer.heard)
        await wait_until(lambda: len(peer.heard) >= seen + 3)
        got = opened(peer)
    times = [row.time_ms for each in got for row in readings(each.points, SERIES)[:1]]
    assert times == sorted(set(times))
    assert all(row.time_ms <= each.made_ms for each in got for row in readings(each.points, SERIES))
    made = [each.made_ms for each in got]
    assert made == sorted(made)


async def test_many_commands_at_once_each_get_their_own_answer(up, dial_gateway, outcomes, wait_until):
    async with dial_gateway(up, SERIES) as gateway:
        sent = [send(gateway, "feeder/F99", 1e6) for _ in range(50)]
        await wait_until(lambda: len(outcomes(gateway)) == 50)
        assert [each.id for each in outcomes(gateway)] == sent
        await asyncio.sleep(0)


async def test_a_command_that_waited_somewhere_is_not_carried_out(
    home, run_headend, ids, dial_gateway, dial_agent, opened, outcomes, wait_until
):
    late_ms = 0

    def clock() -> Now:
        now = host_now()
        return Now(now.utc_ms, now.mono_ms + late_ms)

    async with (
        run_headend(home, clock) as up,
        dial_agent(up, ids.b1, (ids.b1,)) as agent,
        dial_gateway(up, SERIES) as gateway,
    ):
        tell(agent, measured(ids.b1))
        await wait_until(lambda: agent.of("ack") and gateway.heard)
        heard_seq = opened(gateway)[-1].seq
        late_ms = COMMAND_MAX_AGE_MS + 1000  # as if the headend had stood still that long after it said so
        for too_old in (heard_seq, 0, 1_000_000):
            identifier = send(gateway, ids.path, 5e6, heard_seq=too_old)
            await wait_until(lambda named=identifier: outcomes(gateway, named))
            (got,) = outcomes(gateway, identifier)
            assert (got.state, got.reason) == (S.REFUSED, "it came too late to be carried out")
        send(gateway, ids.path, heard_seq=heard_seq)
        await wait_until(lambda: opened(gateway)[-1:] and opened(gateway)[-1].seq > heard_seq + 5)
        assert not agent.of("setpoint")
        send(gateway, ids.path, 6e6, heard_seq=opened(gateway)[-1].seq)
        await wait_until(lambda: agent.of("setpoint"))
        assert [each.setpoint_w for each in agent.of("setpoint")] == [6e6]


async def test_while_the_store_is_slow_heartbeats_are_echoed_and_commands_keep_their_order(
    up, dial_gateway, opened, outcomes, wait_until, monkeypatch
):
    keep, go_on = StateStore.keep, threading.Event()

    def slow(*given):
        go_on.wait(20)
        return keep(*given)

    monkeypatch.setattr(StateStore, "keep", slow)
    async with dial_gateway(up, SERIES) as gateway:
        sent = [send(gateway, "feeder/F99", 1e6) for _ in range(3)]
        gateway.session.outgoing.put(GatewayMessage(heartbeat=GatewayHeartbeat(number=41)))
        try:
            await wait_until(lambda: gateway.heard and opened(gateway)[-1].heartbeat_echo == 41)
            assert not outcomes(gateway)
        finally:
            go_on.set()
        await wait_until(lambda: len(outcomes(gateway)) == 3)
        assert [each.id for each in outcomes(gateway)] == sent


async def test_a_store_that_does_not_answer_does_not_keep_the_points_from_a_gateway(
    up, dial_gateway, outcomes, wait_until, monkeypatch
):
    def broken(*_):
        raise OperationalError("SELECT", {}, Exception("disk I/O error"))

    with monkeypatch.context() as patch:
        patch.setattr(up.headend.dispatcher, "find", broken)
        async with dial_gateway(up, SERIES, open_commands=("earlier",)) as gateway:
            await wait_until(lambda: len(gateway.heard) >= 3)
            patch.undo()
            identifier = send(gateway, "feeder/F99", 1e6)
            await wait_until(lambda: outcomes(gateway, identifier))
            assert not gateway.ended
    await wait_until(lambda: not up.headend._boundary.gateways)


# --- faults of ours, each in its own domain


def broken(*_given, **_named):
    raise ZeroDivisionError("a fault of ours")


async def test_a_fault_in_telling_a_gateway_ends_its_stream_and_no_agents(
    up, ids, dial_gateway, dial_agent, outcomes, wait_until, monkeypatch
):
    async with dial_agent(up, ids.b1, (ids.b1,)) as agent:
        tell(agent, measured(ids.b1))
        await wait_until(lambda: agent.of("ack"))
        async with dial_gateway(up, SERIES) as gateway:
            send(gateway, ids.path, 5e6)
            await wait_until(lambda: agent.of("setpoint"))
            with monkeypatch.context() as patch:
                patch.setattr("headend.publisher.outcome", broken)
                says(agent, agent.of("setpoint")[0], {ids.b1: 0}, S.RECEIVED)
                await wait_until(lambda: gateway.ended)
        acks = len(agent.of("ack"))
        tell(agent, measured(ids.b1))
        await wait_until(lambda: len(agent.of("ack")) > acks)
        assert not agent.ended
        async with dial_gateway(up, SERIES) as again:
            says(agent, agent.of("setpoint")[0], {ids.b1: 0}, S.FOLLOWING, 5e6)
            await wait_until(lambda: outcomes(again)[-1:] and outcomes(again)[-1].state is S.FOLLOWING)


@pytest.mark.parametrize("name", ["headend.publisher.readings", "headend.publisher.news"])
async def test_a_fault_in_one_streams_turn_ends_that_stream_alone(
    up, ids, dial_gateway, dial_agent, outcomes, wait_until, monkeypatch, name
):
    async with dial_agent(up, ids.b1, (ids.b1,)) as agent:
        tell(agent, measured(ids.b1))
        await wait_until(lambda: agent.of("ack"))
        async with dial_gateway(up, SERIES) as gateway:
            send(gateway, ids.path, 5e6)
            await wait_until(lambda: agent.of("setpoint"))
            says(agent, agent.of("setpoint")[0], {ids.b1: 0}, S.FOLLOWING, 5e6)
            await wait_until(lambda: outcomes(gateway)[-1:] and outcomes(gateway)[-1].state is S.FOLLOWING)
            with monkeypatch.context() as patch:
                patch.setattr(name, broken)
                await wait_until(lambda: gateway.ended)
        assert not agent.ended
        async with dial_gateway(up, SERIES) as again:
            await wait_until(lambda: len(again.heard) >= 3)


async def test_a_fault_in_what_all_streams_share_costs_its_periods_and_no_stream(
    up, dial_gateway, wait_until, monkeypatch
):
    async with dial_gateway(up, SERIES) as gateway:
        await wait_until(lambda: gateway.heard)
        failed = []
        with monkeypatch.context() as patch:
            patch.setattr(up.headend.live, "measurements", lambda now: failed.append(now) or broken())
            await wait_until(lambda: len(failed) >= 2)
        seen = len(gateway.heard)
        await wait_until(lambda: len(gateway.heard) > seen)
        assert not gateway.ended
