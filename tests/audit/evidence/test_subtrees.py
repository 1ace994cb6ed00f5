"""What joins lines to a root: any first, any count, any size."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.evidence import subtrees
from audit.format import proof, tree
from audit.format.proof import TooFewLeaves
from audit.format.tree import Growing


def leaves(size: int) -> list[bytes]:
    return [sha256(number.to_bytes(4, "big")).digest() for number in range(size)]


@settings(deadline=None)
@given(st.data())
def test_any_range_is_joined_to_the_root(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 300))
    first = data.draw(st.integers(0, size - 1))
    end = data.draw(st.integers(first + 1, size))
    all_leaves = leaves(size)
    before, after = subtrees.before(first), subtrees.after(end, size)
    found = subtrees.roots([*before, *after], all_leaves, size)
    grown = Growing(first, tuple(found[each] for each in before))
    for leaf in all_leaves[first:end]:
        grown.push(leaf)
    steps = [found[each] for each in after]
    assert proof.is_consistent(end, grown.root(), size, tree.root_of(all_leaves), steps)
    assert grown.root() == tree.root_of(all_leaves[:end])


@settings(deadline=None)
@given(st.data())
def test_any_record_has_its_path(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 300))
    seqs = data.draw(st.lists(st.integers(0, size - 1), unique=True))
    all_leaves = leaves(size)
    found = subtrees.roots([each for seq in seqs for each in subtrees.path(seq, size)], all_leaves, size)
    for seq in seqs:
        steps = [found[each] for each in subtrees.path(seq, size)]
        assert proof.root_from_inclusion(all_leaves[seq], seq, size, steps) == tree.root_of(all_leaves)


def test_too_few_leaves() -> None:
    with pytest.raises(TooFewLeaves):
        subtrees.roots(subtrees.path(0, 5), leaves(4), 5)
    with pytest.raises(TooFewLeaves):
        subtrees.roots((), [], 1)


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=5))
def test_hashes_as_lines(hashes: list[bytes]) -> None:
    data = b"".join(subtrees.line([each]) for each in hashes)
    assert subtrees.parse_lines(data, len(hashes)) == tuple(hashes)
    assert subtrees.parse_lines(data, len(hashes) + 1) is None
    assert subtrees.parse_lines(data + b" ", len(hashes)) is None
    assert subtrees.parse_path(subtrees.line(hashes)[:-1]) == tuple(hashes)


@pytest.mark.parametrize("line", [b" ", b"AB" * 32, b"ab" * 31, b"ab" * 32 + b" ", b" " + b"ab" * 32])
def test_what_is_no_path(line: bytes) -> None:
    assert subtrees.parse_path(line) is None
