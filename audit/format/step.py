"""Steps of UTC against the monotonic clock: what a writer records, and what a verifier holds it to. Pure.

The offset of a record is `t - mono_us`. While the clocks run together it stays; a slew moves it slowly, a step at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from audit.format import kinds
from audit.format.canonical import NUMBER_LIMIT
from audit.format.record import Entry, Reading, Timed

THRESHOLD_US: Final = 1_000_000
"""What a writer of this version promises: every jump above it is a record. Also from where on one is counted."""


class Clocks(Protocol):
    """The clocks of one record. `boot` is compared only."""

    @property
    def t(self) -> int: ...
    @property
    def mono_us(self) -> int: ...
    @property
    def boot(self) -> object: ...


def jump_us(before: Clocks, after: Clocks) -> int | None:
    """By how much UTC moved against the monotonic clock, microseconds; None across boots, where nobody can tell."""
    if before.boot != after.boot:
        return None
    return (after.t - after.mono_us) - (before.t - before.mono_us)


def steps(before: Clocks, after: Clocks) -> bool:
    """Whether a reader should be told of a step between two neighbours, recorded or not."""
    jump = jump_us(before, after)
    return after.t < before.t if jump is None else abs(jump) > THRESHOLD_US


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a record does not fit behind the one before, if the writer promised to record every jump above some length
    below `under_us`, microseconds."""

    under_us: int
    why: str

    def holds(self, promised_us: int) -> bool:
        """Against the promise in force; 0: none was made."""
        return 0 < promised_us < self.under_us


def objection(kind: str, before: Clocks, after: Clocks) -> Objection | None:
    """What a promise would have against a record of `kind` behind the one before."""
    if kind in kinds.OPENINGS:
        return None
    jump = jump_us(before, after)
    if jump is None:
        why = "is of another boot than the record before it, and the log was not opened in between"
        return Objection(NUMBER_LIMIT, why)
    if after.mono_us < before.mono_us:
        why = "was submitted before the record that stands before it: it was slipped in, or dated back"
        return Objection(NUMBER_LIMIT, why)
    if kind == kinds.STEP or not jump:
        return None
    why = f"is dated {abs(jump) / 1e6:.6f} s off the record before it, and no record tells of a step of the clock"
    return Objection(abs(jump), why)


def elapsed_us(before: Clocks, after: Clocks) -> int:
    """How long after one record the next was submitted; across boots by UTC, which may have been set meanwhile."""
    return after.mono_us - before.mono_us if before.boot == after.boot else after.t - before.t


def told(before: Reading | None, batch: Sequence[Timed]) -> tuple[Timed, ...]:
    """The batch that follows a record read at `before`, a record in front of each entry where the clocks stepped."""
    following: list[Timed] = []
    for timed in batch:
        if before is not None and timed.reading is not before:
            jump = jump_us(before, timed.reading)
            if jump is not None and abs(jump) > THRESHOLD_US and timed.entry.kind not in kinds.OPENINGS:
                following.append(Timed(_step(jump), timed.reading))
        following.append(timed)
        before = timed.reading
    return tuple(following)


def across_opening(last: Reading | None, opened: Reading) -> tuple[Timed, ...]:
    """The record of a step while the log was closed, within one boot; it stands behind the record of the opening."""
    jump = None if last is None else jump_us(last, opened)
    return () if jump is None or abs(jump) <= THRESHOLD_US else (Timed(_step(jump), opened),)


def _step(jump: int) -> Entry:
    decision = "forward" if jump > 0 else "back"
    reason = f"UTC went {decision} by {abs(jump) / 1e6:.6f} s against the monotonic clock"
    return Entry(kinds.STEP, n=min(abs(jump), NUMBER_LIMIT - 1), decision=decision, reason=reason)
