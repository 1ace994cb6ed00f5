"""A file that cannot be read says why, and what to do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dermscore.errors import BadInput, Unreadable
from dermscore.files import textfile


def test_a_byte_order_mark_is_not_text(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"\xef\xbb\xbfsites: 1\n")
    assert textfile.read_text(file) == "sites: 1\n"


def test_a_missing_file_and_a_folder_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="No such file"):
        textfile.read_text(tmp_path / "none")
    with pytest.raises(Unreadable, match="is a folder; name the file in it"):
        textfile.read_text(tmp_path)


def test_what_is_no_file_is_neither_waited_for_nor_read_for_ever(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", Path("/dev/zero")):
        with pytest.raises(Unreadable, match="is not a regular file but a device, a pipe"):
            textfile.read_text(path)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "large"
    with file.open("wb") as sparse:
        sparse.truncate(textfile.MAX_BYTES + 1)
    with pytest.raises(Unreadable, match="larger than 64 MiB"):
        textfile.read_text(file)


def test_bytes_that_are_not_utf8_are_named_with_their_line() -> None:
    with pytest.raises(BadInput, match=r"^a\.csv:3: byte 0xe9 is not UTF-8; save the file as UTF-8$"):
        textfile.decode(b"one\ntwo\ncaf\xe9\n", "a.csv")
    with pytest.raises(BadInput, match="is UTF-16; save it as UTF-8"):
        textfile.decode("a,b".encode("utf-16"), "a.csv")
