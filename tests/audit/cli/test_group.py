"""The group: every command is found by its name, and none is imported before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from audit.cli import COMMANDS, audit

REPOSITORY = Path(__file__).parents[3]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there(name: str) -> None:
    command = audit.get_command(click.Context(audit), name)
    assert command is not None
    assert command.name == name
    assert CliRunner().invoke(audit, [name, "--help"]).exit_code == 0


def test_the_help_names_them_all() -> None:
    said = CliRunner().invoke(audit, ["--help"]).output
    assert all(f"\n  {name} " in said for name in COMMANDS)
    assert audit.list_commands(click.Context(audit)) == list(COMMANDS)


def test_what_is_no_command() -> None:
    assert "No such command 'nothing'" in CliRunner().invoke(audit, ["nothing"]).output


def test_help_imports_no_command() -> None:
    asked = "import sys; from audit.cli import audit; audit(['--help'], standalone_mode=False); "
    asked += "sys.exit(any(name.startswith(('audit.cli.', 'cryptography')) for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", asked], cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done
    assert "verify" in done.stdout
