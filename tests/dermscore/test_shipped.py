"""What ships with the program is found, in a checkout as in a wheel."""

from __future__ import annotations

from pathlib import Path

import pytest

from dermscore.errors import NotSetUp
from dermscore.shipped import default_assets, packaged


def test_what_ships_with_the_program_is_found() -> None:
    assert packaged("assets.yaml").read_text().startswith("#")
    assert packaged("policies").is_dir()


def test_a_wheel_keeps_assets_inside_policies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "assets.yaml").write_text("wheel")
    monkeypatch.setattr("dermscore.shipped._ROOT", tmp_path)
    assert packaged("assets.yaml").read_text() == "wheel"


def test_what_does_not_ship_is_told() -> None:
    with pytest.raises(NotSetUp, match="no such/thing"):
        packaged("such/thing")


def test_the_fleet_at_hand_comes_before_the_one_that_ships(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert default_assets() == packaged("assets.yaml")
    (tmp_path / "assets.yaml").touch()
    assert default_assets() == Path("assets.yaml")
