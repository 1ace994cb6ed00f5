"""`derms gateway` as it is typed: init, check, status, isolate, and what each says when something is wrong."""

from __future__ import annotations

import json
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gateway.stand_in import ROOT, GatewayProcess, eventually, free_port, make_gateway
from wire import pki as authority


def derms(*words: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "daemon.cli", "gateway", *map(str, words)],
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def made(tmp_path: Path, pki_folder: Path) -> Path:
    folder, _ = make_gateway(tmp_path, pki_folder, free_port())
    return folder


def test_init_makes_a_gateway_that_checks_out_and_says_what_comes_next(tmp_path: Path, pki_folder: Path) -> None:
    folder = tmp_path / "new" / "gateway"
    said = derms("init", folder, "--pki", pki_folder, "--headend", "headend.example:7451")
    assert said.returncode == 0, said.stderr
    assert f"derms gateway run {folder}" in said.stdout
    assert "headend: headend.example:7451" in (folder / "gateway.yaml").read_text()
    assert stat.S_IMODE((folder / "keys" / "audit.key").stat().st_mode) == 0o600
    port = free_port()
    boundary = folder / "policies" / "gateway" / "boundary.yaml"
    boundary.write_text(boundary.read_text().replace("127.0.0.1:20000", f"127.0.0.1:{port}"))
    checked = derms("check", folder)
    assert checked.returncode == 0, checked.stderr
    assert "fine. rehearsal contract" in checked.stdout
    assert "running" not in checked.stdout


def test_init_overwrites_nothing_and_leaves_nothing_half_made(tmp_path: Path, pki_folder: Path, made: Path) -> None:
    again = derms("init", made, "--pki", pki_folder)
    assert again.returncode == 1
    assert "nothing is overwritten" in again.stderr
    nowhere = tmp_path / "nowhere"
    without = derms("init", nowhere, "--pki", tmp_path / "no-pki")
    assert without.returncode == 1
    assert "derms pki init" in without.stderr
    assert not nowhere.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["gateway"]


def test_init_wants_a_host_and_a_port(tmp_path: Path, pki_folder: Path) -> None:
    said = derms("init", tmp_path / "g", "--pki", pki_folder, "--headend", "nowhere")
    assert said.returncode == 2
    assert "not host:port" in said.stderr


def test_check_finds_everything_at_once(tmp_path: Path, made: Path) -> None:
    authority.init(tmp_path / "other", [])
    config = made / "gateway.yaml"
    cert = config.read_text().split("cert: ")[1].split("\n")[0]
    config.write_text(config.read_text().replace(cert, str(tmp_path / "other" / "gateway.crt")))
    (made / "keys" / "audit.key").chmod(0o644)
    points = made / "policies" / "gateway" / "points.csv"
    points.write_text(points.read_text().replace("power_w", "pover_w"))
    (made / "outbox.db").unlink()
    said = derms("check", made, "--json")
    assert said.returncode == 1
    found = json.loads(said.stdout)
    assert not found["ok"]
    text = json.dumps(found["problems"])
    for words in ("pover_w", "gateway.key", "chmod 600", "outbox.db", f"gateway init {made} --add"):
        assert words in text


def test_check_of_a_missing_gateway_names_init(tmp_path: Path) -> None:
    said = derms("check", tmp_path / "none")
    assert said.returncode == 1
    assert "derms gateway init" in said.stderr


def test_check_names_every_wrong_key_of_gateway_yaml(made: Path) -> None:
    (made / "gateway.yaml").write_text("headend: nowhere\ncolour: red\n")
    said = derms("check", made)
    assert said.returncode == 1
    for words in ("gateway.yaml:1: headend", "gateway.yaml:2: colour", "tls", "publishers"):
        assert words in said.stderr


def test_a_port_in_use_is_found_before_anything_is_started(made: Path) -> None:
    boundary = (made / "policies" / "gateway" / "boundary.yaml").read_text()
    address = boundary.split("listen: ")[1].split("\n")[0]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(address.rpartition(":")[2])))
        taken.listen()
        for command in ("check", "run"):
            said = derms(command, made)
            assert said.returncode == 1
            assert f"cannot listen on {address}: the port is in use by another process" in said.stderr
            assert "boundary.yaml: outstations[0].listen: " in said.stderr
    assert not (made / "status.json").exists()
    assert not list((made / "trail").rglob("headers/*"))


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("outbox.db", "--add` makes an empty one"),
        ("keys/audit.key", "bring it back from a backup: no new key can carry on"),
        ("trail", "bring it back from a backup. It is never made anew in its place"),
        ("policies/gateway/points.csv", "bring it back from a backup: what may cross is never made up"),
        ("gateway.yaml", "derms gateway init"),
    ],
)
def test_what_is_missing_stops_the_start_with_the_remedy_that_works(made: Path, missing: str, words: str) -> None:
    shutil.rmtree(made / missing) if (made / missing).is_dir() else (made / missing).unlink()
    assert words in derms("check", made).stderr
    said = derms("run", made)
    assert said.returncode == 1
    assert words in said.stderr
    assert "Traceback" not in said.stderr


