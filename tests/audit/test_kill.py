"""SIGKILL under load: what was told to be released is there afterwards, byte for byte, and both verifiers say verified.

Each log is written by one process after the other, each killed at a random moment: while it opens, while it commits,
while it tells. Then it is opened by the next one, or by the test.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import doomed_writer
import pytest
import two_verifiers
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from trail_helpers import ORIGIN, SEGMENT, SOAK, opened, released_lines

from audit import keys
from audit.format.body import Opened
from audit.format.kinds import CUT
from audit.format.layout import Layout
from audit.format.note import VerifierKey
from audit.format.record import encode, line_hash
from audit.format.tree import Growing
from audit.log import Log
from audit.verify import Verified, verify

LOGS, KILLS = (10, 25) if SOAK else (1, 6)
"""Several logs, so that each verification is of a few thousand records and none has to be left out."""
LINES = SEGMENT * 16
BY_PAGE_EVERY = 5


@dataclass
class Told:
    """What the killed processes had told."""

    records: dict[int, tuple[str, int]] = field(default_factory=dict)  # by number: its submission, and which of it
    roots: dict[int, str] = field(default_factory=dict)  # by size: of checkpoints that were durable
    silent: int = 0  # processes killed before anything was released


@pytest.mark.timeout(900)
@pytest.mark.parametrize("number", range(LOGS))
def test_every_released_record_survives_sigkill(
    tmp_path: Path, key: Ed25519PrivateKey, public: VerifierKey, number: int
) -> None:
    folder, chance, told = tmp_path / "trail", random.Random(4711 + number), Told()
    Log.init(folder, key, ORIGIN, segment_lines=LINES)
    private = keys.write(tmp_path, key, ORIGIN).private
    for kill in range(KILLS):
        write_and_kill([str(folder), str(private), str(LINES), str(kill)], chance, told)
        check = two_verifiers.verify if kill % BY_PAGE_EVERY == 0 else verify
        assert isinstance(check(folder, [public], segment_lines=LINES), Verified), kill
        if chance.random() < 0.5:
            with Log.open(folder, key, segment_lines=LINES):
                pass
            reopened = check(folder, [public], segment_lines=LINES)
            assert isinstance(reopened, Verified), kill
            assert reopened.unreleased_bytes == 0
    whole = two_verifiers.verify(folder, [public], segment_lines=LINES)
    assert isinstance(whole, Verified)
    assert told.silent < KILLS
    assert whole.openings >= KILLS - told.silent
    assert_is_there(folder, told)


def write_and_kill(arguments: list[str], chance: random.Random, told: Told) -> None:
    """Let a process append; kill it a while after its first release, or now and then while it is still opening."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    script = [sys.executable, doomed_writer.__file__, *arguments]
    with subprocess.Popen(script, stdout=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stdout is not None
        early = chance.random() < 0.25
        killer = threading.Timer(chance.uniform(0.0, 0.6 if early else 0.3), child.send_signal, [signal.SIGKILL])
        if early:
            killer.start()
        heard = False
        for line in child.stdout:
            if not (heard or early):
                killer.start()
            heard = hear(line, told) or heard
        told.silent += not heard
        if killer.ident is not None:
            killer.join()
    assert child.returncode == -signal.SIGKILL


def hear(line: str, told: Told) -> bool:
    """A line that was told whole; the last one may have been cut by the kill."""
    if not line.endswith("\n"):
        return False
    first, last, name, size, root = line.split()
    told.records |= {seq: (name, seq - int(first)) for seq in range(int(first), int(last) + 1)}
    told.roots[int(size)] = root
    return True


def assert_is_there(folder: Path, told: Told) -> None:
    """Every record told is the one that was submitted, and every line up to each root told has that root still."""
    layout, tree = Layout(folder, LINES), Growing()
    cuts = 0
    for line in released_lines(layout):
        header = line.header()
        cuts += header.kind == CUT
        tree.push(line_hash(encode(header)))
        assert told.roots.pop(tree.size, tree.root().hex()) == tree.root().hex(), tree.size
        name, place = told.records.pop(header.seq, ("", 0))
        if name:
            asked = doomed_writer.submission(name)[place]
            assert (header.kind, header.session, header.n) == (asked.kind, name, asked.n), header.seq
            values = opened(line, layout)
            assert (values.columns if isinstance(values, Opened) else None) == (asked.body and asked.body.columns)
    assert not told.records, "records that were told are missing"
    assert not told.roots, "checkpoints that were told cover more than there is"
    assert cuts or not SOAK  # at full counts some process was killed in the middle of a commit
