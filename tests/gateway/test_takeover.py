"""What an operator says of who controls: which master is meant, and what is read of what was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from dermscore.errors import BadInput
from gateway import takeover
from gateway.contract import Contract
from gateway.takeover import FILE, Takeover
from tests.gateway.stage import contract, files

SAID = Takeover("main", "backup", "drill", 7)


def two_outstations() -> Contract:
    given = files()
    second = b"""
  - name: second
    listen: 127.0.0.1:20001
    address: 11
    masters:
      - {name: ems, address: 1, peers: [127.0.0.0/8]}
limits:"""
    given["boundary.yaml"] = given["boundary.yaml"].replace(b"\nlimits:", second)
    return Contract.parse(given, "test")


def test_a_master_is_found_by_its_name_and_outstation() -> None:
    assert takeover.holder(contract(), "backup", None) == ("main", "backup")
    assert takeover.holder(two_outstations(), "backup", None) == ("main", "backup")
    assert takeover.holder(two_outstations(), "ems", "second") == ("second", "ems")
    with pytest.raises(BadInput, match=r"several outstations; say which \(ems on main, ems on second\)"):
        takeover.holder(two_outstations(), "ems", None)


@pytest.mark.parametrize(("master", "outstation"), [("viewer", None), ("nobody", None), ("ems", "other")])
def test_who_may_not_operate_takes_nothing_over(master: str, outstation: str | None) -> None:
    with pytest.raises(BadInput, match=r"may operate here \(backup on main, ems on main\)"):
        takeover.holder(contract(), master, outstation)


def test_what_was_said_last_is_read_back(tmp_path: Path) -> None:
    assert takeover.read(tmp_path) is None
    takeover.write(tmp_path, Takeover("main", "ems", "first", 1))
    takeover.write(tmp_path, SAID)
    assert takeover.read(tmp_path) == SAID
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"outstation": "main", "master": ["backup"], "reason": "", "at_ms": 7}',
        b'{"outstation": "main", "master": "backup", "reason": "", "at_ms": "7"}',
        b'{"outstation": "main", "master": "backup", "reason": "", "at_ms": 7, "more": 1}',
    ],
)
def test_what_makes_no_sense_says_nothing(tmp_path: Path, text: bytes) -> None:
    (tmp_path / FILE).write_bytes(text)
    assert takeover.read(tmp_path) is None
