"""A verdict on evidence in words, and as `docs/reference/evidence-format.md`, "What ours prints", has it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from audit.approval import written
from audit.evidence.statement import kinds_in_words, losses_in_words
from audit.evidence.verdict import EvidenceVerdict, EvidenceVerified
from audit.verify.verdict import CouldNotTell
from audit.witness import cosignature
from audit.words import many, printable, utc


def as_object(verdict: EvidenceVerdict) -> dict[str, Any]:
    if isinstance(verdict, EvidenceVerified):
        return {"verdict": "verified", "evidence": True} | _verified_as_object(verdict)
    if isinstance(verdict, CouldNotTell):
        return {"verdict": "could_not_tell", "why": verdict.why}
    return {"verdict": "tampered", "member": verdict.member, "first_bad": verdict.first_bad, "what": verdict.what}


def _verified_as_object(verdict: EvidenceVerified) -> dict[str, Any]:
    told, cosigned = verdict.manifest, verdict.cosigned
    return {
        "origin": told.origin,
        "key": str(verdict.key),
        "size": verdict.size,
        "root": verdict.root,
        "request": told.request,
        "from": written(told.asked.since),
        "to": written(told.asked.until),
        "kinds": ",".join(told.asked.kinds),
        "mode": "sample" if told.sampled else "complete",
        "made": written(told.made),
        "made_by": list(verdict.made_by),
        "made_by_judged": verdict.made_by_judged,
        "first": told.first,
        "records": told.count,
        "asked_for": verdict.asked_for,
        "complete_up_to": _complete_up_to(verdict),
        "bodies": verdict.bodies,
        "encrypted_bodies": verdict.encrypted_bodies,
        "decrypted_bodies": verdict.decrypted_bodies,
        "values_withheld": verdict.values_withheld,
        "approvals_unchecked": verdict.approvals_unchecked,
        "not_approved": verdict.not_approved,
        "denied": verdict.denied,
        "clock_steps": verdict.clock_steps,
        "cosigned": None
        if cosigned is None
        else {"by": cosigned.witness, "size": cosigned.size, "time": cosignature.utc(cosigned.time_s)},
    }


def _complete_up_to(verdict: EvidenceVerified) -> str | None:
    if verdict.complete_up_to is None:
        return None
    return utc(verdict.complete_up_to) if verdict.log_ended else written(verdict.complete_up_to)


def in_words(verdict: EvidenceVerdict, path: Path) -> str:
    if isinstance(verdict, EvidenceVerified):
        return "\n".join((f"VERIFIED: {path}", *_verified_in_words(verdict)))
    if isinstance(verdict, CouldNotTell):
        return f"COULD NOT TELL: {path}\n{printable(verdict.why)}"
    return f"TAMPERED: {path}\n{printable(verdict.what)}" + (
        "" if verdict.member is None else f"\nin {verdict.member} of the file"
    )


def _verified_in_words(verdict: EvidenceVerified) -> Iterator[str]:
    told = verdict.manifest
    period = f"from {written(told.asked.since)} to {written(told.asked.until)}"
    kinds = kinds_in_words(told.asked)
    yield f"evidence of {told.origin}, request {told.request}: {kinds}, {period}"
    if told.sampled:
        yield f"a sample: {many(told.count, 'record')} are in the log; of the others it proves nothing"
    else:
        asked = f"complete up to {_complete_up_to(verdict)}: {many(verdict.asked_for, 'record')} asked for"
        yield f"{asked}, none left out between the first and the last of these lines"
        yield f"{many(told.count, 'record')} from number {told.first} on, all of whatever kind, of {verdict.size}"
        if verdict.lost:
            yield losses_in_words(verdict.lost)
        if told.count < verdict.size:
            yield _UNSEEN
    if verdict.log_ended:
        yield "THE LOG HAD NO MORE when this was made: the end of the period is not covered"
    yield f"root {verdict.root}, signed by {verdict.key}"
    judged = "judged by the ring" if verdict.made_by_judged else "not judged: nobody gave the ring of persons (--ring)"
    yield f"made {written(told.made)} by {', '.join(verdict.made_by)}, {judged}"
    yield "the values were withheld" if verdict.values_withheld else _bodies(verdict)
    yield from _noteworthy(verdict)
    if verdict.cosigned is None:
        yield "not cosigned, or no witness's key was given (--witness-key)"
    else:
        when, size = cosignature.utc(verdict.cosigned.time_s), verdict.cosigned.size
        yield f"{verdict.cosigned.witness} has cosigned {many(size, 'record')} of this log at {when}"


_UNSEEN: Final = (
    "if the log's clock was ever set back before or behind them, other records may bear a time of the period: "
    "verifying the whole log tells"
)


def _bodies(verdict: EvidenceVerified) -> str:
    told = f"{many(verdict.bodies, 'body', 'bodies')} checked"
    if verdict.encrypted_bodies:
        told += f", {verdict.encrypted_bodies} of them encrypted ({verdict.decrypted_bodies} read with their key)"
    return told


def _noteworthy(verdict: EvidenceVerified) -> Iterator[str]:
    if verdict.denied:
        yield f"{many(verdict.denied, 'denial')}"
    if verdict.clock_steps:
        yield f"{many(verdict.clock_steps, 'step')} of the clock"
    if verdict.not_approved:
        yield f"NOT APPROVED: {many(verdict.not_approved, 'contract change')} in force, by this ring"
    if verdict.approvals_unchecked:
        changes = many(verdict.approvals_unchecked, "contract change")
        yield f"approvals of {changes} not judged: nobody gave the ring of persons (--ring)"
