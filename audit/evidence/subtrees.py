"""What joins some lines of a log to its root: which subtrees, and their roots in one pass. Pure.

The tree is RFC 6962's; `docs/reference/evidence-format.md`, "Range" and "Sample".
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from audit.format import proof
from audit.format.proof import Range, TooFewLeaves
from audit.format.tree import node_hash, peak_ranges

_HASH: Final = re.compile(rb"[0-9a-f]{64}")


def before(first: int) -> tuple[Range, ...]:
    """The perfect subtrees that the first leaves are made of, from the left."""
    return peak_ranges(first)


def after(end: int, size: int) -> tuple[Range, ...]:
    """The consistency proof from the tree of `end` leaves."""
    return proof.consistency(end, size)


def path(seq: int, size: int) -> tuple[Range, ...]:
    """The inclusion proof of one leaf."""
    return proof.inclusion(seq, size)


def roots(wanted: Collection[Range], leaves: Iterable[bytes], size: int) -> dict[Range, bytes]:
    """The roots of ranges that `before`, `after` and `path` name in a tree of `size`; `leaves` are all leaf hashes.

    One pass, which holds no more than the answer and the peaks. TooFewLeaves.
    """
    needed, found = set(wanted), {}
    peaks: list[tuple[int, bytes]] = []  # where each begins, and its root
    count = 0
    for leaf in leaves:
        begin, carry, node = count, count, leaf
        count += 1
        if (begin, count) in needed:
            found[begin, count] = node
        while carry & 1:
            begin, left = peaks.pop()
            node = node_hash(left, node)
            carry >>= 1
            if (begin, count) in needed:
                found[begin, count] = node
        peaks.append((begin, node))
    if count < size:
        raise TooFewLeaves(f"there are no leaves up to {size}")
    return found | _at_the_end(needed - found.keys(), peaks, size)


def _at_the_end(needed: Collection[Range], peaks: Sequence[tuple[int, bytes]], size: int) -> dict[Range, bytes]:
    """The subtrees at the right edge, which are not perfect: made of the last peaks."""
    found = {}
    begin, node = peaks[-1] if peaks else (0, b"")
    for left_begin, left in reversed(peaks[:-1]):
        begin, node = left_begin, node_hash(left, node)
        if (begin, size) in needed:
            found[begin, size] = node
    return found


def line(hashes: Iterable[bytes]) -> bytes:
    """One line of `log/paths`; of one hash, one of the other members."""
    return b" ".join(each.hex().encode() for each in hashes) + b"\n"


def parse_lines(data: bytes, count: int) -> tuple[bytes, ...] | None:
    """None where these are not so many hashes in their one spelling."""
    found = data.split(b"\n")
    if found.pop() or len(found) != count or not all(map(_HASH.fullmatch, found)):
        return None
    return tuple(bytes.fromhex(each.decode()) for each in found)


def parse_path(line: bytes) -> tuple[bytes, ...] | None:
    """One line of `log/paths`, without its newline."""
    found = line.split(b" ") if line else []
    if not all(map(_HASH.fullmatch, found)):
        return None
    return tuple(bytes.fromhex(each.decode()) for each in found)
