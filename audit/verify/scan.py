"""What goes into the reading of one segment, and what comes out of it. Small values: they travel between processes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from audit.format.checkpoint import Checkpoint
from audit.format.layout import Layout
from audit.format.record import Scanned
from audit.format.step import Objection
from audit.format.tree import Peaks
from audit.secrecy import BodyKeys
from audit.verify.scope import Scope
from audit.verify.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Task:
    """One segment to read. `hashes_only`: a line of a later version of the format stands before it."""

    layout: Layout
    newest: Checkpoint
    segment: int
    scope: Scope
    body_keys: BodyKeys | None
    hashes_only: bool = False

    @property
    def first(self) -> int:
        return self.segment * self.layout.segment_lines

    @property
    def count(self) -> int:
        """How many of its records are released."""
        return min(self.layout.segment_lines, self.newest.size - self.first)

    @property
    def full(self) -> bool:
        return self.count == self.layout.segment_lines


@dataclass(frozen=True, slots=True)
class Joint:
    """C.7: the first record says that it follows a line with the hash `prev`; its own is `leaf`."""

    seq: int
    prev: str
    leaf: bytes


@dataclass(frozen=True, slots=True)
class Neighbour:
    """C.10: the first record, whose clocks are to be held against those of the one before."""

    seq: int
    scanned: Scanned


@dataclass(frozen=True, slots=True)
class Doubt:
    """C.10: a finding if an objection holds against a promise that was made in an earlier segment."""

    seq: int
    objection: Objection


@dataclass(frozen=True, slots=True)
class Own:
    """C.11: one of the log's own records. `peaks`: of the segment's lines up to and with it, where it needs a seal."""

    seq: int
    line: bytes
    peaks: Peaks


@dataclass(frozen=True, slots=True)
class Later:
    """C.3: a line of a later version of the format; from here on lines were only hashed."""

    seq: int
    version: int


@dataclass(frozen=True, slots=True)
class Unlinked:
    """C.7: the record does not follow the line before it. `before`: the segment's tree without that line."""

    seq: int
    prev: str
    leaf: bytes
    before: Peaks


@dataclass(frozen=True, slots=True)
class Bad:
    """A finding of a record, in a file."""

    seq: int
    what: str
    where: Path


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something could not be read."""

    problem: str


Said = Joint | Neighbour | Doubt | Own | Later | Unlinked | Bad | Unreadable
"""What the one who reads the segments in order has to judge. After `Unlinked`, `Bad` or `Unreadable` nothing comes."""


@dataclass(frozen=True, slots=True)
class Whole:
    """What is left of a segment that was read to its end.

    `peaks` are those of its tree, `but_last` those without its last line. `last` is its last record, None where it was
    pruned or of a later version. `ends`: where what was read of its files ends.
    """

    peaks: Peaks
    but_last: Peaks
    last_leaf: bytes
    last: Scanned | None
    ends: tuple[tuple[Path, int], ...]


@dataclass(frozen=True, slots=True)
class Scan:
    """A segment as it was read: what it says, in order, and what is left of it; None where a finding ended it.

    `source` is the file that its lines were, or would be, taken from; `packed` its digest if it is a packed one.
    """

    segment: int
    said: tuple[Said, ...]
    whole: Whole | None
    source: Path
    packed: str | None
    pruned: bool
    bodies: int
    encrypted: int
    decrypted: int
    unread: int
    clock_steps: int
    timeline: Timeline
