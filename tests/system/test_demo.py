"""`derms demo`, run as its user runs it: every stage proves itself, the figures are there, nothing is left behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.system.home import processes_of

DEMO = [sys.executable, "-m", "daemon.cli", "demo"]
KEYS = {
    "agents_connected", "readings", "points_published", "scada_polls", "max_error_w", "command_round_trip_s",
    "comm_lost_after_s", "agents_ticking", "audit_records", "audit_dir", "audit_key", "verify", "latency_ms", "http",
    "failed_stages", "not_applicable", "witness", "evidence",
}  # fmt: skip


@pytest.mark.timeout(240)
def test_every_stage_proves_itself(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    ran = subprocess.run(
        [*DEMO, "--seconds", "0", "--json", "--dir", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=230,
    )
    story = ran.stderr + ran.stdout
    assert ran.returncode == 0, story
    figures = json.loads(ran.stdout.splitlines()[-1])
    assert set(figures) == KEYS
    assert figures["failed_stages"] == figures["not_applicable"] == []
    assert figures["verify"] == "verified"
    assert figures["agents_connected"] == figures["agents_ticking"] == 10
    assert figures["max_error_w"] <= 1000.0  # a power point of the demo counts in kW
    assert figures["comm_lost_after_s"] <= 12.0  # stale after 10 s, plus 2
    assert figures["audit_records"] > 10
    assert sum(figures["witness"].values()) == figures["audit_records"]
    assert figures["witness"]["cosigned"] > figures["witness"]["not_cosigned"] > 0  # what the end itself recorded
    assert figures["readings"] > 10
    assert figures["scada_polls"] > 10
    assert figures["latency_ms"]["p50"] <= figures["latency_ms"]["p95"] <= figures["latency_ms"]["p99"]
    assert figures["evidence"] == {"file": str(folder / "evidence.zip"), "verdict": "verified"}
    assert processes_of(folder) == []

    for proved in (figures["audit_dir"], figures["evidence"]["file"]):
        verdict = subprocess.run(
            [sys.executable, "-m", "daemon.cli", "audit", "verify", proved, "--key", figures["audit_key"]],
            capture_output=True,
            text=True,
            check=False,
        )
        assert verdict.returncode == 0, verdict.stdout + verdict.stderr


SOLAR = """
sites:
  - {id: 4278e0db-b460-583b-b183-2cf2ff7a54e4, name: NAME, location: R, path: feeder/F1/site/S1}
assets:
  - {id: 00000000-0000-4000-8000-000000000001, name: PV, kind: solar, site_id: 4278e0db-b460-583b-b183-2cf2ff7a54e4,
     capacity_mwhr: 0, max_mw: 50, min_mw: 0, efficiency: 1, ramp_rate_mw_per_min: 1000}
"""


@pytest.mark.timeout(240)
def test_a_fleet_without_a_battery_proves_what_it_can(tmp_path: Path) -> None:
    """Under a site's name as long as any."""
    (tmp_path / "solar.yaml").write_text(SOLAR.replace("NAME", "N" * 100))
    words = ["--seconds", "0", "--json", "--assets", str(tmp_path / "solar.yaml"), "--dir", str(tmp_path / "demo")]
    ran = subprocess.run([*DEMO, *words], capture_output=True, text=True, check=False, timeout=230)
    assert ran.returncode == 0, ran.stderr + ran.stdout
    figures = json.loads(ran.stdout.splitlines()[-1])
    assert (figures["failed_stages"], figures["not_applicable"]) == ([], ["command", "release"])
    assert figures["verify"] == "verified"
    assert "[not applicable] command: the fleet has no battery" in ran.stderr
    assert "[ok] steady" in ran.stderr
    assert "[ok] recovery" in ran.stderr


def test_ctrl_c_stops_everything(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with subprocess.Popen(
        [*DEMO, "--dir", str(folder)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "[ok] first_value" in line:
                break
        demo.send_signal(signal.SIGINT)
        rest, _ = demo.communicate(timeout=60)
    assert "derms audit verify" in rest
    assert processes_of(folder) == []


def test_a_killed_demo_leaves_no_orphan(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with subprocess.Popen(
        [*DEMO, "--dir", str(folder)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "[ok] first_value" in line:
                break
        demo.kill()
        demo.communicate()
    deadline = time.monotonic() + 30
    while processes_of(folder) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert processes_of(folder) == []


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    ran = subprocess.run([*DEMO, "--dir", str(tmp_path)], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "is not empty" in ran.stderr
    assert list(tmp_path.iterdir()) == [tmp_path / "mine.txt"]


def test_bad_assets_start_nothing(tmp_path: Path) -> None:
    assets = tmp_path / "assets.yaml"
    assets.write_text("sites: []\nassets: [{id: 7}]\n")
    folder = tmp_path / "demo"
    ran = subprocess.run(
        [*DEMO, "--assets", str(assets), "--dir", str(folder)], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert "assets.yaml:2" in ran.stderr
    assert not folder.exists()
