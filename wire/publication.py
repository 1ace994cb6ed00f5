"""Signed publications: what the headend's publishing key vouches for on its way to a gateway.

Ed25519 (RFC 8032) over the domain prefix and the exact bytes of the serialized `Publication`. The prefix keeps a
signature from ever meaning something in another place where the same key might be asked to sign.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from google.protobuf.message import DecodeError

from dermscore.errors import BadInput, DermsError, NotSetUp, Problem
from wire.identity import check_private
from wire.v1.boundary_link_pb2 import Publication, SignedPublication

DOMAIN = b"derms publication v1\n"
_KEY_ID_BYTES = 8


class Unsigned(DermsError):
    """A publication that no trusted key vouches for."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def key_id(public: Ed25519PublicKey) -> str:
    """The name of a publishing key: hex of the first 8 bytes of SHA-256 of the raw public key (32 bytes)."""
    return hashlib.sha256(public.public_bytes_raw()).digest()[:_KEY_ID_BYTES].hex()


class Publisher:
    """Signs with one key. Immutable."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.key_id = key_id(key.public_key())

    def sign(self, publication: Publication) -> SignedPublication:
        """The publication as bytes, with the signature over exactly these bytes."""
        signed = publication.SerializeToString()
        return SignedPublication(publication=signed, signature=self._key.sign(DOMAIN + signed), key_id=self.key_id)


def verify(signed: SignedPublication, keys: Mapping[str, Ed25519PublicKey]) -> Publication:
    """The publication, once the key it names is one of `keys` (by `key_id`) and has signed these very bytes.

    Whether it is fresh, of this stream and in sequence is the receiver's to decide.

    Raises:
        Unsigned: the key is not trusted, the signature is not its, or the signed bytes are no publication.
    """
    public = keys.get(signed.key_id)
    if public is None:
        raise Unsigned(f"signed by key {signed.key_id[:64]!r}, which is not one of the trusted publishing keys")
    try:
        public.verify(signed.signature, DOMAIN + signed.publication)
    except InvalidSignature:
        raise Unsigned(f"the signature is not one of key {signed.key_id} over these bytes") from None
    try:
        return Publication.FromString(signed.publication)
    except DecodeError:
        raise Unsigned("the signed bytes are not a publication") from None


def load_publisher(path: Path) -> Publisher:
    """The publishing key from a PEM file (`publisher.key`). Raises NotSetUp or BadInput."""
    try:
        key = load_pem_private_key(_read(path), None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise BadInput([Problem(str(path), "", "is not an unencrypted PEM Ed25519 private key")])
    check_private(path)
    return Publisher(key)


def load_keys(paths: Iterable[Path]) -> dict[str, Ed25519PublicKey]:
    """The trusted publishing keys from PEM files (`publisher.pub`), by `key_id`. Raises NotSetUp or BadInput."""
    keys = [_public(path) for path in paths]
    return {key_id(key): key for key in keys}


def _public(path: Path) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(_read(path))
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise BadInput([Problem(str(path), "", "is not a PEM Ed25519 public key")])
    return key


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise NotSetUp(f"{path} does not exist; `derms pki init` makes it") from None
    except OSError as error:
        raise BadInput([Problem(str(path), "", f"cannot be read: {error.strerror}")]) from None
