"""Steps of UTC against the monotonic clock: what a writer records, and what a verifier holds it to. Pure.

The offset of a record is `t - mono_us`. While the clocks run together it stays; a slew moves it slowly, a step at once.
"""

from __future__ import annotations

from typing import Final, Protocol

from audit import kinds
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


def told(before: Reading | None, after: Reading) -> Entry | None:
    """The record to write in front of one read at `after`, where the clocks stepped since `before`."""
    jump = None if before is None else jump_us(before, after)
    if jump is None or abs(jump) <= THRESHOLD_US:
        return None
    decision = "forward" if jump > 0 else "back"
    reason = f"UTC went {decision} by {abs(jump) / 1e6:.6f} s against the monotonic clock"
    return Entry(kinds.STEP, n=min(abs(jump), 2**53 - 1), decision=decision, reason=reason)
