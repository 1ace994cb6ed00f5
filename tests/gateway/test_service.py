"""The gateway as it is run: its own process between a real BoundaryLink and real DNP3 masters of two makes."""

from __future__ import annotations

import asyncio
import os
import pwd
import random
import resource
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from dermscore.intent import IntentState
from dermscore.sheets.points import PointKind, Quantity, Series
from gateway import takeover
from gateway.faces.dnp3 import flags
from gateway.takeover import Takeover
from tests.gateway import trail
from tests.gateway.stage import CALCULATED, PATH, contract
from tests.gateway.stand_in import GatewayProcess, StandIn, eventually, now_ms, publisher_of
from tests.peers.dnp3py_master import Dnp3pyMaster
from tests.peers.told import Told, latest
from tests.peers.yadnp3_master import Yadnp3Master
from wire import pki
from wire.boundary import BoundaryOutcome
from wire.dial import Why
from wire.identity import TlsFiles

POWER = Series(PATH, PointKind.ALL, Quantity.POWER)
SOC = Series(PATH, PointKind.BATTERY, Quantity.SOC)
SUCCESS, NOT_SUPPORTED, ALREADY_ACTIVE, HARDWARE_ERROR, NOT_AUTHORIZED, OUT_OF_RANGE = 0, 4, 5, 6, 9, 12
BLOCKED, BLOCKED_OTHER_MASTER, DOWNSTREAM_FAIL = 15, 17, 18

Start = Callable[..., Awaitable[GatewayProcess]]


async def picture(master: Dnp3pyMaster | Yadnp3Master) -> dict[tuple[str, int], Told]:
    return latest(await master.integrity())


async def until(
    master: Dnp3pyMaster | Yadnp3Master, met: Callable[[dict[tuple[str, int], Told]], bool], within_s: float = 20
) -> dict[tuple[str, int], Told]:
    """Poll until the picture is as wanted."""
    seen: dict[tuple[str, int], Told] = {}
    try:
        async with asyncio.timeout(within_s):
            while True:
                seen = await picture(master)
                if seen and met(seen):  # a poll that collides with another task of the master brings nothing
                    return seen
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"not within {within_s} s: {seen}") from None


async def test_values_flags_and_times_arrive_at_two_masters_of_different_make(headend: StandIn, gateway: Start) -> None:
    headend.values = lambda: {POWER: 123_400.0, SOC: 55.5}
    before_ms = now_ms()
    running = await gateway()
    async with Dnp3pyMaster(running.port) as first, Yadnp3Master(running.port, master=2) as second:
        await second.connected()
        for master in (first, second):
            seen = await until(master, lambda seen: seen["AI", 2].flags == flags.ONLINE)
            assert {index: seen["AI", index].value for index in (0, 1, 2)} == {0: 123, 1: -1234, 2: 5550}
            assert all(seen["AI", index].flags == flags.ONLINE for index in (0, 1, 2))
            assert {index: (seen["BI", index].value, seen["BI", index].flags) for index in (0, 1, 2)} == {
                0: (1, flags.ONLINE), 1: (1, flags.ONLINE), 2: (1, flags.ONLINE),
            }  # fmt: skip  # audit, link, rehearsal
        headend.values = lambda: {POWER: 124_000.0, SOC: 55.5}
        told = await first.wait_for(lambda each: (each.type, each.index, each.value) == ("AI", 0, 124))
    event = latest(told)["AI", 0]
    assert event.time_ms is not None
    assert before_ms <= event.time_ms <= now_ms()
    assert await running.stop() == 0
    published = {round(row.time_ms) for rows in headend.published for row in rows}
    assert event.time_ms in published
    assert ("power", 124, CALCULATED.bits) in trail.shown(running.folder)


