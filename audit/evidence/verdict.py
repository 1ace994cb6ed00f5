"""What can be said of an evidence file."""

from __future__ import annotations

from dataclasses import dataclass

from audit.evidence.manifest import Manifest
from audit.format.note import VerifierKey
from audit.verify.verdict import CouldNotTell
from audit.witness.coverage import Coverage


@dataclass(frozen=True, slots=True)
class EvidenceVerified:
    """The file holds what its manifest says, and the lines are those that the log's key signed.

    `made_by`: of the persons of the ring those who stand for the manifest if `made_by_judged`, else the names that it
    bears. `asked_for` of the lines were asked for. `complete_up_to`: the end of the period or, where the log had no
    more, the last line's time (UTC microseconds, which of the two says `log_ended`); None for a sample. Bodies are
    those of the records asked for. `cosigned` None: no witness's key was given, or it is not cosigned by it.
    `lost` of the lines say that the log lost something; 0 for a sample.
    """

    key: VerifierKey
    size: int
    root: str
    manifest: Manifest
    made_by: tuple[str, ...]
    made_by_judged: bool
    asked_for: int
    complete_up_to: int | None
    log_ended: bool
    bodies: int
    encrypted_bodies: int
    decrypted_bodies: int
    values_withheld: bool
    approvals_unchecked: int
    not_approved: int
    denied: int
    clock_steps: int
    lost: int
    cosigned: Coverage | None


@dataclass(frozen=True, slots=True)
class EvidenceTampered:
    """It is not what was signed. `member`: its name in the file; `first_bad`: a record's number; None for neither."""

    member: str | None
    first_bad: int | None
    what: str


EvidenceVerdict = EvidenceVerified | EvidenceTampered | CouldNotTell


class Stop(Exception):
    """Carries a verdict from where it was found to `verify`."""

    def __init__(self, verdict: EvidenceTampered | CouldNotTell) -> None:
        super().__init__()
        self.verdict = verdict


def bad(member: str | None, what: str, first_bad: int | None = None) -> Stop:
    return Stop(EvidenceTampered(member, first_bad, what))
