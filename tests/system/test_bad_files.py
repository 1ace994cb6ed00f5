"""Mistakes in the files and words that a clumsy user writes: the fleet, the contract, configuration, commands.

Each mistake gets an answer that says what is wrong, where, and how to mend it; the exit code that fits; no traceback;
and nothing half started: no process, no port, no file made or changed.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.system.home import (
    BATTERY,
    COULD_NOT_TELL,
    FOUND_WRONG,
    GOOD,
    GUERNSEY,
    JERSEY,
    SITE,
    Home,
    change,
    in_words,
    refused,
)

# --- assets.yaml -----------------------------------------------------------------------------------------------------

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
        ("demo --seconds nan", COULD_NOT_TELL, "not a finite number"),
        ("demo --seconds inf", COULD_NOT_TELL, "not a finite number"),
        ("demo --seconds 0 --dir made", FOUND_WRONG, "is not empty"),
    ],
)  # fmt: skip
def test_a_command_that_cannot_be_done(home: Home, words: str, code: int, told: str) -> None:
    assert told in refused(home.folder.parent, *words.split(), code=code)
