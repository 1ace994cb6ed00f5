"""What a clumsy or hostile user types, sends or leaves lying about, against the real processes.

Each mistake gets an answer that says what is wrong, where, and how to mend it; the exit code that fits; no traceback;
and nothing half started: no process, no port, no file made or changed.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import random
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from audit import keys as audit_keys
from audit.log import Log
from audit.record import Entry
from daemon.config import Address, packaged
from dermscore import assets
from gateway import setup as gateway_setup
from headend import setup as headend_setup
from wire import pki as authority

ROOT = Path(__file__).resolve().parents[2]
FLEET = assets.load_file(packaged("assets.yaml"))
JERSEY, GUERNSEY, _ = FLEET.sites
BATTERY, SECOND_BATTERY, *_ = FLEET.assets
FOUND_WRONG, COULD_NOT_TELL = 1, 2
PATIENCE_S = 30.0
VARIABLES = ("ASSETS_PATH", "DATABASE_URL", "DERMS_LOG")
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name not in VARIABLES and not name.startswith("HEADEND_")
} | {"PYTHONPATH": str(ROOT)}  # fmt: skip


# --- the stage -------------------------------------------------------------------------------------------------------


def derms_in(cwd: Path, *words: object, env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run one command to its end as its user would. Returns its exit code and all that it said."""
    ran = subprocess.run(
        [sys.executable, "-m", "daemon.cli", *map(str, words)],
        cwd=cwd,
        env=ENVIRONMENT | (env or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=PATIENCE_S,
    )
    said = ran.stdout + ran.stderr
    assert "Traceback" not in said, said
    return ran.returncode, said


def refused(folder: Path, *words: object, code: int = FOUND_WRONG, env: Mapping[str, str] | None = None) -> str:
    """What a command says that ends with `code` and leaves `folder`, where it is run, exactly as it was."""
    before = contents(folder)
    ended, said = derms_in(folder, *words, env=env)
    assert ended == code, said
    assert said.strip()
    assert contents(folder) == before
    assert processes_of(folder) == []
    return said


def contents(folder: Path) -> dict[str, str]:
    """Every file and folder below, with what is in it. A trail's `lock` is empty for ever, and held, not written."""
    files = (path for path in folder.rglob("*") if path.name != "lock")
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in files
    }


def processes_of(folder: Path) -> list[str]:
    """The command lines of every other process that names the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if str(folder) in line:
                    found.append(line)
    return found


def free_ports(count: int) -> list[int]:
    """Free ports below 32768: those above are handed out to outgoing connections meanwhile."""
    found: list[int] = []
    for port in random.sample(range(10_000, 32_768), 2000):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            return found
    raise OSError("no free ports on 127.0.0.1")


@dataclass(frozen=True, slots=True)
class Home:
    """One installation in one folder, on ports of its own: pki/, headend/, gateway/."""

    folder: Path
    http: int
    agents: int
    boundary: int
    dnp3: int

    @property
    def pki(self) -> Path:
        return self.folder / "pki"

    @property
    def headend(self) -> Path:
        return self.folder / "headend"

    @property
    def gateway(self) -> Path:
        return self.folder / "gateway"

    @property
    def contract(self) -> Path:
        return self.gateway / "policies" / "gateway"

    def certificate(self, stem: str) -> tuple[Path, Path]:
        return self.pki / f"{stem}.crt", self.pki / f"{stem}.key"

    def agent(self, command: str, identifier: str, fleet: Path | None = None) -> list[str]:
        """The words of `derms agent run` or `check`."""
        file = fleet or self.headend / "assets.yaml"
        words = {"--id": identifier, "--assets": file, "--pki": self.pki, "--headend": f"127.0.0.1:{self.agents}"}
        return ["agent", command, *(str(word) for pair in words.items() for word in pair)]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """As the `init` commands make it, in this process for speed; what is tested runs in processes of its own."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    made = Home(tmp_path / "made", *free_ports(4))
    authority.init(made.pki, [*FLEET.assets, *FLEET.sites])
    headend_setup.init(made.headend, made.pki, packaged("assets.yaml"), "sqlite:///history.db")
    gateway_setup.init(made.gateway, made.pki, Address(f"127.0.0.1:{made.boundary}"), "derms/gateway")
    ports = {"127.0.0.1:3001": made.http, "127.0.0.1:7450": made.agents, "127.0.0.1:7451": made.boundary}
    for usual, port in ports.items():
        change(made.headend / "headend.yaml", usual, f"127.0.0.1:{port}")
    change(made.contract / "boundary.yaml", "127.0.0.1:20000", f"127.0.0.1:{made.dnp3}")
    return made


def in_words(value: object) -> str | None:
    """A test's case is named by its texts; what spoils something has no name."""
    return value if isinstance(value, str) else "" if callable(value) else None


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


class Running:
    """A `derms` process that goes on until it is told to stop, its log in a file. Owner: the test."""

    def __init__(self, log: Path, *words: object) -> None:
        self.log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "daemon.cli", *map(str, words)],
                cwd=log.parent,
                env=ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def has_said(self, *words: str) -> str:
        """Wait until its log holds every one of the words; returns the log."""
        deadline = time.monotonic() + PATIENCE_S
        while not all(word in self.said for word in words):
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, f"none of {words} in:\n{self.said}"
            time.sleep(0.05)
        return self.said

    def stop(self) -> int:
        """SIGTERM, and how it ended."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Starts processes; whatever is still there at the end is stopped, must stop well, and must not have failed."""
    running: list[Running] = []

    def begin(*words: object) -> Running:
        running.append(Running(tmp_path / f"{len(running)}-{words[0]}.log", *words))
        return running[-1]

    yield begin
    ended = [(each.stop(), each.said) for each in reversed(running)]
    assert [code for code, _ in ended] == [0] * len(ended)
    assert not any("Traceback" in said for _, said in ended)


# --- assets.yaml -----------------------------------------------------------------------------------------------------

SITE = {"id": JERSEY, "name": "Jersey", "location": "Region-A", "path": "feeder/F1/site/S1"}
GOOD = {"id": BATTERY, "name": "B", "site_id": JERSEY, "capacity_mwhr": 100, "max_mw": 50, "min_mw": -50,
        "efficiency": 0.9, "ramp_rate_mw_per_min": 1000}  # fmt: skip
