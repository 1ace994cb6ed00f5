"""The Merkle tree of RFC 6962 section 2.1: leaf and node hashes, roots, inclusion and consistency proofs. Pure.

A tree of n leaves is kept as its *peaks*: the roots of the perfect subtrees whose sizes are the one-bits of n, largest
first.
Hashes are 32 raw bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

EMPTY_ROOT = sha256(b"").digest()
"""The root of the tree without leaves."""

Peaks = tuple[bytes, ...]


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 || data)."""
    return sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return sha256(b"\1" + left + right).digest()


class Growing:
    """A tree that takes leaf hashes one after the other and knows its root. Owned by whoever made it; not shared."""

    __slots__ = ("_peaks", "_size")

    def __init__(self, size: int = 0, peaks: Peaks = ()) -> None:
        if len(peaks) != size.bit_count():
            raise ValueError(f"{len(peaks)} peaks do not make a tree of {size} leaves")
        self._size = size
        self._peaks = list(peaks)

    @property
    def size(self) -> int:
        return self._size

    @property
    def peaks(self) -> Peaks:
        return tuple(self._peaks)

    def push(self, leaf: bytes) -> None:
        """Add one leaf *hash* at the end."""
        peaks = self._peaks
        carry = self._size
        while carry & 1:
            leaf = sha256(b"\1" + peaks.pop() + leaf).digest()
            carry >>= 1
        peaks.append(leaf)
        self._size += 1

    def root(self) -> bytes:
        if not self._peaks:
            return EMPTY_ROOT
        root = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            root = node_hash(peak, root)
        return root


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over leaf *hashes*: level by level, a node without a partner goes up as it is."""
    level = list(leaves)
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        above = [sha256(b"\1" + left + right).digest() for left, right in pairs]
        level = above + level[len(above) * 2 :]
    return level[0] if level else EMPTY_ROOT


def _split(size: int) -> int:
    """The largest power of two below `size` (RFC 6962's k); `size` is at least 2."""
    return 1 << ((size - 1).bit_length() - 1)


def inclusion_proof(index: int, leaves: Sequence[bytes]) -> tuple[bytes, ...]:
    """PATH(index, D[n]) of RFC 6962 section 2.1.1, over leaf hashes."""
    if not 0 <= index < len(leaves):
        raise ValueError(f"no leaf {index} in a tree of {len(leaves)}")
    if len(leaves) == 1:
        return ()
    k = _split(len(leaves))
    if index < k:
        return (*inclusion_proof(index, leaves[:k]), root_of(leaves[k:]))
    return (*inclusion_proof(index - k, leaves[k:]), root_of(leaves[:k]))


def root_from_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes | None:
    """The root that `proof` leads to from `leaf` at `index` of `size` (RFC 9162 section 2.1.3.2), None if misshapen."""
    if not 0 <= index < size:
        return None
    node, last, root = index, size - 1, leaf
    for step in proof:
        if last == 0:
            return None
        if node & 1 or node == last:
            root = node_hash(step, root)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            root = node_hash(root, step)
        node, last = node >> 1, last >> 1
    return root if last == 0 else None


def consistency_proof(old: int, leaves: Sequence[bytes]) -> tuple[bytes, ...]:
    """PROOF(old, D[n]) of RFC 6962 section 2.1.2, over leaf hashes; empty for an `old` of 0 or n."""
    if not 0 <= old <= len(leaves):
        raise ValueError(f"a tree of {len(leaves)} leaves never had {old}")
    return _subproof(old, leaves, True) if 0 < old < len(leaves) else ()


def _subproof(old: int, leaves: Sequence[bytes], whole: bool) -> tuple[bytes, ...]:
    if old == len(leaves):
        return () if whole else (root_of(leaves),)
    k = _split(len(leaves))
    if old <= k:
        return (*_subproof(old, leaves[:k], whole), root_of(leaves[k:]))
    return (*_subproof(old - k, leaves[k:], False), root_of(leaves[:k]))


def is_consistent(old: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows that the tree of `size` extends the one of `old` (RFC 9162 section 2.1.4.2)."""
    if not 0 <= old <= size:
        return False
    if old in (0, size):
        return not proof and (old_root == EMPTY_ROOT if old == 0 else old_root == root)
    steps = list(proof) if old & (old - 1) else [old_root, *proof]
    if not steps:
        return False
    node, last = old - 1, size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    return _climb(node, last, steps) == (old_root, root)


def _climb(node: int, last: int, steps: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """Both roots that the steps of a consistency proof lead to; None when there are too many or too few."""
    old_root = new_root = steps[0]
    for step in steps[1:]:
        if last == 0:
            return None
        if node & 1 or node == last:
            old_root, new_root = node_hash(step, old_root), node_hash(step, new_root)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            new_root = node_hash(new_root, step)
        node, last = node >> 1, last >> 1
    return (old_root, new_root) if last == 0 else None
