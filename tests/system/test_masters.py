"""The whole system before two DNP3 masters of different make, and before what no master should send.

One plant serves the file. Each test begins with a whole picture and no command under way, in whatever order they run.
What holds throughout: what a master is shown is in the trail, by point, value, flags and time; a command has one id
everywhere; a refusal is answered with its status, recorded, and does nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import resource
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from dermscore.sheets.points import Mode, Quantity
from tests.peers.frames import EVENTS, INTEGRITY, confirm, frame, request
from tests.peers.told import Told, latest
from tests.system.stage import (
    COMM_LOST,
    CONTROL_ROOM,
    FLIPPED,
    FRESH_WITHIN_S,
    MAKES,
    ONLINE,
    PATIENCE_S,
    RESTART,
    SECOND,
    STALE_AFTER_S,
    UNDER_WAY,
    UNFLIPPED,
    VIEWER,
    Peer,
    Record,
    Row,
    Scada,
    Shown,
    System,
    system,
    until,
)

ROUNDS = 12 if os.environ.get("DERMS_SOAK") else 3
WATCH_S = 30.0 if os.environ.get("DERMS_SOAK") else 6.0
MARGIN_S = 2.0  # a publication and a scan later

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plant(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    async with system(tmp_path_factory.mktemp("masters") / "plant") as made:
        yield made


@pytest.fixture(params=list(MAKES))
def make(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# --- what crosses out ------------------------------------------------------------------------------------------------


async def test_both_masters_read_every_point_right(plant: System) -> None:
    """Both watch at once, over a swing of the site; all that they were told stands in the trail, and is the truth."""
    seen: dict[str, list[Told]] = {}
    async with plant.scada("dnp3py", CONTROL_ROOM) as first, plant.scada("yadnp3", SECOND) as second:
        await plant.whole(first)
        target_w = 12e6 if abs(plant.power_w() - 12e6) > 1e6 else 18e6
        assert await operate_target(plant, first, target_w) == 0
        for make, scada in (("dnp3py", first), ("yadnp3", second)):
            seen[make] = await scada.integrity()
        began = time.monotonic()
        while time.monotonic() - began < WATCH_S or not all(same_moment(plant, told) for told in seen.values()):
            assert time.monotonic() - began < WATCH_S + PATIENCE_S, "the same place had no event in both languages"
            for make, scada in (("dnp3py", first), ("yadnp3", second)):
                seen[make] += await scada.events()
            await asyncio.sleep(0.3)
        await plant.until_at(target_w)
        shown_w = await plant.value(first, plant.point(Quantity.POWER, plant.site).name)
        for make, scada in (("dnp3py", first), ("yadnp3", second)):
            seen[make] += await scada.integrity()
            storage = next(p for p in plant.plant.points if p.name == "Jersey storage power")
            await until(
                lambda scada=scada, storage=storage: plant.value(scada, storage.name),
                lambda raw, storage=storage: abs(storage.to_si(raw) - target_w) <= 1000,
                f"{make} to be shown what the batteries do",
            )
    assert shown_w
    for make, told in seen.items():
        await reconcile(plant, told, make)
        sign_unit_scale_and_offset_are_the_sheets(plant, told)
        now = latest(told)
        assert set(now) == every_point(plant), f"{make} was not told of every row of the sheets"
        for point in plant.plant.points:
            if point.quantity in (Quantity.AUDIT_HEALTH, Quantity.HEADEND_LINK, Quantity.REHEARSAL):
                assert now["BI", point.index][2:4] == (1, ONLINE), f"{make}: {point.name}"
            elif point.quantity is Quantity.MEMBERS:
                members = len(plant.plant.fleet.under(point.path))
                assert now["AI", point.index][2:4] == (members, ONLINE), f"{make}: {point.name}"


def sign_unit_scale_and_offset_are_the_sheets(plant: System, told: list[Told]) -> None:
    """One place in two languages: kW of injection, and MW of absorption in hundredths above -20."""
    for flipped, kw in same_moment(plant, told):
        assert -(flipped * 0.01 - 20) == pytest.approx(kw / 1000, abs=0.0055)


def same_moment(plant: System, told: list[Told]) -> list[tuple[float, float]]:
    """What the flipped point and its twin showed wherever both have a good event of the same time."""
    index = {point.name: point.index for point in plant.plant.points}
    events = {(each.index, each.time_ms): each.value for each in told if each.event and each.flags == ONLINE}
    moments = [at for number, at in events if number == index[FLIPPED] and (index[UNFLIPPED], at) in events]
    return [(events[index[FLIPPED], at], events[index[UNFLIPPED], at]) for at in moments]


async def test_the_state_of_charge_is_the_sites_own(plant: System) -> None:
    """A site that nobody commands stands still, so the figure can be held against what its devices hold."""
    path = "feeder/F12/site/S2"
    stores = [asset for asset in plant.plant.fleet.under(path) if asset.kind.value == "battery"]
    async with plant.scada("yadnp3") as scada:
        await plant.whole(scada)
        states = [json.loads((plant.plant.folder / "agents" / f"{asset.id}.json").read_text()) for asset in stores]
        soc_pct = 100 * sum(state["soc_wh"] for state in states) / sum(asset.capacity_wh for asset in stores)
        point = plant.point(Quantity.SOC, path)
        assert await plant.value(scada, point.name) / 100 == pytest.approx(soc_pct, abs=0.0051)
        assert await plant.value(scada, plant.point(Quantity.COVERAGE, path).name) == 100


def every_point(plant: System) -> set[tuple[str, int]]:
    rows = [*plant.plant.points, *plant.plant.commands]
    return {(row.type.value, row.index) for row in rows}


async def reconcile(plant: System, told: list[Told], who: str) -> None:
    """Everything that a master was told of the sites is in the trail: events with their time, the rest without."""
    capture = [each for each in told if (each.type, each.index) in plant.telemetry]
    assert [each for each in capture if each.event], f"{who} was told of no event"

    async def unrecorded() -> list[Told]:
        recorded = {shown for record in await plant.trail("crossing.out", "worsened") for shown in record.shown}
        timeless = {shown[:3] for shown in recorded}
        return [each for each in capture if not _stands(plant, each, recorded, timeless)]

    await until(unrecorded, lambda left: not left, f"the trail to hold what {who} was told", within_s=10)


def _stands(plant: System, told: Told, recorded: set[Shown], timeless: set[tuple[str, int, int]]) -> bool:
    if (told.value, told.flags) == (0, RESTART):
        return True  # nothing has crossed since the gateway started: there is nothing to record
    shown = (plant.telemetry[told.type, told.index].name, int(told.value), told.flags)
    return shown in timeless if told.time_ms is None else Shown(*shown, told.time_ms) in recorded


# --- what crosses in -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["sbo", "direct"])
async def test_a_target_is_obeyed_and_has_one_id_everywhere(plant: System, make: str, how: str) -> None:
    row = plant.command_row(Mode.TARGET)
    target_w = {"sbo": 8e6, "direct": -9e6}[how] + {"dnp3py": 0.0, "yadnp3": 3e6}[make]
    async with plant.scada(make) as scada:
        await plant.whole(scada)
        assert await scada.operate("AO", row.index, row.to_raw(target_w).raw, how=how) == 0
        await plant.until_state(scada, "following")
        await plant.until_at(target_w)
        assert await mirror(scada, "AO", row.index) == (row.to_raw(target_w).raw, ONLINE)
        feedback = plant.point(Quantity.COMMAND_FEEDBACK)
        delivered_w = feedback.to_si(await plant.value(scada, feedback.name))
        assert abs(delivered_w - target_w) <= 0.01 * row.to_si(row.raw_range[1])
    await has_one_id(plant, row.name, target_w, "following", how)


@pytest.mark.parametrize(("make", "how"), [("dnp3py", "sbo"), ("yadnp3", "direct")])
async def test_a_release_lets_go_and_has_one_id_everywhere(plant: System, make: str, how: str) -> None:
    row, target = plant.command_row(Mode.RELEASE), plant.command_row(Mode.TARGET)
    async with plant.scada(make) as scada:
        await plant.whole(scada)
        assert await operate_target(plant, scada, 6e6) == 0
        await plant.until_state(scada, "following")
        assert await scada.operate("BO", row.index, "LATCH_ON", how=how) == 0
        await plant.until_state(scada, "complete", mode=Mode.RELEASE)
        await plant.until_state(scada, "superseded")
        await plant.until_at(0.0)
        assert await mirror(scada, "BO", row.index) == (0, ONLINE)
        assert await mirror(scada, "AO", target.index) == (target.to_raw(6e6).raw, 0), "not in effect"
    await has_one_id(plant, row.name, None, "complete", how)


async def operate_target(plant: System, scada: Scada, target_w: float, how: str = "direct") -> int:
    row = plant.command_row(Mode.TARGET)
    return await scada.operate("AO", row.index, row.to_raw(target_w).raw, how=how)


async def mirror(scada: Scada, kind: str, index: int) -> tuple[float, int]:
    """Value and flags of an output's status: g40 for an AO, g10 for a BO."""
    told = await scada.read(40 if kind == "AO" else 10, 1 if kind == "AO" else 2, index, index)
    return latest(told)[kind, index][2:4]


