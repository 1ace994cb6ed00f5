"""Verification by people who trust nobody: a log folder, a public key from elsewhere, a verdict.

Reads the checkpoint first and never looks behind what it covers, so a log may grow while it is verified. Streams:
memory does not grow with the log. The checks and their order are `docs/reference/audit-format.md`, "Verifying". The
folder is opened for reading only, without its lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from audit import body as bodies
from audit import checkpoint, note, record
from audit.body import BodyRef
from audit.checkpoint import Checkpoint
from audit.layout import SEGMENT_LINES, Layout, segment_named
from audit.note import MalformedNote, Note, VerifierKey
from audit.reading import is_there, names_in, open_regular, size_of
from audit.record import Header, Scanned
from audit.tree import Growing


@dataclass(frozen=True, slots=True)
class Verified:
    """Every byte of the released part is what the checkpoint's key signed.

    `proved_until` is the UTC time, in microseconds, of the last record by the log's own clock; None for a log without
    records. `unreleased_bytes` stand behind the checkpoint and were not looked at; None where they cannot be counted.
    """

    origin: str
    key: VerifierKey
    records: int
    root: str
    bodies: int
    encrypted_bodies: int
    openings: int
    cuts: int
    gaps: int
    since: int | None
    proved_until: int | None
    unreleased_bytes: int | None


@dataclass(frozen=True, slots=True)
class Tampered:
    """The log is not what was signed. `first_bad` is the record's number, None where it is the checkpoint itself.

    The first `unbroken` records chain without a break; `where` is the file, `what` the finding in words.
    """

    first_bad: int | None
    where: Path
    what: str
    unbroken: int


@dataclass(frozen=True, slots=True)
class CouldNotTell:
    """No verdict, and why."""

    why: str


Verdict = Verified | Tampered | CouldNotTell


def verify(folder: Path, public_keys: Sequence[VerifierKey], *, segment_lines: int = SEGMENT_LINES) -> Verdict:
    """The verdict on the log in `folder` by keys that come from outside it. `segment_lines` is for tests."""
    layout = Layout(folder, segment_lines)
    try:
        newest, key = _trusted(layout, public_keys)
        return _Reader(layout, newest, key).verdict()
    except _Stop as stop:
        return stop.verdict
    except OSError as problem:
        return CouldNotTell(f"a file cannot be read: {problem}")


class _Stop(Exception):
    """Carries a verdict from where it was found to `verify`."""

    def __init__(self, verdict: Tampered | CouldNotTell) -> None:
        super().__init__()
        self.verdict = verdict


def _trusted(layout: Layout, keys: Sequence[VerifierKey]) -> tuple[Checkpoint, VerifierKey]:
    """The checkpoint, once one of `keys` has signed it."""
    if not keys:
        raise _Stop(CouldNotTell("no key was given; a log is verified with a key from outside its folder"))
    try:
        newest, signed = checkpoint.parse(_checkpoint_bytes(layout))
    except MalformedNote as problem:
        raise _Stop(Tampered(None, layout.checkpoint, f"the checkpoint {problem}", 0)) from None
    match note.check(signed, keys):
        case note.Signed(key) if key.name == newest.origin:
            return newest, key
        case note.Signed(key):
            what = f"the checkpoint is of {newest.origin} and signed by a key of another name, {key.name}"
        case note.Unsigned(forged=True):
            what = "the checkpoint's signature is wrong: its text or the signature was altered"
        case note.Unsigned():
            if all(key.name != newest.origin for key in keys):
                raise _Stop(CouldNotTell(_another_log(newest, keys)))
            what = _not_signed(newest, signed)
    raise _Stop(Tampered(None, layout.checkpoint, what, 0))


def _checkpoint_bytes(layout: Layout) -> bytes:
    try:
        with open_regular(layout.checkpoint) as file:
            return file.read(note.NOTE_LIMIT + 1)
    except NotADirectoryError:
        pass
    except FileNotFoundError:
        if is_there(layout.headers(0)):
            what = "the checkpoint is missing; a log has one before it has its first record"
            raise _Stop(Tampered(None, layout.checkpoint, what, 0)) from None
    raise _Stop(CouldNotTell(f"{layout.folder} holds no audit log: there is no checkpoint in it"))


def _another_log(newest: Checkpoint, keys: Sequence[VerifierKey]) -> str:
    names = ", ".join(sorted({key.name for key in keys}))
    return f"the key given is for {names}, and this is a log of {newest.origin}: give that log's key"


def _not_signed(newest: Checkpoint, signed: Note) -> str:
    lines = ", ".join(f"{line.name}+{line.key_id.hex()}" for line in signed.signatures)
    return (
        f"the checkpoint is not signed by the key given for {newest.origin}; it is signed as {lines}: "
        "the log was made or signed anew with another key, or the key given is not this log's"
    )


class _Reader:
    """One pass over the records that a checkpoint covers. Owned by the thread that calls `verdict`."""

    def __init__(self, layout: Layout, newest: Checkpoint, key: VerifierKey) -> None:
        self._layout = layout
        self._newest = newest
        self._key = key
        self._tree = Growing()
        self._before_last = Growing()  # the tree without its last leaf, for `_blame`
        self._prev = record.FIRST_PREV
        self._bodies = self._encrypted = self._openings = self._cuts = self._gaps = 0
        self._ends: dict[Path, int] = {}  # where what was read of the newest segment's files ends
        self._first: Header | None = None
        self._last: Header | None = None
        self._unknown = ""  # why no verdict is possible even if every hash is right
        self._newer_from: int | None = None  # the first record of a later version; from it on only hashes count

    def verdict(self) -> Verdict:
        size, lines = self._newest.size, self._layout.segment_lines
        for segment in range(-(-size // lines)):
            self._segment(segment, min(lines, size - segment * lines))
        if self._tree.root() != self._newest.root:
            raise self._root_differs()
        if self._unknown:
            return CouldNotTell(self._unknown)
        return Verified(
            origin=self._newest.origin,
            key=self._key,
            records=size,
            root=self._newest.root.hex(),
            bodies=self._bodies,
            encrypted_bodies=self._encrypted,
            openings=self._openings,
            cuts=self._cuts,
            gaps=self._gaps,
            since=self._first.t if self._first else None,
            proved_until=self._last.t if self._last else None,
            unreleased_bytes=self._unreleased(),
        )

    def _segment(self, segment: int, count: int) -> None:
        """Check `count` records of a segment, and that nothing stands behind them if it is full."""
        path, first = self._layout.headers(segment), segment * self._layout.segment_lines
        try:
            file = open_regular(path)
        except FileNotFoundError:
            raise self._bad(first, "is missing with its whole segment of the log", path) from None
        with file, _BodyFile(self._layout.bodies(segment)) as stored:
            for seq in range(first, first + count):
                self._record(seq, file, stored)
            self._ends = {path: file.tell(), stored.path: stored.taken}
        if count == self._layout.segment_lines and self._newer_from is None:
            for where, end in self._ends.items():
                rest = size_of(where) - end
                if rest > 0:
                    raise self._bad(first + count - 1, f"ends a full segment, and {rest} bytes follow it there", where)

    def _record(self, seq: int, file: BinaryIO, stored: _BodyFile) -> None:
        line = self._line(seq, file)
        leaf = record.line_hash(line)
        if self._newer_from is None:
            scanned = record.scan(line)
            if isinstance(scanned, Scanned):
                self._check(seq, scanned, leaf, file)
                if scanned.body is not None:
                    self._body(seq, scanned.body, stored)
                self._note(seq, scanned, line)
            elif isinstance(scanned, record.Newer):
                self._newer_from = seq
                self._unknown = f"record {seq} is of version {scanned.version} of the format, newer than this verifier"
            else:
                raise self._bad(seq, scanned.what)
        if seq == self._newest.size - 2:
            self._before_last = Growing(self._tree.size, self._tree.peaks)
        self._tree.push(leaf)
        self._prev = leaf.hex()

    def _line(self, seq: int, file: BinaryIO) -> bytes:
        """The next line without its newline."""
        line = file.readline(record.LINE_LIMIT + 1)
        if not line:
            raise self._bad(seq, f"is missing: the checkpoint covers {self._newest.size} records")
        if not line.endswith(b"\n") or len(line) > record.LINE_LIMIT:
            raise self._bad(seq, "is cut short or longer than a record may be")
        return line[:-1]

    def _check(self, seq: int, scanned: Scanned, leaf: bytes, file: BinaryIO) -> None:
        if scanned.origin != self._newest.origin:
            raise self._bad(seq, f"is of another log, {scanned.origin}")
        if scanned.seq != seq:
            raise self._bad(seq, f"is not there; record {scanned.seq} stands in its place")
        if scanned.prev != self._prev:
            raise self._blame(seq, scanned, leaf, file)
        if (scanned.kind == record.START) != (seq == 0) and (seq or not _is_unknown(scanned.kind)):
            raise self._bad(seq, f"is of kind {scanned.kind}, which cannot stand there")

    def _blame(self, seq: int, scanned: Scanned, leaf: bytes, file: BinaryIO) -> _Stop:
        """`prev` of `seq` is not the hash of the record before it. Which of the two was altered?

        If the record after `seq` (or, for the last one, the signed root) vouches for `seq`, it is the one before.
        """
        if seq == 0:
            return self._bad(0, "does not begin the log: its prev is not 64 zeros")
        if self._vouched(seq, scanned, leaf, file):
            return self._bad(seq - 1, "was altered: it is not the record that the next one follows")
        return self._bad(seq, "was altered: it does not follow the record before it")

    def _vouched(self, seq: int, scanned: Scanned, leaf: bytes, file: BinaryIO) -> bool:
        if seq + 1 < self._newest.size:
            following = self._peek(seq + 1, file)
            return isinstance(following, Scanned) and following.prev == leaf.hex()
        tree = self._before_last
        tree.push(bytes.fromhex(scanned.prev))
        tree.push(leaf)
        return tree.root() == self._newest.root

    def _peek(self, seq: int, file: BinaryIO) -> Scanned | record.Newer | record.Malformed | None:
        try:
            if seq % self._layout.segment_lines:
                line = self._line(seq, file)
            else:
                with open_regular(self._layout.headers(self._layout.segment_of(seq))) as following:
                    line = self._line(seq, following)
        except (_Stop, FileNotFoundError):
            return None
        return record.scan(line)

    def _body(self, seq: int, ref: BodyRef, file: _BodyFile) -> None:
        path = file.path
        if not 0 < ref.len <= bodies.STORED_LIMIT:
            raise self._bad(seq, f"speaks of a body of {ref.len} bytes, which none may have")
        stored = file.take(ref.len)
        if len(stored) < ref.len:
            raise self._bad(seq, "has a body that is missing or cut short", path)
        if sha256(stored).hexdigest() != ref.sha256:
            raise self._bad(seq, "has a body with other bytes than were recorded", path)
        match bodies.open_stored(stored):
            case bodies.Encrypted():
                self._encrypted += 1
            case bodies.MalformedBody(what):
                raise self._bad(seq, f"has a body that {what}", path)
            case bodies.Opened(root=root) if root != ref.root:
                raise self._bad(seq, "has a body whose values are not under its root", path)
        self._bodies += 1

    def _note(self, seq: int, scanned: Scanned, line: bytes) -> None:
        """Remember what the verdict tells of the log besides being whole."""
        if seq == 0:
            self._first = record.decode(line)
            if scanned.kind == record.START and self._first.digests.get("key") != self._key.digest:
                raise self._bad(0, "names another key than the one that signed the checkpoint")
        if seq == self._newest.size - 1:
            self._last = record.decode(line)
        if scanned.kind.startswith("log."):
            self._openings += scanned.kind in (record.START, record.OPEN)
            self._cuts += scanned.kind == record.CUT
            self._gaps += scanned.kind == record.GAP
            if _is_unknown(scanned.kind) and not self._unknown:
                self._unknown = (
                    f"record {seq} is of kind {scanned.kind}, which this version of the format does not know"
                )

    def _root_differs(self) -> _Stop:
        if self._newest.size == 0:
            return _Stop(Tampered(None, self._layout.checkpoint, "the checkpoint of no records has a root of some", 0))
        if self._newer_from is not None:
            return self._bad(
                self._newer_from,
                "or a later one was altered, or the one just before it, for which nothing vouches: it is of a later "
                "version, and the lines do not have the root that the checkpoint signs",
            )
        return self._bad(
            self._newest.size - 1,
            "was altered, or records before it were and all that follow them written anew: "
            "the records chain, but do not have the root that the checkpoint signs",
        )

    def _bad(self, seq: int, what: str, where: Path | None = None) -> _Stop:
        path = where or self._layout.headers(self._layout.segment_of(seq))
        return _Stop(Tampered(seq, path, f"record {seq} {what}", seq))

    def _unreleased(self) -> int | None:
        """Bytes behind the last released record; None where they cannot be counted, which changes no verdict."""
        last = (self._newest.size - 1) // self._layout.segment_lines
        try:
            total = sum(max(0, size_of(path) - end) for path, end in self._ends.items())
            for known in (self._layout.headers(0), self._layout.bodies(0)):
                for name in names_in(known.parent):
                    number = segment_named(name, known)
                    total += size_of(known.with_name(name)) if number is not None and number > last else 0
        except OSError:
            return None
        return total


def _is_unknown(kind: str) -> bool:
    """Whether a kind is one that a later version of the format gives a meaning for the log as a whole."""
    return kind.startswith("log.") and kind not in record.LOG_KINDS


class _BodyFile:
    """One segment's bodies, read one after the other. Opened when the first is asked for: a segment may have none.

    A missing file is as if it were empty.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.taken = 0
        self._file: BinaryIO | None = None

    def __enter__(self) -> _BodyFile:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def take(self, length: int) -> bytes:
        """The next `length` bytes; fewer at the end of the file."""
        if self._file is None:
            try:
                self._file = open_regular(self.path)
            except FileNotFoundError:
                return b""
        data = self._file.read(length)
        self.taken += len(data)
        return data
