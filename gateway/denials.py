"""Refusals for the trail: the first of a kind at once, its repetitions counted and told once a minute.

Whoever knocks a thousand times a second must neither fill the disk nor go unnoticed (DESIGN.md section 8, rule 16).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from audit.format.record import Entry
from dermscore.model import Now
from gateway import records

WINDOW_MS: Final = 60_000
MOST_PEERS: Final = 256
MOST_REASONS: Final = 8
LONGEST_REASON: Final = 160
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
    reasons: Mapping[str, int] = field(default_factory=dict)
    """How often each of the first few distinct reasons was given, and all others together."""


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
        reasons = _counted(window.reasons, denial.reason)
        self._windows[key] = _Repeated(window.since_ms, first_ms, now.utc_ms, window.count + 1, reasons)
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
                entries.append(_entry(key, _told(window), window.count))
        return entries

    def _key(self, denial: Denial) -> Denial:
        """Denials are counted together by peer, rule, answer and direction; beyond a number of peers, whoever it is."""
        key = Denial(denial.peer, denial.rule, denial.decision, "", "", denial.direction)
        return key if key in self._windows or len(self._windows) < MOST_PEERS else replace(key, peer=OTHERS)


def _counted(reasons: Mapping[str, int], reason: str) -> Mapping[str, int]:
    """One more of `reason`. What a peer sends can make any number of reasons: beyond a few they are one."""
    short = reason if len(reason) <= LONGEST_REASON else f"{reason[:LONGEST_REASON]}..."
    kind = short if short in reasons or len(reasons) < MOST_REASONS else OTHERS
    return {**reasons, kind: reasons.get(kind, 0) + 1}


def _told(window: _Repeated) -> str:
    """When it was repeated, and how often for which reason."""
    span = f"repeated from {window.first_ms} to {window.last_ms} ms UTC"
    return "; ".join([span, *(f"{count} x {reason or 'no reason'}" for reason, count in window.reasons.items())])


def _entry(denial: Denial, reason: str, count: int) -> Entry:
    return records.denied(denial.peer, denial.rule, denial.decision, reason, count, denial.session, denial.direction)
