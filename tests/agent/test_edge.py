"""The agent as a whole, in this process: which assets, what stops the start, and a device that outlives its agent."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import structlog

from agent import edge, marks, state
from agent.drivers import table
from agent.drivers.device import DEAD_MAN_S
from agent.edge import Spec
from agent.marks import Mark, Marks
from agent.state import Saved
from daemon.clock import now
from daemon.run import Stop
from dermscore.errors import BadInput, NotSetUp
from dermscore.intent import Intent
from dermscore.model import Asset, Fleet, Kind, Now, Site


def battery(asset_id: str, driver: str = "simulated") -> Asset:
    return Asset(
        asset_id, asset_id, "site-1", Kind.BATTERY, 100e6, 50e6, -50e6, 0.9, 50e6, 5.0, 95.0, driver, "default"
    )


SITES = {site_id: Site(site_id, site_id, "R", f"feeder/{site_id}") for site_id in ("site-1", "site-2")}
FLEET = Fleet(SITES, {asset_id: battery(asset_id) for asset_id in ("a1", "a2")})


def test_an_id_names_an_asset_or_a_site() -> None:
    assert [asset.id for asset in edge.assets_of(FLEET, "a2")] == ["a2"]
    assert [asset.id for asset in edge.assets_of(FLEET, "site-1")] == ["a1", "a2"]


@pytest.mark.parametrize(("agent_id", "what"), [("nobody", "neither an asset nor a site"), ("site-2", "has no assets")])
def test_an_id_that_names_nothing_is_refused(agent_id: str, what: str) -> None:
    with pytest.raises(BadInput, match=what):
        edge.assets_of(FLEET, agent_id)


def test_an_unknown_driver_is_named_with_its_asset(certificates: Path) -> None:
    with pytest.raises(BadInput, match=r"asset a1: driver: 'modbus9' is not a driver; known: simulated"):
        edge.check(Spec("a1", (battery("a1", "modbus9"),), "h:1", certificates))


def test_a_missing_certificate_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(NotSetUp, match="derms pki init"):
        edge.check(Spec("a1", (battery("a1"),), "h:1", tmp_path))


def test_anothers_certificate_is_not_ours(certificates: Path, tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    for source, name in ((certificates / "ca.crt", "ca.crt"), (certificates / "agents/a2.crt", "agents/a1.crt")):
        (tmp_path / name).write_bytes(source.read_bytes())
    shutil.copy(certificates / "agents/a2.key", tmp_path / "agents/a1.key")  # with its mode
    with pytest.raises(BadInput, match="is the certificate of urn:derms:agent:a2, not of agent a1"):
        edge.check(Spec("a1", (battery("a1"),), "h:1", tmp_path))


def test_all_that_is_wrong_with_a_fleet_is_said_at_once(certificates: Path) -> None:
    specs = [Spec(asset_id, (battery(asset_id),), "h:1", certificates) for asset_id in ("a1", "b8", "b9")]
    with pytest.raises(BadInput) as caught:
        edge.check_all(specs)
    assert [problem.where for problem in caught.value.problems] == ["agent b8", "agent b9"]


async def live(spec: Spec, until: Any, condition: Any) -> None:
    """Run the agent until the condition holds."""
    stop = Stop()
    async with asyncio.TaskGroup() as group:
        group.create_task(edge.run(spec, stop))
        await until(condition)
        stop.set("the test is over")


def spec_of(certificates: Path, port: int, folder: Path, agent_id: str = "a1") -> Spec:
    return Spec(agent_id, (battery(agent_id),), f"127.0.0.1:{port}", certificates, folder)


async def test_it_ticks_and_keeps_its_state_with_no_headend_at_all(
    certificates: Path, tmp_path: Path, until: Any
) -> None:
    path = tmp_path / "a1.json"
    await live(
        spec_of(certificates, 1, tmp_path), until, lambda: path.exists() and json.loads(path.read_text())["tick"] > 5
    )
    assert json.loads(path.read_text())["link"] == "down"


async def test_a_restarted_agent_goes_on_where_the_last_one_was(
    certificates: Path, headend: Any, tmp_path: Path, until: Any
) -> None:
    spec = spec_of(certificates, headend.port, tmp_path)
    issued_ms = headend.now_ms()
    intent = Intent("a1", "e1", 3, "d3", 30e6, 0.0, issued_ms, issued_ms + 600_000, "p", 5)
    async with asyncio.TaskGroup() as group:
        stop = Stop()
        group.create_task(edge.run(spec, stop))
        await until(lambda: headend.readings)
        headend.send("a1", intent)
        await until(lambda: [report for report in headend.reports if report.state == "following"])
        stop.set("restart")
    before = state.load(tmp_path / "a1.json", "a1")
    assert before is not None
    headend.readings.clear()
    await live(spec, until, lambda: headend.readings)
    assert headend.claims["a1"].held == {"a1": ("e1", 3)}
    first = headend.readings[0][1]
    assert first.power_w == pytest.approx(30e6, rel=0.01)
    assert first.soc_wh < before.soc_wh
    after = state.load(tmp_path / "a1.json", "a1")
    assert after is not None
    assert after.tick > before.tick


async def test_a_corrupted_state_is_a_fresh_start_with_a_warning(
    certificates: Path, headend: Any, tmp_path: Path, until: Any
) -> None:
    (tmp_path / "a1.json").write_text("{torn")
    with structlog.testing.capture_logs() as logs:
        await live(spec_of(certificates, headend.port, tmp_path), until, lambda: headend.readings)
    assert headend.readings[0][1].soc_wh == 50e6
    assert [line for line in logs if "starts afresh" in line["event"]]


def saved(age_s: float, boot: str, mono_ms: int, utc_ms: int) -> Saved:
    return Saved("a1", utc_ms, mono_ms, boot, 9, 30e6, 60e6, 30e6, age_s, "follow", "up", 1)


async def test_a_device_left_alone_beyond_its_dead_man_has_reverted() -> None:
    start = now()
    old = saved(0.0, "this", start.mono_ms - round((DEAD_MAN_S + 5) * 1000), start.utc_ms)
    reading = await table.open_driver(battery("a1"), now, old, "this").read()
    assert (reading.power_w, reading.setpoint_w) == (0.0, None)
    assert reading.soc_wh is not None
    assert reading.soc_wh == pytest.approx(60e6 - 30e6 * DEAD_MAN_S / 3600 / 0.9, rel=0.01)


async def test_a_device_left_alone_for_a_moment_goes_on() -> None:
    start = now()
    recent = saved(1.0, "this", start.mono_ms - 2_000, start.utc_ms)
    reading = await table.open_driver(battery("a1"), now, recent, "this").read()
    assert reading.power_w == pytest.approx(30e6)
    assert reading.setpoint_w == 30e6


async def test_after_a_reboot_the_wall_clock_says_how_long() -> None:
    start = Now(1_000_000, 50)
    old = saved(0.0, "last boot", 900_000, start.utc_ms - 60_000)
    reading = await table.open_driver(battery("a1"), lambda: start, old, "this").read()
    assert reading.power_w == 0.0


async def test_a_second_agent_of_an_asset_is_turned_away(
    certificates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge, "CLAIM_S", 0.2)
    with state.claim(tmp_path, "a1"), pytest.raises(BadInput, match="another agent drives this asset"):
        await edge.run(spec_of(certificates, 1, tmp_path), Stop())


async def test_a_mark_holds_through_a_restart_and_without_the_headend_and_ends_by_its_removal(
    certificates: Path, tmp_path: Path, until: Any
) -> None:
    def shown() -> tuple[str, int]:
        path = tmp_path / "a1.json"
        told = json.loads(path.read_text()) if path.exists() else {"guard": "", "tick": 0}
        return told["guard"], told["tick"]

    def is_now(guard: str, after: int) -> bool:
        return shown()[0] == guard and shown()[1] > after

    spec = spec_of(certificates, 1, tmp_path)
    await live(spec, until, lambda: is_now("failsafe", 0))
    marks.place(tmp_path, "a1", Mark.LOCKED, "door open")
    for _ in range(2):
        tick = shown()[1]
        await live(spec, until, lambda tick=tick: is_now("locked", tick + 4))  # written by the process that runs now
    stop = Stop()
    async with asyncio.TaskGroup() as group:
        group.create_task(edge.run(spec, stop))
        marks.clear(tmp_path, "a1", Mark.LOCKED)
        await until(lambda: is_now("failsafe", 0))
        marks.place(tmp_path, "a1", Mark.LOCAL, "service")
        await until(lambda: is_now("local", 0))
        stop.set("the test is over")


class Heeding:
    """A loop, as far as those who look for marks know it."""

    def __init__(self) -> None:
        self.asset = battery("a1")
        self.heard: list[Marks] = []

    def heed(self, found: Marks) -> None:
        self.heard.append(found)


async def test_marks_stay_as_they_were_while_their_folder_is_away(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    state.claim(folder, "a1").close()
    loop: Any = Heeding()
    watch = edge.Watch(folder, [loop])
    marks.place(folder, "a1", Mark.LOCKED, "door open")
    await watch.look()
    away = folder.rename(tmp_path / "unmounted")
    with structlog.testing.capture_logs() as logs:
        await watch.look()
        await watch.look()
    assert loop.heard == [Marks("door open")]
    assert len(logs) == 1
    away.rename(folder)
    await watch.look()
    assert loop.heard == [Marks("door open")] * 2