# A change to a good battery, the key that is to be named, and what is to be said of it. First what is wrong with a
# value by itself, then what shows when values are looked at together, which is done once each by itself is right.
WRONG_VALUES: Sequence[tuple[dict[str, Any], str, str]] = (
    ({"id": "b1"}, "id", "is not a UUID; write it like"),
    ({"max_mw": 50_000_000}, "max_mw", "must be at most 10000"),
    ({"max_mw": "50"}, "max_mw", "must be a number, not '50'; take the quotes away"),
    ({"max_mw": True}, "max_mw", "must be a number"),
    ({"max_mw": None}, "max_mw", "must be a number"),
    ({"max_mw": [50]}, "max_mw", "must be a number"),
    ({"capacity_mwhr": -1}, "capacity_mwhr", "must be at least 0"),
    ({"kind": "batery"}, "kind", "did you mean 'battery'?"),
    ({"max_soc_pct": 101}, "max_soc_pct", "must be at most 100"),
    ({"min_soc_pct": -1}, "min_soc_pct", "must be at least 0"),
    ({"efficiency": 0}, "efficiency", "must be more than 0"),
    ({"efficiency": 1.1}, "efficiency", "must be at most 1"),
    ({"ramp_rate_mw_per_min": 0}, "ramp_rate_mw_per_min", "must be more than 0"),
    ({"ramp_rate_mw_per_min": -1}, "ramp_rate_mw_per_min", "must be more than 0"),
    ({"name": ""}, "name", "must not be empty"),
    ({"name": "two\nlines"}, "name", "must be one line of plain text"),
    ({"name": 7}, "name", "must be text"),
    ({"max_mW": 50}, "max_mW", "unknown key 'max_mW'; did you mean 'max_mw'?"),
    ({"colour": "red"}, "colour", "unknown key 'colour'"),
)
WRONG_TOGETHER: Sequence[tuple[dict[str, Any], str, str]] = (
    ({"site_id": GUERNSEY}, "site_id", "no site has the id"),
    ({"id": JERSEY}, "id", "a site has this id"),
    ({"id": BATTERY}, "id", "has this id already"),
    ({"min_mw": 60}, "min_mw", "must not be above max_mw (50)"),
    ({"min_mw": 1}, "min_mw", "0 MW must lie between"),
    ({"capacity_mwhr": 0}, "capacity_mwhr", "a battery must have more than 0"),
    ({"kind": "solar", "min_mw": 0}, "capacity_mwhr", "must be 0 for kind solar"),
    ({"kind": "load", "capacity_mwhr": 0}, "max_mw", "must be 0 for kind load"),
    ({"min_soc_pct": 50, "max_soc_pct": 50}, "min_soc_pct", "must be below max_soc_pct (50)"),
)


@pytest.mark.parametrize("wrong", [WRONG_VALUES, WRONG_TOGETHER], ids=["values", "together"])
def test_every_mistake_of_a_fleet_is_told_at_once(
    tmp_path: Path, wrong: Sequence[tuple[dict[str, Any], str, str]]
) -> None:
    batteries = [
        GOOD | {"id": f"00000000-0000-4000-8000-{n:012x}"} | changed for n, (changed, _, _) in enumerate(wrong)
    ]
    lines = [
        "sites:",
        f"  - {json.dumps(SITE)}",
        "assets:",
        *(f"  - {json.dumps(each)}" for each in [GOOD, *batteries]),
    ]
    (tmp_path / "assets.yaml").write_text("\n".join(lines), encoding="utf-8")
    said = refused(tmp_path, "assets", "check", "assets.yaml").splitlines()
    assert len(said) == len(wrong)
    for number, (line, (_, key, words)) in enumerate(zip(said, wrong, strict=True), start=1):
        assert line.startswith(f"assets.yaml:{number + 4}: assets[{number}].{key}: "), line
        assert words in line


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (b"", FOUND_WRONG, "assets.yaml:1: the file is empty"),
        (b"sites: []\nassets: []\n", FOUND_WRONG, "assets.yaml:1: sites: must have at least 1"),
        (b"- a\n- b\n", FOUND_WRONG, "assets.yaml:1: must be keys and values"),
        (b"sites: [\n", FOUND_WRONG, "assets.yaml:2: not YAML"),
        (b"\tsites: 1\n", FOUND_WRONG, "indent with spaces, never tabs"),
        (b"sites: &x [1]\nassets: *x\n", FOUND_WRONG, "assets.yaml:2: assets: aliases (*x) are not used"),
        (b"sites: 1\nsites: 2\n", FOUND_WRONG, "assets.yaml:2: sites: the key is given twice, first on line 1"),
        (b"sites: !!python/object/apply:os.system [id]\n", FOUND_WRONG, "tags (tag:yaml.org,2002:python"),
        (b"sites: [{capacity: .nan, max: -.inf}]\n", FOUND_WRONG, "NaN and infinities are not used"),
        (b"sites: 1\n---\nsites: 2\n", FOUND_WRONG, "assets.yaml:2: a second document begins here"),
        (b"a: " + b"[" * 100_000, FOUND_WRONG, "nested more than 32 deep"),
        (b"caf\xe9: 1\n", FOUND_WRONG, "assets.yaml:1: byte 0xe9 is not UTF-8"),
        ("sites: 1\n".encode("utf-16"), FOUND_WRONG, "is UTF-16; save it as UTF-8"),
        (b"sites: \x00\n", FOUND_WRONG, "character U+0000 is not allowed"),
        (None, COULD_NOT_TELL, "assets.yaml: cannot be read: No such file"),
    ],
)
def test_what_is_no_fleet_at_all(tmp_path: Path, text: bytes | None, code: int, words: str) -> None:
    if text is not None:
        (tmp_path / "assets.yaml").write_bytes(text)
    said = refused(tmp_path, "assets", "check", "assets.yaml", code=code)
    assert words in said
    assert len(said) < 1000


