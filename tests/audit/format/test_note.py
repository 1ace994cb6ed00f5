"""Signed notes: C2SP's own example, strictness, and what a key ignores."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import BadKey
from audit.format import note
from audit.format.note import MalformedNote, Note, Signature, Signed, Unsigned, VerifierKey

# golang.org/x/mod/sumdb/note publishes this key and note in its documentation.
PETER_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
).encode()
TEXT = b"one\ntwo\n"


def test_a_published_note_verifies_with_its_published_key() -> None:
    key = note.parse_vkey(PETER_KEY)
    assert note.check(note.parse(PETER_NOTE), [key]) == Signed(key)
    assert str(key) == PETER_KEY


def test_sign_and_check(key: Ed25519PrivateKey, public: VerifierKey) -> None:
    parsed = note.parse(note.sign(TEXT, public.name, key))
    assert parsed.text == TEXT
    assert note.check(parsed, [public]) == Signed(public)
    assert note.parse_vkey(str(public)) == public


@given(st.data())
def test_any_flipped_bit_spoils_a_note(data: st.DataObject) -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    public = note.verifier_key("example.com/x", key.public_key())
    signed = bytearray(note.sign(TEXT, public.name, key))
    at = data.draw(st.integers(0, len(signed) - 1))
    signed[at] ^= 1 << data.draw(st.integers(0, 7))
    try:
        verdict = note.check(note.parse(bytes(signed)), [public])
    except MalformedNote:
        return
    assert isinstance(verdict, Unsigned)


def test_unknown_signers_are_ignored(key: Ed25519PrivateKey, public: VerifierKey) -> None:
    stranger = Ed25519PrivateKey.from_private_bytes(bytes(32))
    both = note.sign(TEXT, public.name, key) + note.signature_line(
        Signature("witness.example/w1", b"\1\2\3\4", stranger.sign(TEXT))
    )
    assert note.check(note.parse(both), [public]) == Signed(public)
    assert note.check(note.parse(both), []) == Unsigned(forged=False)


def test_a_wrong_signature_under_a_known_name_spoils_the_note(key: Ed25519PrivateKey, public: VerifierKey) -> None:
    good = note.parse(note.sign(TEXT, public.name, key))
    for wrong in (b"x" * 64, b"x" * 63):
        forged = Note(good.text, (*good.signatures, Signature(public.name, public.key_id, wrong)))
        assert note.check(forged, [public]) == Unsigned(forged=True)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"a\n\n\xff", "is not UTF-8"),
        (b"a\r\n\n", "holds a control character"),
        (b"a\n", "is not text, an empty line and signature lines"),
        (b"a\n\n", "is not text, an empty line and signature lines"),
        (b"a\n\n- x AAAAAAAA\n", "has a line that is no signature"),
        ("a\n\n— x AAAAAAAA".encode(), "each ended by a newline"),
        ("a\n\n— x AAAA\n".encode(), "has a line that is no signature"),
        ("a\n\n— x AAAAAAA\n".encode(), "has a line that is no signature"),
        ("a\n\n— x AAAAAAB=\n".encode(), "has a line that is no signature"),  # spare bits set: another spelling
        ("a\n\n— x+y AAAAAAAA\n".encode(), "has a line that is no signature"),
        (b"a" * (note.NOTE_LIMIT + 1), "is longer than"),
    ],
)
def test_malformed_notes(data: bytes, why: str) -> None:
    with pytest.raises(MalformedNote, match=why):
        note.parse(data)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("nothing", "expected name\\+hash\\+base64"),
        ("a b+c74f20a3+ARpc", "expected name\\+hash\\+base64"),
        ("PeterNeumann+c74f20a3+****", "not the base64 of an Ed25519 key"),
        ("PeterNeumann+c74f20a3+ARpc2Q==", "not the base64 of an Ed25519 key"),
        (PETER_KEY.replace("ARpc", "AhpC"), "not the base64 of an Ed25519 key"),
        (PETER_KEY.replace("c74f20a3", "c74f20a4"), "altered or mistyped"),
        (PETER_KEY.replace("Peter", "Pater"), "altered or mistyped"),
    ],
)
def test_bad_verifier_keys(text: str, why: str) -> None:
    with pytest.raises(BadKey, match=why):
        note.parse_vkey(text)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "ü", "x" * 129])
def test_names_no_key_may_have(name: str, key: Ed25519PrivateKey) -> None:
    with pytest.raises(BadKey, match="cannot name a key"):
        note.verifier_key(name, key.public_key())


def test_the_key_id_is_the_one_c2sp_defines(public: VerifierKey) -> None:
    encoded = base64.b64decode(str(public).split("+", 2)[2])
    assert encoded == b"\1" + public.raw
    assert str(public).split("+")[1] == public.key_id.hex()


def test_signatures_are_64_bytes_with_s_below_the_order(key: Ed25519PrivateKey, public: VerifierKey) -> None:
    signature = key.sign(TEXT)
    order = 2**252 + 27742317777372353535851937790883648493
    larger = (int.from_bytes(signature[32:], "little") + order).to_bytes(32, "little")
    assert public.verifies(signature, TEXT)
    for wrong in (b"", signature[:-1], signature + b"\0", signature[:32] + larger):
        assert not public.verifies(wrong, TEXT)


@pytest.mark.parametrize("raw", [b"\xff" * 32, (2).to_bytes(32, "little")])
def test_a_key_that_is_no_point_of_the_curve_verifies_nothing(raw: bytes) -> None:
    key = note.parse_vkey(str(VerifierKey("example.com/no-point", raw)))
    assert key.raw == raw
    assert not key.verifies(bytes(64), TEXT)


def test_every_line_of_a_known_key_is_checked_before_one_counts(key: Ed25519PrivateKey, public: VerifierKey) -> None:
    other = note.verifier_key("example.com/other", key.public_key())
    lines = (
        Signature(other.name, other.key_id, key.sign(TEXT)),
        Signature(public.name, public.key_id, key.sign(TEXT)),
    )
    assert note.check(Note(TEXT, lines), [public, other]) == Signed(other)
    assert note.check(Note(TEXT, (*lines, Signature(other.name, other.key_id, b"x"))), [public, other]) == Unsigned(
        True
    )
