"""An evidence file taken apart, to be put together otherwise: with its old manifest, or with one that fits, signed."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from case_log import KEY, WITNESS, WITNESS_KEY_PRIVATE
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from persons import key_of

from audit.evidence import manifest
from audit.evidence.manifest import Manifest, Member
from audit.evidence.members import BODIES, CHECKPOINT, COSIGNED, COSIGNED_AFTER, HEADERS, MANIFEST
from audit.format import checkpoint, note, proof, record
from audit.format.checkpoint import Checkpoint
from audit.witness.cosignature import cosign


class Forge:
    """`members` are the file's, in its order; change them, and `pack` or `sign` them."""

    def __init__(self, path: Path) -> None:
        with zipfile.ZipFile(path) as file:
            self.members = {info.filename: file.read(info) for info in file.infolist()}
        self.told, _ = manifest.parse(self.members[MANIFEST])

    # The lines

    @property
    def lines(self) -> list[bytes]:
        """Without their newlines."""
        return self.members[HEADERS].split(b"\n")[:-1]

    @lines.setter
    def lines(self, lines: Sequence[bytes]) -> None:
        self.members[HEADERS] = b"".join(line + b"\n" for line in lines)

    def edit_line(self, seq: int, old: bytes, new: bytes) -> None:
        lines = self.lines
        line = lines[seq - self.told.first]
        assert old in line, line
        lines[seq - self.told.first] = line.replace(old, new)
        self.lines = lines

    def chain_anew(self, seq: int) -> None:
        """Write `prev` of every line behind record `seq` so that they follow each other."""
        lines = self.lines
        for number in range(seq - self.told.first + 1, len(lines)):
            before = record.decode(lines[number - 1])
            header = record.decode(lines[number])
            prev = record.line_hash(lines[number - 1]).hex()
            lines[number] = record.encode(replace(header, seq=before.seq + 1, prev=prev))
        self.lines = lines

    def line(self, seq: int) -> record.Header:
        return record.decode(self.lines[seq - self.told.first])

    # The bodies of records asked for

    def bodies(self) -> dict[int, bytes]:
        found, at = {}, 0
        for line in self.lines:
            header = record.decode(line)
            if header.body is not None and self.told.asked.takes(header.kind, header.t):
                found[header.seq] = self.members[BODIES][at : at + header.body.len]
                at += header.body.len
        return found

    def put_bodies(self, bodies: Mapping[int, bytes]) -> None:
        self.members[BODIES] = b"".join(bodies[seq] for seq in sorted(bodies))

    # The checkpoint

    def check_anew(self, key: Ed25519PrivateKey = KEY, **changes: Any) -> None:
        newest, _ = checkpoint.parse(self.members[CHECKPOINT])
        self.members[CHECKPOINT] = checkpoint.sign(replace(newest, **changes), key)

    @property
    def newest(self) -> Checkpoint:
        return checkpoint.parse(self.members[CHECKPOINT])[0]

    # The witness's checkpoint

    def cosign(self, name: str = WITNESS.name, proved: int | None = None, **changes: Any) -> None:
        """Of the log's checkpoint, with changes; with the proof of so many records, or of as many as `proved`."""
        seen = replace(self.newest, **changes)
        text = checkpoint.text(seen)
        line = cosign(text, name, WITNESS_KEY_PRIVATE, 1_770_000_000)
        self.members[COSIGNED] = text + b"\n" + note.signature_line(line)
        self.members[COSIGNED_AFTER] = hash_lines(self.extension(seen.size if proved is None else proved))

    def extension(self, old: int) -> proof.Proof:
        """The proof from `old` records to the checkpoint, where the file has all lines, or there need be none."""
        size = self.newest.size
        return () if old >= size else proof.roots(proof.consistency(old, size), self.leaves)

    @property
    def leaves(self) -> list[bytes]:
        return [record.line_hash(line) for line in self.lines]

    # The file

    def manifest(self, by: str = "ana", **changes: Any) -> bytes:
        """A manifest that fits the members, by this person."""
        changes.setdefault("members", self.listed())
        changes.setdefault("count", self.members[HEADERS].count(b"\n") if HEADERS in self.members else 1)
        return note.sign(str(replace(self.told, **changes)).encode(), by, key_of(by))

    def listed(self) -> tuple[Member, ...]:
        return tuple(
            Member(name, sha256(data).hexdigest(), len(data))
            for name, data in sorted(self.members.items())
            if name != MANIFEST
        )

    def sign(self, by: str = "ana", **changes: Any) -> bytes:
        """The file with a manifest that fits; `changes` are of the manifest."""
        self.members[MANIFEST] = self.manifest(by, **changes)
        return self.pack()

    def pack(self) -> bytes:
        """The file with the manifest that it has."""
        return pack([(name, data) for name, data in self.members.items()])

    def text(self, old: str, new: str, by: str = "ana") -> bytes:
        """The file with a manifest whose text was altered, signed all the same."""
        text = str(replace(self.told, members=self.listed()))
        assert old in text, text
        self.members[MANIFEST] = note.sign(text.replace(old, new, 1).encode(), by, key_of(by))
        return self.pack()


