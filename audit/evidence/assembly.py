"""An evidence file put together: lines, what joins them to the root, values, what they name, and what is for people."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Final

from audit.evidence import people, subtrees
from audit.evidence.gathering import Gathered, complete, documents_in, lines_of, scanned_of
from audit.evidence.given import Given, Maker, Tell
from audit.evidence.manifest import Manifest
from audit.evidence.members import (
    AFTER,
    APPROVALS,
    BEFORE,
    BODIES,
    CHECKPOINT,
    COSIGNED,
    COSIGNED_AFTER,
    DOCUMENTS,
    HEADERS,
    MANIFEST,
    PATHS,
    TABLES,
)  # fmt: skip
from audit.evidence.people import Source
from audit.evidence.request import Asked, Request
from audit.evidence.selection import Chosen
from audit.evidence.writing import Writer
from audit.format import note
from audit.format.proof import Range
from audit.reading import released
from audit.reading.files import open_regular
from audit.verify.scope import Scope
from audit.witness.prover import leaves_of

_CHUNK: Final = 2**20


@dataclass(frozen=True, slots=True)
class Told:
    """What the maker has to be told: the mark; digests that were not at hand, with the name that records give them."""

    mark: str
    missing: Mapping[str, str]
    approvals_missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Assembly:
    """One file in the making. `made`: UTC microseconds, whole seconds."""

    source: Source
    request: Request
    chosen: Chosen
    maker: Maker
    given: Given
    made: int
    tell: Tell

    def write(self, file: IO[bytes], folder: Path) -> Told:
        """Write the whole file; `folder` is for what is temporary. TooLarge, Damaged, OSError."""
        documents = documents_in(self.given.documents)
        with Gathered(self.source.layout, self._asked, documents, folder) as gathered:
            mark = self._write(file, gathered)
        return Told(mark, gathered.missing, tuple(sorted(gathered.approvals_missing)))

    def _write(self, file: IO[bytes], gathered: Gathered) -> str:
        with Writer(file) as writer:
            self._lines(writer, gathered)
            self._proofs(writer)
            self._bodies(writer, gathered)
            self._named(writer, gathered)
            for name, rows in gathered.tables(empty=complete(self._asked) and self.chosen.sample is None):
                writer.put(TABLES + name, rows)
            report = None if self.chosen.sample is not None else self._report()
            mark = people.write(writer, self.source, self.request, self.chosen, gathered, self._answers_for(), report)
            writer.put(MANIFEST, [self._manifest(writer)])
        file.flush()
        return mark

    @property
    def _asked(self) -> Asked:
        return self.request.asked

    @property
    def _first(self) -> int:
        return self.chosen.begin.seq if self.chosen.sample is None else self.chosen.sample[0]

    def _answers_for(self) -> people.Answer:
        return people.Answer(
            self.made, self.maker.name, self._first, self.given.permissions, self.given.withhold_values, self.given.mark
        )

    def _lines(self, writer: Writer, gathered: Gathered) -> None:
        with writer.member(HEADERS) as sink:
            gathered.read(self._told("reading", self.chosen.count), sink)

    def _told(self, what: str, of: int) -> Iterator[released.Line]:
        for number, line in enumerate(lines_of(self.source.layout, self.source.newest.size, self.chosen)):
            yield line
            if number % 1024 == 0:
                self.tell(what, number, of)
        self.tell(what, of, of)

    def _proofs(self, writer: Writer) -> None:
        writer.put(CHECKPOINT, [self.source.checkpoint])
        if self.source.cosigned is not None:
            writer.put(COSIGNED, [self.source.cosigned])
        wanted = self._wanted()
        found = self._roots({each for ranges in wanted.values() for path in ranges for each in path})
        for name, ranges in wanted.items():
            writer.put(name, (subtrees.line(found[each] for each in path) for path in ranges))

    def _wanted(self) -> Mapping[str, Sequence[Sequence[Range]]]:
        """What joins the lines, and what a witness has seen, to the root: of each member's lines the subtrees."""
        size, seen = self.source.newest.size, self.source.seen
        cosigned = {} if seen is None else {COSIGNED_AFTER: _one_a_line(subtrees.after(seen, size))}
        if self.chosen.sample is not None:
            return {PATHS: [subtrees.path(seq, size) for seq in self.chosen.sample], **cosigned}
        before, after = subtrees.before(self._first), subtrees.after(self._first + self.chosen.count, size)
        return {BEFORE: _one_a_line(before), AFTER: _one_a_line(after), **cosigned}

    def _roots(self, wanted: Collection[Range]) -> Mapping[Range, bytes]:
        size = self.source.newest.size
        self.tell("proving", 0, size)
        return subtrees.roots(wanted, leaves_of(self.source.layout, 0, size), size)

    def _bodies(self, writer: Writer, gathered: Gathered) -> None:
        """The stored bodies of the records asked for, as they are."""
        if self.given.withhold_values or not gathered.with_bodies:
            return
        with released.Bodies(self.source.layout, None) as files, writer.member(BODIES, stored=True) as sink:
            for line in self._told("copying values", self.chosen.count):
                scanned = scanned_of(line)
                if line.length and line.bodies is not None and self._asked.takes(scanned.kind, scanned.t):
                    sink(files.stored(line.bodies, line.at.body_at, line.length))

    def _named(self, writer: Writer, gathered: Gathered) -> None:
        """Approvals and documents that records name."""
        for digest, data in sorted(gathered.approvals.items()):
            writer.put(APPROVALS + digest, [data])
        for digest in sorted(gathered.named):
            with open_regular(gathered.document(digest)) as file:
                writer.put(DOCUMENTS + digest, iter(lambda file=file: file.read(_CHUNK), b""))  # type: ignore[misc]

    def _report(self) -> str | None:
        """What people print; None where the log cannot be read again as it was. Of a sample it would tell more."""
        keys, asked, told = self.given.keys, self._asked, partial(self.tell, "counting")
        return people.report(self.source, keys, Scope(asked.since, asked.until), self.made, told)

    def _manifest(self, writer: Writer) -> bytes:
        told = Manifest(
            self.source.newest.origin,
            self.request.id,
            self._asked,
            self.chosen.sample is not None,
            self._first,
            self.chosen.count,
            self.made,
            writer.members,
        )
        return note.sign(str(told).encode(), self.maker.name, self.maker.key)


def _one_a_line(ranges: Sequence[Range]) -> Sequence[Sequence[Range]]:
    return [[each] for each in ranges]
