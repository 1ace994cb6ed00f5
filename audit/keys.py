"""Key files: `audit.key` (private, PEM, readable by its owner only) and `audit.pub` (a C2SP verifier key, one line)."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from audit.approval import BadRing, Ring, parse_ring
from audit.errors import BadKey
from audit.format.note import VerifierKey, parse_vkey, verifier_key
from audit.reading.files import open_regular

Key = TypeVar("Key")

PUBLIC = "audit.pub"
FILE_LIMIT = 2**20
"""Bytes of the longest key file that is read: thousands of verifier keys."""


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """Where `write` put the two halves."""

    private: Path
    public: Path


def generate() -> Ed25519PrivateKey:
    """A new signing key, in memory only."""
    return Ed25519PrivateKey.generate()


def write(folder: Path, key: Ed25519PrivateKey, origin: str, stem: str = "audit") -> KeyFiles:
    """Write both files into `folder`, which must exist. BadKey where one is there already: no key is overwritten.

    `origin` is the key's name: the log's, or a person's. `stem`: what the files are called.
    """
    files = KeyFiles(folder / f"{stem}.key", folder / f"{stem}.pub")
    write_both(files, key, str(verifier_key(origin, key.public_key())))
    return files


def write_both(files: KeyFiles, key: Ed25519PrivateKey, public: str) -> None:
    """Write a private key and the text of its verifier key under names of the caller's. BadKey where one is there."""
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for path in (files.private, files.public):
        if path.exists():
            raise BadKey(f"{path} exists; a key is never overwritten. Move it away if a new one is really meant")
    _write_new(files.private, pem, 0o600)
    _write_new(files.public, f"{public}\n".encode(), 0o644)


def _write_new(path: Path, data: bytes, mode: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(handle)


def load_private(path: Path) -> Ed25519PrivateKey:
    """The signing key. BadKey says what is wrong with the file and how to mend it."""
    data = _read(path, "the signing key")
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError) as problem:
        raise BadKey(f"{path} is not an unencrypted PEM private key: {problem}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise BadKey(f"{path} holds a key of another kind; the trail is signed with Ed25519")
    return key


def load_public(path: Path) -> tuple[VerifierKey, ...]:
    """Every verifier key of a file: one per line, empty lines and lines that begin with # left out. At least one.

    Lines end with a newline and nothing else; spaces, tabs and carriage returns around one are dropped.
    """
    return load_each(path, "the verifier key", parse_vkey)


def load_each(path: Path, what: str, parse: Callable[[str], Key]) -> tuple[Key, ...]:
    """The same for keys that `parse` reads (it raises BadKey); `what` they are, for the message."""
    data = _read(path, what)
    try:
        lines = data.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise BadKey(f"{path} is not a verifier key file: it holds more than plain text") from None
    keys = []
    for number, line in enumerate(lines, 1):
        text = line.strip(" \t\r")
        if text and not text.startswith("#"):
            try:
                keys.append(parse(text))
            except BadKey as problem:
                raise BadKey(f"{path}:{number}: {problem}") from None
    if not keys:
        raise BadKey(f"{path} holds no key; expected one line name+hash+base64, as in {PUBLIC}")
    return tuple(keys)


def load_ring(path: Path) -> Ring:
    """The named persons. BadKey says what is wrong with the file."""
    data = _read(path, "the ring of persons")
    try:
        return parse_ring(data.decode("ascii"))
    except UnicodeDecodeError:
        raise BadKey(f"{path} is not a ring of persons: it holds more than plain text") from None
    except BadRing as problem:
        raise BadKey(f"{path}: {problem}") from None


def _read(path: Path, what: str) -> bytes:
    try:
        with open_regular(path) as file:
            data = file.read(FILE_LIMIT + 1)
    except OSError as problem:
        raise BadKey(f"cannot read {what} {path}: {problem.strerror}") from None
    if len(data) > FILE_LIMIT:
        raise BadKey(f"{path} is longer than the {FILE_LIMIT} bytes that a key file may have: is it {what}?")
    return data
