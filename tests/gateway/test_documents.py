"""What the trail names by digest: kept once, whole, for its owner only, and looked over."""

from __future__ import annotations

import stat
from hashlib import sha256
from pathlib import Path

from gateway import documents


def test_a_document_is_kept_under_its_digest_for_its_owner(tmp_path: Path) -> None:
    documents.keep(tmp_path, b"one")
    documents.keep(tmp_path, b"two")
    kept = tmp_path / sha256(b"one").hexdigest()
    assert kept.read_bytes() == b"one"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    before = kept.stat().st_mtime_ns
    documents.keep(tmp_path, b"one")
    assert kept.stat().st_mtime_ns == before
    assert len(list(tmp_path.iterdir())) == 2
    assert list(documents.damaged(tmp_path)) == []


def test_a_damaged_one_is_named_and_replaced_by_the_very_bytes(tmp_path: Path) -> None:
    documents.keep(tmp_path, b"one")
    (tmp_path / "readme").write_text("not a document, and nobody's business")
    kept = tmp_path / sha256(b"one").hexdigest()
    kept.write_bytes(b"another")
    (found,) = documents.damaged(tmp_path)
    assert (found.where, found.path) == (str(kept), "")
    assert "is not what its name says" in found.what
    documents.keep(tmp_path, b"one")
    assert list(documents.damaged(tmp_path)) == []


def test_what_cannot_be_read_is_named_too(tmp_path: Path) -> None:
    (tmp_path / ("0" * 64)).mkdir()
    (found,) = documents.damaged(tmp_path)
    assert "cannot be read: not a regular file" in found.what
