"""The way back: its ramp is kept whatever the ticks, and it never overshoots."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from dermscore.guard import LONGEST_RAMP_STEP_MS, Fallback, Guard, Way
from tests.dermscore.guard.made import BATTERY, at, seen


def test_a_way_is_exact_at_its_goal_and_stands_still_before_its_time() -> None:
    way = Way(10.0, 0)
    assert way.towards(0.0, 10.0, 4.0, 0, at(1_000)) == 6.0
    assert way.towards(8.0, 10.0, 4.0, 0, at(1_000)) == 8.0
    assert way.towards(20.0, 10.0, 4.0, 500, at(1_000)) == 12.0
    assert way.towards(20.0, 10.0, 4.0, 2_000, at(1_000)) == 10.0
    assert way.towards(99.0, 10.0, 4.0, 0, at(60_000)) == 10.0 + 4.0 * LONGEST_RAMP_STEP_MS / 1000
    assert Way().towards(20.0, 10.0, 4.0, 0, at(60_000)) == 10.0  # nothing was commanded yet


@given(
    power_w=st.floats(-200e6, 200e6),
    gaps=st.lists(st.integers(0, 5_000), min_size=1, max_size=60),
    fallback=st.builds(Fallback, st.integers(0, 10_000), st.floats(1.0, 1e8)),
)
def test_the_way_back_never_exceeds_its_ramp_and_never_overshoots(
    power_w: float, gaps: list[int], fallback: Fallback
) -> None:
    guard, now_ms, before = Guard.new(BATTERY, fallback), 0, min(max(power_w, -30e6), 40e6)
    for gap in gaps:
        now_ms += gap
        guard, command = guard.step(seen(power_w), at(now_ms))
        assert command.setpoint_w is not None
        assert abs(before - command.setpoint_w) <= fallback.ramp_w_per_s * gap / 1000 + 1e-6
        assert command.setpoint_w == 0 or math.copysign(1, command.setpoint_w) == math.copysign(1, before)
        before = command.setpoint_w
