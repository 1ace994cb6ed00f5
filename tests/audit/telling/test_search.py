"""Which records are wanted: the sieve over bytes turns nothing away that the question takes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from audit.format.record import Entry, Header, Reading, encode, header
from audit.telling.search import Values, Wanted

TEXTS = st.sampled_from(["", "a", "b", 'say "a"', "São\n", "a,b", "Straße", "\\"])
ASKED = st.none() | TEXTS
TIMES = st.integers(0, 3)


@st.composite
def records(draw: st.DrawFn) -> Header:
    texts = {name: draw(TEXTS) for name in ("session", "peer", "rule", "decision", "reason")}
    entry = Entry(draw(st.sampled_from(["log.open", "log.close", "denied"])), **texts)
    return header(entry, Reading(draw(TIMES), 0, "boot", "unknown"), "o", draw(TIMES), None, "0" * 64)


@st.composite
def questions(draw: st.DrawFn) -> Wanted:
    kinds = draw(st.lists(st.sampled_from(["log.*", "log.open", "denied", "den"]), max_size=2))
    asked = {name: draw(ASKED) for name in ("session", "peer", "decision", "rule", "text")}
    return Wanted(
        tuple(kinds), **asked, since=draw(st.none() | TIMES), until=draw(st.none() | TIMES), first=draw(TIMES)
    )


@given(records(), questions())
def test_the_sieve_lets_through_whatever_is_taken(said: Header, asked: Wanted) -> None:
    line = encode(said)
    if asked.takes(said):
        assert asked.may_take(line, asked.spelling())


@given(records(), st.sampled_from(["session", "peer", "decision"]), TEXTS)
def test_the_sieve_is_exact_for_exact_questions(said: Header, member: str, text: str) -> None:
    asked = Wanted(**{member: text})
    assert asked.may_take(encode(said), asked.spelling()) == (getattr(said, member) == text) == asked.takes(said)


def test_a_column_of_one_value_has_it_in_every_row() -> None:
    columns = {"point": ["P", "Q", "P"], "raw": [1, 2, 3], "quality": [1], "rule": ["x", ""]}
    assert Values(point="P").rows(columns) == [
        {"point": "P", "raw": 1, "quality": 1, "rule": "x"},
        {"point": "P", "raw": 3, "quality": 1, "rule": None},
    ]
    assert Values(point="P", rule="x").rows(columns) == [{"point": "P", "raw": 1, "quality": 1, "rule": "x"}]
    assert Values(point="R").rows(columns) is None
    assert Values(command="c").rows(columns) is None
    assert Values(rule="x").rows({"point": ["P"]}) == []
