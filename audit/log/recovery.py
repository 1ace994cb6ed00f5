"""How a log is made, and how it is found again after whatever happened. Reads through the disk seam.

Recovery trusts the checkpoint only: it must carry this key's signature, and the records that it covers must be there,
chain and have its root. What lies behind it was never released; it is measured, so that a record can say what was cut.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.disk import Disk
from audit.errors import BadKey, Damaged, LogExists
from audit.format import checkpoint, note
from audit.format.checkpoint import Checkpoint
from audit.format.layout import Layout
from audit.format.note import MalformedNote, VerifierKey, verifier_key
from audit.format.record import FIRST_PREV, LINE_LIMIT, Header, decode, line_hash
from audit.format.tree import EMPTY_ROOT, Growing
from audit.log.chain import Position, Walk
from audit.log.store import later_files, write_whole
from audit.reading.forms import HASH_BYTES

_CHUNK = 2**20


@dataclass(frozen=True, slots=True)
class Cut:
    """Bytes behind the newest checkpoint, to be taken away: how many and their SHA-256, by kind of file."""

    header_bytes: int
    header_sha256: str
    body_bytes: int
    body_sha256: str


@dataclass(frozen=True, slots=True)
class Found:
    """A log as its newest checkpoint has it."""

    origin: str
    position: Position
    cut: Cut | None
    last: Header | None
    """The last record; None for a log without any."""


def make(disk: Disk, layout: Layout, key: Ed25519PrivateKey, origin: str) -> None:
    """An empty log: folders and the checkpoint of no records. LogExists where the folder holds anything already."""
    verifier_key(origin, key.public_key())  # refuses an origin that no note may carry, before anything is written
    if disk.exists(layout.folder):
        if disk.names(layout.folder):
            raise LogExists(f"{layout.folder} is not empty; a log begins in a folder of its own")
    else:
        disk.make_folder(layout.folder)
        disk.sync_folder(layout.folder.parent)
    for folder in (layout.headers_folder, layout.bodies_folder):
        disk.make_folder(folder)
    write_whole(disk, layout.next_checkpoint, checkpoint.sign(Checkpoint(origin, 0, EMPTY_ROOT), key))
    disk.replace(layout.next_checkpoint, layout.checkpoint)
    disk.sync_folder(layout.folder)


def find(disk: Disk, layout: Layout, key: Ed25519PrivateKey) -> Found:
    """Where the log stands. Damaged where it is not what its checkpoint signs; BadKey where the key is not its own."""
    newest = _trusted(_read(disk, layout.checkpoint), layout, key)
    behind_full, line = _full_segments(disk, layout, newest)
    walk = Walk(behind_full, layout.segment_lines)
    last = layout.segment_of(newest.size)
    lines = _lines_of(_chunks(disk, layout.headers(last), 0))
    for _ in range(newest.size - last * layout.segment_lines):
        line = next(lines, b"")
        wrong = walk.take(line)
        if wrong is not None:
            raise _not_there(layout, newest, wrong)
    position = walk.position()
    if position.root() != newest.root:
        raise Damaged(f"{layout.folder}: its {newest.size} records do not have the root that is signed. {_ADVICE}")
    _check_bodies(disk, layout, position)
    return Found(newest.origin, position, _measure(disk, layout, position), _last(layout, newest, line))


def _last(layout: Layout, newest: Checkpoint, line: bytes) -> Header | None:
    """The last record, read whole."""
    if not newest.size:
        return None
    try:
        return decode(line)
    except ValueError as problem:
        raise _not_there(layout, newest, f"record {newest.size - 1} cannot be read: {problem}") from None


def _full_segments(disk: Disk, layout: Layout, newest: Checkpoint) -> tuple[Position, bytes]:
    """The end of the full segments, and their last line. Lines are only hashed: the signed root says what they are."""
    tree, prev, last = Growing(), FIRST_PREV, b""
    for segment in range(layout.segment_of(newest.size)):
        for leaf, line in islice(_leaves(disk, layout, segment), layout.segment_lines):
            tree.push(leaf)
            prev, last = leaf.hex(), line
        if tree.size < (segment + 1) * layout.segment_lines:
            raise _not_there(layout, newest, f"record {tree.size} is missing")
    return Position(tree.size, tree.peaks, prev), last


def _leaves(disk: Disk, layout: Layout, segment: int) -> Iterator[tuple[bytes, bytes]]:
    """A full segment's leaf hashes with their lines, in whichever form it is; without lines where it was pruned."""
    if disk.exists(layout.headers(segment)):
        lines = _lines_of(_chunks(disk, layout.headers(segment), 0))
    elif disk.exists(layout.packed(segment)):
        lines = _lines_of(_inflated(_chunks(disk, layout.packed(segment), 0)))
    else:
        hashes = b"".join(_chunks(disk, layout.hashes(segment), 0))
        yield from ((hashes[at : at + HASH_BYTES], b"") for at in range(0, len(hashes), HASH_BYTES))
        return
    for line in lines:
        yield line_hash(line), line


