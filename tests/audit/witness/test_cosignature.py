"""Cosignatures against the specification's words and its worked example, and against every altered byte."""

from __future__ import annotations

import base64
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import BadKey
from audit.format import note
from audit.format.note import Note, Signature
from audit.witness import cosignature
from audit.witness.cosignature import LAST_TIME_S, Cosigned, Uncosigned, check, cosign, parse_wkey
from tests.audit.witness.stage import NAME, NOW_S, OTHER, WITNESS, wkey

# The example of c2sp.org/tlog-cosignature. Its keys are not published, so it shows how things are spelled, no more.
EXAMPLE = """\
example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""  # noqa: E501
TEXT = EXAMPLE.partition("\n\n")[0].encode() + b"\n"


def noted(*lines: Signature) -> Note:
    return Note(TEXT, lines)


def test_the_published_example_is_spelled_as_ours_are() -> None:
    line = note.parse(EXAMPLE.encode()).signatures[1]
    assert line.name == "witness.example.com/w1"
    assert line.key_id.hex() == "8d66cf3f"
    assert int.from_bytes(line.signature[:8], "big") == 1679315147  # the example's time
    ours = cosign(TEXT, line.name, WITNESS, 1679315147)
    assert len(ours.signature) == len(line.signature)
    assert ours.signature[:8] == line.signature[:8]
    message = b"cosignature/v1\ntime 1679315147\n" + TEXT  # the example's signed message
    Ed25519PublicKey.from_public_bytes(wkey().raw).verify(ours.signature[8:], message)


def test_a_witness_key_has_the_type_byte_of_cosignatures() -> None:
    key = wkey()
    assert str(key) == f"{NAME}+{key.key_id.hex()}+{base64.b64encode(bytes([4]) + key.raw).decode()}"
    assert key.key_id == sha256(NAME.encode() + b"\n\4" + key.raw).digest()[:4]
    assert parse_wkey(str(key)) == key


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not a witness's key"),
        ("a b+12345678+BAAA", "not a witness's key"),
        (f"{NAME}+12345678", "not a witness's key"),
        (f"{NAME}+12345678+!", "not the base64 of a witness's"),
        (f"{NAME}+12345678+BAAA", "not the base64 of a witness's"),
        (f"{NAME}+12345678+{base64.b64encode(bytes([1]) + wkey().raw).decode()}", "a log's key is another"),
        (str(wkey()).replace(NAME, f"{NAME}2"), "altered or mistyped"),
    ],
)
def test_what_is_no_witness_key_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(BadKey, match=words):
        parse_wkey(text)


def test_a_name_that_no_note_may_carry_is_refused() -> None:
    with pytest.raises(BadKey, match="cannot name a witness"):
        wkey(name="two words")


@given(st.integers(0, LAST_TIME_S))
def test_a_cosignature_tells_its_time(time_s: int) -> None:
    assert check(noted(cosign(TEXT, NAME, WITNESS, time_s)), [wkey()]) == Cosigned(wkey(), time_s)


@given(st.integers(0, 71), st.integers(0, 7))
def test_no_bit_of_it_can_be_another(at: int, bit: int) -> None:
    line = cosign(TEXT, NAME, WITNESS, NOW_S)
    altered = bytearray(line.signature)
    altered[at] ^= 1 << bit
    assert check(noted(Signature(NAME, line.key_id, bytes(altered))), [wkey()]) == Uncosigned(forged=True)


@pytest.mark.parametrize("cut", [b"", b"\0" * 8, b"\0" * 71, b"\0" * 73])
def test_a_cosignature_of_another_length_is_wrong(cut: bytes) -> None:
    assert check(noted(Signature(NAME, wkey().key_id, cut)), [wkey()]) == Uncosigned(forged=True)


def test_a_time_beyond_what_the_specification_allows_is_wrong() -> None:
    time_s = LAST_TIME_S + 1
    message = f"cosignature/v1\ntime {time_s}\n".encode() + TEXT
    signature = time_s.to_bytes(8, "big") + WITNESS.sign(message)
    assert wkey().time_of(signature, TEXT) is None


def test_another_text_is_not_cosigned() -> None:
    line = cosign(TEXT.replace(b"20852163", b"20852164"), NAME, WITNESS, NOW_S)
    assert check(noted(line), [wkey()]) == Uncosigned(forged=True)


def test_a_plain_signature_by_the_same_key_is_no_cosignature() -> None:
    plain = Signature(NAME, wkey().key_id, NOW_S.to_bytes(8, "big") + WITNESS.sign(TEXT))
    assert check(noted(plain), [wkey()]) == Uncosigned(forged=True)


def test_of_several_lines_the_latest_counts_and_strangers_do_not() -> None:
    lines = [cosign(TEXT, NAME, WITNESS, NOW_S + late) for late in (5, 9, 2)]
    stranger = cosign(TEXT, "else.example", OTHER, NOW_S + 100)
    assert check(noted(stranger, *lines), [wkey()]) == Cosigned(wkey(), NOW_S + 9)
    assert check(noted(stranger), [wkey()]) == Uncosigned(forged=False)


def test_one_wrong_line_spoils_the_right_one() -> None:
    right = cosign(TEXT, NAME, WITNESS, NOW_S)
    wrong = Signature(NAME, right.key_id, bytes(72))
    assert check(noted(right, wrong), [wkey()]) == Uncosigned(forged=True)


def test_two_witnesses_are_told_apart() -> None:
    second = wkey(OTHER, "compliance.example/w2")
    found = cosignature.check(noted(cosign(TEXT, second.name, OTHER, NOW_S)), [wkey(), second])
    assert found == Cosigned(second, NOW_S)


@pytest.mark.parametrize(
    ("time_s", "said"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (253_402_300_799, "9999-12-31T23:59:59Z"),
        (LAST_TIME_S, f"{LAST_TIME_S} s after 1970"),
    ],
)
def test_times_for_people(time_s: int, said: str) -> None:
    assert cosignature.utc(time_s) == said
