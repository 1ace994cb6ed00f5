"""The Merkle tree against RFC 6962's published vectors and against its own definition."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.format import tree

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

HASHES = [tree.leaf_hash(leaf) for leaf in LEAVES]


def test_the_empty_tree() -> None:
    assert tree.EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert tree.Growing().root() == tree.root_of([]) == tree.EMPTY_ROOT


@pytest.mark.parametrize("size", range(1, 9))
def test_published_roots(size: int) -> None:
    assert tree.root_of(HASHES[:size]).hex() == ROOTS[size - 1]


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


@pytest.mark.parametrize("size", [*range(10), 63, 64, 65])
def test_the_root_of_more_leaves_than_are_held_at_once(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "_AT_ONCE", 4)
    assert tree.root_of(hashes(size)) == definition(hashes(size))


def test_the_leaves_are_not_all_held() -> None:
    tracemalloc.start()
    try:
        tree.root_of(number.to_bytes(32, "big") for number in range(200_000))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 12_000_000  # each of them takes 65 bytes and a pointer


def test_peaks_must_fit_the_size() -> None:
    with pytest.raises(ValueError, match="1 peaks do not make a tree of 3 leaves"):
        tree.Growing(3, (b"x" * 32,))
