"""Header lines: written in one spelling, and read in that one only."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from audit.errors import BadEntry
from audit.format import record
from audit.format.body import BodyRef
from audit.format.canonical import NUMBER_LIMIT
from audit.format.record import Entry, Malformed, Newer, Reading, Scanned

READING = Reading(1_760_000_000_000_000, 5_000_000, "boot-1", "synchronised")
REF = BodyRef("ab" * 32, 158, "cd" * 32)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
names = st.from_regex(r"[a-z][a-z0-9._-]{0,12}", fullmatch=True)
numbers = st.integers(0, NUMBER_LIMIT - 1)
digests = st.dictionaries(names, st.binary(min_size=32, max_size=32).map(bytes.hex), max_size=4)
entries = st.builds(
    Entry, kind=names, session=texts, peer=texts, rule=texts, decision=texts, reason=texts, n=numbers, digests=digests,
    dir=st.sampled_from(record.DIRECTIONS),
)  # fmt: skip
readings = st.builds(Reading, t=numbers, mono_us=numbers, boot=texts, clock=texts)
refs = st.none() | st.builds(
    BodyRef,
    sha256=st.binary(min_size=32, max_size=32).map(bytes.hex),
    len=numbers,
    root=st.binary(min_size=32, max_size=32).map(bytes.hex),
)


def line(**changes: object) -> bytes:
    made = record.header(
        Entry("crossing.out", digests={"policy": "ab" * 32}), READING, "example.com/x", 7, REF, "ef" * 32
    )
    return record.encode(replace(made, **changes))  # type: ignore[arg-type]


@given(entries, readings, numbers, refs)
def test_round_trip(entry: Entry, reading: Reading, seq: int, ref: BodyRef | None) -> None:
    made = record.header(entry, reading, "example.com/x", seq, ref, "ef" * 32)
    written = record.encode(made)
    scanned = record.scan(written)
    assert isinstance(scanned, Scanned)
    assert scanned[:-2] == ("example.com/x", seq, entry.kind, ref, "ef" * 32, reading.t, reading.mono_us)
    assert (json.loads(scanned.boot), scanned.n) == (reading.boot, entry.n)
    assert record.decode(written) == made


@given(entries, readings, refs)
def test_lines_are_rfc_8785(entry: Entry, reading: Reading, ref: BodyRef | None) -> None:
    """Against the standard library: sorted names, no spaces, nothing escaped that need not be."""
    made = record.header(entry, reading, "example.com/x", 7, ref, "ef" * 32)
    fields = asdict(made) | {"v": 1}
    if ref is None:
        del fields["body"]
    assert record.encode(made).decode() == json.dumps(fields, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


@pytest.mark.parametrize(
    "text", [f',"{name}":' for name in ("mono_us", "n", "prev", "reason", "seq", "session", "t", "v")]
)
def test_texts_that_look_like_the_next_member(text: str) -> None:
    """A line is cut at its members' names; those in a text are none."""
    every = dict.fromkeys(("boot", "clock", "decision", "peer", "reason", "rule", "session"), text)
    found = record.scan(line(**every))
    assert isinstance(found, Scanned)
    assert (found.seq, json.loads(found.boot)) == (7, text)
    assert record.decode(line(**every)).rule == text


@given(st.data())
@example(None)
def test_no_other_spelling_is_read(data: st.DataObject | None) -> None:
    """Whatever bytes `scan` accepts are the ones that `encode` writes: checked from the bytes' side."""
    good = line(reason='\n\u001f"é')
    if data is not None:
        at = data.draw(st.integers(0, len(good) - 1))
        change = data.draw(st.binary(max_size=3))
        good = good[:at] + change + good[at + data.draw(st.integers(0, 2)) :]
    if isinstance(record.scan(good), Scanned):
        assert record.encode(record.decode(good)) == good


