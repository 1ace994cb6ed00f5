"""A log's released records one after the other, in whichever form their segments are. Verifies nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from audit.format import body as bodies
from audit.format import checkpoint, record
from audit.format.body import Encrypted, MalformedBody
from audit.format.checkpoint import Checkpoint
from audit.format.layout import Layout
from audit.format.note import NOTE_LIMIT
from audit.format.record import Header
from audit.reading import forms
from audit.reading.files import open_regular
from audit.reading.forms import Written
from audit.secrecy import BodyKeys, zlib_stream

_BODY: Final = re.compile(rb'\{"body":\{"len":([0-9]{1,16}),')
_ANY_BODY: Final = b'{"body":'


class Position(NamedTuple):
    """Where record `seq` begins: offsets in the header file (as written) and the body file of its segment."""

    seq: int = 0
    line_at: int = 0
    body_at: int = 0


class Line(NamedTuple):
    """A record's line without its newline, not looked into yet, and its body's place.

    `bodies` None: its segment was pruned, the body with it. `length` 0: it has no body.
    """

    at: Position
    text: bytes
    bodies: Path | None
    length: int

    @property
    def after(self) -> Position:
        """Where the next record begins, if it is of the same segment."""
        seq, line_at, body_at = self.at
        return Position(seq + 1, line_at + len(self.text) + 1, body_at + self.length)

    def header(self) -> Header:
        """The record. ValueError: it is none."""
        return record.decode(self.text)


def newest(layout: Layout) -> Checkpoint:
    """What the checkpoint covers, by its own word. OSError, MalformedNote."""
    with open_regular(layout.checkpoint) as file:
        return checkpoint.parse(file.read(NOTE_LIMIT + 1))[0]


def lines(layout: Layout, size: int, start: Position | None = None) -> Iterator[Line]:
    """The lines of the first `size` records, from `start` on.

    Of a pruned segment those that were kept. The files are opened anew each time, so a segment may have been packed or
    pruned since `start` was learnt. OSError, ValueError, NotOneMember: the log cannot be read.
    """
    start = start or Position()
    for segment in range(layout.segment_of(start.seq), -(-size // layout.segment_lines)):
        first = segment * layout.segment_lines
        begin = start if start.seq > first else Position(first)
        end = min(size, first + layout.segment_lines)
        found = forms.open_lines(layout, segment, full=end == first + layout.segment_lines)
        if isinstance(found, Written):
            with found:
                yield from _written(layout.bodies(segment), found, begin, end, begin.seq - first)
        elif found is None or not found.exists():
            raise FileNotFoundError(f"{layout.headers(segment)}: No such file or directory")
        else:
            yield from _kept(layout.kept(segment), begin.seq, range(first, end))


def leaves(layout: Layout, size: int, start: Position | None = None) -> Iterator[tuple[bytes, Line | None]]:
    """Every record's leaf hash in order from `start` on, and its line; None where it went with its segment.

    Errors as of `records`; ValueError, too, where the hashes of a pruned segment are not one for each record.
    """
    start = start or Position()
    for first in range(start.seq - start.seq % layout.segment_lines, size, layout.segment_lines):
        begin, end = start if start.seq > first else Position(first), min(size, first + layout.segment_lines)
        hashes = _hashes(layout, first, end)
        found = lines(layout, end, begin)
        if hashes is None:
            yield from ((record.line_hash(line.text), line) for line in found)
        else:
            kept = {line.at.seq: line for line in found}
            yield from ((leaf, kept.get(seq)) for seq, leaf in enumerate(hashes, first) if seq >= begin.seq)


def _hashes(layout: Layout, first: int, end: int) -> tuple[bytes, ...] | None:
    """The hashes of a pruned segment; None where its lines are there. ValueError: the file has others."""
    found = forms.open_lines(layout, layout.segment_of(first), full=end - first == layout.segment_lines)
    if isinstance(found, Written):
        found.__exit__()
        return None
    if found is None:
        raise FileNotFoundError(f"{layout.headers(layout.segment_of(first))}: No such file or directory")
    hashes = forms.read_hashes(found, end - first)
    if hashes is None:
        raise ValueError(f"{found} has not one hash for each record")
    return hashes


def _written(path: Path, found: Written, at: Position, end: int, skipped: int) -> Iterator[Line]:
    if found.packed:
        for _ in range(skipped):
            found.line()
    else:
        found.file.seek(at.line_at)
    while at.seq < end:
        text = found.line()
        if not text.endswith(b"\n"):
            raise ValueError(f"record {at.seq} is missing or cut short in {found.path}")
        line = Line(at, text[:-1], path, _length(text))
        yield line
        at = line.after


def _length(text: bytes) -> int:
    if not text.startswith(_ANY_BODY):
        return 0
    match = _BODY.match(text)
    if match is None:
        raise ValueError("a line is not a version 1 header: it does not say how long its body is")
    length = int(match[1])
    if length > bodies.STORED_LIMIT:  # of many such, the place of a body would be none that a file can have
        raise ValueError(f"a line speaks of a body of {length} bytes, which none may have")
    return length


def _kept(path: Path, first: int, within: range) -> Iterator[Line]:
    """The kept lines from record `first` on. ValueError: one is not behind the one before, `within` its segment.

    Whoever goes on behind a line would else be sent anywhere by one that was put there.
    """
    if not path.exists():
        return
    next_seq = within.start
    with open_regular(path) as file:
        while text := file.readline(record.LINE_LIMIT + 1):
            seq = record.decode(text[:-1]).seq
            if not next_seq <= seq < within.stop:
                raise ValueError(f"record {seq} is out of its place in {path}")
            next_seq = seq + 1
            if seq >= first:
                yield Line(Position(seq), text[:-1], None, 0)


class Bodies:
    """The bodies of a log, for whoever reads many: the file last read stays open. Owned by whoever opened it.

    Nothing is read ahead: what stands behind the released bodies may still change.
    """

    def __init__(self, layout: Layout, keys: BodyKeys | None) -> None:
        self._layout = layout
        self._keys = keys
        self._path: Path | None = None
        self._file: BinaryIO | None = None
        self._key: tuple[int, bytes | None] = (-1, None)

    def __enter__(self) -> Bodies:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def plain(self, line: Line, origin: str) -> bytes | Encrypted | MalformedBody | None:
        """The plain body of a line's record, as JSON text; None where there is none (any more). OSError, BadKey."""
        if not line.length or line.bodies is None:
            return None
        stored = self.stored(line.bodies, line.at.body_at, line.length)
        stream = zlib_stream(stored, self.key(line.at.seq), origin, line.at.seq)
        return bodies.inflate(stream) if isinstance(stream, bytes) else stream

    def stored(self, path: Path, offset: int, length: int) -> bytes:
        """So many stored bytes; fewer where the file ends before."""
        if self._file is None or path != self._path:
            self.__exit__()
            self._path, self._file = path, open_regular(path)
        return os.pread(self._file.fileno(), min(length, bodies.STORED_LIMIT), offset)

    def key(self, seq: int) -> bytes | None:
        segment = self._layout.segment_of(seq)
        if self._keys is not None and self._key[0] != segment:
            self._key = (segment, self._keys.of(segment))
        return self._key[1] if self._key[0] == segment else None
