"""Proofs out of real logs: from any size to any later one, whatever form a segment is kept in, and of damaged ones."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pytest
from trail_helpers import SEGMENT

from audit.errors import Damaged, NoLog
from audit.format import proof, tree
from audit.format.layout import Layout
from audit.format.record import line_hash
from audit.witness.prover import Proved, Tree, newest, prove


@pytest.fixture
def layout(good_log: Path, tmp_path: Path) -> Layout:
    """21 records in three segments of eight, the last not full."""
    return Layout(Path(shutil.copytree(good_log, tmp_path / "trail")), SEGMENT)


def leaves_of(layout: Layout) -> list[bytes]:
    files = sorted(layout.headers_folder.glob("*.jsonl"))
    return [line_hash(line) for file in files for line in file.read_bytes().split(b"\n")[:-1]]


def tree_of(leaves: list[bytes]) -> Tree:
    growing = tree.Growing()
    for leaf in leaves:
        growing.push(leaf)
    return Tree(growing.size, growing.peaks)


def check(layout: Layout, leaves: list[bytes], old: int, known: int = 0) -> Proved:
    tip, _ = newest(layout)
    proved = prove(layout, old, tip, tree_of(leaves[:known]))
    assert proved.new == tree_of(leaves)
    assert proved.old == tree_of(leaves[:old])
    assert proof.is_consistent(old, tree.root_of(leaves[:old]), tip.size, tip.root, proved.proof)
    return proved


@pytest.mark.parametrize("old", range(22))
def test_every_size_is_proved_from_nothing_and_from_what_is_known(layout: Layout, old: int) -> None:
    leaves = leaves_of(layout)
    proofs = {check(layout, leaves, old, known).proof for known in (0, old // 2, old, 21)}
    assert len(proofs) == 1


def test_what_lies_before_the_known_tree_is_not_read(layout: Layout) -> None:
    leaves = leaves_of(layout)
    layout.headers(0).unlink()
    assert check(layout, leaves, 11, known=9).old.size == 11
    with pytest.raises(Damaged, match="21 records"):
        check(layout, leaves, 11, known=7)


def test_packed_and_pruned_segments_prove_as_well(layout: Layout) -> None:
    leaves = leaves_of(layout)
    layout.packed(0).write_bytes(gzip.compress(layout.headers(0).read_bytes()))
    layout.headers(0).unlink()
    layout.hashes(1).write_bytes(b"".join(leaves[8:16]))
    layout.headers(1).unlink()
    for old in (0, 3, 8, 12, 20):
        check(layout, leaves, old)


@pytest.mark.parametrize("spoil", ["packed", "hashes", "nothing", "newest", "short", "altered"])
def test_a_log_that_is_not_whole_proves_nothing(layout: Layout, spoil: str) -> None:
    whole = layout.headers(0).read_bytes()
    layout.headers(2 if spoil == "newest" else 0).unlink()
    if spoil == "packed":
        layout.packed(0).write_bytes(gzip.compress(whole) + b"x")
    elif spoil == "hashes":
        layout.hashes(0).write_bytes(bytes(33))
    elif spoil == "short":
        layout.headers(0).write_bytes(whole[:-1])
    elif spoil == "altered":
        layout.headers(0).write_bytes(whole.replace(b"allowed", b"refused", 1))
    tip, _ = newest(layout)
    for old in (0, 5, 21):
        with pytest.raises(Damaged):
            prove(layout, old, tip)


def test_what_stands_behind_the_checkpoint_is_not_looked_at(layout: Layout) -> None:
    leaves = leaves_of(layout)
    with layout.headers(2).open("ab") as file:
        file.write(b"half a li")
    check(layout, leaves, 18)


def test_a_folder_without_a_checkpoint_or_with_a_bad_one(tmp_path: Path) -> None:
    with pytest.raises(NoLog):
        newest(Layout(tmp_path))
    (tmp_path / "checkpoint").write_bytes(b"nonsense")
    with pytest.raises(Damaged):
        newest(Layout(tmp_path))
