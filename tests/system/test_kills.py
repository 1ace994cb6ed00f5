"""Any process may die at any instruction. What must hold all the while:

the others go on; the dead one comes back and the picture is whole again; the sites keep what they were asked; SCADA is
never shown a stale value as ONLINE; no value reaches SCADA that is not in the trail; the trail verifies.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from dermscore.sheets.points import Mode, PointKind
from simulator import picture
from simulator.plant import Plant, Ports
from simulator.processes import command
from simulator.station import Key, Seen
from tests.ports import free_ports

ROUNDS = 12 if os.environ.get("DERMS_SOAK") else 1
LOOK_S = 0.25
BACK_WITHIN_S = 60.0


@dataclass
class Watch:
    """Looks at SCADA and the sites all the while, and writes down what should not be. Owner: the test's loop."""

    plant: Plant
    target_w: float | None = None
    headend_gone_s: float | None = None
    wrong: list[str] = field(default_factory=list)
    shown: set[tuple[str, int, int]] = field(default_factory=set)  # point, raw, event time: every ONLINE event

    def arrived(self, key: Key, seen: Seen) -> None:
        for point in self.plant.points:
            if key == (point.type.value, point.index) and not point.quantity.local and seen.online:
                assert seen.event_ms is not None
                self.shown.add((point.name, int(seen.value), seen.event_ms))

    async def run(self) -> None:
        while True:
            self.plant.sites.look(time.monotonic())
            self._stale_values()
            self._sites_hold()
            await asyncio.sleep(LOOK_S)

    def _stale_values(self) -> None:
        stale_after_s = max(point.stale_after_s or 0 for point in self.plant.points)
        if self.headend_gone_s is None or time.monotonic() - self.headend_gone_s < stale_after_s + 2:
            return
        if self.plant.scada.linked:
            online = [row.point.name for row in picture.telemetry(self.plant) if row.seen and row.seen.online]
            if online:
                self.wrong.append(f"ONLINE without a headend: {online}")

    def _sites_hold(self) -> None:
        if self.target_w is None:
            return
        row = next(row for row in self.plant.commands if row.mode is Mode.TARGET)
        power_w = self.plant.sites.power_w(row.path, PointKind.BATTERY)
        if power_w is None or abs(power_w - self.target_w) > 1000:
            self.wrong.append(f"the sites left {self.target_w} W for {power_w} W")


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple[Plant, Watch]]:
    """The whole system, connected and ONLINE, with SCADA's command followed."""
    plant = replace(Plant.prepare(folder, None), ports=Ports(*free_ports(5)))
    watch = Watch(plant)
    try:
        await plant.set_up()
        plant.scada.on_event = watch.arrived
        await plant.start()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(plant.scada.listen())
            watching = tasks.create_task(watch.run())
            await whole(plant)
            await follow(plant, watch)
            yield plant, watch
            watching.cancel()
            await plant.scada.child.stop()
    finally:
        await plant.stop()


async def whole(plant: Plant) -> None:
    """Wait until SCADA has a link and every telemetry point ONLINE."""
    deadline = time.monotonic() + BACK_WITHIN_S
    while not plant.scada.linked or not all(row.seen and row.seen.online for row in picture.telemetry(plant)):
        dark = [row.point.name for row in picture.telemetry(plant) if not (row.seen and row.seen.online)]
        assert time.monotonic() < deadline, f"linked {plant.scada.linked}, not ONLINE: {dark}"
        await asyncio.sleep(LOOK_S)


async def follow(plant: Plant, watch: Watch) -> None:
    row = next(row for row in plant.commands if row.mode is Mode.TARGET)
    target_w = 20e6
    assert await plant.scada.operate("AO", row.index, row.to_raw(target_w).raw) == "SUCCESS"
    deadline = time.monotonic() + BACK_WITHIN_S
    while abs((plant.sites.power_w(row.path, PointKind.BATTERY) or 0.0) - target_w) > 1000:
        assert time.monotonic() < deadline, f"the sites are at {plant.sites.power_w(row.path, PointKind.BATTERY)} W"
        await asyncio.sleep(LOOK_S)
    watch.target_w = target_w


