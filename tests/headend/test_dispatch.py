"""The dispatch desk: decided, stored, sent, followed. The store is real, the agents are lists."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import pytest
from sqlalchemy.exc import OperationalError

from dermscore.decision.log import read
from dermscore.decision.replay import Replayed, replay
from dermscore.decision.request import Aim, Declined, DeclineKind
from dermscore.guard import Guard, Taken
from dermscore.intent import IntentState as S
from headend import progress
from headend.dispatch import Submitted
from headend.filing import NotTaken, Obstacle
from headend.store.state import StateStore

GATEWAY = "urn:derms:gateway:gateway"


def shares(answer):
    return {placed.asset_id: placed.intent.setpoint_w for placed in answer.kept.intents}


async def test_a_site_is_split_by_capacity_and_what_has_none_is_asked_nothing(desk, ids):
    desk.connect(ids.b1, ids.b2, ids.solar, ids.load, agent=ids.jersey)
    answer = await desk.ask(ids.path, 18)
    assert shares(answer) == {ids.b1: 10e6, ids.b2: 8e6}
    assert {asset: [i.setpoint_w for i in got] for asset, got in desk.sent.items()} == {ids.b1: [10e6], ids.b2: [8e6]}
    assert [i.reversion_w for i in desk.sent[ids.b1]] == [0.0]
    assert desk.sent[ids.b1][0].expires_ms == desk.clocks.now.utc_ms + 60_000


async def test_only_connected_assets_are_asked_and_what_cannot_be_placed_is_said(desk, ids):
    desk.connect(ids.b1)
    answer = await desk.ask(ids.path, 70)
    dispatch = answer.kept.dispatch
    assert shares(answer) == {ids.b1: 50e6}
    assert dispatch.placed_w == 50e6
    assert dispatch.shortfall_w == pytest.approx(20e6)
    assert any("nothing was ever heard of Jersey battery 2" in cause for cause in dispatch.causes)


@pytest.mark.parametrize(
    ("mw", "soc", "says", "kind"),
    [
        (50.001, 0.5, "above the rating", DeclineKind.LIMITS),
        (-50.001, 0.5, "below the rating", DeclineKind.LIMITS),
        (10, 0.05, "state of charge is at its minimum", DeclineKind.LIMITS),
        (-10, 0.95, "state of charge is at its maximum", DeclineKind.LIMITS),
        (float("nan"), 0.5, "not a", DeclineKind.DENIED),
        (float("inf"), 0.5, "not a", DeclineKind.DENIED),
    ],
)
async def test_one_asset_is_refused_out_of_its_limits_and_never_clamped(desk, ids, mw, soc, says, kind):
    desk.connect(ids.b1)
    desk.clocks.pass_s(1)
    desk.hear(ids.b1, soc=soc)
    answer = await desk.ask(ids.b1, mw, asset=True)
    assert isinstance(answer, NotTaken)
    assert answer.why is kind
    assert says in answer.reason
    assert desk.sent == {}
    assert desk.store.newest(1)[0].dispatch.reason == answer.reason, "a refusal is kept too"


async def test_zero_is_always_accepted_and_waits_for_an_agent_that_is_away(desk, ids):
    answer = await desk.ask(ids.b1, 0, asset=True)
    assert isinstance(answer, Submitted)
    assert desk.sent == {}
    assert [i.setpoint_w for i in desk.dispatcher.unsent({}, [ids.b1])] == [0.0]


async def test_an_asset_that_is_away_is_refused_anything_else(desk, ids):
    answer = await desk.ask(ids.b1, 5, asset=True)
    assert answer.why is DeclineKind.UNREACHABLE
    assert "not connected" in answer.reason
    answer = await desk.ask(ids.path, 5)
    assert answer.why is DeclineKind.UNREACHABLE
    assert "nothing there can be asked now" in answer.reason


@pytest.mark.parametrize(("node", "asset"), [("nowhere", False), ("nobody", True)])
async def test_what_is_not_there_is_refused(desk, node, asset):
    answer = await desk.ask(node, 5, asset=asset)
    assert answer.why is DeclineKind.UNKNOWN
    assert node in answer.reason


async def test_without_a_duration_the_programs_maximum_stands_and_more_is_refused(desk, ids, policy):
    desk.connect(ids.b1)
    longest = policy.programs["operator"].max_duration_s
    answer = await desk.ask(ids.b1, 5, asset=True, duration_s=None)
    assert answer.kept.dispatch.expires_ms - desk.clocks.now.utc_ms == longest * 1000
    answer = await desk.ask(ids.b1, 5, asset=True, duration_s=longest + 1)
    assert answer.why is DeclineKind.LIMITS
    assert "too long" in answer.reason


async def test_a_stranger_is_denied(desk, ids):
    desk.connect(ids.b1)
    answer = await desk.ask(ids.b1, 5, asset=True, who="urn:derms:gateway:other")
    assert answer.why is DeclineKind.DENIED


async def test_a_programme_dispatches_only_where_it_runs(desk, ids, policy):
    operator = replace(policy.programs["operator"], paths=(ids.path,))
    desk.dispatcher.policy = replace(policy, programs={**policy.programs, "operator": operator})
    desk.connect(ids.b1)
    answer = await desk.ask("", 5)
    assert answer.why is DeclineKind.DENIED
    assert answer.reason == f"program operator runs at {ids.path} only, not at the whole fleet"
    assert isinstance(await desk.ask(ids.b1, 5, asset=True), Submitted)
    assert isinstance(await desk.ask("", None), Submitted), "what it holds it may give back anywhere"


async def test_every_decision_is_kept_and_taken_again_comes_out_the_same(desk, ids, policy):
    desk.connect(ids.b1, ids.b2, ids.solar)
    await desk.ask(ids.path, 18)
    desk.clocks.pass_s(2)
    await desk.ask(ids.b1, 60, asset=True)
    await desk.ask("nowhere", 5)
    await desk.ask(ids.path, 9, program="scada")
    await desk.ask(ids.b2, 5, asset=True)
    await desk.ask(ids.path, program="scada")
    await desk.ask("nobody", 5, asset=True)
    log = list(read(desk.store.decisions(), "log"))
    kinds = [each.decision.kind if isinstance(each.decision, Declined) else None for each in log]
    assert kinds == [None, DeclineKind.LIMITS, DeclineKind.UNKNOWN, None, DeclineKind.OUTRANKED, None], (
        "no record of assets never there"
    )
    assert [len(each.facts.holding) for each in log] == [0, 2, 2, 2, 2, 2]
    assert {kept.dispatch.policy for kept in desk.store.newest(9)} == {policy.digest}
    assert replay(log, policy) == Replayed(6, ())
    assert len(replay(log, replace(policy, grants=())).differences) == 5, "what is not there is so under any policy"


# --- who outranks whom


@pytest.mark.parametrize("path", ["feeder/F12/site/S1", "feeder/F12", ""])
@pytest.mark.parametrize("asset", [True, False])
async def test_under_scadas_hold_an_operator_is_refused_with_who_and_until_when(desk, ids, path, asset):
    desk.connect(ids.b1, ids.b2)
    held = await desk.ask(path, 9, program="scada", who=GATEWAY, duration_s=600)
    assert isinstance(held, Submitted)
    answer = await desk.ask(ids.b1 if asset else ids.path, 5, asset=asset)
    assert answer.why is DeclineKind.OUTRANKED
    assert held.kept.dispatch.id in answer.reason
    assert "program scada" in answer.reason
    assert "until 2030-" in answer.reason
    assert len(desk.sent[ids.b1]) == 1


async def test_when_scadas_hold_has_ended_the_operator_is_served(desk, ids):
    desk.connect(ids.b1)
    await desk.ask(ids.path, 9, program="scada", who=GATEWAY, duration_s=600)
    desk.clocks.pass_s(601)
    desk.hear(ids.b1)
    assert isinstance(await desk.ask(ids.b1, 5, asset=True), Submitted)


async def test_the_newer_of_two_equals_takes_over(desk, ids):
    desk.connect(ids.b1)
    first = await desk.ask(ids.b1, 5, asset=True)
    second = await desk.ask(ids.b1, 6, asset=True)
    assert [i.setpoint_w for i in desk.sent[ids.b1]] == [5e6, 6e6]
    assert [i.revision for i in desk.sent[ids.b1]] == [1, 2]
    older = await desk.dispatcher.find(first.kept.dispatch.id)
    assert older.dispatch.state is S.SUPERSEDED
    assert second.kept.dispatch.id in older.dispatch.reason


async def test_scada_takes_over_from_an_operator(desk, ids):
    desk.connect(ids.b1, ids.b2)
    first = await desk.ask(ids.b1, 5, asset=True)
    answer = await desk.ask(ids.path, 18, program="scada", who=GATEWAY)
    assert shares(answer) == {ids.b1: 10e6, ids.b2: 8e6}
    assert (await desk.dispatcher.find(first.kept.dispatch.id)).dispatch.state is S.SUPERSEDED


async def test_an_asset_that_scada_holds_stays_where_it_is_and_counts_in_the_sites_sum(desk, ids):
    desk.connect(ids.b1, ids.b2)
    await desk.ask(ids.b1, 10, asset=True, program="scada", who=GATEWAY)
    answer = await desk.ask(ids.path, 18)
    assert shares(answer) == {ids.b2: 8e6}
    assert answer.kept.dispatch.shortfall_w == 0
    assert len(desk.sent[ids.b1]) == 1


async def test_a_gateway_may_lower_its_primacy_and_never_raise_it(desk, ids):
    desk.connect(ids.b1)
    low = await desk.ask(ids.b1, 5, asset=True, program="scada", who=GATEWAY, primacy=9)
    assert low.kept.dispatch.primacy == 9
    assert isinstance(await desk.ask(ids.b1, 6, asset=True), Submitted), "the operator's 5 outranks 9"
    high = await desk.ask(ids.b1, 5, asset=True, program="scada", who=GATEWAY, primacy=0)
    assert high.kept.dispatch.primacy == 1


async def test_an_agent_that_is_away_is_told_to_let_go_of_what_is_superseded(desk, ids):
    away = desk.connect(ids.b2)
    desk.connect(ids.b1)
    await desk.ask(ids.path, 18)
    desk.live.disconnect(away.session_id)
    answer = await desk.ask(ids.path, 5)
    assert shares(answer) == {ids.b1: 5e6, ids.b2: None}
    (waiting,) = desk.dispatcher.unsent({ids.b2: (desk.store.epoch(), 1)}, [ids.b2])
    assert (waiting.setpoint_w, waiting.reversion_w) == (None, 0.0)
    desk.report(desk.sent[ids.b1][-1], S.FOLLOWING, 5e6)
    assert desk.changes[-1].dispatch.state is S.FOLLOWING, "the one that is away does not hold the dispatch back"


async def test_an_agent_that_is_away_keeps_what_a_higher_program_holds(desk, ids):
    away = desk.connect(ids.b1)
    desk.connect(ids.b2)
    held = await desk.ask(ids.path, 18, program="scada", who=GATEWAY, duration_s=600)
    (elsewhere,) = [a.id for a in desk.live.fleet.node("feeder/F12").assets if a.kind == "battery"][2:3]
    desk.connect(elsewhere)
    desk.live.disconnect(away.session_id)
    answer = await desk.ask("feeder/F12", 20)
    assert shares(answer).keys() == {elsewhere}
    assert desk.dispatcher.ledger.current(ids.b1).intent.dispatch_id == held.kept.dispatch.id


async def test_a_site_target_does_not_free_a_plant_that_was_curtailed_by_name(desk, ids):
    desk.connect(ids.b1, ids.solar)
    await desk.ask(ids.solar, 0, asset=True)
    answer = await desk.ask(ids.path, 5)
    assert shares(answer) == {ids.b1: 5e6}
    assert desk.dispatcher.ledger.current(ids.solar).intent.setpoint_w == 0


# --- release


async def test_a_release_gives_back_what_its_own_program_holds(desk, ids):
    desk.connect(ids.b1, ids.b2, ids.solar)
    await desk.ask(ids.solar, 1, asset=True)
    await desk.ask(ids.path, 18, program="scada", who=GATEWAY, duration_s=600)
    answer = await desk.ask(ids.path, None, program="scada", who=GATEWAY)
    assert shares(answer) == {ids.b1: None, ids.b2: None}
    assert answer.kept.dispatch.aim is Aim.RELEASE
    released = desk.sent[ids.b1][-1]
    assert (released.setpoint_w, released.reversion_w) == (None, 0.0)
    assert released.expires_ms >= desk.clocks.now.utc_ms + 600_000, "it outlives what it takes back"
    assert len(desk.sent[ids.solar]) == 1
    for asset_id in (ids.b1, ids.b2):
        desk.report(desk.sent[asset_id][-1], S.FOLLOWING, 0.0)
    assert desk.changes[-1].dispatch.state is S.COMPLETE
    assert isinstance(await desk.ask(ids.b1, 5, asset=True), Submitted), "nothing holds it any more"


async def test_releasing_what_is_not_held_is_complete_at_once(desk, ids):
    desk.connect(ids.b1)
    answer = await desk.ask(ids.path, None, program="scada", who=GATEWAY)
    assert answer.kept.dispatch.state is S.COMPLETE
    assert "holds nothing" in answer.kept.dispatch.reason
    assert desk.sent == {}
    assert desk.dispatcher.ledger.find(answer.kept.dispatch.id) is None, "it is over"
    assert await desk.dispatcher.find(answer.kept.dispatch.id) == answer.kept


async def test_a_released_plant_returns_to_its_natural_output(desk, ids):
    desk.connect(ids.solar)
    await desk.ask(ids.solar, 1, asset=True)
    await desk.ask(ids.path, None)
    assert (desk.sent[ids.solar][-1].setpoint_w, desk.sent[ids.solar][-1].reversion_w) == (None, None)


async def test_a_release_takes_back_what_an_asset_went_on_with_when_it_refused_the_last_intent(desk, ids):
    desk.connect(ids.b1)
    await desk.ask(ids.b1, 20, asset=True, duration_s=3600)
    await desk.ask(ids.b1, 40, asset=True, duration_s=3600)
    desk.report(desk.sent[ids.b1][-1], S.REFUSED, reason="its setpoint is outside the rating")
    desk.clocks.pass_s(1)
    desk.hear(ids.b1, power_w=20e6, setpoint_w=20e6)
    answer = await desk.ask(ids.path)
    assert shares(answer) == {ids.b1: None}
    assert desk.sent[ids.b1][-1].revision == 3


@pytest.mark.parametrize("setpoint_w", [None, 0.0])
async def test_a_release_asks_nothing_of_an_asset_that_is_released(desk, ids, setpoint_w):
    desk.connect(ids.b1, ids.solar)
    desk.clocks.pass_s(1)
    desk.hear(ids.b1, setpoint_w=setpoint_w)
    desk.hear(ids.solar, setpoint_w=None)
    assert shares(await desk.ask(ids.path)) == {}


async def test_a_release_leaves_what_another_program_rules(desk, ids):
    desk.connect(ids.b1)
    await desk.ask(ids.path, 20, program="scada", who=GATEWAY, duration_s=600)
    desk.report(desk.sent[ids.b1][-1], S.RECEIVED)
    desk.connect(ids.b2)
    desk.clocks.pass_s(1)
    desk.hear(ids.b2, setpoint_w=8e6)
    assert shares(await desk.ask(ids.path)) == {}
    assert shares(await desk.ask(ids.path, program="scada", who=GATEWAY)) == {ids.b1: None, ids.b2: None}


# --- outcomes


async def test_an_asset_whose_measurement_is_stale_cannot_be_reached(desk, ids, clocks):
    desk.connect(ids.b1)
    clocks.pass_s(3600)
    answer = await desk.ask(ids.b1, 10, asset=True)
    assert (answer.why, answer.reason) == (DeclineKind.UNREACHABLE, "the measurement of Jersey battery 1 is invalid")


async def test_a_dispatch_is_as_far_as_its_slowest_part(desk, ids):
    desk.connect(ids.b1, ids.b2)
    answer = await desk.ask(ids.path, 18)
    one, two = desk.sent[ids.b1][0], desk.sent[ids.b2][0]
    desk.dispatcher.sent(one)
    assert desk.changes[-1].dispatch.state is S.SUBMITTED
    desk.dispatcher.sent(two)
    assert desk.changes[-1].dispatch.state is S.SENT
    desk.report(one, S.FOLLOWING, 10e6)
    desk.report(two, S.RECEIVED)
    assert desk.changes[-1].dispatch.state is S.RECEIVED
    desk.report(two, S.ACTIVE, 3e6)
    desk.report(two, S.FOLLOWING, 8e6)
    assert desk.changes[-1].dispatch.state is S.FOLLOWING
    assert desk.changes[-1].dispatch.reason == "", "all are as far, and what was said before is past"
    desk.report(one, S.COMPLETE, 10e6)
    desk.report(two, S.COMPLETE, 8e6)
    assert desk.changes[-1].dispatch.state is S.COMPLETE
    await desk.dispatcher.record()
    assert desk.store.find(answer.kept.dispatch.id).dispatch.state is S.COMPLETE


async def test_an_agent_that_does_not_answer_holds_nobody_back(desk, ids, wait_until):
    desk.connect(ids.b1, ids.b2)
    await desk.ask(ids.path, 18)
    desk.dispatcher.sent(desk.sent[ids.b2][0])
    desk.report(desk.sent[ids.b1][0], S.FOLLOWING, 10e6)
    assert desk.changes[-1].dispatch.state is S.SENT
    desk.clocks.pass_s(progress.SILENT_MS / 1000)
    await wait_until(lambda: desk.changes[-1:] and desk.changes[-1].dispatch.state is S.FOLLOWING)
    dispatch = desk.changes[-1].dispatch
    assert dispatch.shortfall_w == pytest.approx(8e6)
    assert dispatch.causes == ("Jersey battery 2: its agent does not answer",)
    desk.report(desk.sent[ids.b2][0], S.FOLLOWING, 8e6)
    assert (desk.changes[-1].dispatch.shortfall_w, desk.changes[-1].dispatch.causes) == (0, ())


async def test_a_refused_part_is_a_shortfall_with_its_cause(desk, ids):
    desk.connect(ids.b1, ids.b2)
    await desk.ask(ids.path, 18)
    desk.report(desk.sent[ids.b2][0], S.REFUSED, reason="the asset is locked: door open")
    desk.report(desk.sent[ids.b1][0], S.FOLLOWING, 10e6)
    dispatch = desk.changes[-1].dispatch
    assert dispatch.state is S.FOLLOWING
    assert dispatch.placed_w == 10e6
    assert dispatch.shortfall_w == pytest.approx(8e6)
    assert "Jersey battery 2: the asset is locked: door open" in dispatch.causes


async def test_refused_by_every_agent_is_refused(desk, ids):
    desk.connect(ids.b1)
    await desk.ask(ids.b1, 5, asset=True)
    desk.report(desk.sent[ids.b1][0], S.REFUSED, reason="local mode")
    dispatch = desk.changes[-1].dispatch
    assert (dispatch.state, dispatch.reason, dispatch.shortfall_w) == (S.REFUSED, "local mode", 5e6)


async def test_late_repeated_and_foreign_reports_change_nothing(desk, ids):
    desk.connect(ids.b1)
    await desk.ask(ids.b1, 5, asset=True)
    intent = desk.sent[ids.b1][0]
    desk.report(intent, S.FOLLOWING, 5e6)
    seen = len(desk.changes)
    desk.report(intent, S.RECEIVED)
    desk.report(intent, S.FOLLOWING, 1.0)
    desk.report(type(intent)(**{**{n: getattr(intent, n) for n in intent.__slots__}, "revision": 99}), S.FAILED)
    desk.report(type(intent)(**{**{n: getattr(intent, n) for n in intent.__slots__}, "epoch": "x"}), S.FAILED)
    assert len(desk.changes) == seen
    assert desk.dispatcher.ledger.current(ids.b1).power_w == 5e6


async def test_what_nobody_reported_on_expires_by_our_clock_and_says_so(desk, ids, wait_until):
    desk.connect(ids.b1)
    await desk.ask(ids.b1, 5, asset=True)
    desk.report(desk.sent[ids.b1][0], S.RECEIVED)
    desk.clocks.pass_s(60 + progress.GRACE_MS / 1000 - 0.1)
    await asyncio.sleep(0.6)
    assert desk.changes[-1].dispatch.state is S.RECEIVED, "its agent may still tell"
    desk.clocks.pass_s(0.2)
    await wait_until(lambda: desk.changes[-1:] and desk.changes[-1].dispatch.state is S.EXPIRED)
    assert "its agent last said received" in desk.changes[-1].dispatch.reason
    assert desk.dispatcher.ledger.current(ids.b1) is None


@pytest.mark.parametrize("step_s", [7200, -7200])
async def test_a_step_of_our_clock_ends_nothing_and_prolongs_nothing(desk, ids, wait_until, step_s):
    """Agents count an intent's time by their monotonic clocks, whatever ours does since."""
    desk.connect(ids.b1)
    await desk.ask(ids.b1, 5, asset=True)
    desk.report(desk.sent[ids.b1][0], S.FOLLOWING, 5e6)
    desk.clocks.step_utc_s(step_s)
    desk.hear(ids.b1, 5e6)
    await asyncio.sleep(0.6)
    assert desk.changes[-1].dispatch.state is S.FOLLOWING
    (event,) = desk.dispatcher.ledger.standing(desk.clocks.now)
    assert event.ends_ms == desk.clocks.now.utc_ms + 60_000, "and what outranks others goes on doing so"
    desk.clocks.pass_s(60)
    assert desk.dispatcher.unsent({}, [ids.b1]) == [], "what is over is not revived"
    desk.clocks.pass_s(progress.GRACE_MS / 1000 + 0.1)
    await wait_until(lambda: desk.changes[-1:] and desk.changes[-1].dispatch.state is S.EXPIRED)


