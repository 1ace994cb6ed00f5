"""What `show` prints of a log, and what it does where it cannot."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from audit.cli import audit

REPOSITORY = Path(__file__).parents[3]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(audit, [str(argument) for argument in arguments])


def seqs(*arguments: object) -> list[int]:
    done = run("show", *arguments, "--json")
    assert done.exit_code == 0, done.output
    return [json.loads(line)["seq"] for line in done.output.splitlines()]


def test_show_finds_records(made: Path) -> None:
    trail = made / "trail"
    assert seqs(trail) == list(range(8))
    assert seqs(trail, "--kind", "log.*") == [0, 7]
    assert seqs(trail, "--kind", "crossing.in", "--kind", "log.close") == [1, 3, 5, 7]
    assert seqs(trail, "--session", "s2") == [3]
    assert seqs(trail, "--peer", "10.0.0.7:20000", "--decision", "allowed", "--limit", "2") == [1, 2]
    assert seqs(trail, "--decision", "refused") == []
    assert seqs(trail, "--first", "6") == [6, 7]
    assert seqs(trail, "--since", "2025-10-09T08:53:21Z") == []
    assert seqs(trail, "--until", "2025-10-09T08:53:20Z") == []
    assert seqs(trail, "--since", "2025-10-09T08:53:20Z", "--until", "2025-10-09T08:53:21Z") == list(range(8))


def test_show_speaks_plainly(made: Path) -> None:
    lines = run("show", made / "trail", "--session", "s1").output.splitlines()
    assert lines == [
        "2  2025-10-09T08:53:20.002000Z  crossing.out  out  allowed  points.csv:3  session s1  peer 10.0.0.7:20000  n=1"
    ]
    assert '\n    {"point": ["F1.P", "F2.P"], "raw": [3, 0.42857142857142855]}' in run(
        "show", made / "trail", "--session", "s3", "--bodies"
    ).output  # fmt: skip
    with_values = json.loads(run("show", made / "trail", "--session", "s3", "--bodies", "--json").output)
    assert with_values["values"]["raw"] == [3, 3 / 7]


def test_show_shows_no_more_than_the_checkpoint_covers(made: Path, tmp_path: Path) -> None:
    trail = Path(shutil.copytree(made / "trail", tmp_path / "trail"))
    with (trail / "headers" / "00000000.jsonl").open("ab") as file:
        file.write(b"more\n")
    assert seqs(trail) == list(range(8))


def test_show_says_what_it_cannot_show(made: Path, tmp_path: Path) -> None:
    assert run("show", tmp_path).exit_code == 2
    trail = Path(shutil.copytree(made / "trail", tmp_path / "trail"))
    path = trail / "headers" / "00000000.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    done = run("show", trail)
    assert done.exit_code == 2
    assert "cannot be shown: record 7 is missing or cut short in" in done.output
    (trail / "checkpoint").write_text("x")
    assert "is not text, an empty line and signature lines" in run("show", trail).output
    trail = Path(shutil.copytree(made / "trail", tmp_path / "again"))
    (trail / "bodies" / "00000000.bin").write_bytes(b"x" * 1000)
    assert "a body that is not a zlib stream" in run("show", trail, "--bodies").output


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", ["checkpoint", "headers/00000000.jsonl", "bodies/00000000.bin"])
def test_show_does_not_wait_for_a_pipe(made: Path, tmp_path: Path, name: str) -> None:
    trail = Path(shutil.copytree(made / "trail", tmp_path / "trail"))
    (trail / name).unlink()
    os.mkfifo(trail / name)
    done = run("show", trail, "--bodies")
    assert done.exit_code == 2
    assert "not a regular file" in done.output


@pytest.mark.parametrize("asked", ["show {} --bodies --json", "search {} --kind crossing.out"])
def test_a_reader_who_goes_away_is_quiet(made: Path, asked: str) -> None:
    command = f"set -o pipefail; {sys.executable} -m daemon.cli audit {asked.format(made / 'trail')}"
    ran = subprocess.run(
        ["/bin/bash", "-c", f"{command} | true"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.stderr == ""