@pytest.mark.parametrize(
    "words",
    [
        "headend init new --pki made/pki --assets bad.yaml",
        "headend init made/headend --update --assets bad.yaml",
        "headend run made/headend",
        "pki init new --assets bad.yaml",
        "launch --assets bad.yaml --pki made/pki --state new",
        f"agent run --id {BATTERY} --assets bad.yaml --pki made/pki --state new",
        "demo --seconds 0 --dir new --assets bad.yaml",
    ],
)
def test_whoever_reads_the_fleet_refuses_a_bad_one_alike(home: Home, words: str) -> None:
    folder = home.folder.parent
    bad = f"sites: [{json.dumps(SITE)}]\nassets: [{json.dumps(GOOD | {'efficiency': 2})}]\n"
    (folder / "bad.yaml").write_text(bad, encoding="utf-8")
    said = refused(folder, *words.split(), env={"ASSETS_PATH": "bad.yaml"} if "headend run" in words else {})
    assert "bad.yaml:2: assets[0].efficiency: must be at most 1" in said


# --- the boundary contract -------------------------------------------------------------------------------------------

# The row to change by its name, the column, what is put there, and what is to be said of it. A row has one mistake.
WRONG_POINTS: Sequence[tuple[str, str, str, str]] = (
    ("Jersey power", "quantity", "pover_w", "did you mean 'power_w'?"),
    ("Jersey members reporting", "index", "65536", "from 0 to 65535"),
    ("Jersey coverage", "index", "-1", "from 0 to 65535"),
    ("Jersey oldest age", "scale", "0", "more than 0"),
    ("Jersey storage power", "scale", "nan", "must be a number"),
    ("Jersey storage SOC", "low", "1e400", "is too large a number"),
    ("Jersey storage available up", "unit", "furlong", "must be one of W, kW"),
    ("Jersey storage available down", "type", "BI", "is of type AI"),
    ("Guernsey power", "positive_means", "", "injection or absorption"),
    ("Guernsey members reporting", "kind", "wind", "must be one of battery"),
    ("Guernsey coverage", "unit", "kW", "coverage_pct is in"),
    ("Guernsey oldest age", "class", "4", "from 0 to 3"),
    ("Guernsey storage power", "low", "1,5", "must be a number"),
    ("Guernsey storage SOC", "stale_after_s", "", "must not be empty"),
    ("Guernsey storage available up", "min_members", "0", "from 1 to"),
    ("Guernsey storage available down", "min_coverage_pct", "101", "100"),
    ("Alderney power", "path", "feeder F14", "is not a path"),
    ("Alderney members reporting", "name", "", "must not be empty"),
    ("Alderney coverage", "reason", "=cmd()", "which spreadsheets take for a formula"),
    ("Alderney oldest age", "bcsi", "perhaps", "must be yes or no"),
    ("Alderney storage power", "high", "1e15", "32 bits"),
    ("Audit trail healthy", "stale_after_s", "10", "must be empty"),
    ("Gateway heartbeat", "path", "feeder/F12", "must be empty"),
)
WRONG_COMMANDS: Sequence[tuple[str, str, str, str]] = (
    ("Jersey target", "mode", "tarqet", "did you mean 'target'?"),
    ("Jersey target", "low", "1e400", "is too large a number"),
    ("Jersey target", "control", "maybe", "must be one of sbo"),
    ("Jersey target", "hold", "-5", "until_changed"),
    ("Jersey target", "primacy", "256", "from 0 to 255"),
    ("Jersey release", "feedback_timeout_s", "soon", "must be a number"),
    ("Jersey release", "ticket", "", "must not be empty"),
    ("Jersey release", "index", "99999999999999999999", "from 0 to 65535"),
)
WRONG_BOUNDARY = """\
version: 2
contract: life
outstations:
  - name: main
    face: modbus
    listen: 127.0.0.1:80000
    address: 70000
    codes: [LATCH_OFF]
    masters:
      - {name: control-room, address: "1", peers: [everywhere], control: maybe}
      - {name: spare, address: 2, peers: []}
limits: {max_in_flight: 0, energy_mwh_per_15min: -1}
upward: [passwords]
colour: red
"""


def misspell(file: Path, wrong: Sequence[tuple[str, str, str, str]]) -> list[tuple[str, str]]:
    """Put the mistakes into a sheet; returns what each is to be told as: its place, and words."""
    header, *rows = csv.reader(io.StringIO(file.read_text(encoding="utf-8")))
    lines = {row[0]: number for number, row in enumerate(rows)}
    for name, column, text, _ in wrong:
        rows[lines[name]][header.index(column)] = text
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows([header, *rows])
    file.write_text(written.getvalue(), encoding="utf-8")
    return [(f"{file.name}:{lines[name] + 2}: {column}: ", words) for name, column, _, words in wrong]


def test_every_mistake_of_boundary_and_points_is_told_at_once(home: Home) -> None:
    told = misspell(home.contract / "points.csv", WRONG_POINTS)
    (home.contract / "boundary.yaml").write_text(WRONG_BOUNDARY, encoding="utf-8")
    keys = ("version", "contract", "outstations[0].face", "outstations[0].listen", "outstations[0].address",
            "outstations[0].codes[0]", "outstations[0].masters[0].address", "outstations[0].masters[0].peers[0]",
            "outstations[0].masters[0].control", "outstations[0].masters[1].peers", "limits.max_in_flight",
            "limits.energy_mwh_per_15min", "upward[0]", "colour")  # fmt: skip
    lines = refused(home.folder, "gateway", "run", "gateway").splitlines()
    for place, words in told:
        assert any(words in line.partition(place)[2] for line in lines), (place, words, lines)
    for key in keys:
        assert any(re.search(rf"boundary\.yaml:\d+: {re.escape(key)}: ", line) for line in lines), (key, lines)


def test_every_mistake_of_commands_is_told_at_once(home: Home) -> None:
    told = misspell(home.contract / "commands.csv", WRONG_COMMANDS)
    lines = refused(home.folder, "gateway", "run", "gateway").splitlines()
    for place, words in told:
        assert any(words in line.partition(place)[2] for line in lines), (place, words, lines)


def with_semicolons(text: str) -> str:
    """As a spreadsheet saves it in half of Europe."""
    written = io.StringIO()
    csv.writer(written, delimiter=";").writerows(csv.reader(io.StringIO(text)))
    return written.getvalue()


