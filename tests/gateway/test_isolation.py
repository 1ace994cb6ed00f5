"""Closing and opening the boundary by file: who did it is the file's owner, and each is told once."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from gateway import isolation
from gateway.config import Home
from gateway.isolation import Said
from tests.gateway.stand_in import make_gateway

ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
def home(tmp_path: Path, pki_folder: Path) -> Home:
    return Home.open(make_gateway(tmp_path, pki_folder, 1)[0])


def test_who_closed_it_and_who_opened_it_again(home: Home) -> None:
    assert not isolation.open_again(home, "it is open")
    assert not home.rejoined.exists()
    isolation.close(home, "INC-1")
    assert isolation.closed(home) == Said(ME, "INC-1")
    isolation.close(home, "INC-2")
    assert isolation.closed(home) == Said(ME, "INC-2")
    assert isolation.open_again(home, "done")
    assert not home.isolated.exists()
    assert isolation.opened(home) == Said(ME, "done")
    assert isolation.opened(home) == Said("", isolation.BY_HAND)


def test_an_opening_that_nobody_recorded_is_not_told_of_a_later_one(home: Home) -> None:
    isolation.close(home, "INC-1")
    isolation.open_again(home, "done")
    isolation.close(home, "INC-2")
    home.isolated.unlink()
    assert isolation.opened(home) == Said("", isolation.BY_HAND)


def test_a_file_made_by_hand_may_hold_anything(home: Home) -> None:
    home.isolated.write_bytes(b"\xff\xfe" + b"x" * 1000)
    said = isolation.closed(home)
    assert said.by == ME
    assert len(said.reason) == isolation.LONGEST_REASON
    home.isolated.unlink()
    home.isolated.mkdir()
    assert "cannot be read" in isolation.closed(home).reason


def test_a_user_without_a_name_has_a_number(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    isolation.close(home, "INC-1")
    assert isolation.closed(home).by == f"uid {os.getuid()}"
