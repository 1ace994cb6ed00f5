"""Encrypted bodies: AES-256-GCM, a key per segment, kept outside the log's folder.

`docs/reference/audit-format.md`, "Encrypted bodies".

Destroying a segment's key makes its values unreadable for good and takes nothing from the proof: digests are over the
encrypted bytes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from audit.disk import write_durable
from audit.errors import BadKey
from audit.format import body as bodies
from audit.format.body import ENCRYPTED, Encrypted, MalformedBody, Opened
from audit.reading.files import open_regular

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
_NONCE_AT, _TEXT_AT, _TAG_BYTES = 5, 17, 16
OVERHEAD: Final = _TEXT_AT + _TAG_BYTES
"""By how many bytes an encrypted body is longer than the zlib stream in it."""
_FILE = re.compile(rb"[0-9a-f]{64}\n")


@dataclass(frozen=True, slots=True)
class WrongKey:
    """The body was encrypted with another key, or is too short to say with which."""


@dataclass(frozen=True, slots=True)
class Broken:
    """The body does not decrypt with the key that it names: it is another record's, or another log's, or altered."""


class BodyKeys(Protocol):
    """Where body keys are: outside the log's folder."""

    def of(self, segment: int) -> bytes | None: ...  # None: there is none (any more). BadKey, OSError
    def for_writing(self, segment: int) -> bytes: ...  # made, and durable, if there was none. BadKey, OSError


def key_id(key: bytes) -> bytes:
    return sha256(key).digest()[:4]


def encrypt(stream: bytes, key: bytes, nonce: bytes, origin: str, seq: int) -> bytes:
    """The bytes to store for a zlib stream. `nonce`: 12 bytes, never twice with one key."""
    sealed = AESGCM(key).encrypt(nonce, stream, _bound_to(origin, seq))
    return bytes([ENCRYPTED]) + key_id(key) + nonce + sealed


def decrypt(stored: bytes, key: bytes, origin: str, seq: int) -> bytes | WrongKey | Broken:
    """The zlib stream in an encrypted body of record `seq`."""
    if len(stored) < OVERHEAD or stored[1:_NONCE_AT] != key_id(key):
        return WrongKey()
    try:
        return AESGCM(key).decrypt(stored[_NONCE_AT:_TEXT_AT], stored[_TEXT_AT:], _bound_to(origin, seq))
    except InvalidTag:
        return Broken()


def open_body(stored: bytes, key: bytes | None, origin: str, seq: int) -> Opened | Encrypted | MalformedBody:
    """A stored body, plain or encrypted; `Encrypted` where its key is not the one given."""
    stream = zlib_stream(stored, key, origin, seq)
    return bodies.open_stored(stream) if isinstance(stream, bytes) else stream


def zlib_stream(stored: bytes, key: bytes | None, origin: str, seq: int) -> bytes | Encrypted | MalformedBody:
    """The zlib stream of a stored body, not looked into; `Encrypted` where its key is not the one given."""
    if stored[:1] != bytes([ENCRYPTED]):
        return stored
    stream = WrongKey() if key is None else decrypt(stored, key, origin, seq)
    if isinstance(stream, WrongKey):
        return Encrypted()
    if isinstance(stream, Broken):
        return MalformedBody("does not decrypt with its key: it was altered, or is another record's")
    return MalformedBody("is encrypted twice") if stream[:1] == bytes([ENCRYPTED]) else stream


def _bound_to(origin: str, seq: int) -> bytes:
    return f"{origin}\n{seq}\n".encode()


@dataclass(frozen=True, slots=True)
class KeyFolder:
    """Body keys as files, one per segment: 64 hexadecimal digits and a newline, readable by their owner only."""

    folder: Path
    fresh: Callable[[int], bytes] = os.urandom

    def path(self, segment: int) -> Path:
        return self.folder / f"{segment:08d}.key"

    def of(self, segment: int) -> bytes | None:
        path = self.path(segment)
        try:
            with open_regular(path) as file:
                data = file.read(2 * KEY_BYTES + 2)
        except FileNotFoundError:
            return None
        if not _FILE.fullmatch(data):
            raise BadKey(f"{path} is not a body key: 64 hexadecimal digits and a newline")
        return bytes.fromhex(data.decode())

    def for_writing(self, segment: int) -> bytes:
        known = self.of(segment)
        if known is not None:
            return known
        key = self.fresh(KEY_BYTES)
        write_durable(self.path(segment), key.hex().encode() + b"\n", 0o600)
        return key