# --- ids and stores


async def test_a_request_that_comes_twice_is_carried_out_once(desk, ids):
    desk.connect(ids.b1)
    first = await desk.ask(ids.b1, 5, asset=True, identifier="same")
    desk.report(desk.sent[ids.b1][0], S.FOLLOWING, 5e6)
    second = await desk.ask(ids.b1, 9, asset=True, identifier="same")
    assert second.repeated
    assert not first.repeated
    assert second.kept.dispatch.state is S.FOLLOWING
    assert [i.setpoint_w for i in desk.sent[ids.b1]] == [5e6]


async def test_a_refused_request_that_comes_twice_stays_refused(desk, ids):
    refused = await desk.ask(ids.path, 5, identifier="same")
    desk.connect(ids.b1)
    again = await desk.ask(ids.path, 5, identifier="same")
    assert isinstance(again, NotTaken)
    assert again.reason == refused.reason


async def test_anothers_id_is_not_ones_own(desk, ids):
    desk.connect(ids.b1)
    await desk.ask(ids.b1, 5, asset=True, identifier="same")
    answer = await desk.ask(ids.b1, 9, asset=True, identifier="same", program="scada", who=GATEWAY)
    assert answer.why is Obstacle.ID_TAKEN
    assert len(desk.sent[ids.b1]) == 1


