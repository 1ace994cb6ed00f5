"""Who stands for something: only those whom the ring knows, whatever else was written under it."""

from __future__ import annotations

import pytest
from case_log import MADE
from persons import RING, key_of, person

from audit.approval import Ring
from audit.evidence.signers import NotSigned, signers
from audit.format import note
from audit.format.note import Note, Signature, verifier_key

TEXT = b"something\n"


def line(name: str, over: bytes = TEXT) -> Signature:
    return Signature(name, verifier_key(name, key_of(name).public_key()).key_id, key_of(name).sign(over))


def signed(*lines: Signature) -> Note:
    return note.parse(TEXT + b"\n" + b"".join(map(note.signature_line, lines)))


JUNK = Signature("ben", bytes(4), b"junk" * 16)
"""Whoever has a note can add a line of a name of the ring and of a key that is not in it."""


def test_only_those_of_the_ring_are_named() -> None:
    assert signers(signed(JUNK, line("ana")), MADE, RING) == ("ana",)
    assert signers(signed(JUNK, line("ana")), MADE, None) == ("ben", "ana")
    assert signers(signed(line("mallory"), line("cy"), line("ana"), line("cy")), MADE, RING) == ("cy", "ana")


def test_nobody_of_the_ring() -> None:
    assert signers(signed(JUNK, line("mallory")), MADE, RING) == NotSigned("nobody of the ring has signed it")


def test_one_wrong_line_spoils_it() -> None:
    found = signers(signed(line("ana"), line("cy", b"something else\n")), MADE, RING)
    assert found == NotSigned("the signature of cy is wrong")


@pytest.mark.parametrize("late", [person("cy", revoked=MADE), person("cy", end=MADE), person("cy", start=MADE + 1)])
def test_who_was_not_valid_then_is_not_named(late: object) -> None:
    ring = Ring((person("ana"), late))  # type: ignore[arg-type]
    assert signers(signed(line("cy"), line("ana")), MADE, ring) == ("ana",)
    assert signers(signed(line("cy")), MADE, ring) == NotSigned("cy, who signed it, was not valid when it was made")
