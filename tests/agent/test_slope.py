"""Agents as processes: a site that loses its headend moves no faster than the ramp that the policy gives its node."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from small_headend import SmallHeadend  # this folder's: conftest loads it

from daemon.config import packaged
from dermscore.assets import load_file
from dermscore.guard import FALLBACK_S, LONGEST_RAMP_STEP_MS
from dermscore.intent import Intent
from dermscore.policy import load_folder
from dermscore.policy.edge import edge_fallbacks
from wire import pki

ROOT = Path(__file__).parent.parent.parent
SITE = "00000000-0000-5000-8000-00000000000f"
ASSETS = [f"00000000-0000-5000-8000-00000000000{number}" for number in range(1, 4)]
RATING_W, START_W = 50e6, 20e6
RAMP_W_PER_S = 6e6  # of the node; of themselves its three would fall at 15e6
LASTS_S = 25


def make_home(folder: Path) -> Path:
    """assets.yaml with three batteries at one site, the policy that gives the site its ramp, and pki/."""
    rest = "capacity_mwhr: 100.0, max_mw: 50.0, min_mw: -50.0, efficiency: 0.9, ramp_rate_mw_per_min: 60000.0"
    assets = [f"  - {{id: {each}, name: B{each[-1]}, site_id: {SITE}, kind: battery, {rest}}}\n" for each in ASSETS]
    site = f"sites:\n  - {{id: {SITE}, name: Jersey, location: Region-A, path: feeder/F1/site/S1}}\n"
    (folder / "assets.yaml").write_text(f"{site}assets:\n{''.join(assets)}")
    policy = folder / "policy"
    policy.mkdir()
    for name in ("access.yaml", "dispatch.yaml"):
        text = packaged("policies/headend").joinpath(name).read_text()
        limit = f"limits: [{{paths: [feeder/F1], fallback_ramp_w_per_s: {RAMP_W_PER_S}, reason: no cliff}}]"
        (policy / name).write_text(text.replace("limits: []", limit))
    pki.init(folder / "pki", ASSETS)
    return folder


def launch(home: Path, port: int) -> subprocess.Popen[bytes]:
    options = {"assets": home / "assets.yaml", "pki": home / "pki", "state": home / "state"}
    arguments = [word for name, path in options.items() for word in (f"--{name}", str(path))]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "daemon.cli", "launch", *arguments, "--headend", f"127.0.0.1:{port}"]
    return subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def look(home: Path) -> list[dict[str, Any]]:
    return [json.loads((home / "state" / f"{each}.json").read_text()) for each in ASSETS]


def falls(looks: list[list[dict[str, Any]]]) -> list[tuple[float, float]]:
    """Between any two looks: how far the sum of the setpoints fell, W, and in how long by the devices' own times, s."""
    moves = []
    for first, earlier in enumerate(looks):
        for later in looks[first + 1 :]:
            fell_w = sum(each["setpoint_w"] for each in earlier) - sum(each["setpoint_w"] for each in later)
            passed_ms = max(each["mono_ms"] for each in later) - min(each["mono_ms"] for each in earlier)
            moves.append((fell_w, passed_ms / 1000))
    return moves


async def test_a_site_that_loses_its_headend_falls_no_faster_than_its_nodes_ramp(tmp_path: Path, until: Any) -> None:
    home = make_home(tmp_path)
    headend = SmallHeadend(home / "pki")
    headend.fallbacks = dict(edge_fallbacks(load_folder(home / "policy"), load_file(home / "assets.yaml")))
    launcher = launch(home, await headend.start())
    looks: list[list[dict[str, Any]]] = []
    try:
        await until(lambda: {reading.asset_id for _, reading in headend.readings} == set(ASSETS), 60)
        issued_ms = headend.now_ms()
        for each in ASSETS:
            ends_ms = issued_ms + LASTS_S * 1000
            headend.send(each, Intent(each, "e1", 1, f"d{each}", START_W, 0.0, issued_ms, ends_ms, "p", 5))
        await until(lambda: all(each["setpoint_w"] == START_W and each["fallback"] for each in look(home)), 20)
        await headend.stop()
        while not looks or any(each["setpoint_w"] for each in looks[-1]):
            looks.append(look(home))
            assert len(looks) < 600, "they never came back"
            await asyncio.sleep(0.25)
    finally:
        launcher.terminate()
        await asyncio.to_thread(launcher.wait, 30)
        await headend.stop()
    assert {each["link"] for each in looks[-1]} == {"down"}
    # A loop that was held up may make good what a ramp may do in its longest step, and no more.
    late_s = LONGEST_RAMP_STEP_MS / 1000
    for members, ramp_w_per_s in [(looks, RAMP_W_PER_S)] + [
        ([[look[place]] for look in looks], RAMP_W_PER_S / len(ASSETS)) for place in range(len(ASSETS))
    ]:
        assert all(fell_w <= ramp_w_per_s * (passed_s + late_s) + 1 for fell_w, passed_s in falls(members))
    # Of itself each would fall faster than that allows: the policy is what held it.
    own_s = START_W / (RATING_W / FALLBACK_S)
    assert RAMP_W_PER_S / len(ASSETS) * (own_s + late_s) < START_W
