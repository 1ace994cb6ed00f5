"""The segments one after the other, as each was read by itself: steps C to E of `docs/reference/audit-format.md`.

What a segment says of itself (`audit.verify.segment`) is judged here in the records' order, with what stands before it.
Memory grows by a few hashes per segment, not with the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from audit.approval import Ring
from audit.format import kinds, record, step
from audit.format.checkpoint import Checkpoint
from audit.format.layout import Layout, segment_named
from audit.format.record import Header, Scanned
from audit.format.tree import Growing, Peaks
from audit.reading import forms
from audit.reading.files import names_in, size_of
from audit.reading.forms import NotOneMember, Written
from audit.secrecy import BodyKeys
from audit.verify.claims import Claims, Wrong, sealed_of
from audit.verify.scan import Bad, Doubt, Joint, Later, Neighbour, Own, Said, Scan, Task, Unlinked, Whole
from audit.verify.scope import Scope
from audit.verify.timeline import Telling
from audit.verify.verdict import CouldNotTell, Stop, Tampered

Scanning = Callable[[Iterable[Task]], Iterator[Scan]]
"""Reads segments, here or elsewhere: each task's scan, in the tasks' order."""


class Reader:
    """Owned by the thread that calls `read`. What it counted is to be had afterwards."""

    def __init__(self, layout: Layout, newest: Checkpoint, ring: Ring | None, scope: Scope) -> None:
        self._layout = layout
        self._newest = newest
        self._scope = scope
        self._roots = Growing()  # over the roots of the full segments: perfect subtrees of one size
        self._tree = Growing()  # over all lines so far
        self._but_last = Growing()  # the same without the last line
        self._prev = record.FIRST_PREV
        self._before: Scanned | None = None  # the record before, where its line was read
        self._promised_us = 0
        self._closed_at: int | None = None  # the last record that closed the log
        self._paths: dict[int, Path] = {}  # where each segment's lines come from, unless from the plain file
        self._ends: tuple[tuple[Path, int], ...] = ()  # where what was read of a segment's files ends, if not full
        self._unknown = ""  # why no verdict is possible even if every hash is right
        self._newer_from: int | None = None  # the first record of a later version; from it on only hashes count
        self.claims = Claims(layout, newest.origin, newest.size, ring)
        self.telling = Telling(scope)
        self.bodies = self.encrypted = self.decrypted = self.unread = 0
        self.openings = self.cuts = self.gaps = self.clock_steps = 0
        self.since: int | None = None
        self.until: int | None = None

    @property
    def segments(self) -> int:
        """How many there are to read."""
        return -(-self._newest.size // self._layout.segment_lines)

    def read(self, scanning: Scanning, body_keys: BodyKeys | None) -> None:
        """Steps C to E; Stop carries the first finding."""
        done = 0
        while done < self.segments:
            later = self._newer_from is not None
            for scan in scanning(self._tasks(range(done, self.segments), body_keys, later)):
                self._take(scan)
                done += 1
                if self._newer_from is not None and not later:
                    break  # those that were read ahead did not know of it
        if self._tree.root() != self._newest.root:
            raise self._root_differs()
        if self._unknown:
            raise Stop(CouldNotTell(self._unknown))

    def _tasks(self, segments: range, body_keys: BodyKeys | None, hashes_only: bool) -> Iterator[Task]:
        for segment in segments:
            yield Task(self._layout, self._newest, segment, self._scope, body_keys, hashes_only)

    def _take(self, scan: Scan) -> None:
        if scan.source != self._layout.headers(scan.segment):
            self._paths[scan.segment] = scan.source
        if scan.packed:
            self.claims.read_packed[scan.segment] = scan.packed
        if scan.pruned:
            self.claims.read_pruned.add(scan.segment)
        for said in scan.said:
            self._judge(said)
        assert scan.whole is not None  # else a finding stood at the end of what was said
        self._grow(scan, scan.whole)
        self.bodies += scan.bodies
        self.encrypted += scan.encrypted
        self.decrypted += scan.decrypted
        self.unread += scan.unread
        self.clock_steps += scan.clock_steps
        self.telling.add(scan.timeline)

    def _grow(self, scan: Scan, whole: Whole) -> None:
        """The tree and everything else that the next segment follows."""
        lines = self._layout.segment_lines
        count = min(lines, self._newest.size - scan.segment * lines)
        self._but_last = self._with(count - 1, whole.but_last)
        self._tree = self._with(count, whole.peaks)
        self._prev = whole.last_leaf.hex()
        self._before = whole.last
        self._ends = whole.ends
        if whole.last is not None:
            self.until = whole.last.t
        if count == lines:
            self._roots.extend(whole.peaks)
            if self._newer_from is None:
                kept = [said.line + b"\n" for said in scan.said if isinstance(said, Own)]
                self.claims.sealed.append(sealed_of(whole.peaks[0], kept))

    def _with(self, count: int, peaks: Peaks) -> Growing:
        """The tree over all full segments before, and `count` lines more, whose peaks these are."""
        lines, roots = self._layout.segment_lines, Growing(self._roots.size, self._roots.peaks)
        if count == lines:
            roots.extend(peaks)
            count, peaks = 0, ()
        return Growing(roots.size * lines + count, (*roots.peaks, *peaks))

    def _judge(self, said: Said) -> None:
        match said:
            case Joint(seq, prev, leaf):
                if prev != self._prev:
                    raise self._blame(seq, prev, leaf, self._but_last)
            case Neighbour(seq, scanned):
                self._clocks(seq, scanned)
            case Doubt(seq, objection):
                if objection.holds(self._promised_us):
                    raise self.bad(seq, objection.why)
            case Own(seq, line, peaks):
                self._own(seq, line, peaks)
            case Later(seq, version):
                self._newer_from = seq
                self._unknown = f"record {seq} is of version {version} of the format, newer than this verifier"
            case Unlinked(seq, prev, leaf, before):
                local = (seq - 1) % self._layout.segment_lines
                raise self._blame(seq, prev, leaf, self._with(local, before))
            case Bad(seq, what, where):
                raise self.bad(seq, what, where)
            case unreadable:
                raise Stop(CouldNotTell(unreadable.problem))

    # C.7: `prev` of a record is not the hash of the line before it

    def _blame(self, seq: int, prev: str, leaf: bytes, before: Growing) -> Stop:
        """Which of the two was altered? `before` is the tree of the lines before both.

        If the record after `seq` (or, for the last one, the signed root) vouches for `seq`, it is the one before.
        """
        if seq == 0:
            return self.bad(0, "does not begin the log: its prev is not 64 zeros")
        if self._vouched(seq, prev, leaf, before):
            return self.bad(seq - 1, "was altered: it is not the record that the next one follows")
        return self.bad(seq, "was altered: it does not follow the record before it")

    def _vouched(self, seq: int, prev: str, leaf: bytes, before: Growing) -> bool:
        if seq + 1 < self._newest.size:
            following = self._peek(seq + 1)
            return isinstance(following, Scanned) and following.prev == leaf.hex()
        before.extend((bytes.fromhex(prev), leaf))
        return before.root() == self._newest.root

    def _peek(self, seq: int) -> Scanned | record.Newer | record.Malformed | None:
        """A record that was not reached, or was read elsewhere; None where its line is not there."""
        segment, before = divmod(seq, self._layout.segment_lines)
        full = self._newest.size - segment * self._layout.segment_lines >= self._layout.segment_lines
        try:
            found = forms.open_lines(self._layout, segment, full)
        except NotOneMember:
            return None
        if not isinstance(found, Written):
            return None
        with found:
            for _ in range(before):
                found.line()
            line = found.line()
        return record.scan(line[:-1]) if line.endswith(b"\n") and len(line) <= record.LINE_LIMIT else None

    # C.10 and C.11

    def _clocks(self, seq: int, scanned: Scanned) -> None:
        """The first record of a segment against the last one of the segment before."""
        before = self._before
        if before is None:
            return
        against = step.objection(scanned.kind, before, scanned)
        if against is not None and against.holds(self._promised_us):
            raise self.bad(seq, against.why)
        self.clock_steps += step.steps(before, scanned)
        self.telling.neighbours(seq, before, scanned)

    def _own(self, seq: int, line: bytes, peaks: Peaks) -> None:
        """Count a record of the log's own, and hold what it claims against what was read."""
        header = record.decode(line)
        self._count(header)
        self.telling.own(header, closed=self._closed_at == seq - 1)
        local = seq % self._layout.segment_lines + 1
        wrong = self.claims.check(header, lambda: self._with(local, peaks).root())
        if wrong is not None:
            raise self.stop(wrong)
        if kinds.is_unknown(header.kind) and not self._unknown:
            self._unknown = f"record {seq} is of kind {header.kind}, which this version of the format does not know"

    def _count(self, header: Header) -> None:
        if header.kind in kinds.OPENINGS:
            self.openings += 1
            self._promised_us = header.n
        if header.kind == kinds.CLOSE:
            self._closed_at = header.seq
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
            total = sum(max(0, size_of(path) - end) for path, end in self._ends)
            for known in (self._layout.headers(0), self._layout.bodies(0)):
                for name in names_in(known.parent):
                    number = segment_named(name, known)
                    total += size_of(known.with_name(name)) if number is not None and number > last else 0
        except OSError:
            return None
        return total
