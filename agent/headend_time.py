"""What the headend's clock says, judged by its messages, pure.

A message can only come late, never early, so of several the one that puts the headend's clock furthest ahead is
nearest the truth. A late one believed would stretch every deadline by its lateness, and a setpoint could act after
its end. Messages of one stream come in order: one that says less than the one before it was written by a clock that had
been set back, and what that sends would else be over before it came.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from dermscore.guard import offset_ms
from dermscore.model import Now

# How long the best sample counts: one that was put back by less than a message's interval shows in no order.
BEST_FOR_MS = 60_000


@dataclass(frozen=True, slots=True)
class HeadendTime:
    """The headend's UTC in one of its messages, and both our clocks when that came; its UTC in the newest of all."""

    sent_ms: int
    heard: Now
    newest_ms: int

    @classmethod
    def first(cls, sent_ms: int, now: Now) -> HeadendTime:
        """After the first message of a stream."""
        return cls(sent_ms, now, sent_ms)

    def hear(self, sent_ms: int, now: Now) -> HeadendTime:
        """After another message of the same stream: the better of the two samples, or the newer where the old one has
        aged or the clock was set back.
        """
        newer = HeadendTime.first(sent_ms, now)
        set_back = sent_ms < self.newest_ms
        aged = now.mono_ms - self.heard.mono_ms > BEST_FOR_MS
        return newer if set_back or aged or newer._ahead_ms >= self._ahead_ms else replace(self, newest_ms=sent_ms)

    def offset_ms(self, now: Now) -> int:
        """The headend's UTC less ours, in ms, as `Guard.receive` wants it."""
        return offset_ms(self.sent_ms, self.heard, now)

    @property
    def _ahead_ms(self) -> int:
        return self.sent_ms - self.heard.mono_ms
