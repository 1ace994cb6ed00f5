"""A zip file read so that every byte of it has one reading; and written so that it can be.

`docs/reference/evidence-format.md`, "The zip file". The standard library's reader takes much more than that: bytes in
front, members that overlap, names that the local header does not have.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from audit.evidence.members import LIMIT, NAME
from audit.reading.files import open_regular

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_END: Final = struct.Struct("<4s4H2LH")  # signature, disk, disk, entries, entries, length, offset, comment
_ENTRY: Final = struct.Struct("<4s6H3L5H2L")
_LOCAL: Final = struct.Struct("<4s5H3L2H")
_FLAGS: Final = 1 << 1 | 1 << 2 | 1 << 11  # how well it was compressed; that the name is UTF-8: neither matters
_STORED: Final = 0
_DEFLATED: Final = 8
_CHUNK: Final = 2**16


class Unreadable(Exception):
    """It is no zip file of the form that evidence has."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A member: `size` bytes once inflated, `packed` bytes of data at offset `at`."""

    name: str
    method: int
    packed: int
    size: int
    at: int


@dataclass(frozen=True, slots=True)
class Measured:
    """A member as it inflates: how many bytes, and their SHA-256, hexadecimal."""

    entry: Entry
    digest: str


class Archive:
    """An open evidence file. Owned by whoever opened it; members may be read at the same time."""

    def __init__(self, path: Path) -> None:
        """Unreadable where its form is wrong; the names are not looked at. OSError."""
        self._file = open_regular(path)
        try:
            self.entries = tuple(self._directory(os.fstat(self._file.fileno()).st_size))
        except BaseException:
            self._file.close()
            raise
        self._named = {entry.name: entry for entry in self.entries}

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __contains__(self, name: str) -> bool:
        return name in self._named

    def size(self, name: str) -> int:
        """Bytes of a member, inflated. KeyError where there is none."""
        return self._named[name].size

    def names_are_good(self) -> bool:
        """Whether every name is spelled as it must be, and stands there once."""
        return len(self._named) == len(self.entries) and all(map(NAME.fullmatch, self._named))

    def open(self, name: str) -> BinaryIO:
        """A member, inflated while it is read. KeyError where there is none; reading may raise Unreadable."""
        return io.BufferedReader(_Stream(self._chunks(self._named[name])), _CHUNK)

    def read(self, name: str, limit: int) -> bytes | None:
        """A whole member; None where there is none, or it is longer than `limit`. Unreadable."""
        if name not in self._named or self._named[name].size > limit:
            return None
        return b"".join(self._chunks(self._named[name]))

    def measure(self) -> Iterator[Measured]:
        """Inflate every member, in the file's order. Unreadable."""
        for entry in self.entries:
            hasher = sha256()
            for chunk in self._chunks(entry):
                hasher.update(chunk)
            yield Measured(entry, hasher.hexdigest())

    def _directory(self, length: int) -> Iterator[Entry]:
        end = length - _END.size
        if end < 0:
            raise Unreadable("it is too short to be a zip file")
        mark, disk, first_disk, here, count, size, begin, comment = _END.unpack(self._at(end, _END.size))
        if mark != b"PK\5\6" or disk or first_disk or here != count or comment or begin + size != end:
            raise Unreadable("it does not end as a zip file of one part without a comment does, or was cut short")
        at, member_at = begin, 0
        for _ in range(count):
            fields = _ENTRY.unpack(self._at(at, _ENTRY.size))
            name_length, extra, remark = fields[10:13]
            name = self._at(at + _ENTRY.size, name_length)
            entry = self._entry(fields, name, member_at)
            at, member_at = at + _ENTRY.size + name_length + extra + remark, entry.at + entry.packed
            yield entry
        if at != end or member_at != begin:
            raise Unreadable("there are bytes in it that belong to no member")

    def _entry(self, fields: tuple[int, ...], name: bytes, at: int) -> Entry:
        """A member by its entry in the directory and by its local header, which must be at `at`."""
        mark, _, _, flags, method, _, _, _, packed, size, _, _, _, disk, _, _, offset = fields
        if mark != b"PK\1\2" or flags & ~_FLAGS or method not in (_STORED, _DEFLATED) or disk:  # type: ignore[comparison-overlap]
            raise Unreadable("it has a member that is encrypted, of an unknown method, or none")
        if max(packed, size) > LIMIT or (method == _STORED and packed != size) or offset != at:
            raise Unreadable("it has a member of an impossible size, or out of its place")
        local = _LOCAL.unpack(self._at(at, _LOCAL.size))
        if local[0] != b"PK\3\4" or self._at(at + _LOCAL.size, local[9]) != name:
            raise Unreadable("a member's own header has another name than the directory")
        return Entry(name.decode("latin-1"), method, packed, size, at + _LOCAL.size + local[9] + local[10])

    def _at(self, offset: int, length: int) -> bytes:
        data = os.pread(self._file.fileno(), length, offset)
        if len(data) != length:
            raise Unreadable("it is cut short")
        return data

    def _chunks(self, entry: Entry) -> Iterator[bytes]:
        packed = self._packed(entry)
        return packed if entry.method == _STORED else _inflated(packed, entry.size)

    def _packed(self, entry: Entry) -> Iterator[bytes]:
        for begin in range(0, entry.packed, _CHUNK):
            yield self._at(entry.at + begin, min(_CHUNK, entry.packed - begin))


def _inflated(packed: Iterator[bytes], size: int) -> Iterator[bytes]:
    """One raw deflate stream and nothing behind it, of exactly `size` bytes; stops at one byte more. Unreadable."""
    inflater, given, waiting = zlib.decompressobj(-zlib.MAX_WBITS), 0, b""
    while not inflater.eof:
        more = waiting or next(packed, b"")
        try:
            part = inflater.decompress(more, min(_CHUNK, size - given + 1))
        except zlib.error as problem:
            raise Unreadable(f"a member does not inflate: {problem}") from None
        waiting, given = inflater.unconsumed_tail, given + len(part)
        if given > size or not (more or part or inflater.eof):
            raise Unreadable("a member inflates to another length than the directory says")
        yield part
    if given != size or inflater.unused_data or waiting or next(packed, b""):
        raise Unreadable("a member inflates to another length than the directory says, or bytes stand behind it")


class _Stream(io.RawIOBase):
    """Chunks as a file. Owned by the reader that buffers it."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer)
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = chunk
        part, self._rest = self._rest[: len(view)], self._rest[len(view) :]
        view[: len(part)] = part
        return len(part)