async def has_one_id(plant: System, name: str, target_w: float | None, ends: str, how: str) -> None:
    """The newest command, by its id: in the outbox, in the trail on its way in and out, in the headend's history."""
    row = plant.outbox()[0]
    assert (row.name, row.target_w, row.state, row.master) == (name, target_w, ends, "control-room")
    asked, *outcomes = await life(plant, row.id)
    assert (asked.kind, asked.decision) == ("command.in", "accepted")
    assert asked.values["target_w"] == [target_w]
    assert asked.values["how"] == ["direct" if how == "direct" else "operate"]
    assert {record.kind for record in outcomes} == {"command.outcome"}
    assert outcomes[-1].values["state"] == [ends]
    parts = [part for part in await plant.history() if part["id"] == row.id]
    assert {part["principal"] for part in parts} == {"urn:derms:gateway:gateway"}
    assert target_w is None or abs(sum(part["mw"] for part in parts) * 1e6 - target_w) < 1


# --- what is refused -------------------------------------------------------------------------------------------------


async def test_what_the_contract_does_not_allow_is_refused(plant: System, make: str) -> None:
    row, release = plant.command_row(Mode.TARGET), plant.command_row(Mode.RELEASE)
    lowest, highest = row.raw_range
    async with plant.scada(make) as scada:
        await plant.whole(scada)
        before = plant.outbox(), await plant.history()
        for how in ("sbo", "direct"):
            assert await scada.operate("AO", row.index, highest + 1, how=how) == 12, "OUT_OF_RANGE"
            assert await scada.operate("AO", row.index, lowest - 1, how=how) == 12, "OUT_OF_RANGE"
            assert await scada.operate("AO", 77, 1, how=how) == 4, "NOT_SUPPORTED: no such output"
            assert await scada.operate("BO", 77, "LATCH_ON", how=how) == 4, "NOT_SUPPORTED: no such output"
            assert await scada.operate("BO", release.index, "LATCH_OFF", how=how) == 4, "NOT_SUPPORTED: code not listed"
    assert (plant.outbox(), await plant.history()) == before, "a refused control did something"
    denied = await plant.trail("denied")
    assert any(record.rule == "out-of-range" and "outside" in record.reason for record in denied)
    assert any("NOT_SUPPORTED" in record.reason or record.decision == "NOT_SUPPORTED" for record in denied)


