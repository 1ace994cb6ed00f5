"""What the log's own records claim, held against what was read: keys, packed and pruned segments, a restore, approvals.

Steps C.11, "The approval", and G of `docs/reference/audit-format.md`, "Verifying".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from audit import approval
from audit.approval import PRUNE, REBASE, NotApproved, Ring
from audit.format import checkpoint, kinds, note
from audit.format.layout import Layout
from audit.format.note import NOTE_LIMIT, MalformedNote
from audit.format.record import Header
from audit.format.statement import KeyChange, Rebase, Sealed, key_change_of, pruning, pruning_of, rebase_of
from audit.reading.files import open_regular
from audit.verify.trust import Epochs


@dataclass(frozen=True, slots=True)
class Wrong:
    """A finding: the record named, in words, and the file where it is not the record's own."""

    seq: int
    what: str
    where: Path | None = None


class Claims:
    """What the records read so far have claimed. Owned by whoever reads the log."""

    def __init__(self, layout: Layout, origin: str, size: int, ring: Ring | None) -> None:
        self._layout = layout
        self._origin = origin
        self._size = size
        self._ring = ring
        self._packed: dict[int, str] = {}  # by segment: the digest of the packed file, by the last record of it
        self._pruned: list[range] = []
        self.epochs = Epochs()
        self.sealed: list[Sealed] = []  # the full segments read so far
        self.read_packed: dict[int, str] = {}  # by segment: the digest of the packed file that was read
        self.read_pruned: set[int] = set()
        self.rebased_from: Rebase | None = None
        self.unchecked = 0

    def check(self, header: Header, root: Callable[[], bytes]) -> Wrong | None:
        """Step C.11 for one of the log's own records; `root` is that of all lines up to and with this one."""
        match header.kind:
            case kinds.START:
                return self._begin(header)
            case kinds.REBASE:
                return self._begin(header) or self._rebase(header)
            case kinds.KEY if self.epochs.begun:
                return self._key(header, root)
            case kinds.PACKED:
                return self._pack(header)
            case kinds.PRUNED:
                return self._prune(header)
        return None

    def _begin(self, header: Header) -> Wrong | None:
        digest = header.digests.get("key")
        if digest is None:
            return Wrong(0, "does not name the log's key")
        self.epochs.begin(digest)
        return None

    def _rebase(self, header: Header) -> Wrong | None:
        rebase = rebase_of(header)
        if isinstance(rebase, str):
            return Wrong(0, rebase)
        self.rebased_from = rebase
        return self._approval(header, REBASE, rebase.subject(self._origin, header.digests["key"]))

    def _key(self, header: Header, root: Callable[[], bytes]) -> Wrong | None:
        change = key_change_of(header)
        wrong = change if isinstance(change, str) else self.epochs.change(header.seq, change)
        if isinstance(change, str) or wrong is not None:
            return Wrong(header.seq, str(wrong))
        if header.seq == self._size - 1:
            return None  # the checkpoint itself is the seal
        wrong = self._seal(header.seq, change, root())
        return None if wrong is None else Wrong(header.seq, wrong, self._layout.seal(header.seq))

    def _seal(self, seq: int, change: KeyChange, root: bytes) -> str | None:
        data = _content(self._layout.seal(seq))
        if data is None:
            return "changes the key, and the seal of the old one is missing"
        try:
            sealed, signed = checkpoint.parse(data)
        except MalformedNote as problem:
            return f"changes the key, and the seal of the old one {problem}"
        if (sealed.origin, sealed.size, sealed.root) != (self._origin, seq + 1, root):
            return "changes the key, and the seal of the old one is of other records"
        if not isinstance(note.check(signed, [change.old]), note.Signed):
            return f"changes the key, and its seal is not signed by the old one, {change.old}"
        return None

    def _pack(self, header: Header) -> Wrong | None:
        digest = header.digests.get("file")
        if header.n >= self._own_segment(header) or digest is None:
            return Wrong(header.seq, "does not name a packed segment before its own")
        self._packed[header.n] = digest
        return None

    def _prune(self, header: Header) -> Wrong | None:
        said = pruning_of(header, self._own_segment(header))
        if isinstance(said, str):
            return Wrong(header.seq, said)
        segments = range(said.first, said.last + 1)
        if pruning(said.first, [self.sealed[segment] for segment in segments]) != said:
            gone = [segment for segment in segments if segment in self.read_pruned]
            if not gone:
                return Wrong(header.seq, "says of pruned segments what they were not")
            first = gone[0] * self._layout.segment_lines
            return Wrong(first, f"was pruned with its segment, and record {header.seq} names other hashes for it")
        self._pruned.append(segments)
        return self._approval(header, PRUNE, said.subject(self._origin))

    def _own_segment(self, header: Header) -> int:
        return self._layout.segment_of(header.seq)

    def _approval(self, header: Header, action: str, subject: str) -> Wrong | None:
        """What is wrong with the approval that the record names."""
        digest = header.digests.get("approval")
        if digest is None:
            return Wrong(header.seq, f"names no approval to {action}")
        path = self._layout.approval(digest)
        why = self._not_approved(_content(path), digest, action, subject, header.t)
        return (
            None if why is None else Wrong(header.seq, f"needs an approval to {action}, and its approval {why}", path)
        )

    def _not_approved(self, data: bytes | None, digest: str, action: str, subject: str, at: int) -> str | None:
        if data is None or len(data) > NOTE_LIMIT or sha256(data).hexdigest() != digest:
            return "is missing, or is another one than the record names"
        try:
            given = approval.parse(data)
        except MalformedNote as problem:
            return str(problem)
        if self._ring is None:
            self.unchecked += 1
            return approval.mismatch(given, action, subject, at)
        found = approval.judge(given, self._ring, action, subject, at)
        return f"is not good: {found.why}" if isinstance(found, NotApproved) else None

    def unexplained(self) -> Wrong | None:
        """Step G: the first segment that was packed or pruned, and no record says so."""
        for segment in sorted({*self.read_packed, *self.read_pruned}):
            first = segment * self._layout.segment_lines
            if segment in self.read_pruned:
                if not any(segment in pruned for pruned in self._pruned):
                    return Wrong(first, "is gone with its whole segment, and no record says that it was pruned")
            elif segment not in self._packed:
                return Wrong(first, "stands in a packed file, and no record says that its segment was packed")
            elif self._packed[segment] != self.read_packed[segment]:
                return Wrong(first, "stands in a packed file with other bytes than were recorded")
        return None


def _content(path: Path) -> bytes | None:
    """A note's bytes, or one more than it may have; None where the file is missing."""
    try:
        with open_regular(path) as file:
            return file.read(NOTE_LIMIT + 1)
    except FileNotFoundError:
        return None


def sealed_of(root: bytes, kept: Sequence[bytes]) -> Sealed:
    """What stays of a segment with this root; `kept` are its lines of the log's own, each with its newline."""
    return Sealed(root, sha256(b"".join(kept)).digest())
