"""An intent's life as the edge reports it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.progress import Progress
from dermscore.intent import Intent, IntentState
from dermscore.model import Asset, Kind, Measurement
from dermscore.quality import GOOD

BATTERY = Asset("b1", "B", "s1", Kind.BATTERY, 100e6, 50e6, -50e6, 0.9, 1e6, 5.0, 95.0, "simulated", "default")
SOLAR = replace(BATTERY, id="v1", kind=Kind.SOLAR, capacity_wh=0.0, min_w=0.0)
LOAD = replace(BATTERY, id="l1", kind=Kind.LOAD, capacity_wh=0.0, max_w=0.0)


def intent(setpoint_w: float | None) -> Intent:
    return Intent("b1", "e", 1, "d", setpoint_w, 0.0, 0, 60_000, "default", 5)


def shown(power_w: float, setpoint_w: float | None) -> Measurement:
    return Measurement("b1", 0, power_w, 50e6, 0.0, 0.0, setpoint_w, GOOD)


def seen(progress: Progress, asset: Asset, *looks: Measurement) -> Progress:
    """After these looks at the device, one a second."""
    for second, look in enumerate(looks):
        progress = progress.observe(asset, replace(look, time_ms=1000 * second), ended=False)
    return progress


def reach(asset: Asset, setpoint_w: float | None, *looks: Measurement, ended: bool = False) -> IntentState:
    progress = seen(Progress(intent(setpoint_w)), asset, *looks)
    last = replace(looks[-1], time_ms=60_000)
    return progress.observe(asset, last, ended=True).reached if ended else progress.reached


def test_nothing_is_applied_before_the_device_says_so() -> None:
    assert reach(BATTERY, 10e6, shown(0.0, None)) is IntentState.RECEIVED
    assert reach(BATTERY, 10e6, shown(0.0, 10e6)) is IntentState.ACTIVE
    assert reach(BATTERY, 10e6, shown(0.0, 10e6), shown(10e6, 10e6)) is IntentState.FOLLOWING


def test_following_needs_a_measurement_after_the_one_that_showed_the_setpoint() -> None:
    """A step smaller than the tolerance: the power from before it says nothing of it."""
    before = Progress(intent(10.2e6)).observe(BATTERY, shown(10e6, 10e6), ended=False)
    assert before.reached is IntentState.ACTIVE
    assert before.observe(BATTERY, shown(10e6, 10.2e6), ended=False).reached is IntentState.ACTIVE, "the same one again"
    assert before.observe(BATTERY, shown(10e6, 10e6), ended=True).reached is IntentState.EXPIRED
    later = replace(shown(10.2e6, 10.2e6), time_ms=250)
    assert before.observe(BATTERY, later, ended=False).reached is IntentState.FOLLOWING


def test_an_intent_taken_up_again_was_read_back_before() -> None:
    again = Progress(intent(10e6), IntentState.ACTIVE)
    assert again.observe(BATTERY, shown(10e6, 10e6), ended=False).reached is IntentState.FOLLOWING


def test_power_that_happens_to_be_right_is_not_following() -> None:
    assert reach(BATTERY, 10e6, shown(10e6, 3e6)) is IntentState.RECEIVED


def test_following_is_not_unsaid_and_ends_complete() -> None:
    looks = shown(10e6, 10e6), shown(10e6, 10e6), shown(9e6, 10e6)
    assert reach(BATTERY, 10e6, *looks) is IntentState.FOLLOWING
    assert reach(BATTERY, 10e6, *looks, ended=True) is IntentState.COMPLETE


def test_what_never_followed_expires() -> None:
    assert reach(BATTERY, 10e6, shown(1e6, 10e6), ended=True) is IntentState.EXPIRED


@pytest.mark.parametrize(
    ("asset", "setpoint_w", "power_w", "state"),
    [
        (SOLAR, 8e6, 3e6, IntentState.FOLLOWING),
        (SOLAR, 8e6, 12e6, IntentState.ACTIVE),
        (LOAD, -8e6, -3e6, IntentState.FOLLOWING),
        (LOAD, -8e6, -12e6, IntentState.ACTIVE),
    ],
)
def test_ceilings_and_limits_are_followed_from_inside(
    asset: Asset, setpoint_w: float, power_w: float, state: IntentState
) -> None:
    look = shown(power_w, setpoint_w)
    assert reach(asset, setpoint_w, look, look) is state


def test_a_superseded_intent_stays_so() -> None:
    old = Progress(intent(10e6)).supersede()
    assert old.over
    assert old.observe(BATTERY, shown(10e6, 10e6), ended=True).reached is IntentState.SUPERSEDED


def test_what_is_over_is_not_superseded() -> None:
    assert Progress(intent(10e6), IntentState.COMPLETE).supersede().reached is IntentState.COMPLETE
