"""Writing the zip file of an evidence file: one member after the other, digests taken on the way."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import IO, Final

from audit.errors import AuditError
from audit.evidence.manifest import Member
from audit.evidence.members import LIMIT

_TIME: Final = (1980, 1, 1, 0, 0, 0)  # the same for all: times are not looked at

_MOST: Final = 65_535
"""Members that a zip file without zip64 counts: few enough for a manifest to have room for them."""

Sink = Callable[[bytes], None]


class TooLarge(AuditError):
    """What was asked for does not fit into one zip file."""


class Writer:
    """Owned by whoever makes the file. Nothing is whole before it is left."""

    def __init__(self, file: IO[bytes], limit: int = LIMIT, most: int = _MOST) -> None:
        """Limits for tests: bytes of the longest member, and of all before the last; members."""
        self._file = file
        self._limit = limit
        self._most = most
        self._zip = zipfile.ZipFile(file, "w", allowZip64=False)
        self._members: list[Member] = []

    @property
    def members(self) -> tuple[Member, ...]:
        """Those written so far, in the manifest's order."""
        return tuple(sorted(self._members, key=lambda member: member.name))

    @contextmanager
    def member(self, name: str, *, stored: bool = False) -> Iterator[Sink]:
        """Write a member piece by piece. `stored`: it was compressed before. TooLarge, OSError."""
        info = zipfile.ZipInfo(name, _TIME)
        info.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
        hasher, length = sha256(), 0
        if self._file.tell() > self._limit or len(self._members) >= self._most:
            raise TooLarge(_TOO_LARGE)

        def take(data: bytes) -> None:
            nonlocal length
            length += len(data)
            if length > self._limit:
                raise TooLarge(_TOO_LARGE)
            hasher.update(data)
            to.write(data)

        with self._zip.open(info, "w") as to:
            yield take
        self._members.append(Member(name, hasher.hexdigest(), length))

    def put(self, name: str, data: Iterable[bytes], *, stored: bool = False) -> None:
        """Write a whole member."""
        with self.member(name, stored=stored) as sink:
            for piece in data:
                sink(piece)

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()


_TOO_LARGE: Final = (
    f"the evidence is larger than the {LIMIT} bytes that one member, or all but the last, may have, "
    f"or it has more than {_MOST} members: ask for a shorter period, or withhold values"
)
