"""Proofs in the Merkle tree of RFC 6962: made (sections 2.1.1 and 2.1.2) and checked (RFC 9162, the same tree). Pure.

A proof is a list of subtree roots. Which subtrees these are depends on sizes only, so making one has two halves: name
the *ranges* of leaves, then find their roots: `roots` does that in one pass over any part of the leaves, however many,
and holds no more of them than the proof itself. A range is (first leaf, leaf behind the last).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from audit.format.tree import EMPTY_ROOT, Growing, node_hash, peak_ranges

Range = tuple[int, int]
Proof = tuple[bytes, ...]


class TooFewLeaves(ValueError):
    """The leaves ended before the last range did."""


def inclusion(index: int, size: int) -> tuple[Range, ...]:
    """The ranges of PATH(index, D[size]), RFC 6962 section 2.1.1, in the proof's order. ValueError: no such leaf."""
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    siblings: list[Range] = []
    first, end = 0, size
    while end - first > 1:
        middle = first + _split(end - first)
        if index < middle:
            siblings.append((middle, end))
            end = middle
        else:
            siblings.append((first, middle))
            first = middle
    return tuple(reversed(siblings))


def consistency(old: int, size: int) -> tuple[Range, ...]:
    """The ranges of PROOF(old, D[size]), RFC 6962 section 2.1.2, in the proof's order; none for an `old` of 0 or size.

    Those that lie below `old` are peaks of the older tree, see `audit.format.tree.peak_ranges`.
    ValueError: never so small.
    """
    if not 0 <= old <= size:
        raise ValueError(f"a tree of {size} leaves never had {old}")
    if old in (0, size):
        return ()
    siblings: list[Range] = []
    first, end = 0, size
    while end != old:
        middle = first + _split(end - first)
        if old <= middle:
            siblings.append((middle, end))
            end = middle
        else:
            siblings.append((first, middle))
            first = middle
    own = [(first, end)] if first else []  # a verifier who has the older root knows it where the old tree is perfect
    return (*own, *reversed(siblings))


def roots(ranges: Sequence[Range], leaves: Iterable[bytes], first: int = 0) -> Proof:
    """The roots of ranges that do not overlap, in their order; `leaves` are the leaf *hashes* from leaf `first` on.

    One pass, which ends with the last range. Raises TooFewLeaves.
    """
    found: dict[Range, bytes] = {}
    reader, position = iter(leaves), first
    for begin, end in sorted(ranges):
        for _ in islice(reader, begin - position):
            pass
        tree = Growing()
        for leaf in islice(reader, end - begin):
            tree.push(leaf)
        if tree.size < end - begin:
            raise TooFewLeaves(f"there are no leaves up to {end}")
        found[begin, end] = tree.root()
        position = end
    return tuple(found[each] for each in ranges)


def extension(old: int, peaks: Sequence[bytes], size: int, newer: Iterable[bytes]) -> Proof:
    """PROOF(old, D[size]) from the older tree's peaks and the leaf hashes from leaf `old` on. TooFewLeaves, ValueError.

    So whoever remembers the peaks of what a witness has seen reads what is new, and nothing else.
    """
    ranges = consistency(old, size)
    known = dict(zip(peak_ranges(old), peaks, strict=True))
    fresh = [each for each in ranges if each not in known]
    known |= dict(zip(fresh, roots(fresh, newer, old), strict=True))
    return tuple(known[each] for each in ranges)


def _split(size: int) -> int:
    """The largest power of two below `size` (RFC 6962's k); `size` is at least 2."""
    return 1 << ((size - 1).bit_length() - 1)


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


def is_consistent(old: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows that the tree of `size` extends the one of `old` (RFC 9162 section 2.1.4.2)."""
    if not 0 <= old <= size:
        return False
    if old == size:
        return not proof and old_root == root
    if old == 0:
        return not proof and old_root == EMPTY_ROOT
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
