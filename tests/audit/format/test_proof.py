"""Merkle proofs against published vectors, against RFC 6962's definition, and against proofs that were tampered with.

The tree of eight leaves, its roots, and the proofs in it are those that certificate-transparency and transparency-dev
publish for every implementation to meet (merkle_tree_test.cc; transparency-dev/merkle, proof/verify_test.go). The
ways in which a good proof is spoiled, and must then be refused, are the same sources'.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.format import proof, tree
from audit.format.proof import Proof

# The leaves: of 0, 1, 1, 2, 2, 4, 8 and 16 bytes, the first of them empty.
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
# The root of the first leaf, the first two, ... all eight.
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAF_1 = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
LEAF_4 = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
LEAF_6 = "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f"
NODE_2_3 = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
NODE_4_5 = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
NODE_6_7 = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
NODE_4_7 = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
# Inclusion: index of the leaf (from 0), size, path.
PATHS = [
    (0, 1, []),
    (0, 8, [LEAF_1, NODE_2_3, NODE_4_7]),
    (5, 8, [LEAF_4, NODE_6_7, ROOTS[3]]),
    (2, 3, [ROOTS[1]]),
    (1, 5, [ROOTS[0], NODE_2_3, LEAF_4]),
]
# Consistency: old size, size, proof.
CONSISTENCY = [
    (1, 1, []),
    (1, 8, [LEAF_1, NODE_2_3, NODE_4_7]),
    (6, 8, [NODE_4_5, NODE_6_7, ROOTS[3]]),
    (2, 5, [NODE_2_3, LEAF_4]),
    (6, 7, [NODE_4_5, LEAF_6, ROOTS[3]]),
]

HASHES = [tree.leaf_hash(bytes.fromhex(leaf)) for leaf in LEAVES]
SOME_HASH = bytes.fromhex("abacaba000000000000000000000000000000000000000000060061e00123456")


def root(size: int) -> bytes:
    return bytes.fromhex(ROOTS[size - 1]) if size else tree.EMPTY_ROOT


def steps_of(path: Sequence[str]) -> Proof:
    return tuple(bytes.fromhex(step) for step in path)


def flipped(step: bytes, mask: int) -> bytes:
    return bytes([step[0] ^ mask]) + step[1:]


@pytest.mark.parametrize(("index", "size", "path"), PATHS)
def test_published_inclusion_proofs(index: int, size: int, path: list[str]) -> None:
    made = proof.roots(proof.inclusion(index, size), HASHES[:size])
    assert made == steps_of(path)
    assert proof.root_from_inclusion(HASHES[index], index, size, made) == root(size)


@pytest.mark.parametrize(("index", "size", "path"), PATHS)
def test_published_inclusion_proofs_that_are_spoiled(index: int, size: int, path: list[str]) -> None:
    good, leaf, whole = steps_of(path), HASHES[index], root(size)
    places = [(index - 1, size), (index + 1, size), (index ^ 2, size), (index, size * 2), (index, size // 2)]
    assert all(proof.root_from_inclusion(leaf, *place, good) != whole for place in places)
    assert proof.root_from_inclusion(b"WrongLeaf", index, size, good) != whole
    spoiled: list[Proof] = [(*good, b""), (*good, whole), (b"", *good), (whole, *good)]
    spoiled += [(*good[:at], flipped(good[at], 8), *good[at + 1 :]) for at in range(len(good))]
    spoiled += [good[:-1]] if good else []
    spoiled += [(good[0], SOME_HASH, *good[1:])] if len(good) > 1 else []
    assert all(proof.root_from_inclusion(leaf, index, size, each) != whole for each in spoiled)


@pytest.mark.parametrize(("old", "size", "path"), CONSISTENCY)
def test_published_consistency_proofs(old: int, size: int, path: list[str]) -> None:
    made = proof.roots(proof.consistency(old, size), HASHES[:size])
    assert made == steps_of(path)
    assert proof.is_consistent(old, root(old), size, root(size), made)


@pytest.mark.parametrize(("old", "size", "path"), CONSISTENCY[1:])
def test_published_consistency_proofs_that_are_spoiled(old: int, size: int, path: list[str]) -> None:
    good, before, after = steps_of(path), root(old), root(size)
    places = [(old - 1, size), (old + 1, size), (old ^ 2, size), (old, size * 2), (old, size // 2)]
    assert not any(proof.is_consistent(first, before, second, after, good) for first, second in places)
    assert not proof.is_consistent(old, b"WrongRoot", size, after, good)
    assert not proof.is_consistent(old, before, size, b"WrongRoot", good)
    assert not proof.is_consistent(old, after, size, before, good)
    spoiled: list[Proof] = [(), good[:-1], (*good, b""), (*good, before), (*good, after)]
    spoiled += [(b"", *good), (before, *good), (after, *good), (good[0], *good)]
    spoiled += [(*good[:at], flipped(good[at], 16), *good[at + 1 :]) for at in range(len(good))]
    assert not any(proof.is_consistent(old, before, size, after, each) for each in spoiled)


@pytest.mark.parametrize(
    ("old", "before", "size", "after", "steps", "right"),
    [
        (0, tree.EMPTY_ROOT, 0, tree.EMPTY_ROOT, (), True),
        (0, tree.EMPTY_ROOT, 1, SOME_HASH, (), True),  # whatever is there now, nothing was there before
        (1, SOME_HASH, 1, SOME_HASH, (), True),
        (0, b"1", 0, b"2", (), False),
        (0, tree.EMPTY_ROOT, 0, SOME_HASH, (), False),
        (1, b"1", 1, b"2", (), False),
        (1, tree.EMPTY_ROOT, 0, tree.EMPTY_ROOT, (), False),  # back in time
        (2, b"1", 1, b"2", (), False),
        (1, b"1", 2, b"2", (), False),  # no proof where one is needed
        (3, b"1", 8, b"2", (), False),
        (0, tree.EMPTY_ROOT, 0, tree.EMPTY_ROOT, (tree.EMPTY_ROOT,), False),  # a proof where none is needed
        (0, tree.EMPTY_ROOT, 1, tree.EMPTY_ROOT, (tree.EMPTY_ROOT,), False),
        (1, tree.EMPTY_ROOT, 1, tree.EMPTY_ROOT, (tree.EMPTY_ROOT,), False),
        (-1, SOME_HASH, 1, SOME_HASH, (), False),
    ],
)
def test_published_consistency_of_trees_without_a_proof(
    old: int, before: bytes, size: int, after: bytes, steps: Proof, right: bool
) -> None:
    assert proof.is_consistent(old, before, size, after, steps) is right


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 0), (2, 1), (-1, 8), (8, 8)])
def test_a_leaf_that_is_not_there_proves_nothing_and_has_no_proof(index: int, size: int) -> None:
    assert proof.root_from_inclusion(SOME_HASH, index, size, ()) is None
    with pytest.raises(ValueError, match=f"no leaf {index} in a tree of {size}"):
        proof.inclusion(index, size)


def test_a_tree_never_had_more_leaves_than_now() -> None:
    with pytest.raises(ValueError, match="a tree of 8 leaves never had 9"):
        proof.consistency(9, 8)


def hashes(count: int) -> list[bytes]:
    return [tree.leaf_hash(str(number).encode()) for number in range(count)]


def path(index: int, leaves: Sequence[bytes]) -> Proof:
    """PATH as RFC 6962 section 2.1.1 writes it."""
    if len(leaves) == 1:
        return ()
    k = half(len(leaves))
    if index < k:
        return (*path(index, leaves[:k]), tree.root_of(leaves[k:]))
    return (*path(index - k, leaves[k:]), tree.root_of(leaves[:k]))


def subproof(old: int, leaves: Sequence[bytes], whole: bool) -> Proof:
    """SUBPROOF as RFC 6962 section 2.1.2 writes it."""
    if old == len(leaves):
        return () if whole else (tree.root_of(leaves),)
    k = half(len(leaves))
    if old <= k:
        return (*subproof(old, leaves[:k], whole), tree.root_of(leaves[k:]))
    return (*subproof(old - k, leaves[k:], False), tree.root_of(leaves[:k]))


def half(size: int) -> int:
    k = 1
    while k * 2 < size:
        k *= 2
    return k


@given(st.integers(1, 70), st.data())
def test_every_leaf_proves_itself_and_no_other_does(size: int, data: st.DataObject) -> None:
    leaves = hashes(size)
    index = data.draw(st.integers(0, size - 1))
    made, whole = proof.roots(proof.inclusion(index, size), leaves), tree.root_of(leaves)
    assert made == path(index, leaves)
    assert proof.root_from_inclusion(leaves[index], index, size, made) == whole
    assert proof.root_from_inclusion(SOME_HASH, index, size, made) != whole
    assert proof.root_from_inclusion(leaves[index], index, size, (*made, whole)) is None
    if made:
        assert proof.root_from_inclusion(leaves[index], index, size, made[:-1]) is None


@given(st.integers(0, 70), st.data())
def test_every_older_tree_is_proved_and_no_other_is(size: int, data: st.DataObject) -> None:
    leaves = hashes(size)
    old = data.draw(st.integers(0, size))
    made = proof.roots(proof.consistency(old, size), leaves)
    before, after = tree.root_of(leaves[:old]), tree.root_of(leaves)
    assert made == (subproof(old, leaves, True) if old else ())
    assert proof.is_consistent(old, before, size, after, made)
    assert not proof.is_consistent(old, SOME_HASH, size, after, made)
    assert not proof.is_consistent(old, before, size, after, (*made, SOME_HASH))
    if 0 < old < size:
        assert not proof.is_consistent(old, before, size, SOME_HASH, made)
        assert not proof.is_consistent(old, before, size, after, made[:-1])


@given(st.integers(0, 200), st.integers(0, 200))
def test_the_older_peaks_and_what_is_new_are_enough_for_a_proof(old: int, more: int) -> None:
    leaves = hashes(old + more)
    older = tree.Growing()
    for leaf in leaves[:old]:
        older.push(leaf)
    made = proof.extension(old, older.peaks, old + more, iter(leaves[old:]))
    assert made == proof.roots(proof.consistency(old, old + more), leaves)
    assert [tree.root_of(leaves[a:b]) for a, b in tree.peak_ranges(old)] == list(older.peaks)


def test_one_pass_reads_no_further_than_it_must() -> None:
    leaves = iter(hashes(20))
    assert proof.roots([(4, 6), (0, 2)], leaves) == (tree.root_of(hashes(20)[4:6]), tree.root_of(hashes(20)[:2]))
    assert next(leaves) == hashes(20)[6]


@pytest.mark.parametrize("ranges", [[(3, 6)], [(7, 8)]])
def test_leaves_that_end_too_early_make_no_proof(ranges: list[tuple[int, int]]) -> None:
    with pytest.raises(proof.TooFewLeaves, match=f"there are no leaves up to {ranges[0][1]}"):
        proof.roots(ranges, hashes(5))


def test_a_proof_in_a_tree_of_a_billion_names_few_ranges() -> None:
    size = 10**9 + 7
    for ranges in (proof.inclusion(123_456_789, size), proof.consistency(123_456_789, size)):
        assert len(ranges) < 63
        assert list(no_overlap(ranges)) == []


def no_overlap(ranges: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The ranges that begin before the one below them ends."""
    end = 0
    for first, behind in sorted(ranges):
        if first < end:
            yield first, behind
        end = behind
