"""Reviews: the signed word of a person who read evidence, and whether one review follows the other. Pure.

`docs/reference/evidence-format.md`, "Reviews". NERC CIP-007-6 R4 Part 4.4 speaks of reviews at intervals no greater
than 15 calendar days; which records and which intervals are meant is the entity's to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from audit.approval import Ring, moment, written
from audit.evidence.signers import NotSigned, signers
from audit.format import note
from audit.format.note import MalformedNote, Note

MAGIC: Final = b"derms.review/1\n"
DAY_US: Final = 86_400_000_000
EVERY_DAYS: Final = 15

_WORD = r"[A-Za-z0-9._/:-]{1,128}"
_DIGEST = r"[0-9a-f]{64}"
_TIME = r"[0-9TZ:-]{20}"
_TEXT = re.compile(
    rf"derms\.review/1\n({_WORD})\n({_DIGEST})\n({_TIME}) ({_TIME})\n"
    rf"(0 -|[1-9][0-9]{{0,8}} {_DIGEST})\n({_TIME}) ({_TIME})\n"
)


@dataclass(frozen=True, slots=True)
class Review:
    """Of the evidence with this digest about a log and a period; times in UTC microseconds, whole seconds.

    `findings_digest`: SHA-256 of what was found, in a file of its own; None if nothing was found. `due`: until when the
    next review has to be made.
    """

    origin: str
    evidence: str
    since: int
    until: int
    findings: int
    findings_digest: str | None
    made: int
    due: int

    def __str__(self) -> str:
        return (
            f"derms.review/1\n{self.origin}\n{self.evidence}\n{written(self.since)} {written(self.until)}\n"
            f"{self.findings} {self.findings_digest or '-'}\n{written(self.made)} {written(self.due)}\n"
        )


def parse(data: bytes) -> tuple[Review, Note]:
    """Take a review apart, strictly. MalformedNote says what is wrong; who signed it is another question."""
    signed = note.parse(data)
    match = _TEXT.fullmatch(signed.text.decode())
    if match is None:
        raise MalformedNote("is not log, evidence, period, findings and times of a review, one line each")
    origin, evidence, since, until, found, made, due = match.groups()
    times = [time for time in map(moment, (since, until, made, due)) if time is not None]
    if len(times) != 4 or times[0] >= times[1] or times[2] >= times[3]:
        raise MalformedNote("has a time that does not exist, or a period that ends before it begins")
    count, _, digest = found.partition(" ")
    return Review(
        origin, evidence, times[0], times[1], int(count), None if digest == "-" else digest, *times[2:]
    ), signed


@dataclass(frozen=True, slots=True)
class Filed:
    """A review as it was found: the file's name, and what the note holds."""

    name: str
    review: Review
    signed: Note

    def by(self, ring: Ring | None) -> tuple[str, ...] | NotSigned:
        """Whose word it is, by the ring; without one, the names that stand on it."""
        return signers(self.signed, self.review.made, ring)


def warnings(filed: Sequence[Filed], ring: Ring | None, now: int) -> Iterator[str]:
    """What somebody has to look after: bad signatures, periods that no review covers, a review that is overdue."""
    for each in filed:
        by = each.by(ring)
        if isinstance(by, NotSigned):
            yield f"{each.name}: {by.why}"
    for origin in sorted({each.review.origin for each in filed}):
        yield from _of_log(origin, [each.review for each in filed if each.review.origin == origin], now)


def _of_log(origin: str, reviews: Sequence[Review], now: int) -> Iterator[str]:
    by_period = sorted(reviews, key=lambda review: (review.since, review.until))
    covered = by_period[0].until
    for review in by_period[1:]:
        if review.since > covered:
            yield f"{origin}: no review covers {written(covered)} to {written(review.since)}"
        covered = max(covered, review.until)
    due = max(reviews, key=lambda review: review.made).due
    if due <= now:
        yield f"{origin}: OVERDUE since {written(due)}: the newest review asked for the next one by then"
