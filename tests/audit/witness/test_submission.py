"""What a log makes of every answer that a witness, or something in its place, may give."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.format import note as notes
from audit.format.note import Signature, signature_line
from audit.witness import submission
from audit.witness.cosignature import WitnessKey, cosign
from audit.witness.coverage import Witnessed
from audit.witness.submission import Accepted, Alarm, Answer, Elsewhere, Sent, Trouble, outrun, read
from tests.audit.witness.stage import NAME, NOW_S, OTHER, WITNESS, leaves, signed, tip, wkey

HELD = leaves(8)
SENT = Sent(3, tip(HELD), signed(HELD))
TEXT = notes.parse(SENT.signed).text


def line(witness: str = NAME, late_s: int = 0) -> bytes:
    key = WITNESS if witness == NAME else OTHER
    return signature_line(cosign(TEXT, witness, key, NOW_S + late_s))


def heard(status: int, body: bytes = b"", kind: str = "text/plain", sent: Sent = SENT) -> object:
    return read(Answer(status, kind, body), sent, [wkey()])


def test_a_cosignature_is_put_behind_the_logs_own() -> None:
    said = heard(200, line())
    assert said == Accepted(SENT.signed + line(), Witnessed(tip(HELD), NOW_S, wkey()))


def test_lines_of_strangers_are_left_out_and_an_older_one_of_the_witness_is_replaced() -> None:
    sent = Sent(3, tip(HELD), SENT.signed + line())
    said = read(Answer(200, "", line("else.example/w") + line(late_s=60)), sent, [wkey()])
    assert isinstance(said, Accepted)
    assert said.note == SENT.signed + line() + line(late_s=60)
    assert said.seen.time_s == NOW_S + 60


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "without a cosignature by the key"),
        (line("else.example/w"), "without a cosignature by the key"),
        (b"<html>", "answer is not text"),
        (b"\xff\n", "answer is not UTF-8"),
        (signature_line(Signature(NAME, wkey().key_id, bytes(72))), "cosignature is wrong"),
        (line() + signature_line(Signature(NAME, wkey().key_id, bytes(72))), "cosignature is wrong"),
        (b"x\n\n" + line(), "more than signature lines"),
    ],
)
def test_a_yes_that_is_none_is_trouble(body: bytes, words: str) -> None:
    said = heard(200, body)
    assert isinstance(said, Trouble)
    assert words in said.why


def test_a_cosignature_of_something_else_is_not_taken() -> None:
    other = signature_line(cosign(TEXT.replace(b"\n8\n", b"\n9\n"), NAME, WITNESS, NOW_S))
    assert isinstance(heard(200, other), Trouble)


@pytest.mark.parametrize("size", [0, 2, 4, 8, 9, 10**15])
def test_another_size_is_where_to_begin(size: int) -> None:
    assert heard(409, b"%d\n" % size, submission.SIZE_KIND) == Elsewhere(size)


def test_our_own_size_refused_is_an_alarm() -> None:
    said = heard(409, b"8\n", submission.SIZE_KIND, Sent(8, tip(HELD), SENT.signed))
    assert isinstance(said, Alarm)
    assert "another log of 8 records" in said.why


def test_the_old_size_that_was_sent_makes_no_sense() -> None:
    assert isinstance(heard(409, b"3\n", submission.SIZE_KIND), Trouble)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/plain", b"5\n"),
        (submission.SIZE_KIND, b""),
        (submission.SIZE_KIND, b"5"),
        (submission.SIZE_KIND, b"05\n"),
        (submission.SIZE_KIND, b"-5\n"),
        (submission.SIZE_KIND, b"5\n5\n"),
        (submission.SIZE_KIND, b"99999999999999999\n"),
    ],
)
def test_a_conflict_without_a_size_is_trouble(kind: str, body: bytes) -> None:
    assert isinstance(heard(409, body, kind), Trouble)


def test_a_proof_that_is_refused_is_an_alarm() -> None:
    said = heard(422)
    assert isinstance(said, Alarm)
    assert "does not continue the one of 3" in said.why


@pytest.mark.parametrize(
    ("status", "words"),
    [(404, "does not know"), (403, "another key"), (400, "answered 400"), (503, "'busy'"), (302, "3")],
)
def test_everything_else_is_trouble_and_says_what_to_do(status: int, words: str) -> None:
    said = heard(status, b"busy\n")
    assert isinstance(said, Trouble)
    assert words in said.why


def test_a_witness_that_has_more_is_an_alarm() -> None:
    assert outrun(8, tip(HELD)) is None
    alarm = outrun(9, tip(HELD))
    assert alarm is not None
    assert "has cosigned 9 records and the log has 8" in alarm.why


@given(st.integers(100, 599), st.sampled_from(["", submission.SIZE_KIND]), st.binary(max_size=200))
def test_whatever_is_answered_no_cosignature_is_made_up(status: int, kind: str, body: bytes) -> None:
    assert not isinstance(heard(status, body, kind), Accepted)


def test_several_witness_keys_may_be_configured() -> None:
    keys: list[WitnessKey] = [wkey(OTHER, "w2"), wkey()]
    said = read(Answer(200, "", line()), SENT, keys)
    assert isinstance(said, Accepted)
    assert said.seen.key == wkey()
