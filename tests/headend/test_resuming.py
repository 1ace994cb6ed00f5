"""A dispatch that was superseded comes back where its program says so: on a real store, with agents that are lists."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from sqlalchemy.exc import OperationalError

from dermscore.decision.log import read
from dermscore.decision.replay import Replayed, replay
from dermscore.decision.request import Declined, DeclineKind
from dermscore.intent import IntentState as S
from dermscore.policy import Policy
from headend import anew, progress
from headend.dispatch import Submitted
from headend.store.state import StateStore

GATEWAY = "urn:derms:gateway:gateway"
SCADA = {"program": "scada", "who": GATEWAY}


@pytest.fixture(scope="session")
def policy(policy: Policy) -> Policy:
    """The packaged one, and an operator whose dispatches come back."""
    operator = replace(policy.programs["operator"], on_supersede="resume")
    return replace(policy, programs={**policy.programs, "operator": operator})


@pytest.fixture
def terminating(policy: Policy) -> Policy:
    operator = replace(policy.programs["operator"], on_supersede="terminate")
    return replace(policy, programs={**policy.programs, "operator": operator})


class Scene:
    """A desk in words. Owner: the test."""

    def __init__(self, desk, wait_until) -> None:
        self.desk, self._until = desk, wait_until

    async def state(self, dispatch_id: str) -> S:
        return (await self.desk.dispatcher.find(dispatch_id)).dispatch.state

    async def follow(self, *asset_ids: str) -> None:
        """Their agents do as they were asked last."""
        for asset_id in asset_ids:
            intent = self.desk.sent[asset_id][-1]
            self.desk.report(intent, S.FOLLOWING, intent.asked_w)
            self.desk.hear(asset_id, intent.asked_w or 0.0, setpoint_w=intent.asked_w)

    def later(self, seconds: float, *asset_ids: str) -> None:
        """Time passes, and these go on being measured as they were."""
        self.desk.clocks.pass_s(seconds)
        for asset_id in asset_ids:
            last = self.desk.live.latest(asset_id)
            self.desk.hear(asset_id, last.measurement.power_w, setpoint_w=last.measurement.setpoint_w)

    async def asked(self, asset_id: str, *setpoints_w: float | None) -> None:
        """Wait until an asset was asked exactly this, in this order."""
        got = self.desk.sent.setdefault(asset_id, [])
        await self._until(lambda: len(got) >= len(setpoints_w))
        assert [intent.setpoint_w for intent in got] == list(setpoints_w)

    async def turns(self, number: int = 2) -> None:
        """So many turns of what the desk does by itself."""
        seen = SimpleNamespace(turns=0)
        renewing = self.desk.dispatcher.renewing
        take_up_again = renewing.take_up_again

        async def counting() -> None:
            seen.turns += 1
            await take_up_again()

        renewing.take_up_again = counting
        await self._until(lambda: seen.turns > number)
        renewing.take_up_again = take_up_again

    async def until(self, dispatch_id: str, state: S) -> None:
        ledger = self.desk.dispatcher.ledger

        def reached() -> bool:
            kept = ledger.find(dispatch_id) or self.desk.store.find(dispatch_id)
            return kept is not None and kept.dispatch.state is state

        await self._until(reached)


@pytest.fixture
def scene(desk, wait_until) -> Scene:
    return Scene(desk, wait_until)


async def test_scadas_hold_ends_and_the_operators_dispatch_goes_on_to_its_own_end(scene, desk, ids, policy):
    desk.connect(ids.b1)
    first = await desk.ask(ids.b1, 5, asset=True, duration_s=600, identifier="market")
    await scene.follow(ids.b1)
    await desk.ask(ids.b1, 20, asset=True, duration_s=60, identifier="hold", **SCADA)
    suspended = (await desk.dispatcher.find("market")).dispatch
    assert (suspended.state, suspended.over) == (S.SUSPENDED, False)
    assert suspended.reason == "superseded by dispatch hold, and comes back when that ends"
    assert (suspended.placed_w, suspended.shortfall_w) == (0.0, 5e6)
    await scene.follow(ids.b1)
    scene.later(60, ids.b1)
    await scene.asked(ids.b1, 5e6, 20e6, 5e6)
    assert await scene.state("hold") is S.COMPLETE, "it followed to its end, though another has the asset by now"
    again = desk.sent[ids.b1][-1]
    assert (again.dispatch_id, again.revision, again.expires_ms) == ("market", 3, first.kept.dispatch.expires_ms)
    assert again.issued_ms == desk.clocks.now.utc_ms
    back = (await desk.dispatcher.find("market")).dispatch
    assert (back.state, back.placed_w, back.shortfall_w) == (S.SUBMITTED, 5e6, 0.0)
    await scene.follow(ids.b1)
    assert [kept.dispatch.state for kept in desk.changes if kept.dispatch.id == "market"] == [
        S.SUBMITTED,
        S.FOLLOWING,
        S.SUSPENDED,
        S.SUBMITTED,
        S.FOLLOWING,
    ]
    desk.report(again, S.COMPLETE, 5e6)
    assert await scene.state("market") is S.COMPLETE
    log = list(read(desk.store.decisions(), "log"))
    assert [each.request.id for each in log] == ["market", "hold", "market"]
    assert (log[2].request.duration_s, [each.dispatch_id for each in log[2].facts.waiting]) == (540.0, ["market"])
    assert replay(log, policy) == Replayed(3, ())


async def test_terminate_stays_over(scene, desk, ids, terminating):
    desk.dispatcher.policy = terminating
    desk.connect(ids.b1)
    await desk.ask(ids.b1, 5, asset=True, duration_s=600, identifier="market")
    await desk.ask(ids.b1, 20, asset=True, duration_s=60, **SCADA)
    assert await scene.state("market") is S.SUPERSEDED
    scene.later(61, ids.b1)
    await scene.turns()
    await scene.asked(ids.b1, 5e6, 20e6)


async def test_a_release_of_what_superseded_it_is_complete_and_gives_the_asset_back(scene, desk, ids):
    desk.connect(ids.b1, ids.b2)
    await desk.ask(ids.path, 18, duration_s=600, identifier="market")
    await desk.ask(ids.path, 36, duration_s=300, identifier="hold", **SCADA)
    released = await desk.ask(ids.path, None, **SCADA)
    await scene.asked(ids.b1, 10e6, 20e6, None, 10e6)
    await scene.asked(ids.b2, 8e6, 16e6, None, 8e6)
    done = (await desk.dispatcher.find(released.kept.dispatch.id)).dispatch
    assert (done.state, done.reason) == (S.COMPLETE, "given back to dispatch market")
    assert await scene.state("hold") is S.SUPERSEDED


@pytest.mark.parametrize("ending", [S.FAILED, S.REFUSED])
async def test_a_failure_of_what_superseded_it_brings_it_back(scene, desk, ids, ending):
    desk.connect(ids.b1)
    await desk.ask(ids.b1, 5, asset=True, duration_s=600, identifier="market")
    await desk.ask(ids.b1, 20, asset=True, duration_s=300, **SCADA)
    desk.report(desk.sent[ids.b1][-1], ending, reason="the driver says no")
    await scene.asked(ids.b1, 5e6, 20e6, 5e6)


async def test_a_sites_dispatch_that_lost_one_asset_gets_it_back(scene, desk, ids):
    desk.connect(ids.b1, ids.b2)
    await desk.ask(ids.path, 18, duration_s=600, identifier="market")
    await scene.follow(ids.b1, ids.b2)
    await desk.ask(ids.b1, 20, asset=True, duration_s=60, **SCADA)
    partly = (await desk.dispatcher.find("market")).dispatch
    assert (partly.state, partly.placed_w, partly.shortfall_w) == (S.FOLLOWING, 8e6, 10e6)
    assert partly.causes == ("Jersey battery 1: another dispatch has it for now",)
    assert partly.reason == "1 of 2 following, 1 of 2 suspended"
    scene.later(60, ids.b1, ids.b2)
    await scene.asked(ids.b1, 10e6, 20e6, 10e6)
    await scene.asked(ids.b2, 8e6)  # what goes on as it was is not asked again
    whole = (await desk.dispatcher.find("market")).dispatch
    assert (whole.placed_w, whole.shortfall_w, whole.causes) == (18e6, 0.0, ())
    assert whole.state is S.SUBMITTED, "as far as the slowest of its intents"


async def test_a_feeders_dispatch_that_lost_a_site_shares_anew_by_the_facts_of_then(scene, desk, ids):
    desk.connect(ids.b1, ids.b2)
    other = next(
        a.id for a in desk.live.fleet.node("feeder/F12").assets if a.capacity_wh and a.id not in vars(ids).values()
    )
    desk.connect(other)
    await desk.ask("feeder/F12", 28, duration_s=600, identifier="market")
    before = {each: desk.sent[each][0].setpoint_w for each in (ids.b1, ids.b2, other)}
    await desk.ask(ids.path, 0, duration_s=60, identifier="hold", **SCADA)
    scene.later(60, ids.b1, other)  # and nothing more was heard of the second battery
    await scene.asked(
        ids.b1, before[ids.b1], 0.0, pytest.approx(28e6 * 100 / (100 + desk.live.fleet.assets[other].capacity_wh / 1e6))
    )
    await scene.asked(other, before[other], pytest.approx(28e6 - desk.sent[ids.b1][-1].setpoint_w))
    back = await desk.dispatcher.find("market")
    assert {p.asset_id: p.state for p in back.intents}[ids.b2] is S.SUSPENDED, "it waits for that one still"
    desk.hear(ids.b2)
    desk.clocks.pass_s(anew.RETRY_MS / 1000)
    await scene.asked(ids.b2, before[ids.b2], 0.0, before[ids.b2])
    assert (desk.sent[ids.b1][-1].setpoint_w, desk.sent[other][-1].setpoint_w) == (before[ids.b1], before[other])


async def test_three_programs_come_back_one_after_another(scene, desk, ids, policy):
    middle = replace(policy.programs["operator"], name="middle", primacy=3)
    desk.dispatcher.policy = replace(policy, programs={**policy.programs, "middle": middle})
    desk.connect(ids.b1)
    await desk.ask(ids.b1, 5, asset=True, duration_s=600, identifier="low")
    await desk.ask(ids.path, 10, program="middle", duration_s=300, identifier="middle")
    await desk.ask("", 20, duration_s=60, identifier="high", **SCADA)
    assert [await scene.state(each) for each in ("low", "middle")] == [S.SUSPENDED] * 2
    scene.later(60, ids.b1)
    await scene.asked(ids.b1, 5e6, 10e6, 20e6, 10e6)
    assert await scene.state("low") is S.SUSPENDED
    scene.later(240, ids.b1)
    await scene.asked(ids.b1, 5e6, 10e6, 20e6, 10e6, 5e6)


async def test_the_older_of_two_equals_comes_back_where_the_newer_ends_first(scene, desk, ids):
    desk.connect(ids.b1)
    await desk.ask(ids.b1, 5, asset=True, duration_s=600, identifier="older")
    await desk.ask(ids.b1, 6, asset=True, duration_s=60, identifier="newer")
    assert await scene.state("older") is S.SUSPENDED
    scene.later(60, ids.b1)
    await scene.asked(ids.b1, 5e6, 6e6, 5e6)


async def test_what_is_taken_up_again_does_not_become_the_newest(scene, desk, ids):
    desk.connect(ids.b1, ids.b2)
    await desk.ask(ids.path, 18, duration_s=600, identifier="site")
    await desk.ask(ids.path, 0, duration_s=60, **SCADA)
    scene.later(60, ids.b1, ids.b2)
    newer = await desk.ask(ids.b1, 4, asset=True, duration_s=300)
    assert isinstance(newer, Submitted)
    await scene.asked(ids.b2, 8e6, 0.0, 14e6)
    await scene.asked(ids.b1, 10e6, 0.0, 4e6)


async def test_what_waits_outranks_what_comes_before_it_is_taken_up(scene, desk, ids, policy):
    desk.connect(ids.b1)
    await desk.ask(ids.b1, 5, asset=True, duration_s=600, identifier="market")
    await desk.ask(ids.b1, 20, asset=True, duration_s=60, **SCADA)
    scene.later(60, ids.b1)
    lower = await desk.ask(ids.b1, 7, asset=True, program="default")
    assert lower.why is DeclineKind.OUTRANKED
    assert "dispatch market" in lower.reason
    await scene.asked(ids.b1, 5e6, 20e6, 5e6)


async def test_its_end_passes_while_it_waits(scene, desk, ids):
    desk.connect(ids.b1)
    await desk.ask(ids.b1, 5, asset=True, duration_s=30, identifier="market")
    await desk.ask(ids.b1, 20, asset=True, duration_s=60, **SCADA)
    scene.later(30, ids.b1)
    await scene.until("market", S.SUPERSEDED)
    assert desk.changes[-1].dispatch.reason == "its time was over before it could come back"
    scene.later(30, ids.b1)
    await scene.turns()
    await scene.asked(ids.b1, 5e6, 20e6)


async def test_its_own_program_releases_it_while_it_waits(scene, desk, ids):
    desk.connect(ids.b1, ids.b2)
    await desk.ask(ids.path, 18, duration_s=600, identifier="market")
    await desk.ask(ids.path, 36, duration_s=60, **SCADA)
    released = await desk.ask(ids.b1, None, asset=True)
    assert (released.kept.dispatch.state, released.kept.intents) == (S.COMPLETE, ())
    assert released.kept.dispatch.reason == "what waited there is taken back: dispatch market"
    scene.later(60, ids.b1, ids.b2)
    await scene.asked(ids.b2, 8e6, 16e6, 8e6)
    await scene.asked(ids.b1, 10e6, 20e6)
    back = (await desk.dispatcher.find("market")).dispatch
    assert (back.placed_w, back.shortfall_w) == (8e6, 10e6)
    assert back.causes == (f"Jersey battery 1: taken back by release {released.kept.dispatch.id}",)
    await desk.ask(ids.path, None)
    assert await scene.state("market") is S.CANCELLED
    await scene.turns()
    await scene.asked(ids.b2, 8e6, 16e6, 8e6, None)


async def test_an_agent_that_is_away_is_asked_when_it_is_back(scene, desk, ids):
    away = desk.connect(ids.b1)
    await desk.ask(ids.b1, 5, asset=True, duration_s=600, identifier="market")
    await desk.ask(ids.b1, 20, asset=True, duration_s=60, **SCADA)
    desk.live.disconnect(away.session_id)
    scene.later(100)
    await scene.turns()
    assert await scene.state("market") is S.SUSPENDED
    desk.connect(ids.b1)
    scene.later(anew.RETRY_MS / 1000, ids.b1)
    await scene.asked(ids.b1, 5e6, 20e6, 5e6)


async def test_an_asset_that_cannot_be_asked_yet_says_why_and_is_tried_again(scene, desk, ids, wait_until):
    desk.connect(ids.b1)
    await desk.ask(ids.b1, 5, asset=True, duration_s=600, identifier="market")
    await desk.ask(ids.b1, 20, asset=True, duration_s=60, **SCADA)
    scene.later(60)  # it is connected and silent
    await wait_until(lambda: "cannot be yet" in desk.dispatcher.ledger.find("market").dispatch.reason)
    reason = "to be taken up again, and cannot be yet: the measurement of Jersey battery 1 is invalid"
    assert desk.dispatcher.ledger.find("market").dispatch.reason == reason
    desk.hear(ids.b1)
    desk.clocks.pass_s(anew.RETRY_MS / 1000)
    await scene.asked(ids.b1, 5e6, 20e6, 5e6)


async def test_nothing_changes_while_those_that_it_waits_for_cannot_be_asked(scene, desk, ids, wait_until):
    desk.connect(ids.b1, ids.b2)
    await desk.ask(ids.path, 18, duration_s=600, identifier="market")
    await scene.follow(ids.b1, ids.b2)
    await desk.ask(ids.b1, 20, asset=True, duration_s=60, **SCADA)
    scene.later(60, ids.b2)

    def why() -> str:
        members = desk.dispatcher.ledger.find("market").intents
        return next(each.reason for each in members if each.asset_id == ids.b1)

    await wait_until(lambda: "cannot be yet: its agent is not to be asked now" in why())
    await scene.asked(ids.b2, 8e6)
    assert await scene.state("market") is S.FOLLOWING


async def test_what_the_asset_cannot_do_any_more_is_given_up_with_the_reason(scene, desk, ids):
    desk.connect(ids.b1)
    await desk.ask(ids.b1, 5, asset=True, duration_s=600, identifier="market")
    await desk.ask(ids.b1, 20, asset=True, duration_s=60, **SCADA)
    desk.clocks.pass_s(60)
    desk.hear(ids.b1, soc=0.05)
    await scene.until("market", S.FAILED)
    reason = (await desk.dispatcher.find("market")).dispatch.reason
    assert reason.startswith("cannot be taken up again: ")
    assert "state of charge is at its minimum" in reason
    last = list(read(desk.store.decisions(), "log"))[-1]
    assert (last.request.id, isinstance(last.decision, Declined)) == ("market", True)


async def test_what_cannot_be_stored_is_not_sent_and_is_tried_again(scene, desk, ids, monkeypatch, wait_until):
    desk.connect(ids.b1)
    await desk.ask(ids.b1, 5, asset=True, duration_s=600, identifier="market")
    await desk.ask(ids.b1, 20, asset=True, duration_s=60, **SCADA)

    def full(*_: object) -> None:
        raise OperationalError("INSERT", {}, Exception("database or disk is full"))

    with monkeypatch.context() as patch:
        patch.setattr(StateStore, "take_up", full)
        scene.later(60, ids.b1)
        await wait_until(lambda: "full" in desk.dispatcher.store_fault)
    await scene.asked(ids.b1, 5e6, 20e6)
    scene.later(anew.RETRY_MS / 1000, ids.b1)
    await scene.asked(ids.b1, 5e6, 20e6, 5e6)


async def test_a_step_of_the_clock_while_it_waits_does_not_move_its_end(scene, desk, ids):
    desk.connect(ids.b1)
    await desk.ask(ids.b1, 5, asset=True, duration_s=600, identifier="market")
    await desk.ask(ids.b1, 20, asset=True, duration_s=60, **SCADA)
    desk.clocks.step_utc_s(7200)
    scene.later(60, ids.b1)
    await scene.asked(ids.b1, 5e6, 20e6, 5e6)
    assert desk.sent[ids.b1][-1].expires_ms == desk.clocks.now.utc_ms + 540_000
    desk.clocks.pass_s(540 + progress.GRACE_MS / 1000)
    await scene.until("market", S.EXPIRED)


# --- the next start


async def test_a_crash_while_it_waits_loses_nothing(clocks, ids, restart, wait_until):
    async with restart() as desk:
        desk.connect(ids.b1, ids.b2)
        await desk.ask(ids.path, 18, duration_s=600, identifier="market")
        await desk.ask(ids.path, 36, duration_s=60, identifier="hold", **SCADA)
        held = {each: desk.sent[each][-1] for each in (ids.b1, ids.b2)}
    clocks.pass_s(50)
    async with restart() as desk:
        scene = Scene(desk, wait_until)
        assert (await desk.dispatcher.find("market")).dispatch.state is S.SUSPENDED
        assert await scene.state("hold") is not S.SUSPENDED
        known = {each: (held[each].epoch, held[each].revision) for each in held}
        assert desk.dispatcher.unsent(known, list(held)) == []
        clocks.pass_s(10)
        desk.connect(ids.b1)
        await scene.turns()
        assert ids.b1 not in desk.sent, "the other may be on its way back"
        desk.connect(ids.b2)
        scene.later(anew.RETRY_MS / 1000, ids.b1, ids.b2)
        await scene.asked(ids.b1, 10e6)
        await scene.asked(ids.b2, 8e6)
        assert desk.sent[ids.b1][0].revision == 3
    async with restart() as desk:  # before anything of this was recorded but what was stored to be sent
        scene = Scene(desk, wait_until)
        assert await scene.state("market") is S.SUBMITTED
        assert desk.dispatcher.ledger.current(ids.b1).intent.dispatch_id == "market"
        assert (await desk.dispatcher.find("hold")).dispatch.state in (S.EXPIRED, S.SENT, S.SUBMITTED)
        assert [kept.intents[0].intent.revision for kept in desk.store.newest(9) if kept.dispatch.id == "market"] == [3]


async def test_after_a_start_who_is_there_is_asked_when_the_others_had_their_time(clocks, ids, restart, wait_until):
    async with restart() as desk:
        desk.connect(ids.b1, ids.b2)
        await desk.ask(ids.path, 18, duration_s=600, identifier="market")
        await desk.ask(ids.path, 36, duration_s=60, **SCADA)
    clocks.pass_s(60)
    async with restart() as desk:
        scene = Scene(desk, wait_until)
        desk.connect(ids.b1)
        scene.later(anew.SETTLE_MS / 1000, ids.b1)
        await scene.asked(ids.b1, 18e6)


async def test_a_crash_forgets_no_release_of_what_waits(clocks, ids, restart, wait_until):
    async with restart() as desk:
        desk.connect(ids.b1)
        await desk.ask(ids.b1, 5, asset=True, duration_s=600, identifier="market")
        await desk.ask(ids.b1, 20, asset=True, duration_s=60, **SCADA)
        desk.dispatcher.record = lambda: desk.dispatcher._thread.call(lambda: None)  # the last that happens before it
        await desk.ask(ids.path, None)
    async with restart() as desk:
        assert (await desk.dispatcher.find("market")).dispatch.state is S.CANCELLED


@pytest.mark.parametrize("recorded", [True, False])
async def test_a_policy_that_says_terminate_by_now_brings_nothing_back(clocks, ids, restart, terminating, recorded):
    async with restart() as desk:
        desk.connect(ids.b1)
        await desk.ask(ids.b1, 5, asset=True, duration_s=600, identifier="market")
        await desk.ask(ids.b1, 20, asset=True, duration_s=60, **SCADA)
        if recorded:
            await desk.dispatcher.record()
    async with restart(terminating) as desk:
        ended = (await desk.dispatcher.find("market")).dispatch
        assert ended.state is S.SUPERSEDED
        assert ("by the policy of now" in ended.reason) is recorded
