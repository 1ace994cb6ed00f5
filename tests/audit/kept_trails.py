"""Trails that were packed, pruned or encrypted, and what is asked of them, for tests of whoever reads such trails."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from persons import RING, approved, request
from trail_helpers import ORIGIN, SEGMENT, counting_clock, counting_salt, entries
from two_verifiers import verify

from audit import keeping
from audit.approval import PRUNE, Ring
from audit.format import checkpoint, record, tree
from audit.format.checkpoint import Checkpoint
from audit.format.layout import Layout
from audit.format.note import VerifierKey, verifier_key
from audit.format.record import Header
from audit.format.statement import pruning
from audit.keeping import stock
from audit.keeping.retention import DAY_US
from audit.log import Log
from audit.secrecy import KeyFolder
from audit.verify import CouldNotTell, Tampered, Verdict, Verified

OLD = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
NEW = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
THIRD = Ed25519PrivateKey.from_private_bytes(bytes(range(2, 34)))
OLD_PUBLIC, NEW_PUBLIC, THIRD_PUBLIC = (verifier_key(ORIGIN, key.public_key()) for key in (OLD, NEW, THIRD))


def open_log(trail: Path, key: Ed25519PrivateKey = OLD, **options: object) -> Log:
    clock, salt = counting_clock(), counting_salt()
    return Log.open(trail, key, clock=clock, salt=salt, segment_lines=SEGMENT, **options)  # type: ignore[arg-type]


def grown(trail: Path, count: int, key: Ed25519PrivateKey = OLD, **options: object) -> None:
    with open_log(trail, key, **options) as log:
        for entry in entries(count):
            log.submit([entry]).result(timeout=30)


@pytest.fixture
def trail(good_log: Path, tmp_path: Path) -> Path:
    """A copy of the good log: 21 records, segments of 8."""
    return Path(shutil.copytree(good_log, tmp_path / "trail"))


def judge(trail: Path, *keys: VerifierKey, ring: Ring | None = RING, body_keys: KeyFolder | None = None) -> Verdict:
    return verify(trail, keys or (OLD_PUBLIC,), ring=ring, body_keys=body_keys, segment_lines=SEGMENT)


def verified(trail: Path, *keys: VerifierKey, ring: Ring | None = RING, body_keys: KeyFolder | None = None) -> Verified:
    verdict = judge(trail, *keys, ring=ring, body_keys=body_keys)
    assert isinstance(verdict, Verified), verdict
    return verdict


def tampered(
    trail: Path, first_bad: int | None, what: str, where: str = "", *keys: VerifierKey, ring: Ring | None = RING
) -> None:
    verdict = judge(trail, *keys, ring=ring)
    assert isinstance(verdict, Tampered), verdict
    assert (verdict.first_bad, what in verdict.what) == (first_bad, True), verdict
    assert not where or verdict.where == trail / where, verdict


def undecided(trail: Path, why: str, *keys: VerifierKey) -> None:
    verdict = judge(trail, *keys)
    assert isinstance(verdict, CouldNotTell), verdict
    assert why in verdict.why


def headers_in(trail: Path) -> list[Header]:
    return [record.decode(line) for line in lines_in(trail)]


def lines_in(trail: Path) -> list[bytes]:
    return b"".join(path.read_bytes() for path in sorted((trail / "headers").glob("*.jsonl"))).split(b"\n")[:-1]


def resign(trail: Path, key: Ed25519PrivateKey, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """What whoever has the key can do: write all lines anew, chained, with the checkpoint. Plain segments only."""
    lines: list[bytes] = []
    for line in change(lines_in(trail)):
        header = record.decode(line)
        prev = record.line_hash(lines[-1]).hex() if lines else record.FIRST_PREV
        lines.append(record.encode(replace(header, seq=len(lines), prev=prev)))
    for path in (trail / "headers").iterdir():
        path.unlink()
    for start in range(0, len(lines), SEGMENT):
        part = b"".join(line + b"\n" for line in lines[start : start + SEGMENT])
        (trail / "headers" / f"{start // SEGMENT:08d}.jsonl").write_bytes(part)
    root = tree.root_of([record.line_hash(line) for line in lines])
    (trail / "checkpoint").write_bytes(checkpoint.sign(Checkpoint(ORIGIN, len(lines), root), key))


def altered(seq: int, **changes: object) -> Callable[[list[bytes]], list[bytes]]:
    def change(lines: list[bytes]) -> list[bytes]:
        header = replace(record.decode(lines[seq]), **changes)  # type: ignore[arg-type]
        return [*lines[:seq], record.encode(header), *lines[seq + 1 :]]

    return change


@pytest.fixture
def packed(trail: Path) -> Path:
    """Segments 0 and 1 packed, the plain files gone; 24 records."""
    with open_log(trail) as log:
        assert keeping.pack(log, Layout(trail, SEGMENT), 21) == (0, 1)
    layout, moment = Layout(trail, SEGMENT), max(header.t for header in headers_in(trail))
    assert keeping.drop_plain(layout, 25, moment) == ()
    assert verified(trail).packed_segments == 0
    assert keeping.drop_plain(layout, 25, moment + DAY_US) == (0, 1)
    assert keeping.drop_plain(layout, 25, moment + DAY_US) == ()
    return trail


def prune(trail: Path, first: int, last: int, *names: str) -> bytes:
    """Segments first to last pruned, approved by these persons. The approval."""
    layout = Layout(trail, SEGMENT)
    size = checkpoint.parse(layout.checkpoint.read_bytes())[0].size
    segments = [one for one in stock.segments(layout, size) if first <= one.span.segment <= last]
    said = pruning(first, [one.sealed for one in segments])
    given = approved(request(PRUNE, said.subject(ORIGIN)), *names)
    with open_log(trail) as log:
        assert keeping.prune(log, layout, segments, given, "90 days are over") == said
    return given


@pytest.fixture
def pruned(trail: Path) -> Path:
    """Segments 0 and 1 pruned; 24 records."""
    prune(trail, 0, 1)
    return trail


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A log whose bodies are encrypted, of 20 records in three segments; its keys are beside it."""
    trail = tmp_path / "secret"
    (tmp_path / "body-keys").mkdir()
    Log.init(trail, OLD, ORIGIN, segment_lines=SEGMENT)
    grown(trail, 18, body_keys=KeyFolder(tmp_path / "body-keys"))
    return trail


def body_keys(trail: Path) -> KeyFolder:
    return KeyFolder(trail.parent / "body-keys")
