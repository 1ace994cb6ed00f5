"""How far a witness vouches for a log: what its cosigned checkpoint says, against the log as it is read now. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from audit.format import checkpoint
from audit.format.checkpoint import Checkpoint
from audit.format.note import MalformedNote
from audit.witness import cosignature
from audit.witness.cosignature import Cosigned, WitnessKey

COSIGNED: Final = "cosigned"
"""The file in a log's folder that holds its newest cosigned checkpoint."""


@dataclass(frozen=True, slots=True)
class Witnessed:
    """A tree that a witness has seen, when by its clock (seconds since 1970), and which witness."""

    checkpoint: Checkpoint
    time_s: int
    key: WitnessKey


@dataclass(frozen=True, slots=True)
class NotWitnessed:
    """The note bears no cosignature of a witness that is asked for; nothing is wrong with it."""

    why: str


@dataclass(frozen=True, slots=True)
class Contradicted:
    """What a witness has signed, or is said to have signed, and this log cannot both be true."""

    what: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """The first `size` records are those that `witness` saw at `time_s`; the `uncovered` newest it has not cosigned."""

    witness: str
    size: int
    time_s: int
    uncovered: int


def witnessed(data: bytes, keys: Sequence[WitnessKey]) -> Witnessed | NotWitnessed | Contradicted:
    """Read a cosigned checkpoint. Whether the log's own key signed it does not matter: the witness asked for that."""
    try:
        seen, note = checkpoint.parse(data)
    except MalformedNote as why:
        return Contradicted(f"the cosigned checkpoint {why}")
    match cosignature.check(note, keys):
        case Cosigned(key, time_s):
            return Witnessed(seen, time_s, key)
        case cosignature.Uncosigned(forged=True):
            return Contradicted("the witness's cosignature is wrong: it, or the checkpoint that it is on, was altered")
        case _:
            lines = ", ".join(f"{line.name}+{line.key_id.hex()}" for line in note.signatures)
            return NotWitnessed(f"it is signed as {lines}, and by no witness whose key was given")


def cosigned(seen: Witnessed, newest: Checkpoint, root: bytes | None) -> Coverage | Contradicted:
    """Whether the log that `newest` covers is the one that was seen. `root` is its root at the size that was seen.

    `root` may be None where the log never had that size.
    """
    had = seen.checkpoint
    if had.origin != newest.origin:
        return Contradicted(f"the cosigned checkpoint is of another log, {had.origin}")
    if had.size > newest.size:
        return Contradicted(
            f"{seen.key.name} has cosigned {had.size} records and the log's checkpoint covers {newest.size}: "
            "the log was rolled back, or records were taken away"
        )
    if root != had.root:
        return Contradicted(
            f"the first {had.size} records are not those that {seen.key.name} has cosigned: the log was written anew, "
            "or this is another view of it"
        )
    return Coverage(seen.key.name, had.size, seen.time_s, newest.size - had.size)
