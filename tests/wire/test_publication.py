"""What crosses is signed: exactly these bytes, by a key that is trusted, for this purpose and no other."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from dermscore.errors import BadInput, NotSetUp
from wire import publication
from wire.publication import Publisher, Unsigned
from wire.v1.boundary_link_pb2 import PointBatch, Publication, SignedPublication

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
TRUSTED = {publication.key_id(KEY.public_key()): KEY.public_key()}
MESSAGE = Publication(nonce=b"n" * 16, seq=3, heartbeat_echo=7, made_ms=1_000, points=PointBatch(ref=[0], value=[1.5]))


def test_a_publication_comes_back_as_it_was_signed() -> None:
    signed = SignedPublication.FromString(Publisher(KEY).sign(MESSAGE).SerializeToString())
    assert publication.verify(signed, TRUSTED) == MESSAGE


def test_what_is_signed_is_the_prefix_and_the_bytes() -> None:
    """As docs/reference/wire.md says, so that a stranger can verify it: checked here with nothing of ours."""
    signed = Publisher(KEY).sign(MESSAGE)
    KEY.public_key().verify(signed.signature, b"derms publication v1\n" + signed.publication)
    with pytest.raises(InvalidSignature):
        KEY.public_key().verify(signed.signature, signed.publication)
    assert signed.key_id == hashlib.sha256(KEY.public_key().public_bytes_raw()).hexdigest()[:16]


@given(st.data())
def test_one_flipped_bit_anywhere_is_found(data: st.DataObject) -> None:
    signed = Publisher(KEY).sign(MESSAGE)
    field = data.draw(st.sampled_from(["publication", "signature"]))
    content = bytearray(getattr(signed, field))
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    setattr(signed, field, bytes(content))
    with pytest.raises(Unsigned, match="not one of key"):
        publication.verify(signed, TRUSTED)


def test_a_key_that_is_not_trusted() -> None:
    with pytest.raises(Unsigned, match="not one of the trusted publishing keys"):
        publication.verify(Publisher(OTHER).sign(MESSAGE), TRUSTED)


def test_a_trusted_keys_name_on_anothers_signature() -> None:
    signed = Publisher(OTHER).sign(MESSAGE)
    signed.key_id = next(iter(TRUSTED))
    with pytest.raises(Unsigned, match="not one of key"):
        publication.verify(signed, TRUSTED)


def test_each_of_a_set_of_keys_is_trusted() -> None:
    keys = TRUSTED | {publication.key_id(OTHER.public_key()): OTHER.public_key()}
    for key in (KEY, OTHER):
        assert publication.verify(Publisher(key).sign(MESSAGE), keys) == MESSAGE


@pytest.mark.parametrize("signature", [b"", b"x" * 63, b"x" * 65])
def test_a_signature_of_the_wrong_length(signature: bytes) -> None:
    signed = Publisher(KEY).sign(MESSAGE)
    signed.signature = signature
    with pytest.raises(Unsigned):
        publication.verify(signed, TRUSTED)


def test_signed_bytes_that_are_no_publication() -> None:
    garbage = b"\xff\xff\xff"
    signed = SignedPublication(
        publication=garbage, signature=KEY.sign(publication.DOMAIN + garbage), key_id=next(iter(TRUSTED))
    )
    with pytest.raises(Unsigned, match="not a publication"):
        publication.verify(signed, TRUSTED)


def test_keys_are_loaded_from_the_files_that_init_makes(pki_folder: Path) -> None:
    publisher = publication.load_publisher(pki_folder / "publisher.key")
    keys = publication.load_keys([pki_folder / "publisher.pub"])
    assert list(keys) == [publisher.key_id]
    assert publication.verify(publisher.sign(MESSAGE), keys) == MESSAGE


def test_missing_and_wrong_key_files(pki_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(NotSetUp, match="derms pki init"):
        publication.load_publisher(tmp_path / "publisher.key")
    with pytest.raises(NotSetUp, match="derms pki init"):
        publication.load_keys([tmp_path / "publisher.pub"])
    with pytest.raises(BadInput, match="Ed25519 private key"):
        publication.load_publisher(pki_folder / "headend.key")  # an EC key
    with pytest.raises(BadInput, match="Ed25519 private key"):
        publication.load_publisher(pki_folder / "publisher.pub")
    with pytest.raises(BadInput, match="Ed25519 public key"):
        publication.load_keys([pki_folder / "publisher.key"])
    with pytest.raises(BadInput, match="cannot be read"):
        publication.load_publisher(tmp_path)
