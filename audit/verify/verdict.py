"""What a verifier can say of a log."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from audit.format.note import VerifierKey
from audit.format.statement import Rebase
from audit.verify.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Verified:
    """Every byte of the released part is what the checkpoint's key signed.

    `proved_until` is the UTC time, in microseconds, of the last record by the log's own clock; None for a log without
    records. `rebased_from` is the old log that this one carries on after a restore. `approvals_unchecked` approvals
    were needed, and nobody gave a ring of persons to judge them by. `unreleased_bytes` stand behind the checkpoint and
    were not looked at; None where they cannot be counted.

    `bodies_unread` of the `bodies` were left out by the scope: nothing is said of them but what their headers say.
    `timeline` is what a report tells of the records in the scope.
    """

    origin: str
    key: VerifierKey
    key_changes: int
    records: int
    pruned_records: int
    packed_segments: int
    root: str
    bodies: int
    encrypted_bodies: int
    decrypted_bodies: int
    openings: int
    cuts: int
    gaps: int
    clock_steps: int
    rebased_from: Rebase | None
    approvals_unchecked: int
    since: int | None
    proved_until: int | None
    unreleased_bytes: int | None
    bodies_unread: int = 0
    timeline: Timeline = field(default_factory=Timeline)

    def members(self) -> dict[str, Any]:
        """The fields that `docs/reference/audit-format.md` defines under "What ours prints", as plain values.

        `bodies_unread` is one of them where there are any.
        """
        plain = asdict(self)
        del plain["timeline"]
        if not self.bodies_unread:
            del plain["bodies_unread"]
        return plain


@dataclass(frozen=True, slots=True)
class Tampered:
    """The log is not what was signed. `first_bad` is the record's number, None where it is the checkpoint itself.

    The first `unbroken` records chain without a break; `where` is the file, `what` the finding in words.
    """

    first_bad: int | None
    where: Path
    what: str
    unbroken: int


@dataclass(frozen=True, slots=True)
class CouldNotTell:
    """No verdict, and why."""

    why: str


Verdict = Verified | Tampered | CouldNotTell


class Stop(Exception):
    """Carries a verdict from where it was found to `verify`."""

    def __init__(self, verdict: Tampered | CouldNotTell) -> None:
        super().__init__()
        self.verdict = verdict