@pytest.mark.parametrize(
    ("file", "spoil", "words"),
    [
        ("points.csv", lambda text: "", "points.csv:1: the file is empty; its first line is the header"),
        ("points.csv", with_semicolons, "points.csv:1: the columns are separated by semicolons"),
        ("points.csv", lambda text: text.replace("deadband", "dead_band", 1), "points.csv:1: dead_band"),
        ("points.csv", lambda text: text + text.splitlines()[1] + "\n", "points.csv:49: name"),
        ("points.csv", lambda text: text + "a,b\n", "points.csv:49"),
        ("points.csv", lambda text: text + '"never closed', "points.csv:49"),
        ("commands.csv", lambda text: text.replace(",Jersey target state", ",Jersey power"), "csv:2: status_point"),
    ],
    ids=in_words,
)
def test_sheets_that_cannot_be_read_or_contradict_each_other(
    home: Home, file: str, spoil: Callable[[str], str], words: str
) -> None:
    path = home.contract / file
    path.write_text(spoil(path.read_text(encoding="utf-8")), encoding="utf-8")
    sheets = (home.contract / "points.csv", home.contract / "commands.csv")
    assert words in refused(home.folder, "points", "check", *sheets)


def test_what_contradicts_boundary_yaml_or_is_not_built_yet(home: Home) -> None:
    change(home.contract / "boundary.yaml", "name: main", "name: other")
    change(home.contract / "boundary.yaml", "address: 1\n", "address: 10\n")
    change(home.contract / "commands.csv", "90000,,both,until_changed,hold,,", "90000,,both,until_changed,release,30,")
    said = refused(home.folder, "gateway", "check", "gateway")
    for words in (
        "commands.csv:2: outstation: 'main' is not an outstation of boundary.yaml (other)",
        "outstations[0].masters: link address 10 is given twice",
        "commands.csv:2: on_master_loss: 'release' is not implemented yet; use hold",
    ):
        assert words in said


# --- configuration ---------------------------------------------------------------------------------------------------


def test_every_mistake_of_headend_yaml_is_told_at_once(home: Home) -> None:
    file = home.headend / "headend.yaml"
    text = file.read_text(encoding="utf-8")
    wrong = {
        "keep_days": "thirty",
        "publish_period_s": "99",
        "fresh_within_s": "-1",
        "agent_link": "nowhere",
        "http": "5",
    }
    for key, value in wrong.items():
        text = re.sub(rf"(?m)^{key}: .*$", f"{key}: {value}", text)
    file.write_text(text + "colour: red\n", encoding="utf-8")
    said = refused(home.folder, "headend", "run", "headend")
    for key in (*wrong, "colour"):
        assert re.search(rf"headend\.yaml:\d+: {key}: ", said), (key, said)


def test_every_mistake_of_gateway_yaml_is_told_at_once(home: Home) -> None:
    text = "headend: nowhere\ntls: {ca: 5}\npublishers: []\norigin: a b\ncolour: red\n"
    (home.gateway / "gateway.yaml").write_text(text, encoding="utf-8")
    for words in ("check gateway", "run gateway", "isolate gateway --reason x"):
        said = refused(home.folder, "gateway", *words.split())
        for key in ("1: headend", "2: tls.ca", "2: tls.cert", "2: tls.key", "3: publishers", "4: origin", "5: colour"):
            assert f"gateway.yaml:{key}: " in said, said


def test_a_bad_variable_is_named(home: Home) -> None:
    variables = {"HEADEND_HTTP_ADDR": "3001", "HEADEND_GRPC_ADDR": "127.0.0.1:99999", "HEADEND_BOUNDARY_ADDR": "::1:5"}
    said = refused(home.folder, "headend", "run", "headend", env=variables)
    for name in variables:
        assert f"environment variable {name}: " in said


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]"])
def test_http_is_not_bound_wider_than_loopback(home: Home, host: str) -> None:
    said = refused(home.folder, "headend", "run", "headend", env={"HEADEND_HTTP_ADDR": f"{host}:{home.http}"})
    assert f"{host}:{home.http} can be reached from other machines" in said
    assert "ssh -L" in said


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ("nonsense", COULD_NOT_TELL, "No such command 'nonsense'"),
        ("headend check nowhere", FOUND_WRONG, "`derms headend init nowhere --pki PKI --assets FILE` makes it"),
        ("headend init made/headend --pki made/pki", FOUND_WRONG, "derms headend init made/headend --update"),
        ("headend init new --pki made/pki --database-url mysql://x/y", FOUND_WRONG, "SQLite and PostgreSQL"),
        ("headend init new --pki made/pki --database-url postgresql://x@127.0.0.1:1/y", FOUND_WRONG, "cannot be used"),
        ("gateway run nowhere", FOUND_WRONG, "`derms gateway init nowhere --pki PKI` makes it"),
        ("gateway init new --pki made/pki --headend nowhere", COULD_NOT_TELL, "'nowhere' is not host:port"),
        ("agent run --id nobody --assets made/headend/assets.yaml --pki made/pki", FOUND_WRONG, "neither an asset nor"),
        (f"agent run --id {BATTERY} --pki made/pki --headend nowhere", COULD_NOT_TELL, "'nowhere' is not host:port"),
        (f"agent run --id {BATTERY} --assets made/headend/assets.yaml --pki made/pki --state made/pki/ca.crt/x",
         FOUND_WRONG, "choose --state DIR"),
        ("pki init made/pki --assets made/headend/assets.yaml", FOUND_WRONG, "nothing was changed"),
        ("pki init new --assets made/headend/assets.yaml --host 10.0.0.0/8", FOUND_WRONG, "nor an IP address"),
        ("audit verify nowhere --key made/gateway/keys/audit.pub", COULD_NOT_TELL, "holds no audit log"),
        ("audit verify made/gateway/trail --key made/gateway/keys/audit.key", COULD_NOT_TELL, "not a verifier key"),
        ("demo --seconds -1", COULD_NOT_TELL, "--seconds"),
        ("demo --seconds 0 --dir made", FOUND_WRONG, "is not empty"),
    ],
)  # fmt: skip
def test_a_command_that_cannot_be_done(home: Home, words: str, code: int, told: str) -> None:
    assert told in refused(home.folder.parent, *words.split(), code=code)


# --- certificates and keys -------------------------------------------------------------------------------------------


def swap(home: Home, source: str, target: str, *suffixes: str) -> None:
    for suffix in suffixes or ("crt", "key"):
        shutil.copyfile(home.pki / f"{source}.{suffix}", home.pki / f"{target}.{suffix}")


