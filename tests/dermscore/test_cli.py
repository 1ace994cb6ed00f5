"""The file checks as a person runs them: what is printed, and the exit code that a script reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from dermscore import cli

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
