"""What the log's own records state of keys, restores and pruned segments, read strictly. Pure.

Each has one spelling, as `docs/reference/audit-format.md` lays it out; what two persons approve is a text made of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from audit.errors import BadKey
from audit.format import kinds
from audit.format.checkpoint import SIZE_LIMIT
from audit.format.note import NAME, VerifierKey, parse_vkey
from audit.format.record import Entry, Header
from audit.format.tree import root_of

_NUMBER = r"(0|[1-9][0-9]{0,%d})"
_RANGE = re.compile(_NUMBER % 7 + "-" + _NUMBER % 7)
_SIZE = re.compile(_NUMBER % 15)


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Rebase:
    """A new log carries on after an old one: that one's origin, last known size, and root (hexadecimal)."""

    origin: str
    size: int
    root: str

    def entry(self, key: VerifierKey, approval: str, promised_us: int) -> Entry:
        digests = {"key": key.digest, "root": self.root, "approval": approval}
        return Entry(kinds.REBASE, peer=self.origin, rule=str(self.size), n=promised_us, digests=digests)

    def subject(self, origin: str, key_digest: str) -> str:
        """The digest that is approved, for the new log `origin` with this key."""
        return _digest(f"derms.rebase/1\n{origin}\n{key_digest}\n{self.origin}\n{self.size}\n{self.root}\n")


def rebase_of(header: Header) -> Rebase | str:
    """What a `log.rebase` record states; or what is wrong with it."""
    root = header.digests.get("root")
    if not NAME.fullmatch(header.peer) or header.peer == header.origin:
        return "does not name the old log's origin, which cannot be this log's"
    if root is None or not _SIZE.fullmatch(header.rule) or int(header.rule) > SIZE_LIMIT:
        return "does not name the old log's size and root"
    return Rebase(header.peer, int(header.rule), root)


@dataclass(frozen=True, slots=True)
class Pruning:
    """Segments `first` to `last` went: the root of their leaf hashes, and a digest of their kept lines, hexadecimal."""

    first: int
    last: int
    root: str
    kept: str

    @property
    def rule(self) -> str:
        return f"{self.first}-{self.last}"

    def entry(self, approval: str, reason: str) -> Entry:
        digests = {"root": self.root, "kept": self.kept, "approval": approval}
        count = self.last - self.first + 1
        return Entry(kinds.PRUNED, rule=self.rule, n=count, reason=reason, digests=digests)

    def subject(self, origin: str) -> str:
        """The digest that is approved."""
        return _digest(f"derms.prune/1\n{origin}\n{self.rule}\n{self.root}\n{self.kept}\n")


@dataclass(frozen=True, slots=True)
class Sealed:
    """What stays of a full segment: the root of its leaves, and the hash of the lines that are always kept."""

    root: bytes
    kept: bytes


def pruning(first: int, sealed: Sequence[Sealed]) -> Pruning:
    """The statement about as many segments as `sealed` has, from segment `first` on; at least one.

    Full segments are perfect subtrees of one size, so the root over their roots is the root over all of their leaves.
    """
    kept = sha256(b"".join(one.kept for one in sealed)).hexdigest()
    return Pruning(first, first + len(sealed) - 1, root_of([one.root for one in sealed]).hex(), kept)


def pruning_of(header: Header, below: int) -> Pruning | str:
    """What a `log.pruned` record states, of segments below number `below`; or what is wrong with it."""
    match, root, kept = _RANGE.fullmatch(header.rule), header.digests.get("root"), header.digests.get("kept")
    if match is None or int(match[1]) > int(match[2]) or int(match[2]) >= below:
        return "does not name segments before its own"
    if root is None or kept is None:
        return "does not say what the segments were"
    return Pruning(int(match[1]), int(match[2]), root, kept)


@dataclass(frozen=True, slots=True)
class KeyChange:
    """The key changes from `old` to `new`."""

    old: VerifierKey
    new: VerifierKey

    def entry(self, reason: str) -> Entry:
        digests = {"old": self.old.digest, "key": self.new.digest}
        return Entry(kinds.KEY, rule=str(self.old), decision=str(self.new), reason=reason, digests=digests)


def key_change_of(header: Header) -> KeyChange | str:
    """What a `log.key` record states; or what is wrong with it."""
    try:
        change = KeyChange(parse_vkey(header.rule), parse_vkey(header.decision))
    except BadKey as problem:
        return f"does not name two keys: {problem}"
    if {change.old.name, change.new.name} != {header.origin}:
        return "names keys of another log"
    if header.digests.get("old") != change.old.digest or header.digests.get("key") != change.new.digest:
        return "names keys and digests that do not fit"
    return change