async def test_a_command_goes_out_and_its_outcome_comes_back_under_one_id(headend: StandIn, gateway: Start) -> None:
    headend.values = lambda: {POWER: 0.0}
    running = await gateway()
    async with Yadnp3Master(running.port) as scada:
        await scada.connected()
        await until(scada, lambda seen: seen["AI", 0].flags == flags.ONLINE)
        assert await scada.operate("AO", 0, 250) == SUCCESS
        sent = await asyncio.wait_for(headend.commands.get(), 5)
        assert (sent.path, sent.mode, sent.target_w, sent.primacy) == (PATH, "target", 250_000.0, 1)
        assert 0 < sent.heard_seq <= headend.seq
        assert await scada.operate("AO", 0, 260) == ALREADY_ACTIVE
        headend.outcome(BoundaryOutcome(sent.id, IntentState.FOLLOWING, "", 249_600.0, 400.0, now_ms(), CALCULATED))
        seen = await until(scada, lambda seen: seen["AI", 3].value == 5)
        assert (seen["AI", 5].value, seen["AI", 5].flags) == (250, flags.ONLINE)
        assert (seen["AO", 0].value, seen["AO", 0].flags) == (250, flags.ONLINE)
        assert await scada.operate("AO", 0, 501) == OUT_OF_RANGE
        assert await scada.operate("AO", 7, 1) == NOT_SUPPORTED
        assert await scada.operate("BO", 0, "LATCH_OFF") == NOT_SUPPORTED
        assert await scada.operate("BO", 0, "LATCH_ON", how="direct") == SUCCESS
        released = await asyncio.wait_for(headend.commands.get(), 5)
        assert (released.mode, released.target_w) == ("release", None)
        async with Dnp3pyMaster(running.port, master=2) as backup, Dnp3pyMaster(running.port, master=3) as viewer:
            assert await backup.operate("AO", 0, 10, how="direct") == BLOCKED_OTHER_MASTER
            assert await viewer.operate("AO", 0, 10, how="direct") == NOT_AUTHORIZED
    assert await running.stop() == 0
    told = [read for read in trail.records(running.folder) if sent.id in read.columns.get("id", [])]
    assert [read.header.kind for read in told] == ["command.in", "command.outcome"]
    assert told[0].columns["target_w"] == [250_000.0]
    denied = {read.header.rule for read in trail.records(running.folder) if read.header.kind == "denied"}
    assert denied >= {"under-way", "out-of-range", "other-master", "not-authorised"}


async def test_a_lost_headend_is_comm_lost_and_refuses_commands_until_it_is_back(
    headend: StandIn, gateway: Start
) -> None:
    headend.values = lambda: {POWER: 100_000.0, SOC: 50.0}
    running = await gateway()
    async with Dnp3pyMaster(running.port) as scada:
        await until(scada, lambda seen: seen["AI", 0].flags == seen["AI", 2].flags == flags.ONLINE)
        headend.values = dict
        seen = await until(scada, lambda seen: bool(seen["AI", 2].flags & flags.COMM_LOST), within_s=4 + 4)
        assert seen["AI", 2].value == 5000
        assert not seen["AI", 2].flags & flags.ONLINE
        assert seen["AI", 3].flags == flags.ONLINE  # a command's state never ages
        assert headend.session is not None
        headend.period_s = 3600
        headend.session.end(Why.LOST)
        await until(scada, lambda seen: seen["BI", 1].value == 0)
        assert await scada.operate("AO", 0, 1, how="direct") == DOWNSTREAM_FAIL
        headend.values, headend.period_s = (lambda: {POWER: 100_000.0, SOC: 50.0}), 0.1
        await until(scada, lambda seen: seen["AI", 2].flags == flags.ONLINE and seen["BI", 1].value == 1)
    assert headend.commands.empty()
    assert await running.stop() == 0


async def test_a_publisher_that_is_not_trusted_is_refused_recorded_and_shown(
    tmp_path: Path, headend: StandIn, gateway: Start
) -> None:
    pki.init(tmp_path / "other", [])
    headend.publisher = publisher_of(tmp_path / "other")
    headend.values = lambda: {POWER: 100_000.0}
    running = await gateway()
    async with Dnp3pyMaster(running.port) as scada:
        await eventually(lambda: "publication refused" in running.log.read_text())
        seen = await picture(scada)
        assert not seen["AI", 0].flags & flags.ONLINE
        assert seen["BI", 1] == Told("BI", 1, 0, flags.ONLINE, None)
    assert await running.stop() == 0
    assert "not one of the trusted publishing keys" in running.log.read_text()
    assert any(
        read.header.kind == "denied" and read.header.rule == "unsigned" for read in trail.records(running.folder)
    )
    assert not [read for read in trail.records(running.folder) if read.header.kind == "crossing.out"]