@pytest.mark.parametrize(
    ("pattern", "replacement", "why"),
    [
        (r'"v":1', '"v": 1', "canonical"),
        (r'"v":1', '"v":1.0', "canonical"),
        (r'"seq":7', '"seq":7.0', "canonical"),
        (r'"seq":7', '"seq":07', "is not JSON"),
        (r'"seq":7', '"seq":-7', "canonical"),
        (r'"seq":7', '"seq":7e0', "canonical"),
        (r'"seq":7', '"seq":9007199254740992', "holds a number of 2^53 or more"),
        (r'"len":158', '"len":9007199254740992', "holds a number of 2^53 or more"),
        (r'"seq":7', '"seq":"7"', "canonical"),
        (r'"reason":""', '"reason":"\\u0041"', "canonical"),
        (r'"reason":""', '"reason":"\\u000a"', "canonical"),
        (r'"reason":""', '"reason":"\\u001F"', "canonical"),
        (r'"reason":""', '"reason":"\\/"', "canonical"),
        (r'"reason":""', '"reason":null', "canonical"),
        (r'"reason":""', '"reason":"","reason":""', "canonical"),
        (r'"reason":"",', "", "canonical"),
        (r'"dir":""', '"dir":"up"', "canonical"),
        (r'"v":1', '"v":1,"w":1', "canonical"),
        (r'"v":1\}', '"v":1}\r', "canonical"),
        (r'"kind":"c', '"kind":"C', "canonical"),
        (r'"policy":"ab', '"policy":"AB', "canonical"),
        (r'"policy":', '"Policy":', "canonical"),
        (r'"policy":', '"a":"%s","a":' % ("ab" * 32), "out of order or twice"),
        (r'"policy":', '"z":"%s","policy":' % ("ab" * 32), "out of order or twice"),
        (r'\{"body":.*', "[]", "is not a JSON object"),
        (r'\{"body":.*', "", "is not JSON"),
        (r'\{"body":.*', "[" * 100_000, "is not JSON"),
    ],
)  # fmt: skip
def test_other_spellings_of_a_record(pattern: str, replacement: str, why: str) -> None:
    altered = re.sub(pattern, lambda _: replacement, line().decode(), count=1).encode()
    assert altered != line()
    found = record.scan(altered)
    assert isinstance(found, Malformed)
    assert why in found.what
    with pytest.raises(ValueError, match="not a version 1 header"):
        record.decode(altered)


def test_bytes_that_are_no_text() -> None:
    assert record.scan(line().replace(b'"reason":""', b'"reason":"\xff"')) == Malformed("is not UTF-8")


@pytest.mark.parametrize("version", [2, 9, 10, 123456789])
def test_lines_of_a_later_version_are_known_as_such(version: int) -> None:
    later = line().replace(b'"v":1}', b'"v":%d}' % version)
    assert record.scan(later) == Newer(version)
    assert record.scan(b'{"anything":[],"v":%d}' % version) == Newer(version)


@pytest.mark.parametrize("version", [b"0", b"01", b"2.0", b"-2", b"1234567890", b'"2"'])
def test_other_versions_are_malformed(version: bytes) -> None:
    assert isinstance(record.scan(line().replace(b'"v":1}', b'"v":%b}' % version)), Malformed)


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (Entry(""), "cannot be a kind"),
        (Entry("Crossing"), "cannot be a kind"),
        (Entry("a" * 65), "cannot be a kind"),
        (Entry("x", dir="up"), "dir 'up' is not one of"),
        (Entry("x", n=-1), "n -1 is not a whole number"),
        (Entry("x", n=True), "n True is not a whole number"),
        (Entry("x", n=NUMBER_LIMIT), "is not a whole number"),
        (Entry("x", digests={"policy": "AB" * 32}), "digests\\['policy'\\] is not a SHA-256"),
        (Entry("x", digests={"Policy": "ab" * 32}), "digests\\['Policy'\\] is not a SHA-256"),
        (Entry("x", reason="\udcff"), "half a surrogate pair"),
        (Entry("x", reason="a" * 66_000), "the most is 65535"),
    ],
)
def test_entries_that_cannot_be_records(entry: Entry, why: str) -> None:
    with pytest.raises(BadEntry, match=why):
        record.encode(record.header(entry, READING, "example.com/x", 7, None, "ef" * 32))


def test_the_longest_line() -> None:
    empty = len(line())
    longest = line(reason="a" * (record.LINE_LIMIT - 1 - empty))
    assert len(longest) == record.LINE_LIMIT - 1
    assert isinstance(record.scan(longest), Scanned)
