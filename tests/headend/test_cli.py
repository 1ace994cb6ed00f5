"""`derms headend`, as a person runs it: exit codes, plain words, never a traceback."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dermscore.decision.log import load_file
from dermscore.decision.request import Aim, Request

ROOT = Path(__file__).resolve().parents[2]


def derms(*words, **variables):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DERMS_LOG": "plain"}
    for name in ("ASSETS_PATH", "DATABASE_URL"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-m", "daemon.cli", "headend", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**environment, **variables},
        cwd=variables.get("CWD", ROOT),
    )
    assert "Traceback" not in done.stderr
    return done


def test_from_nothing_to_a_headend_that_is_fine(tmp_path, pki):
    made = derms("init", tmp_path / "h", "--pki", pki)
    assert made.returncode == 0, made.stderr
    assert "10 assets at 3 sites" in made.stdout
    assert f"derms headend run {tmp_path / 'h'}" in made.stdout
    free = dict.fromkeys(("HEADEND_HTTP_ADDR", "HEADEND_GRPC_ADDR", "HEADEND_BOUNDARY_ADDR"), "127.0.0.1:0")
    fine = derms("check", tmp_path / "h", "--json", **free)
    assert (fine.returncode, json.loads(fine.stdout)) == (0, {"ok": True, "problems": []})
    again = derms("init", tmp_path / "h", "--pki", pki)
    assert again.returncode == 1
    assert "nothing was changed" in again.stderr
    updated = derms("init", tmp_path / "h", "--update")
    assert updated.returncode == 0
    assert "in step" in updated.stdout


def test_what_is_missing_is_said_with_the_command(tmp_path, pki):
    assert "--pki DIR is needed" in derms("init", tmp_path / "h").stderr
    for verb in ("run", "status"):
        done = derms(verb, tmp_path / "h")
        assert done.returncode == 1
        assert "derms headend init" in done.stderr
    checked = derms("check", tmp_path / "h", "--json")
    assert checked.returncode == 1
    assert not json.loads(checked.stdout)["ok"]


def test_check_prints_each_problem_on_a_line(home):
    (home / "assets.yaml").write_text("sites: 5\n")
    done = derms("check", home)
    assert done.returncode == 1
    assert "assets.yaml:1" in done.stderr


@pytest.mark.parametrize("as_json", [True, False])
def test_status_of_one_that_does_not_run_cannot_tell(home, as_json):
    done = derms("status", home, *(["--json"] if as_json else []))
    assert done.returncode == 2
    assert (json.loads(done.stdout) == {"running": False}) if as_json else ("not running" in done.stdout)


def test_a_wide_bind_is_refused_with_the_reason(home):
    done = derms("run", home, HEADEND_HTTP_ADDR="0.0.0.0:0")
    assert done.returncode == 1
    assert "knows no accounts yet" in done.stderr


async def test_status_of_one_that_runs(home, run_headend):
    async with run_headend(home) as up:
        done = await asyncio.to_thread(derms, "status", home, "--json", HEADEND_HTTP_ADDR="127.0.0.1:3999")
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        assert (said["running"], said["status"], said["readings"], said["http"]) == (True, "ok", 0, up.at.http)
        done = await asyncio.to_thread(derms, "status", home)
        assert "agents connected  0, for 10 assets" in done.stdout
        done = await asyncio.to_thread(derms, "run", home)
        assert done.returncode == 1
        assert "runs in" in done.stderr


async def test_decisions_are_written_out_while_it_runs_and_replayed(home, run_headend, tmp_path, ids):
    log = tmp_path / "decisions.jsonl"
    async with run_headend(home) as up:
        for node, asset in (("nowhere", None), (ids.b1, ids.b1)):
            who = up.headend.dispatcher.policy.principal("http:loopback")
            await up.headend.dispatcher.submit(Request(node, who, node, asset, Aim.TARGET, 0.0, 60.0, "operator"))
        done = await asyncio.to_thread(derms, "decisions", home, "--out", log)
        assert done.returncode == 0, done.stderr
        assert f"3 lines in {log}" in done.stderr
    assert [past.request.id for past in load_file(log)] == ["nowhere", ids.b1]
    printed = derms("decisions", home, "--since", "2020-01-01T00:00:00Z")
    assert (printed.returncode, printed.stdout) == (0, log.read_text())
    assert derms("decisions", home, "--since", "9999-01-01T00:00:00Z").stdout == ""
    again = derms("decisions", home, "--out", log)
    assert again.returncode == 1
    assert "exists already" in again.stderr
    assert derms("decisions", home, "--since", "yesterday").returncode == 2


def test_importing_the_commands_loads_no_server(tmp_path):
    code = "import sys, headend.cli; print(sorted({'grpc', 'fastapi', 'sqlalchemy', 'numpy'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.strip() == "[]"