async def test_a_second_master_and_a_viewer_do_not_control(plant: System) -> None:
    async with plant.scada("dnp3py") as first:
        await plant.whole(first)
        assert await operate_target(plant, first, 5e6) == 0  # whoever operates first is in control
        await plant.until_state(first, "following")
        before = plant.outbox()
        async with plant.scada("yadnp3", SECOND) as second, plant.scada("dnp3py", VIEWER) as viewer:
            assert set(latest(await second.integrity())) == set(latest(await viewer.integrity())) == every_point(plant)
            assert await operate_target(plant, second, 7e6) == 17, "BLOCKED_OTHER_MASTER"
            assert await operate_target(plant, viewer, 7e6) == 9, "NOT_AUTHORIZED"
        assert plant.outbox() == before
    rules = {record.rule for record in await plant.trail("denied")}
    assert {"other-master", "not-authorised"} <= rules


async def test_a_command_in_flight_is_not_given_twice(plant: System, make: str) -> None:
    async with plant.scada(make) as scada:
        await plant.whole(scada)
        target_w = -4e6 if plant.outbox() and plant.outbox()[0].target_w == 4e6 else 4e6
        with stopped(plant.plant.headend.process.pid):  # type: ignore[union-attr]  # it runs
            assert await operate_target(plant, scada, target_w) == 0
            assert await operate_target(plant, scada, target_w + 1e6) == 5, "ALREADY_ACTIVE"
            assert await operate_target(plant, scada, target_w, how="sbo") == 5, "ALREADY_ACTIVE"
        await plant.until_state(scada, "following")
        await plant.until_at(target_w)
    assert plant.outbox()[0].target_w == target_w