def foreign(home: Home, *stems: str) -> None:
    """Put pairs of another CA in the place of ours."""
    other = home.folder / "other"
    authority.init(other, [*FLEET.assets])
    for stem in stems:
        for suffix in ("crt", "key"):
            shutil.copyfile(other / f"{stem}.{suffix}", home.pki / f"{stem}.{suffix}")


def expire(home: Home, stem: str) -> None:
    """The same certificate, out of date since yesterday."""
    path = home.pki / f"{stem}.crt"
    ca = x509.load_pem_x509_certificate((home.pki / "ca.crt").read_bytes())
    key: Any = load_pem_private_key((home.pki / "ca.key").read_bytes(), None)
    old, now = x509.load_pem_x509_certificate(path.read_bytes()), datetime.now(UTC)
    fresh = x509.CertificateBuilder(ca.subject, old.subject, old.public_key(), x509.random_serial_number())
    fresh = fresh.not_valid_before(now - timedelta(days=9)).not_valid_after(now - timedelta(days=1))
    for extension in old.extensions:
        fresh = fresh.add_extension(extension.value, extension.critical)
    path.write_bytes(fresh.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))


AGENT = f"agents/{BATTERY}"


@pytest.mark.parametrize(
    ("spoil", "start", "words"),
    [
        (lambda home: foreign(home, "headend"), "headend run", "headend.crt: was not issued by"),
        (lambda home: (home.pki / "headend.key").unlink(), "headend check", "headend.key does not exist; make it with"),
        (lambda home: swap(home, "gateway", "headend"), "headend check", "gateway:gateway's, and a headend's is"),
        (lambda home: swap(home, "headend", "publisher", "key"), "headend check", "is not an unencrypted PEM Ed25519"),
        (lambda home: (home.pki / "ca.crt").unlink(), "gateway run", "ca.crt does not exist; make it with `derms pki"),
        (lambda home: foreign(home, "gateway"), "gateway run", "gateway.crt: was not issued by"),
        (lambda home: (home.pki / "publisher.pub").write_text("x"), "gateway run", "is not a PEM Ed25519 public key"),
        (lambda home: (home.pki / f"{AGENT}.key").unlink(), "agent run", ".key does not exist; make it with"),
        (lambda home: (home.pki / f"{AGENT}.crt").write_text("x"), "agent run", ".crt: is not a PEM certificate"),
        (lambda home: foreign(home, AGENT), "agent run", ".crt: was not issued by"),
        (lambda home: swap(home, "gateway", AGENT, "key"), "agent run", ".key: is not the key of"),
        (lambda home: swap(home, f"agents/{SECOND_BATTERY}", AGENT), "agent run", f":agent:{SECOND_BATTERY}, not of"),
        (lambda home: swap(home, "gateway", AGENT), "agent run", "certificate of urn:derms:gateway:gateway, not of"),
    ],
    ids=in_words,
)  # fmt: skip
def test_certificates_that_do_not_belong_stop_the_start(
    home: Home, spoil: Callable[[Home], object], start: str, words: str
) -> None:
    spoil(home)
    who, command = start.split()
    assert words in refused(home.folder, *(home.agent(command, BATTERY) if who == "agent" else [who, command, who]))


def test_pki_show_names_what_is_expired_foreign_readable_or_missing(home: Home) -> None:
    expire(home, "gateway")
    foreign(home, "headend")
    home.certificate(AGENT)[1].chmod(0o644)
    home.certificate(f"agents/{SECOND_BATTERY}")[1].unlink()
    said = refused(home.folder, "pki", "show", "pki").splitlines()
    wrong = {line.split()[0]: line for line in said if not line.endswith("ok")}
    assert len(wrong) == 4
    for stem, words in (("gateway", "has expired"), ("headend", "was not issued by"), (AGENT, "chmod 600"),
                        (f"agents/{SECOND_BATTERY}", "is missing")):  # fmt: skip
        assert words in wrong[f"{stem}.crt"]


# --- ports -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["http", "agents", "boundary", "dnp3"])
def test_a_port_in_use_stops_the_start_and_leaves_the_others_free(home: Home, which: str) -> None:
    who = "gateway" if which == "dnp3" else "headend"
    with socket.create_server(("127.0.0.1", getattr(home, which))):
        said = refused(home.folder, who, "run", who)
    assert f"cannot listen on 127.0.0.1:{getattr(home, which)}: the port is in use" in said
    for port in (home.http, home.agents, home.boundary, home.dnp3):
        socket.create_server(("127.0.0.1", port)).close()


def test_check_names_every_port_in_use(home: Home) -> None:
    ports = (home.http, home.agents, home.boundary)
    with contextlib.ExitStack() as taken:
        for port in ports:
            taken.enter_context(socket.create_server(("127.0.0.1", port)))
        lines = refused(home.folder, "headend", "check", "headend").splitlines()
    assert len(lines) == len(ports)
    for line, port in zip(lines, ports, strict=True):
        assert f"127.0.0.1:{port}" in line


# --- stores, trail, outbox -------------------------------------------------------------------------------------------


def in_store(file: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(file)) as store, store:
        store.execute(statement)


NEWER = "UPDATE derms_{0}_version SET version_num = '9999'"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "headend.db").unlink(), "headend.db (state_url of"),
        (lambda folder: (folder / "history.db").unlink(), "history.db (database_url of"),
        (lambda folder: in_store(folder / "headend.db", NEWER.format("state")), "of a newer derms than this"),
        (lambda folder: in_store(folder / "headend.db", "DELETE FROM store_identity"), "--update` gives it one"),
    ],
    ids=in_words,
)
def test_stores_that_cannot_be_used_stop_the_headend(home: Home, spoil: Callable[[Path], object], words: str) -> None:
    spoil(home.headend)
    assert words in refused(home.folder, "headend", "run", "headend")


def test_a_headend_without_its_fleet_takes_no_other_that_lies_about(home: Home) -> None:
    (home.headend / "assets.yaml").rename(home.folder / "assets.yaml")
    said = refused(home.folder, "headend", "run", "headend", code=COULD_NOT_TELL)
    assert "headend/assets.yaml: cannot be read" in said


