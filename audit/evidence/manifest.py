"""The manifest of an evidence file: what was asked, which lines and members there are, signed by a person. Pure.

`docs/reference/evidence-format.md`, "Manifest".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from audit.approval import moment, written
from audit.evidence import members
from audit.evidence.request import Asked, are_kinds
from audit.format import note
from audit.format.checkpoint import SIZE_LIMIT
from audit.format.note import MalformedNote, Note

LIMIT: Final = 2**24
"""Bytes of the longest manifest."""

_WORD = r"[A-Za-z0-9._/:-]{1,128}"
_TIME = r"[0-9TZ:-]{20}"
_NUMBER = r"0|[1-9][0-9]{0,12}"
_HEAD = re.compile(
    rf"derms\.evidence/1\n({_WORD})\n({_WORD})\n({_TIME}) ({_TIME})\n([^\n]+)\n"
    rf"(complete|sample) ({_NUMBER}) ({_NUMBER})\n({_TIME})\n"
)
_MEMBER = re.compile(rf"([0-9a-f]{{64}}) ({_NUMBER}) ({members.NAME.pattern})")


@dataclass(frozen=True, slots=True)
class Member:
    """`digest`: SHA-256 of the member's bytes, hexadecimal; `length`: how many they are."""

    name: str
    digest: str
    length: int

    def __str__(self) -> str:
        return f"{self.digest} {self.length} {self.name}"


@dataclass(frozen=True, slots=True)
class Manifest:
    """`first` and `count`: of the lines. `made`: UTC microseconds, whole seconds. Members ascend by their names."""

    origin: str
    request: str
    asked: Asked
    sampled: bool
    first: int
    count: int
    made: int
    members: tuple[Member, ...]

    def __str__(self) -> str:
        mode = "sample" if self.sampled else "complete"
        head = f"derms.evidence/1\n{self.origin}\n{self.request}\n{self.asked}{mode} {self.first} {self.count}\n"
        return head + f"{written(self.made)}\n" + "".join(f"{member}\n" for member in self.members)


def parse(data: bytes) -> tuple[Manifest, Note]:
    """Take a manifest apart, strictly. MalformedNote says what is wrong; who signed it is another question."""
    signed = note.parse(data, LIMIT)
    text = signed.text.decode()
    head = _HEAD.match(text)
    if head is None:
        raise MalformedNote("is not origin, request, period, kinds, lines and time, one line each")
    origin, request, since, until, kinds, mode, first, count, made = head.groups()
    times = [moment(each) for each in (since, until, made)]
    asked_kinds = tuple(kinds.split(","))
    if None in times or not are_kinds(asked_kinds):
        raise MalformedNote("has a time or a kind that is not written in its one spelling")
    start, end, when = [time for time in times if time is not None]
    if start >= end or int(count) == 0 or int(first) > SIZE_LIMIT or int(count) > SIZE_LIMIT:
        raise MalformedNote("has a period or lines that cannot be")
    listed = _members(text[head.end() :])
    asked = Asked(start, end, asked_kinds)
    return Manifest(origin, request, asked, mode == "sample", int(first), int(count), when, listed), signed


def _members(text: str) -> tuple[Member, ...]:
    found: list[Member] = []
    before = ""
    for line in text.split("\n")[:-1]:
        match = _MEMBER.fullmatch(line)
        if match is None or match[3] <= before or match[3] == members.MANIFEST or int(match[2]) > members.LIMIT:
            raise MalformedNote(f"has a line that is no member, or one out of its order: {line[:120]!r}")
        before = match[3]
        found.append(Member(match[3], match[1], int(match[2])))
    return tuple(found)
