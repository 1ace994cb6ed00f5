"""The link against a real gRPC server over mutual TLS."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import small_headend  # this folder's: conftest loads it
import structlog

from agent.drivers import Clock
from agent.drivers.simulated import SimulatedDriver
from agent.link import Link
from agent.loop import AssetLoop
from agent.marks import Marks
from agent.reports import Reports
from daemon.clock import now
from dermscore.guard import Fallback
from dermscore.intent import Intent, IntentState
from dermscore.model import Asset, Impairment, ImpairmentKind, Kind, Now
from dermscore.quality import Cause
from tests.ports import free_ports
from wire.convert import Report
from wire.dial import Session, Why
from wire.identity import TlsFiles
from wire.outgoing import QUEUE
from wire.v1.agent_link_pb2 import HeadendMessage, Setpoint

HERE = Path(__file__).parent


def make_asset(asset_id: str, kind: Kind = Kind.BATTERY) -> Asset:
    capacity_wh = 100e6 if kind is Kind.BATTERY else 0.0
    max_w = 0.0 if kind is Kind.LOAD else 50e6
    min_w = 0.0 if kind is Kind.SOLAR else -50e6
    return Asset(
        asset_id, asset_id, "site-1", kind, capacity_wh, max_w, min_w, 0.9, 50e6, 5.0, 95.0, "simulated", "default"
    )


def intent(headend: Any, w: float, revision: int = 1, asset_id: str = "a1", duration_s: float = 60.0) -> Intent:
    issued_ms = headend.now_ms()
    return Intent(
        asset_id, "e1", revision, f"d{revision}", w, 0.0, issued_ms, issued_ms + round(duration_s * 1000), "p", 5
    )


class Edge:
    """Loops and a link, without the process around them."""

    def __init__(
        self,
        pki: Path,
        port: int,
        agent_id: str = "a1",
        assets: tuple[Asset, ...] = (),
        clock: Clock = now,
        **link: Any,
    ) -> None:
        self.reports = Reports()
        self.drivers = {asset.id: SimulatedDriver(asset, clock) for asset in assets or (make_asset(agent_id),)}
        pairs = zip(assets or (make_asset(agent_id),), self.drivers.values(), strict=True)
        self.loops = [AssetLoop(asset, driver, self.reports, clock) for asset, driver in pairs]
        files = TlsFiles.agent(pki, agent_id)
        self.link = Link(agent_id, self.loops, self.reports, f"127.0.0.1:{port}", files, clock, telemetry_s=0.5, **link)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Edge]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(loop.run()) for loop in self.loops]
            tasks.append(group.create_task(self.link.run()))
            yield self
            for task in tasks:
                task.cancel()


async def test_it_registers_and_tells(certificates: Path, headend: Any, until: Any) -> None:
    async with Edge(certificates, headend.port).running() as edge:
        await until(lambda: len(headend.readings) >= 3)
        assert edge.link.up
    assert headend.claims["a1"].asset_ids == ("a1",)
    assert headend.claims["a1"].held == {}
    assert headend.seqs == list(range(1, len(headend.seqs) + 1))
    reading = headend.readings[-1][1]
    assert reading.soc_wh == 50e6
    assert Cause.TEST in reading.quality.causes


async def test_a_site_tells_all_its_assets_in_one_message(certificates: Path, headend: Any, until: Any) -> None:
    assets = (make_asset("a1"), make_asset("a2", Kind.SOLAR), make_asset("a3", Kind.LOAD))
    async with Edge(certificates, headend.port, "site-1", assets).running():
        await until(lambda: len(headend.readings) >= 9)
    assert len(headend.seqs) * 3 == len(headend.readings)
    last = {reading.asset_id: reading for _, reading in headend.readings[-3:]}
    assert last["a2"].power_w > 0
    assert last["a3"].power_w < 0
    assert last["a3"].soc_wh is None


async def test_a_setpoint_is_followed_and_its_life_reported(certificates: Path, headend: Any, until: Any) -> None:
    async with Edge(certificates, headend.port).running():
        await until(lambda: headend.readings)
        headend.send("a1", intent(headend, 30e6, duration_s=4))
        await until(lambda: [r for r in headend.reports if r.state == "complete"])
    states = [report.state.value for report in headend.reports]
    assert states == ["received", "active", "following", "complete"]
    assert headend.reports[2].power_w == pytest.approx(30e6, rel=0.01)


async def test_a_setpoint_that_ended_on_its_way_never_acts(certificates: Path, headend: Any, until: Any) -> None:
    async with Edge(certificates, headend.port).running():
        await until(lambda: headend.readings)
        headend.send("a1", intent(headend, 30e6, duration_s=-1))
        await until(lambda: headend.reports)
        await until(lambda: len(headend.readings) >= 4)
    assert [report.state.value for report in headend.reports] == ["expired"]
    assert {reading.power_w for _, reading in headend.readings} == {0.0}


async def test_all_that_a_large_site_has_to_say_again_fits_one_session(
    certificates: Path, headend: Any, until: Any
) -> None:
    assets = tuple(make_asset(f"b{number}") for number in range(100))
    edge = Edge(certificates, headend.port, "site-1", assets)
    kept = [Report(each.id, "e1", n, f"d{n}", IntentState.COMPLETE, "", 0, None) for each in assets for n in range(16)]
    assert len(kept) > QUEUE
    for report in kept:
        edge.reports.report(report)
    async with edge.running():
        await until(lambda: len(headend.reports) >= len(kept))
    assert headend.reports == kept
    assert headend.registrations == 1


class Stoppable:
    """Our clocks; `stop` lets time pass that nobody here lives through, as a stopped process does."""

    def __init__(self) -> None:
        self.passed_ms = 0

    def __call__(self) -> Now:
        real = now()
        return Now(real.utc_ms + self.passed_ms, real.mono_ms + self.passed_ms)


async def test_what_waited_while_the_agent_was_stopped_never_acts(certificates: Path, headend: Any, until: Any) -> None:
    """The setpoint was sent with a minute to live; the agent stood still for two, and then finds it in its buffer."""
    clock = Stoppable()
    with structlog.testing.capture_logs() as logs:
        async with Edge(certificates, headend.port, clock=clock).running():
            await until(lambda: headend.readings)
            clock.passed_ms = 120_000
            headend.send("a1", intent(headend, 30e6, duration_s=60))
            await until(lambda: headend.registrations == 2)
            await until(lambda: len(headend.readings) >= 4)
    assert headend.reports == []
    assert {reading.power_w for _, reading in headend.readings} == {0.0}
    assert any("what waited is not believed" in str(line.get("why")) for line in logs)


async def test_the_headends_clock_counts_and_not_ours(certificates: Path, until: Any) -> None:
    """A headend whose clock is an hour ahead: its intent of one minute has its minute here all the same."""
    ahead = small_headend.SmallHeadend(certificates, clock_ahead_ms=3_600_000)
    await ahead.start()
    async with Edge(certificates, ahead.port).running():
        await until(lambda: ahead.readings)
        ahead.send("a1", intent(ahead, 30e6, duration_s=60))
        await until(lambda: [r for r in ahead.reports if r.state == "following"])
    await ahead.stop()


async def test_a_reconnect_says_what_is_held_and_repeats_its_reports(
    certificates: Path, headend: Any, until: Any
) -> None:
    async with Edge(certificates, headend.port).running():
        await until(lambda: headend.readings)
        headend.send("a1", intent(headend, 30e6, revision=7))
        await until(lambda: [r for r in headend.reports if r.state == "following"])
        headend.reports.clear()
        headend.sessions["a1"].end(Why.SILENT)
        await until(lambda: headend.registrations == 2)
        await until(lambda: headend.reports)
    assert headend.claims["a1"].held == {"a1": ("e1", 7)}
    assert [(r.revision, r.state.value) for r in headend.reports] == [(7, "following")]


async def test_a_refusal_is_logged_with_its_reason_and_retried_slowly(
    certificates: Path, headend: Any, until: Any
) -> None:
    headend.refusal = "a1 may not claim what it claims"
    with structlog.testing.capture_logs() as logs:
        async with Edge(certificates, headend.port, refused_s=0.5).running() as edge:
            await until(lambda: len(headend.turned_away) >= 2)
            assert not edge.link.up
            assert edge.loops[0].tick_count > 0
            headend.refusal = None
            await until(lambda: headend.readings)
    said = [line for line in logs if line["event"] == "refused by the headend"]
    assert said
    assert said[0]["why"] == "a1 may not claim what it claims"
    assert said[0]["retry_in_s"] >= 0.5


async def test_a_headend_that_falls_silent_is_left(
    certificates: Path, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half open: the connection stands and nothing comes. The agent closes it, and dials again."""
    monkeypatch.setattr("agent.link.Session", lambda *a, **k: Session(*a, silence_s=1.0, beat_s=0.3, **k))
    mute = small_headend.SmallHeadend(certificates, beat_s=3600)
    monkeypatch.setattr(mute, "_on_telemetry", lambda *_: None)
    mute_ack = small_headend.SmallHeadend._hear

    async def no_ack(claim: Any, session: Any, message: Any) -> None:
        if message.WhichOneof("body") != "telemetry":
            await mute_ack(mute, claim, session, message)

    monkeypatch.setattr(mute, "_hear", no_ack)
    await mute.start()
    with structlog.testing.capture_logs() as logs:
        async with Edge(certificates, mute.port).running():
            await until(lambda: mute.registrations >= 2)
    await mute.stop()
    assert any("silent" in str(line.get("why")) for line in logs)


