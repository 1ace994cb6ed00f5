"""The points that the gateway makes itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dermscore.intent import TERMINAL, IntentState
from dermscore.quality import GOOD, Cause, Validity
from dermscore.sheets.points import COMMAND_STATE_CODES
from gateway.commands import Commands, Conditions, Flight
from gateway.contract import Contract
from gateway.faces import Update
from gateway.faces.dnp3 import flags
from gateway.local import UNHEARD_S, Health, Hearing, as_told, command_points, health_points, hearing
from tests.gateway.stage import CALCULATED, M0, T0, Clock, contract, point, points

CONTRACT = contract()
FLIGHT = Flight("cmd-0", "target", 250_000.0, "ems", T0, 0)


HEARING = Hearing(linked=True, silent=False)


def of(*flights: Flight, row: str = "target", by: Contract = CONTRACT, heard: Hearing = HEARING) -> dict[str, Update]:
    known = Commands({f"{number}": flight for number, flight in enumerate(flights)})
    return {each.point: each for each in command_points(by, known, by.command[row], heard, Clock().now)}


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
    shown = of()
    assert shown["target state"].raw == COMMAND_STATE_CODES["idle"]
    assert shown["feedback"].quality.validity is Validity.INVALID
    assert shown["feedback"].quality.causes == Cause.RESTART
    asked = shown["target"].quality
    assert (shown["target"].raw, asked.validity, asked.causes) == (
        0, Validity.INVALID, Cause.RESTART | Cause.NOT_IN_EFFECT,
    )  # fmt: skip
    assert of(row="release")["release"] == Update("release", 0, GOOD, T0)  # which is so


@pytest.mark.parametrize("state", list(IntentState))
def test_the_state_point_carries_the_code_of_its_state(state: IntentState) -> None:
    assert of(replace(FLIGHT, state=state))["target state"].raw == COMMAND_STATE_CODES[state.value]


def test_the_output_mirrors_the_target_in_effect() -> None:
    assert of(FLIGHT)["target"] == Update("target", 250, GOOD, T0)


LAPSED = replace(FLIGHT, state=IntentState.FOLLOWING, until_mono_ms=M0)
GIVEN_UP = replace(FLIGHT, state=IntentState.FAILED, inferred=True)


@pytest.mark.parametrize("flight", [*(replace(FLIGHT, state=state) for state in sorted(TERMINAL)), LAPSED, GIVEN_UP])
def test_a_target_that_is_not_in_effect_is_not_online(flight: Flight) -> None:
    shown = of(flight)["target"]
    assert (shown.raw, shown.quality) == (250, GOOD.because(Cause.NOT_IN_EFFECT, Validity.HELD))
    assert not flags.analog(shown.quality) & flags.ONLINE


@pytest.mark.parametrize("state", [IntentState.REFUSED, IntentState.FAILED])
def test_a_target_that_never_came_into_force_left_standing_the_one_before_it(state: IntentState) -> None:
    shown = of(MOVING, replace(FLIGHT, target_w=-1000.0, state=state))
    assert shown["target"] == Update("target", 250, GOOD, T0)
    assert shown["feedback"].raw == 250
    assert shown["target state"].raw == COMMAND_STATE_CODES[state.value]


DEAF = [Hearing(linked=False, silent=False), Hearing(linked=False, silent=True)]


@pytest.mark.parametrize("heard", DEAF)
@pytest.mark.parametrize("row", ["target", "release"])
@pytest.mark.parametrize("state", list(IntentState))
def test_while_nobody_could_tell_the_last_known_word_is_held(heard: Hearing, row: str, state: IntentState) -> None:
    flight = replace(FLIGHT, state=state)
    before, shown = of(flight, row=row), of(flight, row=row, heard=heard)
    for name in (row, f"{row} state"):
        assert shown[name].raw == before[name].raw
        assert shown[name].quality.validity is Validity.HELD
        assert shown[name].quality.causes & Cause.COMM_LOST
        assert flags.binary(shown[name].quality) == flags.analog(shown[name].quality) == flags.COMM_LOST


def test_a_target_that_nobody_ever_asked_for_is_restart_with_or_without_a_link() -> None:
    for heard in (HEARING, *DEAF):
        assert flags.analog(of(heard=heard)["target"].quality) & ~flags.COMM_LOST == flags.RESTART
        assert of(heard=heard)["target"].quality.validity is Validity.INVALID


@pytest.mark.parametrize(
    ("conditions", "heard"),
    [
        (Conditions(False, True, True, M0), HEARING),
        (Conditions(False, True, True, M0 - 1000 * UNHEARD_S + 1), HEARING),
        (Conditions(False, True, True, M0 - 1000 * UNHEARD_S), Hearing(linked=False, silent=True)),
        (Conditions(False, False, True, M0 - 1), Hearing(linked=False, silent=False)),
        (Conditions(True, False, True, M0), Hearing(linked=False, silent=True)),
    ],
)
def test_news_come_while_the_link_is_up_and_publications_come(conditions: Conditions, heard: Hearing) -> None:
    assert hearing(conditions, Clock().now) == heard


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


def test_feedback_is_held_once_the_command_is_over_or_nobody_has_told_of_it_for_too_long() -> None:
    over = of(replace(MOVING, state=IntentState.COMPLETE))["feedback"]
    assert (over.raw, over.quality.validity, over.quality.causes, over.time_ms) == (250, Validity.HELD, Cause.NONE, T0)
    young, old = (replace(MOVING, lost_mono_ms=M0 - UNHEARD_S * 1000 + more) for more in (1, 0))
    assert of(young)["feedback"].quality == CALCULATED
    for lost in (of(old), of(MOVING, heard=DEAF[1])):
        told = lost["feedback"]
        assert (told.raw, told.quality.validity, told.quality.causes) == (250, Validity.HELD, Cause.COMM_LOST)
        assert told.time_ms == T0
    unknown = of(replace(MOVING, unmeasured=True))["feedback"]
    assert (unknown.quality, unknown.time_ms) == (CALCULATED.because(Cause.COMM_LOST, Validity.HELD), T0)
    ended = of(replace(MOVING, unmeasured=True, state=IntentState.SUPERSEDED))["feedback"]
    assert ended.quality == CALCULATED.because(Cause.NONE, Validity.HELD)
    ahead = of(replace(MOVING, measured_ms=T0 + 9), heard=DEAF[1])["feedback"]
    assert ahead.time_ms == T0 + 9  # no bad news is older than what it speaks of


def test_what_crosses_is_shown_as_its_record_has_it() -> None:
    row = CONTRACT.command["target"]
    (told,) = as_told(CONTRACT, row, 249_600.0, CALCULATED, T0 - 500)
    assert of(MOVING)["feedback"] == told
    assert as_told(CONTRACT, row, None, None, T0) == []


def test_feedback_is_clamped_to_its_range() -> None:
    assert of(replace(FLIGHT, delivered_w=249_600.0))["feedback"].raw == 250
    beyond = of(replace(FLIGHT, delivered_w=1e9))["feedback"]
    assert (beyond.raw, beyond.quality.causes) == (500, Cause.OVER_RANGE)
    assert beyond.quality.validity is Validity.QUESTIONABLE


def test_a_release_shows_whether_it_is_under_way_and_has_no_feedback() -> None:
    release = replace(FLIGHT, command="release", target_w=None)
    assert {name: each.raw for name, each in of(release, row="release").items()} == {"release state": 1, "release": 1}
    assert of(replace(release, state=IntentState.COMPLETE), row="release")["release"] == Update("release", 0, GOOD, T0)
