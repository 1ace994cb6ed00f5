"""What a fleet of agents costs: `python -m benches.agents_memory [AGENTS ...] [--headend real|small] [--seconds N]`.

Starts a headend, launches one process per asset with `derms launch`, waits until all are connected and reporting, and
prints a row for each size of fleet. Unshared memory (USS) is Private_Clean + Private_Dirty of /proc/PID/smaps_rollup.
CPU is user and system time per second of wall time, in percent of one core, of all agents together. `small` is the
tests' headend, which stores nothing: the agents' own cost, without a database beside them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dermscore import assets
from wire import pki

ROOT = Path(__file__).resolve().parent.parent
DERMS = [sys.executable, "-m", "daemon.cli", "--log", "json"]
SMALL = [sys.executable, str(ROOT / "tests" / "agent" / "small_headend.py")]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
CONNECT_S = 120.0
COLUMNS = (
    *("agents", "connected", "heard", "start s", "USS kB median", "USS kB max", "launcher kB"),
    *("agents' CPU %", "headend's CPU %"),
)
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Headend:
    """A running headend: where agents dial it, its process, and how to ask it how many are connected and heard."""

    address: str
    process: subprocess.Popen[str]
    http: str | None

    def counts(self) -> tuple[int, int]:
        """(agents connected, assets heard in about the last period)."""
        if self.http is None:
            line = self._line()
            return int(line["connected"]), len(line["heard"])
        rows = _get(f"{self.http}/agents")
        fresh = [row for row in _get(f"{self.http}/assets") if row.get("current_mw") is not None]
        return sum(1 for row in rows if row["connected"]), len(fresh)

    def _line(self) -> dict[str, Any]:
        """The newest of the small headend's lines, which come once a second and wait in the pipe meanwhile."""
        assert self.process.stdout is not None
        while True:
            line = dict(json.loads(self.process.stdout.readline()))
            if line["mono_s"] > time.monotonic() - 1.5:
                return line


def main() -> int:
    options = _options()
    _row(*COLUMNS)
    worst_kb = 0
    for agents in options.agents:
        worst_kb = max(worst_kb, _measure(agents, options.headend, options.seconds))
    return 0 if worst_kb < 10_000 else 1


def _measure(agents: int, kind: str, seconds: float) -> int:
    """Print the row for one fleet; returns the largest unshared memory of an agent in kB."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        _prepare(folder, agents)
        headend = stack.enter_context(_small(folder) if kind == "small" else _real(folder))
        began_s = time.monotonic()
        launcher = stack.enter_context(_launch(folder, headend.address))
        started_s = _wait_connected(headend, agents, began_s)
        time.sleep(8)  # two periods of telemetry: past the rush of the start
        pids = [int(json.loads(file.read_text())["pid"]) for file in (folder / "state").glob("*.json")]
        before = [_cpu_s(pid) for pid in (headend.process.pid, *pids)]
        time.sleep(seconds)
        spent = [after - b for after, b in zip(map(_cpu_s, (headend.process.pid, *pids)), before, strict=True)]
        connected, heard = headend.counts()
        memory = sorted(private_kb(pid) for pid in pids)
        cpu = [f"{sum(spent[1:]) / seconds * 100:.1f}", f"{spent[0] / seconds * 100:.1f}"]
        median_kb = round(statistics.median(memory))
        _row(agents, connected, heard, f"{started_s:.1f}", median_kb, memory[-1], private_kb(launcher.pid), *cpu)
        return memory[-1]


def _row(*cells: object) -> None:
    widths = (max(len(name), 6) for name in COLUMNS)
    print("  ".join(f"{cell!s:>{width}}" for cell, width in zip(cells, widths, strict=True)), flush=True)


def private_kb(pid: int) -> int:
    """The memory that a process shares with nobody, in kB (proc_pid_smaps(5))."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    fields = dict(line.split(":", 1) for line in lines)
    return sum(int(fields[name].split()[0]) for name in ("Private_Clean", "Private_Dirty"))


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def _prepare(folder: Path, agents: int) -> None:
    per_site = 10 if agents % 10 == 0 else 1
    (folder / "assets.yaml").write_text(assets.generate(agents // per_site, per_site, seed=1), encoding="utf-8")
    fleet = assets.load_file(folder / "assets.yaml")
    pki.init(folder / "pki", [*fleet.assets, *fleet.sites])


@contextlib.contextmanager
def _small(folder: Path) -> Iterator[Headend]:
    with _process([*SMALL, str(folder / "pki"), "0"], folder / "headend.log", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["port"]
        yield Headend(f"127.0.0.1:{port}", process, None)


@contextlib.contextmanager
def _real(folder: Path) -> Iterator[Headend]:
    http, agents, boundary = (f"127.0.0.1:{_free_port()}" for _ in range(3))
    own = {"HEADEND_HTTP_ADDR": http, "HEADEND_GRPC_ADDR": agents, "HEADEND_BOUNDARY_ADDR": boundary}
    init = ["headend", "init", str(folder / "headend"), "--pki", str(folder / "pki")]
    subprocess.run([*DERMS, *init, "--assets", str(folder / "assets.yaml")], check=True, env=ENVIRONMENT, stdout=2)
    command = [*DERMS, "headend", "run", str(folder / "headend")]
    with _process(command, folder / "headend.log", environment=own) as process:
        headend = Headend(agents, process, f"http://{http}")
        deadline_s = time.monotonic() + 30
        while not _answers(headend):
            if time.monotonic() > deadline_s or process.poll() is not None:
                raise SystemExit(f"the headend did not start:\n{(folder / 'headend.log').read_text(encoding='utf-8')}")
            time.sleep(0.2)
        yield headend


@contextlib.contextmanager
def _launch(folder: Path, address: str) -> Iterator[subprocess.Popen[str]]:
    command = [*DERMS, "launch", "--assets", str(folder / "assets.yaml"), "--pki", str(folder / "pki")]
    options = ["--state", str(folder / "state"), "--headend", address]
    with _process([*command, *options], folder / "launch.log") as process:
        yield process


@contextlib.contextmanager
def _process(
    command: list[str], log: Path, *, stdout: int | None = None, environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run it for the block, then end it in good order."""
    with log.open("w") as file:
        out = file if stdout is None else stdout
        env = ENVIRONMENT | (environment or {})
        process = subprocess.Popen(command, stdout=out, stderr=file, text=True, env=env)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)
            process.kill()
            process.wait()


def _wait_connected(headend: Headend, agents: int, began_s: float) -> float:
    while headend.counts()[0] < agents:
        if time.monotonic() - began_s > CONNECT_S:
            break
        time.sleep(0.2)
    return time.monotonic() - began_s


def _answers(headend: Headend) -> bool:
    try:
        headend.counts()
    except OSError:
        return False
    return True


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def _free_port() -> int:
    for port in range(23_000, 32_000):
        with contextlib.closing(socket.socket()) as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _TAKEN:
                _TAKEN.add(port)
                return port
    raise SystemExit("no free port")


_TAKEN: set[int] = set()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What a fleet of agents costs.")
    parser.add_argument("agents", nargs="*", type=int, default=[10, 50, 100])
    parser.add_argument("--headend", choices=["real", "small"], default="real")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long CPU is counted")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
