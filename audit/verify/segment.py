"""One segment of a log by itself: what can be said of its records without those before it.

Steps C.1 to C.12 of `docs/reference/audit-format.md`, "Verifying", but for what hangs together with other segments:
that is handed on, in the order in which it came, to whoever takes the segments one after the other
(`audit.verify.reader`). So many segments can be read at the same time, and the first finding stays the first.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Final

from audit.errors import BadKey
from audit.format import body as bodies
from audit.format import kinds, record, step
from audit.format.body import BodyRef
from audit.format.record import Scanned
from audit.format.step import Objection
from audit.format.tree import Growing, Peaks
from audit.reading import forms
from audit.reading.forms import Bodies, NotOneMember, Written
from audit.secrecy import open_body
from audit.verify.scan import Bad, Doubt, Joint, Later, Neighbour, Own, Said, Scan, Task, Unlinked, Unreadable, Whole
from audit.verify.timeline import SILENT_US, Telling

DENIED: Final = "denied"
"""The gateway's kind for denials of one peer and rule, `n` of them."""
_TELL_EVERY: Final = 256
"""Records between two words of progress, where none has a body."""


Told = Callable[[int], None]
"""Called with how many records more were read."""


def scan(task: Task, told: Told) -> Scan:
    """Read a segment as far as the first finding. Never raises for what is in the files."""
    scanning = _Scanning(task, told)
    whole = None
    try:
        whole = scanning.read()
    except _Ended:
        pass
    except OSError as problem:
        scanning.said.append(Unreadable(f"a file cannot be read: {problem}"))
    except BadKey as problem:
        scanning.said.append(Unreadable(str(problem)))
    return scanning.result(whole)


class _Ended(Exception):
    """A finding stands at the end of what was said."""


