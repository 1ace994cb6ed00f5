"""A verified log against its witness's word: how far the cosignatures reach, or that they contradict it.

The word is a cosigned checkpoint: the one beside the log, or, as whoever can put back an old log can put that back too,
one from the witness's own host. It is read *before* the log is: so a log that grows meanwhile has at least its size.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from audit.errors import Damaged
from audit.format.checkpoint import Checkpoint
from audit.format.layout import SEGMENT_LINES, Layout
from audit.verify.verdict import CouldNotTell, Tampered, Verdict, Verified
from audit.witness.cosignature import WitnessKey, utc
from audit.witness.coverage import Contradicted, Coverage, NotWitnessed, Witnessed, cosigned, witnessed
from audit.witness.prover import prove
from audit.witness.store import read_note

Word = Witnessed | NotWitnessed | Contradicted
Reach = Coverage | NotWitnessed
"""How far a witness vouches for a log that verified."""


def read_word(path: Path, keys: Sequence[WitnessKey]) -> Word:
    """What stands in a cosigned checkpoint's file. OSError where it is there and cannot be read."""
    try:
        return witnessed(read_note(path), keys)
    except FileNotFoundError:
        return NotWitnessed(f"there is no {path}")


def attest(
    folder: Path, verdict: Verdict, word: Word, where: Path, segment_lines: int = SEGMENT_LINES
) -> tuple[Verdict, Reach | None]:
    """The verdict in the light of `word`, which was read from `where`, and how far it reaches; None where the log did
    not verify anyway. Of the log no more is read than its lines. `segment_lines` is for tests. OSError.
    """
    if not isinstance(verdict, Verified):
        return verdict, None
    if isinstance(word, NotWitnessed):
        return verdict, word
    found = word if isinstance(word, Contradicted) else _compare(Layout(folder, segment_lines), verdict, word)
    if isinstance(found, Contradicted):
        return Tampered(None, where, found.what, 0), None
    return (found, None) if isinstance(found, CouldNotTell) else (verdict, found)


def _compare(layout: Layout, verdict: Verified, word: Witnessed) -> Coverage | Contradicted | CouldNotTell:
    newest, size = Checkpoint(verdict.origin, verdict.records, bytes.fromhex(verdict.root)), word.checkpoint.size
    if size > newest.size or word.checkpoint.origin != newest.origin:
        return cosigned(word, newest, None)
    if size == newest.size:
        return cosigned(word, newest, newest.root)
    try:
        return cosigned(word, newest, prove(layout, size, newest).old.root)
    except Damaged as why:  # it verified a moment ago
        return CouldNotTell(f"the log changed while it was read: {why}")


def in_words(reach: Reach | None, records: int) -> str:
    """For the report of a log that verified. None: no witness's key was given."""
    if reach is None:
        return "cosignatures were not checked (--witness-key)"
    if isinstance(reach, NotWitnessed):
        return f"NOT COSIGNED, none of the {records} records: {reach.why}"
    at, uncovered = utc(reach.time_s), reach.uncovered
    return f"cosigned by {reach.witness} up to {reach.size} records at {at}; {uncovered} not yet cosigned"


def as_object(reach: Reach) -> dict[str, Any]:
    """The same for machines."""
    if isinstance(reach, NotWitnessed):
        return {"name": None, "size": 0, "time": None, "not_cosigned": None, "why": reach.why}
    time = utc(reach.time_s)
    return {"name": reach.witness, "size": reach.size, "time": time, "not_cosigned": reach.uncovered, "why": ""}
