"""The format page's worked example, from the page's own bytes: verified, and recomputed with nothing of `audit`."""

from __future__ import annotations

import base64
import json
import re
import zlib
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from audit import keys
from audit.verify import Tampered, Verified, verify

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "audit-format.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"```\w+ file=(\S+)\n(.*?)```", PAGE, re.DOTALL))
LINES = [line.encode() for line in BLOCKS["headers/00000000.jsonl"].splitlines()]
STORED = base64.b64decode(BLOCKS["bodies/00000000.bin"])


def leaf(data: bytes) -> bytes:
    return sha256(b"\x00" + data).digest()


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def root(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return node(root(leaves[:k]), root(leaves[k:]))


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The example's folder and, beside it, its key."""
    (tmp_path / "audit.pub").write_text(BLOCKS["audit.pub"])
    trail = tmp_path / "trail"
    for name in ("headers", "bodies"):
        (trail / name).mkdir(parents=True)
    (trail / "checkpoint").write_bytes(BLOCKS["checkpoint"].encode())
    (trail / "headers" / "00000000.jsonl").write_bytes(b"".join(line + b"\n" for line in LINES))
    (trail / "bodies" / "00000000.bin").write_bytes(STORED)
    return tmp_path


def test_the_example_verifies(example: Path) -> None:
    verdict = verify(example / "trail", keys.load_public(example / "audit.pub"))
    assert isinstance(verdict, Verified)
    assert (verdict.records, verdict.bodies, verdict.unreleased_bytes) == (4, 2, 0)


def test_the_example_altered_does_not(example: Path) -> None:
    path = example / "trail" / "headers" / "00000000.jsonl"
    path.write_bytes(path.read_bytes().replace(b"refused", b"allowed"))
    verdict = verify(example / "trail", keys.load_public(example / "audit.pub"))
    assert isinstance(verdict, Tampered)
    assert verdict.first_bad == 2


def test_the_chain_and_the_tree() -> None:
    prev = "0" * 64
    for number, line in enumerate(LINES):
        header = json.loads(line)
        assert (header["seq"], header["prev"]) == (number, prev)
        assert json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() == line
        prev = leaf(line).hex()
        assert f"| leaf hash of record {number} | `{prev}` |" in PAGE
    leaves = [leaf(line) for line in LINES]
    assert f"| node over records 0 and 1 | `{node(*leaves[:2]).hex()}` |" in PAGE
    assert f"| node over records 2 and 3 | `{node(*leaves[2:]).hex()}` |" in PAGE
    assert f"| root, size 4 | `{root(leaves).hex()}` |" in PAGE


def test_the_checkpoint_and_the_key() -> None:
    name, key_id, encoded = BLOCKS["audit.pub"].strip().split("+", 2)
    raw = base64.b64decode(encoded)
    assert raw[0] == 1
    assert sha256(name.encode() + b"\n" + raw).hexdigest()[:8] == key_id
    assert f"| key id | `{key_id}` |" in PAGE
    text, _, line = BLOCKS["checkpoint"].encode().rpartition(b"\n\n")
    assert text.split(b"\n") == [name.encode(), b"4", base64.b64encode(root([leaf(line) for line in LINES]))]
    dash, signer, signature = line.decode().rstrip("\n").split(" ")
    assert (dash, signer) == ("—", name)
    decoded = base64.b64decode(signature)
    assert decoded[:4].hex() == key_id
    Ed25519PublicKey.from_public_bytes(raw[1:]).verify(decoded[4:], text + b"\n")
    assert json.loads(LINES[0])["digests"]["key"] == sha256(BLOCKS["audit.pub"].strip().encode()).hexdigest()


def test_the_bodies() -> None:
    offset = 0
    for number in (0, 1):
        ref = json.loads(LINES[number])["body"]
        stored = STORED[offset : offset + ref["len"]]
        offset += ref["len"]
        assert sha256(stored).hexdigest() == ref["sha256"]
        assert zlib.decompress(stored).decode() == BLOCKS[f"plain-{number}"].rstrip("\n")
    assert offset == len(STORED)


def leaves_of(plain: dict[str, dict[str, list[object]] | str]) -> list[tuple[str, bytes]]:
    """Text and salt of every leaf of a body."""
    columns, salt = plain["columns"], bytes.fromhex(str(plain["salt"]))
    assert isinstance(columns, dict)
    texts = [json.dumps({name: len(values) for name, values in columns.items()}, separators=(",", ":"))]
    for name, values in columns.items():
        texts += [json.dumps([name, row, value], separators=(",", ":")) for row, value in enumerate(values)]
    return [(text, sha256(salt + number.to_bytes(8, "big")).digest()) for number, text in enumerate(texts)]


def test_the_commitment() -> None:
    for number in (0, 1):
        leaves = leaves_of(json.loads(BLOCKS[f"plain-{number}"]))
        hashes = [leaf(salt + text.encode()) for text, salt in leaves]
        assert root(hashes).hex() == json.loads(LINES[number])["body"]["root"]
    for index, ((text, salt), hashed) in enumerate(zip(leaves, hashes, strict=True)):
        assert f"| {index} | `{text}` | `{salt.hex()}` | `{hashed.hex()}` |" in PAGE
    assert f"Their root is `{root(hashes).hex()}`" in PAGE


def test_the_shown_value() -> None:
    text, salt = leaves_of(json.loads(BLOCKS["plain-1"]))[5]
    assert f"the text `{text}`, the salt `{salt.hex()}`" in PAGE
    first, second, third = (bytes.fromhex(step) for step in BLOCKS["path"].split())
    # Leaf 5 of 7: its left neighbour, then the lone leaf 6, then the root of the first four.
    found = node(third, node(node(first, leaf(salt + text.encode())), second))
    assert found.hex() == json.loads(LINES[1])["body"]["root"]


# The second example


@pytest.fixture
def second(tmp_path: Path) -> Path:
    """The folder of the second example."""
    for name, text in BLOCKS.items():
        if name.startswith("2/"):
            path = tmp_path / name.removeprefix("2/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return tmp_path


def test_the_second_example_verifies(second: Path) -> None:
    verdict = verify(second, keys.load_public(second / "audit.pub"), ring=keys.load_ring(second / "ring"))
    assert isinstance(verdict, Verified), verdict
    assert (verdict.records, verdict.key_changes, verdict.approvals_unchecked) == (3, 1, 0)
    assert verdict.rebased_from is not None
    assert verdict.rebased_from.size == 4
    (second / "seals" / "0000000000000001").unlink()
    assert isinstance(verify(second, keys.load_public(second / "audit.pub")), Tampered)


def public_key(text: str) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(base64.b64decode(text.split("+", 2)[2])[1:])


def checked(note: str, signers: dict[str, str]) -> str:
    """The text of a note, every signature of which is right."""
    text, _, lines = note.rpartition("\n\n")
    for line in lines.splitlines():
        _, name, signature = line.split(" ")
        public_key(signers[name]).verify(base64.b64decode(signature)[4:], f"{text}\n".encode())
    return text + "\n"


def test_the_second_example_with_nothing_of_ours() -> None:
    lines = [line.encode() for line in BLOCKS["2/headers/00000000.jsonl"].splitlines()]
    first, change, _ = (json.loads(line) for line in lines)
    origin = first["origin"]
    assert change["rule"] == BLOCKS["2/audit.pub"].strip()
    for text, digest in (("rule", "old"), ("decision", "key")):
        assert sha256(change[text].encode()).hexdigest() == change["digests"][digest]
    assert first["digests"]["key"] == change["digests"]["old"]
    leaves = [leaf(line) for line in lines]
    for name, size, key in (("2/seals/0000000000000001", 2, "rule"), ("2/checkpoint", 3, "decision")):
        expected = f"{origin}\n{size}\n{base64.b64encode(root(leaves[:size])).decode()}\n"
        assert checked(BLOCKS[name], {origin: change[key]}) == expected
    approval = BLOCKS[f"2/approvals/{first['digests']['approval']}"]
    assert sha256(approval.encode()).hexdigest() == first["digests"]["approval"]
    people = [line.split(" ")[0] for line in BLOCKS["2/ring"].splitlines()]
    text = checked(approval, {person.split("+")[0]: person for person in people})
    assert approval.count("\u2014 ") == 2
    subject = BLOCKS["2/subject"]
    old = (first["peer"], first["rule"], first["digests"]["root"])
    assert subject == "derms.rebase/1\n" + "".join(f"{part}\n" for part in (origin, first["digests"]["key"], *old))
    assert text.splitlines()[1:3] == ["rebase", sha256(subject.encode()).hexdigest()]
    assert (old[1], old[2]) == ("4", root([leaf(line) for line in LINES]).hex())


def test_the_encrypted_body() -> None:
    stored, key = base64.b64decode(BLOCKS["encrypted"]), bytes(range(32))
    assert stored[:17] == b"E" + sha256(key).digest()[:4] + bytes(range(12))
    opened = AESGCM(key).decrypt(stored[5:17], stored[17:], b"example.com/gateway-1\n1\n")
    assert opened == STORED[161:]
