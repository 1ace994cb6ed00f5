"""How far a dispatch has come, by table and by invariant."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dermscore.decision.request import Aim
from dermscore.intent import TERMINAL, Intent
from dermscore.intent import IntentState as S
from headend import progress
from headend.records import Dispatch, Kept, Placed
from wire.convert import Report


def placed(name: str, setpoint_w: float | None, state: S = S.SUBMITTED, **changes) -> Placed:
    intent = Intent(name, "e", 1, "d", setpoint_w, 0.0, 0, 1000, "operator", 5)
    return replace(Placed(intent, setpoint_w, False, "", state), **changes)


def kept(*members: Placed, aim: Aim = Aim.TARGET, shortfall_w: float = 0.0) -> Kept:
    given_w = sum(one.intent.setpoint_w or 0.0 for one in members)
    target = (given_w + shortfall_w, given_w, shortfall_w) if aim is Aim.TARGET else (None, None, None)
    dispatch = Dispatch(
        "d",
        "p",
        "n",
        None,
        aim,
        target[0],
        1.0,
        "operator",
        5,
        "",
        0,
        1000,
        S.SUBMITTED,
        "",
        target[1],
        target[2],
        (),
        0,
    )
    return Kept(dispatch, members)


def after(*states: S, aim: Aim = Aim.TARGET) -> Dispatch:
    setpoint = 10.0 if aim is Aim.TARGET else None
    members = [placed(f"a{n}", setpoint, state) for n, state in enumerate(states)]
    return progress.summarise(kept(*members, aim=aim), str.upper, 7)


@pytest.mark.parametrize(
    ("states", "result"),
    [
        ([S.SUBMITTED, S.FOLLOWING], S.SUBMITTED),
        ([S.ACTIVE, S.FOLLOWING], S.ACTIVE),
        ([S.FOLLOWING, S.COMPLETE], S.FOLLOWING),
        ([S.FOLLOWING, S.REFUSED], S.FOLLOWING),
        ([S.RECEIVED, S.SUPERSEDED], S.RECEIVED),
        ([S.COMPLETE, S.COMPLETE], S.COMPLETE),
        ([S.COMPLETE, S.EXPIRED], S.COMPLETE),
        ([S.EXPIRED, S.REFUSED], S.EXPIRED),
        ([S.FAILED, S.REFUSED], S.FAILED),
        ([S.REFUSED, S.REFUSED], S.REFUSED),
        ([S.SUPERSEDED, S.SUPERSEDED], S.SUPERSEDED),
        ([S.SUPERSEDED, S.REFUSED], S.SUPERSEDED),
        ([S.SUSPENDED, S.SUSPENDED], S.SUSPENDED),
        ([S.SUSPENDED, S.FOLLOWING], S.FOLLOWING),
        ([S.SUSPENDED, S.COMPLETE], S.SUSPENDED),
        ([S.SUSPENDED, S.FAILED], S.SUSPENDED),
    ],
)
def test_a_dispatch_is_as_far_as_what_stands_of_it(states, result):
    assert after(*states).state is result


def test_a_release_is_complete_when_all_follow():
    assert after(S.FOLLOWING, S.ACTIVE, aim=Aim.RELEASE).state is S.ACTIVE
    assert after(S.FOLLOWING, S.FOLLOWING, aim=Aim.RELEASE).state is S.COMPLETE


def test_what_is_lost_joins_the_shortfall_with_its_cause_once():
    before = kept(
        placed("a", 10.0, S.FOLLOWING),
        placed("b", 20.0, S.REFUSED, reason="locked"),
        placed("c", None),
        shortfall_w=5.0,
    )
    first = progress.summarise(before, str.upper, 7)
    assert (first.placed_w, first.shortfall_w, first.causes) == (10.0, 25.0, ("B: locked",))
    again = progress.summarise(replace(before, dispatch=first), str.upper, 9)
    assert again is first


def test_an_agent_that_does_not_answer_is_left_out_until_it_does():
    silent = progress.unanswered(placed("b", 20.0, S.SENT), progress.SILENT_MS)
    before = kept(placed("a", 10.0, S.FOLLOWING, power_w=10.0), silent)
    without = progress.summarise(before, str.upper, 7)
    assert (without.state, without.placed_w, without.shortfall_w) == (S.FOLLOWING, 10.0, 20.0)
    assert without.causes == ("B: its agent does not answer",)
    assert [one.asset_id for one in progress.carriers(before)] == ["a"]
    answers = progress.reported(silent, Report("b", "e", 1, "d", S.RECEIVED, "", 5, None))
    after_all = replace(before, dispatch=without, intents=(before.intents[0], answers))
    fresh = progress.summarise(after_all, str.upper, 9)
    assert (fresh.placed_w, fresh.shortfall_w, fresh.causes) == (30.0, 0.0, ())
    assert fresh.state is S.FOLLOWING, "it never goes back"
    never = progress.overdue(silent, 1000 + progress.GRACE_MS)
    ended = kept(placed("a", 10.0, S.COMPLETE, power_w=10.0), never)
    ended = replace(ended, dispatch=without)
    fresh = progress.summarise(ended, str.upper, 9)
    assert (fresh.state, fresh.shortfall_w) == (S.COMPLETE, 20.0)
    assert fresh.causes == ("B: its time is over; its agent was never heard of it",)


def test_a_reason_is_of_the_members_as_they_are_and_no_news_by_itself():
    first = progress.summarise(kept(placed("a", 1.0, S.RECEIVED), placed("b", 1.0, S.SENT)), str.upper, 7)
    assert first.reason == "1 of 2 sent, 1 of 2 received"
    moved = replace(kept(placed("a", 1.0, S.ACTIVE), placed("b", 1.0, S.SENT)), dispatch=first)
    second = progress.summarise(moved, str.upper, 9)
    assert (second.reason, second.updated_ms) == ("1 of 2 sent, 1 of 2 active", 7)
    assert not progress.news(first, second)
    both = progress.summarise(replace(moved, intents=(placed("a", 1.0, S.ACTIVE),) * 2), str.upper, 11)
    assert (both.state, both.reason, both.updated_ms) == (S.ACTIVE, "", 11)
    assert progress.news(second, both)


def test_what_has_ended_carries_no_more_while_others_go_on():
    ended, goes_on, lost = placed("a", 1.0, S.COMPLETE), placed("b", 1.0, S.FOLLOWING), placed("c", 1.0, S.REFUSED)
    assert progress.carriers(kept(ended, goes_on, lost)) == [goes_on]
    assert progress.carriers(kept(ended, lost)) == [ended]


def test_only_what_was_never_answered_in_time_is_silent():
    sent = placed("a", 1.0, S.SENT)
    assert progress.unanswered(sent, progress.SILENT_MS - 1) is sent
    for state in (S.RECEIVED, S.FOLLOWING, S.REFUSED):
        heard = placed("a", 1.0, state)
        assert progress.unanswered(heard, progress.SILENT_MS) is heard
    alone = progress.summarise(kept(progress.unanswered(sent, progress.SILENT_MS)), str.upper, 7)
    assert (alone.state, alone.placed_w, alone.shortfall_w) == (S.SENT, 0.0, 1.0)


def test_a_release_is_not_complete_while_an_agent_does_not_answer():
    silent = progress.unanswered(placed("b", None, S.SENT), progress.SILENT_MS)
    dispatch = progress.summarise(kept(placed("a", None, S.FOLLOWING), silent, aim=Aim.RELEASE), str.upper, 7)
    assert (dispatch.state, dispatch.causes) == (S.FOLLOWING, ("B: its agent does not answer",))


def test_one_that_is_superseded_whole_keeps_its_figures():
    dispatch = after(S.SUPERSEDED, S.SUPERSEDED)
    assert (dispatch.placed_w, dispatch.shortfall_w, dispatch.causes) == (20.0, 0.0, ())


def test_what_is_over_stays_as_it_ended():
    over = kept(placed("a", 1.0, S.COMPLETE))
    over = replace(over, dispatch=replace(over.dispatch, state=S.SUPERSEDED))
    assert progress.summarise(over, str.upper, 7) is over.dispatch


@given(st.lists(st.tuples(st.floats(-1e9, 1e9), st.sampled_from(S)), min_size=1, max_size=8), st.floats(-1e9, 1e9))
def test_placed_and_shortfall_are_the_target_whatever_happens(parts, shortfall_w):
    members = [placed(f"a{n}", w, state) for n, (w, state) in enumerate(parts)]
    before = kept(*members, shortfall_w=shortfall_w)
    fresh = progress.summarise(before, str.upper, 7)
    assert fresh.placed_w is not None
    assert fresh.shortfall_w is not None
    assert fresh.placed_w + fresh.shortfall_w == pytest.approx(before.dispatch.target_w, abs=1e-3)


@given(st.lists(st.sampled_from(S), max_size=12))
def test_reports_in_any_order_never_leave_a_terminal_state_or_go_back(states):
    one = placed("a", 1.0)
    order = [S.SUBMITTED, S.SENT, S.RECEIVED, S.ACTIVE, S.FOLLOWING]
    for state in states:
        fresh = progress.reported(one, Report("a", "e", 1, "d", state, "", 5, None))
        if one.state in TERMINAL:
            assert fresh.state is one.state
        elif fresh.state not in TERMINAL:
            assert order.index(fresh.state) >= order.index(one.state)
        one = fresh


def test_what_is_suspended_heeds_no_agent_and_ends_with_its_time():
    one = progress.suspended(placed("a", 1.0, S.FOLLOWING), "higher")
    assert (one.state, one.over) == (S.SUSPENDED, False)
    for state in S:
        assert progress.reported(one, Report("a", "e", 1, "d", state, "", 5, None)) is one
    assert progress.overdue(one, 999) is one
    assert progress.overdue(one, 1000).state is S.SUPERSEDED
    over = placed("a", 1.0, S.COMPLETE)
    assert progress.suspended(over, "higher") is over


def test_an_intent_whose_asset_is_anothers_at_its_end_ended_as_it_was_last_seen():
    following, active = placed("a", 1.0, S.FOLLOWING), placed("a", 1.0, S.ACTIVE)
    assert progress.ended(following, 999) is following
    assert progress.ended(following, 1000).state is S.COMPLETE
    assert progress.ended(active, 1000).state is S.EXPIRED
    refused = placed("a", 1.0, S.REFUSED)
    assert progress.ended(refused, 1000) is refused


def test_expiry_waits_for_the_agents_word_and_then_says_that_it_never_came():
    one = placed("a", 1.0, S.SENT)
    assert progress.overdue(one, 1000 + progress.GRACE_MS - 1) is one
    late = progress.overdue(one, 1000 + progress.GRACE_MS)
    assert (late.state, late.reason) == (S.EXPIRED, "its time is over; its agent was never heard of it")
    assert progress.overdue(late, 10**9) is late