async def test_many_at_once_are_decided_one_after_another(desk, ids):
    desk.connect(ids.b1)
    answers = await asyncio.gather(*(desk.ask(ids.b1, n / 10, asset=True) for n in range(1, 41)))
    assert all(isinstance(answer, Submitted) for answer in answers)
    assert [i.revision for i in desk.sent[ids.b1]] == list(range(1, 41))
    assert desk.dispatcher.ledger.current(ids.b1).intent.setpoint_w == 4e6
    assert len(desk.dispatcher.ledger.standing(desk.clocks.now)) == 1


async def test_a_fault_in_what_goes_on_by_itself_ends_nothing(desk, ids, monkeypatch, wait_until):
    desk.connect(ids.b1)
    failed = []

    def broken(*_):
        failed.append(1)
        raise ZeroDivisionError("a fault of ours")

    with monkeypatch.context() as patch:
        patch.setattr(desk.dispatcher.ledger, "expire", broken)
        await wait_until(lambda: len(failed) >= 2)
        assert isinstance(await desk.ask(ids.b1, 5, asset=True, duration_s=60.0), Submitted)
    desk.clocks.pass_s(120)
    await wait_until(lambda: desk.dispatcher.ledger.current(ids.b1) is None)


async def test_what_cannot_be_stored_is_not_sent(desk, ids, monkeypatch, wait_until):
    desk.connect(ids.b1)

    def full(*_: object) -> None:
        raise OperationalError("INSERT", {}, Exception("database or disk is full"))

    with monkeypatch.context() as patch:
        patch.setattr(StateStore, "keep", full)
        answer = await desk.ask(ids.b1, 5, asset=True)
    assert answer.why is Obstacle.STORE
    assert desk.sent == {}
    assert "full" in desk.dispatcher.store_fault
    assert isinstance(await desk.ask(ids.b1, 5, asset=True), Submitted)
    assert desk.dispatcher.store_fault == ""


