"""Key files: written once, read with clear errors."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from trail_helpers import ORIGIN

from audit import keys
from audit.errors import BadKey
from audit.format.note import VerifierKey, verifier_key


def test_both_halves_are_written_and_read(tmp_path: Path) -> None:
    key = keys.generate()
    files = keys.write(tmp_path, key, ORIGIN)
    assert files == keys.KeyFiles(tmp_path / "audit.key", tmp_path / "audit.pub")
    assert stat.S_IMODE(files.private.stat().st_mode) == 0o600
    assert keys.load_private(files.private).private_bytes_raw() == key.private_bytes_raw()
    assert keys.load_public(files.public) == (verifier_key(ORIGIN, key.public_key()),)


def test_no_key_is_overwritten(tmp_path: Path, key: Ed25519PrivateKey) -> None:
    (tmp_path / "audit.pub").write_text("mine")
    with pytest.raises(BadKey, match="exists; a key is never overwritten"):
        keys.write(tmp_path, key, ORIGIN)
    assert not (tmp_path / "audit.key").exists()


def test_a_bad_origin_writes_nothing(tmp_path: Path, key: Ed25519PrivateKey) -> None:
    with pytest.raises(BadKey, match="cannot name a key"):
        keys.write(tmp_path, key, "two words")
    assert list(tmp_path.iterdir()) == []


def test_private_keys_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "audit.key"
    with pytest.raises(BadKey, match=r"cannot read the signing key .*No such file"):
        keys.load_private(path)
    path.write_text("not a key")
    with pytest.raises(BadKey, match="is not an unencrypted PEM private key"):
        keys.load_private(path)
    other = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(BadKey, match="key of another kind"):
        keys.load_private(path)


def test_public_files_may_hold_comments_and_several_keys(tmp_path: Path, public: VerifierKey) -> None:
    other = verifier_key("example.com/gateway-2", keys.generate().public_key())
    path = tmp_path / "keys"
    path.write_text(f"# ours\n\n{public}\n  {other}  \n")
    assert keys.load_public(path) == (public, other)


def test_lines_end_with_newlines_only(tmp_path: Path, public: VerifierKey) -> None:
    path = tmp_path / "keys"
    path.write_bytes(f"# a comment\rof one line\v\f\x1c\r\n\t {public} \t\r\n\r\n \t\n#{public}".encode())
    assert keys.load_public(path) == (public,)
    for separator in ("\r", "\v", "\f", "\x1c", "\x1d", "\x1e", "\r\r"):
        path.write_bytes(f"{public}{separator}{public}\n".encode())
        with pytest.raises(BadKey, match="keys:1: "):
            keys.load_public(path)
    for around in ("\v", "\f", "\x1f"):
        path.write_bytes(f"{public}{around}\n".encode())
        with pytest.raises(BadKey, match="keys:1: "):
            keys.load_public(path)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "holds no key"),
        (b"# only words\n", "holds no key"),
        (b"\xff", "holds more than plain text"),
        (b"\nnonsense\n", "keys:2: not a verifier key"),
    ],
)
def test_public_files_that_cannot_be_used(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "keys"
    path.write_bytes(content)
    with pytest.raises(BadKey, match=why):
        keys.load_public(path)


def test_a_missing_public_file(tmp_path: Path) -> None:
    with pytest.raises(BadKey, match=r"cannot read the verifier key .*No such file"):
        keys.load_public(tmp_path / "nowhere")


@pytest.mark.timeout(20)
@pytest.mark.parametrize("load", [keys.load_public, keys.load_private])
def test_what_is_no_key_file_is_not_waited_for_and_not_read_to_its_end(
    tmp_path: Path, load: Callable[[Path], object]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(BadKey, match="not a regular file"):
            load(path)
    huge = tmp_path / "huge"
    huge.touch()
    os.truncate(huge, 2**40)
    with pytest.raises(BadKey, match="is longer than the 1048576 bytes that a key file may have"):
        load(huge)


def test_the_longest_public_file(tmp_path: Path, public: VerifierKey) -> None:
    path = tmp_path / "keys"
    path.write_text(f"{public}\n".ljust(keys.FILE_LIMIT))
    assert keys.load_public(path) == (public,)
