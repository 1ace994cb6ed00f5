"""Consistency proofs out of a log's folder, while its writer goes on writing. Reads what the checkpoint covers only."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from audit.errors import Damaged, NoLog
from audit.format import checkpoint, proof, record
from audit.format.checkpoint import Checkpoint
from audit.format.layout import Layout
from audit.format.note import MalformedNote
from audit.format.proof import Proof, TooFewLeaves
from audit.format.tree import Growing, Peaks
from audit.reading import forms
from audit.reading.forms import NotOneMember, Written
from audit.witness.store import read_note


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree of `size` records, by its peaks: all that is needed to go on from there."""

    size: int = 0
    peaks: Peaks = ()

    @property
    def root(self) -> bytes:
        return Growing(self.size, self.peaks).root()


@dataclass(frozen=True, slots=True)
class Proved:
    """`proof` leads from `old` to `new`, which has the checkpoint's root."""

    old: Tree
    new: Tree
    proof: Proof


def newest(layout: Layout) -> tuple[Checkpoint, bytes]:
    """The log's checkpoint, and its note as it stands. NoLog, Damaged, OSError."""
    try:
        data = read_note(layout.checkpoint)
        return checkpoint.parse(data)[0], data
    except FileNotFoundError:
        raise NoLog(f"{layout.folder} holds no audit log (no checkpoint in it)") from None
    except MalformedNote as why:
        raise Damaged(f"{layout.checkpoint} {why}") from None


def prove(layout: Layout, old: int, new: Checkpoint, known: Tree = Tree()) -> Proved:
    """The proof from size `old`, which is at most `new`'s. From `known` on, if that is not larger than `old`, only the
    records behind it are read; else all of them are.

    Raises:
        Damaged: the log's records are not those that `new` signs, or are not all there.
        OSError: a file cannot be read.
    """
    begin = known if known.size <= old else Tree()
    tree = Growing(begin.size, begin.peaks)
    leaves = _pushed(leaves_of(layout, begin.size, new.size), tree)
    deque(islice(leaves, old - begin.size), maxlen=0)
    before = Tree(tree.size, tree.peaks)
    try:
        steps = proof.extension(old, before.peaks, new.size, leaves)
    except (TooFewLeaves, ValueError) as why:
        raise Damaged(
            f"{layout.folder} does not hold the {new.size} records that its checkpoint signs: {why}"
        ) from None
    deque(leaves, maxlen=0)
    if tree.size != new.size or tree.root() != new.root:
        raise Damaged(f"{layout.folder}: its {new.size} records do not have the root that is signed")
    return Proved(before, Tree(tree.size, tree.peaks), steps)


def _pushed(leaves: Iterable[bytes], tree: Growing) -> Iterator[bytes]:
    """The same leaves, each in the tree by the time it is had."""
    for leaf in leaves:
        tree.push(leaf)
        yield leaf


def leaves_of(layout: Layout, first: int, end: int) -> Iterator[bytes]:
    """The leaf hashes of records `first` to `end` - 1; fewer where the files end early."""
    while first < end:
        segment = layout.segment_of(first)
        begin = segment * layout.segment_lines
        behind = min(end, begin + layout.segment_lines)
        yield from islice(_segment(layout, segment, end), first - begin, behind - begin)
        first = behind


def _segment(layout: Layout, segment: int, end: int) -> Iterator[bytes]:
    """The leaf hashes of a segment from its first line on, in whichever form it is kept."""
    full = end >= (segment + 1) * layout.segment_lines
    try:
        found = forms.open_lines(layout, segment, full)
    except NotOneMember:
        raise Damaged(f"{layout.packed(segment)} is not one gzip member") from None
    if isinstance(found, Written):
        with found:
            while (line := found.line()).endswith(b"\n"):
                yield record.line_hash(line[:-1])
    elif found is not None:
        yield from _hashes(found, layout.segment_lines)


def _hashes(path: Path, lines: int) -> Iterator[bytes]:
    try:
        yield from forms.read_hashes(path, lines) or ()
    except FileNotFoundError:
        return