@contextlib.contextmanager
def stopped(*pids: int) -> Iterator[None]:
    """These processes stand still meanwhile; their links stay up."""
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


# g41v1, qualifier 17, one object, index 0: int32 3000, status 0.
_SET_AO_0 = bytes.fromhex("2901 17 01 00 b80b0000 00")

_NEVER_EXECUTED = {
    "127.0.0.11": ("function 6", request(6, _SET_AO_0, sequence=3)),
    "127.0.0.12": ("broadcast to 0xffff", frame(0xC4, b"\xc3\xc3\x05" + _SET_AO_0, to=0xFFFF)),
    "127.0.0.13": ("broadcast to 0xfffe", frame(0xC4, b"\xc3\xc3\x06" + _SET_AO_0, to=0xFFFE)),
    "127.0.0.14": ("broadcast to 0xfffd", frame(0xC4, b"\xc3\xc3\x03" + _SET_AO_0, to=0xFFFD)),
}
"""By the address it is sent from: what the trail must say, and a whole control request that nobody would answer."""


@pytest.mark.parametrize("by", list(_NEVER_EXECUTED))
async def test_what_takes_no_answer_is_never_executed(plant: System, by: str) -> None:
    said, octets = _NEVER_EXECUTED[by]
    async with plant.scada("dnp3py") as scada:
        await plant.whole(scada)
    before = plant.outbox()
    async with Peer(plant.plant.ports.dnp3, by) as raw:
        await raw.ask(request(1, EVENTS, sequence=1))
        await raw.send(confirm(1) + octets)
        answer = (await raw.ask(request(1, bytes.fromhex("2801 06"), sequence=4)))[0]
        assert answer[0] & 0x0F == 4, "the first thing answered is the read behind it"
        assert answer[2] & 0x01 == 0, "IIN1.0: a broadcast was taken in"
    assert plant.outbox() == before
    await recorded(plant, lambda each: each.peer == by and each.rule == "function_refused" and said in each.reason)