class _Scanning:
    """Owned by `scan`."""

    def __init__(self, task: Task, told: Told) -> None:
        self._task = task
        self._told = told
        self._told_up_to = task.first
        self.said: list[Said] = []
        self._leaves: list[bytes] = []
        self._tree = Growing()  # over the first of them
        self._before: Scanned | None = None  # the record before, in this segment
        self._later = task.hashes_only
        self._promised_us = None if task.segment else 0  # None: by an opening in an earlier segment
        self._doubted_us = 0  # promises below this are broken already
        self._quiet_us = 0  # the longest jump of the clock that needs no closer look
        self._source = task.layout.headers(task.segment)
        self._packed: str | None = None
        self._pruned = False
        self._key: bytes | None = None  # of the bodies
        self._key_looked_for = False
        self._bodies = self._encrypted = self._decrypted = self._unread = self._clock_steps = 0
        self._telling = Telling(task.scope)

    def read(self) -> Whole:
        task = self._task
        try:
            found = forms.open_lines(task.layout, task.segment, task.full)
        except NotOneMember:
            self._source = task.layout.packed(task.segment)
            raise self._bad(task.first, "stands in a packed file that is not one gzip member") from None
        if isinstance(found, Written):
            self._source, self._packed = found.path, found.packed
            ends = self._written(found)
        else:
            self._read_pruned(found)
            ends = ()
        self._tell(task.first + task.count)
        but_last = self._peaks(task.count - 1)
        return Whole(self._peaks(task.count), but_last, self._leaves[-1], self._before, ends)

    def result(self, whole: Whole | None) -> Scan:
        return Scan(
            self._task.segment, tuple(self.said), whole, self._source, self._packed, self._pruned,
            self._bodies, self._encrypted, self._decrypted, self._unread, self._clock_steps, self._telling.told(),
        )  # fmt: skip

    # C.1: a segment that was pruned

    def _read_pruned(self, path: Path | None) -> None:
        task, first = self._task, self._task.first
        try:
            hashes = None if path is None else forms.read_hashes(path, task.count)
        except FileNotFoundError:
            path, hashes = None, None
        if path is None:
            raise self._bad(first, "is missing with its whole segment of the log")
        self._source, self._pruned = path, True
        if hashes is None:
            what = "was pruned with its segment, and the hashes left are not one for each of its records"
            raise self._bad(first, what)
        self._leaves = list(hashes)
        if not self._later:
            self._kept(hashes)

    def _kept(self, hashes: tuple[bytes, ...]) -> None:
        first, path = self._task.first, self._task.layout.kept(self._task.segment)
        kept = forms.read_kept(path, first, hashes, self._task.newest.origin)
        if isinstance(kept, str):
            raise self._bad(first, f"was pruned with its segment, and {kept}", path)
        if first == 0 and 0 not in kept:
            raise self._bad(0, "was pruned with its segment, and its line was not kept")
        for seq, (line, scanned) in kept.items():
            self._check_kind(seq, scanned.kind)
            self._own(seq, scanned, line[:-1])

    # C.1 to C.12: a segment whose lines are there

    def _written(self, lines: Written) -> tuple[tuple[Path, int], ...]:
        """Check the records, and that nothing stands behind them if the segment is full: where they end if not."""
        task, limit = self._task, record.LINE_LIMIT
        readline, leaves = lines.file.readline, self._leaves
        with lines, Bodies(task.layout.bodies(task.segment)) as stored:
            for seq in range(task.first, task.first + task.count):
                line = readline(limit + 1)
                if line[-1:] != b"\n" or len(line) > limit:
                    raise self._no_line(seq, line)
                line = line[:-1]
                leaf = sha256(b"\0" + line).digest()
                scanned = None if self._later else self._record(seq, line, leaf, stored)
                leaves.append(leaf)
                if scanned is not None and kinds.is_logs_own(scanned.kind):
                    self._own(seq, scanned, line)
                if not seq % _TELL_EVERY:
                    self._tell(seq)
            if not task.full:
                return ((lines.path, lines.file.tell()), (stored.path, stored.taken))
            if not self._later:
                self._end(lines, stored)
        return ()

    def _no_line(self, seq: int, line: bytes) -> _Ended:
        if not line:
            return self._bad(seq, f"is missing: the checkpoint covers {self._task.newest.size} records")
        return self._bad(seq, "is cut short or longer than a record may be")

    def _end(self, lines: Written, stored: Bodies) -> None:
        """C.12: nothing stands behind the last record of a full segment. Unread bodies are not looked for."""
        ends = ((lines.path, lines.rest), *(() if self._unread else ((stored.path, stored.rest),)))
        for where, rest_of in ends:
            rest = rest_of()
            if rest > 0:
                last = self._task.first + self._task.count - 1
                raise self._bad(last, f"ends a full segment, and {rest} bytes follow it there", where)

    def _record(self, seq: int, line: bytes, leaf: bytes, stored: Bodies) -> Scanned | None:
        """C.3 to C.10. None for a line of a later version."""
        scanned = record.scan(line)
        if not isinstance(scanned, Scanned):
            if isinstance(scanned, record.Malformed):
                raise self._bad(seq, scanned.what)
            self._later, self._before = True, None
            self.said.append(Later(seq, scanned.version))
            return None
        origin, number, kind, ref, prev, t, mono_us, boot, n = scanned
        before = self._before
        if number != seq or origin != self._task.newest.origin:
            raise self._misplaced(seq, scanned)
        if before is None:
            self.said.append(Joint(seq, prev, leaf))
        elif prev != self._leaves[-1].hex():
            raise self._say(Unlinked(seq, prev, leaf, self._peaks(len(self._leaves) - 1)))
        if seq == 0 or kind in kinds.FIRST:
            self._check_kind(seq, kind)
        if ref is not None:
            self._body(seq, t, ref, stored)
        if before is None:
            self.said.append(Neighbour(seq, scanned))
        else:
            passed_us, quiet_us = mono_us - before.mono_us, self._quiet_us
            jump_us = t - before.t - passed_us
            if not (0 <= passed_us <= SILENT_US and -quiet_us <= jump_us <= quiet_us and boot == before.boot):
                self._clocks(seq, before, scanned)
        if kind == DENIED:
            self._telling.denied(t, n)
        self._before = scanned
        return scanned

    def _misplaced(self, seq: int, scanned: Scanned) -> _Ended:
        if scanned.origin != self._task.newest.origin:
            return self._bad(seq, f"is of another log, {scanned.origin}")
        return self._bad(seq, f"is not there; record {scanned.seq} stands in its place")

    def _check_kind(self, seq: int, kind: str) -> None:
        """C.8."""
        if (kind in kinds.FIRST) != (seq == 0) and (seq or not kinds.is_unknown(kind)):
            raise self._bad(seq, f"is of kind {kind}, which cannot stand there")

    def _body(self, seq: int, t: int, ref: BodyRef, file: Bodies) -> None:
        """C.9."""
        path = file.path
        self._bodies += 1
        if not 0 < ref.len <= bodies.STORED_LIMIT:
            raise self._bad(seq, f"speaks of a body of {ref.len} bytes, which none may have")
        if not self._task.scope.reads_body(t):
            file.skip(ref.len)
            self._unread += 1
            return
        stored = file.take(ref.len)
        if len(stored) < ref.len:
            raise self._bad(seq, "has a body that is missing or cut short", path)
        if sha256(stored).hexdigest() != ref.sha256:
            raise self._bad(seq, "has a body with other bytes than were recorded", path)
        encrypted = stored[0] == bodies.ENCRYPTED
        key = self._body_key() if encrypted else None
        match open_body(stored, key, self._task.newest.origin, seq):
            case bodies.MalformedBody(what):
                raise self._bad(seq, f"has a body that {what}", path)
            case bodies.Opened(root=root):
                if root != ref.root:
                    raise self._bad(seq, "has a body whose values are not under its root", path)
                self._decrypted += encrypted
        self._encrypted += encrypted
        self._tell(seq)

    def _body_key(self) -> bytes | None:
        """The segment's key, looked for once. BadKey, OSError."""
        if self._task.body_keys is not None and not self._key_looked_for:
            self._key_looked_for = True
            self._key = self._task.body_keys.of(self._task.segment)
        return self._key

    # C.10

    def _clocks(self, seq: int, before: Scanned, after: Scanned) -> None:
        """Two neighbours whose clocks need a closer look."""
        against = step.objection(after.kind, before, after)
        if against is not None:
            self._object(seq, against)
        self._clock_steps += step.steps(before, after)
        self._telling.neighbours(seq, before, after)

    def _object(self, seq: int, against: Objection) -> None:
        """A finding, if the promise was made in this segment; else a doubt, if a smaller jump did not raise it."""
        if self._promised_us is not None:
            if against.holds(self._promised_us):
                raise self._bad(seq, against.why)
        elif against.under_us > self._doubted_us:
            self._doubted_us = against.under_us
            self._quiet_us = min(against.under_us, step.THRESHOLD_US)
            self.said.append(Doubt(seq, against))

    # C.11

    def _own(self, seq: int, scanned: Scanned, line: bytes) -> None:
        if scanned.kind in kinds.OPENINGS:
            self._promised_us = scanned.n
            self._quiet_us = min(scanned.n or step.THRESHOLD_US, step.THRESHOLD_US)
        peaks = self._peaks(seq - self._task.first + 1) if scanned.kind == kinds.KEY else ()
        self.said.append(Own(seq, line, peaks))

    def _peaks(self, count: int) -> Peaks:
        """Of the tree over the segment's first `count` lines."""
        if count < self._tree.size:
            self._tree = Growing()
        self._tree.extend(self._leaves[self._tree.size : count])
        return self._tree.peaks

    def _tell(self, seq: int) -> None:
        self._told(seq - self._told_up_to)
        self._told_up_to = seq

    def _say(self, finding: Unlinked | Bad) -> _Ended:
        self.said.append(finding)
        return _Ended()

    def _bad(self, seq: int, what: str, where: Path | None = None) -> _Ended:
        """A finding of a record, in the file that the lines come from unless said otherwise."""
        return self._say(Bad(seq, what, where or self._source))