def test_a_trail_of_another_key_is_not_written(tmp_path: Path, pki_folder: Path, made: Path) -> None:
    (tmp_path / "second").mkdir()
    other, _ = make_gateway(tmp_path / "second", pki_folder, free_port())
    (made / "keys" / "audit.key").write_bytes((other / "keys" / "audit.key").read_bytes())
    said = derms("run", made)
    assert said.returncode == 1
    assert "key" in said.stderr
    assert "Traceback" not in said.stderr


def test_add_makes_an_outbox_and_says_so_in_the_trail(made: Path) -> None:
    assert "nothing is missing" in derms("init", made, "--add").stdout
    (made / "outbox.db").unlink()
    assert derms("init", made, "--add", "--pki", "x").returncode == 2
    said = derms("init", made, "--add")
    assert (said.returncode, said.stdout) == (0, f"{made / 'outbox.db'}: made, empty\n")
    assert derms("check", made).returncode == 0
    (header,) = [
        line for line in (made / "trail/headers/00000000.jsonl").read_text().splitlines() if "made anew" in line
    ]
    assert json.loads(header)["kind"] == "gateway"


@pytest.mark.parametrize("missing", ["trail", "keys/audit.key"])
def test_add_makes_neither_a_trail_nor_its_key(made: Path, missing: str) -> None:
    shutil.rmtree(made / missing) if (made / missing).is_dir() else (made / missing).unlink()
    (made / "outbox.db").unlink()
    said = derms("init", made, "--add")
    assert said.returncode == 1
    assert "bring it back from a backup" in said.stderr
    assert not (made / "outbox.db").exists()
    assert not (made / missing).exists()


def test_isolating_wants_a_reason(made: Path) -> None:
    assert derms("isolate", made, "--reason", " ").returncode == 2
    assert not (made / "ISOLATED").exists()
    assert "is open already" in derms("rejoin", made).stdout
    assert derms("rejoin", made, "--reason", " ").returncode == 2


async def test_status_says_how_it_does(tmp_path: Path, made: Path) -> None:
    assert derms("status", made).returncode == 2
    boundary = (made / "policies" / "gateway" / "boundary.yaml").read_text()
    running = GatewayProcess(made, int(boundary.split("127.0.0.1:")[1].split("\n")[0]), tmp_path / "log")
    await running.start()
    await running.listening()
    await eventually((made / "status.json").exists)
    try:
        said = derms("status", made, "--json")
        assert said.returncode == 1
        found = json.loads(said.stdout)
        assert found["running"]
        assert found["headend_link"] == "down"
        assert any("headend cannot be reached" in each for each in found["wrong"])
        assert found["in_control"] is None
        assert derms("takeover", made, "--master", "backup", "--reason", "drill").returncode == 0
        await eventually(
            lambda: (
                json.loads((made / "status.json").read_text())["in_control"]
                == {"outstation": "main", "master": "backup"}
            )
        )
        assert "; backup on main is in control" in derms("status", made).stdout
        for place, cwd in ((made, ROOT), (".", made), (f"../{made.name}", made)):  # whatever it is called
            checked = derms("check", place, cwd=cwd)
            assert checked.returncode == 0, checked.stderr  # the port is in use, but by this very gateway
            assert "this gateway is running" in checked.stdout
        for words in (("run", made), ("init", made, "--add")):
            again = derms(*words)
            assert again.returncode == 1
            assert f"a gateway runs in {made} already (process {found['pid']})" in again.stderr
        assert "the boundary is closed" in derms("isolate", made, "--reason", "drill").stdout
        assert "drill" in (made / "ISOLATED").read_text()
        words = derms("status", made)
        assert words.returncode == 1
        assert "no master" in words.stdout
        assert derms("rejoin", made).returncode == 0
        assert not (made / "ISOLATED").exists()
    finally:
        assert await running.stop() == 0
    assert derms("status", made, "--json").returncode == 2


def test_takeover_says_who_is_in_control_from_when_on(made: Path) -> None:
    said = derms("takeover", made, "--master", "backup", "--reason", "drill")
    assert said.returncode == 0, said.stderr
    assert "backup on main is in control from the gateway's next start (it does not run) on" in said.stdout
    told = json.loads((made / "TAKEOVER").read_text())
    assert (told["outstation"], told["master"], told["reason"]) == ("main", "backup", "drill")
    wrong = derms("takeover", made, "--master", "viewer", "--reason", "drill")
    assert wrong.returncode == 1
    assert "'viewer' is no master that may operate here (backup on main, ems on main)" in wrong.stderr
    assert json.loads((made / "TAKEOVER").read_text()) == told
