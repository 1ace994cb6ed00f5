"""One pass over the records that a checkpoint covers: steps C to E of `docs/reference/audit-format.md`, "Verifying".

Streams: memory grows by a few hashes per segment, not with the log.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from audit import body as bodies
from audit import forms, kinds, record, step
from audit.approval import Ring
from audit.body import BodyRef
from audit.checkpoint import Checkpoint
from audit.claims import Claims, Wrong, sealed_of
from audit.forms import NotOneMember, Pruned, Written
from audit.layout import Layout, segment_named
from audit.reading import names_in, open_regular, size_of
from audit.record import Header, Scanned
from audit.secrecy import BodyKeys, open_body
from audit.tree import Growing
from audit.verdict import CouldNotTell, Stop, Tampered


class Reader:
    """Owned by the thread that calls `read`. What it counted is to be had afterwards."""

    def __init__(self, layout: Layout, newest: Checkpoint, ring: Ring | None, body_keys: BodyKeys | None) -> None:
        self._layout = layout
        self._newest = newest
        self._body_keys = body_keys
        self._tree = SegmentedTree(layout.segment_lines)
        self._before_last = Growing()  # the tree without its last two leaves, for `_blame`
        self._prev = record.FIRST_PREV
        self._before: Scanned | None = None  # the record before, where its line was read
        self._promised_us = 0
        self._kept: list[bytes] = []  # the log's own lines in this segment
        self._paths: dict[int, Path] = {}  # where each segment's lines come from, unless from the plain file
        self._ends: dict[Path, int] = {}  # where what was read of a segment's files ends, if it is not full
        self._unknown = ""  # why no verdict is possible even if every hash is right
        self._newer_from: int | None = None  # the first record of a later version; from it on only hashes count
        self.claims = Claims(layout, newest.origin, newest.size, ring)
        self.bodies = self.encrypted = self.decrypted = 0
        self.openings = self.cuts = self.gaps = self.clock_steps = 0
        self.since: int | None = None
        self.until: int | None = None

    def read(self) -> None:
        """Steps C to E; Stop carries the first finding."""
        size, lines = self._newest.size, self._layout.segment_lines
        for segment in range(-(-size // lines)):
            self._segment(segment, min(lines, size - segment * lines))
        if self._tree.root() != self._newest.root:
            raise self._root_differs()
        if self._unknown:
            raise Stop(CouldNotTell(self._unknown))

    def _segment(self, segment: int, count: int) -> None:
        first = segment * self._layout.segment_lines
        full = count == self._layout.segment_lines
        try:
            found = forms.open_lines(self._layout, segment, full)
        except NotOneMember:
            self._paths[segment] = self._layout.packed(segment)
            raise self.bad(first, "stands in a packed file that is not one gzip member") from None
        if isinstance(found, Written):
            if found.packed:
                self._paths[segment] = found.path
                self.claims.read_packed[segment] = found.packed
            self._written(segment, first, count, found)
        else:
            self._pruned(segment, first, self._hashes(segment, first, count, found))
        if full and self._newer_from is None:
            self.claims.sealed.append(sealed_of(self._tree.last_segment, self._kept))
        self._kept = []

    # C.1: a segment that was pruned

    def _hashes(self, segment: int, first: int, count: int, path: Path | None) -> Pruned:
        """What is left of a segment, checked for form."""
        try:
            hashes = None if path is None else forms.read_hashes(path, count)
        except FileNotFoundError:
            path, hashes = None, None
        if path is None:
            raise self.bad(first, "is missing with its whole segment of the log")
        self._paths[segment] = path
        if hashes is None:
            what = "was pruned with its segment, and the hashes left are not one for each of its records"
            raise self.bad(first, what)
        if self._newer_from is not None:
            return Pruned(path, hashes)
        kept = forms.read_kept(self._layout.kept(segment), first, hashes, self._newest.origin)
        if isinstance(kept, str):
            raise self.bad(first, f"was pruned with its segment, and {kept}", self._layout.kept(segment))
        return Pruned(path, hashes, kept)

    def _pruned(self, segment: int, first: int, found: Pruned) -> None:
        self.claims.read_pruned.add(segment)
        for seq, leaf in enumerate(found.hashes, first):
            line, scanned = found.kept.get(seq, (b"", None))
            if scanned is None and seq == 0 and self._newer_from is None:
                raise self.bad(0, "was pruned with its segment, and its line was not kept")
            if scanned is not None:
                self._check_kind(seq, scanned)
            self._push(seq, leaf)
            if scanned is not None:
                self._own(seq, scanned, line[:-1])
        self._before = None

    # C.1 to C.12: a segment whose lines are there

    def _written(self, segment: int, first: int, count: int, lines: Written) -> None:
        """Check `count` records of a segment, and that nothing stands behind them if it is full."""
        with lines, BodyFile(self._layout.bodies(segment)) as stored:
            for seq in range(first, first + count):
                self._record(seq, lines, stored)
            if count < self._layout.segment_lines:
                self._ends = {lines.path: lines.file.tell(), stored.path: stored.taken}
            elif self._newer_from is None:
                self._end(first + count - 1, lines, stored)

    def _end(self, last: int, lines: Written, stored: BodyFile) -> None:
        """Nothing stands behind the last record of a full segment."""
        for where, rest_of in ((lines.path, lines.rest), (stored.path, stored.rest)):
            rest = rest_of()
            if rest > 0:
                raise self.bad(last, f"ends a full segment, and {rest} bytes follow it there", where)

    def _record(self, seq: int, lines: Written, stored: BodyFile) -> None:
        line = self._line(seq, lines.line())
        leaf = record.line_hash(line)
        if self._newer_from is not None:
            self._push(seq, leaf)
            return
        scanned = record.scan(line)
        if isinstance(scanned, record.Newer):
            self._newer_from = seq
            self._unknown = f"record {seq} is of version {scanned.version} of the format, newer than this verifier"
            self._push(seq, leaf)
            return
        if isinstance(scanned, record.Malformed):
            raise self.bad(seq, scanned.what)
        self._check(seq, scanned, leaf, lines)
        if scanned.body is not None:
            self._body(seq, scanned.body, stored)
        self._clocks(seq, scanned)
        self._push(seq, leaf)
        if kinds.is_logs_own(scanned.kind):
            self._own(seq, scanned, line)

    def _line(self, seq: int, line: bytes) -> bytes:
        """A line as it was read, without its newline."""
        if not line:
            raise self.bad(seq, f"is missing: the checkpoint covers {self._newest.size} records")
        if not line.endswith(b"\n") or len(line) > record.LINE_LIMIT:
            raise self.bad(seq, "is cut short or longer than a record may be")
        return line[:-1]

    def _check(self, seq: int, scanned: Scanned, leaf: bytes, lines: Written) -> None:
        if scanned.origin != self._newest.origin:
            raise self.bad(seq, f"is of another log, {scanned.origin}")
        if scanned.seq != seq:
            raise self.bad(seq, f"is not there; record {scanned.seq} stands in its place")
        if scanned.prev != self._prev:
            raise self._blame(seq, scanned, leaf, lines)
        self._check_kind(seq, scanned)

    def _check_kind(self, seq: int, scanned: Scanned) -> None:
        if (scanned.kind in kinds.FIRST) != (seq == 0) and (seq or not kinds.is_unknown(scanned.kind)):
            raise self.bad(seq, f"is of kind {scanned.kind}, which cannot stand there")

    def _blame(self, seq: int, scanned: Scanned, leaf: bytes, lines: Written) -> Stop:
        """`prev` of `seq` is not the hash of the record before it. Which of the two was altered?

        If the record after `seq` (or, for the last one, the signed root) vouches for `seq`, it is the one before.
        """
        if seq == 0:
            return self.bad(0, "does not begin the log: its prev is not 64 zeros")
        if self._vouched(seq, scanned, leaf, lines):
            return self.bad(seq - 1, "was altered: it is not the record that the next one follows")
        return self.bad(seq, "was altered: it does not follow the record before it")

    def _vouched(self, seq: int, scanned: Scanned, leaf: bytes, lines: Written) -> bool:
        if seq + 1 < self._newest.size:
            following = self._peek(seq + 1, lines)
            return isinstance(following, Scanned) and following.prev == leaf.hex()
        tree = self._before_last
        tree.push(bytes.fromhex(scanned.prev))
        tree.push(leaf)
        return tree.root() == self._newest.root

    def _peek(self, seq: int, lines: Written) -> Scanned | record.Newer | record.Malformed | None:
        try:
            if seq % self._layout.segment_lines:
                return record.scan(self._line(seq, lines.line()))
            full = self._newest.size - seq >= self._layout.segment_lines
            following = forms.open_lines(self._layout, self._layout.segment_of(seq), full)
            if not isinstance(following, Written):
                return None
            with following:
                return record.scan(self._line(seq, following.line()))
        except (Stop, NotOneMember):
            return None

    def _body(self, seq: int, ref: BodyRef, file: BodyFile) -> None:
        path = file.path
        if not 0 < ref.len <= bodies.STORED_LIMIT:
            raise self.bad(seq, f"speaks of a body of {ref.len} bytes, which none may have")
        stored = file.take(ref.len)
        if len(stored) < ref.len:
            raise self.bad(seq, "has a body that is missing or cut short", path)
        if sha256(stored).hexdigest() != ref.sha256:
            raise self.bad(seq, "has a body with other bytes than were recorded", path)
        encrypted = stored[0] == bodies.ENCRYPTED
        key = self._body_key(seq, file) if encrypted else None
        match open_body(stored, key, self._newest.origin, seq):
            case bodies.MalformedBody(what):
                raise self.bad(seq, f"has a body that {what}", path)
            case bodies.Opened(root=root):
                if root != ref.root:
                    raise self.bad(seq, "has a body whose values are not under its root", path)
                self.decrypted += encrypted
        self.bodies += 1
        self.encrypted += encrypted

    def _body_key(self, seq: int, file: BodyFile) -> bytes | None:
        if self._body_keys is not None and not file.key_looked_for:
            file.key_looked_for = True
            file.key = self._body_keys.of(self._layout.segment_of(seq))
        return file.key

    def _clocks(self, seq: int, scanned: Scanned) -> None:
        before, self._before = self._before, scanned
        self.until = scanned.t
        if before is None:
            return
        why = step.breaks_promise(scanned.kind, before, scanned, self._promised_us)
        if why is not None:
            raise self.bad(seq, why)
        self.clock_steps += step.steps(before, scanned)

    def _push(self, seq: int, leaf: bytes) -> None:
        if seq == self._newest.size - 2:
            self._before_last = self._tree.copy()
        self._tree.push(leaf)
        self._prev = leaf.hex()

    # C.11: the log's own records

    def _own(self, seq: int, scanned: Scanned, line: bytes) -> None:
        """Count a record of the log's own, and hold what it claims against what was read."""
        header = record.decode(line)
        self._kept.append(line + b"\n")
        self._count(header)
        wrong = self.claims.check(header, self._tree.root)
        if wrong is not None:
            raise self.stop(wrong)
        if kinds.is_unknown(scanned.kind) and not self._unknown:
            self._unknown = f"record {seq} is of kind {scanned.kind}, which this version of the format does not know"

    def _count(self, header: Header) -> None:
        if header.kind in kinds.OPENINGS:
            self.openings += 1
            self._promised_us = header.n
        if header.seq == 0:
            self.since = header.t
        self.cuts += header.kind == kinds.CUT
        self.gaps += header.kind == kinds.GAP

    # D

    def _root_differs(self) -> Stop:
        if self._newest.size == 0:
            what = "the checkpoint of no records has a root of some"
            return Stop(Tampered(None, self._layout.checkpoint, what, 0))
        if self._newer_from is not None:
            return self.bad(
                self._newer_from,
                "or a later one was altered, or the one just before it, for which nothing vouches: it is of a later "
                "version, and the lines do not have the root that the checkpoint signs",
            )
        return self.bad(
            self._newest.size - 1,
            "was altered, or records before it were and all that follow them written anew: "
            "the records chain, but do not have the root that the checkpoint signs",
        )

    def stop(self, wrong: Wrong) -> Stop:
        return self.bad(wrong.seq, wrong.what, wrong.where)

    def bad(self, seq: int, what: str, where: Path | None = None) -> Stop:
        """A finding of a record, in the file that its segment's lines come from unless said otherwise."""
        segment = self._layout.segment_of(seq)
        path = where or self._paths.get(segment, self._layout.headers(segment))
        return Stop(Tampered(seq, path, f"record {seq} {what}", seq))

    def unreleased(self) -> int | None:
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


class SegmentedTree:
    """A tree that grows leaf by leaf, and knows the root of each full segment by itself. Owned by its reader."""

    def __init__(self, lines: int) -> None:
        self._lines = lines
        self._full = Growing()  # over the roots of the full segments: perfect subtrees of one size
        self._newest = Growing()
        self.last_segment = b""
        """The root of the last full segment."""

    def push(self, leaf: bytes) -> None:
        self._newest.push(leaf)
        if self._newest.size == self._lines:
            self.last_segment = self._newest.root()
            self._full.push(self.last_segment)
            self._newest = Growing()

    def copy(self) -> Growing:
        """The whole tree as it is now."""
        size = self._full.size * self._lines + self._newest.size
        return Growing(size, (*self._full.peaks, *self._newest.peaks))

    def root(self) -> bytes:
        return self.copy().root()


class BodyFile:
    """One segment's bodies, read one after the other. Opened when the first is asked for: a segment may have none.

    A missing file is as if it were empty.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.taken = 0
        self.key: bytes | None = None
        self.key_looked_for = False
        self._file: BinaryIO | None = None

    def __enter__(self) -> BodyFile:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def rest(self) -> int:
        """Bytes behind those taken."""
        return size_of(self.path) - self.taken

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