async def test_isolation_closes_the_boundary_and_outlives_a_restart(headend: StandIn, gateway: Start) -> None:
    headend.values = lambda: {POWER: 100_000.0}
    running = await gateway()
    async with Dnp3pyMaster(running.port) as scada:
        await until(scada, lambda seen: seen["AI", 0].flags == flags.ONLINE)
        (running.folder / "ISOLATED").write_text("test")
        seen = await until(scada, lambda seen: bool(seen["AI", 0].flags & flags.COMM_LOST))
        assert seen["AI", 0].value == 100
        assert await scada.operate("AO", 0, 1, how="direct") == BLOCKED
    await running.kill()
    await running.start()
    await running.listening()
    async with Dnp3pyMaster(running.port) as scada:
        assert not (await picture(scada))["AI", 0].flags & flags.ONLINE
        assert headend.session is None
        (running.folder / "ISOLATED").unlink()
        await until(scada, lambda seen: seen["AI", 0].flags == flags.ONLINE)
    assert await running.stop() == 0
    said = [read.header for read in trail.records(running.folder) if read.header.kind in ("gateway", "isolation")]
    assert [each.decision for each in said] == ["started", "isolated", "isolated", "started", "rejoined", "stopped"]
    assert [(each.peer, each.reason) for each in said if each.kind == "isolation"] == [
        (pwd.getpwuid(os.getuid()).pw_name, "test"),
        (pwd.getpwuid(os.getuid()).pw_name, "test"),
        ("", "the file ISOLATED was removed by hand"),
    ]


async def test_an_operator_puts_another_master_in_control_and_it_outlives_a_restart(
    headend: StandIn, gateway: Start
) -> None:
    headend.values = lambda: {POWER: 0.0}
    running = await gateway()

    async def linked(scada: Dnp3pyMaster) -> None:
        await until(scada, lambda seen: seen["BI", 1].value == 1)

    async with Dnp3pyMaster(running.port) as ems, Dnp3pyMaster(running.port, master=2) as backup:
        await linked(ems)
        assert await ems.operate("AO", 0, 250, how="direct") == SUCCESS
        sent = await asyncio.wait_for(headend.commands.get(), 5)
        headend.outcome(BoundaryOutcome(sent.id, IntentState.FOLLOWING, "", 250_000.0, 0.0, now_ms(), CALCULATED))
        await until(ems, lambda seen: seen["AI", 3].value == 5)
        assert await backup.operate("AO", 0, 10, how="direct") == BLOCKED_OTHER_MASTER
        takeover.write(running.folder, Takeover("main", "backup", "drill", now_ms()))
        await eventually(lambda: "another master is in control" in running.log.read_text())
        assert await ems.operate("BO", 0, "LATCH_ON", how="direct") == BLOCKED_OTHER_MASTER
        assert (await picture(ems))["AO", 0].value == 250  # what stands goes on
    await running.kill()
    await running.start()
    await running.listening()
    async with Dnp3pyMaster(running.port) as ems, Dnp3pyMaster(running.port, master=2) as backup:
        await linked(backup)
        assert await ems.operate("AO", 0, 20, how="direct") == BLOCKED_OTHER_MASTER
        assert await backup.operate("AO", 0, 10, how="direct") == SUCCESS
    assert await running.stop() == 0
    said = [read.header.reason for read in trail.records(running.folder) if read.header.decision == "takeover"]
    assert said == ["backup on main: drill"] * 2  # again at the start: its last command was another's


async def test_only_listed_status_goes_up(headend: StandIn, gateway: Start) -> None:
    headend.values = lambda: {POWER: 0.0}
    running = await gateway(upward="[rehearsal, contract_digest]")
    await eventually(lambda: bool(headend.status))
    digest = contract(upward="[rehearsal, contract_digest]", port=running.port).digest
    assert headend.status[0] == {"rehearsal": "true", "contract_digest": digest}
    assert await running.stop() == 0


