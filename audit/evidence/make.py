"""Make an evidence file: verify the log, choose lines, join them to its root, write, and verify what was written."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit import checkpoint, note, released
from audit.approval import Ring
from audit.disk import PosixDisk
from audit.errors import AuditError
from audit.evidence import people, subtrees
from audit.evidence.gathering import Gathered, complete, digest_of, documents_in, lines_of, scanned_of
from audit.evidence.manifest import Manifest
from audit.evidence.members import (
    AFTER,
    APPROVALS,
    BEFORE,
    BODIES,
    CHECKPOINT,
    COSIGNED,
    DOCUMENTS,
    HEADERS,
    MANIFEST,
    PATHS,
    TABLES,
)
from audit.evidence.people import Source
from audit.evidence.request import Asked, BadRequest, Request
from audit.evidence.selection import Chosen, choose
from audit.evidence.verdict import EvidenceTampered, EvidenceVerdict, EvidenceVerified
from audit.evidence.verify import verify as verify_evidence
from audit.evidence.writing import Writer
from audit.layout import SEGMENT_LINES, Layout
from audit.note import NOTE_LIMIT, VerifierKey
from audit.reading import open_regular
from audit.scope import Scope
from audit.secrecy import BodyKeys
from audit.verdict import CouldNotTell, Tampered, Verified
from audit.verify import verify as verify_log
from audit.witness import attested
from audit.witness.cosignature import WitnessKey
from audit.witness.coverage import COSIGNED as COSIGNED_FILE
from audit.witness.prover import leaves_of

Tell = Callable[[str, int, int], None]
"""What is being done, and how many records of how many are done."""

_CHUNK: Final = 2**20
_MODE: Final = 0o640


class OutExists(AuditError):
    """There is a file of this name already."""


@dataclass(frozen=True, slots=True)
class Maker:
    """The person who answers for the file, and their key."""

    name: str
    key: Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class Given:
    """What is at hand besides the log.

    `keys`: the log's verifier keys. `documents`: folders with the contracts, configurations and policies that records
    name by digest. `permissions`: sheets (points.csv, commands.csv) that no document at hand has. `mark`: the first
    line of what people read; empty for none.
    """

    keys: Sequence[VerifierKey]
    ring: Ring | None = None
    witness_keys: Sequence[WitnessKey] = ()
    body_keys: BodyKeys | None = None
    documents: tuple[Path, ...] = ()
    permissions: tuple[Path, ...] = ()
    withhold_values: bool = False
    mark: str = ""


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
    """No evidence is made of this log, or what was made of it does not verify, and nothing was left behind."""

    verdict: Tampered | EvidenceTampered | CouldNotTell


def silent(what: str, done: int, of: int) -> None:
    """Tells nobody."""


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
    request.check()
    if not given.mark.isprintable():
        raise BadRequest("a mark is one line of text")
    if out.exists() and not replace:
        raise OutExists(f"{out} exists; nothing is overwritten. Name another file")
    layout = Layout(log, segment_lines)
    # The cosigned checkpoint first: the log may grow in between. Both before the log is verified: all of it is then.
    cosigned, newest = _content(log / COSIGNED_FILE), _content(layout.checkpoint)
    verified = _verified(log, given, workers, tell, segment_lines)
    if isinstance(verified, Refused):
        return verified
    source = _source(layout, newest, cosigned, verified)
    size = source.newest.size
    chosen = choose(layout, size, verified.root, request, lambda done: tell("choosing", done, size))
    with _beside(out) as (path, file):
        work = _Work(source, request, chosen, maker, given, now - now % 1_000_000, tell)
        with Gathered(layout, request.asked, documents_in(given.documents), out.parent) as gathered:
            mark = work.write(file, gathered)
            missing, lacking = gathered.missing, tuple(sorted(gathered.approvals_missing))
        tell("verifying", 0, 1)
        verdict = _of_the_file(path, verified, given, segment_lines)
        if not isinstance(verdict, EvidenceVerified):
            return Refused(verdict)
        file.seek(0)
        digest, length = digest_of(file), file.tell()
        os.fsync(file.fileno())
        path.replace(out)
    PosixDisk().sync_folder(out.parent)
    return Made(out, digest, length, verdict, missing, lacking, mark)


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


def _verified(log: Path, given: Given, workers: int, tell: Tell, segment_lines: int) -> Verified | Refused:
    """The log's verdict, in the light of its witness's word if a witness's key was given."""
    where = log / COSIGNED_FILE
    word = attested.read_word(where, given.witness_keys) if given.witness_keys else None
    verdict = verify_log(
        log,
        given.keys,
        ring=given.ring,
        body_keys=given.body_keys,
        workers=workers,
        progress=lambda done, of: tell("verifying the log", done, of),
        segment_lines=segment_lines,
    )
    if word is not None:
        verdict, _ = attested.attest(log, verdict, word, where, segment_lines)
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