async def test_a_retry_octet_for_octet_is_answered_and_not_done_again(plant: System) -> None:
    async with plant.scada("dnp3py") as scada:
        await plant.whole(scada)
    known = plant.outbox()
    async with Peer(plant.plant.ports.dnp3, "127.0.0.15") as raw:
        await raw.ask(request(1, EVENTS, sequence=1))
        await raw.send(confirm(1))
        first = await raw.ask(request(5, _SET_AO_0, sequence=2))
        again = await raw.ask(request(5, _SET_AO_0, sequence=2))
    assert first[0][1:] == again[0][1:]
    assert first[0][-1] == 0, "SUCCESS"
    assert len(plant.outbox()) == len(known) + 1


async def recorded(plant: System, wanted: Callable[[Record], bool]) -> Record:
    """The first denial that is as wanted, once it is in the trail."""

    async def found() -> Record | None:
        return next((each for each in await plant.trail("denied") if wanted(each)), None)

    record: Record = await until(found, lambda each: each is not None, "a denial in the trail", within_s=10)
    return record


async def test_a_stranger_is_refused_and_the_master_goes_on(plant: System) -> None:
    by = "127.0.0.21"
    async with plant.scada("yadnp3") as scada:
        await plant.whole(scada)
        connections = scada.connections  # type: ignore[union-attr]  # yadnp3 counts them
        async with Peer(plant.plant.ports.dnp3, by) as stranger:
            await stranger.send(request(5, _SET_AO_0, sequence=1, by=9))
            assert await stranger.closed()
        with pytest.raises(Exception, match=r"(?i)closed|reset|link|connect"):
            async with plant.scada("dnp3py", 9) as other:
                await other.integrity()
        await plant.whole(scada)
        assert scada.connections == connections, "the stranger displaced the master"  # type: ignore[union-attr]
    record = await recorded(plant, lambda each: each.peer == by)
    assert (record.rule, record.decision) == ("stranger_refused", "refused")
    assert "address 9" in record.reason


# --- when things fail ------------------------------------------------------------------------------------------------


async def test_without_a_headend_nothing_looks_good_and_nothing_waits(plant: System) -> None:
    """Killed: DOWNSTREAM_FAIL at once, COMM_LOST in time, nothing is sent later. A gateway that starts meanwhile shows
    RESTART until the first crossing.
    """
    row = plant.command_row(Mode.TARGET)
    async with plant.scada("dnp3py") as scada:
        await plant.whole(scada)
        assert await operate_target(plant, scada, 11e6) == 0
        await plant.until_state(scada, "following")
        await plant.until_at(11e6)
    before = plant.outbox(), await ids(plant)
    async with killed_headend(plant):
        async with plant.scada("dnp3py") as scada:
            await shows_the_loss(plant, scada, time.monotonic())
        await plant.plant.gateway.kill()
        await plant.start_gateway()
        async with plant.scada("yadnp3") as scada:
            told = await scada.integrity()
            assert all(flags & RESTART and not flags & ONLINE for flags in telemetry_flags(plant, told))
            assert await mirror(scada, "AO", row.index) == (row.to_raw(11e6).raw, COMM_LOST), "it outlives a restart"
    async with plant.scada("yadnp3") as scada:
        await reconcile(plant, await plant.whole(scada), "yadnp3")
        assert await mirror(scada, "AO", row.index) == (row.to_raw(11e6).raw, ONLINE), "it is told of again"
    assert (plant.outbox(), await ids(plant)) == before, "a refused command was kept for later"
    assert abs(plant.power_w() - 11e6) <= 1000


@contextlib.asynccontextmanager
async def killed_headend(plant: System) -> AsyncIterator[None]:
    """SIGKILLed, and started again at the end."""
    await plant.plant.headend.kill()
    try:
        yield
    finally:
        await plant.plant.headend.start()


