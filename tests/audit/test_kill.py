"""SIGKILL under load: whatever the child was told is released is there afterwards, and the log verifies."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from trail_helpers import ORIGIN, SEGMENT, SOAK, headers_of

from audit import keys
from audit.log import Log
from audit.note import VerifierKey
from audit.verify import Verified, verify

KILLS = 200 if SOAK else 6

CHILD = """
import sys, threading
from pathlib import Path
from audit import keys
from audit.body import Body
from audit.log import Log
from audit.record import Entry
log = Log.open(Path(sys.argv[1]), keys.load_private(Path(sys.argv[2])), segment_lines=int(sys.argv[3]))
telling = threading.Lock()
def submit(thread):
    number = 0
    while True:
        number += 1
        name = f"{sys.argv[4]}-{thread}-{number}"
        body = Body({"raw": list(range(number % 40))}) if number % 2 else None
        batch = [Entry("x", session=name, body=body)] * (number % 5 + 1)
        released = log.submit(batch).result()
        with telling:
            print(released.first_seq, released.last_seq, name, flush=True)
for thread in range(4):
    threading.Thread(target=submit, args=(thread,), daemon=True).start()
threading.Event().wait()
"""


@pytest.mark.timeout(1800)
def test_every_released_record_survives_sigkill(tmp_path: Path, key: Ed25519PrivateKey, public: VerifierKey) -> None:
    folder, chance = tmp_path / "trail", random.Random(4711)
    Log.init(folder, key, ORIGIN, segment_lines=SEGMENT * 16)
    private = keys.write(tmp_path, key, ORIGIN).private
    told: dict[int, str] = {}
    for number in range(KILLS):
        arguments = [str(folder), str(private), str(SEGMENT * 16), str(number)]
        told.update(run_and_kill(arguments, chance.uniform(0.0, 0.3)))
        if number < 10 or number % 10 == 0:  # the log grows: not every time at full counts
            verdict = verify(folder, [public], segment_lines=SEGMENT * 16)
            assert isinstance(verdict, Verified), (number, verdict)
    with Log.open(folder, key, segment_lines=SEGMENT * 16):
        pass
    verdict = verify(folder, [public], segment_lines=SEGMENT * 16)
    assert isinstance(verdict, Verified)
    assert verdict.unreleased_bytes == 0
    headers = headers_of(folder)
    assert len(told) > KILLS
    assert {seq: headers[seq].session for seq in told} == told


def run_and_kill(arguments: list[str], after_s: float) -> dict[int, str]:
    """Start a child that appends, kill it so long after its first release, and give back what it was told."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    told: dict[int, str] = {}
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, *arguments], stdout=subprocess.PIPE, text=True, env=environment
    ) as child:
        assert child.stdout is not None
        killer = threading.Timer(after_s, child.send_signal, [signal.SIGKILL])
        for line in child.stdout:
            if not told:
                killer.start()
            parts = line.split()
            if len(parts) == 3 and line.endswith("\n"):
                told.update(dict.fromkeys(range(int(parts[0]), int(parts[1]) + 1), parts[2]))
        if told:
            killer.join()
    assert child.returncode == -signal.SIGKILL
    return told
