"""How a log grows: the same records whatever the batches, segments cut where they must be."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import BadEntry
from audit.format import record, tree
from audit.format.body import Body
from audit.format.record import Entry, Reading, Timed
from audit.log import chain
from audit.log.chain import Extension, Piece, Position, Prepared, Walk

LINES = 4
ORIGIN = "example.com/x"


def prepared(number: int) -> Prepared:
    body = Body({"raw": [number]}) if number % 3 == 0 else None
    timed = Timed(Entry("x", n=number, body=body), Reading(number, number, "b", "c"))
    return chain.prepare(timed, lambda: bytes(32))


def extended(position: Position, first: int, count: int) -> Extension:
    return chain.extend(ORIGIN, position, [prepared(number) for number in range(first, first + count)], LINES)


@given(st.lists(st.integers(1, 11), min_size=1, max_size=6))
def test_batches_do_not_matter(batches: list[int]) -> None:
    total = sum(batches)
    whole = extended(Position(), 0, total)
    position, parts, first = Position(), [], 0
    for count in batches:
        parts.append(extended(position, first, count))
        position, first = parts[-1].after, first + count
    assert chain.joined(parts) == whole


@given(st.integers(1, 30))
def test_the_chain_is_the_tree(count: int) -> None:
    """prev of each record is the leaf hash of the one before, and the root is over the same hashes."""
    whole = extended(Position(), 0, count)
    lines = b"".join(piece.headers for piece in whole.pieces).split(b"\n")[:-1]
    prev, leaves = record.FIRST_PREV, []
    for seq, line in enumerate(lines):
        header = record.decode(line)
        assert (header.seq, header.prev, header.n) == (seq, prev, seq)
        leaves.append(sha256(b"\0" + line).digest())
        prev = leaves[-1].hex()
    assert (whole.after.size, whole.after.prev, whole.after.root()) == (count, prev, tree.root_of(leaves))


@given(st.integers(1, 30))
def test_pieces_are_where_they_belong(count: int) -> None:
    whole = extended(Position(), 0, count)
    assert [piece.segment for piece in whole.pieces] == list(range((count + LINES - 1) // LINES))
    assert all(piece.header_at == piece.body_at == 0 for piece in whole.pieces)
    assert all(piece.headers.count(b"\n") == LINES for piece in whole.pieces[:-1])
    last = whole.pieces[-1]
    open_ends = (0, 0) if count % LINES == 0 else (len(last.headers), len(last.bodies))
    assert (whole.after.header_end, whole.after.body_end) == open_ends


@given(st.integers(0, 30))
def test_walking_finds_the_same_end(count: int) -> None:
    whole = extended(Position(), 0, count)
    lines = b"".join(piece.headers for piece in whole.pieces).split(b"\n")[:-1]
    for begun in (0, count // 2):
        walk = Walk(extended(Position(), 0, begun).after, LINES)
        for line in lines[begun:]:
            assert walk.take(line) is None
        assert walk.position() == whole.after


def test_walking_stops_at_what_does_not_follow() -> None:
    lines = extended(Position(), 0, 3).pieces[0].headers.split(b"\n")
    assert Walk(Position(), LINES).take(b"") == "record 0 cannot be read: it is missing"
    assert Walk(Position(), LINES).take(b"{}") == (
        "record 0 is not a header in canonical form (RFC 8785, the fields of version 1, none more or less)"
    )
    assert (
        Walk(Position(), LINES).take(lines[0].replace(b'"v":1', b'"v":2'))
        == "record 0 is of a later version, 2, of the format"
    )
    assert Walk(Position(), LINES).take(lines[1]) == "record 0 does not follow the one before it"
    walk = Walk(Position(), LINES)
    assert walk.take(lines[0].replace(b'"n":0', b'"n":1')) is None
    assert walk.take(lines[1]) == "record 1 does not follow the one before it"


def test_a_bad_entry_makes_no_extension() -> None:
    good, bad = prepared(1), Prepared(Timed(Entry("Not a kind"), Reading(1, 1, "b", "c")), b"", None)
    with pytest.raises(BadEntry):
        chain.extend(ORIGIN, Position(), [good, bad], LINES)


def test_an_empty_batch_adds_nothing() -> None:
    assert chain.extend(ORIGIN, Position(), [], LINES) == Extension((), Position())


def test_pieces_of_one_segment_join() -> None:
    first = extended(Position(), 0, 2)
    second = extended(first.after, 2, 3)
    joined = chain.joined([first, second])
    assert joined.pieces[0] == Piece(
        0, 0, first.pieces[0].headers + second.pieces[0].headers, 0, first.pieces[0].bodies + second.pieces[0].bodies
    )
    assert joined.after == second.after
