"""What a log's full segments are made of, read from its files: for those who pack and prune.

Reads what `audit.verify` has just found whole; it does not verify anything itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from audit.format import kinds, record
from audit.format.layout import Layout
from audit.format.record import Header
from audit.format.statement import Sealed
from audit.format.tree import root_of
from audit.keeping.retention import Span
from audit.reading import forms
from audit.reading.forms import Written
from audit.verify.claims import sealed_of


@dataclass(frozen=True, slots=True)
class Segment:
    """A full segment whose lines are there: its times, what stays of it, and what a pruned one is left with."""

    span: Span
    sealed: Sealed
    hashes: bytes
    kept: bytes


def segments(layout: Layout, size: int) -> Iterator[Segment]:
    """The full segments of a log of `size` records that are not pruned, in order. OSError, NotOneMember."""
    for segment in range(size // layout.segment_lines):
        found = forms.open_lines(layout, segment, full=True)
        if isinstance(found, Written):
            with found:
                yield _segment(segment, [found.line() for _ in range(layout.segment_lines)])


def _segment(segment: int, lines: list[bytes]) -> Segment:
    leaves = [record.line_hash(line[:-1]) for line in lines]
    headers = [record.decode(line[:-1]) for line in lines]
    kept = [line for line, header in zip(lines, headers, strict=True) if kinds.is_logs_own(header.kind)]
    times = [header.t for header in headers]
    span = Span(segment, min(times), max(times))
    return Segment(span, sealed_of(root_of(leaves), kept), b"".join(leaves), b"".join(kept))


def packings(layout: Layout, size: int, first: int = 0) -> dict[int, Header]:
    """By segment the last record that says it was packed, where the lines are there to be read.

    Those in segments before `first` are left out: of `first` itself and later ones none can stand there.
    """
    found: dict[int, Header] = {}
    for segment in range(first, -(-size // layout.segment_lines)):
        count = min(layout.segment_lines, size - segment * layout.segment_lines)
        lines = forms.open_lines(layout, segment, full=count == layout.segment_lines)
        if isinstance(lines, Written):
            with lines:
                for _ in range(count):
                    line = lines.line()[:-1]
                    if (
                        f'"kind":"{kinds.PACKED}"'.encode() in line
                        and (header := record.decode(line)).kind == kinds.PACKED
                    ):
                        found[header.n] = header
    return found
