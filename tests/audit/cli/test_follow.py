"""`follow` as a process of its own, while a real log is written in this one."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from trail_helpers import ORIGIN, SEGMENT, entries

from audit import keeping
from audit.cli import audit, follow
from audit.format.layout import Layout
from audit.log import Log
from audit.reading import released

REPOSITORY = Path(__file__).parents[3]
PATIENCE_S = 30
SMALL = "import sys\nfrom audit.cli import follow\nfrom audit.format.layout import Layout\n"
"""A follower of logs with small segments."""
SMALL += f"follow.Layout = lambda folder: Layout(folder, {SEGMENT})\nfollow._POLL_S = 0.02\nfollow.follow_command()"


class Follower:
    """A process, and what it has printed."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._read = b""

    def lines(self, count: int) -> list[dict[str, Any]]:
        """The next so many lines, as soon as they are there."""
        assert self.process.stdout is not None
        until = time.monotonic() + PATIENCE_S
        while self._read.count(b"\n") < count and time.monotonic() < until:
            if select.select([self.process.stdout], [], [], 0.2)[0]:
                self._read += os.read(self.process.stdout.fileno(), 65_536)
        *found, rest = self._read.split(b"\n", count)
        assert len(found) == count, self._read
        self._read = rest
        return [json.loads(line) for line in found]

    def seqs(self, count: int) -> list[int]:
        return [line["seq"] for line in self.lines(count)]

    def ends(self) -> tuple[int, str]:
        _, said = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, said.decode()


@contextmanager
def following(folder: Path, *options: str) -> Iterator[Follower]:
    command = [sys.executable, "-c", SMALL, str(folder), "--json", *options]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        yield Follower(process)
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def folder(tmp_path: Path, key: Ed25519PrivateKey) -> Path:
    """A log of five records."""
    Log.init(tmp_path / "trail", key, ORIGIN, segment_lines=SEGMENT)
    with Log.open(tmp_path / "trail", key, segment_lines=SEGMENT) as log:
        log.submit(entries(3)).result(timeout=30)
    return tmp_path / "trail"


def test_new_records_come_as_they_are_released(folder: Path, key: Ed25519PrivateKey) -> None:
    with following(folder, "--last", "2", "--bodies") as follower:
        assert follower.seqs(2) == [3, 4]
        with Log.open(folder, key, segment_lines=SEGMENT) as log:
            assert follower.seqs(1) == [5]
            for number in range(1, 5):  # across the end of a segment, commit by commit
                log.submit(entries(6)).result(timeout=30)
                lines = follower.lines(6)
                assert [line["seq"] for line in lines] == list(range(6 * number, 6 * number + 6))
                assert lines[0]["values"] == {"point": ["F1.P", "F2.P"], "raw": [0, 0]}
                assert lines[3]["values"]["raw"][0] == 3
        assert follower.seqs(1) == [30]
        follower.process.send_signal(signal.SIGINT)
        assert follower.ends() == (0, f"following {folder} behind its 5 records; nothing of it is verified\n")


def test_packing_and_unreleased_bytes_do_not_disturb_it(folder: Path, key: Ed25519PrivateKey) -> None:
    layout = Layout(folder, SEGMENT)
    with following(folder, "--last", "1") as follower:
        assert follower.seqs(1) == [4]
        follower.process.send_signal(signal.SIGSTOP)  # it shall find a whole segment packed when it wakes
        with layout.headers(0).open("ab") as file:
            file.write(b"left by a crash\n")
        with Log.open(folder, key, segment_lines=SEGMENT) as log:
            log.submit(entries(20)).result(timeout=30)
            keeping.pack(log, layout, 24)
        size = released.newest(layout).size
        assert keeping.drop_plain(layout, size, time.time_ns() // 1000 + 2 * keeping.PLAIN_STAYS_US) == (0, 1, 2)
        follower.process.send_signal(signal.SIGCONT)
        assert follower.seqs(size - 5) == list(range(5, size))


def test_only_what_was_asked_for(folder: Path, key: Ed25519PrivateKey) -> None:
    with following(folder, "--kind", "crossing.in", "--last", "9") as follower:
        assert follower.seqs(2) == [1, 3]
        with Log.open(folder, key, segment_lines=SEGMENT) as log:
            log.submit(entries(4)).result(timeout=30)
        assert follower.seqs(2) == [6, 8]


def test_a_log_that_goes_back_ends_it(folder: Path, key: Ed25519PrivateKey) -> None:
    old = (folder / "checkpoint").read_bytes()
    with Log.open(folder, key, segment_lines=SEGMENT) as log:
        log.submit(entries(1)).result(timeout=30)
    with following(folder, "--last", "1") as follower:
        follower.lines(1)
        (folder / "checkpoint.next").write_bytes(old)
        (folder / "checkpoint.next").replace(folder / "checkpoint")
        code, said = follower.ends()
    assert code == 2
    assert f"was of 8 records of {ORIGIN}, and is of 5 of {ORIGIN}, which is not the same log, grown" in said


def test_whoever_reads_it_may_go_away(folder: Path, key: Ed25519PrivateKey) -> None:
    with following(folder) as follower:
        assert follower.process.stderr is not None
        assert follower.process.stderr.readline().startswith(b"following ")
        assert follower.process.stdout is not None
        follower.process.stdout.close()
        with Log.open(folder, key, segment_lines=SEGMENT) as log:
            log.submit(entries(1)).result(timeout=30)
        assert follower.process.wait(timeout=PATIENCE_S) != 0


def test_it_reads_as_people_do(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, for one look: then Ctrl-C."""

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(follow.time, "sleep", interrupted)
    done = CliRunner().invoke(audit, ["follow", str(folder), "--last", "5"])
    assert done.exit_code == 0, done.output
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["0", "1", "2", "3", "4"]
    assert done.stderr.startswith("following ")
    nowhere = CliRunner().invoke(audit, ["follow", str(folder.parent)])
    assert nowhere.exit_code == 2
    assert "cannot be shown" in nowhere.output


@pytest.mark.parametrize("back", [True, False])
def test_the_same_log_waits_for_more(
    folder: Path, key: Ed25519PrivateKey, monkeypatch: pytest.MonkeyPatch, back: bool
) -> None:
    naps, old = 0, (folder / "checkpoint").read_bytes()

    def grows(_: float) -> None:
        nonlocal naps
        naps += 1
        if naps == 2:
            with Log.open(folder, key) as log:
                log.submit(entries(1)).result(timeout=30)
        if naps == 4:
            (folder / "checkpoint").write_bytes(old if back else b"nothing")

    monkeypatch.setattr(follow.time, "sleep", grows)
    done = CliRunner().invoke(audit, ["follow", str(folder)])
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["5", "6", "7"]
    assert done.exit_code == 2
    assert ("is not the same log, grown" if back else "is not text, an empty line and signature lines") in done.output
