"""What crossed, what was denied and what happened at the boundary, counted over a log's released records.

The counting goes over the very bytes that were proved: it takes every line's hash again and ends with their root, for
whoever counts to compare with the one that was verified. Memory is bounded: of each kind of happening the first
`LISTED` are kept, of the denials the first `GROUPS` pairs of peer and rule; everything is counted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from audit.format import record
from audit.format.kinds import APPROVAL, COMMON, CONTRACT_CHANGE, ISOLATION, REVIEW
from audit.format.layout import Layout
from audit.format.record import Header
from audit.format.tree import Growing
from audit.reading import released
from audit.verify.scope import Scope
from audit.verify.timeline import LISTED, Listed, Moment

DENIED: Final = "denied"
HAPPENINGS: Final = (ISOLATION, CONTRACT_CHANGE, APPROVAL, REVIEW, "gateway", "witness", "gap", "clock.step")
"""Kinds of records that a reader is told of one by one."""
GROUPS: Final = 1_000
DAY_US: Final = 86_400_000_000
_COUNTED: Final = re.compile(
    rb'"dir":"(in|out)?","kind":"([^"]+)","mono_us":[0-9]+,"n":([0-9]+),"origin":.*,"t":([0-9]+),"v":1\}$', re.DOTALL
)
"""What is counted of a line. No text in it can look like this, for its quotes are escaped."""
_ALIVE: Final = b'"decision":"alive"'
"""In a line of kind `gateway`: a sign of life, of which there may be one a minute. It is counted, and no happening."""
_EVERY: Final = 4096
"""Records between two words about how far the counting is."""


@dataclass(frozen=True, slots=True)
class Day:
    """What crossed on one day, which began at `start` (UTC microseconds).

    Records and what they stand for (`n`: points, commands), towards SCADA and from it; and how often was denied.
    """

    start: int
    out_records: int = 0
    out_things: int = 0
    in_records: int = 0
    in_things: int = 0
    denials: int = 0


@dataclass(frozen=True, slots=True)
class Denials:
    """What one peer was denied by one rule; `peer` and `rule` None: the pairs behind the first `GROUPS` together."""

    peer: str | None
    rule: str | None
    records: int
    count: int
    since: int
    until: int


@dataclass(frozen=True, slots=True)
class Tally:
    """The counts, and the `root` (hexadecimal) of the lines that they were taken from.

    `kinds`: how many records of each. Of pruned segments only the log's own records count, for the others are gone.
    """

    root: str
    records: int
    kinds: tuple[tuple[str, int], ...]
    days: tuple[Day, ...]
    denials: tuple[Denials, ...]
    happenings: tuple[tuple[str, Listed], ...]


def tally(layout: Layout, size: int, scope: Scope, progress: Callable[[int, int], None] = lambda _, __: None) -> Tally:
    """Count over the first `size` records, those in the scope's period. `progress` is told how many of how many.

    OSError, ValueError, NotOneMember: the log cannot be read.
    """
    tree, counting = Growing(), _Counting()
    for leaf, line in released.leaves(layout, size):
        tree.push(leaf)
        if tree.size % _EVERY == 0:
            progress(tree.size, size)
        if line is not None:
            counting.take(line.text, scope)
    return counting.result(tree.root().hex())


@dataclass(slots=True)
class _Counting:
    """Owned by `tally`."""

    records: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    days: dict[int, list[int]] = field(default_factory=dict)
    denials: dict[tuple[str | None, str | None], list[int]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    moments: dict[str, list[Moment]] = field(default_factory=lambda: {kind: [] for kind in HAPPENINGS})

    def take(self, line: bytes, scope: Scope) -> None:
        found = _COUNTED.search(line)
        if found is None:
            raise ValueError("a line is not a version 1 header")
        direction, kind, things, t = found[1], found[2].decode(), int(found[3]), int(found[4])
        if not scope.covers(t):
            return
        self.records += 1
        self.kinds[kind] += 1
        if kind == DENIED:
            self._deny(record.decode(line))
        elif direction:
            self._cross(t, 0 if direction == b"out" else 2, things)
        if kind in self.moments and _ALIVE not in line:
            self._happen(record.decode(line))

    def _cross(self, t: int, column: int, things: int) -> None:
        day = self.days.setdefault(t - t % DAY_US, [0] * 5)
        day[column] += 1
        day[column + 1] += things

    def _deny(self, header: Header) -> None:
        self.days.setdefault(header.t - header.t % DAY_US, [0] * 5)[4] += header.n
        pair: tuple[str | None, str | None] = (header.peer, header.rule)
        if pair not in self.denials and len(self.denials) >= GROUPS:
            pair = (None, None)
        group = self.denials.setdefault(pair, [0, 0, header.t, header.t])
        group[0] += 1
        group[1] += header.n
        group[2:] = [min(group[2], header.t), max(group[3], header.t)]

    def _happen(self, header: Header) -> None:
        self.counts[header.kind] += 1
        listed = self.moments[header.kind]
        if len(listed) < LISTED:
            listed.append(Moment(header.seq, header.t, _said(header)))

    def result(self, root: str) -> Tally:
        denials = [Denials(*pair, *group) for pair, group in self.denials.items()]
        return Tally(
            root,
            self.records,
            tuple(sorted(self.kinds.items())),
            tuple(Day(start, *counts) for start, counts in sorted(self.days.items())),
            tuple(sorted(denials, key=lambda one: (one.peer is None, -one.count, one.peer or "", one.rule or ""))),
            tuple((kind, Listed(self.counts[kind], tuple(self.moments[kind]))) for kind in HAPPENINGS),
        )


def _said(header: Header) -> str:
    """What a happening says, its decision first; where its digests say what it is about, the beginning of each."""
    named = [f"{name} {digest[:16]}…" for name, digest in header.digests.items() if header.kind in COMMON]
    said = (header.decision, f"by {header.peer}" if header.peer else "", header.rule, header.reason, *named)
    return ", ".join(part for part in said if part)