async def shows_the_loss(plant: System, scada: Scada, killed_s: float) -> None:
    link = plant.point(Quantity.HEADEND_LINK).name
    await until(lambda: plant.value(scada, link), lambda up: up == 0, "the link to be shown as down", within_s=1)
    assert await operate_target(plant, scada, 15e6) == 18, "DOWNSTREAM_FAIL"
    assert await operate_target(plant, scada, 15e6, how="sbo") == 18, "DOWNSTREAM_FAIL"
    assert await scada.operate("BO", 0, "LATCH_ON", how="direct") == 18, "DOWNSTREAM_FAIL"
    told = await scada.integrity()
    while any(flags & ONLINE for flags in telemetry_flags(plant, told)):
        assert time.monotonic() - killed_s < STALE_AFTER_S + MARGIN_S, "a stale value still looks good"
        await asyncio.sleep(0.2)
        told += await scada.integrity()
    assert set(telemetry_flags(plant, told)) == {COMM_LOST}
    await reconcile(plant, told, "dnp3py")


def telemetry_flags(plant: System, told: list[Told]) -> list[int]:
    return [each.flags for key, each in latest(told).items() if key in plant.telemetry]


async def ids(plant: System) -> list[str]:
    return list(dict.fromkeys(part["id"] for part in await plant.history()))


async def test_a_gateway_killed_after_a_command_does_not_send_it_again(plant: System) -> None:
    seed = random.SystemRandom().getrandbits(32)
    rng = random.Random(seed)
    for number in range(ROUNDS):
        async with plant.scada("dnp3py") as scada:
            await plant.whole(scada)
        await killed_after_a_command(
            plant, 5000 + 1000 * (number % 8), rng.choice((0.0, 0.005, 0.015, 0.03, 0.2)), seed
        )


async def killed_after_a_command(plant: System, raw_value: int, delay_s: float, seed: int) -> None:
    known = {row.id for row in plant.outbox()}
    octets = bytes.fromhex("2901 17 01 00") + raw_value.to_bytes(4, "little", signed=True) + b"\0"
    async with Peer(plant.plant.ports.dnp3, "127.0.0.31") as raw:
        await raw.ask(request(1, INTEGRITY, sequence=1))
        await raw.send(confirm(1) + request(5, octets, sequence=2))
        await asyncio.sleep(delay_s)
        await plant.plant.gateway.kill()
    left = [row for row in plant.outbox() if row.id not in known]
    assert len(left) <= 1
    await asyncio.sleep(0.5)  # whatever was on its way to the headend has arrived
    sent = await ids(plant)
    await plant.start_gateway()
    async with plant.scada("dnp3py") as scada:
        await plant.whole(scada)
        assert await ids(plant) == sent, f"seed {seed}: something was sent again"
        for row in left:
            await its_fate_is_told(plant, scada, row, f"seed {seed}, killed after {delay_s} s")


async def its_fate_is_told(plant: System, scada: Scada, left: Row, when: str) -> None:
    """`left` is the command as the outbox had it when the gateway died."""

    async def both() -> tuple[str | None, str]:
        return next((row.state for row in plant.outbox() if row.id == left.id), None), await plant.state(scada)

    if left.state == "new":  # its master never heard SUCCESS
        assert (await both())[0] is None, when
        kinds = [record.kind for record in await life(plant, left.id)]
        assert kinds in (["command.withdrawn"], ["command.in", "command.withdrawn"]), when
        return
    _, shown = await until(both, lambda states: states[0] == states[1], f"SCADA and outbox to agree ({when})", 10)
    assert shown not in UNDER_WAY, when
    records = await life(plant, left.id)
    kinds = [record.kind for record in records]
    assert kinds[0] == "command.in", when
    if left.state in ("submitted", "sent"):  # reported failed by its id, until who knows better says so
        ended = kinds.index("command.ended")
        assert records[ended].decision == "failed", when
        corrected = [each.values["state"][0] for each in records[ended + 1 :] if each.kind == "command.outcome"]
        assert shown in ("failed", *corrected), when


