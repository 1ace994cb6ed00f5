"""The lines that were chosen, read once: written out, made into tables, and asked what else belongs to them."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import IO, Final

from audit import approval
from audit.approval import Approval
from audit.errors import Damaged
from audit.evidence import tables
from audit.evidence.request import ALL_KINDS, Asked
from audit.evidence.selection import Chosen
from audit.evidence.tables import NOT_IN_FORCE, Table
from audit.evidence.writing import Sink
from audit.format import kinds, record
from audit.format.layout import Layout
from audit.format.note import NOTE_LIMIT, MalformedNote
from audit.format.record import Header, Scanned
from audit.reading import released
from audit.reading.files import open_regular
from audit.reading.released import Line

LISTED: Final = 1000
"""How many of a kind the statement names one by one."""
_EVIDENCE: Final = "evidence"
"""Evidence is never put into evidence: it answered another request."""
_CHUNK: Final = 2**20


def lines_of(layout: Layout, size: int, chosen: Chosen) -> Iterator[Line]:
    """The chosen lines, in order. Errors as of `released.lines`."""
    lines = released.lines(layout, size, chosen.begin)
    if chosen.sample is None:
        return islice(lines, chosen.count)
    wanted = frozenset(chosen.sample)
    return islice((line for line in lines if line.at.seq in wanted), chosen.count)


def scanned_of(line: Line) -> Scanned:
    """Damaged where the log changed under its reader."""
    scanned = record.scan(line.text)
    if not isinstance(scanned, Scanned):
        raise Damaged(f"record {line.at.seq} cannot be read any more: the log changed")
    return scanned


def digests_of(line: bytes) -> Mapping[str, str]:
    """`digests` of a line, without reading the rest: no text can hold these bytes, for its quotes are escaped."""
    begin = line.index(b'"digests":{') + len(b'"digests":')
    return _digests(line[begin : line.index(b"}", begin) + 1])


@lru_cache(maxsize=256)
def _digests(text: bytes) -> Mapping[str, str]:
    found: Mapping[str, str] = json.loads(text)
    return found


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the contract, as the statement tells it; the texts of an approval that is not there are empty."""

    header: Header
    approval: Approval | None


class Gathered:
    """What the chosen lines are, and what they name. Owned by the one who makes the file.

    `documents`: where files of known digests are. Memory does not grow with the number of records.
    """

    def __init__(self, layout: Layout, asked: Asked, documents: Mapping[str, Path], folder: Path) -> None:
        self._layout = layout
        self._asked = asked
        self._documents = documents
        self._folder = folder  # for temporary files
        self._stack = ExitStack()
        self._tables: dict[str, _Spool] = {}
        self.kinds: Counter[str] = Counter()  # of all lines
        self.asked_for: Counter[str] = Counter()
        self.named: set[str] = set()  # documents that are at hand
        self.missing: dict[str, str] = {}  # by digest: under which name; no more than are listed
        self.approvals: dict[str, bytes] = {}
        self.approvals_missing: set[str] = set()
        self.contracts: dict[str, None] = {}  # in order
        self.changes: list[Change] = []
        self.with_bodies = 0
        self.times: tuple[int, int] | None = None  # of the first and of the last line

    def __enter__(self) -> Gathered:
        for name, table in tables.tables(self._documents.keys(), self.approval_of).items():
            self._tables[name] = _Spool(table, self._stack.enter_context(tempfile.TemporaryFile(dir=self._folder)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def read(self, lines: Iterator[Line], sink: Sink) -> None:
        """Write the lines to `sink`, and gather. Damaged, OSError."""
        for line in lines:
            sink(line.text + b"\n")
            self._take(line)

    def tables(self, *, empty: bool) -> Iterator[tuple[str, Iterator[bytes]]]:
        """The tables, `empty` ones too."""
        for name, spool in self._tables.items():
            if empty or spool.rows:
                yield name, spool.content()

    def document(self, digest: str) -> Path:
        """Where a document that is at hand is."""
        return self._documents[digest]

    def has_rows(self, name: str) -> bool:
        return self._tables[name].rows > 0

    def approval_of(self, digest: str) -> Approval | None:
        """The approval of this digest, if the log has it and it has the form of one."""
        try:
            return approval.parse(self.approvals[digest]) if digest in self.approvals else None
        except MalformedNote:
            return None

    def _take(self, line: Line) -> None:
        scanned = scanned_of(line)
        self.times = (scanned.t if self.times is None else self.times[0], scanned.t)
        self.kinds[scanned.kind] += 1
        self._name(digests_of(line.text))
        if self._asked.takes(scanned.kind, scanned.t):
            self._asked_for(record.decode(line.text))

    def _asked_for(self, header: Header) -> None:
        self.asked_for[header.kind] += 1
        self.with_bodies += header.body is not None
        for spool in self._tables.values():
            spool.see(header)
        if header.kind == kinds.CONTRACT_CHANGE and len(self.changes) < LISTED:
            self.changes.append(Change(header, self.approval_of(header.digests.get("approval", ""))))

    def _name(self, digests: Mapping[str, str]) -> None:
        for name, digest in digests.items():
            if name == _EVIDENCE:
                continue
            if digest in self._documents:
                self.named.add(digest)
            elif name not in NOT_IN_FORCE and name != "key" and len(self.missing) < LISTED:
                self.missing.setdefault(digest, name)
            if name == "contract":
                self.contracts[digest] = None
            elif name == "approval" and digest not in self.approvals:
                self._fetch(digest)

    def _fetch(self, digest: str) -> None:
        try:
            with open_regular(self._layout.approval(digest)) as file:
                data = file.read(NOTE_LIMIT + 1)
        except FileNotFoundError:
            data = b""
        if sha256(data).hexdigest() == digest and len(data) <= NOTE_LIMIT:
            self.approvals[digest] = data
        elif len(self.approvals_missing) < LISTED:
            self.approvals_missing.add(digest)


@dataclass(slots=True)
class _Spool:
    """A table while it is made, on disk. Owned by `Gathered`."""

    table: Table
    file: IO[bytes]
    rows: int = 0

    def __post_init__(self) -> None:
        self.file.write(tables.line(self.table.columns))

    def see(self, header: Header) -> None:
        for row in self.table.rows(header):
            self.file.write(tables.line(row))
            self.rows += 1

    def content(self) -> Iterator[bytes]:
        self.file.seek(0)
        while chunk := self.file.read(_CHUNK):
            yield chunk


def complete(asked: Asked) -> bool:
    """Whether an empty table says that there was nothing, and not that nobody asked."""
    return asked.kinds == ALL_KINDS


def documents_in(folders: tuple[Path, ...]) -> dict[str, Path]:
    """Every regular file below these folders by its SHA-256. OSError."""
    found = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                with open_regular(path) as file:
                    found[digest_of(file)] = path
    return found


def digest_of(file: IO[bytes]) -> str:
    """SHA-256 of what is left of a file, hexadecimal."""
    hasher = sha256()
    while chunk := file.read(_CHUNK):
        hasher.update(chunk)
    return hasher.hexdigest()
