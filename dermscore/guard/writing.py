"""When to write to a device: on change, to keep its dead-man timer alive, and never against another controller.

What the device has is known from what it says: the answer to a write and the setpoint in a measurement. The edge
reports both, and it is decided here whose setpoint that is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite
from typing import Self

from dermscore.model import Now

BACK_OFF_MS = 10_000
"""How long a device that another controller wrote is left alone at first, in ms; twice as long each time."""

LONGEST_BACK_OFF_MS = 300_000
"""The longest that it is left alone; and how long there must be peace before a contest is forgotten, in ms."""

_TRIED = 8  # different setpoints in a row, written and not answered


@dataclass(frozen=True, slots=True)
class Writing:
    """What we wrote to one device, what it said, and whether somebody else did too.

    `dead_man_ms` is how long it keeps a setpoint that nobody rewrites (None: for ever), `tolerance_w` how far apart two
    setpoints may be and still be the same. `written_ms` (monotonic) is None while nothing that we wrote stands; then
    `asked_w` and `read_back_w` mean nothing. `tried` are the setpoints written since, not yet answered. `contests`
    counts what was found in a row, `found_w` is the other's setpoint, left alone while `contested_until_ms` is ahead.
    """

    dead_man_ms: int | None = None
    tolerance_w: float = 0.0
    written_ms: int | None = None
    asked_w: float | None = None
    read_back_w: float | None = None
    tried: tuple[float | None, ...] = ()
    contests: int = 0
    found_w: float | None = None
    contested_until_ms: int | None = None

    def due(self, w: float | None, now: Now) -> bool:
        """Whether `w` is to be written, were the device not contested. A released device has no setpoint to keep."""
        if self.written_ms is None or self.asked_w != w:
            return True
        return w is not None and rewrite_due(self.written_ms, self.dead_man_ms, now)

    def tries(self, w: float | None) -> Self:
        """Before a write: should its answer be lost, the device may follow it all the same.

        After too many without an answer nobody knows what the device took, and what we knew of it is forgotten.
        """
        if w in self.tried:
            return self
        if len(self.tried) == _TRIED:
            return self.forget()
        return self._with(self.written_ms, self.asked_w, self.read_back_w, (*self.tried, w))

    def wrote(self, w: float | None, read_back_w: float | None, now: Now) -> Self:
        """After a write of `w` and its answer: the setpoint that the device says it has now."""
        return self._with(now.mono_ms, w, read_back_w, ())

    def look(self, shown_w: float | None, now: Now) -> Self:
        """After a look at the device, which follows `shown_w` (None: no setpoint).

        A setpoint that is none of ours, while the dead-man timer cannot have let ours go, is another controller's. What
        is not a number says nothing.
        """
        if self.written_ms is None or self.contested(now) or self._let_go(now):
            return self
        if shown_w is not None and not isfinite(shown_w):
            return self
        if self._same(shown_w, self.read_back_w) or any(self._same(shown_w, w) for w in self.tried):
            return self._at_peace(now)
        wait_ms = min(BACK_OFF_MS * 2**self.contests, LONGEST_BACK_OFF_MS)
        return replace(
            self.forget(), contests=self.contests + 1, found_w=shown_w, contested_until_ms=now.mono_ms + wait_ms
        )

    def forget(self) -> Self:
        """What we wrote stands no longer: the device was another's meanwhile. What we write next is written at once."""
        return replace(self, written_ms=None, tried=())

    def contested(self, now: Now) -> bool:
        """Whether another controller was seen to have the device, and the time for our next try has not come."""
        return self.contested_until_ms is not None and now.mono_ms < self.contested_until_ms

    def why_contested(self, now: Now) -> str:
        """In words, while it is contested."""
        assert self.contested_until_ms is not None
        found = "no setpoint" if self.found_w is None else f"{self.found_w:g} W"
        wait_s = (self.contested_until_ms - now.mono_ms) / 1000
        return f"the device follows {found}, which we did not write; next try in {wait_s:g} s"

    def _with(
        self, written_ms: int | None, asked_w: float | None, read_back_w: float | None, tried: tuple[float | None, ...]
    ) -> Self:
        """By position, and not by `replace`: it is a good part of a step on the way back."""
        return type(self)(
            self.dead_man_ms,
            self.tolerance_w,
            written_ms,
            asked_w,
            read_back_w,
            tried,
            self.contests,
            self.found_w,
            self.contested_until_ms,
        )

    def _let_go(self, now: Now) -> bool:
        if self.dead_man_ms is None or self.written_ms is None:
            return False
        return now.mono_ms - self.written_ms >= self.dead_man_ms

    def _same(self, one_w: float | None, other_w: float | None) -> bool:
        if one_w is None or other_w is None:
            return one_w is other_w
        return abs(one_w - other_w) <= self.tolerance_w

    def _at_peace(self, now: Now) -> Self:
        """A contest is forgotten once nobody has contested for as long as the longest back-off."""
        if self.contested_until_ms is None or now.mono_ms < self.contested_until_ms + LONGEST_BACK_OFF_MS:
            return self
        return replace(self, contests=0, contested_until_ms=None)


def rewrite_due(written_ms: int, dead_man_ms: int | None, now: Now) -> bool:
    """Whether a setpoint written at `written_ms` (monotonic) must be written again for the device's dead-man timer.

    Within a third of the timer, so that two lost writes do not trip it. None: the device has no such timer, and an
    unchanged setpoint is not written again (non-volatile registers wear out).
    """
    return dead_man_ms is not None and (now.mono_ms - written_ms) * 3 >= dead_man_ms
