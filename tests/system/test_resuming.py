"""What was superseded comes back at the device, though the headend was killed while it waited."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.system.home import BATTERY, Home, Running, ask, change, eventually


def dispatched(home: Home, mw: float, duration_s: float) -> str:
    code, said = ask(home, "POST", "/dispatch", json.dumps({"asset_id": BATTERY, "mw": mw, "duration_s": duration_s}))
    assert code == 200, said
    return str(said["id"])


def state(home: Home, dispatch_id: str) -> str:
    return str(ask(home, "GET", f"/dispatch/{dispatch_id}")[1]["state"])


def test_a_dispatch_comes_back_at_the_device_after_what_superseded_it_and_a_killed_headend(
    home: Home, start: Callable[..., Running], tmp_path: Path
) -> None:
    policy = home.headend / "policies" / "headend" / "dispatch.yaml"
    change(policy, "    max_duration_s: 14400\n", "    max_duration_s: 14400\n    on_supersede: resume\n")
    device = tmp_path / "devices" / f"{BATTERY}.json"
    killed = Running(tmp_path / "killed.log", "headend", "run", home.headend)
    try:
        killed.has_said("headend is up")
        start(*home.agent("run", BATTERY), "--state", device.parent).has_said("registered")
        eventually(lambda: ask(home, "GET", f"/assets/{BATTERY}")[1]["current_mw"] is not None)
        older = dispatched(home, 5, 600)
        eventually(lambda: state(home, older) == "following")
        newer = dispatched(home, 8, 10)
        eventually(lambda: state(home, newer) == "following")
        assert state(home, older) == "suspended"
    finally:
        killed.process.kill()
        killed.process.wait()
    start("headend", "run", home.headend).has_said("headend is up")
    eventually(lambda: state(home, older) == "following")
    assert state(home, newer) in ("complete", "expired")  # as last seen: the kill may have come before that was stored
    eventually(lambda: json.loads(device.read_text())["setpoint_w"] == 5e6)
    assert json.loads(device.read_text())["held"]["intent"]["dispatch_id"] == older
