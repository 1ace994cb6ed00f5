"""The zip file: what a reader takes, in pieces or whole. What it does not take stands in the corpus of attacks."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from forge import Parts, deflated, pack
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.evidence.archive import Archive, Unreadable
from audit.evidence.writing import TooLarge, Writer

FAST = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)


@FAST
@given(data=st.binary(max_size=300), times=st.integers(0, 2000), stored=st.booleans(), piece=st.integers(1, 99_999))
def test_members_come_out_as_they_went_in(tmp_path: Path, data: bytes, times: int, stored: bool, piece: int) -> None:
    whole = data * times
    path = tmp_path / "a.zip"
    with path.open("w+b") as file, Writer(file) as writer:
        writer.put("one", (whole[at : at + piece] for at in range(0, len(whole), piece)), stored=stored)
        writer.put("two", [b"2"])
    with Archive(path) as archive:
        assert archive.names_are_good()
        assert archive.read("one", len(whole)) == whole
        assert archive.read("none", 9) is None
        assert archive.read("two", 0) is None
        assert archive.size("two") == 1
        with archive.open("one") as one:
            assert one.read(7) == whole[:7]
            assert one.readline() == io.BytesIO(whole[7:]).readline()
            assert one.read() == io.BytesIO(whole[7:]).read()[len(io.BytesIO(whole[7:]).readline()) :]
        measured = [(each.entry.name, each.entry.size, each.digest) for each in archive.measure()]
    assert measured == [(each.name, each.length, each.digest) for each in writer.members]


def test_the_standard_library_reads_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with path.open("w+b") as file, Writer(file) as writer:
        writer.put("a/b", [b"x" * 1000])
    with zipfile.ZipFile(path) as read:
        assert read.testzip() is None
        assert read.read("a/b") == b"x" * 1000


def test_a_bomb_is_not_inflated(tmp_path: Path) -> None:
    """A gigabyte that says to be ten bytes: reading ends with the eleventh."""
    parts = Parts()
    parts.add(b"a", b"", packed=deflated(b"\0" * 2**25), size=10)
    (tmp_path / "a.zip").write_bytes(parts.close())
    with Archive(tmp_path / "a.zip") as archive:
        with pytest.raises(Unreadable, match="another length"):
            list(archive.measure())
        with archive.open("a") as file, pytest.raises(Unreadable):
            file.read(1)


def test_a_file_that_shrinks_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(pack([("a", bytes(range(256)) * 900)]))
    with Archive(path) as archive:
        path.write_bytes(b"")
        with pytest.raises(Unreadable, match="cut short"):
            list(archive.measure())


def test_no_member_is_longer_than_a_member_may_be(tmp_path: Path) -> None:
    with (tmp_path / "a.zip").open("w+b") as file, Writer(file, limit=99) as writer:
        writer.put("a", [b"x" * 99], stored=True)
        with pytest.raises(TooLarge, match="shorter period"):
            writer.put("b", [b"x"])
    with (tmp_path / "c.zip").open("w+b") as file, Writer(file, most=1) as writer:
        writer.put("a", [b"x"])
        with pytest.raises(TooLarge):
            writer.put("b", [b"x"])
    with (tmp_path / "b.zip").open("w+b") as file, Writer(file, limit=99) as writer, pytest.raises(TooLarge):
        writer.put("a", [b"x" * 60, b"x" * 60])
