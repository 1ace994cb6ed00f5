"""Encrypted bodies and their keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit import secrecy
from audit.errors import BadKey
from audit.format import body
from audit.format.body import Body, Encrypted, MalformedBody, Opened
from audit.secrecy import Broken, KeyFolder, WrongKey

KEY, OTHER, NONCE = bytes(range(32)), bytes(32), bytes(range(12))
STREAM, REF = body.store(Body({"raw": [1, 2.5]}), bytes(32))
STORED = secrecy.encrypt(STREAM, KEY, NONCE, "example.com/x", 7)


def test_bytes_as_the_page_says() -> None:
    assert STORED[:1] == b"E"
    assert STORED[1:5] == secrecy.key_id(KEY)
    assert STORED[5:17] == NONCE
    assert len(STORED) == len(STREAM) + secrecy.OVERHEAD


def test_only_its_key_origin_and_record_open_it() -> None:
    assert secrecy.decrypt(STORED, KEY, "example.com/x", 7) == STREAM
    assert secrecy.decrypt(STORED, KEY, "example.com/y", 7) == Broken()
    assert secrecy.decrypt(STORED, KEY, "example.com/x", 8) == Broken()
    assert secrecy.decrypt(STORED[:-1] + b"x", KEY, "example.com/x", 7) == Broken()
    assert secrecy.decrypt(STORED, OTHER, "example.com/x", 7) == WrongKey()
    assert secrecy.decrypt(STORED[:32], KEY, "example.com/x", 7) == WrongKey()


def test_opening() -> None:
    opened = secrecy.open_body(STORED, KEY, "example.com/x", 7)
    assert isinstance(opened, Opened)
    assert (opened.columns, opened.root) == ({"raw": [1, 2.5]}, REF.root)
    assert secrecy.open_body(STORED, None, "example.com/x", 7) == Encrypted()
    assert secrecy.open_body(STORED, OTHER, "example.com/x", 7) == Encrypted()
    assert isinstance(secrecy.open_body(STREAM, KEY, "example.com/x", 7), Opened)
    broken = secrecy.open_body(STORED, KEY, "example.com/x", 8)
    assert isinstance(broken, MalformedBody)
    assert "does not decrypt with its key" in broken.what
    twice = secrecy.encrypt(STORED, KEY, NONCE, "example.com/x", 7)
    assert secrecy.open_body(twice, KEY, "example.com/x", 7) == MalformedBody("is encrypted twice")


def test_keys_are_made_once_and_kept_to_their_owner(tmp_path: Path) -> None:
    folder = KeyFolder(tmp_path)
    assert folder.of(3) is None
    made = folder.for_writing(3)
    assert (folder.for_writing(3), folder.of(3)) == (made, made)
    assert folder.path(3).stat().st_mode & 0o777 == 0o600
    assert folder.path(3).name == "00000003.key"
    folder.path(3).write_text("ab" * 32)
    with pytest.raises(BadKey, match="is not a body key"):
        folder.of(3)
