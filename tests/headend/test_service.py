"""A whole headend: it starts whole or not at all, and a kill at any moment costs nothing that was stored."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from http.client import HTTPConnection
from pathlib import Path

import pytest
import yaml

from daemon.clock import now as host_now
from dermscore.errors import BadInput, NotSetUp
from dermscore.model import Measurement
from dermscore.quality import GOOD
from headend.config import Home
from headend.report import AlreadyRunningError
from headend.service import prepare
from tests.ports import free_ports
from wire.convert import telemetry_columns
from wire.v1.agent_link_pb2 import AgentMessage

ROOT = Path(__file__).resolve().parents[2]


def get(address, path, method="GET", body=None):
    host, _, port = address.rpartition(":")
    connection = HTTPConnection(host, int(port), timeout=10)
    try:
        headers = {"content-type": "application/json"} if body is not None else {}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


async def ask(address, path, method="GET", body=None):
    return await asyncio.to_thread(get, address, path, method, body)


def edit(home: Path, **changes) -> None:
    file = home / "headend.yaml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), **changes}))


async def test_it_answers_over_http_and_stops_clean(home, run_headend, ids):
    async with run_headend(home) as up:
        status, health = await ask(up.at.http, "/health")
        assert (status, health["status"], health["db"], health["assets"]) == (200, "ok", "ok", 10)
        assert (home / "status.json").exists()
    assert not (home / "status.json").exists()
    with pytest.raises(OSError, match="refused"):
        await ask(up.at.http, "/health")


async def test_starting_creates_nothing_and_stopping_leaves_nothing(home, run_headend):
    before = sorted(each.name for each in home.iterdir())
    async with run_headend(home):
        pass
    assert sorted(each.name for each in home.iterdir()) == before


# --- what stops a start


@pytest.mark.parametrize("missing", ["headend.yaml", "headend.db", "history.db"])
def test_what_is_missing_names_the_command_that_mends_it(home, missing):
    (home / missing).unlink()
    with pytest.raises(NotSetUp, match=f"{missing}.* does not exist; `derms headend init .*` makes it"):
        prepare(Home.open(home)).close()
    assert not (home / missing).exists()


@pytest.mark.parametrize("missing", ["assets.yaml", "policies/headend/access.yaml", "policies/headend/dispatch.yaml"])
def test_a_missing_file_is_named(home, missing):
    (home / missing).unlink()
    with pytest.raises(BadInput, match=Path(missing).name):
        prepare(Home.open(home)).close()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"http": "0.0.0.0:3001"}, "can be reached from other machines"),
        ({"http": "example.org:3001"}, "can be reached from other machines"),
        ({"http": "nonsense"}, "is not host:port"),
        ({"publish_period_s": float("nan")}, "publish_period_s"),
        ({"fresh_within_s": 0}, "fresh_within_s"),
        ({"typo": 1}, "typo"),
        ({"programs": {"http": "nobody"}}, "is no program of"),
        ({"database_url": "mysql://x/y"}, "SQLite and PostgreSQL"),
        ({"state_url": "none"}, "is not a database URL"),
    ],
)
def test_a_bad_configuration_is_refused_in_words(home, monkeypatch, changes, says):
    monkeypatch.delenv("HEADEND_HTTP_ADDR")
    edit(home, **changes)
    with pytest.raises(BadInput, match=says):
        prepare(Home.open(home)).close()


def test_variables_override_the_file(home, monkeypatch, tmp_path):
    monkeypatch.setenv("HEADEND_HTTP_ADDR", "[::1]:4000")
    monkeypatch.setenv("HEADEND_GRPC_ADDR", "0.0.0.0:4001")
    monkeypatch.setenv("HEADEND_BOUNDARY_ADDR", "127.0.0.1:4002")
    monkeypatch.setenv("DATABASE_URL", "none")
    monkeypatch.setenv("ASSETS_PATH", str(tmp_path / "other.yaml"))
    found = Home.open(home)
    config = found.config
    assert (config.http, config.agent_link, config.boundary_link) == ("[::1]:4000", "0.0.0.0:4001", "127.0.0.1:4002")
    assert found.history_url is None
    assert found.assets == tmp_path / "other.yaml"
    monkeypatch.setenv("HEADEND_HTTP_ADDR", "10.0.0.1:80")
    with pytest.raises(BadInput, match="knows no accounts yet"):
        Home.open(home)


@pytest.mark.parametrize("which", ["HEADEND_HTTP_ADDR", "HEADEND_GRPC_ADDR", "HEADEND_BOUNDARY_ADDR"])
async def test_a_port_in_use_is_said_and_nothing_is_half_started(home, run_headend, monkeypatch, which):
    free = {name: free_ports(1)[0] for name in ("HEADEND_HTTP_ADDR", "HEADEND_GRPC_ADDR", "HEADEND_BOUNDARY_ADDR")}
    for name, port in free.items():
        monkeypatch.setenv(name, f"127.0.0.1:{port}")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free[which]))
        taken.listen()
        said = rf"environment variable {which}: \w+: cannot listen on 127\.0\.0\.1:{free[which]}: the port is in use"
        with pytest.raises(BadInput, match=said):
            async with run_headend(home):
                pytest.fail("it started")
        for port in set(free.values()) - {free[which]}:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))


async def test_a_second_headend_in_the_same_folder_is_refused(home, run_headend):
    async with run_headend(home):
        with pytest.raises(AlreadyRunningError, match="runs in"):
            async with run_headend(home):
                pytest.fail("it started")


def test_a_changed_fleet_stops_the_start_and_update_mends_it(home):
    from headend import setup

    text = (home / "assets.yaml").read_text()
    (home / "assets.yaml").write_text(
        text.replace("87d2ce68-a7b5-5014-9a03-1931f76ffd77", "00000000-0000-4000-8000-000000000001")
    )
    with pytest.raises(NotSetUp, match=r"has changed since the claims table was made.*--update"):
        prepare(Home.open(home)).close()
    setup.update(home, None)
    parts = prepare(Home.open(home))
    assert "00000000-0000-4000-8000-000000000001" in parts.claims
    parts.close()


# --- history that fails


async def test_without_history_control_is_durable_all_the_same(home, run_headend, monkeypatch, ids):
    monkeypatch.setenv("DATABASE_URL", "none")
    async with run_headend(home) as up:
        assert (await ask(up.at.http, "/health"))[1]["db"] == "none"
        assert await ask(up.at.http, f"/telemetry/{ids.b1}/history") == (200, [])
        status, _ = await ask(up.at.http, "/dispatch", "POST", {"asset_id": ids.b1, "mw": 0})
        assert status == 200
        assert (await ask(up.at.http, "/agents"))[1][0]["sessions"] == []
        assert len((await ask(up.at.http, "/dispatch/history"))[1]) == 1


async def test_a_database_that_does_not_answer_is_no_reason_not_to_start(home, run_headend, monkeypatch, ids):
    monkeypatch.setenv("DATABASE_URL", f"postgresql://nobody@127.0.0.1:{free_ports(1)[0]}/none")
    async with run_headend(home) as up:
        status, _ = await ask(up.at.http, "/dispatch", "POST", {"asset_id": ids.b1, "mw": 0})
        assert status == 200
        deadline = time.monotonic() + 20
        while (await ask(up.at.http, "/health"))[0] != 503:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
        health = (await ask(up.at.http, "/health"))[1]
        assert (health["status"], health["db"]) == ("degraded", "error")
        assert (await ask(up.at.http, f"/telemetry/{ids.b1}/history"))[0] == 503


async def test_history_on_a_real_postgresql(home, run_headend, monkeypatch, ids, postgres, dial_agent):
    from sqlalchemy import create_engine, text

    from headend import setup

    admin = create_engine(postgres, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("CREATE DATABASE whole"))
    admin.dispose()
    monkeypatch.setenv("DATABASE_URL", postgres.set(database="whole").render_as_string(hide_password=False))
    with pytest.raises(NotSetUp, match="has no history tables"):
        prepare(Home.open(home)).close()
    setup.update(home, None)
    async with run_headend(home) as up:
        async with dial_agent(up, ids.b1, (ids.b1,)) as agent:
            _tell(agent, ids.b1)
            await _until(lambda: agent.of("ack"))
            deadline = time.monotonic() + 20
            while not (await ask(up.at.http, f"/telemetry/{ids.b1}/history"))[1]:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)
        agents = (await ask(up.at.http, "/agents"))[1]
        assert agents[0]["sessions"][0]["connected_at"]
        assert (await ask(up.at.http, "/health"))[1]["db"] == "ok"


# --- kills


async def test_sigkill_at_random_moments_loses_nothing_that_was_acknowledged(home, pki, ids, tmp_path):
    """Dispatches are submitted without pause while the process is killed again and again."""
    kills = 12 if os.environ.get("DERMS_SOAK") else 3
    rng = random.Random(7)
    told: list[str] = []
    for _ in range(kills):
        with _process(home, tmp_path) as (process, address):
            moment = time.monotonic() + rng.uniform(0.05, 0.6)
            while time.monotonic() < moment:
                status, answer = await ask(
                    address, "/dispatch", "POST", {"asset_id": ids.b1, "mw": 0, "duration_s": 600}
                )
                assert status == 200
                told.append(answer["id"])
            process.send_signal(signal.SIGKILL)
            process.wait()
    with contextlib.closing(sqlite3.connect(home / "headend.db")) as store:
        kept = {row[0] for row in store.execute("SELECT id FROM dispatches")}
        revisions = [row[0] for row in store.execute("SELECT revision FROM intents ORDER BY revision")]
        epochs = store.execute("SELECT COUNT(DISTINCT epoch) FROM intents").fetchone()[0]
    assert told
    assert set(told) <= kept
    assert revisions == list(range(1, len(revisions) + 1))
    assert epochs == 1


async def test_after_a_kill_intents_go_on_sessions_are_closed_and_nothing_is_zeroed(
    home, pki, ids, tmp_path, dial_agent
):
    with _process(home, tmp_path) as (process, _):
        up = _Remote(home)
        async with dial_agent(up, ids.b1, (ids.b1,)) as agent:
            _tell(agent, ids.b1)
            await _until(lambda: agent.of("ack"))
            status, _ = await ask(up.at.http, "/dispatch", "POST", {"asset_id": ids.b1, "mw": 5, "duration_s": 600})
            assert status == 200
            await _until(lambda: agent.of("setpoint"))
            held = agent.of("setpoint")[0]
            process.send_signal(signal.SIGKILL)
            process.wait()
            await _until(lambda: agent.ended)
    with _process(home, tmp_path) as (process, address):
        up = _Remote(home)
        sites = (await ask(address, "/sites"))[1]
        assert sites[0]["aggregate"]["current_mw"] is None
        assert sites[0]["aggregate"]["coverage_pct"] == 0
        async with dial_agent(up, ids.b1, (ids.b1,), {ids.b1: (held.epoch, held.revision)}) as agent:
            _tell(agent, ids.b1)
            await _until(lambda: agent.of("ack"))
            assert not agent.of("setpoint"), "what it holds stands; nothing is zeroed"
            (row,) = (await ask(address, "/dispatch/history"))[1]
            assert (row["mw"], row["state"]) == (5.0, "sent")
        async with dial_agent(up, ids.b1, (ids.b1,)) as agent:
            await _until(lambda: agent.of("setpoint"))
            assert agent.of("setpoint")[0] == held, "to one that lost it, the very same is sent again"
        sessions = (await ask(address, "/agents"))[1][0]["sessions"]
        assert all(session["disconnected_at"] for session in sessions[1:])
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0


class _Remote:
    """Where a headend in another process listens, for those who dial it."""

    def __init__(self, home: Path) -> None:
        from headend import report

        self.at = report.read(home)


@contextlib.contextmanager
def _process(home: Path, folder: Path):
    """`derms headend run` in a process of its own, once it is up."""
    from headend import report

    with (folder / "headend.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "daemon.cli", "headend", "run", str(home)],
            cwd=ROOT,
            stderr=log,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    try:
        deadline = time.monotonic() + 30
        while (at := report.read(home)) is None or at.pid != process.pid:
            assert process.poll() is None, (folder / "headend.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield process, at.http
    finally:
        process.kill()
        process.wait()


def _tell(agent, asset_id: str) -> None:
    taken = Measurement(asset_id, host_now().utc_ms, 1e6, 5e7, 1e6, 1e6, None, GOOD)
    agent.session.outgoing.put(AgentMessage(telemetry=telemetry_columns([taken], {asset_id: 0}, 1)))


async def _until(condition, within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
