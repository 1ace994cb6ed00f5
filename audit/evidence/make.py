"""Make an evidence file: verify the log, choose lines, join them to its root, write, and verify what was written."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from audit.disk import PosixDisk
from audit.errors import AuditError
from audit.evidence.assembly import Assembly, Told
from audit.evidence.gathering import digest_of
from audit.evidence.given import Given, Maker, Tell, silent
from audit.evidence.people import Source
from audit.evidence.request import BadRequest, Request
from audit.evidence.selection import choose
from audit.evidence.verdict import EvidenceTampered, EvidenceVerdict, EvidenceVerified
from audit.evidence.verify import verify as verify_evidence
from audit.format import checkpoint
from audit.format.layout import SEGMENT_LINES, Layout
from audit.format.note import NOTE_LIMIT, verifier_key
from audit.reading.files import open_regular
from audit.verify import verify as verify_log
from audit.verify.verdict import CouldNotTell, Tampered, Verified
from audit.witness import attested
from audit.witness.coverage import COSIGNED as COSIGNED_FILE
from audit.witness.coverage import witnessed

_MODE: Final = 0o640


class OutExists(AuditError):
    """There is a file of this name already."""


@dataclass(frozen=True, slots=True)
class Made:
    """The file is there, durable, and was verified. `digest`: its SHA-256. `mark`: what it is marked with.

    `missing`: digests of documents that records name and that were not at hand, with the name that they have.
    """

    path: Path
    digest: str
    length: int
    verdict: EvidenceVerified
    missing: Mapping[str, str]
    approvals_missing: tuple[str, ...]
    mark: str


@dataclass(frozen=True, slots=True)
class Refused:
    """No evidence is made of this log, or what was made of it does not verify, and nothing was left behind.

    `Tampered` is of the log, and nothing else.
    """

    verdict: Tampered | CouldNotTell


def make(
    log: Path,
    request: Request,
    out: Path,
    maker: Maker,
    given: Given,
    *,
    now: int,
    replace: bool = False,
    workers: int = 1,
    tell: Tell = silent,
    segment_lines: int = SEGMENT_LINES,
) -> Made | Refused:
    """Answer `request` from the log in `log` with the file `out`, whole or not at all. `now`: UTC microseconds.

    `workers`: how many processes verify the log, see `audit.verify.verify`.
    OutExists, BadRequest, `selection.Gone`, TooLarge, Damaged, BadKey, OSError. `segment_lines` is for tests.
    """
    _check(request, given, maker, out, replace)
    layout = Layout(log, segment_lines)
    # The cosigned checkpoint first: the log may grow in between. Whatever is told is of the log as of these two.
    cosigned, newest = _content(log / COSIGNED_FILE), _content(layout.checkpoint)
    verified = _verified(layout, newest, cosigned, given, workers, tell)
    if isinstance(verified, Refused):
        return verified
    source = _source(layout, newest, cosigned, verified)
    size = source.newest.size
    chosen = choose(layout, size, source.newest.root.hex(), request, lambda done: tell("choosing", done, size))
    with _beside(out) as (path, file):
        told = Assembly(source, request, chosen, maker, given, now - now % 1_000_000, tell).write(file, out.parent)
        tell("verifying", 0, 1)
        verdict = _of_the_file(path, verified, given, segment_lines)
        if not isinstance(verdict, EvidenceVerified):
            return Refused(_not_verified(verdict))
        made = _made(out, file, verdict, told)
        path.replace(out)
    PosixDisk().sync_folder(out.parent)
    return made


def _check(request: Request, given: Given, maker: Maker, out: Path, replace: bool) -> None:
    """Whether this can be asked for at all, and by them. BadRequest, BadKey, OutExists."""
    request.check()
    verifier_key(maker.name, maker.key.public_key())
    if not given.mark.isprintable():
        raise BadRequest("a mark is one line of text")
    if out.exists() and not replace:
        raise OutExists(f"{out} exists; nothing is overwritten. Name another file")


def _made(out: Path, file: IO[bytes], verdict: EvidenceVerified, told: Told) -> Made:
    """The file is durable when this returns, and lacks its name only."""
    file.seek(0)
    digest = digest_of(file)
    os.fsync(file.fileno())
    return Made(out, digest, file.tell(), verdict, told.missing, told.approvals_missing, told.mark)


def _of_the_file(path: Path, verified: Verified, given: Given, segment_lines: int) -> EvidenceVerdict:
    """The verdict on what was written, by the key that signed the log."""
    return verify_evidence(
        path,
        [verified.key],
        ring=given.ring,
        witness_keys=given.witness_keys,
        body_keys=given.body_keys,
        segment_lines=segment_lines,
    )


def _not_verified(verdict: EvidenceTampered | CouldNotTell) -> CouldNotTell:
    """The log has verified: that what was made of it does not says nothing against the log."""
    if isinstance(verdict, CouldNotTell):
        return verdict
    return CouldNotTell(f"what was made does not verify: {verdict.what}")


def _verified(
    layout: Layout, newest: bytes | None, cosigned: bytes | None, given: Given, workers: int, tell: Tell
) -> Verified | Refused:
    """The verdict on the log as of these checkpoints, in the light of its witness's word if its key was given."""
    verdict = verify_log(
        layout.folder,
        given.keys,
        ring=given.ring,
        body_keys=given.body_keys,
        as_of=newest,
        workers=workers,
        progress=lambda done, of: tell("verifying the log", done, of),
        segment_lines=layout.segment_lines,
    )
    if given.witness_keys and cosigned is not None:
        word, where = witnessed(cosigned, given.witness_keys), layout.folder / COSIGNED_FILE
        verdict, _ = attested.attest(layout.folder, verdict, word, where, layout.segment_lines)
    if not isinstance(verdict, Verified):
        return Refused(verdict)
    return verdict


def _source(layout: Layout, data: bytes | None, cosigned: bytes | None, verified: Verified) -> Source:
    """The log with the checkpoint that the file is made with."""
    newest = None if data is None else checkpoint.parse(data)[0]
    if data is None or newest is None or newest.size == 0:
        raise BadRequest(f"{layout.folder} has no records yet")
    return Source(layout, newest, data, cosigned, verified)


def _content(path: Path) -> bytes | None:
    try:
        with open_regular(path) as file:
            return file.read(NOTE_LIMIT + 1)
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def _beside(out: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    """A new file beside `out`, which is gone in the end unless it was given another name."""
    handle, name = tempfile.mkstemp(prefix=f".{out.name}.", dir=out.parent)
    path = Path(name)
    try:
        with os.fdopen(handle, "w+b") as file:
            os.fchmod(handle, _MODE)
            yield path, file
    finally:
        path.unlink(missing_ok=True)