async def life(plant: System, identifier: str) -> list[Record]:
    """All that the trail says of one command, in its order."""
    return [record for record in await plant.trail() if record.values.get("id") == [identifier]]


async def test_a_full_disk_stops_new_values_and_no_bad_news(plant: System) -> None:
    async with plant.scada("dnp3py") as scada:
        await plant.whole(scada)
        row, before = plant.command_row(Mode.TARGET), await plant.trail()
        with disk_full(plant):
            full = time.monotonic()
            health = plant.point(Quantity.AUDIT_HEALTH).name
            await until(lambda: plant.value(scada, health), lambda ok: ok == 0, "the trail's trouble to be shown", 3)
            assert await scada.operate("AO", row.index, 4000) == 6, "HARDWARE_ERROR: what is not recorded is not done"
            told = await scada.integrity()
            while any(flags & ONLINE for flags in telemetry_flags(plant, told)):
                assert time.monotonic() - full < STALE_AFTER_S + MARGIN_S, "values stopped coming and still look good"
                await asyncio.sleep(0.2)
                told += await scada.integrity()
            assert len(await plant.trail()) - len(before) <= 2
        await until(lambda: plant.value(scada, health), lambda ok: ok == 1, "the trail to be healthy again")
        told += await scada.events()
        await plant.whole(scada)
    gap = (await plant.trail("gap"))[-1]
    counts = dict(zip(gap.values["kind"], gap.values["count"], strict=True))
    assert counts["crossing.out"] >= STALE_AFTER_S - 2
    assert counts["worsened"] >= 1
    assert gap.n == sum(counts.values())
    assert [each.n for each in await plant.trail("log.gap")][-1] >= gap.n
    await good_values_reconcile(plant, told)


async def good_values_reconcile(plant: System, told: list[Told]) -> None:
    """Bad news went unrecorded, but for its count; no good value did."""
    good = [each for each in told if each.flags & ONLINE]
    recorded = {shown for record in await plant.trail("crossing.out") for shown in record.shown}
    timeless = {shown[:3] for shown in recorded}
    unrecorded = [e for e in good if (e.type, e.index) in plant.telemetry and not _stands(plant, e, recorded, timeless)]
    assert not unrecorded


@contextlib.contextmanager
def disk_full(plant: System) -> Iterator[None]:
    """No file of the gateway may grow beyond what the longest file of the trail is now: every record is refused."""
    process = plant.plant.gateway.process
    assert process is not None
    os.truncate(plant.plant.gateway.log, 0)  # it is appended to, and must have room: only the trail is to be full
    size = max(path.stat().st_size for path in plant.plant.trail.rglob("*") if path.is_file())
    soft, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size + 64, hard))
    try:
        yield
    finally:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (soft, hard))


async def test_an_agent_that_falls_silent_is_missed(plant: System) -> None:
    """It keeps its link and says nothing: its share is no longer in the sum, and the sum no longer looks good."""
    battery = max(
        (asset for asset in plant.plant.fleet.under(plant.site) if asset.kind.value == "battery"),
        key=lambda asset: asset.max_w,
    )
    state = json.loads((plant.plant.folder / "agents" / f"{battery.id}.json").read_text())
    members, coverage = (plant.point(quantity, plant.site).name for quantity in (Quantity.MEMBERS, Quantity.COVERAGE))
    power = plant.point(Quantity.POWER, plant.site).name
    async with plant.scada("dnp3py") as scada:
        await plant.whole(scada)
        everybody = await plant.value(scada, members)
        with stopped(state["pid"]):
            silent = time.monotonic()
            told = await until(lambda: plant.read(scada, power), lambda told: not told.flags & ONLINE, f"{power} HELD")
            assert time.monotonic() - silent < FRESH_WITHIN_S + MARGIN_S
            assert told.flags == 0, "the last value, held"
            # A new number waits for its record, which the bad news did not.
            await until(lambda: plant.value(scada, members), lambda count: count == everybody - 1, members, 2)
            assert await plant.value(scada, coverage) < 80
        back = await until(lambda: plant.read(scada, power), lambda told: told.flags == ONLINE, f"{power} ONLINE")
        await until(lambda: plant.value(scada, members), lambda count: count == everybody, members, 2)
        await reconcile(plant, [told, back, *await scada.events()], "dnp3py")


