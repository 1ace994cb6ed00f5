"""Files as strangers leave them: links, pipes, folders, and what may not be looked at."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from audit.reading.files import is_there, names_in, open_regular, size_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(b"four")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "dangling").symlink_to("nothing")
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


@pytest.mark.parametrize("name", ["file", "link"])
def test_regular_files(folder: Path, name: str) -> None:
    with open_regular(folder / name) as file:
        assert file.read() == b"four"
    assert is_there(folder / name)
    assert size_of(folder / name) == 4


@pytest.mark.parametrize("name", ["pipe", "folder"])
def test_other_kinds_are_there_and_hold_nothing(folder: Path, name: str) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    with pytest.raises(OSError, match="not a regular file"):
        open_regular(folder / name)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    assert is_there(folder / name)
    assert size_of(folder / name) == 0


@pytest.mark.parametrize("name", ["nothing", "dangling"])
def test_missing(folder: Path, name: str) -> None:
    with pytest.raises(FileNotFoundError):
        open_regular(folder / name)
    assert not is_there(folder / name)
    assert size_of(folder / name) == 0
    assert names_in(folder / name) == []


@pytest.mark.parametrize("name", ["circle", "file/inner"])
def test_what_cannot_be_seen_is_not_missing(folder: Path, name: str) -> None:
    for look in (open_regular, is_there, size_of, names_in):
        with pytest.raises(OSError) as found:  # noqa: PT011
            look(folder / name)
        assert not isinstance(found.value, FileNotFoundError)


def test_names(folder: Path) -> None:
    assert sorted(names_in(folder)) == ["circle", "dangling", "file", "folder", "link", "pipe"]
