"""A gateway and its witness, each in a process of its own: what is cosigned, and who hears of it when nothing is."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from audit import keys as audit_keys
from audit.format.layout import Layout
from audit.format.record import Entry
from audit.witness import Witnessed, store, witnessed
from audit.witness.coverage import COSIGNED
from audit.witness.store import WitnessStore
from audit.witness.submission import Accepted, Alarm, Outcome, Trouble
from dermscore.errors import BadInput, DermsError
from gateway import setup, witness
from gateway.config import Home
from gateway.service import prepare
from gateway.witness import Standing, State, Witnessing, after
from tests.audit.witness.stage import NOW_S, WitnessProcess, leaves, tip, wkey
from tests.gateway import trail
from tests.gateway.stand_in import ROOT, GatewayProcess, StandIn, eventually, free_port, make_gateway
from tests.peers.dnp3py_master import Dnp3pyMaster
from tests.peers.told import latest

ACCEPTED = Accepted(b"", Witnessed(tip(leaves(3)), NOW_S, wkey()))


@pytest.mark.parametrize(
    ("before", "outcome", "then"),
    [
        (Standing(State.STARTING), ACCEPTED, Standing(State.COSIGNED)),
        (Standing(State.STARTING), Trouble("away"), Standing(State.TROUBLE, "away")),
        (Standing(State.TROUBLE, "away"), Trouble("still"), Standing(State.TROUBLE, "still")),
        (Standing(State.COSIGNED), Alarm("forked"), Standing(State.ALARM, "forked")),
        (Standing(State.ALARM, "forked"), Trouble("away"), Standing(State.ALARM, "forked")),
        (Standing(State.ALARM, "forked"), ACCEPTED, Standing(State.COSIGNED)),
    ],
)
def test_what_an_outcome_makes_of_it(before: Standing, outcome: Outcome, then: Standing) -> None:
    assert after(before, outcome) == then


class Scripted:
    """A way to a witness that gives these outcomes, and then none for ever."""

    def __init__(self, *outcomes: Outcome) -> None:
        self._outcomes = list(outcomes)
        self.spent = asyncio.Event()

    async def submit(self) -> Outcome:
        if self._outcomes:
            return self._outcomes.pop(0)
        self.spent.set()
        await asyncio.Event().wait()
        raise AssertionError


async def test_each_change_is_recorded_once_and_told() -> None:
    way, noted, told = Scripted(Trouble("a"), Trouble("b"), ACCEPTED, ACCEPTED, Alarm("c"), Trouble("d")), [], []
    record: Callable[[Entry], None] = lambda entry: noted.append((entry.kind, entry.decision, entry.reason))  # noqa: E731
    witnessing = Witnessing(way, 0, record)  # type: ignore[arg-type]
    witnessing.changed = lambda: told.append(witnessing.alarmed)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(witnessing.run())
        await asyncio.wait_for(way.spent.wait(), 30)
        running.cancel()
    assert noted == [("witness", "not cosigned", "a"), ("witness", "ok", ""), ("witness", "ALARM", "c")]
    assert told == [False, False, True]
    assert str(witnessing.standing) == "ALARM: c"


async def test_a_fault_of_its_own_ends_nothing() -> None:
    class Faulty(Scripted):
        failed = False

        async def submit(self) -> Outcome:
            if not self.failed:
                self.failed = True
                raise ZeroDivisionError
            return await super().submit()

    witnessing = Witnessing(Faulty(ACCEPTED), 0, lambda entry: None)  # type: ignore[arg-type]
    told = asyncio.Event()
    witnessing.changed = lambda: told.set() if witnessing.standing.state is State.COSIGNED else None
    async with asyncio.TaskGroup() as group:
        running = group.create_task(witnessing.run())
        await asyncio.wait_for(told.wait(), 30)
        running.cancel()


async def test_without_a_witness_nothing_is_done() -> None:
    witnessing = Witnessing(None, 0, lambda entry: None)
    await witnessing.run()
    assert str(witnessing.standing) == "none"


@pytest.fixture
def made(tmp_path: Path, pki_folder: Path) -> Path:
    return make_gateway(tmp_path, pki_folder, free_port())[0]


def name_witness(folder: Path, text: str) -> None:
    with (folder / "gateway.yaml").open("a") as file:
        file.write(f"witness: {text}\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{url: 'http://w:7453'}", "witness.key"),
        ("{url: 'nonsense', key: keys/audit.pub}", "not a witness's URL"),
        ("{url: 'http://w:7453', key: keys/none.pub}", "cannot read the witness's key"),
        ("{url: 'http://w:7453', key: keys/audit.pub}", "a log's key is another"),
        ("{url: 'https://w:7453', key: keys/witness.pub, ca: keys/none.crt}", "witness.ca"),
        ("{url: 'http://w:7453', key: keys/witness.pub, every_s: 0}", "every_s"),
    ],
)
def test_a_witness_that_is_named_wrongly_stops_the_start(made: Path, text: str, words: str) -> None:
    (made / "keys" / "witness.pub").write_text(f"{wkey()}\n")
    name_witness(made, text)
    assert any(words in str(problem) for problem in setup.problems(made))
    with pytest.raises(DermsError, match=words):
        prepare(Home.open(made))


def test_a_witness_that_is_named_rightly_checks_out(made: Path) -> None:
    (made / "keys" / "witness.pub").write_text(f"{wkey()}\n")
    name_witness(made, "{url: 'https://w:7453', key: keys/witness.pub}")
    assert setup.problems(made) == []
    assert Home.open(made).config.witness is not None
    assert witness.submitter(Home.open(made)) is not None
    found = witness.cosigned(Home.open(made))
    assert found == {"size": None, "time": None, "records": 0, "not_cosigned": 0}
    (made / "trail" / "checkpoint").unlink()
    assert witness.cosigned(Home.open(made)) == {"size": None, "time": None, "records": None, "not_cosigned": None}


def test_a_certificate_that_is_none_is_named(made: Path) -> None:
    (made / "keys" / "witness.pub").write_text(f"{wkey()}\n")
    name_witness(made, "{url: 'https://w:7453', key: keys/witness.pub, ca: keys/audit.pub}")
    with pytest.raises(BadInput, match=r"witness\.ca"):
        prepare(Home.open(made))


@pytest.fixture
def process(tmp_path: Path) -> Iterator[WitnessProcess]:
    store.init(tmp_path / "witness", "compliance.example/w1")
    with WitnessProcess(tmp_path / "witness", tmp_path / "witness.log") as running:
        yield running


@pytest.fixture
async def running(
    tmp_path: Path, pki_folder: Path, headend: StandIn, process: WitnessProcess
) -> AsyncIterator[GatewayProcess]:
    """A gateway that is witnessed every second."""
    folder, port = make_gateway(tmp_path, pki_folder, headend.port)
    WitnessStore.open(process.folder).trust(audit_keys.load_public(folder / "keys" / "audit.pub"))
    shutil.copyfile(process.folder / "witness.pub", folder / "keys" / "witness.pub")
    name_witness(folder, f"{{url: '{process.url}', key: keys/witness.pub, every_s: 1}}")
    gateway = GatewayProcess(folder, port, tmp_path / "gateway.log")
    await gateway.start()
    await gateway.listening()
    yield gateway
    if gateway.process is not None and gateway.process.returncode is None:
        await gateway.kill()


def said(folder: Path) -> dict[str, Any]:
    """What `derms gateway status` says."""
    ran = subprocess.run(
        [sys.executable, "-m", "daemon.cli", "gateway", "status", str(folder), "--json"],
        cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def standing(folder: Path) -> str:
    with_status = Home.open(folder).status
    return str(json.loads(with_status.read_text()).get("witness")) if with_status.exists() else ""


async def until(met: Callable[[], bool]) -> None:
    await eventually(met, 60)


def size_in(note: Path) -> int:
    return int(note.read_bytes().split(b"\n")[1])


async def test_a_gateways_trail_is_cosigned_through_outages_of_the_witness(
    running: GatewayProcess, process: WitnessProcess
) -> None:
    folder = running.folder
    await until(lambda: standing(folder) == "ok")
    found = witnessed((folder / "trail" / COSIGNED).read_bytes(), store.load_keys(process.folder / "witness.pub"))
    assert isinstance(found, Witnessed)
    reach = said(folder)["cosigned"]
    assert reach["size"] >= found.checkpoint.size
    assert reach["not_cosigned"] == reach["records"] - reach["size"]
    process.kill()
    await until(lambda: standing(folder).startswith("not cosigned: the witness cannot be reached"))
    assert any("the witness: not cosigned" in each for each in said(folder)["wrong"])
    assert running.process is not None
    assert running.process.returncode is None  # it serves on
    process.start()
    await until(lambda: standing(folder) == "ok")
    assert await running.stop() == 0
    told = [(read.header.decision) for read in trail.records(folder) if read.header.kind == "witness"]
    assert told == ["ok", "not cosigned", "ok"]


async def test_a_trail_that_was_put_back_is_an_alarm_that_the_masters_see(
    running: GatewayProcess, process: WitnessProcess, tmp_path: Path
) -> None:
    folder = running.folder
    await until(lambda: standing(folder) == "ok")
    await running.stop()
    older = shutil.copytree(folder / "trail", tmp_path / "older")
    await running.start()
    await running.listening()
    before = size_in(Layout(older).checkpoint)
    await until(lambda: size_in(folder / "trail" / COSIGNED) > before)
    await running.kill()
    shutil.rmtree(folder / "trail")
    shutil.copytree(older, folder / "trail")
    Home.open(folder).status.unlink()
    await running.start()
    await running.listening()
    await until(lambda: standing(folder).startswith("ALARM"))
    assert any("rolled back" in each or "written anew" in each for each in said(folder)["wrong"])
    async with Dnp3pyMaster(running.port) as master:
        async with asyncio.timeout(60):
            seen = None
            while seen != 0:
                seen = getattr(latest(await master.integrity()).get(("BI", 0)), "value", None)
                await asyncio.sleep(0.05)
    process.kill()  # silencing the witness does not end it
    await until(lambda: bool(said(folder)["wrong"]))
    assert standing(folder).startswith("ALARM")
    assert await running.stop() == 0
