"""What a witness cosigns and what it refuses: the order of checks of C2SP tlog-witness `add-checkpoint`. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from audit.format import note as notes
from audit.format.checkpoint import Checkpoint
from audit.format.note import Note, Signature, VerifierKey
from audit.format.proof import is_consistent
from audit.format.tree import EMPTY_ROOT
from audit.witness.request import Request


class Status(IntEnum):
    """The HTTP status codes of the protocol."""

    COSIGNED = 200
    MALFORMED = 400
    NOT_SIGNED = 403
    UNKNOWN_LOG = 404
    CONFLICT = 409
    NOT_PROVED = 422


@dataclass(frozen=True, slots=True)
class Cosign:
    """The request may be cosigned. `note` is its text with the lines of the log's trusted keys and no others."""

    note: Note


@dataclass(frozen=True, slots=True)
class Refused:
    """It may not. `size` is what the witness has cosigned, for a CONFLICT. `fork`: the log has signed two trees of one
    size, which nothing but a misused key or a rewritten log can bring about.
    """

    status: Status
    why: str
    size: int = 0
    fork: bool = False


Verdict = Cosign | Refused


def judge(request: Request, trusted: Sequence[VerifierKey], latest: Checkpoint | None) -> Verdict:
    """`trusted` are the keys for the request's origin, none where it is unknown; `latest` is what was cosigned last."""
    new = request.checkpoint
    if not trusted:
        return Refused(Status.UNKNOWN_LOG, f"{new.origin} is not a log that this witness knows")
    if not isinstance(notes.check(request.note, trusted), notes.Signed):
        return Refused(Status.NOT_SIGNED, f"the checkpoint is not signed by a key that is trusted for {new.origin}")
    if request.old > new.size:
        return Refused(Status.MALFORMED, f"old size {request.old} is above the checkpoint's, {new.size}")
    size, root = (latest.size, latest.root) if latest is not None else (0, EMPTY_ROOT)
    if request.old != size:
        return Refused(Status.CONFLICT, f"old size {request.old} is not the size cosigned last, {size}", size)
    if new.size == size and new.root != root:
        return Refused(Status.CONFLICT, f"another tree of size {size} was cosigned", size, fork=True)
    if not is_consistent(size, root, new.size, new.root, request.proof):
        return Refused(Status.NOT_PROVED, f"the proof does not lead from size {size} to {new.size}", size)
    return Cosign(Note(request.note.text, _lines_of(request.note, trusted)))


def of_its_epoch(keys: Sequence[VerifierKey], latest: Note | None) -> Sequence[VerifierKey]:
    """Those of a log's keys, in the order in which they were trusted, that are not older than the one that signed what
    was cosigned last: a key that was changed signs nothing any more, whoever has it now.
    """
    if latest is None:
        return keys
    signed = {(line.name, line.key_id) for line in latest.signatures}
    return keys[max((at for at, key in enumerate(keys) if (key.name, key.key_id) in signed), default=0) :]


def _lines_of(note: Note, keys: Sequence[VerifierKey]) -> tuple[Signature, ...]:
    known = {(key.name, key.key_id) for key in keys}
    return tuple(line for line in note.signatures if (line.name, line.key_id) in known)
