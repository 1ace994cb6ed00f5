"""The life of an intent: reports may be lost, repeated and reordered; what is over stays over."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dermscore.intent import (
    LONGEST_SCHEDULE,
    TERMINAL,
    TRANSITIONS,
    Intent,
    IntentState,
    Step,
    advance,
    judge,
    schedule_problem,
)

S = IntentState
PROGRESS = (S.SUBMITTED, S.SENT, S.RECEIVED, S.ACTIVE, S.FOLLOWING)
ASKED = Intent("b1", "e1", 7, "d1", 10e6, 0.0, 1_000, 61_000, "default", 4)
RELEASED = replace(ASKED, setpoint_w=None, reversion_w=None)


def test_every_state_has_a_row() -> None:
    assert set(TRANSITIONS) == set(S)


def test_nothing_leaves_a_terminal_state() -> None:
    for state, to in product(TERMINAL, S):
        assert advance(state, to) is state


def test_progress_only_goes_forward() -> None:
    for (i, state), (j, to) in product(enumerate(PROGRESS), enumerate(PROGRESS)):
        assert advance(state, to) is (to if j > i else state)


def test_whatever_was_seen_to_move_is_not_refused_afterwards() -> None:
    assert advance(S.ACTIVE, S.REFUSED) is S.ACTIVE
    assert advance(S.FOLLOWING, S.REFUSED) is S.FOLLOWING
    assert advance(S.SENT, S.REFUSED) is S.REFUSED


@pytest.mark.parametrize("state", PROGRESS)
def test_what_is_suspended_comes_back_when_a_device_has_it_again_or_is_over(state: IntentState) -> None:
    assert advance(state, S.SUSPENDED) is S.SUSPENDED
    assert S.SUSPENDED not in TERMINAL
    assert advance(S.SUSPENDED, state) is (state if state in (S.ACTIVE, S.FOLLOWING) else S.SUSPENDED)
    assert all(advance(S.SUSPENDED, over) is over for over in TERMINAL)


@given(reports=st.lists(st.sampled_from(PROGRESS), min_size=1))
def test_reports_of_progress_give_the_same_state_in_any_order(reports: list[IntentState]) -> None:
    def after(some: list[IntentState]) -> IntentState:
        state = S.SUBMITTED
        for report in some:
            state = advance(state, report)
        return state

    assert after(reports) is after(sorted(reports)) is after(reports + reports)


@given(reports=st.lists(st.sampled_from(list(S))))
def test_a_repeated_report_changes_nothing(reports: list[IntentState]) -> None:
    once = twice = S.SUBMITTED
    for report in reports:
        once = advance(once, report)
        twice = advance(advance(twice, report), report)
    assert once is twice


@pytest.mark.parametrize(
    ("read_back_w", "measured_w", "state"),
    [
        (None, 10e6, S.RECEIVED),  # the power happens to be right, the device was never told
        (0.0, 10e6, S.RECEIVED),
        (10e6, 0.0, S.ACTIVE),
        (10e6 + 900, 10e6 - 900, S.FOLLOWING),
        (10e6 + 1001, 10e6, S.RECEIVED),
        (10e6, 10e6 + 1001, S.ACTIVE),
        (math.nan, 10e6, S.RECEIVED),
        (10e6, math.nan, S.ACTIVE),
    ],
)
def test_active_is_read_back_and_following_is_measured(
    read_back_w: float | None, measured_w: float, state: IntentState
) -> None:
    assert judge(ASKED, read_back_w, measured_w, 1000) is state


def test_what_was_reached_is_not_left_backwards() -> None:
    assert judge(ASKED, None, 0.0, 1000, reached=S.FOLLOWING) is S.FOLLOWING
    assert judge(ASKED, 10e6, 0.0, 1000, reached=S.ACTIVE) is S.ACTIVE


def test_a_release_follows_when_the_device_has_no_setpoint() -> None:
    assert judge(RELEASED, None, 3e6, 1000) is S.FOLLOWING
    assert judge(RELEASED, 5e6, 3e6, 1000) is S.RECEIVED


def test_a_release_of_storage_asks_for_its_reversion() -> None:
    stop = replace(ASKED, setpoint_w=None)
    assert stop.asked_w == 0
    assert judge(stop, 0.0, 0.0, 1000) is S.FOLLOWING
    assert judge(stop, None, 0.0, 1000) is S.RECEIVED


def test_the_end_is_complete_only_if_the_power_followed_once() -> None:
    assert judge(ASKED, 0.0, 0.0, 1000, reached=S.FOLLOWING, ended=True) is S.COMPLETE
    assert judge(ASKED, 0.0, 0.0, 1000, reached=S.ACTIVE, ended=True) is S.EXPIRED
    assert judge(ASKED, None, 0.0, 1000, ended=True) is S.EXPIRED
    assert judge(ASKED, None, 0.0, 1000, reached=S.REFUSED, ended=True) is S.REFUSED


def test_a_schedule_runs_forward_and_is_over_by_the_end() -> None:
    assert schedule_problem(ASKED) is None
    for schedule, problem in {
        (Step(2_000, 1e6), Step(3_000, 2e6)): None,
        (Step(500, 1e6),): None,  # before it was issued: it has begun, should the headend fall silent
        (Step(2_000, 1e6), Step(2_000, 2e6)): "step 2 of its schedule does not begin after the one before",
        (Step(60_999, 1e6),): None,
        (Step(2_000, 1e6), Step(61_000, 2e6)): "step 2 of its schedule begins when the intent has ended",
        tuple(Step(1_000 + ms, 1e6) for ms in range(LONGEST_SCHEDULE)): None,
        tuple(Step(ms, 1e6) for ms in range(97)): "its schedule has 97 steps, where 96 is the most",
    }.items():
        assert schedule_problem(replace(ASKED, schedule=schedule)) == problem
