"""How long a trail is kept, and which segments may go. Pure.

The longest of these counts: 90 consecutive days; three calendar years, that is, until the end of the third calendar
year after a record's own; a legal hold; an audit that is still open.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from audit.approval import moment
from audit.errors import AuditError

DAY_US: Final = 86_400_000_000
KEPT_DAYS: Final = 90
KEPT_YEARS: Final = 3
REASONS: Final = ("legal-hold", "open-audit")

_HOLD = re.compile(rf"({'|'.join(REASONS)})[ \t]+(\S+)[ \t]+(\S+)[ \t]+(\S.*)")


class BadHolds(AuditError):
    """A file of holds is not one."""


@dataclass(frozen=True, slots=True)
class Span:
    """A full segment of the log and the times of its records, UTC microseconds, least and greatest."""

    segment: int
    since: int
    until: int


@dataclass(frozen=True, slots=True)
class Hold:
    """What was recorded from `since` (inclusive) to `until` (exclusive, None: no end yet) is kept, and why."""

    reason: str
    since: int
    until: int | None
    words: str

    def covers(self, span: Span) -> bool:
        return span.until >= self.since and (self.until is None or span.since < self.until)


def parse_holds(text: str) -> tuple[Hold, ...]:
    """Lines `legal-hold|open-audit <from> <to or -> <words>`; empty ones and comments (#) do not count."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            match = _HOLD.fullmatch(line.strip())
            since = moment(match[2]) if match else None
            until = moment(match[3]) if match else None
            if match is None or since is None or (until is None and match[3] != "-"):
                raise BadHolds(
                    f"line {number}: expected {' or '.join(REASONS)}, from, to (a time such as 2026-11-23T12:00:00Z; "
                    "to may be -), and why in words"
                )
            found.append(Hold(match[1], since, until, match[4]))
    return tuple(found)


def kept_until(recorded: int) -> int:
    """Until when a record of this time is kept at least, holds apart."""
    year = datetime.fromtimestamp(recorded // 1_000_000, UTC).year
    calendar = int(datetime(year + KEPT_YEARS + 1, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
    return max(recorded + KEPT_DAYS * DAY_US, calendar)


def why_kept(span: Span, holds: Sequence[Hold], now: int) -> str | None:
    """Why a segment has to stay; None where it may go."""
    for hold in holds:
        if hold.covers(span):
            return f"{hold.reason}: {hold.words}"
    if now < kept_until(span.until):
        return f"{KEPT_DAYS} days and {KEPT_YEARS} calendar years are not over"
    return None


def oldest_run(spans: Sequence[Span], holds: Sequence[Hold], now: int) -> tuple[Span, ...]:
    """The first segments, one behind the other, that may go; none where nothing may."""
    run: list[Span] = []
    for span in spans:
        if why_kept(span, holds, now) is None and (not run or run[-1].segment == span.segment - 1):
            run.append(span)
        elif run:
            break
    return tuple(run)