@pytest.mark.parametrize(
    "wrong",
    [
        {
            "has no state tables; `derms headend init": lambda folder: in_store(
                folder / "headend.db", "DROP TABLE derms_state_version"
            ),
            "history tables of revision 9999, of a newer derms than this": lambda folder: in_store(
                folder / "history.db", NEWER.format("history")
            ),
            "access.yaml: cannot be read": lambda folder: shutil.rmtree(folder / "policies"),
        },
        {
            "has changed since the claims table was made": lambda folder: in_store(
                folder / "headend.db", "DELETE FROM claims"
            ),
            "history.db: cannot be used: file is not a database": lambda folder: (folder / "history.db").write_text(
                "x" * 9999
            ),
            "'nobody' is no program of": lambda folder: change(
                folder / "headend.yaml", "http: operator", "http: nobody"
            ),
        },
    ],
)
def test_check_names_all_that_is_wrong_at_once(home: Home, wrong: dict[str, Callable[[Path], object]]) -> None:
    for spoil in wrong.values():
        spoil(home.headend)
    said = refused(home.folder, "headend", "check", "headend")
    for words in wrong:
        assert words in said


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: shutil.rmtree(folder / "trail"), "trail does not exist"),
        (lambda folder: (folder / "trail" / "checkpoint").unlink(), "trail holds no audit log"),
        (lambda folder: (folder / "trail" / "checkpoint").write_text("x"), "trail/checkpoint is not"),
        (lambda folder: (folder / "keys" / "audit.key").unlink(), "audit.key does not exist"),
        (
            lambda folder: (folder / "keys" / "audit.key").write_text("x"),
            "audit.key is not an unencrypted PEM private key",
        ),
        (lambda folder: another_key(folder), "Give the key that the log was begun with"),
        (lambda folder: (folder / "outbox.db").unlink(), "outbox.db does not exist"),
        (lambda folder: (folder / "outbox.db").write_text("x" * 9999), "outbox.db: is not an outbox"),
    ],
    ids=in_words,
)
def test_a_trail_or_outbox_that_cannot_be_used_stops_the_gateway(
    home: Home, spoil: Callable[[Path], object], words: str
) -> None:
    spoil(home.gateway)
    assert words in refused(home.folder, "gateway", "run", "gateway")


def another_key(folder: Path) -> None:
    (folder / "keys" / "audit.key").unlink()
    (folder / "keys" / "audit.pub").unlink()
    audit_keys.write(folder / "keys", audit_keys.generate(), "derms/gateway")


def test_a_trail_that_another_process_writes_is_left_to_it(home: Home) -> None:
    log = Log.open(home.gateway / "trail", audit_keys.load_private(home.gateway / "keys" / "audit.key"))
    try:
        log.submit([Entry(kind="gateway", decision="started")]).result()  # what the opening wrote is written by now
        said = refused(home.folder, "gateway", "run", "gateway")
    finally:
        log.close()
    assert "trail is open in another process; stop that one first" in said


# --- over HTTP -------------------------------------------------------------------------------------------------------