def _inflated(chunks: Iterator[bytes]) -> Iterator[bytes]:
    inflater = zlib.decompressobj(wbits=31)
    try:
        for chunk in chunks:
            yield inflater.decompress(chunk)
    except zlib.error:
        return  # then lines are missing


_ADVICE = (
    "Nothing was changed. Keep the folder as it is, run `derms audit verify` on it, "
    "and begin a new log in another folder"
)


def _trusted(data: bytes, layout: Layout, key: Ed25519PrivateKey) -> Checkpoint:
    try:
        newest, signed = checkpoint.parse(data)
    except MalformedNote as problem:
        raise Damaged(f"{layout.checkpoint} {problem}. {_ADVICE}") from None
    own = verifier_key(newest.origin, key.public_key())
    verdict = note.check(signed, [own])
    if isinstance(verdict, note.Unsigned):
        if verdict.forged:
            raise Damaged(f"{layout.checkpoint} carries a wrong signature. {_ADVICE}")
        raise BadKey(_other_key(layout, own, signed))
    return newest


def _other_key(layout: Layout, own: VerifierKey, signed: note.Note) -> str:
    names = ", ".join(f"{line.name} {line.key_id.hex()}" for line in signed.signatures)
    return (
        f"{layout.checkpoint} is signed by {names}; the key given is {own.name} {own.key_id.hex()}. "
        "Give the key that the log was begun with"
    )


def _not_there(layout: Layout, newest: Checkpoint, wrong: str) -> Damaged:
    return Damaged(
        f"{layout.folder} does not hold the {newest.size} records that its checkpoint signs: {wrong}. {_ADVICE}"
    )


def _read(disk: Disk, path: Path) -> bytes:
    file = disk.open(path)
    try:
        return file.read_at(0, note.NOTE_LIMIT + 1)
    finally:
        file.close()


def _lines_of(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Every whole line of a file's bytes, without its newline."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
        if len(rest) > LINE_LIMIT:
            return


def _check_bodies(disk: Disk, layout: Layout, position: Position) -> None:
    """The newest segment's bodies must be there; those of older ones are `verify`'s to look at."""
    path = layout.bodies(layout.segment_of(position.size))
    size = _size(disk, path)
    if size < position.body_end:
        raise Damaged(f"{path} holds {size} bytes where the log's records speak of {position.body_end}. {_ADVICE}")


def _size(disk: Disk, path: Path) -> int:
    if not disk.exists(path):
        return 0
    file = disk.open(path)
    try:
        return file.size()
    finally:
        file.close()


def _measure(disk: Disk, layout: Layout, position: Position) -> Cut | None:
    segment = layout.segment_of(position.size)
    later = later_files(disk, layout, segment)
    parts = []
    for first, end in ((layout.headers(segment), position.header_end), (layout.bodies(segment), position.body_end)):
        hasher, total = sha256(), 0
        for path, offset in [(first, end), *((path, 0) for path in later if path.parent == first.parent)]:
            for chunk in _chunks(disk, path, offset):
                hasher.update(chunk)
                total += len(chunk)
        parts.append((total, hasher.hexdigest()))
    (header_bytes, header_sha256), (body_bytes, body_sha256) = parts
    return Cut(header_bytes, header_sha256, body_bytes, body_sha256) if header_bytes or body_bytes else None


def _chunks(disk: Disk, path: Path, offset: int) -> Iterator[bytes]:
    if not disk.exists(path):
        return
    file = disk.open(path)
    try:
        while chunk := file.read_at(offset, _CHUNK):
            offset += len(chunk)
            yield chunk
    finally:
        file.close()
