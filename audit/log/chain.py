"""The chain as it grows: where a log stands, and which bytes a batch of entries adds to it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from audit.format import body as bodies
from audit.format import record
from audit.format.body import BodyRef
from audit.format.kinds import is_logs_own
from audit.format.record import FIRST_PREV, Timed
from audit.format.tree import Growing, Peaks

Salt = Callable[[], bytes]
"""32 fresh random bytes."""
Encrypt = Callable[[int, bytes], bytes]
"""What is stored in place of the zlib stream of a record's body, by the record's number."""


@dataclass(frozen=True, slots=True)
class Position:
    """The end of a log: everything that the next record depends on.

    `header_end` and `body_end` are offsets in the files of the segment that the next record goes to, so both are 0
    where that segment is new.
    """

    size: int = 0
    peaks: Peaks = ()
    prev: str = FIRST_PREV
    header_end: int = 0
    body_end: int = 0

    def root(self) -> bytes:
        return Growing(self.size, self.peaks).root()


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that go into one segment's files, and where."""

    segment: int
    header_at: int
    headers: bytes
    body_at: int
    bodies: bytes


@dataclass(frozen=True, slots=True)
class Extension:
    """What a batch adds: the pieces, one per segment touched, and where the log stands after them."""

    pieces: tuple[Piece, ...]
    after: Position


@dataclass(frozen=True, slots=True)
class Prepared:
    """An entry whose body is already bytes; what is left to do depends on its place in the chain."""

    timed: Timed
    stored: bytes
    ref: BodyRef | None


def prepare(timed: Timed, salt: Salt) -> Prepared:
    """Turn the body into bytes. BadEntry for what cannot be recorded."""
    if timed.entry.body is None:
        return Prepared(timed, b"", None)
    stored, ref = bodies.store(timed.entry.body, salt())
    return Prepared(timed, stored, ref)


def extend(
    origin: str, position: Position, batch: Sequence[Prepared], segment_lines: int, encrypt: Encrypt | None = None
) -> Extension:
    """The records of a batch behind `position`. BadEntry if one of them cannot be a record: then none of them is."""
    tree = Growing(position.size, position.peaks)
    pieces: list[Piece] = []
    prev, header_at, body_at = position.prev, position.header_end, position.body_end
    lines: list[bytes] = []
    stored: list[bytes] = []

    def cut_piece() -> None:
        pieces.append(Piece((tree.size - 1) // segment_lines, header_at, b"".join(lines), body_at, b"".join(stored)))

    for one in batch:
        body, ref = one.stored, one.ref
        if encrypt is not None and ref is not None and not is_logs_own(one.timed.entry.kind):
            body = encrypt(tree.size, body)
            ref = bodies.stored_as(body, ref)
        line = record.encode(record.header(one.timed.entry, one.timed.reading, origin, tree.size, ref, prev))
        leaf = record.line_hash(line)
        tree.push(leaf)
        prev = leaf.hex()
        lines.append(line + b"\n")
        stored.append(body)
        if tree.size % segment_lines == 0:
            cut_piece()
            lines, stored, header_at, body_at = [], [], 0, 0
    if lines:
        cut_piece()
        header_at, body_at = header_at + len(pieces[-1].headers), body_at + len(pieces[-1].bodies)
    return Extension(tuple(pieces), Position(tree.size, tree.peaks, prev, header_at, body_at))


def joined(extensions: Sequence[Extension]) -> Extension:
    """Extensions that follow each other as one, with one piece per segment; at least one."""
    pieces = [piece for extension in extensions for piece in extension.pieces]
    return Extension(
        tuple(_join(list(group)) for _, group in groupby(pieces, key=lambda piece: piece.segment)), extensions[-1].after
    )


def _join(pieces: Sequence[Piece]) -> Piece:
    first = pieces[0]
    headers, stored = b"".join(piece.headers for piece in pieces), b"".join(piece.bodies for piece in pieces)
    return Piece(first.segment, first.header_at, headers, first.body_at, stored)


class Walk:
    """A log read line by line from a position on: how recovery finds its end. Owned by whoever walks."""

    __slots__ = ("_body_end", "_header_end", "_prev", "_segment_lines", "_tree")

    def __init__(self, position: Position, segment_lines: int) -> None:
        self._segment_lines = segment_lines
        self._tree = Growing(position.size, position.peaks)
        self._prev = position.prev
        self._header_end = position.header_end
        self._body_end = position.body_end

    def take(self, line: bytes) -> str | None:
        """The next line, without its newline. What is wrong with it, or None. Only chain and place are looked at."""
        if not line:
            return f"record {self._tree.size} cannot be read: it is missing"
        scanned = record.scan(line)
        if isinstance(scanned, record.Newer):
            return f"record {self._tree.size} is of a later version, {scanned.version}, of the format"
        if isinstance(scanned, record.Malformed):
            return f"record {self._tree.size} {scanned.what}"
        if scanned.seq != self._tree.size or scanned.prev != self._prev:
            return f"record {self._tree.size} does not follow the one before it"
        leaf = record.line_hash(line)
        self._tree.push(leaf)
        self._prev = leaf.hex()
        if self._tree.size % self._segment_lines == 0:
            self._header_end = self._body_end = 0
        else:
            self._header_end += len(line) + 1
            self._body_end += scanned.body.len if scanned.body else 0
        return None

    def position(self) -> Position:
        return Position(self._tree.size, self._tree.peaks, self._prev, self._header_end, self._body_end)
