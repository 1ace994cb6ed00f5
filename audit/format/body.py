"""A record's body: columns of values, a salt, and the root that commits to every value by itself. Pure.

The commitment is an RFC 6962 tree. Leaf 0 is the shape, `{"column":length,...}`; then come the values, column by column
in the order of their names, row by row, each as `["column",row,value]`. Leaf i hashes SHA-256(salt || i) in front of
its text, so a value that is shown with its own salt and an inclusion proof says nothing about its neighbours.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from audit.errors import BadEntry
from audit.format import canonical, proof, tree
from audit.format.canonical import Scalar

COLUMN = re.compile(r"[a-z][a-z0-9_]{0,63}")
SALT_BYTES = 32
STORED_LIMIT = 16 * 2**20
"""Bytes of the longest stored body."""
PLAIN_LIMIT = 64 * 2**20
"""Bytes of the longest body once inflated."""
ENCRYPTED = 0x45
"""First stored byte (`E`) of an encrypted body; a zlib stream starts with 0x78."""

_TEXT = re.compile(rb'\{"columns":(\{.*\}),"salt":"([0-9a-f]{64})"\}', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Body:
    """Columns of values by name. Columns may differ in length: one that is the same in every row can hold it once."""

    columns: Mapping[str, Sequence[Scalar]]


@dataclass(frozen=True, slots=True)
class BodyRef:
    """What a header says of its body: digest and length of the stored bytes, root over the values; hexadecimal."""

    sha256: str
    len: int
    root: str


@dataclass(frozen=True, slots=True)
class Opened:
    """A stored body, inflated and checked for form: its columns, salt and the root that they make."""

    columns: Mapping[str, Sequence[Scalar]]
    salt: bytes
    root: str


@dataclass(frozen=True, slots=True)
class Encrypted:
    """The stored bytes are encrypted: their digest can be checked, their values need the segment's key."""


@dataclass(frozen=True, slots=True)
class MalformedBody:
    """The stored bytes are no body of this format."""

    what: str


@dataclass(frozen=True, slots=True)
class Shown:
    """One value with what proves it: `text` is the leaf's text, `salt` its own salt, `proof` the RFC 6962 path."""

    text: str
    salt: bytes
    index: int
    leaves: int
    proof: tuple[bytes, ...]


def store(body: Body, salt: bytes) -> tuple[bytes, BodyRef]:
    """The bytes to store, and what the header says of them. `salt`: 32 random bytes. BadEntry for what has no place."""
    columns = _texts(body.columns)
    plain = _plain(columns, salt)
    if len(plain) > PLAIN_LIMIT:
        raise BadEntry(f"the body is {len(plain)} bytes; the most is {PLAIN_LIMIT}: split it into several records")
    stored = zlib.compress(plain, 6)
    return stored, _ref(stored, tree.root_of(_leaves(columns, salt)).hex())


def stored_as(stored: bytes, ref: BodyRef) -> BodyRef:
    """What the header says of the same values stored as other bytes: encrypted."""
    return _ref(stored, ref.root)


def _ref(stored: bytes, root: str) -> BodyRef:
    if len(stored) > STORED_LIMIT:
        raise BadEntry(
            f"the body is {len(stored)} bytes compressed; the most is {STORED_LIMIT}: split it into several records"
        )
    return BodyRef(sha256(stored).hexdigest(), len(stored), root)


def open_stored(stored: bytes) -> Opened | Encrypted | MalformedBody:
    """Inflate stored bytes and check them: one zlib stream and nothing else, canonical JSON, and the root they make."""
    plain = inflate(stored)
    if not isinstance(plain, bytes):
        return plain
    found = read(plain)
    if isinstance(found, MalformedBody):
        return found
    columns, salt = found
    try:
        texts = _texts(columns)
    except BadEntry as problem:
        return MalformedBody(f"holds what no body may: {problem}")
    if _plain(texts, salt) != plain:
        return MalformedBody("is not canonical JSON")
    return Opened(columns, salt, tree.root_of(_leaves(texts, salt)).hex())