async def test_progress_that_the_store_would_not_take_is_stored_later(desk, ids, monkeypatch, wait_until):
    desk.connect(ids.b1)
    answer = await desk.ask(ids.b1, 5, asset=True)

    def broken(*_: object) -> None:
        raise OperationalError("UPDATE", {}, Exception("disk I/O error"))

    with monkeypatch.context() as patch:
        patch.setattr(StateStore, "record", broken)
        desk.report(desk.sent[ids.b1][0], S.FOLLOWING, 5e6)
        await wait_until(lambda: desk.dispatcher.store_fault)
    await wait_until(lambda: desk.store.find(answer.kept.dispatch.id).dispatch.state is S.FOLLOWING)


async def test_what_the_store_would_not_take_never_overwrites_what_came_after_it(desk, ids, monkeypatch):
    desk.connect(ids.b1)
    answer = await desk.ask(ids.b1, 5, asset=True)
    record, failing, go_on = StateStore.record, threading.Event(), threading.Event()

    def broken_once(store: StateStore, dispatches: object, intents: object) -> None:
        if not failing.is_set():
            failing.set()
            go_on.wait(20)
            raise OperationalError("UPDATE", {}, Exception("database is locked"))
        record(store, dispatches, intents)

    monkeypatch.setattr(StateStore, "record", broken_once)
    desk.report(desk.sent[ids.b1][0], S.ACTIVE, 1.0)
    async with asyncio.TaskGroup() as group:
        group.create_task(desk.dispatcher.record())
        assert await asyncio.to_thread(failing.wait, 20)
        desk.report(desk.sent[ids.b1][0], S.COMPLETE, 5e6)
        group.create_task(desk.dispatcher.record())
        await asyncio.sleep(0)
        go_on.set()
    await desk.dispatcher.record()
    kept = desk.store.find(answer.kept.dispatch.id)
    assert (kept.dispatch.state, kept.intents[0].state) == (S.COMPLETE, S.COMPLETE)


