"""The system that the demo runs: one folder, six kinds of process, set up by the very commands a user would type."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import socket
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from daemon.config import packaged
from dermscore import assets
from dermscore.model import Fleet
from dermscore.sheets.points import CommandRow, PointRow
from dermscore.sheets.reading import read_commands, read_points
from simulator import sheets
from simulator.processes import Child, command
from simulator.station import Station
from simulator.truth import Sites

MASTER_ADDRESS, OUTSTATION_ADDRESS = 1, 10  # as policies/gateway/boundary.yaml has them

# A demo's fleet is small and its audience impatient; what a large fleet wants is the launcher's own default.
REDIAL_CAP_S = 4
# Sixty seconds is the default, and longer than the demo's story.
COSIGNED_EVERY_S = 2
WITNESS_NAME = "derms-demo/witness"
ANALYST = "demo.analyst"


@dataclass(frozen=True, slots=True)
class Ports:
    """The usual ports where they are free and no other demo has them, else any free ones."""

    http: int
    agents: int
    boundary: int
    dnp3: int
    witness: int

    @classmethod
    def choose(cls) -> Ports:
        first = _is_first_demo()
        return cls(*(_free_port(usual if first else None) for usual in (3001, 7450, 7451, 20000, 7453)))


def _is_first_demo() -> bool:
    """Whether no other demo runs on this machine: two that start together would both see the usual ports free."""
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind("\0derms-demo")
    except OSError:
        claim.close()
        return False
    claim.detach()  # held until this process ends
    return True


def _free_port(usual: int | None) -> int:
    """`usual`, or another one far below 32768: what lies above is handed out to outgoing connections meanwhile."""
    candidates = random.sample(range(10_000, 20_000), 50)
    for port in [usual, *candidates] if usual else candidates:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free port on 127.0.0.1")


@dataclass
class Plant:
    """Everything the demo starts and writes, under `folder`. Owner of every field: the demo's event loop."""

    folder: Path
    ports: Ports
    fleet: Fleet
    points: tuple[PointRow, ...]
    commands: tuple[CommandRow, ...]
    headend: Child = field(init=False)
    launcher: Child = field(init=False)
    gateway: Child = field(init=False)
    witness: Child = field(init=False)
    scada: Station = field(init=False)
    began_s: float = field(init=False)  # UTC
    sites: Sites = field(init=False)

    def __post_init__(self) -> None:
        self.headend = self._child(
            "headend",
            ["daemon.cli", "headend", "run", str(self.folder / "headend")],
            HEADEND_HTTP_ADDR=f"127.0.0.1:{self.ports.http}",
            HEADEND_GRPC_ADDR=f"127.0.0.1:{self.ports.agents}",
            HEADEND_BOUNDARY_ADDR=f"127.0.0.1:{self.ports.boundary}",
            ASSETS_PATH="",
            DATABASE_URL="",
        )
        launch = ["daemon.cli", "launch", "--assets", str(self.assets), "--headend", f"127.0.0.1:{self.ports.agents}"]
        folders = ["--pki", str(self.folder / "pki"), "--state", str(self.folder / "agents")]
        self.launcher = self._child("launcher", [*launch, *folders, "--redial-cap", str(REDIAL_CAP_S)])
        self.gateway = self._child("gateway", ["daemon.cli", "gateway", "run", str(self.folder / "gateway")])
        listen = ["--listen", f"127.0.0.1:{self.ports.witness}"]
        self.witness = self._child(
            "witness", ["daemon.cli", "audit", "witness", "run", str(self.folder / "witness"), *listen]
        )
        master = ["simulator.scada", "127.0.0.1", str(self.ports.dnp3), str(MASTER_ADDRESS), str(OUTSTATION_ADDRESS)]
        self.scada = Station(self._child("scada", master))
        self.began_s = time.time()
        self.sites = Sites(self.fleet, self.folder / "agents")

    def _child(self, name: str, argv: Sequence[str], **env: str) -> Child:
        # An empty variable is the same as none: the demo must not pick up its caller's settings.
        return Child(name, argv, self.folder / "logs" / f"{name}.log", env)

    @classmethod
    def prepare(cls, folder: Path, assets_file: Path | None) -> Plant:
        """Lay the folder out and read the fleet.

        Raises:
            BadInput: the assets file cannot be used, or no contract can be made for its fleet.
            FileExistsError: the folder holds something already.
        """
        if folder.exists() and any(folder.iterdir()):
            raise FileExistsError(f"{folder} is not empty: name a new or an empty folder with --dir")
        source = assets_file or packaged("assets.yaml")
        fleet = assets.load_file(source)
        points_text, commands_text = sheets.for_fleet(fleet)
        points = read_points(points_text, "points.csv")
        commands = read_commands(commands_text, "commands.csv", points)
        for name in ("logs", "agents"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, folder / "assets.yaml")
        return cls(folder, Ports.choose(), fleet, points, commands)

    @property
    def assets(self) -> Path:
        return self.folder / "assets.yaml"

    @property
    def trail(self) -> Path:
        return self.folder / "gateway" / "trail"

    @property
    def audit_key(self) -> Path:
        return self.folder / "gateway" / "keys" / "audit.pub"

    @property
    def witness_key(self) -> Path:
        """The witness's own copy: the one in the gateway's folder is the gateway's."""
        return self.folder / "witness" / "witness.pub"

    @property
    def analyst_key(self) -> Path:
        """Who makes the evidence, and answers for it."""
        return self.folder / "people" / f"{ANALYST}.key"

    @property
    def ring(self) -> Path:
        """The persons whose word counts: the analyst."""
        return self.folder / "people" / "ring"

    @property
    def documents(self) -> Path:
        """Contracts and configurations, by digest."""
        return self.folder / "gateway" / "documents"

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.ports.http}"

    @property
    def children(self) -> tuple[Child, ...]:
        """In the order in which they are stopped: the watcher first, what it watches after."""
        return (self.scada.child, self.gateway, self.witness, self.launcher, self.headend)

    async def set_up(self) -> None:
        """`derms pki init`, then `headend init`, `gateway init` and `audit witness init` and `trust`; the boundary's
        sheets for this fleet; the witness's name in gateway.yaml; and a person who will make the evidence.
        """
        pki, witness, log = str(self.folder / "pki"), str(self.folder / "witness"), self.folder / "logs" / "set-up.log"
        assets = ["--assets", str(self.assets)]
        await _all(
            command(["pki", "init", pki, *assets], log),
            command(["audit", "witness", "init", witness, "--name", WITNESS_NAME], log),
            self._set_up_analyst(log),
        )
        await _all(
            command(["headend", "init", str(self.folder / "headend"), "--pki", pki, *assets], log),
            self._set_up_gateway(pki, witness, log),
        )

    async def _set_up_analyst(self, log: Path) -> None:
        who = ["--name", ANALYST, "--role", "SECAUD", "--to", "2099-12-31T00:00:00Z"]
        self.ring.parent.mkdir(mode=0o700)
        self.ring.write_text(await command(["audit", "person", "new", str(self.ring.parent), *who], log))

    async def _set_up_gateway(self, pki: str, witness: str, log: Path) -> None:
        gateway = self.folder / "gateway"
        boundary = f"127.0.0.1:{self.ports.boundary}"
        await command(["gateway", "init", str(gateway), "--pki", pki, "--headend", boundary], log)
        await command(["audit", "witness", "trust", witness, "--key", str(self.audit_key)], log)
        self._write_contract(gateway / "policies" / "gateway")
        shutil.copyfile(self.witness_key, gateway / "keys" / "witness.pub")
        url = f"http://127.0.0.1:{self.ports.witness}"
        with (gateway / "gateway.yaml").open("a") as config:
            config.write(f'witness: {{url: "{url}", key: keys/witness.pub, every_s: {COSIGNED_EVERY_S}}}\n')

    def _write_contract(self, contract: Path) -> None:
        points, commands = sheets.for_fleet(self.fleet)
        (contract / "points.csv").write_text(points)
        (contract / "commands.csv").write_text(commands)
        boundary = (contract / "boundary.yaml").read_text()
        (contract / "boundary.yaml").write_text(boundary.replace("127.0.0.1:20000", f"127.0.0.1:{self.ports.dnp3}"))

    async def start(self) -> None:
        for child in (self.headend, self.launcher, self.witness, self.gateway):
            await child.start()

    def require_running(self) -> None:
        """Raises StoppedEarly where a process ended by itself."""
        for child in self.children:
            child.require_running()

    async def stop(self) -> None:
        for child in self.children:
            await child.stop()

    def ask(self, path: str) -> Any:
        """GET from the headend's HTTP API. Raises OSError while it cannot be reached."""
        with urlopen(self.http + path, timeout=5) as answer:
            return json.load(answer)


async def _all(*steps: Awaitable[object]) -> None:
    """All of them at once, each to its end; the first failure is raised then."""
    for outcome in await asyncio.gather(*steps, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
