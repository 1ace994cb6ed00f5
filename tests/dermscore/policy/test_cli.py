"""`derms policy` as a person runs it: what is printed, and the exit code that a script reads."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result
from policy_helpers import ACCESS, DISPATCH, GATEWAY

from dermscore.policy import cli

ROOT: Final = Path(__file__).parents[3]
HEADEND: Final = ROOT / "policies" / "headend"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli.policy, [str(argument) for argument in arguments], catch_exceptions=False)


def facts(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "headend"
    made.mkdir()
    (made / "access.yaml").write_text(ACCESS)
    (made / "dispatch.yaml").write_text(DISPATCH)
    return made


def test_check_says_what_there_is_and_runs_the_cases(folder: Path) -> None:
    result = run("check", folder)
    assert result.exit_code == 0
    assert result.stdout.startswith(
        "fine: principals 2, grants 2, forbids 1, programs 2, limits 0, rebounds 0, cases 0, digest "
    )
    found = facts(run("check", HEADEND, "--assets", ROOT / "assets.yaml", "--json"))
    assert (found["ok"], found["problems"], len(found["digest"])) == (True, [], 64)
    assert found["cases"] > 10
    failed = run("check", folder, "--cases", ROOT / "policies" / "cases")
    assert failed.exit_code == 1
    assert "access.yaml:7: access[0]: " in failed.stderr
    assert run("check", folder, "--cases", folder / "none").exit_code == 2


def test_check_tells_every_problem(folder: Path) -> None:
    (folder / "access.yaml").write_text("version: 2\n")
    result = run("check", folder)
    assert (result.exit_code, result.stdout, len(result.stderr.splitlines())) == (1, "", 3)
    assert facts(run("check", folder, "--json"))["problems"][0]["what"] == "must be 1, not 2"
    (folder / "access.yaml").unlink()
    assert run("check", folder).exit_code == 2


def test_the_matrix_is_listed_as_lines_a_table_and_json(folder: Path) -> None:
    lines = run("matrix", folder).stdout.splitlines()
    assert lines[0] == "http:loopback (VIEWER)"
    assert "  view       allowed                everywhere  [grants[0]]" in lines
    assert (
        "  dispatch   denied                 at feeder/F1 itself, at feeder/F1/site itself, at and below "
        "feeder/F1/site/S9 from 2026-12-01T06:00:00Z to 2026-12-02T06:00:00Z  [forbids[0]]"
    ) in lines
    assert "VIEWER" in run("matrix", folder, "--by", "role").stdout.splitlines()
    rows = list(csv.DictReader(run("matrix", folder, "--csv").stdout.splitlines()))
    listed = facts(run("matrix", folder, "--json"))
    assert len(rows) == len(listed["matrix"])
    assert len(listed["digest"]) == 64
    assert rows[0] == {
        "who": "http:loopback",
        "roles": "VIEWER",
        "action": "view",
        "where": "everywhere",
        "allowed": "True",
        "max_w": "",
        "from": "",
        "until": "",
        "rules": "grants[0]",
    }
    bounded = [row for row in listed["matrix"] if row["max_w"] is not None]
    assert {row["max_w"] for row in bounded} == {5e6}
    assert any(row["from"] == "2026-12-02T06:00:00.001Z" for row in bounded)


def test_the_difference_decides_the_exit(folder: Path, tmp_path: Path) -> None:
    same = run("diff", folder, folder)
    assert (same.exit_code, same.stdout) == (0, "the same: nothing changes\n")
    other = tmp_path / "other"
    other.mkdir()
    (other / "access.yaml").write_text(ACCESS.replace("max_w: 5.0e6, ", "max_w: 6.0e6, "))
    (other / "dispatch.yaml").write_text(DISPATCH)
    changed = run("diff", folder, other)
    assert changed.exit_code == 1
    lines = changed.stdout.splitlines()
    assert lines[0] == "more is allowed:"
    assert lines[-3:-1] == ["written otherwise:", "  grants[1] differs in max_w 6 MW, it was 5 MW"]
    found = facts(run("diff", folder, other, "--json"))
    assert found["same"] is False
    assert found["changes"][-1] == {
        "kind": "written otherwise",
        "loosens": False,
        "words": "grants[1] differs in max_w 6 MW, it was 5 MW",
    }
    loosening = sum(each["loosens"] for each in found["changes"])
    assert (
        lines[-1]
        == f"{loosening} of {len(found['changes'])} allow more or loosen; {found['old']} becomes {found['new']}"
    )
    (other / "access.yaml").write_text("version: 2\n")
    assert run("diff", folder, other).exit_code == 2


def test_an_explanation_has_the_verdict_and_every_rule(folder: Path) -> None:
    asked = (folder, GATEWAY, "dispatch", "feeder/F1", "1e6", "--at")
    denied = run("explain", *asked, "2026-12-01T07:00:00+01:00")
    assert denied.exit_code == 1
    assert denied.stdout.splitlines() == [
        "denied: forbids[0] forbids it: under test  (at 2026-12-01T06:00:00Z)",
        "  * forbids[0] forbids it: under test",
        "    grants[0] is about view, not dispatch",
        "  * grants[1] permits it: contract 7",
    ]
    allowed = run("explain", *asked, "2026-12-03T06:00:00Z")
    assert (allowed.exit_code, allowed.stdout.splitlines()[0]) == (
        0,
        "allowed: granted by grants[1]  (at 2026-12-03T06:00:00Z)",
    )
    found = facts(run("explain", folder, "http:loopback", "view", "/", "--json"))
    assert (found["allowed"], found["rule"], len(found["looked_at"])) == (True, "grants[0]", 3)
    assert run("explain", folder, "nobody", "view", "/").exit_code == 1
    negative = run("explain", folder, GATEWAY, "dispatch", "feeder/F1/site/S1", "--", "-6e6")
    assert "6,000,000 W is more than" in negative.stdout


@pytest.mark.parametrize(
    ("at", "words"), [("tomorrow", "is not an RFC 3339 time"), ("2026-12-01T06:00:00", "has no offset from UTC")]
)
def test_a_time_must_be_one(folder: Path, at: str, words: str) -> None:
    result = run("explain", folder, GATEWAY, "view", "/", "--at", at)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.split())


@pytest.mark.parametrize("command", [("matrix",), ("explain", GATEWAY, "view", "/")])
def test_a_policy_that_cannot_be_used_cannot_be_asked(folder: Path, command: tuple[str, ...]) -> None:
    (folder / "access.yaml").write_text("version: 2\n")
    result = run(command[0], folder, *command[1:])
    assert (result.exit_code, result.stdout) == (2, "")
    assert facts(run(command[0], folder, *command[1:], "--json"))["ok"] is False


def test_a_folder_may_be_the_one_we_stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert run("check", os.curdir).exit_code == 0
