"""The Merkle tree against RFC 6962's published vectors and against its own definition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import tree

# The leaves and roots that certificate-transparency's reference implementation publishes (merkle_tree_test.cc).
LEAVES = [bytes.fromhex(x) for x in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")]  # fmt: skip  # noqa: E501
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
# Index, size and path, one-based as published; the hashes are those of the same file.
PATHS = [
    (1, 1, []),
    (1, 8, ["96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"]),
    (6, 8, ["bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"]),
    (3, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (2, 5, ["6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"]),
]  # fmt: skip
CONSISTENCY = [
    (1, 1, []),
    (1, 8, ["96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"]),
    (6, 8, ["0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"]),
    (2, 5, ["5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"]),
]  # fmt: skip

HASHES = [tree.leaf_hash(leaf) for leaf in LEAVES]


def test_the_empty_tree() -> None:
    assert tree.EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert tree.Growing().root() == tree.root_of([]) == tree.EMPTY_ROOT


@pytest.mark.parametrize("size", range(1, 9))
def test_published_roots(size: int) -> None:
    assert tree.root_of(HASHES[:size]).hex() == ROOTS[size - 1]


@pytest.mark.parametrize(("leaf", "size", "path"), PATHS)
def test_published_inclusion_proofs(leaf: int, size: int, path: list[str]) -> None:
    proof = tree.inclusion_proof(leaf - 1, HASHES[:size])
    assert [step.hex() for step in proof] == path
    assert tree.root_from_inclusion(HASHES[leaf - 1], leaf - 1, size, proof) == bytes.fromhex(ROOTS[size - 1])


@pytest.mark.parametrize(("old", "size", "path"), CONSISTENCY)
def test_published_consistency_proofs(old: int, size: int, path: list[str]) -> None:
    proof = tree.consistency_proof(old, HASHES[:size])
    assert [step.hex() for step in proof] == path
    assert tree.is_consistent(old, bytes.fromhex(ROOTS[old - 1]), size, bytes.fromhex(ROOTS[size - 1]), proof)


def hashes(count: int) -> list[bytes]:
    return [tree.leaf_hash(str(number).encode()) for number in range(count)]


@given(st.integers(0, 70), st.integers(0, 70))
def test_growing_from_any_peaks_is_growing_from_nothing(first: int, more: int) -> None:
    leaves = hashes(first + more)
    begun = tree.Growing()
    for leaf in leaves[:first]:
        begun.push(leaf)
    resumed = tree.Growing(begun.size, begun.peaks)
    for leaf in leaves[first:]:
        resumed.push(leaf)
    assert resumed.size == len(leaves)
    assert resumed.root() == tree.root_of(leaves) == definition(leaves)


def definition(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, word for word."""
    if not leaves:
        return tree.EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return tree.node_hash(definition(leaves[:k]), definition(leaves[k:]))


def test_peaks_must_fit_the_size() -> None:
    with pytest.raises(ValueError, match="1 peaks do not make a tree of 3 leaves"):
        tree.Growing(3, (b"x" * 32,))


@given(st.integers(1, 70), st.data())
def test_every_leaf_proves_itself_and_no_other_does(size: int, data: st.DataObject) -> None:
    leaves = hashes(size)
    index = data.draw(st.integers(0, size - 1))
    proof = tree.inclusion_proof(index, leaves)
    root = tree.root_of(leaves)
    assert tree.root_from_inclusion(leaves[index], index, size, proof) == root
    assert tree.root_from_inclusion(tree.leaf_hash(b"other"), index, size, proof) != root
    assert tree.root_from_inclusion(leaves[index], index, size, (*proof, root)) is None
    if proof:
        assert tree.root_from_inclusion(leaves[index], index, size, proof[:-1]) is None


@given(st.integers(0, 70), st.data())
def test_every_older_tree_is_proved_and_no_other_is(size: int, data: st.DataObject) -> None:
    leaves = hashes(size)
    old = data.draw(st.integers(0, size))
    proof = tree.consistency_proof(old, leaves)
    old_root, root = tree.root_of(leaves[:old]), tree.root_of(leaves)
    other = tree.leaf_hash(b"other")
    assert tree.is_consistent(old, old_root, size, root, proof)
    assert not tree.is_consistent(old, other, size, root, proof)
    assert not tree.is_consistent(old, old_root, size, root, (*proof, other))
    if 0 < old < size:
        assert not tree.is_consistent(old, old_root, size, other, proof)
        assert not tree.is_consistent(old, old_root, size, root, proof[:-1])


def test_proofs_that_make_no_sense_are_refused() -> None:
    leaf, root = HASHES[0], bytes.fromhex(ROOTS[7])
    assert tree.root_from_inclusion(leaf, 8, 8, ()) is None
    assert tree.root_from_inclusion(leaf, -1, 8, ()) is None
    assert not tree.is_consistent(9, root, 8, root, ())
    assert not tree.is_consistent(3, bytes.fromhex(ROOTS[2]), 8, root, ())
    with pytest.raises(ValueError, match="no leaf 8 in a tree of 8"):
        tree.inclusion_proof(8, HASHES)
    with pytest.raises(ValueError, match="a tree of 8 leaves never had 9"):
        tree.consistency_proof(9, HASHES)
