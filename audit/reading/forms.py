"""The files that a segment's lines are taken from: as written, packed, or, where it was pruned, its leaf hashes only;
and its bodies.

`docs/reference/audit-format.md`, "Segments that were packed or pruned".
"""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final, cast

from audit.format import kinds, record
from audit.format.layout import Layout
from audit.format.record import Scanned
from audit.reading.files import open_regular, size_of

HASH_BYTES: Final = 32
_CHUNK: Final = 2**20


class NotOneMember(Exception):
    """A packed file is not exactly one gzip member."""

    def __init__(self) -> None:
        super().__init__("a packed segment is not one gzip member")


@dataclass(slots=True)
class Written:
    """A segment's lines, open for reading from the first on. Owned by whoever opened it.

    `packed` is the SHA-256 of the packed file that they are taken from, hexadecimal; None where they stand as written.
    """

    path: Path
    file: BinaryIO
    packed: str | None
    under: BinaryIO | None = None  # the file that a packed one is inflated from

    def __enter__(self) -> Written:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        if self.under is not None:
            self.under.close()

    def line(self) -> bytes:
        """The next line with its newline: empty at the end of the file, cut where it is longer than a line may be."""
        return self.file.readline(record.LINE_LIMIT + 1)

    def rest(self) -> int:
        """Bytes behind what was read; of a packed file, whether there are any."""
        return len(self.file.read(1)) if self.packed else size_of(self.path) - self.file.tell()


def open_lines(layout: Layout, segment: int, full: bool) -> Written | Path | None:
    """Where a segment's lines come from: a `Path` is the hashes of a pruned one; None: there is no file.

    Only full segments can be packed or pruned. NotOneMember, OSError.
    """
    try:
        return Written(layout.headers(segment), open_regular(layout.headers(segment)), None)
    except FileNotFoundError:
        pass
    if not full:
        return None
    try:
        return _open_packed(layout.packed(segment))
    except FileNotFoundError:
        return layout.hashes(segment)


def _open_packed(path: Path) -> Written:
    with open_regular(path) as file:
        digest = _check_member(file)
    under = open_regular(path)
    return Written(path, cast("BinaryIO", gzip.GzipFile(fileobj=under)), digest, under)


def _check_member(file: BinaryIO) -> str:
    """The SHA-256 of a file that is one gzip member and nothing else."""
    hasher, inflater = sha256(), zlib.decompressobj(wbits=31)
    while chunk := file.read(_CHUNK):
        hasher.update(chunk)
        try:
            while chunk:
                inflater.decompress(chunk, _CHUNK)
                chunk = inflater.unconsumed_tail
        except zlib.error:
            raise NotOneMember from None
        if inflater.unused_data:
            raise NotOneMember
    inflater.flush()
    if not inflater.eof:
        raise NotOneMember
    return hasher.hexdigest()


def read_hashes(path: Path, lines: int) -> tuple[bytes, ...] | None:
    """The leaf hashes of a pruned segment; None if the file has not one for each of its `lines`. FileNotFoundError."""
    with open_regular(path) as file:
        data = file.read(HASH_BYTES * lines + 1)
    if len(data) != HASH_BYTES * lines:
        return None
    return tuple(data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES))


def read_kept(path: Path, first: int, hashes: tuple[bytes, ...], origin: str) -> dict[int, tuple[bytes, Scanned]] | str:
    """The kept lines of the pruned segment that begins with record `first`; or what is wrong with the file."""
    kept: dict[int, tuple[bytes, Scanned]] = {}
    last = first - 1
    try:
        file = open_regular(path)
    except FileNotFoundError:
        return kept
    with file:
        while line := file.readline(record.LINE_LIMIT + 1):
            if not line.endswith(b"\n") or len(line) > record.LINE_LIMIT:
                return "a kept line is cut short or longer than a record may be"
            scanned = record.scan(line[:-1])
            if not isinstance(scanned, Scanned) or scanned.origin != origin or not kinds.is_logs_own(scanned.kind):
                return "a kept line is no record of the log's own"
            if not last < scanned.seq < first + len(hashes):
                return f"the kept record {scanned.seq} is out of its place"
            if record.line_hash(line[:-1]) != hashes[scanned.seq - first]:
                return f"the kept record {scanned.seq} is not the one that was there"
            last = scanned.seq
            kept[last] = (line, scanned)
    return kept


class Bodies:
    """One segment's bodies, read one after the other. Owned by whoever made it.

    The file is opened when the first is asked for: a segment may have none. A missing one is as if it were empty.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.taken = 0
        """Bytes of the bodies so far, read or not."""
        self._at = 0  # where the file stands
        self._file: BinaryIO | None = None

    def __enter__(self) -> Bodies:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def rest(self) -> int:
        """Bytes behind those taken."""
        return size_of(self.path) - self.taken

    def take(self, length: int) -> bytes:
        """The next `length` bytes; fewer at the end of the file."""
        if self._file is None:
            try:
                self._file = open_regular(self.path)
            except FileNotFoundError:
                return b""
        if self._at != self.taken:
            self._file.seek(self.taken)
        data = self._file.read(length)
        self.taken += len(data)
        self._at = self.taken
        return data

    def skip(self, length: int) -> None:
        """Leave out the next `length` bytes, whether they are there or not."""
        self.taken += length
