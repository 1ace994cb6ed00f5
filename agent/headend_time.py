"""What the headend's clock says, judged by its messages, pure.

A message can only come late, never early, so of several the one that puts the headend's clock furthest ahead is
nearest the truth. A late one believed would stretch every deadline by its lateness, and a setpoint could act after
its end.
"""

from __future__ import annotations

from dataclasses import dataclass

from dermscore.guard import offset_ms
from dermscore.model import Now

# How long the best sample counts: a headend whose clock was put back is believed again after this.
BEST_FOR_MS = 60_000


@dataclass(frozen=True, slots=True)
class HeadendTime:
    """The headend's UTC in one of its messages, and both our clocks when that came."""

    sent_ms: int
    heard: Now

    def hear(self, sent_ms: int, now: Now) -> HeadendTime:
        """After another message: the better of the two samples, or the newer where the old one has aged."""
        newer = HeadendTime(sent_ms, now)
        aged = now.mono_ms - self.heard.mono_ms > BEST_FOR_MS
        return newer if aged or newer._ahead_ms >= self._ahead_ms else self

    def offset_ms(self, now: Now) -> int:
        """The headend's UTC less ours, in ms, as `Guard.receive` wants it."""
        return offset_ms(self.sent_ms, self.heard, now)

    @property
    def _ahead_ms(self) -> int:
        return self.sent_ms - self.heard.mono_ms
