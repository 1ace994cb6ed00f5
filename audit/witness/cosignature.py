"""Cosignatures of checkpoints: C2SP tlog-cosignature, version 1 (c2sp.org/tlog-cosignature), Ed25519 only. Pure.

A witness signs, with the time, that this is the largest tree of the log that it has seen, and that each tree it saw
extends the one before. Its line stands in the checkpoint's note among the signatures; the signature is

    time (8 bytes, big-endian, seconds since 1970) || Ed25519 over "cosignature/v1\\ntime <time>\\n" || the note's text
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from audit.errors import BadKey
from audit.format.note import NAME, Note, Signature, strict_base64

COSIGNATURE = b"\4"
"""The signature type byte of Ed25519 cosignatures in key ids and verifier keys."""

LAST_TIME_S = 2**63 - 1
"""The latest time that a cosignature may bear."""

_SIGNATURE_BYTES = 8 + 64


@dataclass(frozen=True, slots=True)
class WitnessKey:
    """A witness's name and Ed25519 public key: `raw` is its 32 bytes. `str()` is its verifier key, of type 0x04."""

    name: str
    raw: bytes

    @property
    def key_id(self) -> bytes:
        """The first four bytes of SHA-256(name || 0x0A || 0x04 || public key)."""
        return sha256(self.name.encode() + b"\n" + COSIGNATURE + self.raw).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(COSIGNATURE + self.raw).decode()}"

    def time_of(self, signature: bytes, text: bytes) -> int | None:
        """When this witness cosigned `text`, in seconds since 1970; None where it did not."""
        time_s = int.from_bytes(signature[:8], "big")
        if len(signature) != _SIGNATURE_BYTES or time_s > LAST_TIME_S:
            return None
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature[8:], _message(time_s, text))
        except InvalidSignature:
            return None
        return time_s


def witness_key(name: str, public: Ed25519PublicKey) -> WitnessKey:
    """The key under its name; BadKey for a name that no note may carry."""
    if not NAME.fullmatch(name):
        raise BadKey(
            f"{name!r} cannot name a witness: 1 to 128 letters, digits and . _ / : - (such as compliance.example/w1)"
        )
    return WitnessKey(name, public.public_bytes(Encoding.Raw, PublicFormat.Raw))


def parse_wkey(text: str) -> WitnessKey:
    """One verifier key of a witness. BadKey says which of its three parts is wrong."""
    parts = text.split("+", 2)
    if len(parts) != 3 or not NAME.fullmatch(parts[0]):
        raise BadKey("not a witness's key: expected name+hash+base64, one line, as in witness.pub")
    raw = strict_base64(parts[2])
    if raw is None or len(raw) != 33 or raw[:1] != COSIGNATURE:
        raise BadKey(
            "the last part is not the base64 of a witness's Ed25519 key (0x04 and 32 bytes); a log's key is another"
        )
    key = WitnessKey(parts[0], raw[1:])
    if parts[1] != key.key_id.hex():
        raise BadKey(f"the key's hash is {parts[1]}, its name and key make {key.key_id.hex()}: altered or mistyped")
    return key


def cosign(text: bytes, name: str, key: Ed25519PrivateKey, time_s: int) -> Signature:
    """The line that says: seen at `time_s`. `text` is the checkpoint's note text with its final newline."""
    signature = time_s.to_bytes(8, "big") + key.sign(_message(time_s, text))
    return Signature(name, witness_key(name, key.public_key()).key_id, signature)


@dataclass(frozen=True, slots=True)
class Cosigned:
    """By this witness, at `time_s` seconds since 1970 by its clock: the latest time, if there are several lines."""

    key: WitnessKey
    time_s: int


@dataclass(frozen=True, slots=True)
class Uncosigned:
    """By none of the witnesses asked for. `forged` where a line claims one of them and is wrong."""

    forged: bool


def check(note: Note, keys: Iterable[WitnessKey]) -> Cosigned | Uncosigned:
    """Whether a trusted witness cosigned. Unknown keys' lines are ignored; one wrong line of a known key spoils all."""
    known = {(key.name, key.key_id): key for key in keys}
    found: Cosigned | None = None
    for line in note.signatures:
        key = known.get((line.name, line.key_id))
        if key is None:
            continue
        time_s = key.time_of(line.signature, note.text)
        if time_s is None:
            return Uncosigned(forged=True)
        if found is None or time_s > found.time_s:
            found = Cosigned(key, time_s)
    return found or Uncosigned(forged=False)


def utc(time_s: int) -> str:
    """A cosignature's time for people: RFC 3339 where the calendar reaches so far."""
    if time_s >= 253_402_300_800:  # the year 10000
        return f"{time_s} s after 1970"
    return f"{datetime.fromtimestamp(time_s, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _message(time_s: int, text: bytes) -> bytes:
    return f"cosignature/v1\ntime {time_s}\n".encode() + text
