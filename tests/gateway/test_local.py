"""The points that the gateway makes itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dermscore.intent import IntentState
from dermscore.points import COMMAND_STATE_CODES
from dermscore.quality import GOOD, Cause, Validity
from gateway.commands import Commands, Flight
from gateway.contract import Contract
from gateway.faces import Update
from gateway.local import Health, command_points, health_points
from tests.gateway.stage import CALCULATED, T0, Clock, contract, point, points

CONTRACT = contract()
FLIGHT = Flight("cmd-0", "target", 250_000.0, "ems", T0, 0)


def of(flight: Flight | None, row: str = "target", by: Contract = CONTRACT) -> dict[str, Update]:
    known = Commands() if flight is None else Commands({flight.id: flight})
    return {each.point: each for each in command_points(by, known, by.command[row], Clock().now)}


def test_health_is_shown_as_it_is() -> None:
    shown = {each.point: each for each in health_points(CONTRACT, Health(False, True, 7), Clock().now)}
    assert {name: each.raw for name, each in shown.items()} == {"audit": 0, "link": 1, "rehearsal": 1, "heartbeat": 7}
    assert {each.quality for each in shown.values()} == {GOOD}
    live = health_points(contract(contract="live"), Health(True, True, 0), Clock().now)
    assert next(each.raw for each in live if each.point == "rehearsal") == 0


def test_the_heartbeat_begins_anew_at_the_end_of_its_range() -> None:
    rows = [*points()[:6], point("heartbeat", "heartbeat", "count", "gateway", 6, low=0, high=9), *points()[7:]]
    made = contract(point_rows=rows)

    def count(beats: int) -> int:
        shown = health_points(made, Health(True, True, beats), Clock().now)
        return next(each.raw for each in shown if each.point == "heartbeat")

    assert [count(beats) for beats in (0, 9, 10, 23)] == [0, 9, 0, 3]


def test_before_any_command_nothing_is_asked_and_nothing_was_delivered() -> None:
    shown = of(None)
    assert shown["target state"].raw == COMMAND_STATE_CODES["idle"]
    assert shown["feedback"].quality.validity is Validity.INVALID
    assert shown["feedback"].quality.causes == Cause.RESTART
    assert (shown["target"].raw, shown["target"].quality.causes) == (0, Cause.NOT_IN_EFFECT)


@pytest.mark.parametrize("state", list(IntentState))
def test_the_state_point_carries_the_code_of_its_state(state: IntentState) -> None:
    assert of(replace(FLIGHT, state=state))["target state"].raw == COMMAND_STATE_CODES[state.value]


def test_the_output_mirrors_the_target_and_says_when_it_is_no_longer_in_effect() -> None:
    assert of(FLIGHT)["target"] == Update("target", 250, GOOD, T0)
    over = of(replace(FLIGHT, state=IntentState.EXPIRED))["target"]
    assert (over.raw, over.quality.causes) == (250, Cause.NOT_IN_EFFECT)


MOVING = replace(FLIGHT, state=IntentState.FOLLOWING, delivered_w=249_600.0, quality=CALCULATED, measured_ms=T0 - 500)


def test_feedback_has_the_quality_and_time_that_the_headend_gave_it() -> None:
    assert of(MOVING)["feedback"] == Update("feedback", 250, CALCULATED, T0 - 500)
    low = CALCULATED.because(Cause.LOW_COVERAGE, Validity.HELD)
    assert of(replace(MOVING, quality=low))["feedback"].quality == low
    assert of(replace(MOVING, quality=None))["feedback"].quality.validity is Validity.QUESTIONABLE


def test_simulated_feedback_is_good_in_rehearsal_and_never_shown_live() -> None:
    simulated = replace(MOVING, quality=CALCULATED.because(Cause.TEST))
    assert of(simulated)["feedback"].quality.good
    live = of(simulated, by=contract(contract="live"))["feedback"]
    assert (live.raw, live.quality.validity, live.quality.causes) == (0, Validity.INVALID, Cause.TEST)


def test_feedback_is_held_once_the_command_is_over_or_the_link_is_lost() -> None:
    over = of(replace(MOVING, state=IntentState.COMPLETE))["feedback"]
    assert (over.raw, over.quality.validity, over.quality.causes, over.time_ms) == (250, Validity.HELD, Cause.NONE, T0)
    lost = of(replace(MOVING, lost=True))["feedback"]
    assert (lost.raw, lost.quality.validity, lost.quality.causes) == (250, Validity.HELD, Cause.COMM_LOST)
    assert lost.time_ms == T0


def test_feedback_is_clamped_to_its_range() -> None:
    assert of(replace(FLIGHT, delivered_w=249_600.0))["feedback"].raw == 250
    beyond = of(replace(FLIGHT, delivered_w=1e9))["feedback"]
    assert (beyond.raw, beyond.quality.causes) == (500, Cause.OVER_RANGE)
    assert beyond.quality.validity is Validity.QUESTIONABLE


def test_a_release_shows_whether_it_is_under_way_and_has_no_feedback() -> None:
    release = replace(FLIGHT, command="release", target_w=None)
    assert {name: each.raw for name, each in of(release, "release").items()} == {"release state": 1, "release": 1}
    assert of(replace(release, state=IntentState.COMPLETE), "release")["release"].raw == 0