async def test_a_full_disk_shows_at_once_keeps_values_out_and_is_told_when_there_is_room(
    headend: StandIn, gateway: Start
) -> None:
    count = 0

    def values() -> dict[Series, float | None]:
        nonlocal count
        count = (count + 1) % 900
        return {POWER: count * 1000.0, SOC: 50.0}

    headend.values = values
    running = await gateway()
    assert running.process is not None
    headers = running.folder / "trail" / "headers" / "00000000.jsonl"
    async with Dnp3pyMaster(running.port) as scada:
        await until(scada, lambda seen: seen["AI", 2].flags == flags.ONLINE and seen["BI", 0].value == 1)
        _, most = resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE)
        full = (headers.stat().st_size, most)
        resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, full)  # no file of this process may grow beyond it
        await until(scada, lambda seen: seen["BI", 0].value == 0, within_s=3)
        assert await scada.operate("AO", 0, 1, how="direct") == HARDWARE_ERROR
        seen = await until(scada, lambda seen: bool(seen["AI", 2].flags & flags.COMM_LOST), within_s=4 + 4)
        assert seen["BI", 1].value == 1  # the link is up all the while
        resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (most, most))
        await until(scada, lambda seen: seen["AI", 2].flags == flags.ONLINE and seen["BI", 0].value == 1)
    assert headend.commands.empty()
    assert await running.stop() == 0
    gaps = [read for read in trail.records(running.folder) if read.header.kind == "gap"]
    missed = dict(zip(gaps[0].columns["kind"], gaps[0].columns["count"], strict=True))
    assert missed["crossing.out"] > 0
    assert trail.verified(running.folder).gaps > 0


KILLS = 20 if os.environ.get("DERMS_SOAK") == "1" else 3


@pytest.mark.timeout(60 + 20 * KILLS)
async def test_killed_at_any_moment_the_trail_holds_all_that_masters_saw(headend: StandIn, gateway: Start) -> None:
    rng = random.Random(7)
    count = 0

    def values() -> dict[Series, float | None]:
        nonlocal count
        count = (count + 1) % 900
        return {POWER: count * 1000.0, SOC: 50.0}

    headend.values, headend.period_s = values, 0.02
    running = await gateway()
    names = {0: "power", 1: "absorbed", 2: "soc"}
    online: set[tuple[str, int]] = set()
    for round_number in range(KILLS):
        async with Yadnp3Master(running.port) as scada:
            await scada.connected()
            await until(scada, lambda seen: bool(seen["AI", 0].flags & flags.ONLINE))
            status = await scada.operate("AO", 0, round_number, how="direct")
            assert status == SUCCESS
            kill_at = asyncio.get_running_loop().time() + rng.uniform(0.0, 0.5)
            while asyncio.get_running_loop().time() < kill_at:
                for told in await scada.integrity():
                    if told.type == "AI" and told.index in names and told.flags & flags.ONLINE:
                        online.add((names[told.index], int(told.value)))
            await running.kill()
        await running.start()
        await running.listening()
        recorded = {(point, raw) for point, raw, _ in trail.shown(running.folder)}
        assert online <= recorded, online - recorded
        async with Dnp3pyMaster(running.port) as again:
            seen = await picture(again)
            assert seen["AI", 3].value == 9  # nobody confirmed it: failed
    await eventually(lambda: len(headend.open_commands) == KILLS)  # what nobody told of is asked for at each dialling
    assert headend.commands.qsize() == KILLS  # sent once each; nothing again after a crash
    assert await running.stop() == 0
    ended = [read for read in trail.records(running.folder) if read.header.kind == "command.ended"]
    assert len(ended) == KILLS
    assert len(online) > KILLS


async def test_a_second_gateway_in_the_same_folder_does_not_start(headend: StandIn, gateway: Start) -> None:
    running = await gateway()
    second = GatewayProcess(running.folder, running.port, running.folder.parent / "second.log")
    await second.start()
    assert second.process is not None
    assert await asyncio.wait_for(second.process.wait(), 20) == 1
    assert "trail is open in another process; stop that one first" in second.log.read_text()
    assert await running.stop() == 0


async def test_a_certificate_of_another_installation_gets_no_stream(
    tmp_path: Path, pki_folder: Path, gateway: Start
) -> None:
    pki.init(tmp_path / "other", [])
    other = StandIn(publisher_of(tmp_path / "other"), values=lambda: {POWER: 1.0})
    async with other.listening(TlsFiles.headend(tmp_path / "other")):
        running = await gateway()
        config = running.folder / "gateway.yaml"
        await running.stop()
        text = config.read_text()
        address = text.split("headend: ")[1].split("\n")[0]
        config.write_text(text.replace(address, f"127.0.0.1:{other.port}"))
        await running.start()
        await running.listening()
        await eventually(lambda: "the link to the headend is down" in running.log.read_text())
        assert other.session is None
        assert await running.stop() == 0
