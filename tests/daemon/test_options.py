"""Values that a comparison alone would let through are refused."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from daemon.options import Seconds, one_line


@click.command()
@click.option("--wait", type=Seconds(min=0.5, max=86_400))
@click.option("--reason", callback=one_line, default="none given")
def probe(wait: float | None, reason: str) -> None:
    click.echo(f"{wait} {reason}")


@pytest.mark.parametrize("text", ["nan", "NaN", "inf", "-inf", "1e999", "0.4", "86401", "soon"])
def test_seconds_are_a_finite_number_within_their_bounds(text: str) -> None:
    said = CliRunner().invoke(probe, [f"--wait={text}"])
    assert said.exit_code == 2
    assert "--wait" in said.stderr


@pytest.mark.parametrize("text", ["", "  ", "two\nlines", "\x1b[2J"])
def test_a_reason_is_one_line(text: str) -> None:
    said = CliRunner().invoke(probe, ["--reason", text])
    assert said.exit_code == 2
    assert "one line of text" in said.stderr


def test_good_values_come_through() -> None:
    assert CliRunner().invoke(probe, ["--wait", "0.5", "--reason", " INC-1 "]).output == "0.5 INC-1\n"
