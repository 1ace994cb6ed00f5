"""A record's header: one canonical JSON line. Pure; its grammar is `docs/reference/audit-format.md`, section "Header".

A header is written piece by piece in RFC 8785 order and read by a grammar that accepts exactly what is written, so that
no two byte strings mean the same record.
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

from audit.errors import BadEntry
from audit.format.body import Body, BodyRef
from audit.format.canonical import NUMBER_LIMIT, string

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
class Timed:
    """An entry with the clocks of its submission."""

    entry: Entry
    reading: Reading


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
    n: int


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


_NUMBER = rb"(?:0|[1-9][0-9]{0,15})"
_DIGEST = rb"[0-9a-f]{64}"
_NAME = rb"[a-z][a-z0-9._-]{0,63}"
_TEXT = rb'"[^"\\\x00-\x1f]*(?:\\(?:["\\bfnrt]|u00(?:0[0-7bef]|1[0-9a-f]))[^"\\\x00-\x1f]*)*"'
"""One string: escapes as in RFC 8785, short where there are, else \\u00xx in small digits."""


def _grammar(pattern: bytes) -> re.Pattern[bytes]:
    """The one form of a piece of a line; `N` number, `D` digest, `I` name, `T` text, `P` the pairs of `digests`."""
    pair = b'"%b":"%b"' % (_NAME, _DIGEST)
    parts = {b"N": _NUMBER, b"D": _DIGEST, b"I": _NAME, b"T": _TEXT, b"P": b"(?:%b(?:,%b)*)?" % (pair, pair)}
    return re.compile(re.sub(rb"<([NDITP])>", lambda found: parts[found[1]], pattern))


_BODY = _grammar(rb'\{"body":\{"len":(<N>),"root":"(<D>)","sha256":"(<D>)"\},')
_BEGINNING = _grammar(
    rb'"boot":(<T>),"clock":<T>,"decision":<T>,"digests":\{(<P>)\},"dir":"(?:in|out)?","kind":"(<I>)"'
)
_PARTIES = _grammar(rb'(<N>),"origin":"([A-Za-z0-9._/:-]{1,128})","peer":<T>')
_REASONS = _grammar(rb'<T>,"rule":<T>')
_SESSION = _grammar(rb"<T>")
_NEWER = re.compile(rb'\{.*,"v":([2-9]|[1-9][0-9]{1,8})\}', re.DOTALL)
_LARGEST = b"%d" % (NUMBER_LIMIT - 1)
_MOST_DIGITS = len(_LARGEST)
_HEX_DIGITS = b"0123456789abcdef"
_SEEN = 128
"""Answers kept of each kind of piece. Most pieces of a line are those of a line not far before it."""


def scan(line: bytes) -> Scanned | Newer | Malformed:
    """Read a line (without its newline) as far as the chain needs, accepting canonical lines only.

    The line is cut at the names of the members whose values change from line to line, and every piece must be of its
    form. No name can be found too early: in a text every quotation mark has a backslash before it, and no digest is
    named `mono_us`. So a line is of the form if, and only if, all of its pieces are.
    """
    beginning, _, rest = line.partition(b',"mono_us":')
    mono_us, _, rest = rest.partition(b',"n":')
    parties, _, rest = rest.partition(b',"prev":"')
    prev, _, rest = rest.partition(b'","reason":')
    reasons, _, rest = rest.partition(b',"seq":')
    seq, _, rest = rest.partition(b',"session":')
    session, _, rest = rest.partition(b',"t":')
    t, end, rest = rest.partition(b',"v":1}')
    ref, beginning = _ref(beginning)
    first, who = _first(beginning), _who(parties)
    if first is None or who is None or not _is_reasons(reasons) or not _is_session(session) or rest or not end:
        return _why_not(line)
    if not (_is_number(mono_us) and _is_number(seq) and _is_number(t)) or not _is_digest(prev):
        return _why_not(line)
    boot, kind = first
    n, origin = who
    # Not by `Scanned(...)`, which takes three times as long: this is done for every line.
    return tuple.__new__(Scanned, (origin, int(seq), kind, ref, prev.decode(), int(t), int(mono_us), boot, n))


def _ref(beginning: bytes) -> tuple[BodyRef | None, bytes]:
    """What a line's beginning says of a body, and what follows that: from `"boot":` on if all is well."""
    if beginning.startswith(b'{"boot"'):
        return None, beginning[1:]
    match = _BODY.match(beginning)
    if match is None or not _is_number(match[1]):
        return None, b""
    return BodyRef(match[3].decode(), int(match[1]), match[2].decode()), beginning[match.end() :]


def _is_number(digits: bytes) -> bool:
    """Below 2^53, without leading zeros; of as many digits as the largest has, byte order is the order of numbers."""
    if not digits.isdigit() or (digits < b"1" and digits != b"0"):
        return False
    return len(digits) < _MOST_DIGITS or (len(digits) == _MOST_DIGITS and digits <= _LARGEST)


def _is_digest(text: bytes) -> bool:
    return len(text) == 64 and not text.translate(None, _HEX_DIGITS)


@lru_cache(_SEEN)
def _first(piece: bytes) -> tuple[bytes, str] | None:
    """`boot` as JSON text, and `kind`."""
    match = _BEGINNING.fullmatch(piece)
    if match is None or not _ascending(match[2]) or not _is_utf8(piece):
        return None
    return match[1], match[3].decode()


@lru_cache(_SEEN)
def _who(piece: bytes) -> tuple[int, str] | None:
    """`n` and `origin`."""
    match = _PARTIES.fullmatch(piece)
    return (int(match[1]), match[2].decode()) if match and _is_number(match[1]) and _is_utf8(piece) else None


@lru_cache(_SEEN)
def _is_reasons(piece: bytes) -> bool:
    return _REASONS.fullmatch(piece) is not None and _is_utf8(piece)


@lru_cache(_SEEN)
def _is_session(piece: bytes) -> bool:
    return _SESSION.fullmatch(piece) is not None and _is_utf8(piece)


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _ascending(digests: bytes) -> bool:
    """Whether the names are in order, and none is there twice."""
    names = [pair.partition(b":")[0] for pair in digests.split(b",")]
    return all(first < second for first, second in pairwise(names))


_DIGESTS = _grammar(rb'"digests":\{(<P>)\}')


def _why_not(line: bytes) -> Newer | Malformed:
    newer = _NEWER.fullmatch(line)
    if newer is not None:
        return Newer(int(newer[1]))
    if not _is_utf8(line):
        return Malformed("is not UTF-8")
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return Malformed("is not JSON")
    if not isinstance(value, dict):
        return Malformed("is not a JSON object")
    body = value.get("body")
    numbers = (*value.values(), *(body.values() if isinstance(body, dict) else ()))
    if any(isinstance(number, int) and number >= NUMBER_LIMIT for number in numbers):
        return Malformed("holds a number of 2^53 or more")
    digests = _DIGESTS.search(line)
    if digests is not None and not _ascending(digests[1]):
        return Malformed("has digests out of order or twice")
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
