"""What the tests of the whole system share: a plant on ports of its own, both makes of master, and the four places in
which one command leaves its id (the outbox, the trail, the headend's history over HTTP, SCADA's status point).
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from dermscore.sheets.points import COMMAND_STATE_CODES, CommandRow, Mode, PointKind, PointRow, Quantity
from dermscore.sheets.reading import read_points
from simulator.plant import Plant, Ports
from simulator.processes import command
from tests.peers.dnp3py_master import Dnp3pyMaster
from tests.peers.frames import RawPeer
from tests.peers.told import Told, latest
from tests.peers.yadnp3_master import Yadnp3Master
from tests.ports import free_ports

Scada = Yadnp3Master | Dnp3pyMaster
MAKES: Mapping[str, Callable[..., AbstractAsyncContextManager[Scada]]] = {
    "dnp3py": Dnp3pyMaster,
    "yadnp3": Yadnp3Master,
}

CONTROL_ROOM, SECOND, VIEWER = 1, 2, 3  # link addresses of the masters in boundary.yaml; the viewer may not operate
STALE_AFTER_S = 6.0
FRESH_WITHIN_S = 8.0  # two periods of telemetry: what an agent said last counts so long
PATIENCE_S = 60.0
POLL_S = 0.1

HELD = "held"
ONLINE, RESTART, COMM_LOST, OVER_RANGE, REFERENCE_ERR = 0x01, 0x02, 0x04, 0x20, 0x40
STATES = {code: state for state, code in COMMAND_STATE_CODES.items()}
UNDER_WAY = {"submitted", "sent", "received"}

FLIPPED, UNFLIPPED = "F14 power", "Alderney power"
"""Two points of the same assets: the first in the other sign, another unit, with scale and offset."""

_FLIPPED = {
    "unit": "MW",
    "positive_means": "absorption",
    "scale": "0.01",
    "offset": "-20",
    "low": "-66",
    "high": "51",
    "max_rate_per_s": "105",
}

_MASTERS = """
      - name: second
        address: 2
        peers: [127.0.0.0/8]
        control: true
      - name: viewer
        address: 3
        peers: [127.0.0.0/8]
        control: false
