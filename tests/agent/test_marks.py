"""What the people at a site set on an asset: nothing but a person takes it away."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent import marks, state
from agent.marks import Mark, Marks


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A state folder that an agent of b1 has claimed once."""
    state.claim(tmp_path, "b1").close()
    return tmp_path


def test_a_mark_is_set_with_its_reason_and_cleared(folder: Path) -> None:
    assert marks.read(folder, "b1") == Marks()
    marks.place(folder, "b1", Mark.LOCKED, "door open")
    marks.place(folder, "b1", Mark.LOCAL, "service\nuntil noon")
    assert marks.read(folder, "b1") == Marks("door open", "service until noon")
    assert marks.clear(folder, "b1", Mark.LOCKED)
    assert not marks.clear(folder, "b1", Mark.LOCKED)
    assert marks.read(folder, "b1") == Marks(local="service until noon")
    assert marks.read(folder, "b1") == Marks(local="service until noon")
    assert sorted(path.name for path in folder.iterdir()) == ["b1.local", "b1.lock"]


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "no reason is given"), (b"\xff\xfe", "\N{REPLACEMENT CHARACTER}" * 2)]
)
def test_a_torn_mark_is_a_mark(folder: Path, content: bytes, reason: str) -> None:
    (folder / "b1.locked").write_bytes(content)
    assert marks.read(folder, "b1").locked == reason


def test_a_mark_that_may_not_be_read_is_a_mark(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marks.place(folder, "b1", Mark.LOCAL, "service")
    (folder / "b1.local").chmod(0)
    found = marks.read(folder, "b1").local
    assert found == ("service" if os.geteuid() == 0 else "no reason can be read")


def test_a_folder_that_went_away_takes_no_mark_with_it(folder: Path) -> None:
    marks.place(folder, "b1", Mark.LOCKED, "door open")
    away = folder.rename(folder.with_name("unmounted"))
    with pytest.raises(OSError, match=r"b1\.lock"):
        marks.read(folder, "b1")
    assert marks.read(away, "b1").locked == "door open"


def test_only_an_asset_that_an_agent_has_driven_here_is_known(folder: Path) -> None:
    assert marks.known(folder, "b1")
    assert not marks.known(folder, "b2")
    assert not marks.known(folder / "nowhere", "b1")
    assert not marks.known(folder / "sub", "../b1")
