"""Spellings that nobody thought of: what is signed is altered at random, and both verifiers say the same of it."""

from __future__ import annotations

import json
import random
import re
import zlib
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from trail_helpers import ORIGIN, SEGMENT, SOAK
from two_verifiers import verify

from audit.format import body, checkpoint, note, record, tree
from audit.format.body import Body, BodyRef
from audit.format.checkpoint import Checkpoint
from audit.format.note import VerifierKey, verifier_key
from audit.format.record import Entry, Reading
from audit.verify import CouldNotTell, Tampered, Verified

COUNT = 5000 if SOAK else 250
ALTERED = 3
TOKENS = [
    *(bytes([mark]) for mark in b'"\\\n,:{}[] \t-.+/_\x00\x7f'),
    *b"0 1 7 9 00 -0 1.0 0.1 1e3 1e400 1E2 1e21 1e-7 5e-324 null true false NaN".split(),
    *b"9007199254740991 9007199254740992 9007199254740993 -9007199254740992".split(),
    *rb"\u0000 \u001f \u001F \ud800 \udc00 \ud83d\udd0b \/ \n \b \u2028".split(),
    *(text.encode() for text in ("é", "\u2028", "\U0001f50b")),
    *(b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xf4\x90\x80\x80"),
    *b'"__proto__":{} "toJSON":1 "n":0, "v":1 "v":2} ,"v":1} ,"v":01} ,"v":999999999} log.x'.split(),
    *b"log.open log.cut log.start log.key log.packed log.step in out".split(),
    *(b"a" * 70, b"[" * 8),
]


def mutated(data: bytes, chance: random.Random) -> bytes:
    """A token put in, put over something, or something taken away; once to three times."""
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        # Where tokens begin is where a change is likely to leave something that is nearly right.
        places = [match.start() for match in re.finditer(rb"\b|[^\w]", data)] or [0]
        at = chance.choice(places)
        token = chance.choice([*TOKENS, data[at : at + chance.randrange(40)]])
        gone = chance.choice([0, 0, 1, len(token), chance.randrange(20)])
        data = data[:at] + (token if chance.random() < 0.85 else b"") + data[at + gone :]
    return data


class Forge:
    """A signed log of six records, of which one is whatever somebody with the key wants it to be."""

    def __init__(self, folder: Path, key: Ed25519PrivateKey) -> None:
        self.folder, self.key = folder, key
        self.public = verifier_key(ORIGIN, key.public_key())
        for name in ("headers", "bodies"):
            (folder / name).mkdir()

    def header(self, seq: int, prev: str, ref: BodyRef | None = None) -> bytes:
        kind, digests = ("log.start", {"key": self.public.digest}) if seq == 0 else ("x", {"policy": "ab" * 32})
        entry = Entry(kind, digests=digests, reason="5 > 4", n=7, rule="points.csv:3")
        made = record.header(entry, Reading(seq, seq, "b", "c"), ORIGIN, seq, None, prev)
        return record.encode(replace(made, n=0 if seq == 0 else made.n, body=ref))

    def write(self, alter: Callable[[bytes], bytes], ref: BodyRef | None = None) -> None:
        lines: list[bytes] = []
        for seq in range(6):
            prev = record.line_hash(lines[-1]).hex() if lines else record.FIRST_PREV
            line = self.header(seq, prev, ref if seq == ALTERED else None)
            lines.append(alter(line).replace(b"\n", b"") if seq == ALTERED else line)
        (self.folder / "headers" / "00000000.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
        root = tree.root_of([record.line_hash(line) for line in lines])
        (self.folder / "checkpoint").write_bytes(checkpoint.sign(Checkpoint(ORIGIN, 6, root), self.key))


@pytest.fixture
def forge(tmp_path: Path, key: Ed25519PrivateKey) -> Forge:
    return Forge(tmp_path, key)


@pytest.mark.timeout(1800)
def test_headers(forge: Forge, public: VerifierKey) -> None:
    chance, seen = random.Random("headers"), set()
    for _ in range(COUNT):
        forge.write(lambda line: mutated(line, chance))
        seen.add(type(verify(forge.folder, [public], segment_lines=SEGMENT)))
    assert seen >= {Verified, Tampered}


@pytest.mark.timeout(1800)
def test_bodies(forge: Forge, public: VerifierKey) -> None:
    """The plain body is altered, and root, length and digest follow it where there is a root."""
    chance, seen = random.Random("bodies"), set()
    values = {"a": [1, -2.5, 5e-324, 0.1], "b": ["é", 'x"\n', "", True, None], "c": []}
    stored, good = body.store(Body({name: list(given) for name, given in values.items()}), bytes(32))
    plain = zlib.decompress(stored)
    for _ in range(COUNT):
        altered = zlib.compress(mutated(plain, chance))
        ref = BodyRef(sha256(altered).hexdigest(), len(altered), root_of(altered) or good.root)
        (forge.folder / "bodies" / "00000000.bin").write_bytes(altered)
        forge.write(lambda line: line, ref)
        seen.add(type(verify(forge.folder, [public], segment_lines=SEGMENT)))
    assert seen == {Verified, Tampered}


def root_of(stored: bytes) -> str | None:
    """What the values would have as their root, spelled well or not; None where they are none."""
    try:
        said = json.loads(zlib.decompress(stored))
        return body.store(Body(said["columns"]), bytes.fromhex(said["salt"]))[1].root
    except Exception:  # whatever random bytes lead to
        return None


@pytest.mark.timeout(1800)
def test_streams(forge: Forge, public: VerifierKey) -> None:
    """The stored bytes are altered, and length and digest follow them."""
    chance, seen = random.Random("streams"), set()
    stored, good = body.store(Body({"raw": [number / 7 for number in range(50)]}), bytes(32))
    for _ in range(COUNT):
        altered = bytearray(stored)
        altered[chance.randrange(len(altered))] ^= 1 << chance.randrange(8)
        altered = altered[: chance.choice([None, None, -1, -4, 1])] + chance.choice([b"", b"", b"\0", stored])
        altered = chance.choice(
            [altered, altered, stored + b"\0", zlib.compress(zlib.decompress(stored), chance.randrange(10))]
        )
        ref = BodyRef(sha256(altered).hexdigest(), len(altered), good.root)
        (forge.folder / "bodies" / "00000000.bin").write_bytes(altered)
        forge.write(lambda line: line, ref)
        seen.add(type(verify(forge.folder, [public], segment_lines=SEGMENT)))
    assert seen == {Verified, Tampered}


@pytest.mark.timeout(1800)
def test_checkpoints(forge: Forge, public: VerifierKey, key: Ed25519PrivateKey) -> None:
    """Text that is altered and signed, and signature lines that are altered."""
    chance, seen = random.Random("checkpoints"), set()
    forge.write(lambda line: line)
    newest, _ = checkpoint.parse((forge.folder / "checkpoint").read_bytes())
    for _ in range(COUNT):
        text = mutated(checkpoint.text(newest), chance) if chance.random() < 0.5 else checkpoint.text(newest)
        line = note.signature_line(note.Signature(ORIGIN, public.key_id, key.sign(text)))
        line = mutated(line, chance) if chance.random() < 0.5 else line * chance.choice([1, 2])
        (forge.folder / "checkpoint").write_bytes(text + b"\n" + line)
        seen.add(type(verify(forge.folder, [public], segment_lines=SEGMENT)))
    assert seen == {Verified, Tampered, CouldNotTell}
