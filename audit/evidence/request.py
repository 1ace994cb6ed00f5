"""What an auditor asks for: a period, kinds of records, all of them or a sample. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from heapq import heappush, heapreplace
from itertools import pairwise
from typing import Final

from audit.approval import written
from audit.errors import AuditError
from audit.format.note import NAME

NO_ID: Final = "-"
ALL_KINDS: Final = ("*",)

_KIND = re.compile(r"[a-z][a-z0-9._-]{0,63}\*?")
_SECOND: Final = 1_000_000
_LATEST: Final = 253_402_300_800 * _SECOND  # the year 10000


class BadRequest(AuditError):
    """Nothing can be asked for in this way."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A record is asked for if `since` <= t < `until` (UTC microseconds, whole seconds) and its kind is one of these.

    `kinds`: `*` alone; or kinds, and beginnings of kinds with a `*` behind them, ascending.
    """

    since: int
    until: int
    kinds: tuple[str, ...] = ALL_KINDS

    def takes(self, kind: str, t: int) -> bool:
        return self.since <= t < self.until and is_one_of(kind, self.kinds)

    def __str__(self) -> str:
        return f"{written(self.since)} {written(self.until)}\n{','.join(self.kinds)}\n"


@lru_cache(maxsize=1024)
def is_one_of(kind: str, kinds: tuple[str, ...]) -> bool:
    return any(kind.startswith(each[:-1]) if each.endswith("*") else kind == each for each in kinds)


def are_kinds(kinds: Sequence[str]) -> bool:
    """Whether these are in the one spelling that a manifest may have."""
    if tuple(kinds) == ALL_KINDS:
        return True
    ascending = all(one < other for one, other in pairwise(kinds))
    return ascending and bool(kinds) and all(_KIND.fullmatch(kind) for kind in kinds)


def asked(since: int, until: int, kinds: Sequence[str] = ()) -> Asked:
    """Times in UTC microseconds; no kinds: all. BadRequest says what nobody can ask for."""
    if since % _SECOND or until % _SECOND or not 0 <= since < until < _LATEST:
        raise BadRequest("a period is from one whole second to a later one, in the years 1970 to 9999")
    sorted_kinds = tuple(sorted(set(kinds))) or ALL_KINDS
    if "*" in sorted_kinds:
        sorted_kinds = ALL_KINDS
    if not are_kinds(sorted_kinds):
        raise BadRequest(f"{', '.join(kinds)}: a kind is such as contract.change, a beginning of kinds such as log.*")
    return Asked(since, until, sorted_kinds)


@dataclass(frozen=True, slots=True)
class Request:
    """`sample` None: everything that was asked for, and the proof that no line between the first and the last is gone.

    Else so many records, chosen by `seed`; no seed: the root in the file's checkpoint is it.
    """

    asked: Asked
    id: str = NO_ID
    sample: int | None = None
    seed: str = ""

    def check(self) -> None:
        """BadRequest where a manifest could not carry it."""
        if not NAME.fullmatch(self.id):
            raise BadRequest(f"{self.id!r} cannot be a request's name: 1 to 128 letters, digits and . _ / : -")
        if self.sample is not None and self.sample < 1:
            raise BadRequest("a sample has at least one record")
        if not self.seed.isprintable():
            raise BadRequest("a seed is one line of text")


class Sampling:
    """The `count` records with the smallest SHA-256 of `<seed>`, a newline, the record's number, a newline.

    So whoever gives the seed knows that nobody chose, and can do the choice again. Owned by whoever reads the log.
    """

    def __init__(self, count: int, seed: str) -> None:
        self._count = count
        self._seed = seed
        self._largest: list[tuple[int, int]] = []  # (minus the hash, the record): the heap's top is the first to go
        self.population = 0

    def see(self, seq: int) -> None:
        """A record that was asked for."""
        self.population += 1
        ranked = (-int.from_bytes(sha256(f"{self._seed}\n{seq}\n".encode()).digest(), "big"), seq)
        if len(self._largest) < self._count:
            heappush(self._largest, ranked)
        elif ranked > self._largest[0]:
            heapreplace(self._largest, ranked)

    def chosen(self) -> tuple[int, ...]:
        """Their numbers, ascending."""
        return tuple(sorted(seq for _, seq in self._largest))