JSON = {"content-type": "application/json"}
# What is posted to /dispatch, the status, the kind of problem, and what its detail says.
BAD_DISPATCHES: Sequence[tuple[str | bytes, int, str, str]] = (
    (f'{{"asset_id": "{BATTERY}", "mw": NaN}}', 400, "invalid", "body.mw is not a finite number"),
    (f'{{"asset_id": "{BATTERY}", "mw": Infinity}}', 400, "invalid", "body.mw is not a finite number"),
    (f'{{"asset_id": "{BATTERY}", "mw": -Infinity}}', 400, "invalid", "body.mw is not a finite number"),
    (f'{{"asset_id": "{BATTERY}", "mw": 1e999}}', 400, "invalid", "body.mw is not a finite number"),
    (f'{{"asset_id": "{BATTERY}", "mw": "5"}}', 400, "invalid", "body.mw is not a number"),
    (f'{{"asset_id": "{BATTERY}", "mw": true}}', 400, "invalid", "body.mw is not a number"),
    (f'{{"asset_id": "{BATTERY}", "mw": null}}', 400, "invalid", "body.mw is not a number"),
    (f'{{"asset_id": "{BATTERY}", "mw": [5]}}', 400, "invalid", "body.mw is not a number"),
    (f'{{"asset_id": "{BATTERY}"}}', 400, "invalid", "body.mw is missing"),
    (f'{{"asset_id": "{BATTERY}", "mw": {"9" * 5000}}}', 400, "", ""),
    ('{"asset_id": "nobody", "mw": 1}', 404, "unknown-asset", "there is no asset 'nobody'"),
    ('{"site_id": "nowhere", "mw": 1}', 404, "unknown-site", "there is no site 'nowhere'"),
    (f'{{"asset_id": "{JERSEY}", "mw": 1}}', 404, "unknown-asset", "there is no asset"),
    ('{"asset_id": 5, "mw": 1}', 400, "invalid", "body.asset_id is not a text"),
    ('{"asset_id": "", "mw": 1}', 400, "invalid", "body.asset_id"),
    (f'{{"asset_id": "{"x" * 60_000}", "mw": 1}}', 400, "invalid", "body.asset_id"),
    ('{"asset_id": "\\ud800", "mw": 1}', 400, "invalid", "body.asset_id"),
    (f'{{"asset_id": "{BATTERY}", "site_id": "{JERSEY}", "mw": 1}}', 400, "invalid", "exactly one target"),
    ('{"mw": 1}', 400, "invalid", "exactly one target"),
    ('{"asset_id": null, "site_id": null, "mw": 1}', 400, "invalid", "exactly one target"),
    (f'{{"asset_id": "{BATTERY}", "mw": 1, "colour": "red"}}', 400, "invalid", "body.colour is not a known field"),
    (f'{{"asset_id": "{BATTERY}", "mw": 1, "duration_s": 0}}', 400, "invalid", "body.duration_s"),
    (f'{{"asset_id": "{BATTERY}", "mw": 1, "duration_s": -5}}', 400, "invalid", "body.duration_s"),
    (f'{{"asset_id": "{BATTERY}", "mw": 1, "duration_s": NaN}}', 400, "invalid", "body.duration_s"),
    (f'{{"asset_id": "{BATTERY}", "mw": 1, "duration_s": "10"}}', 400, "invalid", "body.duration_s is not a number"),
    (f'{{"asset_id": "{BATTERY}", "mw": 1, "duration_s": true}}', 400, "invalid", "body.duration_s is not a number"),
    (f'{{"asset_id": "{BATTERY}", "mw": 1, "duration_s": 1e308}}', 422, "limits", "is too long"),
    (f'{{"asset_id": "{BATTERY}", "mw": 500}}', 422, "limits", "500 MW is above the rating of Jersey battery 1, 50 MW"),
    (f'{{"asset_id": "{BATTERY}", "mw": -500}}', 422, "limits", "below the rating"),
    (f'{{"asset_id": "{BATTERY}", "mw": 1e303}}', 400, "invalid", "body.mw"),  # finite in MW, infinite in W
    (f'{{"site_id": "{JERSEY}", "mw": -1.7e308}}', 400, "invalid", "body.mw"),
    (f'{{"asset_id": "{SECOND_BATTERY}", "mw": 1}}', 409, "unreachable", "Jersey battery 2"),
    (f'{{"site_id": "{GUERNSEY}", "mw": 1}}', 409, "unreachable", ""),
    ("", 400, "invalid", "body is missing"),
    ("{", 400, "invalid", "body is not valid JSON"),
    ("[]", 400, "invalid", "body"),
    ("null", 400, "invalid", "body"),
    (b"\xff\xfe{", 400, "", ""),
    ("[" * 50_000, 400, "", ""),
    ("x" * 70_000, 413, "too-large", "larger than 65536 bytes"),
)
GOOD_BODY = f'{{"asset_id": "{BATTERY}", "mw": 1}}'
BAD_HEADERS: Sequence[tuple[dict[str, str], int, str]] = (
    ({"content-type": "text/plain"}, 415, "media-type"),
    ({"content-type": "application/x-www-form-urlencoded"}, 415, "media-type"),
    ({"content-type": ""}, 415, "media-type"),
    (JSON | {"host": "evil.example"}, 421, "host"),
    (JSON | {"host": "127.0.0.1.evil.example:3001"}, 421, "host"),
    (JSON | {"host": "192.0.2.7"}, 421, "host"),
    (JSON | {"host": ""}, 421, "host"),
    (JSON | {"origin": "http://evil.example"}, 403, "origin"),
    (JSON | {"origin": "null"}, 403, "origin"),
    (JSON | {"origin": "http://localhost:1"}, 403, "origin"),
)
BAD_QUESTIONS: Sequence[tuple[str, int, str]] = (
    ("/telemetry/nobody", 404, "there is no asset 'nobody'"),
    ("/telemetry/nobody/history", 404, "there is no asset 'nobody'"),
    ("/telemetry/%00", 404, "there is no asset"),
    ("/assets/..%2f..%2fetc%2fpasswd", 404, ""),
    ("/events/nobody/history", 404, "there is no asset 'nobody'"),
    ("/heartbeat/nobody", 404, "there is no asset 'nobody'"),
    ("/dispatch/nothing", 404, "there is no dispatch 'nothing'"),
    ("/nonsense", 404, ""),
    (f"/telemetry/{BATTERY}/history?start=yesterday", 400, "query.start is not an RFC 3339 time such as"),
    (f"/telemetry/{BATTERY}/history?start=", 400, "query.start"),
    (f"/telemetry/{BATTERY}/history?start=NaN", 400, "query.start"),
    (f"/telemetry/{BATTERY}/history?start=99999999999999999999", 400, "query.start"),
    (f"/telemetry/{BATTERY}/history?end=2026-13-01T00:00:00Z", 400, "query.end is not an RFC 3339 time"),
    (f"/telemetry/{BATTERY}/history?end=2026-11-23T08:00:00", 400, "query.end has no offset from UTC"),
    (f"/telemetry/{BATTERY}/history?end=0001-01-01T00:00:00%2B23:59", 400, "query.end is outside the years"),
    (f"/telemetry/{BATTERY}/history?start=2031-01-01T00:00:00Z&end=2030-01-01T00:00:00Z", 400, "is after query.end"),
    (f"/telemetry/{BATTERY}/history?limit=0", 400, "query.limit"),
    (f"/telemetry/{BATTERY}/history?limit=10001", 400, "query.limit"),
    (f"/telemetry/{BATTERY}/history?limit=many", 400, "query.limit"),
    (f"/telemetry/{BATTERY}/history?limt=5", 400, "query.limt is not a known parameter"),
    (f"/events/{BATTERY}/history?end=never", 400, "query.end"),
)


def ask(home: Home, method: str, path: str, body: str | bytes | None = None, headers: Any = JSON) -> tuple[int, Any]:
    """Status and JSON of one request on a connection of its own. What is no 2xx must be a problem document."""
    connection = HTTPConnection("127.0.0.1", home.http, timeout=PATIENCE_S)
    try:
        connection.putrequest(method, path, skip_host="host" in headers, skip_accept_encoding=True)
        payload = b"" if body is None else body.encode() if isinstance(body, str) else body
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.putheader("content-length", str(len(payload)))
        connection.endheaders(payload)
        answer = connection.getresponse()
        said = json.loads(answer.read())
        if answer.status >= 300:
            assert answer.headers["content-type"] == "application/problem+json"
            assert said["status"] == answer.status
        return answer.status, said
    finally:
        connection.close()


