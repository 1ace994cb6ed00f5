"""A verdict in words for people, and as the members of `docs/reference/audit-format.md`, "What ours prints". Pure.

What is for a terminal is printable, but for paths that the caller gave. All else may hold what a log says, as it
stands there: whoever prints it has to make it harmless.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from audit.verify.timeline import SILENT_US, Listed, Moment, Timeline
from audit.verify.verdict import Tampered, Verdict, Verified
from audit.witness import attested
from audit.witness.attested import Reach
from audit.witness.coverage import NotWitnessed
from audit.words import lasting, many, printable, utc

_FEW: Final = 3
"""Happenings of one kind that a terminal is told of one by one."""


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
    return {"verdict": "could_not_tell", "why": verdict.why}


def in_words(verdict: Verdict, reach: Reach | None, log: Path, now_us: int) -> str:
    """The verdict for a terminal, some lines. `now_us`: UTC microseconds by the clock of whoever reads."""
    match verdict:
        case Verified():
            return "\n".join([f"VERIFIED: {log}", *_verified(verdict, reach, now_us)])
        case Tampered(_, where, what):
            return f"TAMPERED: {log}\n{printable(what)}\nin {where}\n{what_stands(verdict)}"
    return f"COULD NOT TELL: {log}\n{printable(verdict.why)}"


def what_stands(verdict: Tampered) -> str:
    """How much of the log is as it was signed, before the first bad record."""
    if verdict.first_bad is None:
        return "Without a good checkpoint nothing of the log is proved."
    if verdict.unbroken == 0:
        return "Nothing before it stands."
    if verdict.unbroken == 1:
        return "The one record before it chains without a break."
    return f"The {verdict.unbroken} records before it chain without a break."


def _verified(verdict: Verified, reach: Reach | None, now_us: int) -> list[str]:
    return [
        f"{many(verdict.records, 'record')} of {verdict.origin}, {freshness(verdict.proved_until, now_us)}",
        f"{many(verdict.bodies, 'body', 'bodies')}, root {verdict.root}",
        f"signed by {verdict.key}",
        attested.in_words(reach, verdict.records),
        *(f"- {line}" for line in to_explain(verdict)),
        *_few(verdict.timeline),
        f"{_unreleased(verdict.unreleased_bytes)} behind the checkpoint are not part of this verdict",
        "Whether newer records once stood behind these, only a witness or an earlier copy of the checkpoint can tell.",
    ]


def freshness(until: int | None, now_us: int) -> str:
    """Up to when a log is proved, against the clock of whoever reads."""
    if until is None:
        return "none yet"
    proved = f"proved complete up to {utc(until)} by its clock"
    if until > now_us:
        return (
            f"{proved}; WARNING: that is {lasting(until - now_us)} after now by this computer's clock, so one is wrong"
        )
    return f"{proved}; that is {lasting(now_us - until)} before now by this computer's clock"


def to_explain(verdict: Verified) -> list[str]:
    """What a verified log, and the verifying, leaves for somebody to explain or to look after; may be nothing."""
    return [*_of_verifying(verdict), *_of_log(verdict), *_of_timeline(verdict.timeline)]


def _of_verifying(verdict: Verified) -> list[str]:
    lines = []
    if verdict.bodies_unread:
        bodies_were = many(verdict.bodies_unread, "body was", "bodies were")
        lines.append(f"{bodies_were} left out: of them only what the headers say is proved")
    if verdict.encrypted_bodies:
        bodies_are = many(verdict.encrypted_bodies, "body is", "bodies are")
        read = f"the values of {verdict.decrypted_bodies} were read, too" if verdict.decrypted_bodies else ""
        lines.append(f"{bodies_are} encrypted: their bytes are proved, {read or 'their values not read'}")
    if verdict.approvals_unchecked:
        approvals = many(verdict.approvals_unchecked, "approval")
        lines.append(f"{approvals} not judged: nobody gave the ring of persons (--ring)")
    return lines


def _of_log(verdict: Verified) -> list[str]:
    """What happened to the log, and a record says so."""
    lines = []
    if verdict.rebased_from is not None:
        old = verdict.rebased_from
        behind = f"behind {many(old.size, 'record')} of {old.origin}, root {old.root}"
        lines.append(f"an explained break: begun after a restore, {behind}")
    if verdict.pruned_records:
        pruned = many(verdict.pruned_records, "record")
        lines.append(f"{pruned} pruned: their hashes are proved, what they said is gone, and a record says so")
    if verdict.key_changes:
        lines.append(f"{many(verdict.key_changes, 'change')} of the key, each sealed by the old one")
    for count, one, more in (
        (verdict.openings - 1, "restart", ""),
        (verdict.cuts, "cut after a crash", "cuts after a crash"),
        (verdict.gaps, "gap for want of disk", "gaps for want of disk"),
        (verdict.clock_steps, "step of the clock", "steps of the clock"),
    ):
        if count > 0:
            lines.append(many(count, one, more))
    return lines


def _of_timeline(timeline: Timeline) -> list[str]:
    lines = []
    if timeline.unclosed.count:
        lines.append(f"{many(timeline.unclosed.count, 'restart')} after an end without closing")
    if timeline.denials:
        lines.append(f"{many(timeline.denials, 'denial')} in {many(timeline.denied_records, 'record')}")
    if timeline.silence_count:
        longest, counted = timeline.silences[0], many(timeline.silence_count, "time")
        lines.append(
            f"silent {counted} for more than {lasting(SILENT_US)}, the longest {lasting(longest.lasted_us)} "
            f"behind record {longest.after} at {utc(longest.since)}"
        )
    return lines


def happenings(timeline: Timeline) -> tuple[tuple[str, Listed], ...]:
    """What happened to the log, by kind and in words that fit in front of a moment."""
    return (
        ("opened", timeline.openings),
        ("ended without closing", timeline.unclosed),
        ("cut", timeline.cuts),
        ("gap", timeline.gaps),
        ("clock step", timeline.clock_steps),
        ("key change", timeline.key_changes),
        ("pruned", timeline.prunings),
    )


def _few(timeline: Timeline) -> list[str]:
    """The first happenings of each kind, openings in order apart: they need no explaining."""
    lines = []
    for name, listed in happenings(timeline)[1:]:
        lines += [f"  {name}: {moment_in_words(moment)}" for moment in listed.moments[:_FEW]]
        if listed.count > _FEW:
            lines.append(f"  {name}: {listed.count - _FEW} more (--html lists them)")
    return lines


def moment_in_words(moment: Moment) -> str:
    return f"record {moment.seq}, {utc(moment.t)}, {printable(moment.what)}"


def not_cosigned(reach: Reach | None, records: int) -> int | None:
    """How many of the newest records no witness vouches for; None: no witness was asked for."""
    if reach is None:
        return None
    return records if isinstance(reach, NotWitnessed) else reach.uncovered


def _unreleased(count: int | None) -> str:
    return "bytes that cannot be counted" if count is None else many(count, "byte")