async def test_a_closed_boundary_blocks_both_ways_at_once(plant: System) -> None:
    folder = str(plant.plant.folder / "gateway")
    async with plant.scada("yadnp3") as scada:
        await plant.whole(scada)
        before = plant.outbox()
        await plant.derms("gateway", "isolate", folder, "--reason", "exercise")
        try:
            closed = await until(
                scada.integrity, lambda told: not any(f & ONLINE for f in telemetry_flags(plant, told)), "isolation", 3
            )
            assert set(telemetry_flags(plant, closed)) == {COMM_LOST}
            assert await operate_target(plant, scada, 5e6) == 15, "BLOCKED"
        finally:
            await plant.derms("gateway", "rejoin", folder)
        await plant.whole(scada)
        assert plant.outbox() == before
        await reconcile(plant, closed, "yadnp3")
    said = await plant.trail("isolation")
    assert [record.decision for record in said[-2:]] == ["isolated", "rejoined"]
    assert all(record.peer for record in said[-2:])


async def test_a_live_contract_shows_nothing_that_is_simulated(plant: System) -> None:
    boundary = plant.plant.folder / "gateway" / "policies" / "gateway" / "boundary.yaml"
    async with restarted_with(plant, boundary, "contract: rehearsal", "contract: live"):
        async with plant.scada("dnp3py") as scada:
            link, rehearsal = (plant.point(q).name for q in (Quantity.HEADEND_LINK, Quantity.REHEARSAL))
            await until(lambda: plant.value(scada, link), lambda up: up == 1, "the headend's publications")
            assert await plant.value(scada, rehearsal) == 0
            told = await scada.integrity()
            for _ in range(5):
                await asyncio.sleep(0.4)
                told += await scada.integrity()
        of_sites = [each for each in told if (each.type, each.index) in plant.telemetry]
        assert {(each.value, each.flags & ONLINE) for each in of_sites} == {(0, 0)}
    assert any("test-in-live" in record.rule for record in await plant.trail("crossing.out"))


async def test_publications_of_another_key_are_not_believed(plant: System) -> None:
    other = plant.plant.folder / "other-pki"
    if not other.exists():
        await plant.derms("pki", "init", str(other), "--assets", str(plant.plant.assets))
    config, ours = plant.plant.folder / "gateway" / "gateway.yaml", plant.plant.folder / "pki" / "publisher.pub"
    async with restarted_with(plant, config, str(ours), str(other / "publisher.pub")):
        record = await recorded(plant, lambda each: each.rule == "unsigned")
        assert record.decision == "refused"
        async with plant.scada("yadnp3") as scada:
            assert {flags & ONLINE for flags in telemetry_flags(plant, await scada.integrity())} == {0}
            assert await plant.value(scada, plant.point(Quantity.HEADEND_LINK).name) == 0
            assert await operate_target(plant, scada, 5e6) == 18, "DOWNSTREAM_FAIL"


@contextlib.asynccontextmanager
async def restarted_with(plant: System, file: Path, before: str, after: str) -> AsyncIterator[None]:
    """The gateway, started anew with a change in one of its files; and again without it at the end."""
    async with plant.scada("dnp3py") as scada:
        await plant.whole(scada)
    await plant.plant.gateway.stop()
    change(file, before, after)
    try:
        await plant.start_gateway()
        yield
    finally:
        await plant.plant.gateway.stop()
        change(file, after, before)
        await plant.start_gateway()


def change(file: Path, before: str, after: str) -> None:
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))