@dataclass(frozen=True, slots=True)
class _Work:
    """One file in the making."""

    source: Source
    request: Request
    chosen: Chosen
    maker: Maker
    given: Given
    made: int
    tell: Tell

    def write(self, file: IO[bytes], gathered: Gathered) -> str:
        """Write the whole file; what it is marked with."""
        with Writer(file) as writer:
            self._lines(writer, gathered)
            self._proofs(writer)
            self._bodies(writer, gathered)
            self._named(writer, gathered)
            for name, rows in gathered.tables(empty=complete(self._asked) and self.chosen.sample is None):
                writer.put(TABLES + name, rows)
            report = None if self.chosen.sample is not None else self._report()
            mark = people.write(writer, self.source, self.request, self.chosen, gathered, self._answers_for(), report)
            writer.put(MANIFEST, [self._manifest(writer)])
        file.flush()
        return mark

    @property
    def _asked(self) -> Asked:
        return self.request.asked

    @property
    def _first(self) -> int:
        return self.chosen.begin.seq if self.chosen.sample is None else self.chosen.sample[0]

    def _answers_for(self) -> people.Answer:
        return people.Answer(
            self.made, self.maker.name, self._first, self.given.permissions, self.given.withhold_values, self.given.mark
        )

    def _lines(self, writer: Writer, gathered: Gathered) -> None:
        with writer.member(HEADERS) as sink:
            gathered.read(self._told("reading", self.chosen.count), sink)

    def _told(self, what: str, of: int) -> Iterator[released.Line]:
        for number, line in enumerate(lines_of(self.source.layout, self.source.newest.size, self.chosen)):
            yield line
            if number % 1024 == 0:
                self.tell(what, number, of)
        self.tell(what, of, of)

    def _proofs(self, writer: Writer) -> None:
        newest = self.source.newest
        writer.put(CHECKPOINT, [self.source.checkpoint])
        if self.source.cosigned is not None:
            writer.put(COSIGNED, [self.source.cosigned])
        if self.chosen.sample is not None:
            paths = [subtrees.path(seq, newest.size) for seq in self.chosen.sample]
            found = self._roots([each for path in paths for each in path])
            writer.put(PATHS, (b" ".join(found[each].hex().encode() for each in path) + b"\n" for path in paths))
            return
        first, end = self._first, self._first + self.chosen.count
        before, after = subtrees.before(first), subtrees.after(end, newest.size)
        found = self._roots([*before, *after])
        writer.put(BEFORE, [subtrees.lines(found[each] for each in before)])
        writer.put(AFTER, [subtrees.lines(found[each] for each in after)])

    def _roots(self, wanted: Sequence[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
        size = self.source.newest.size
        self.tell("proving", 0, size)
        return subtrees.roots(wanted, leaves_of(self.source.layout, 0, size), size)

    def _bodies(self, writer: Writer, gathered: Gathered) -> None:
        """The stored bodies of the records asked for, as they are."""
        if self.given.withhold_values or not gathered.with_bodies:
            return
        with released.Bodies(self.source.layout, None) as files, writer.member(BODIES, stored=True) as sink:
            for line in self._told("copying values", self.chosen.count):
                scanned = scanned_of(line)
                if line.length and line.bodies is not None and self._asked.takes(scanned.kind, scanned.t):
                    sink(files.stored(line.bodies, line.at.body_at, line.length))

    def _named(self, writer: Writer, gathered: Gathered) -> None:
        """Approvals and documents that records name."""
        for digest, data in sorted(gathered.approvals.items()):
            writer.put(APPROVALS + digest, [data])
        for digest in sorted(gathered.named):
            with open_regular(gathered.document(digest)) as file:
                writer.put(DOCUMENTS + digest, iter(lambda file=file: file.read(_CHUNK), b""))  # type: ignore[misc]

    def _report(self) -> str | None:
        """What people print; None where the log cannot be read again as it was. Of a sample it would tell more."""
        keys, asked = self.given.keys, self._asked
        return people.report(self.source, keys, Scope(asked.since, asked.until), self.made, self._counted)

    def _counted(self, done: int, of: int) -> None:
        self.tell("counting", done, of)

    def _manifest(self, writer: Writer) -> bytes:
        told = Manifest(
            self.source.newest.origin,
            self.request.id,
            self._asked,
            self.chosen.sample is not None,
            self._first,
            self.chosen.count,
            self.made,
            writer.members,
        )
        return note.sign(str(told).encode(), self.maker.name, self.maker.key)
