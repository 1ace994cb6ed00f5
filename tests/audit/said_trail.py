"""A log that says whatever somebody with the key wants it to say: chained and signed, by no writer of ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from trail_helpers import ORIGIN, SEGMENT

from audit.format import checkpoint, kinds, record, tree
from audit.format.checkpoint import Checkpoint
from audit.format.note import VerifierKey
from audit.format.record import Entry, Reading

BEGIN = Reading(1_760_000_000_000_000, 5_000_000, "boot-1", "unknown")


def write(folder: Path, key: Ed25519PrivateKey, said: Sequence[tuple[Entry, Reading]]) -> None:
    """A log of these records, none of them with a body."""
    lines: list[bytes] = []
    for seq, (entry, reading) in enumerate(said):
        prev = record.line_hash(lines[-1]).hex() if lines else record.FIRST_PREV
        lines.append(record.encode(record.header(entry, reading, ORIGIN, seq, None, prev)))
    sign(folder, key, lines)


def sign(folder: Path, key: Ed25519PrivateKey, lines: Sequence[bytes]) -> None:
    """These lines in segments, and the checkpoint that covers them."""
    (folder / "headers").mkdir(parents=True, exist_ok=True)
    for first in range(0, len(lines), SEGMENT):
        part = b"".join(line + b"\n" for line in lines[first : first + SEGMENT])
        (folder / "headers" / f"{first // SEGMENT:08d}.jsonl").write_bytes(part)
    root = tree.root_of([record.line_hash(line) for line in lines])
    (folder / "checkpoint").write_bytes(checkpoint.sign(Checkpoint(ORIGIN, len(lines), root), key))


def start(public: VerifierKey, promised_us: int) -> tuple[Entry, Reading]:
    return Entry(kinds.START, n=promised_us, digests={"key": public.digest}), BEGIN


def later(reading: Reading, passed_us: int, stepped_us: int = 0, boot: str = "") -> Reading:
    t, mono_us = reading.t + passed_us + stepped_us, max(0, reading.mono_us + passed_us)
    return replace(reading, t=t, mono_us=mono_us, boot=boot or reading.boot)
