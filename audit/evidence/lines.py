"""The lines of an evidence file: read one by one, and joined to the root that the log's key signed.

Steps 5, 7 and 8 of `docs/reference/evidence-format.md`, "Verifying". Streams: memory does not grow with the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from audit.evidence import subtrees
from audit.evidence.archive import Archive, Unreadable
from audit.evidence.manifest import Manifest
from audit.evidence.members import AFTER, BEFORE, HEADERS, PATHS
from audit.evidence.verdict import Stop, bad
from audit.format import kinds, proof, record, step
from audit.format.checkpoint import Checkpoint
from audit.format.proof import Proof
from audit.format.record import Scanned
from audit.format.tree import Growing
from audit.verify.verdict import CouldNotTell

_HASH_LINE: Final = 65


def lines_of(archive: Archive, name: str = HEADERS) -> Iterator[bytes]:
    """The lines of a member with their newlines; one that is too long, or has no newline, is cut."""
    with archive.open(name) as file:
        while line := file.readline(record.LINE_LIMIT + 1):
            yield line


def records_of(archive: Archive) -> Iterator[tuple[bytes, Scanned]]:
    """The lines without their newlines, and what they say, once `read` has passed them. Unreadable."""
    for line in lines_of(archive):
        scanned = record.scan(line[:-1])
        if not isinstance(scanned, Scanned):
            raise Unreadable("it was changed while it was read")
        yield line[:-1], scanned


@dataclass(frozen=True, slots=True)
class Read:
    """What step 5 found in passing. `tree` is that of all leaves up to the last line; None if `log/before` is bad."""

    first: Scanned
    last: Scanned
    asked_for: int
    with_bodies: int
    clock_steps: int
    lost: int
    tree: Growing | None


def read(archive: Archive, manifest: Manifest, newest: Checkpoint) -> Read:
    """Step 5; Stop carries the first finding. Of the records asked for, `with_bodies` have one."""
    _check_shape(archive, manifest)
    if manifest.first + manifest.count > newest.size:
        raise bad(HEADERS, f"the lines go beyond the {newest.size} records that the checkpoint covers")
    tree = None if manifest.sampled else _tree_before(archive, manifest.first)
    asked_for = with_bodies = clock_steps = lost = 0
    first = before = None
    leaf = b""
    for number, line in enumerate(lines_of(archive)):
        scanned = _scanned(manifest, number, line[:-1])
        wrong = _wrong(manifest, newest, before, leaf, scanned)
        if wrong is not None:
            raise bad(HEADERS, f"record {_named(manifest, number, scanned)} {wrong}", _named(manifest, number, scanned))
        if not manifest.sampled:
            leaf = record.line_hash(line[:-1])
            clock_steps += before is not None and step.steps(before, scanned)
            lost += scanned.kind in kinds.LOSSES
        if tree is not None:
            tree.push(leaf)
        asked = manifest.asked.takes(scanned.kind, scanned.t)
        asked_for += asked
        with_bodies += asked and scanned.body is not None
        first, before = first or scanned, scanned
    assert first is not None
    assert before is not None
    return Read(first, before, asked_for, with_bodies, clock_steps, lost, tree)


def _check_shape(archive: Archive, manifest: Manifest) -> None:
    if HEADERS not in archive:
        raise bad(HEADERS, "the lines are missing")
    count = 0
    for line in lines_of(archive):
        if not line.endswith(b"\n") or len(line) > record.LINE_LIMIT:
            raise bad(HEADERS, f"line {count} is cut short or longer than a record may be")
        count += 1
    if count != manifest.count:
        raise bad(HEADERS, f"there are {count} lines, and the manifest says {manifest.count}")


def _named(manifest: Manifest, number: int, scanned: Scanned) -> int:
    return scanned.seq if manifest.sampled else manifest.first + number


def _scanned(manifest: Manifest, number: int, line: bytes) -> Scanned:
    scanned = record.scan(line)
    if isinstance(scanned, record.Newer):
        why = f"line {number} is of version {scanned.version} of the format, newer than this verifier"
        raise Stop(CouldNotTell(why))
    if isinstance(scanned, record.Malformed):
        raise bad(HEADERS, f"line {number} {scanned.what}", None if manifest.sampled else manifest.first + number)
    return scanned


def _wrong(manifest: Manifest, newest: Checkpoint, before: Scanned | None, leaf: bytes, scanned: Scanned) -> str | None:
    """What is wrong with a record behind the one before, whose leaf is `leaf`."""
    if before is None and scanned.seq != manifest.first:
        return f"stands first, and is record {scanned.seq} in truth"
    if scanned.origin != manifest.origin:
        return f"is of another log, {scanned.origin}"
    if manifest.sampled:
        if (before is not None and scanned.seq <= before.seq) or scanned.seq >= newest.size:
            return "stands out of order, or beyond the checkpoint"
        return None
    if before is not None and scanned.seq != before.seq + 1:
        return f"is not there; record {scanned.seq} stands in its place"
    expected = record.FIRST_PREV if scanned.seq == 0 else scanned.prev if before is None else leaf.hex()
    return None if scanned.prev == expected else "does not follow the record before it: one of the two was altered"


def hashes_of(archive: Archive, name: str, count: int) -> Proof | None:
    """The hashes in a member; None where it is missing, or has not so many in their one spelling. Unreadable."""
    data = archive.read(name, count * _HASH_LINE)
    return None if data is None else subtrees.parse_lines(data, count)


def _tree_before(archive: Archive, first: int) -> Growing | None:
    peaks = hashes_of(archive, BEFORE, first.bit_count())
    return None if peaks is None else Growing(first, peaks)


def check_tree(archive: Archive, manifest: Manifest, newest: Checkpoint, tree: Growing | None) -> None:
    """Step 7: these lines are the log's."""
    if manifest.sampled:
        _check_paths(archive, manifest, newest)
        return
    if tree is None:
        raise bad(BEFORE, "the hashes of what stands before the lines are missing, or are not as many as there must be")
    steps = hashes_of(archive, AFTER, len(subtrees.after(tree.size, newest.size)))
    if steps is None:
        raise bad(AFTER, "the hashes of what stands behind the lines are missing, or are not as many as there must be")
    if not proof.is_consistent(tree.size, tree.root(), newest.size, newest.root, steps):
        raise bad(HEADERS, "the lines chain, but are not those that the log's checkpoint signs: they were written anew")