async def test_a_caller_that_goes_away_does_not_leave_an_intent_stored_and_unsent(desk, ids, wait_until):
    desk.connect(ids.b1)
    asking = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(desk.ask(ids.b1, 5, asset=True))
        asking.call_soon(task.cancel)
    await wait_until(lambda: desk.sent)
    assert desk.dispatcher.ledger.current(ids.b1) is not None


async def test_a_clock_that_is_set_back_does_not_make_the_newest_request_the_older(desk, ids):
    desk.connect(ids.b1)
    await desk.ask(ids.b1, 5, asset=True)
    desk.clocks.step_utc_s(-10)
    answer = await desk.ask(ids.b1, 6, asset=True, duration_s=5)
    assert isinstance(answer, Submitted)
    _, verdict = Guard.new(desk.live.fleet.assets[ids.b1]).receive(desk.sent[ids.b1][-1], desk.clocks.now, 0)
    assert isinstance(verdict, Taken), "nor does it make it end before it comes"


# --- the next start


async def test_an_agent_that_comes_back_ends_what_was_superseded_even_by_what_is_over(clocks, ids, restart, wait_until):
    async with restart() as desk:
        away = desk.connect(ids.b1)
        first = await desk.ask(ids.b1, 20, asset=True, duration_s=3600)
        held = first.kept.intents[0].intent
        guard, _ = Guard.new(desk.live.fleet.assets[ids.b1]).receive(held, clocks.now, 0)
        desk.live.disconnect(away.session_id)
        await desk.ask(ids.b1, 0, asset=True, duration_s=10)
        clocks.pass_s(10 + progress.GRACE_MS / 1000)
        await wait_until(lambda: desk.dispatcher.ledger.current(ids.b1) is None)
        holds = {ids.b1: (held.epoch, held.revision)}
        (newest,) = desk.dispatcher.unsent(holds, [ids.b1])
        guard, verdict = guard.receive(newest, clocks.now, 0)
        assert verdict.superseded == held
        assert guard.held is None
        assert desk.dispatcher.unsent({ids.b1: (held.epoch, newest.revision)}, [ids.b1]) == []
        assert desk.dispatcher.unsent({ids.b1: ("another epoch", 1)}, [ids.b1]) == []
    async with restart() as desk:
        assert desk.dispatcher.unsent(holds, [ids.b1]) == [newest]


