"""The launcher with real processes: what it starts, what it restarts, and that nothing outlives it."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.child import SERVER_FOLDER
from agent.launcher import restart_delay_s
from wire import pki

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
SITE = "00000000-0000-5000-8000-00000000000f"
ASSETS = [f"00000000-0000-5000-8000-00000000000{number}" for number in range(1, 4)]
LIMIT_KB = 10_000


def environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "DERMS_LOG": "json"}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_fleet(tmp_path_factory.mktemp("fleet"), ASSETS)


def make_fleet(folder: Path, asset_ids: list[str]) -> Path:
    """The folder with assets.yaml (batteries) and pki/."""
    lines = ["sites:", f"  - {{id: {SITE}, name: Jersey, location: Region-A, path: feeder/F1/site/S1}}", "assets:"]
    for number, asset_id in enumerate(asset_ids):
        rest = "capacity_mwhr: 100.0, max_mw: 50.0, min_mw: -50.0, efficiency: 0.9, ramp_rate_mw_per_min: 1000.0"
        lines.append(f"  - {{id: {asset_id}, name: Battery {number}, site_id: {SITE}, kind: battery, {rest}}}")
    (folder / "assets.yaml").write_text("\n".join(lines) + "\n")
    pki.init(folder / "pki", [*asset_ids, SITE])
    return folder


@dataclass
class Process:
    """One line of /proc that matters: who, whose child, in which session."""

    pid: int
    parent: int
    session: int
    command: str


def processes(session: int) -> list[Process]:
    """Every live process of a session (zombies are dead)."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            pid = int(entry.name)
            state, parent, _, its_session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            command = (entry / "cmdline").read_text().replace("\0", " ")
            if int(its_session) == session and state != "Z":
                found.append(Process(pid, int(parent), session, command))
    return found


def wait_for(condition: Callable[[], Any], what: str, within_s: float = 30.0) -> Any:
    deadline_s = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < deadline_s, f"not within {within_s:g} s: {what}"
        time.sleep(0.05)
    return value


