"""Where a setpoint has come to, and how far it may go in one step."""

from __future__ import annotations

from dataclasses import dataclass

from dermscore.model import Now

LONGEST_RAMP_STEP_MS = 2_000
"""A ramp moves no further in one step than it may in this time: a loop that was stopped does not catch up in a leap."""


@dataclass(frozen=True, slots=True)
class Way:
    """The last command's setpoint in W (None: left to itself), its monotonic ms, and since when the way back goes on.

    `last_ms` None: there was no command, or the device has been another's since. `since_ms` None: it is neither on the
    way back nor on its way from there to what is still held.
    """

    last_w: float | None = None
    last_ms: int | None = None
    since_ms: int | None = None

    def towards(self, goal_w: float, start_w: float, ramp_w_per_s: float, from_ms: int, now: Now) -> float:
        """The next setpoint from `start_w` to `goal_w` (W), at most at the ramp (W/s) and not before `from_ms`.

        Exactly `goal_w` when it is reached.
        """
        last_ms = now.mono_ms if self.last_ms is None else self.last_ms
        ramped_ms = min(max(now.mono_ms - max(last_ms, from_ms), 0), LONGEST_RAMP_STEP_MS)
        reach_w = ramp_w_per_s * ramped_ms / 1000
        if abs(goal_w - start_w) <= reach_w:
            return goal_w
        return start_w + (reach_w if goal_w > start_w else -reach_w)