async def test_after_a_crash_nothing_is_zeroed_and_what_is_in_force_goes_on(clocks, ids, restart):
    async with restart() as before:
        before.connect(ids.b1, ids.b2)
        await before.ask(ids.path, 18, duration_s=300)
        intents = {asset: sent[-1] for asset, sent in before.sent.items()}
        await before.ask(ids.solar, 0, asset=True, duration_s=5)
    clocks.pass_s(10)
    async with restart() as after:
        epoch = after.store.epoch()
        held = {asset: (epoch, intent.revision) for asset, intent in intents.items()}
        assert after.dispatcher.unsent(held, [ids.b1, ids.b2, ids.solar]) == [], "what is held is not sent again"
        assert after.dispatcher.unsent({}, [ids.b1, ids.b2]) == [intents[ids.b1], intents[ids.b2]]
        assert after.dispatcher.unsent({}, [ids.solar]) == [], "what has expired is never sent"
        after.report(intents[ids.b1], S.FOLLOWING, 10e6)
        after.report(intents[ids.b2], S.FOLLOWING, 8e6)
        assert after.changes[-1].dispatch.state is S.FOLLOWING
        after.connect(ids.b1)
        answer = await after.ask(ids.b1, 5, asset=True)
        assert answer.kept.intents[0].intent.revision == intents[ids.b1].revision + 1


async def test_a_restored_store_goes_on_from_what_an_agent_holds(desk, ids):
    desk.connect(ids.b1)
    await desk.dispatcher.count_on({ids.b1: (desk.store.epoch(), 41), ids.b2: ("another epoch", 99)})
    assert (await desk.ask(ids.b1, 5, asset=True)).kept.intents[0].intent.revision == 42
    await desk.dispatcher.count_on({ids.b1: (desk.store.epoch(), 7)})
    assert (await desk.ask(ids.b1, 5, asset=True)).kept.intents[0].intent.revision == 43
    await desk.dispatcher.count_on({ids.b1: (desk.store.epoch(), 2**60)})
    assert (await desk.ask(ids.b1, 5, asset=True)).kept.intents[0].intent.revision == 44, "a mad agent is not believed"
