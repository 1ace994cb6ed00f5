"""C2SP signed notes (c2sp.org/signed-note): text, a blank line, signature lines. Ed25519 signatures only. Pure.

<text, ends in a newline>

— <key name> <base64 of key id (4 bytes) and signature>
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from audit.errors import BadKey

ED25519 = b"\1"
"""The signature type byte of plain Ed25519 in key ids and verifier keys."""

NAME = re.compile(r"[A-Za-z0-9._/:-]{1,128}")
"""What a key name, and so a log's origin, may look like: narrower than C2SP's rule, so that no two readings exist."""

NOTE_LIMIT = 65_536
"""Bytes of the longest note that is read: hundreds of cosignatures."""

_SIGNATURE_LINE = re.compile(r"— ([A-Za-z0-9._/:-]{1,128}) ([A-Za-z0-9+/]+={0,2})")


class MalformedNote(Exception):
    """The bytes are not a signed note. The text says what is wrong with them."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A named Ed25519 public key: `raw` is its 32 bytes. `str()` is the C2SP vkey `name+hash+base64`."""

    name: str
    raw: bytes

    @property
    def key_id(self) -> bytes:
        """The first four bytes of SHA-256(name || 0x0A || 0x01 || public key)."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.raw).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(ED25519 + self.raw).decode()}"

    @property
    def digest(self) -> str:
        """SHA-256 of the vkey's text, hexadecimal: how a record names a key."""
        return sha256(str(self).encode()).hexdigest()

    def verifies(self, signature: bytes, text: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, text)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: who says to have signed, by name and key id, and the bytes."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A note taken apart. `text` includes its final newline and is what the signatures are over."""

    text: bytes
    signatures: tuple[Signature, ...]


def verifier_key(name: str, public: Ed25519PublicKey) -> VerifierKey:
    """The key under its name; BadKey for a name that no note may carry."""
    if not NAME.fullmatch(name):
        raise BadKey(
            f"{name!r} cannot name a key: 1 to 128 letters, digits and . _ / : - (such as example.com/gateway-1)"
        )
    return VerifierKey(name, public.public_bytes(Encoding.Raw, PublicFormat.Raw))


def parse_vkey(text: str) -> VerifierKey:
    """One C2SP verifier key. BadKey says which of its three parts is wrong."""
    parts = text.split("+", 2)
    if len(parts) != 3 or not NAME.fullmatch(parts[0]):
        raise BadKey("not a verifier key: expected name+hash+base64, one line, as `derms` writes into audit.pub")
    raw = strict_base64(parts[2])
    if raw is None or len(raw) != 33 or raw[:1] != ED25519:
        raise BadKey("the last part of the verifier key is not the base64 of an Ed25519 key (0x01 and 32 bytes)")
    key = VerifierKey(parts[0], raw[1:])
    if parts[1] != key.key_id.hex():
        raise BadKey(
            f"the verifier key's hash is {parts[1]}, its name and key make {key.key_id.hex()}: altered or mistyped"
        )
    return key


def sign(text: bytes, name: str, key: Ed25519PrivateKey) -> bytes:
    """The whole note with one signature line. `text` must end in a newline."""
    key_id = verifier_key(name, key.public_key()).key_id
    return text + b"\n" + signature_line(Signature(name, key_id, key.sign(text)))


def signature_line(signature: Signature) -> bytes:
    encoded = base64.b64encode(signature.key_id + signature.signature).decode()
    return f"— {signature.name} {encoded}\n".encode()


def parse(data: bytes, limit: int = NOTE_LIMIT) -> Note:
    """Take a note apart, strictly: one spelling only, so that no byte changes without making another note or none."""
    if len(data) > limit:
        raise MalformedNote(f"is longer than {limit} bytes")
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        raise MalformedNote("is not UTF-8") from None
    if any(character < " " and character != "\n" for character in whole):
        raise MalformedNote("holds a control character")
    text, blank, lines = whole.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise MalformedNote("is not text, an empty line and signature lines, each ended by a newline")
    return Note(text.encode() + b"\n", tuple(_signature(line) for line in lines[:-1].split("\n")))


def _signature(line: str) -> Signature:
    match = _SIGNATURE_LINE.fullmatch(line)
    raw = strict_base64(match[2]) if match else None
    if match is None or raw is None or len(raw) < 5:
        raise MalformedNote(f"has a line that is no signature: {line[:80]!r}")
    return Signature(match[1], raw[:4], raw[4:])


def strict_base64(text: str) -> bytes | None:
    """Standard base64 with padding, only in the one spelling that encoding gives back; None otherwise."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if base64.b64encode(raw).decode() == text else None


@dataclass(frozen=True, slots=True)
class Signed:
    """Signed by this key."""

    key: VerifierKey


@dataclass(frozen=True, slots=True)
class Unsigned:
    """Not signed by any of the keys asked for. `forged` where a line claims one of them and its signature is wrong."""

    forged: bool


def check(note: Note, keys: Iterable[VerifierKey]) -> Signed | Unsigned:
    """Whether a trusted key signed. Unknown keys' lines are ignored; one wrong line of a known key spoils the note."""
    known = {(key.name, key.key_id): key for key in keys}
    signed: VerifierKey | None = None
    for line in note.signatures:
        key = known.get((line.name, line.key_id))
        if key is None:
            continue
        if not key.verifies(line.signature, note.text):
            return Unsigned(forged=True)
        signed = signed or key
    return Signed(signed) if signed else Unsigned(forged=False)
