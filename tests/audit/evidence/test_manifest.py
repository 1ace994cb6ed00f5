"""The manifest as text: what is written is read again, and nothing else is."""

from __future__ import annotations

import string
from typing import Any

import pytest
from case_log import FROM, MADE, ORIGIN, TO
from hypothesis import given
from hypothesis import strategies as st
from persons import at, key_of

from audit.approval import written
from audit.evidence import manifest
from audit.evidence.manifest import Manifest, Member
from audit.evidence.members import LIMIT, NAME
from audit.evidence.request import Asked
from audit.format import note
from audit.format.checkpoint import SIZE_LIMIT
from audit.format.note import MalformedNote

MEMBERS = (Member("a", "00" * 32, 0), Member("b/c", "ab" * 32, LIMIT))
TOLD = Manifest(ORIGIN, "RFI-7", Asked(FROM, TO, ("denied", "log.*")), False, 0, 1, MADE, MEMBERS)

_parts = st.text(string.ascii_letters + string.digits + "._-", min_size=1).filter(lambda part: part not in (".", ".."))
_names = st.lists(_parts, min_size=1, max_size=3).map("/".join).filter(lambda name: name != "manifest")
_seconds = st.integers(0, at("2999-12-31T23:59:59Z") // 10**6).map(lambda second: second * 10**6)
_kinds = st.lists(st.from_regex(r"[a-z][a-z0-9._-]{0,63}\*?", fullmatch=True), min_size=1, unique=True)


@st.composite
def manifests(draw: Any) -> Manifest:
    since, until = sorted(draw(st.lists(_seconds, min_size=2, max_size=2, unique=True)))
    kinds = draw(st.one_of(st.just(("*",)), _kinds.map(lambda kinds: tuple(sorted(kinds)))))
    names = sorted(draw(st.lists(_names, unique=True, max_size=4)))
    members = tuple(Member(name, "0f" * 32, draw(st.integers(0, LIMIT))) for name in names)
    first, count = draw(st.integers(0, SIZE_LIMIT)), draw(st.integers(1, SIZE_LIMIT))
    return Manifest(ORIGIN, "-", Asked(since, until, kinds), draw(st.booleans()), first, count, draw(_seconds), members)


def signed(told: Manifest) -> bytes:
    return note.sign(str(told).encode(), "ana", key_of("ana"))


@given(manifests())
def test_what_is_written_is_read_again(told: Manifest) -> None:
    read, by = manifest.parse(signed(told))
    assert read == told
    assert by.text == str(told).encode()


def test_its_text() -> None:
    assert str(TOLD) == (
        f"derms.evidence/1\n{ORIGIN}\nRFI-7\n{written(FROM)} {written(TO)}\ndenied,log.*\n"
        f"complete 0 1\n{written(MADE)}\n"
        f"{'00' * 32} 0 a\n{'ab' * 32} {LIMIT} b/c\n"
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("evidence/1", "evidence/2"),
        ("complete 0 1", "complete 0 0"),
        ("complete 0 1", f"complete {SIZE_LIMIT + 1} 1"),
        ("denied,log.*", "log.*,denied"),
        (written(TO), written(FROM)),
        (written(MADE), "2026-02-30T00:00:00Z"),
        (" a\n", " c\n"),
        (" a\n", " a\n\n"),
        (f"{LIMIT}", f"{LIMIT + 1}"),
    ],
)
def test_no_other_text_is_a_manifest(old: str, new: str) -> None:
    text = str(TOLD)
    assert old in text
    with pytest.raises(MalformedNote):
        manifest.parse(note.sign(text.replace(old, new, 1).encode(), "ana", key_of("ana")))


def test_it_may_be_longer_than_another_note() -> None:
    members = tuple(Member(f"documents/{number:064x}", f"{number:064x}", 1) for number in range(1000))
    told = Manifest(ORIGIN, "-", Asked(FROM, TO), False, 0, 1, MADE, members)
    assert len(signed(told)) > note.NOTE_LIMIT
    assert manifest.parse(signed(told))[0] == told


@pytest.mark.parametrize("name", ["a", "a/b", "..a", "a..", "...", "VERIFY.txt", "a/..b/c"])
def test_names_that_a_member_may_have(name: str) -> None:
    assert NAME.fullmatch(name)


@pytest.mark.parametrize("name", ["", "/", "a/", "/a", "a//b", ".", "..", "a/../b", "./a", "a/.", "a b", "é", "a\n"])
def test_names_that_none_may_have(name: str) -> None:
    assert not NAME.fullmatch(name)
