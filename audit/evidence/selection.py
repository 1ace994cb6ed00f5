"""Which lines of a log answer a request: the range that covers the period, or a sample. One pass over the log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from audit.approval import written
from audit.errors import AuditError, Damaged
from audit.evidence.request import Asked, BadRequest, Request, Sampling
from audit.format import kinds, record
from audit.format.layout import Layout
from audit.format.record import Header, Scanned
from audit.reading import released
from audit.reading.released import Line, Position
from audit.words import utc

_SECOND: Final = 1_000_000

Place = TypeVar("Place")
Count = Callable[[int], None]
"""Is told of so many records."""


class Gone(AuditError):
    """Lines that the request needs were pruned."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The lines from `begin` on, `count` of them; of a sample, `sample` has their numbers.

    `population`: how many records were asked for.
    """

    begin: Position
    count: int
    population: int
    sample: tuple[int, ...] | None


class Span(Generic[Place]):
    """The shortest run of lines that covers a period, from a line before it to one behind it. Owned by its reader.

    The clock may have been stepped, so times need not ascend: no record of the period stands outside of the run.
    """

    def __init__(self, since: int, until: int) -> None:
        self._since = since
        self._until = until
        self._within = False  # whether a record of the period was seen
        self._begin: Place | None = None
        self._end: int | None = None

    def see(self, seq: int, place: Place, t: int) -> None:
        if t < self._since:
            if not self._within:
                self._begin, self._end = place, None
        elif t < self._until:
            self._within, self._end = True, None
        elif self._end is None:
            self._end = seq + 1

    def result(self) -> tuple[Place | None, int | None]:
        """Where it begins, and behind which record it ends; None for the log's own beginning and end."""
        return self._begin, self._end


@dataclass(slots=True)
class _Hole:
    """Records whose lines were pruned, and the times of the lines beside them. Owned by the pass that finds it."""

    first: int
    end: int
    before: int | None
    after: int


def choose(layout: Layout, size: int, root: str, request: Request, count: Count) -> Chosen:
    """Read the whole log and choose. Gone, BadRequest, Damaged, OSError; `count` is told now and then."""
    seen = _Pass(layout, request, root)
    for line in released.lines(layout, size):
        seen.take(line)
        if line.at.seq % 1024 == 0:
            count(line.at.seq)
    return seen.chosen(size)


class _Pass:
    """One reading of the log. Owned by `choose`."""

    def __init__(self, layout: Layout, request: Request, root: str) -> None:
        self._layout = layout
        self._asked: Asked = request.asked
        self._sampled = request.sample is not None
        self._sampling = Sampling(request.sample or 1, request.seed or root)
        self._span: Span[Position] = Span(request.asked.since, request.asked.until)
        self._holes: list[_Hole] = []
        self._pruned: list[Header] = []
        self._next = 0
        self._last_t: int | None = None

    def take(self, line: Line) -> None:
        scanned = record.scan(line.text)
        if not isinstance(scanned, Scanned):
            raise Damaged(f"record {line.at.seq} cannot be read any more: the log changed")
        if scanned.kind == kinds.PRUNED:
            self._pruned.append(record.decode(line.text))
        self._span.see(scanned.seq, line.at, scanned.t)
        if self._asked.takes(scanned.kind, scanned.t):
            self._sampling.see(scanned.seq)
        if line.bodies is not None:
            self._written(scanned)

    def _written(self, scanned: Scanned) -> None:
        if scanned.seq > self._next:
            self._holes.append(_Hole(self._next, scanned.seq, self._last_t, scanned.t))
        self._next, self._last_t = scanned.seq + 1, scanned.t

    def chosen(self, size: int) -> Chosen:
        begin, end = self._span.result()
        start, stop = begin or Position(), size if end is None else end
        for hole in self._holes:
            if start.seq < hole.end and hole.first < stop:
                raise Gone(self._gone(hole))
        population = self._sampling.population
        if not self._sampled:
            return Chosen(start, stop - start.seq, population, None)
        if population == 0:
            raise BadRequest("no record was asked for, so there is nothing to take a sample of: ask without a sample")
        sample = self._sampling.chosen()
        return Chosen(start, len(sample), population, sample)

    def _gone(self, hole: _Hole) -> str:
        """What was pruned, by which record, and what can be asked for instead."""
        segment = self._layout.segment_of(hole.first)
        by = next((each for each in self._pruned if _covers(each.rule, segment)), None)
        if by is None:  # the record of it stands behind the checkpoint that was read
            return f"records {hole.first} to {hole.end - 1} were pruned while the log was read: ask again"
        after = written(hole.after + _SECOND)
        before = "" if hole.before is None else f", or one that ends by {written(hole.before)}"
        return (
            f"records {hole.first} to {hole.end - 1} were pruned, and this period needs their lines: "
            f"record {by.seq} of {utc(by.t)} says so (segments {by.rule}, {by.reason}). "
            f"Ask for a period from {after} on{before}"
        )


def _covers(rule: str, segment: int) -> bool:
    first, _, last = rule.partition("-")
    return int(first) <= segment <= int(last)
