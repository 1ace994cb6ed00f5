"""The file checks as a person runs them: what is printed, and the exit code that a script reads."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import copytree
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from dermscore import cli
from dermscore.decision.log import lines
from dermscore.decision.replay import Past
from tests.dermscore.decision.deciding import NOW, ask, decided
from tests.dermscore.decision.deciding import facts as facts_of

ROOT: Final = Path(__file__).parents[2]
GATEWAY: Final = ROOT / "policies" / "gateway"


def run(group: Any, *arguments: object) -> Result:
    return CliRunner().invoke(group, [str(argument) for argument in arguments], catch_exceptions=False)


def facts(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_the_packaged_files_are_fine() -> None:
    checked = run(cli.assets, "check", ROOT / "assets.yaml")
    assert (checked.exit_code, checked.stdout) == (0, "fine: sites 3, assets 10, battery 5, load 2, solar 3\n")
    result = facts(run(cli.assets, "check", ROOT / "assets.yaml", "--json"))
    assert result == {"ok": True, "sites": 3, "assets": 10, "battery": 5, "load": 2, "solar": 3, "problems": []}
    assert run(cli.points, "check", GATEWAY / "points.csv").exit_code == 0
    both = facts(run(cli.points, "check", GATEWAY / "points.csv", GATEWAY / "commands.csv", "--json"))
    assert (both["ok"], both["commands"]) == (True, 2)


def test_every_problem_is_printed_and_the_exit_is_1(tmp_path: Path) -> None:
    bad = tmp_path / "assets.yaml"
    bad.write_text("sites: []\nasets: []\n")
    result = run(cli.assets, "check", bad)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        f"{bad}:1: sites: must have at least 1 of them",
        f"{bad}:1: assets: is missing; add it",
        f"{bad}:2: asets: unknown key 'asets'; did you mean 'assets'?",
    ]
    printed = facts(run(cli.assets, "check", bad, "--json"))
    assert printed["ok"] is False
    assert printed["problems"][2] == {
        "where": f"{bad}:2",
        "path": "asets",
        "what": "unknown key 'asets'; did you mean 'assets'?",
    }


def test_what_cannot_be_read_cannot_be_told(tmp_path: Path) -> None:
    for group in (cli.assets, cli.points):
        assert run(group, "check", tmp_path / "none").exit_code == 2


def test_both_sheets_are_checked_though_one_is_bad(tmp_path: Path) -> None:
    points, commands = tmp_path / "points.csv", tmp_path / "commands.csv"
    points.write_text("a;b\n")
    commands.write_text("a\tb\n")
    result = run(cli.points, "check", points, commands)
    assert result.exit_code == 1
    assert [line.partition(":")[0] for line in result.stderr.splitlines()] == [str(points), str(commands)]


def test_a_generated_fleet_is_printed_or_written_and_checks(tmp_path: Path) -> None:
    out = tmp_path / "fleet.yaml"
    arguments = ("generate", "--sites", 2, "--assets-per-site", 3, "--seed", 4)
    printed = run(cli.assets, *arguments)
    assert run(cli.assets, *arguments, "--out", out).exit_code == 0
    assert printed.stdout == out.read_text()
    assert facts(run(cli.assets, "check", out, "--json"))["assets"] == 6


def test_generate_overwrites_nothing_and_says_what_it_cannot_write(tmp_path: Path) -> None:
    out = tmp_path / "fleet.yaml"
    out.write_text("mine")
    arguments = ("generate", "--sites", 1, "--assets-per-site", 1, "--out")
    refused = run(cli.assets, *arguments, out)
    assert (refused.exit_code, out.read_text()) == (1, "mine")
    assert "exists already" in refused.stderr
    unwritable = run(cli.assets, *arguments, tmp_path / "none" / "fleet.yaml")
    assert unwritable.exit_code == 2
    assert "cannot be written: No such file or directory" in unwritable.stderr


@pytest.mark.parametrize("count", ["0", "-1", "x"])
def test_a_fleet_of_nothing_is_refused(count: str) -> None:
    assert run(cli.assets, "generate", "--sites", count, "--assets-per-site", 1).exit_code == 2


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Two decisions on the small fleet, taken under its policy: 20 MW everywhere, and what A cannot."""
    file = tmp_path / "decisions.jsonl"
    wishes = [ask(20.0, id="r1"), ask(40.0, "A", id="r2")]
    file.write_bytes(b"\n".join(lines(Past(NOW, wish, facts_of(), decided(wish)) for wish in wishes)))
    return file


def test_another_policy_is_tried_on_the_past(log: Path, tmp_path: Path) -> None:
    result = run(cli.policy, "replay", log, ROOT / "policies" / "headend")
    assert result.exit_code == 0
    assert result.stdout.startswith("0 of 2 decisions would be otherwise under ")
    folder = Path(copytree(ROOT / "policies" / "headend", tmp_path / "other"))
    access = folder / "access.yaml"
    access.write_text(access.read_text().replace("# max_w: 200.0e6", "max_w: 10.0e6"))
    result = run(cli.policy, "replay", log, folder)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[:2] == [
        "2030-03-17T17:46:40.000Z r1: http:loopback asked for 20 MW at the whole fleet",
        "  granted (20 MW placed) then, declined (denied: 20,000,000 W is more than the 10,000,000 W granted at the "
        "whole fleet) now",
    ]
    assert "2 of 2 decisions would be otherwise" in result.stdout
    assert "is not carried on" in result.stdout
    said = run(cli.policy, "replay", log, folder, "--json")
    assert said.exit_code == 1
    first, second = facts(said)["differences"]
    assert (first["id"], first["granted_then"], first["granted_now"]) == ("r1", True, False)
    assert (second["id"], second["node"], second["granted_then"], second["decided_under"]) == ("r2", "A", False, "ab")


def test_a_past_or_a_policy_that_cannot_be_read_is_told_from_a_difference(log: Path, tmp_path: Path) -> None:
    headend = ROOT / "policies" / "headend"
    assert run(cli.policy, "replay", tmp_path / "none", headend).exit_code == 2
    assert run(cli.policy, "replay", log, tmp_path).exit_code == 2
    log.write_bytes(log.read_bytes() + b"\n{}")
    result = run(cli.policy, "replay", log, headend)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{log}:4: " in result.stderr


def test_a_log_without_a_decision_is_no_log_that_passes(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("")
    result = run(cli.policy, "replay", tmp_path / "log", ROOT / "policies" / "headend")
    assert result.exit_code == 2
    assert "holds no decision, so nothing can be told" in result.stderr