def read(plain: bytes) -> tuple[dict[str, list[Scalar]], bytes] | MalformedBody:
    """Columns and salt of a plain body. Neither its spelling nor its root is checked: `open_stored` does."""
    match = _TEXT.fullmatch(plain)
    columns = _columns(match[1]) if match else None
    if match is None or columns is None:
        return MalformedBody("is not an object of columns and salt")
    return columns, bytes.fromhex(match[2].decode())


def show(opened: Opened, column: str, row: int) -> Shown:
    """One value with its salt and proof, for whoever holds the header only. KeyError or IndexError if there is none."""
    if row < 0:
        raise IndexError(f"row {row}: rows count from 0")
    texts = _texts(opened.columns)
    text = f"[{canonical.string(column)},{row},{texts[column][row]}]"
    before = sum(len(texts[name]) for name in texts if name < column)
    index = 1 + before + row
    leaves = tuple(_leaves(texts, opened.salt))
    path = proof.roots(proof.inclusion(index, len(leaves)), leaves)
    return Shown(text, leaf_salt(opened.salt, index), index, len(leaves), path)


def proves(shown: Shown, root: str) -> bool:
    """Whether a shown value is under the root that a header names."""
    leaf = tree.leaf_hash(shown.salt + shown.text.encode())
    found = proof.root_from_inclusion(leaf, shown.index, shown.leaves, shown.proof)
    return found is not None and found.hex() == root


def leaf_salt(salt: bytes, index: int) -> bytes:
    """SHA-256(salt || index as 8 bytes, most significant first)."""
    return sha256(salt + index.to_bytes(8, "big")).digest()


def _texts(columns: Mapping[str, Sequence[Scalar]]) -> dict[str, list[str]]:
    """Every value as its canonical JSON text, columns in the order of their names."""
    for name in columns:
        if not isinstance(name, str) or not COLUMN.fullmatch(name):
            raise BadEntry(f"{name!r} cannot name a column: a small letter, then up to 63 small letters, digits or _")
    return {name: [canonical.scalar(value) for value in columns[name]] for name in sorted(columns)}


def _plain(texts: Mapping[str, Sequence[str]], salt: bytes) -> bytes:
    columns = ",".join(f'"{name}":[{",".join(values)}]' for name, values in texts.items())
    return f'{{"columns":{{{columns}}},"salt":"{salt.hex()}"}}'.encode()


def _leaves(texts: Mapping[str, Sequence[str]], salt: bytes) -> Iterator[bytes]:
    """The hashes of all leaves, the shape first."""
    shape = ",".join(f'"{name}":{len(values)}' for name, values in texts.items())
    yield tree.leaf_hash(leaf_salt(salt, 0) + f"{{{shape}}}".encode())
    first = 1
    for name, values in texts.items():
        salts = (sha256(salt + index.to_bytes(8, "big")).digest() for index in range(first, first + len(values)))
        for own, (row, text) in zip(salts, enumerate(values), strict=True):
            yield sha256(b"\0" + own + f'["{name}",{row},{text}]'.encode()).digest()
        first += len(values)


def inflate(stored: bytes) -> bytes | Encrypted | MalformedBody:
    """The plain body of stored bytes: one zlib stream and nothing else."""
    if stored[:1] == bytes([ENCRYPTED]):
        return Encrypted()
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(stored, PLAIN_LIMIT + 1)
    except zlib.error:
        return MalformedBody("is not a zlib stream")
    if len(plain) > PLAIN_LIMIT:
        return MalformedBody(f"inflates to more than {PLAIN_LIMIT} bytes")
    if not inflater.eof or inflater.unused_data:
        return MalformedBody("is not exactly one zlib stream")
    return plain


def _columns(text: bytes) -> dict[str, list[Scalar]] | None:
    """The columns out of the JSON, None where it is not an object of lists of scalars. Spelling is the caller's."""
    try:
        columns = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(columns, dict) or not all(isinstance(values, list) for values in columns.values()):
        return None
    if any(isinstance(value, (dict, list)) for values in columns.values() for value in values):
        return None
    return columns
