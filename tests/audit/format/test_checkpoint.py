"""Checkpoints: the three lines, in one spelling."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from audit.format import checkpoint, note
from audit.format.checkpoint import Checkpoint
from audit.format.note import MalformedNote, Signed, VerifierKey

ROOT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
SIGNATURE = "\n— x AAAAAAAA\n"


@given(st.integers(0, 6_553_600_000_000), st.binary(min_size=32, max_size=32))
def test_round_trip(size: int, root: bytes) -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    written = Checkpoint("example.com/log", size, root)
    read, signed = checkpoint.parse(checkpoint.sign(written, key))
    public = note.verifier_key("example.com/log", key.public_key())
    assert read == written
    assert note.check(signed, [public]) == Signed(public)


def test_the_text_is_the_one_of_the_specification(key: Ed25519PrivateKey, public: VerifierKey) -> None:
    # c2sp.org/tlog-checkpoint, its example
    example = f"example.com/behind-the-sofa\n20852163\n{ROOT}\n"
    read, _ = checkpoint.parse((example + SIGNATURE).encode())
    assert (read.origin, read.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint.text(read) == example.encode()


@pytest.mark.parametrize(
    "text",
    [
        f"o\n01\n{ROOT}\n",
        f"o\n-1\n{ROOT}\n",
        f"o\n6553600000001\n{ROOT}\n",
        f"o\n9007199254740991\n{ROOT}\n",
        f"o\n1\n{ROOT[:-2]}J=\n",
        f"o\n1\n{ROOT}\nextension\n",
        f"o o\n1\n{ROOT}\n",
        f"\n1\n{ROOT}\n",
        "o\n1\nAAAA\n",
        f"o\n1\n{ROOT}",
    ],
)
def test_other_spellings_are_refused(text: str) -> None:
    with pytest.raises(MalformedNote):
        checkpoint.parse((text + SIGNATURE).encode())
