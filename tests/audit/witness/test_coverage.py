"""How far a witness vouches: what is covered, what is not yet, and what cannot both be true."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.format import tree
from audit.format.note import parse, signature_line
from audit.witness import Contradicted, Coverage, NotWitnessed, Witnessed, cosigned, witnessed
from audit.witness.cosignature import cosign
from tests.audit.witness.stage import NAME, NOW_S, OTHER, WITNESS, forked, leaves, signed, tip, wkey


def cosigned_note(count: int, name: str = NAME) -> bytes:
    note = signed(leaves(count))
    key = WITNESS if name == NAME else OTHER
    return note + signature_line(cosign(parse(note).text, name, key, NOW_S))


def test_a_cosigned_checkpoint_is_read() -> None:
    assert witnessed(cosigned_note(8), [wkey()]) == Witnessed(tip(leaves(8)), NOW_S, wkey())


def test_a_checkpoint_that_nobody_asked_for_has_cosigned() -> None:
    found = witnessed(cosigned_note(8, "else.example"), [wkey()])
    assert isinstance(found, NotWitnessed)
    assert "else.example+" in found.why


@pytest.mark.parametrize(
    "data", [b"", cosigned_note(8)[:-1], cosigned_note(8).replace(b"\n8\n", b"\n9\n"), b"\xff" * 70_000]
)
def test_an_altered_one_is_a_contradiction(data: bytes) -> None:
    assert isinstance(witnessed(data, [wkey()]), Contradicted)


def seen(count: int) -> Witnessed:
    found = witnessed(cosigned_note(count), [wkey()])
    assert isinstance(found, Witnessed)
    return found


@given(st.integers(0, 30), st.integers(0, 30))
def test_what_is_covered_and_what_is_not_yet(size: int, more: int) -> None:
    held = leaves(size + more)
    assert cosigned(seen(size), tip(held), tree.root_of(held[:size])) == Coverage(NAME, size, NOW_S, more)


@pytest.mark.parametrize("size", [0, 7])
def test_a_log_that_was_rolled_back(size: int) -> None:
    found = cosigned(seen(8), tip(leaves(size)), None)
    assert isinstance(found, Contradicted)
    assert f"has cosigned 8 records and the log's checkpoint covers {size}" in found.what


@pytest.mark.parametrize("size", [8, 20])
def test_a_log_that_was_written_anew(size: int) -> None:
    held = forked(size, at=6)
    found = cosigned(seen(8), tip(held), tree.root_of(held[:8]))
    assert isinstance(found, Contradicted)
    assert "the first 8 records are not those" in found.what


def test_another_log() -> None:
    found = cosigned(seen(8), tip(leaves(8), "example.com/gateway-2"), tree.root_of(leaves(8)))
    assert isinstance(found, Contradicted)
    assert "of another log" in found.what
