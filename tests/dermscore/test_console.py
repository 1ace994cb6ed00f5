"""What every command that looks at files says, and how it ends."""

from __future__ import annotations

import json
from typing import Any

import click
import pytest
from click.testing import CliRunner

from dermscore.console import as_json_option, check
from dermscore.errors import BadInput, Problem, Unreadable

PROBLEMS = [Problem("a.yaml:1", "b", "one"), Problem("a.yaml:2", "", "two")]


@click.command()
@click.argument("what")
@as_json_option
def command(what: str, as_json: bool) -> None:
    def describe() -> dict[str, Any]:
        if what == "fine":
            return {"assets": 3}
        raise (Unreadable if what == "gone" else BadInput)(PROBLEMS)

    check(describe, as_json)


@pytest.mark.parametrize(("what", "code"), [("fine", 0), ("wrong", 1), ("gone", 2)])
def test_it_is_told_to_people_and_to_scripts(what: str, code: int) -> None:
    told, listed = (CliRunner().invoke(command, [what, *more]) for more in ((), ("--json",)))
    assert (told.exit_code, listed.exit_code) == (code, code)
    facts = json.loads(listed.stdout)
    if what == "fine":
        assert told.stdout == "fine: assets 3\n"
        assert facts == {"ok": True, "assets": 3, "problems": []}
    else:
        assert (told.stdout, told.stderr) == ("", "a.yaml:1: b: one\na.yaml:2: two\n")
        assert facts["ok"] is False
        assert facts["problems"][0] == {"where": "a.yaml:1", "path": "b", "what": "one"}
