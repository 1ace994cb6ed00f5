"""Segments read by themselves: what hangs together across them is judged as if they had been read in one go.

The page's verifier reads a log record by record; so it is the one to agree with.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from said_trail import BEGIN, later, sign, start, write
from trail_helpers import ORIGIN, SEGMENT, SOAK
from two_verifiers import verify

from audit.format import kinds
from audit.format.note import VerifierKey, verifier_key
from audit.format.record import Entry, Reading
from audit.verify import Tampered, Verdict, Verified

SECOND = 1_000_000
LOGS = 2_000 if SOAK else 80


def judged(folder: Path, key: Ed25519PrivateKey, said: Sequence[tuple[Entry, Reading]]) -> Verdict:
    write(folder, key, said)
    return verify(folder, [verifier_key(ORIGIN, key.public_key())], segment_lines=SEGMENT)


def some_clocks(chance: random.Random, public: VerifierKey) -> list[tuple[Entry, Reading]]:
    """Three segments and a bit, mostly in order: clocks that step, or are another boot's; promises that change."""
    said, reading = [start(public, chance.choice([0, 50, SECOND]))], BEGIN
    for _ in range(3 * SEGMENT + chance.randrange(SEGMENT)):
        stepped = (
            chance.choice([0] * 12 + [3, -3, 40, -60, 60, SECOND + 1, -SECOND - 1]) if chance.random() < 0.4 else 0
        )
        passed = -7 if chance.random() < 0.02 else chance.choice([0, 10, 10, 61 * SECOND])
        boot = "boot-2" if chance.random() < 0.02 else ""
        reading = later(reading, passed, stepped, boot)
        kind = chance.choice(["x"] * 10 + ["denied", kinds.STEP, kinds.CLOSE])
        entry = Entry(kind, n=chance.randrange(3))
        if chance.random() < 0.08:
            entry = Entry(kinds.OPEN, n=chance.choice([0, 50, SECOND]))
        said.append((entry, reading))
    return said


@pytest.mark.timeout(1800)
def test_clocks_and_promises_across_segments(tmp_path: Path, key: Ed25519PrivateKey, public: VerifierKey) -> None:
    chance, named = random.Random("clocks"), set()
    whole = 0
    for number in range(LOGS):
        verdict = judged(tmp_path / str(number), key, some_clocks(chance, public))
        whole += isinstance(verdict, Verified)
        named |= {verdict.first_bad} if isinstance(verdict, Tampered) else set()
    assert whole > LOGS / 10
    assert {seq // SEGMENT for seq in named if seq is not None} >= {0, 1, 2}


@pytest.mark.parametrize(("promised", "first_bad"), [(0, None), (1, 18), (30, 18), (45, 20), (60, 21), (SECOND, 22)])
def test_a_promise_of_an_earlier_segment(
    tmp_path: Path, key: Ed25519PrivateKey, public: VerifierKey, promised: int, first_bad: int | None
) -> None:
    """Which record breaks it depends on how much was promised, and who reads the segment alone does not know that."""
    said, reading = [start(public, promised)], BEGIN
    for seq in range(1, 3 * SEGMENT):
        reading = later(reading, -5 if seq == 22 else 10, {18: 40, 19: -30, 20: 50, 21: 70}.get(seq, 0))
        said.append((Entry("x"), reading))
    verdict = judged(tmp_path, key, said)
    assert verdict.first_bad == first_bad if isinstance(verdict, Tampered) else first_bad is None


def test_what_is_said_of_a_record_of_a_later_version_is_left_to_the_hashes(
    tmp_path: Path, key: Ed25519PrivateKey, public: VerifierKey
) -> None:
    """Segments that were read ahead, before it was known, are read again: nothing but their hashes counts."""
    said = [start(public, 0), *((Entry("x"), BEGIN) for _ in range(5 * SEGMENT))]
    write(tmp_path, key, said)
    lines = b"".join(path.read_bytes() for path in sorted((tmp_path / "headers").iterdir())).split(b"\n")[:-1]
    lines[3] = lines[3].replace(b'"v":1}', b'"v":2}')
    lines[20] = b"nonsense"
    sign(tmp_path, key, lines)
    verdict = verify(tmp_path, [public], segment_lines=SEGMENT)
    assert "record 3 is of version 2" in getattr(verdict, "why", "")