async def test_nonsense_from_the_headend_ends_the_session_and_not_the_agent(
    certificates: Path, headend: Any, until: Any
) -> None:
    async with Edge(certificates, headend.port).running() as edge:
        await until(lambda: headend.readings)
        nonsense = Setpoint(asset=9, epoch="e1", revision=1, dispatch_id="d", setpoint_w=float("nan"))
        headend.sessions["a1"].outgoing.put(HeadendMessage(setpoint=nonsense))
        await until(lambda: headend.registrations == 2)
        ticks = edge.loops[0].tick_count
        await until(lambda: edge.loops[0].tick_count > ticks + 2)
    assert headend.reports == []


async def test_no_certificate_at_the_time_of_dialling_is_a_warning_and_the_loop_goes_on(
    certificates: Path, tmp_path: Path, until: Any
) -> None:
    with structlog.testing.capture_logs() as logs:
        edge = Edge(tmp_path, 1)
        async with edge.running():
            await until(lambda: [line for line in logs if line["event"] == "link down"])
            await until(lambda: edge.loops[0].tick_count > 3)
    assert "derms pki init" in next(line["why"] for line in logs if line["event"] == "link down")


class Server:
    """The small headend as a process of its own, which can be killed."""

    def __init__(self, pki: Path, port: int) -> None:
        command = [sys.executable, str(HERE / "small_headend.py"), str(pki), str(port)]
        environment = {**os.environ, "PYTHONPATH": str(HERE.parent.parent)}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        self.lines: list[dict[str, Any]] = []

    def read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the small headend ended"
        return dict(json.loads(line))

    def until(self, condition: Any, within_s: float = 30.0) -> dict[str, Any]:
        deadline_s = time.monotonic() + within_s
        while not condition(line := self.read()):
            assert time.monotonic() < deadline_s, line
        return line

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


