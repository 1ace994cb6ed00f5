"""Refusals for the trail: the first of a kind at once, its repetitions counted and told once a minute.

Whoever knocks a thousand times a second must neither fill the disk nor go unnoticed (DESIGN.md section 8, rule 16).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from audit.record import Entry
from dermscore.model import Now
from gateway import records

WINDOW_MS: Final = 60_000
MOST_PEERS: Final = 256
OTHERS: Final = "(others)"


@dataclass(frozen=True, slots=True)
class Denial:
    """One refusal: who, by which rule, what they were answered, and why."""

    peer: str
    rule: str
    decision: str
    reason: str
    session: str = ""
    direction: str = ""


@dataclass(frozen=True, slots=True)
class _Repeated:
    since_ms: int  # monotonic: when the window began
    first_ms: int  # UTC of the first and last repetition
    last_ms: int
    count: int


class Denials:
    """What is being repeated. Owner: the gateway's loop."""

    def __init__(self) -> None:
        self._windows: dict[Denial, _Repeated] = {}

    def note(self, denial: Denial, now: Now) -> Entry | None:
        """What to record of it now: the denial itself, or nothing where it repeats one of this minute."""
        key = self._key(denial)
        window = self._windows.get(key)
        if window is None:
            self._windows[key] = _Repeated(now.mono_ms, now.utc_ms, now.utc_ms, 0)
            return _entry(denial, denial.reason, 1)
        first_ms = now.utc_ms if window.count == 0 else window.first_ms
        self._windows[key] = replace(window, first_ms=first_ms, last_ms=now.utc_ms, count=window.count + 1)
        return None

    def due(self, now: Now, *, all_of_them: bool = False) -> list[Entry]:
        """The repetitions of the minutes that are over."""
        over = [
            key for key, window in self._windows.items() if all_of_them or now.mono_ms - window.since_ms >= WINDOW_MS
        ]
        entries = []
        for key in over:
            window = self._windows.pop(key)
            if window.count:
                span = f"repeated from {window.first_ms} to {window.last_ms} ms UTC"
                entries.append(_entry(key, f"{key.reason}; {span}" if key.reason else span, window.count))
        return entries

    def _key(self, denial: Denial) -> Denial:
        """Denials are the same by peer, rule, answer and direction; beyond a number of peers, whoever it is."""
        key = Denial(denial.peer, denial.rule, denial.decision, "", "", denial.direction)
        return key if key in self._windows or len(self._windows) < MOST_PEERS else replace(key, peer=OTHERS)


def _entry(denial: Denial, reason: str, count: int) -> Entry:
    return records.denied(denial.peer, denial.rule, denial.decision, reason, count, denial.session, denial.direction)