"""


class Shown(NamedTuple):
    """One value of one point, as it stands in the trail or as a master read it: the two must be the same."""

    point: str
    raw: int
    flags: int
    time_ms: int


class Row(NamedTuple):
    """One command in the gateway's outbox."""

    id: str
    name: str
    target_w: float | None
    state: str
    master: str


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the trail, as `derms audit show --json` prints it."""

    seq: int
    kind: str
    peer: str
    rule: str
    decision: str
    reason: str
    n: int
    values: Mapping[str, list[Any]] = field(default_factory=dict)

    @property
    def shown(self) -> Iterable[Shown]:
        columns = (self.values.get(name, []) for name in ("point", "raw", "quality", "time_ms"))
        for point, raw, quality, time_ms in zip(*columns, strict=True):
            yield Shown(point, raw, flags(quality), time_ms)


def flags(quality: int) -> int:
    """The flags of an analog for quality bits of the trail, written anew from docs/reference/dnp3-profile.md.

    Bits 10 and 11 are the validity (GOOD, QUESTIONABLE, HELD, INVALID), the lowest 8 the causes.
    """
    validity, causes = quality >> 10, quality & 0xFF
    comm_lost, over_range, restart = causes & 1, causes & 2, causes & 4
    online = validity <= 1 and not comm_lost and not restart
    bits = {
        ONLINE: online,
        RESTART: restart,
        COMM_LOST: comm_lost,
        OVER_RANGE: over_range,
        REFERENCE_ERR: validity == 1,
        0x10: causes & 8,  # LOCAL_FORCED
        0x08: causes & 16,  # REMOTE_FORCED
    }
    return sum(bit for bit, stands in bits.items() if stands)


@dataclass
class System:
    """The whole system as its processes, and every way to look at it from outside. Owner: the test's loop."""

    plant: Plant

    # SCADA

    def scada(self, make: str, master: int = CONTROL_ROOM) -> AbstractAsyncContextManager[Scada]:
        return MAKES[make](self.plant.ports.dnp3, master=master)

    @property
    def telemetry(self) -> dict[tuple[str, int], PointRow]:
        """The points that cross from the headend, by what a master calls them."""
        return {(point.type.value, point.index): point for point in self.plant.points if not point.local}

    def point(self, quantity: Quantity, path: str | None = None) -> PointRow:
        """The first point of a quantity (and a path)."""
        return next(p for p in self.plant.points if p.quantity is quantity and path in (None, p.path))

    def command_row(self, mode: Mode) -> CommandRow:
        return next(row for row in self.plant.commands if row.mode is mode)

    @property
    def site(self) -> str:
        """The path that SCADA's commands move."""
        return self.command_row(Mode.TARGET).path

    async def state(self, scada: Scada, mode: Mode = Mode.TARGET) -> str:
        """How SCADA sees a command stand, in words; HELD while nobody could tell it of another state."""
        told = await self.read(scada, self.command_row(mode).status_point)
        return STATES[int(told.value)] if told.flags == ONLINE else HELD

    async def value(self, scada: Scada, name: str) -> float:
        """What a point shows now; it must be ONLINE."""
        told = await self.read(scada, name)
        assert told.flags == ONLINE, f"{name}: {told}"
        return told.value

    async def read(self, scada: Scada, name: str) -> Told:
        point = next(point for point in self.plant.points if point.name == name)
        group = {"AI": 30, "BI": 1}[point.type.value]
        told = await scada.read(group, 1 if group == 30 else 2, point.index, point.index)
        return latest(told)[point.type.value, point.index]

    async def until_state(self, scada: Scada, *wanted: str, mode: Mode = Mode.TARGET) -> str:
        return await until(lambda: self.state(scada, mode), lambda state: state in wanted, f"{mode} to be {wanted}")

    async def whole(self, scada: Scada) -> list[Told]:
        """Wait until every telemetry point is plainly good, all members report and no command is under way.

        Returns everything that the master was told meanwhile.
        """
        told: list[Told] = []

        async def missing() -> list[str]:
            fresh = await scada.integrity()
            told.extend(fresh)
            now = latest(fresh)
            dark = [p.name for key, p in self.telemetry.items() if key not in now or now[key].flags != ONLINE]
            coverage = {key: p for key, p in self.telemetry.items() if p.quantity is Quantity.COVERAGE}
            few = [p.name for key, p in coverage.items() if key in now and now[key].value < 100]
            return dark + few + [mode.value for mode in Mode if await self.state(scada, mode) in {*UNDER_WAY, HELD}]

        await until(missing, lambda found: not found, "the picture to be whole")
        return told

    # The sites

    def power_w(self) -> float:
        """What the batteries of the controlled site do, by their own account; NaN while one has not said yet."""
        self.plant.sites.look(time.monotonic())
        power_w = self.plant.sites.power_w(self.site, PointKind.BATTERY)
        return float("nan") if power_w is None else power_w

    async def until_at(self, target_w: float) -> None:
        """Wait until the sites obey, to a point's scale."""
        await until(self._power, lambda power_w: abs(power_w - target_w) <= 1000, f"the sites to be at {target_w} W")

    async def _power(self) -> float:
        return self.power_w()

    # What was written down

    async def trail(self, *kinds: str) -> list[Record]:
        wanted = [word for kind in kinds for word in ("--kind", kind)]
        said = await self.derms("audit", "show", str(self.plant.trail), "--bodies", "--json", *wanted)
        names = ("seq", "kind", "peer", "rule", "decision", "reason", "n")
        lines = [json.loads(line) for line in said.splitlines()]
        return [Record(*(line[name] for name in names), line.get("values") or {}) for line in lines]

    async def verify(self) -> None:
        """The trail proves itself. Raises where it does not."""
        await self.derms("audit", "verify", str(self.plant.trail), "--key", str(self.plant.audit_key))

    async def derms(self, *words: str) -> str:
        return await command(words, self.plant.folder / "logs" / "tests.log")

    def outbox(self) -> list[Row]:
        """Every command that it holds, newest first."""
        path = self.plant.folder / "gateway" / "outbox.db"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            found = database.execute("SELECT id, name, target_w, state, master FROM command ORDER BY number DESC")
            return [Row(*row) for row in found]

    async def history(self) -> list[dict[str, Any]]:
        """The headend's dispatches, newest first, over HTTP."""
        rows: list[dict[str, Any]] = await asyncio.to_thread(self.plant.ask, "/dispatch/history")
        return rows

    # Starting again

    async def start_gateway(self) -> None:
        await self.plant.gateway.start()
        await self.listening()

    async def listening(self) -> None:
        """Wait until masters can connect. The knock comes from an address of its own: each is noted in the trail."""

        async def knock() -> bool:
            self.plant.gateway.require_running()
            try:
                async with Peer(self.plant.ports.dnp3, by="127.0.0.99"):
                    return True
            except OSError:
                return False

        await until(knock, bool, "the gateway to listen")