class Running:
    """A headend and a launcher, each a process; the launcher leads a session, so that all it starts is found."""

    def __init__(self, fleet: Path, folder: Path) -> None:
        self.folder, self.state = folder, folder / "state"
        self.lines: list[dict[str, Any]] = []
        self.headend = subprocess.Popen(
            [sys.executable, str(HERE / "small_headend.py"), str(fleet / "pki"), "0"],
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        port = self.hear()["port"]
        self.log = (folder / "log").open("w+")
        self.out = (folder / "out").open("w+")
        command = [sys.executable, "-m", "daemon.cli", "launch", "--assets", str(fleet / "assets.yaml")]
        options = ["--pki", str(fleet / "pki"), "--state", str(self.state), "--headend", f"127.0.0.1:{port}"]
        self.launcher = subprocess.Popen(
            [*command, *options], stdout=self.out, stderr=self.log, env=environment(), start_new_session=True
        )

    def hear(self) -> dict[str, Any]:
        """The headend's next line."""
        assert self.headend.stdout is not None
        line = self.headend.stdout.readline()
        assert line, "the small headend ended"
        return dict(json.loads(line))

    def heard(self, condition: Callable[[dict[str, Any]], bool], what: str, within_s: float = 40.0) -> dict[str, Any]:
        deadline_s = time.monotonic() + within_s
        while not condition(line := self.hear()):
            assert time.monotonic() < deadline_s, f"not within {within_s:g} s: {what}; {line}\n{self.logged()}"
        return line

    def logged(self) -> str:
        return (self.folder / "log").read_text()

    def printed(self) -> str:
        return (self.folder / "out").read_text()

    def tree(self) -> list[Process]:
        return processes(self.launcher.pid)

    def server(self) -> Process:
        """The fork server: the child of the launcher that runs multiprocessing.forkserver."""
        return next(p for p in self.tree() if p.parent == self.launcher.pid and "forkserver" in p.command)

    def folder_of_the_server(self) -> Path:
        """Where `multiprocessing` keeps the fork server's socket, under /tmp."""
        environment = Path(f"/proc/{self.server().pid}/environ").read_text().split("\0")
        return Path(dict(word.split("=", 1) for word in environment if word)[SERVER_FOLDER])

    def agents(self) -> dict[str, dict[str, Any]]:
        """Every asset's state file, by id."""
        files = [self.state / f"{asset_id}.json" for asset_id in ASSETS]
        return {file.stem: json.loads(file.read_text()) for file in files if file.exists()}

    def pids(self) -> dict[str, int]:
        return {asset_id: state["pid"] for asset_id, state in self.agents().items()}

    def close(self) -> None:
        for process in self.tree():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        for popen in (self.launcher, self.headend):
            popen.kill()
            popen.wait()
        assert self.headend.stdout is not None
        self.headend.stdout.close()
        self.log.close()
        self.out.close()


@pytest.fixture
def running(fleet: Path, tmp_path: Path) -> Iterator[Running]:
    system = Running(fleet, tmp_path)
    try:
        system.heard(lambda line: line["connected"] == 3 and line["readings"] >= 3, "three agents connected")
        wait_for(lambda: len(system.agents()) == 3, "three state files")
        yield system
    finally:
        system.close()


def private_kb(pid: int) -> int:
    """The memory that a process shares with nobody, in kB (proc_pid_smaps(5))."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return sum(int(fields[name].split()[0]) for name in ("Private_Clean", "Private_Dirty"))


def test_one_light_process_per_asset(running: Running) -> None:
    assert "3/3 started" in running.printed()
    assert len(set(running.pids().values())) == 3
    for pid in running.pids().values():
        assert private_kb(pid) < LIMIT_KB
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        assert len(threads) < 16


def test_a_killed_agent_comes_back_and_its_neighbours_notice_nothing(running: Running) -> None:
    victim, *others = ASSETS
    before = running.agents()
    os.kill(before[victim]["pid"], signal.SIGKILL)
    wait_for(lambda: running.pids()[victim] != before[victim]["pid"], "a new process for the asset")
    running.heard(
        lambda line: line["registrations"] == 4 and victim in line["heard"] and line["connected"] == 3,
        "the asset is heard again",
    )
    after = running.agents()
    assert [after[other]["pid"] for other in others] == [before[other]["pid"] for other in others]
    assert after[victim]["tick"] >= before[victim]["tick"]
    assert "agent ended" in running.logged()


def test_sigkill_of_the_launcher_leaves_nothing(running: Running) -> None:
    assert len(running.tree()) >= 5  # the launcher, its fork server, its resource tracker, three agents
    folder = running.folder_of_the_server()
    assert folder.is_dir()
    running.launcher.kill()
    running.launcher.wait()
    wait_for(lambda: not running.tree(), "every process of the launcher's session ended", 15)
    running.heard(lambda line: line["connected"] == 0, "no session is left")
    assert not folder.exists()


def test_sigterm_drains_within_seconds(running: Running) -> None:
    began_s = time.monotonic()
    running.launcher.terminate()
    assert running.launcher.wait(10) == 0
    assert time.monotonic() - began_s < 6
    wait_for(lambda: not running.tree(), "every process of the launcher's session ended", 5)
    assert {state["link"] for state in running.agents().values()} == {"down"}
    assert "killed" not in running.logged()


def test_agents_outlive_their_fork_server(running: Running) -> None:
    before, server = running.pids(), running.server()
    os.kill(server.pid, signal.SIGKILL)
    ticks = {asset_id: state["tick"] for asset_id, state in running.agents().items()}
    wait_for(lambda: all(running.agents()[a]["tick"] > ticks[a] + 8 for a in ASSETS), "all go on ticking")
    assert running.pids() == before
    victim = ASSETS[0]
    os.kill(before[victim], signal.SIGKILL)
    wait_for(lambda: running.pids()[victim] != before[victim], "a new fork server starts the dead agent again")
    assert running.server().pid != server.pid
    assert [running.pids()[other] for other in ASSETS[1:]] == [before[other] for other in ASSETS[1:]]


def test_an_agent_that_stands_still_holds_up_nobody(running: Running) -> None:
    victim, *others = ASSETS
    os.kill(running.pids()[victim], signal.SIGSTOP)
    ticks = {asset_id: state["tick"] for asset_id, state in running.agents().items()}
    wait_for(lambda: all(running.agents()[a]["tick"] > ticks[a] + 8 for a in others), "the others go on")
    running.launcher.terminate()
    assert running.launcher.wait(12) == 0
    assert "killed" in running.logged()
    wait_for(lambda: not running.tree(), "nothing is left", 5)


def test_a_larger_fleet_is_heard_in_every_period(tmp_path: Path) -> None:
    """100 agents on two cores in `make soak`; fewer here, where the cores are shared."""
    count = 100 if os.environ.get("DERMS_SOAK") == "1" else 12
    asset_ids = [f"00000000-0000-5000-8000-{number:012d}" for number in range(1, count + 1)]
    system = Running(make_fleet(tmp_path, asset_ids), tmp_path)
    try:
        system.heard(lambda line: line["connected"] == count, "all connected", 60)
        system.heard(lambda line: len(line["heard"]) == count, "all heard within a period", 20)
        for _ in range(8):
            line = system.hear()
            assert (line["connected"], len(line["heard"])) == (count, count)
        agents = [process for process in system.tree() if process.parent == system.server().pid]
        assert len(agents) == count
        assert max(private_kb(process.pid) for process in agents) < LIMIT_KB
    finally:
        system.close()


def run_cli(*arguments: str, within_s: float = 30.0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "daemon.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=within_s, env=environment(), check=False)


def test_missing_certificates_stop_the_start_and_are_all_named(fleet: Path, tmp_path: Path) -> None:
    done = run_cli("launch", "--assets", str(fleet / "assets.yaml"), "--pki", str(tmp_path))
    assert done.returncode == 1
    assert all(asset_id in done.stderr for asset_id in ASSETS)
    assert "derms pki init" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_second_launcher_of_the_same_fleet_drives_nothing(running: Running, fleet: Path) -> None:
    arguments = ["--assets", str(fleet / "assets.yaml"), "--pki", str(fleet / "pki"), "--state", str(running.state)]
    done = run_cli("agent", "run", "--id", ASSETS[0], *arguments)
    assert done.returncode == 1
    assert "another agent drives this asset" in done.stderr
    assert running.pids()[ASSETS[0]] in {process.pid for process in running.tree()}


def test_restarts_wait_longer_each_time_and_are_spread() -> None:
    rng = random.Random(1)
    waits = [restart_delay_s(failures, rng) for failures in range(1, 20)]
    assert 0.25 <= waits[0] <= 0.5
    assert max(waits) <= 30
    assert waits[-1] >= 15