async def kill_headend(plant: Plant, watch: Watch, rng: random.Random) -> None:
    await plant.headend.kill()
    watch.headend_gone_s = time.monotonic()
    await asyncio.sleep(rng.choice((0.0, 1.0, 14.0)))
    watch.headend_gone_s = None
    await plant.headend.start()


async def kill_gateway(plant: Plant, watch: Watch, rng: random.Random) -> None:
    await plant.gateway.kill()
    await asyncio.sleep(rng.uniform(0, 1))
    plant.scada.seen.clear()
    await plant.gateway.start()


async def kill_launcher(plant: Plant, watch: Watch, rng: random.Random) -> None:
    await plant.launcher.kill()
    await asyncio.sleep(rng.uniform(0, 1))
    await plant.launcher.start()


async def kill_agent(plant: Plant, watch: Watch, rng: random.Random) -> None:
    """Where its launcher was just killed, the state file still names the agent that went with it: wait for the next."""
    file = plant.folder / "agents" / f"{rng.choice(list(plant.fleet.assets))}.json"
    deadline = time.monotonic() + BACK_WITHIN_S
    while True:
        try:
            return os.kill(json.loads(file.read_text())["pid"], signal.SIGKILL)
        except ProcessLookupError:
            assert time.monotonic() < deadline, f"no agent took {file.name} over"
            await asyncio.sleep(LOOK_S)


async def kill_witness(plant: Plant, watch: Watch, rng: random.Random) -> None:
    await plant.witness.kill()
    await asyncio.sleep(rng.uniform(0, 3))
    await plant.witness.start()


async def kill_scada(plant: Plant, watch: Watch, rng: random.Random) -> None:
    """The master's death is SCADA's business; the gateway must take the next one."""
    await plant.scada.child.kill()
    plant.scada.linked = False


Kill = Callable[[Plant, Watch, random.Random], Awaitable[None]]
VICTIMS: tuple[Kill, ...] = (kill_agent, kill_headend, kill_gateway, kill_launcher, kill_witness)


@pytest.mark.timeout(900 * ROUNDS)
async def test_every_process_is_killed_at_random_moments(tmp_path: Path) -> None:
    seed = random.SystemRandom().getrandbits(32)
    rng = random.Random(seed)
    async with running(tmp_path / "plant") as (plant, watch):
        for _ in range(ROUNDS):
            for kill in rng.sample(VICTIMS, len(VICTIMS)):
                await asyncio.sleep(rng.uniform(0, 2))
                await kill(plant, watch, rng)
                assert all(child.running for child in plant.children), f"seed {seed}, after {kill.__name__}"
                await whole(plant)
                assert watch.wrong == [], f"seed {seed}, after {kill.__name__}"
    recorded = await trail(plant)
    unrecorded = watch.shown - recorded
    assert watch.shown, f"seed {seed}: SCADA was shown nothing"
    assert not unrecorded, (
        f"seed {seed}: {len(unrecorded)} of {len(watch.shown)} not in the trail: {sorted(unrecorded)[:5]}"
    )


async def trail(plant: Plant) -> set[tuple[str, int, int]]:
    """Every value that the trail says crossed out, once the trail has been verified, with its witness's word."""
    log = plant.folder / "logs" / "trail.log"
    by = ["--key", str(plant.audit_key), "--witness-key", str(plant.witness_key)]
    await command(["audit", "verify", str(plant.trail), *by], log)
    said = await command(["audit", "show", str(plant.trail), "--kind", "crossing.out", "--bodies", "--json"], log)
    recorded: set[tuple[str, int, int]] = set()
    for line in said.splitlines():
        values = json.loads(line)["values"]
        recorded.update(zip(values["point"], values["raw"], values["time_ms"], strict=True))
    return recorded