async def test_a_killed_headend_is_missed_and_found_again(certificates: Path, until: Any) -> None:
    (port,) = free_ports(1)
    first = Server(certificates, port)
    try:
        async with Edge(certificates, port).running() as edge:
            await asyncio.to_thread(first.until, lambda line: line["readings"] >= 2)
            first.kill()
            await until(lambda: not edge.link.up)
            ticks = edge.loops[0].tick_count
            await until(lambda: edge.loops[0].tick_count > ticks + 4)
            second = Server(certificates, port)
            try:
                await asyncio.to_thread(second.until, lambda line: line["readings"] >= 2)
                assert edge.link.up
            finally:
                second.kill()
    finally:
        if first.process.poll() is None:
            first.kill()


async def test_fallbacks_that_the_headend_tells_are_the_guards_and_an_older_one_changes_nothing(
    certificates: Path, headend: Any, until: Any
) -> None:
    headend.fallbacks = {"a1": Fallback(7, 2e6, 3e6, -4e6)}
    async with Edge(certificates, headend.port).running() as edge:
        await until(lambda: headend.readings)
        assert edge.loops[0].saved("boot", "up").fallback == headend.fallbacks["a1"]
        headend.fallbacks = {}
        headend.sessions["a1"].end(Why.CLOSED)
        await until(lambda: headend.registrations == 2 and edge.link.up)
        assert edge.loops[0].saved("boot", "up").fallback == Fallback(7, 2e6, 3e6, -4e6)


async def test_telemetry_says_what_cannot_be_asked_and_when_it_can_again(
    certificates: Path, headend: Any, until: Any
) -> None:
    async with Edge(certificates, headend.port).running() as edge:
        await until(lambda: headend.readings)
        assert headend.impaired == {}
        edge.loops[0].heed(Marks(local="service"))
        await until(lambda: headend.impaired)
        assert headend.impaired == {"a1": Impairment(ImpairmentKind.LOCAL, "service")}
        edge.loops[0].heed(Marks())
        await until(lambda: not headend.impaired)
    assert [event.type for event in headend.events] == ["local", "remote"]