class Peer(RawPeer):
    """A TCP peer that writes what it likes, and calls from any loopback address: denials are counted by address."""

    def __init__(self, port: int, by: str) -> None:
        super().__init__(port)
        self._by = by

    async def __aenter__(self) -> Peer:
        self._reader, self._writer = await asyncio.open_connection(*self._at, local_addr=(self._by, 0))
        return self


async def until(look: Callable[[], Any], good: Callable[[Any], bool], what: str, within_s: float = PATIENCE_S) -> Any:
    """Look again and again until what is seen is good; returns it."""
    deadline = time.monotonic() + within_s
    while not good(seen := await look()):
        assert time.monotonic() < deadline, f"waited {within_s:g} s for {what}; saw {seen}"
        await asyncio.sleep(POLL_S)
    return seen


@asynccontextmanager
async def system(folder: Path) -> AsyncIterator[System]:
    """The whole system, started and listening; stopped and its trail verified at the end."""
    plant = replace(Plant.prepare(folder, None), ports=Ports(*free_ports(5)))
    try:
        await plant.set_up()
        _edit_contract(plant)
        _edit_headend(plant.folder / "headend" / "headend.yaml")
        await plant.start()
        made = System(plant)
        await made.listening()
        yield made
    finally:
        await plant.stop()
    await made.verify()


def _edit_contract(plant: Plant) -> None:
    """The demo's contract with two more masters, and with values that age sooner: tests must not wait for long."""
    contract = plant.folder / "gateway" / "policies" / "gateway"
    boundary = (contract / "boundary.yaml").read_text()
    assert "        control: true\n" in boundary
    (contract / "boundary.yaml").write_text(
        boundary.replace("        control: true\n", f"        control: true{_MASTERS}")
    )
    rows = list(csv.DictReader(io.StringIO((contract / "points.csv").read_text())))
    for row in rows:
        row["stale_after_s"] = row["stale_after_s"] and str(STALE_AFTER_S)
        if row["name"] == FLIPPED:
            row.update(_FLIPPED)
    with (contract / "points.csv").open("w", newline="") as file:
        sheet = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        sheet.writeheader()
        sheet.writerows(rows)
    plant.points = read_points((contract / "points.csv").read_text(), "points.csv")


def _edit_headend(config: Path) -> None:
    text = config.read_text()
    assert "fresh_within_s: 12\n" in text
    config.write_text(text.replace("fresh_within_s: 12\n", f"fresh_within_s: {FRESH_WITHIN_S:g}\n"))
