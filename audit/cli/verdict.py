"""A verdict in words, and as the members of `docs/reference/audit-format.md`, "Verdicts for machines". Pure."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from audit.verdict import CouldNotTell, Tampered, Verdict, Verified
from audit.witness import attested
from audit.witness.attested import Reach
from audit.words import many, utc


def as_object(verdict: Verdict, reach: Reach | None) -> dict[str, Any]:
    match verdict:
        case Verified():
            fields = verdict.members() | {"key": str(verdict.key)}
            fields |= {} if reach is None else {"witness": attested.as_object(reach)}
            for name in ("since", "proved_until"):
                fields[name] = None if fields[name] is None else utc(fields[name])
            return {"verdict": "verified"} | fields
        case Tampered():
            return {"verdict": "tampered"} | asdict(verdict) | {"where": str(verdict.where)}
        case CouldNotTell():
            return {"verdict": "could_not_tell", "why": verdict.why}


def in_words(verdict: Verdict, reach: Reach | None, log: Path) -> str:
    match verdict:
        case Verified():
            return _verified_in_words(verdict, reach, log)
        case Tampered(first_bad, where, what, unbroken):
            stands = f"{_stand(unbroken)} without a break" if unbroken else "Nothing before it stands"
            stands = stands if first_bad is not None else "Without a good checkpoint nothing of the log is proved"
            return f"TAMPERED: {log}\n{what}\nin {where}\n{stands}."
        case CouldNotTell(why):
            return f"COULD NOT TELL: {log}\n{why}"


def _verified_in_words(verdict: Verified, reach: Reach | None, log: Path) -> str:
    until = "none yet" if verdict.proved_until is None else f"complete up to {utc(verdict.proved_until)} by its clock"
    lines = [
        f"VERIFIED: {log}",
        f"{many(verdict.records, 'record')} of {verdict.origin}, {until}; {many(verdict.bodies, 'body', 'bodies')}, "
        f"root {verdict.root}",
        f"signed by {verdict.key}",
        attested.in_words(reach, verdict.records),
        f"{many(verdict.openings, 'opening')}, {many(verdict.cuts, 'cut')} after a crash, "
        f"{many(verdict.gaps, 'gap')} for want of disk",
        f"{_unreleased(verdict.unreleased_bytes)} behind the checkpoint are not part of this verdict",
        "Whether newer records once stood behind these, only a witness or an earlier copy of the checkpoint can tell.",
    ]
    if verdict.encrypted_bodies:
        bodies_are = many(verdict.encrypted_bodies, "body is", "bodies are")
        read = f"the values of {verdict.decrypted_bodies} were read, too" if verdict.decrypted_bodies else ""
        lines.insert(2, f"{bodies_are} encrypted: their bytes are proved, {read or 'their values not read'}")
    lines[2:2] = _explained(verdict)
    return "\n".join(lines)


def _explained(verdict: Verified) -> list[str]:
    """What happened to the log, and a record says so."""
    lines = []
    if verdict.rebased_from is not None:
        old = verdict.rebased_from
        lines.append(
            f"an explained break: begun after a restore, behind {many(old.size, 'record')} of {old.origin}, "
            f"root {old.root}"
        )
    if verdict.pruned_records:
        lines.append(
            f"{many(verdict.pruned_records, 'record')} pruned: their hashes are proved, "
            "what they said is gone, and a record says so"
        )
    if verdict.key_changes:
        lines.append(f"{many(verdict.key_changes, 'change')} of the key, each sealed by the old one")
    if verdict.clock_steps:
        lines.append(f"{many(verdict.clock_steps, 'step')} of the clock")
    if verdict.approvals_unchecked:
        lines.append(
            f"{many(verdict.approvals_unchecked, 'approval')} not judged: nobody gave the ring of persons (--ring)"
        )
    return lines


def _unreleased(count: int | None) -> str:
    return "bytes that cannot be counted" if count is None else many(count, "byte")


def _stand(records: int) -> str:
    return "The one record before it chains" if records == 1 else f"The {records} records before it chain"