def pack(members: Sequence[tuple[str, bytes]]) -> bytes:
    """A zip file, with the standard library's writer, as ours is."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", allowZip64=False) as file:
        for name, data in members:
            method = zipfile.ZIP_STORED if name == BODIES else zipfile.ZIP_DEFLATED
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            file.writestr(info, data, method)
    return out.getvalue()


def hash_lines(hashes: Iterable[bytes]) -> bytes:
    """As `log/before`, `log/after` and `log/cosigned-after` have them."""
    return b"".join(each.hex().encode() + b"\n" for each in hashes)


class Parts:
    """A zip file written by hand, every field of it as told. Offsets, counts and lengths come out right unless told."""

    def __init__(self) -> None:
        self.data = b""
        self.entries: list[bytes] = []

    def add(self, name: bytes, data: bytes, **told: Any) -> None:
        """`packed`, `method`, `size`, `length`, `flags`, `local`, `at`, `disk`, `extra`, `between` as told."""
        method = told.get("method", 8)
        packed = told.get("packed", deflated(data) if method == 8 else data)
        size, length = told.get("size", len(data)), told.get("length", len(packed))
        flags, local, extra = told.get("flags", 0), told.get("local", name), told.get("extra", b"")
        at = told.get("at", len(self.data))
        fields = (20, flags, method, 0, 33, zlib.crc32(data), length, size)
        self.data += struct.pack("<4s5H3L2H", b"PK\3\4", *fields, len(local), len(extra)) + local + extra
        self.data += packed + told.get("between", b"")
        self.entries.append(
            struct.pack(
                "<4s6H3L5H2L", b"PK\1\2", 20, *fields, len(name), 0, 0, told.get("disk", 0), 0, 0, at
            ) + name
        )  # fmt: skip

    def close(self, comment: bytes = b"", behind: bytes = b"", **told: int) -> bytes:
        """The file. `count`, `here`, `begin`, `length`, `disk` of the end record as told."""
        directory = b"".join(self.entries) + behind
        count = told.get("count", len(self.entries))
        end = struct.pack(
            "<4s4H2LH", b"PK\5\6", told.get("disk", 0), told.get("disk", 0), told.get("here", count), count,
            told.get("length", len(directory)), told.get("begin", len(self.data)), len(comment),
        )  # fmt: skip
        return self.data + directory + end + comment


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def by_hand(forge: Forge, changed: str = "", **told: Any) -> Parts:
    """The members of a file, written by hand; of `changed` as told."""
    parts = Parts()
    for name, data in forge.members.items():
        parts.add(name.encode(), data, **(told if name == changed else {}))
    return parts


def manifest_of(path: Path) -> Manifest:
    return Forge(path).told
