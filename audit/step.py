"""Steps of UTC against the monotonic clock: what a writer records, and what a verifier holds it to. Pure.

The offset of a record is `t - mono_us`. While the clocks run together it stays; a slew moves it slowly, a step at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from audit import kinds
from audit.canonical import NUMBER_LIMIT
from audit.chain import Timed
from audit.record import Entry, Reading

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


def breaks_promise(kind: str, before: Clocks, after: Clocks, promised_us: int) -> str | None:
    """Why a record of `kind` does not fit behind the one before, under the writer's promise (0: none was made)."""
    if not promised_us or kind in kinds.OPENINGS:
        return None
    jump = jump_us(before, after)
    if jump is None:
        return "is of another boot than the record before it, and the log was not opened in between"
    if after.mono_us < before.mono_us:
        return "was submitted before the record that stands before it: it was slipped in, or dated back"
    if kind != kinds.STEP and abs(jump) > promised_us:
        return f"is dated {abs(jump) / 1e6:.6f} s off the record before it, and no record tells of a step of the clock"
    return None


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