def eventually(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_every_bad_request_is_refused_in_words_and_moves_nothing(home: Home, start: Callable[..., Running]) -> None:
    headend = start("headend", "run", home.headend)
    headend.has_said("headend is up")
    start(*home.agent("run", BATTERY)).has_said("registered")
    eventually(lambda: ask(home, "GET", f"/assets/{BATTERY}")[1]["current_mw"] is not None)

    for body, status, kind, words in BAD_DISPATCHES:
        answered, said = ask(home, "POST", "/dispatch", body)
        about = (body[:80], answered, said)
        assert answered == status, about
        assert said["type"].endswith(kind), about
        assert words in said["detail"], about
    for headers, status, kind in BAD_HEADERS:
        answered, said = ask(home, "POST", "/dispatch", GOOD_BODY, headers)
        assert (answered, said["type"]) == (status, f"urn:derms:problem:{kind}"), (headers, said)
        if "host" in headers or "origin" in headers:
            assert ask(home, "GET", "/assets", None, headers)[0] == status, headers
    for path, status, words in BAD_QUESTIONS:
        answered, said = ask(home, "GET", path)
        assert answered == status, (path, said)
        assert words in said["detail"], (path, said)
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        assert ask(home, method, "/dispatch", GOOD_BODY)[0] == 405
    for path, body in (
        ("/telemetry", f'{{"asset_id": "{BATTERY}", "current_mw": NaN}}'),
        ("/telemetry", '{"asset_id": "nobody", "current_mw": 1}'),
        ("/telemetry", f'{{"asset_id": "{SECOND_BATTERY}", "current_mw": 500}}'),
        ("/telemetry", f'{{"asset_id": "{BATTERY}", "current_mw": 1}}'),
        ("/events", f'{{"asset_id": "{BATTERY}", "type": "x", "severity": "awful"}}'),
        ("/events", f'{{"asset_id": "{BATTERY}", "type": "x", "severity": "info", "timestamp": "never"}}'),
        ("/release", f'{{"asset_id": "{BATTERY}", "mw": 1}}'),
        ("/release", "{}"),
    ):
        answered, said = ask(home, "POST", path, body)
        assert answered in (400, 404, 409, 422), (path, body, said)

    lines = ask(home, "GET", "/dispatch/history")[1]
    assert {line["status"] for line in lines} == {"refused"}
    assert not ask(home, "GET", f"/assets/{BATTERY}")[1]["setpoint_mw"]
    assert ask(home, "GET", "/health")[0] == 200
    assert '"error"' not in headend.said


def test_chunks_without_end_and_garbage_do_not_harm_the_headend(home: Home, start: Callable[..., Running]) -> None:
    start("headend", "run", home.headend).has_said("headend is up")
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    chunked = b"POST /dispatch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    for sent, status in (
        (chunked + b"Transfer-Encoding: chunked\r\n\r\n" + 3 * chunk, b"413"),
        (chunked + b"Content-Length: -5\r\n\r\n{}", b"400"),
        (chunked + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", b"400"),
        (b"GET /assets HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /assets HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01" + bytes(100) + b"\r\n\r\n", b"400"),
    ):
        with socket.create_connection(("127.0.0.1", home.http), PATIENCE_S) as connection:
            connection.sendall(sent)
            assert connection.recv(65536).split()[1] == status, sent[:60]
    for port in (home.agents, home.boundary):  # a browser that has lost its way
        with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            connection.settimeout(PATIENCE_S)
            with contextlib.suppress(ConnectionError):
                while connection.recv(4096):
                    pass
    assert ask(home, "GET", "/health")[0] == 200


# --- over the streams ------------------------------------------------------------------------------------------------


def test_agents_that_may_not_are_refused_with_a_reason_on_both_sides(home: Home, start: Callable[..., Running]) -> None:
    headend = start("headend", "run", home.headend)
    headend.has_said("headend is up")
    good = start(*home.agent("run", BATTERY))
    good.has_said("registered")

    stranger = "00000000-0000-4000-8000-000000000001"
    fleet = home.folder / "more.yaml"
    fleet.write_text(
        (home.headend / "assets.yaml").read_text(encoding="utf-8") + f"  - {json.dumps(GOOD | {'id': stranger})}\n"
    )
    authority.add(home.pki, [stranger])
    moved = home.folder / "moved.yaml"  # says that Jersey's battery is Guernsey's
    text = (home.headend / "assets.yaml").read_text(encoding="utf-8")
    moved.write_text(text.replace(f"site_id: {JERSEY}", f"site_id: {GUERNSEY}", 1), encoding="utf-8")
    expire(home, f"agents/{SECOND_BATTERY}")

    unknown = start(*home.agent("run", stranger, fleet))
    thief = start(*home.agent("run", GUERNSEY, moved))
    site = start(*home.agent("run", JERSEY))
    late = start(*home.agent("run", SECOND_BATTERY))
    unknown.has_said("refused by the headend", f"agent {stranger} may not claim {stranger}")
    thief.has_said("refused by the headend", f"agent {GUERNSEY} may not claim {BATTERY}")
    site.has_said("refused by the headend", f"agent {BATTERY} speaks for asset {BATTERY}")
    late.has_said("it may not accept our certificate; its own log says why")
    headend.has_said(
        f"agent {stranger} may not claim {stranger}",
        f"agent {GUERNSEY} may not claim {BATTERY}",
        f"agent {BATTERY} speaks for asset {BATTERY}",
        "certificate has expired",
    )
    _, agents = ask(home, "GET", "/agents")
    assert [line["asset_id"] for line in agents if line["connected"]] == [BATTERY]
    assert good.process.poll() is None
    assert "link down" not in good.said


def test_a_gateway_believes_nobody_whose_key_it_does_not_trust(home: Home, start: Callable[..., Running]) -> None:
    start("headend", "run", home.headend).has_said("headend is up")
    authority.init(home.folder / "other", [])
    change(home.gateway / "gateway.yaml", str(home.pki / "publisher.pub"), str(home.folder / "other" / "publisher.pub"))
    gateway = start("gateway", "run", home.gateway)
    gateway.has_said("publication refused", "is not one of the trusted publishing keys")
    eventually((home.gateway / "status.json").exists)
    code, said = derms_in(home.folder, "gateway", "status", "gateway", "--json")
    status = json.loads(said)
    assert code == FOUND_WRONG
    assert (status["headend_link"], status["good"]) == ("down", 0)
    assert any("not believed" in each for each in status["wrong"])
    assert gateway.stop() == 0

    trail, key = home.gateway / "trail", home.gateway / "keys" / "audit.pub"
    code, said = derms_in(home.folder, "audit", "show", trail, "--json")
    kinds = [json.loads(line)["kind"] for line in said.splitlines()]
    assert "denied" in kinds
    assert "crossing.out" not in kinds
    assert derms_in(home.folder, "audit", "verify", trail, "--key", key)[0] == 0


def test_two_of_one_kind_in_one_folder(home: Home, start: Callable[..., Running]) -> None:
    first = {start(who, "run", home.folder / who): who for who in ("headend", "gateway")}
    for running, who in first.items():
        running.has_said({"headend": "headend is up", "gateway": "listening"}[who])
    for who, told in (("headend", "a headend runs in headend already"), ("gateway", "in use by another process")):
        code, said = derms_in(home.folder, who, "run", who)
        assert code == FOUND_WRONG
        assert told in said
    assert all(running.process.poll() is None for running in first)
