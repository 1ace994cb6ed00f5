"""What `search` finds, which rows of bodies it shows, and what it could not look into."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from kept_trails import OLD
from trail_helpers import ORIGIN, entries

from audit.cli import audit
from audit.cli.lines import row_sentence
from audit.log import Log
from audit.secrecy import KeyFolder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(audit, ["search", *(str(argument) for argument in arguments)])


def found(*arguments: object) -> dict[int, list[dict[str, Any]]]:
    """Rows by record."""
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return {record["seq"]: record["rows"] for record in map(json.loads, done.stdout.splitlines())}


def test_a_point(busy: Path) -> None:
    rows = found(busy / "trail", "--point", "F2.P")
    assert list(rows) == [3, 4, 6, 11]
    assert rows[3] == [{"point": "F2.P", "raw": -4, "quality": 3, "time_ms": 1795435200000, "rule": "over-range"}]
    assert rows[11] == [{"point": "F2.P", "raw": 1}]
    assert found(busy / "trail", "--point", "F9.P") == {
        3: [{"refused": "F9.P", "refused_value": 7.5, "refused_rule": "went-back"}]
    }
    assert found(busy / "trail", "--point", "F") == {}
    assert run(busy / "trail", "--point", "F9.P", "--limit", "1").stdout.splitlines() == [
        "3  2026-11-24T06:00:00.000000Z  crossing.out  out  partly admitted  over-range,went-back  session s1  "
        "peer pub  n=2",
        "    refused F9.P  refused_value 7.5  refused_rule went-back",
    ]


def test_a_command(busy: Path) -> None:
    rows = found(busy / "trail", "--id", "c-1")
    assert rows == {
        5: [{"id": "c-1", "command": "F1.SP", "how": "sbo", "raw": 9}],
        6: [{"id": "c-1", "state": "active"}],
    }
    both = found(busy / "trail", "--id", "c-1", "--point", "F1.P")
    assert [list(row) for row in both[6]] == [["id", "state"], ["point", "raw", "quality", "time_ms"]]
    assert list(both) == [6]


def test_a_rule(busy: Path) -> None:
    rows = found(busy / "trail", "--rule", "over-range")
    assert {seq: [row["point"] for row in each] for seq, each in rows.items()} == {3: ["F2.P"]}
    assert [len(each) for each in found(busy / "trail", "--rule", "stale").values()] == [0]
    assert list(found(busy / "trail", "--rule", "stale", "--point", "F1.P")) == [4]
    assert found(busy / "trail", "--rule", "limit") == {7: []}
    assert found(busy / "trail", "--rule", "range") == {}


def test_headers(busy: Path) -> None:
    trail = busy / "trail"
    assert list(found(trail, "--peer", "10.0.0.9")) == [7]
    assert list(found(trail, "--session", "s1", "--decision", "admitted")) == [6, 11]
    assert list(found(trail, "--text", "SÃO PAULO")) == [8]
    assert list(found(trail, "--kind", "isolation")) == [8, 9]
    assert list(found(trail, "--kind", "log.*", "--kind", "denied")) == [0, 7, 10, 12]
    assert list(found(trail, "--since", "2026-11-25", "--until", "2026-11-25T12:00:00Z")) == [6, 7]
    assert found(trail, "--session", "s", "--text", "x") == {}


def test_with_an_index_it_finds_the_same(busy: Path, tmp_path: Path) -> None:
    for asked in (("--point", "F2.P"), ("--id", "c-1"), ("--kind", "log.*", "--until", "2026-11-24")):
        assert found(busy / "trail", *asked, "--index", tmp_path / "index") == found(busy / "trail", *asked)
    done = run(busy / "trail", "--point", "F2.P", "--index", busy / "trail" / "index")
    assert done.exit_code == 2
    assert "is in the log's folder: an index is no part of a log, keep it elsewhere" in done.output


def test_something_has_to_be_asked_for(busy: Path) -> None:
    done = run(busy / "trail")
    assert done.exit_code == 2
    assert "search for what?" in done.output


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A trail of encrypted bodies, with their keys."""
    (tmp_path / "body-keys").mkdir()
    Log.init(tmp_path / "trail", OLD, ORIGIN)
    with Log.open(tmp_path / "trail", OLD, body_keys=KeyFolder(tmp_path / "body-keys")) as log:
        log.submit(entries(4)).result(timeout=30)
    return tmp_path


def test_what_could_not_be_looked_into_is_said(secret: Path, busy: Path, tmp_path: Path) -> None:
    assert list(found(secret / "trail", "--point", "F2.P", "--body-keys", secret / "body-keys")) == [1, 4]
    done = run(secret / "trail", "--point", "F2.P", "--json")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "2 bodies could not be looked into; the first is that of record 1: encrypted" in done.stderr
    rule = run(secret / "trail", "--rule", "points.csv:3", "--json")
    assert (rule.exit_code, len(rule.stdout.splitlines())) == (2, 4)
    broken = Path(shutil.copytree(busy / "trail", tmp_path / "broken"))
    (broken / "bodies" / "00000000.bin").write_bytes(b"x" * 5000)
    done = run(broken, "--point", "F2.P")
    assert done.exit_code == 2
    assert "a body that is not a zlib stream" in done.output


def test_what_is_no_log_is_said(tmp_path: Path) -> None:
    done = run(tmp_path, "--point", "F2.P")
    assert done.exit_code == 2
    assert f"{tmp_path} cannot be shown: {tmp_path}/checkpoint: No such file or directory" in done.output


def test_the_time_of_a_value_is_a_time(busy: Path) -> None:
    lines = run(busy / "trail", "--point", "F1.P", "--kind", "worsened").stdout.splitlines()
    assert lines[1:] == ["    point F1.P  raw 10  quality 1  time_ms 2026-11-23T12:00:00.000000Z"]


def test_of_a_row_nothing_is_said_of_nothing() -> None:
    assert row_sentence({"point": "P", "raw": None, "rule": "", "told_ms": None, "time_ms": -1, "ok": True}) == (
        "    point P  raw null  time_ms -1  ok true"
    )


def test_names_of_columns_do_nothing_to_a_terminal() -> None:
    assert row_sentence({"id": "c1", "\x1b[2JVERIFIED\n": "a"}) == "    id c1  \\x1b[2JVERIFIED\\n a"
