"""A record's header: one canonical JSON line. Pure; its grammar is `docs/reference/audit-format.md`, section "Header".

A header is written piece by piece in RFC 8785 order and read by one regular expression that accepts exactly what is
written, so that no two byte strings mean the same record.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from itertools import pairwise
from typing import NamedTuple

from audit.body import Body, BodyRef
from audit.canonical import NUMBER_LIMIT, string
from audit.errors import BadEntry

VERSION = 1
LINE_LIMIT = 65_536
"""Bytes of the longest line, its newline included."""
FIRST_PREV = "0" * 64
"""`prev` of record 0, which has none before it."""

DIRECTIONS = ("", "in", "out")

_KIND = re.compile(r"[a-z][a-z0-9._-]{0,63}")
_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Entry:
    """What the caller wants recorded; the log adds time, place in the chain and the body's digests.

    `n` is how many things the record stands for (points crossed, denials coalesced). `digests` names what was in force
    by SHA-256, hexadecimal: `config`, `contract`, `policy`, `table`. `dir` is "out" (towards SCADA), "in" (from it) or
    "".
    """

    kind: str
    session: str = ""
    peer: str = ""
    rule: str = ""
    decision: str = ""
    reason: str = ""
    n: int = 0
    digests: Mapping[str, str] = field(default_factory=dict)
    body: Body | None = None
    dir: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """The clocks at the moment of an entry: UTC and monotonic microseconds, which boot the latter counts from, and
    whether the system says that its UTC is synchronised (`synchronised`, `unsynchronised` or `unknown`)."""

    t: int
    mono_us: int
    boot: str
    clock: str


@dataclass(frozen=True, slots=True)
class Header:
    """One record as it stands in the log. Fields are named as in the line; `v` is always 1."""

    origin: str
    seq: int
    t: int
    mono_us: int
    boot: str
    clock: str
    kind: str
    dir: str
    session: str
    peer: str
    n: int
    rule: str
    decision: str
    reason: str
    digests: Mapping[str, str]
    body: BodyRef | None
    prev: str

    @property
    def reading(self) -> Reading:
        """The clocks at its submission."""
        return Reading(self.t, self.mono_us, self.boot, self.clock)


class Scanned(NamedTuple):
    """What the chain needs of a line that has the form of a header. A tuple: one is made for every line."""

    origin: str
    seq: int
    kind: str
    body: BodyRef | None
    prev: str
    t: int
    mono_us: int
    boot: bytes  # as JSON text, in its one spelling


@dataclass(frozen=True, slots=True)
class Newer:
    """A line of a later version of the format: it can be hashed, not read."""

    version: int


@dataclass(frozen=True, slots=True)
class Malformed:
    """A line that is no header: what is wrong with it."""

    what: str


def header(entry: Entry, reading: Reading, origin: str, seq: int, body: BodyRef | None, prev: str) -> Header:
    """The record that an entry becomes. BadEntry for what the format has no room for."""
    _check(entry)
    return Header(
        origin, seq, reading.t, reading.mono_us, reading.boot, reading.clock, entry.kind, entry.dir, entry.session,
        entry.peer, entry.n, entry.rule, entry.decision, entry.reason, entry.digests, body, prev,
    )  # fmt: skip


def _check(entry: Entry) -> None:
    if not _KIND.fullmatch(entry.kind):
        raise BadEntry(f"{entry.kind!r} cannot be a kind: a small letter, then up to 63 small letters, digits or . _ -")
    if entry.dir not in DIRECTIONS:
        raise BadEntry(f"dir {entry.dir!r} is not one of {', '.join(map(repr, DIRECTIONS))}")
    if type(entry.n) is not int or not 0 <= entry.n < NUMBER_LIMIT:
        raise BadEntry(f"n {entry.n!r} is not a whole number from 0 to 2^53 - 1")
    for name, digest in entry.digests.items():
        if not _KIND.fullmatch(name) or not _HEX.fullmatch(digest):
            raise BadEntry(f"digests[{name!r}] is not a SHA-256 in small hexadecimal digits under a small-letter name")


def encode(header: Header) -> bytes:
    """The line, without its newline. BadEntry when it is longer than a line may be."""
    body = header.body
    ref = f'"body":{{"len":{body.len},"root":"{body.root}","sha256":"{body.sha256}"}},' if body else ""
    digests = ",".join(f'"{name}":"{header.digests[name]}"' for name in sorted(header.digests))
    line = (
        f'{{{ref}"boot":{string(header.boot)},"clock":{string(header.clock)},"decision":{string(header.decision)},'
        f'"digests":{{{digests}}},"dir":"{header.dir}","kind":"{header.kind}","mono_us":{header.mono_us},"n":{header.n},'
        f'"origin":"{header.origin}","peer":{string(header.peer)},"prev":"{header.prev}","reason":{string(header.reason)},'
        f'"rule":{string(header.rule)},"seq":{header.seq},"session":{string(header.session)},"t":{header.t},"v":{VERSION}}}'
    ).encode()
    if len(line) >= LINE_LIMIT:
        raise BadEntry(
            f"the record is {len(line)} bytes; the most is {LINE_LIMIT - 1}: shorten its texts or use a body"
        )
    return line


def _grammar() -> re.Pattern[bytes]:
    """The one form of a version 1 line. Escapes as in RFC 8785: short where there are, else \\u00xx in small digits."""
    text = rb'"[^"\\\x00-\x1f]*(?:\\(?:["\\bfnrt]|u00(?:0[0-7bef]|1[0-9a-f]))[^"\\\x00-\x1f]*)*"'
    number, digest, name = rb"(?:0|[1-9][0-9]{0,15})", rb"[0-9a-f]{64}", rb"[a-z][a-z0-9._-]{0,63}"
    pair = rb'"%b":"%b"' % (name, digest)
    return re.compile(
        rb'\{(?:"body":\{"len":(?P<len>%(number)b),"root":"(?P<root>%(digest)b)","sha256":"(?P<sha256>%(digest)b)"\},)?'
        rb'"boot":(?P<boot>%(text)b),"clock":%(text)b,"decision":%(text)b,"digests":\{(?P<digests>(?:%(pair)b(?:,%(pair)b)*)?)\},'
        rb'"dir":"(?:in|out)?","kind":"(?P<kind>%(name)b)","mono_us":(?P<mono_us>%(number)b),"n":(?P<n>%(number)b),'
        rb'"origin":"(?P<origin>[A-Za-z0-9._/:-]{1,128})","peer":%(text)b,"prev":"(?P<prev>%(digest)b)","reason":%(text)b,'
        rb'"rule":%(text)b,"seq":(?P<seq>%(number)b),"session":%(text)b,"t":(?P<t>%(number)b),"v":1\}'
        % {b"text": text, b"number": number, b"digest": digest, b"name": name, b"pair": pair}
    )


_LINE = _grammar()
_NEWER = re.compile(rb'\{.*,"v":([2-9]|[1-9][0-9]{1,8})\}', re.DOTALL)
_LARGEST = b"%d" % (NUMBER_LIMIT - 1)
"""The grammar allows no more digits than this has; of as many digits, byte order is the order of numbers."""


def scan(line: bytes) -> Scanned | Newer | Malformed:
    """Read a line (without its newline) as far as the chain needs, accepting canonical lines only."""
    match = _LINE.fullmatch(line)
    if match is None:
        return _why_not(line)
    length, root, digest, boot, digests, kind, mono_us, n, origin, prev, seq, t = match.groups()
    if not line.isascii() and not _is_utf8(line):
        return Malformed("is not UTF-8")
    for number in (mono_us, n, seq, t) if length is None else (mono_us, n, seq, t, length):
        if len(number) == len(_LARGEST) and number > _LARGEST:
            return Malformed("holds a number of 2^53 or more")
    if not _ascending(digests):
        return Malformed("has digests out of order or twice")
    body = None if length is None else BodyRef(digest.decode(), int(length), root.decode())
    return Scanned(origin.decode(), int(seq), kind.decode(), body, prev.decode(), int(t), int(mono_us), boot)


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


@lru_cache(maxsize=64)
def _ascending(digests: bytes) -> bool:
    """Whether the names are in order. What is in force seldom changes, so the last answers are kept."""
    names = [pair.partition(b":")[0] for pair in digests.split(b",")]
    return all(first < second for first, second in pairwise(names))


def _why_not(line: bytes) -> Newer | Malformed:
    newer = _NEWER.fullmatch(line)
    if newer is not None:
        return Newer(int(newer[1]))
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return Malformed("is not JSON")
    if not isinstance(value, dict):
        return Malformed("is not a JSON object")
    return Malformed("is not a header in canonical form (RFC 8785, the fields of version 1, none more or less)")


def decode(line: bytes) -> Header:
    """The whole header of a line that `scan` accepted. ValueError for any other line."""
    scanned = scan(line)
    if not isinstance(scanned, Scanned):
        raise ValueError(f"not a version {VERSION} header: {scanned}")
    fields = json.loads(line)
    fields.pop("v")
    fields["body"] = scanned.body
    return Header(**fields)


def line_hash(line: bytes) -> bytes:
    """The RFC 6962 leaf hash of a line (without its newline), 32 bytes."""
    return sha256(b"\0" + line).digest()
