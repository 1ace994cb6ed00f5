"""What the clock at a stream's far end says at this moment, judged by its messages alone. Pure; both ends use it.

How old a measurement is, is its source's to say, and when a setpoint ends is the headend's: no two clocks need agree
for it, and a step of ours changes nothing (DESIGN.md section 8, rules 5 and 11). A message can only come late, never
early, so of several the one that puts the source's clock furthest ahead is nearest the truth: a late one believed would
make measurements look younger and stretch every deadline by its lateness. Messages of one stream come in order: one
that was written at an earlier time than the one before it was written by a clock that had been set back, and what that
sends would else be over before it came.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from dermscore.model import Now

BEST_FOR_MS: Final = 60_000
"""How long the best sample counts: clocks drift, and one that was set back by less than a message's interval shows in
no order.
"""


@dataclass(frozen=True, slots=True)
class SourceTime:
    """The sample that counts: the source's UTC when it wrote a message, and our monotonic ms when that came.

    `newest_ms` is when the newest message was written, by the source's clock.
    """

    sent_ms: int
    heard_mono_ms: int
    newest_ms: int

    @classmethod
    def first(cls, sent_ms: int, now: Now) -> SourceTime:
        """After the first message of a stream."""
        return cls(sent_ms, now.mono_ms, sent_ms)

    def hear(self, sent_ms: int, now: Now) -> SourceTime:
        """After another message of the same stream: the better of the two samples, or the newer where the old one has
        aged or the clock was set back.
        """
        newer = SourceTime.first(sent_ms, now)
        set_back = sent_ms < self.newest_ms
        aged = now.mono_ms - self.heard_mono_ms > BEST_FOR_MS
        return newer if set_back or aged or newer._ahead_ms >= self._ahead_ms else replace(self, newest_ms=sent_ms)

    def at(self, now: Now) -> Now:
        """This moment, with the source's UTC in the place of ours."""
        return Now(now.mono_ms + self._ahead_ms, now.mono_ms)

    def offset_ms(self, now: Now) -> int:
        """The source's UTC less ours at this moment, in ms, as `dermscore.guard.Guard.receive` wants the headend's."""
        return self.at(now).utc_ms - now.utc_ms

    @property
    def _ahead_ms(self) -> int:
        return self.sent_ms - self.heard_mono_ms
