"""When to write to a device, pure: on change, to keep its dead-man timer alive, never against another controller."""

from __future__ import annotations

from dataclasses import dataclass, replace

from agent.drivers import DeviceSetpoint, ReadBack
from dermscore.guard import Command, GuardState, rewrite_due
from dermscore.model import Measurement, Now

BACK_OFF_MS = 10_000
LONGEST_BACK_OFF_MS = 300_000


@dataclass(frozen=True, slots=True)
class Writes:
    """What was last written to one device, when (monotonic ms), and what the device then said it follows.

    `asked` None: this process has written nothing yet. While `contested_until_ms` is ahead another controller has the
    device.
    """

    mono_ms: int
    asked: DeviceSetpoint | None = None
    read_back: ReadBack | None = None
    contests: int = 0
    contested_until_ms: int | None = None

    def due(self, command: Command, dead_man_s: float, now: Now) -> bool:
        """Whether to write the command now."""
        if not command.write:
            return False
        if self.contested(now) and command.state is not GuardState.LOCKED:
            return False
        if self.asked is None or self.asked.power_w != command.setpoint_w:
            return True
        kept_alive = command.setpoint_w is not None  # a released device has no setpoint to keep
        return kept_alive and rewrite_due(self.mono_ms, round(dead_man_s * 1000), now)

    def wrote(self, asked: DeviceSetpoint, read_back: ReadBack, now: Now) -> Writes:
        """After a write and its answer."""
        return replace(self, mono_ms=now.mono_ms, asked=asked, read_back=read_back)

    def look(self, measurement: Measurement, tolerance_w: float, dead_man_s: float, now: Now) -> Writes:
        """After a look at the device. A setpoint that is not what it told us, with its dead-man alive, is another's.

        The next try is then `BACK_OFF_MS` away, twice as far each time: two controllers must not wage a write war.
        """
        if self.read_back is None or self.contested(now) or now.mono_ms - self.mono_ms >= dead_man_s * 1000:
            return self
        if same_setpoint(self.read_back.setpoint_w, measurement.setpoint_w, tolerance_w):
            return self._at_peace(now)
        wait_ms = min(BACK_OFF_MS * 2**self.contests, LONGEST_BACK_OFF_MS)
        return replace(
            self, asked=None, read_back=None, contests=self.contests + 1, contested_until_ms=now.mono_ms + wait_ms
        )

    def _at_peace(self, now: Now) -> Writes:
        """A contest is forgotten once nobody has contested for as long as the longest back-off."""
        if self.contested_until_ms is None or now.mono_ms < self.contested_until_ms + LONGEST_BACK_OFF_MS:
            return self
        return replace(self, contests=0, contested_until_ms=None)

    def contested(self, now: Now) -> bool:
        """Whether another controller was seen to have the device, and the time for our next try has not come."""
        return self.contested_until_ms is not None and now.mono_ms < self.contested_until_ms


def same_setpoint(one_w: float | None, other_w: float | None, tolerance_w: float) -> bool:
    """Whether two setpoints are the same; "none" is the same only as "none", and what is not a number as nothing."""
    if one_w is None or other_w is None:
        return one_w is other_w
    return abs(one_w - other_w) <= tolerance_w
