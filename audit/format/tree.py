"""The Merkle tree of RFC 6962 section 2.1: leaf and node hashes, and roots. Pure. Proofs: `audit.format.proof`.

A tree of n leaves is kept as its *peaks*: the roots of the perfect subtrees whose sizes are the one-bits of n, largest
first.
Hashes are 32 raw bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from itertools import islice
from typing import Final

EMPTY_ROOT = sha256(b"").digest()
"""The root of the tree without leaves."""

_AT_ONCE: Final = 2**16
"""Leaf hashes that are held at once: a power of two."""

Peaks = tuple[bytes, ...]


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 || data)."""
    return sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return sha256(b"\1" + left + right).digest()


def peak_ranges(size: int) -> tuple[tuple[int, int], ...]:
    """Which leaves stand under each peak of a tree of `size`: (first, behind the last), in the peaks' order."""
    ranges, first = [], 0
    for bit in range(size.bit_length() - 1, -1, -1):
        if size >> bit & 1:
            ranges.append((first, first + (1 << bit)))
            first += 1 << bit
    return tuple(ranges)


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

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaf hashes at the end, one after the other."""
        for leaf in leaves:
            self.push(leaf)

    def root(self) -> bytes:
        if not self._peaks:
            return EMPTY_ROOT
        root = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            root = node_hash(peak, root)
        return root


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over leaf *hashes*. Memory does not grow with them: perfect subtrees of `_AT_ONCE` leaves come first."""
    rest, roots = iter(leaves), []
    while level := list(islice(rest, _AT_ONCE)):
        roots.append(_root_of(level))
    return _root_of(roots) if roots else EMPTY_ROOT


def _root_of(level: list[bytes]) -> bytes:
    """Level by level, a node without a partner goes up as it is."""
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        above = [sha256(b"\1" + left + right).digest() for left, right in pairs]
        level = above + level[len(above) * 2 :]
    return level[0]