def _check_paths(archive: Archive, manifest: Manifest, newest: Checkpoint) -> None:
    if PATHS not in archive:
        raise bad(PATHS, "the proofs that these records are in the log are missing")
    count = 0
    for line in lines_of(archive, PATHS):
        if not line.endswith(b"\n") or len(line) > record.LINE_LIMIT or subtrees.parse_path(line[:-1]) is None:
            raise bad(PATHS, f"line {count} is no proof")
        count += 1
    if count != manifest.count:
        raise bad(PATHS, f"there are {count} proofs for {manifest.count} records")
    for (line, scanned), path in zip(records_of(archive), lines_of(archive, PATHS), strict=True):
        steps = subtrees.parse_path(path[:-1]) or ()
        if proof.root_from_inclusion(record.line_hash(line), scanned.seq, newest.size, steps) != newest.root:
            raise bad(PATHS, f"record {scanned.seq} is not proved to be in the log", scanned.seq)


def check_period(archive: Archive, manifest: Manifest, newest: Checkpoint, found: Read) -> None:
    """Step 8: the lines cover the period; of a sample, all was asked for."""
    asked = manifest.asked
    if manifest.sampled:
        for _, scanned in records_of(archive) if found.asked_for < manifest.count else ():
            if not asked.takes(scanned.kind, scanned.t):
                raise bad(HEADERS, f"record {scanned.seq} was not asked for", scanned.seq)
        return
    if manifest.first > 0 and found.first.t >= asked.since:
        raise bad(HEADERS, "the lines begin within the period: what stood before them is hidden")
    if ended_early(manifest, found) and manifest.first + manifest.count < newest.size:
        raise bad(HEADERS, "the lines end within the period: what stood behind them is hidden")


def ended_early(manifest: Manifest, found: Read) -> bool:
    """Whether the lines end before the period does."""
    return found.last.t < manifest.asked.until
