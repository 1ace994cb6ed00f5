"""What stands is decided anew when limits begin or end: on a real store, with agents that are lists. Powers in MW."""

from __future__ import annotations

import asyncio
import itertools
import math
import os
import random
from dataclasses import replace
from itertools import permutations

import pytest
from sqlalchemy.exc import OperationalError

from dermscore.decision.log import read
from dermscore.decision.replay import Replayed, replay
from dermscore.decision.request import DeclineKind
from dermscore.dispatch.limits import Limit
from dermscore.intent import IntentState as S
from dermscore.model import Fleet, Impairment, ImpairmentKind, covers
from dermscore.policy import Policy
from dermscore.policy.limits import LimitRule
from dermscore.policy.windows import When
from headend import anew, limiting, publisher
from headend.dispatch import NotTaken
from headend.limiting import counting_at
from headend.store.state import StateStore

START_MS = 1_900_000_000_000  # as the clocks of the tests begin
GATEWAY = "urn:derms:gateway:gateway"
SCADA = {"program": "scada", "who": GATEWAY}
FEEDER = "feeder/F12"


def rule(number: int, node: str, begins_s: float | None = 100, ends_s: float | None = 200, **amounts: float):
    """A limit from one moment to another, in seconds after the start: `export=30`, `soc_reserve_pct=60`."""
    stated = {
        name if name.endswith("pct") else f"{name}_limit_w": v * (1 if name.endswith("pct") else 1e6)
        for name, v in amounts.items()
    }
    begins_ms = None if begins_s is None else START_MS + round(begins_s * 1000)
    ends_ms = None if ends_s is None else START_MS + round(ends_s * 1000) - 1
    return LimitRule(f"limits[{number}]", (node,), Limit("", "", **stated), When(begins_ms, ends_ms), "agreed")


def under(policy: Policy, *rules: LimitRule, resume: bool = False) -> Policy:
    operator = replace(policy.programs["operator"], on_supersede="resume" if resume else "terminate")
    return replace(policy, limits=rules, programs={**policy.programs, "operator": operator})


class Scene:
    """A desk whose agents all do what they are asked. Owner: the test."""

    def __init__(self, desk, wait_until, policy: Policy) -> None:
        self.desk, self._until, desk.dispatcher.policy = desk, wait_until, policy

    def asked(self, *asset_ids: str) -> list[float | None]:
        """What each was asked last."""
        last = [self.desk.sent[each][-1].setpoint_w for each in asset_ids]
        return [None if each is None else pytest.approx(each / 1e6) for each in last]

    def times_asked(self) -> int:
        return sum(map(len, self.desk.sent.values()))

    def obey(self, *asset_ids: str) -> None:
        """These, or all, are where they were asked to be, and say so."""
        self.desk.clocks.pass_s(0.001)  # nothing is measured twice at one moment
        now, ledger = self.desk.clocks.now, self.desk.dispatcher.ledger
        for asset_id in asset_ids or self.desk.sent:
            placed = ledger.current(asset_id)
            if placed is None or ledger.ends_ms(ledger.find(placed.intent.dispatch_id).dispatch, now) <= now.utc_ms:
                self.desk.hear(asset_id)
            else:
                asked_w = placed.intent.asked_w
                self.desk.hear(asset_id, asked_w, setpoint_w=asked_w)
                self.desk.report(placed.intent, S.FOLLOWING, asked_w)

    def at(self, seconds: float) -> None:
        """It is so many seconds after the start; who has an agent was measured just now, as before."""
        self.desk.clocks.pass_s(seconds - (self.desk.clocks.now.mono_ms - 1_000_000) / 1000)
        for asset_id in self.desk.live._connections:
            last = self.desk.live.latest(asset_id).measurement
            self.desk.hear(asset_id, last.power_w, setpoint_w=last.setpoint_w)

    async def turn(self) -> None:
        """One turn of what the desk does by itself, by hand, a moment later."""
        self.desk.clocks.pass_s(1)
        for asset_id in self.desk.live._connections:
            last = self.desk.live.latest(asset_id).measurement
            self.desk.hear(asset_id, last.power_w, setpoint_w=last.setpoint_w)
        await self.desk.dispatcher.renewing.take_up_again()
        await self.desk.dispatcher.renewing.keep_limits()
        async with self.desk.dispatcher.renewing._at_it:  # the desk's own turn may have come first, and be at it still
            pass

    def now(self, dispatch_id: str):
        return self.desk.dispatcher.ledger.find(dispatch_id).dispatch

    def decisions(self) -> list:
        return list(read(self.desk.store.decisions(), "log"))


@pytest.fixture
def scene(desk, wait_until, policy):
    return lambda *rules, **how: Scene(desk, wait_until, under(policy, *rules, **how))


@pytest.fixture
def batteries(desk, ids) -> list[str]:
    """Those of Jersey (100 and 80 MWh) and of Guernsey (120 and 80)."""
    far = [each.id for each in desk.live.fleet.node("feeder/F12/site/S2").assets if each.capacity_wh]
    return [ids.b1, ids.b2, *far]


async def test_a_limit_that_begins_holds_what_stands_and_one_that_ends_gives_it_back(
    scene, desk, ids, wait_until, policy
):
    on = scene(rule(0, FEEDER, export=9))
    desk.connect(ids.b1, ids.b2)
    first = (await desk.ask(ids.path, 18, duration_s=600, identifier="site", **SCADA)).kept.dispatch
    on.obey()
    on.at(99)
    await on.turn()  # which is at 100 s
    await wait_until(lambda: len(desk.sent[ids.b2]) == 2)
    assert on.asked(ids.b1, ids.b2) == [5.0, 4.0]
    held = on.now("site")
    assert (held.placed_w, held.shortfall_w, held.state) == (9e6, 9e6, S.SUBMITTED)
    assert "limits[0]: agreed: export 9 MW" in held.causes[0]
    assert (held.expires_ms, held.submitted_ms, held.target_w) == (first.expires_ms, first.submitted_ms, 18e6)
    again = desk.sent[ids.b1][-1]
    assert (again.dispatch_id, again.revision, again.expires_ms) == ("site", 2, first.expires_ms)
    on.obey()
    assert desk.changes[-1].dispatch.state is S.FOLLOWING
    now = desk.clocks.now
    told = publisher.outcome(desk.changes[-1], lambda asset_id: desk.live.power(asset_id, now), now)
    assert (told.state, told.delivered_w, told.shortfall_w, told.reason) == (S.FOLLOWING, 9e6, 9e6, held.causes[0])
    on.at(199)
    await on.turn()
    await wait_until(lambda: len(desk.sent[ids.b2]) == 3)
    assert on.asked(ids.b1, ids.b2) == [10.0, 8.0]
    assert (on.now("site").shortfall_w, on.now("site").causes) == (0.0, ())
    log = on.decisions()
    assert [(each.request.id, each.request.duration_s, each.request.stands) for each in log] == [
        ("site", 600.0, False),
        ("site", 500.0, True),
        ("site", 400.0, True),
    ]
    assert replay(log, desk.dispatcher.policy) == Replayed(3, ())


async def test_a_limit_that_does_not_bind_makes_no_traffic_and_no_record(scene, desk, ids, batteries):
    on = scene(rule(0, FEEDER, export=18), rule(1, "feeder/F14", export=0), rule(2, ids.b2, 100, export=8))
    desk.connect(*batteries)
    await desk.ask(ids.path, 18, duration_s=600)
    on.obey()
    for seconds in (99, 110, 199, 210):
        on.at(seconds)
        for _ in range(3):
            await on.turn()
    assert on.times_asked() == 2
    assert len(on.decisions()) == 1


async def test_one_that_binds_already_is_the_same_again(scene, desk, ids):
    on = scene(rule(0, ids.path, None, None, export=9), rule(1, FEEDER, export=9), rule(2, FEEDER, 150, 250, export=9))
    desk.connect(ids.b1, ids.b2)
    await desk.ask(ids.path, 18, duration_s=600)
    on.obey()
    for seconds in (99, 149, 199, 249):
        on.at(seconds)
        await on.turn()
    assert on.times_asked() == 2


async def test_one_asset_by_name_is_asked_for_nothing_while_a_limit_refuses_it(scene, desk, ids):
    on = scene(rule(0, ids.path, export=9))
    desk.connect(ids.b1)
    await desk.ask(ids.b1, 10, asset=True, duration_s=600, identifier="one")
    on.obey()
    on.at(99)
    await on.turn()
    assert on.asked(ids.b1) == [0.0]
    held = on.now("one")
    assert (held.placed_w, held.shortfall_w, held.over) == (0.0, 10e6, False)
    assert held.causes[0].startswith(
        "10 MW is more than Jersey battery 1 may give, 9 MW: limits[0]: agreed: export 9 MW, at "
    )
    part = desk.dispatcher.ledger.find("one").intents[0]
    assert (part.raw_w, part.clamped, part.cause) == (10e6, True, held.causes[0])
    lower = await desk.ask(ids.b1, 1, asset=True, program="default")
    assert isinstance(lower, NotTaken)
    assert lower.why is DeclineKind.OUTRANKED
    on.obey()
    for _ in range(4):
        await on.turn()
    assert len(desk.sent[ids.b1]) == 2
    on.at(199)
    await on.turn()
    assert on.asked(ids.b1) == [10.0]
    assert (on.now("one").shortfall_w, on.now("one").causes) == (0.0, ())


async def test_a_plant_that_a_limit_refuses_is_not_let_go(scene, desk, ids):
    on = scene(rule(0, ids.path, export=3))
    desk.connect(ids.solar)
    desk.hear(ids.solar, 8e6, available_up_w=0.0)
    await desk.ask(ids.solar, 5, asset=True, duration_s=600)
    desk.hear(ids.solar, 5e6, available_up_w=3e6, setpoint_w=5e6)
    on.at(99)
    desk.hear(ids.solar, 5e6, available_up_w=3e6, setpoint_w=5e6)
    await on.turn()
    assert on.asked(ids.solar) == [0.0]


async def test_of_several_under_one_limit_the_lowest_yields_and_nobody_dips(scene, desk, ids, batteries):
    on = scene(rule(0, FEEDER, export=45))
    desk.connect(*batteries)
    b1, b2, c1, _ = batteries
    await desk.ask(c1, 20, asset=True, duration_s=600, identifier="newer", program="operator")
    await desk.ask(b1, 20, asset=True, duration_s=600, identifier="scada", **SCADA)
    await desk.ask(b2, 20, asset=True, duration_s=600, identifier="low", program="default")
    on.obey()
    on.at(99)
    await on.turn()
    assert on.asked(b1, c1, b2) == [20.0, 20.0, 0.0]
    assert on.times_asked() == 4, "though nobody was measured anywhere else by then"
    on.obey()
    on.at(199)
    await on.turn()
    assert on.asked(b1, c1, b2) == [20.0, 20.0, 20.0]


async def test_two_limits_that_change_at_once_raise_the_highest_first(scene, desk, ids, batteries):
    on = scene(rule(0, FEEDER, None, 100, export=30), rule(1, FEEDER, 100, None, export=40))
    desk.connect(*batteries)
    await desk.ask(ids.path, 20, duration_s=600, identifier="high", **SCADA)
    on.obey()
    await desk.ask("feeder/F12/site/S2", 20, duration_s=600, identifier="low")
    on.obey()
    assert (on.now("high").placed_w, on.now("low").placed_w) == (20e6, pytest.approx(10e6))
    on.at(99)
    await on.turn()
    assert (on.now("high").placed_w, on.now("low").placed_w) == (20e6, pytest.approx(20e6))
    assert on.now("low").shortfall_w == pytest.approx(0, abs=1)


async def test_of_what_a_limit_leaves_when_it_is_eased_the_highest_has_the_first(scene, desk, ids, batteries):
    on = scene(rule(0, FEEDER, None, 100, export=10), rule(1, FEEDER, 100, None, export=25))
    desk.connect(*batteries)
    await desk.ask(ids.path, 20, duration_s=600, identifier="high", **SCADA)
    await desk.ask("feeder/F12/site/S2", 20, duration_s=600, identifier="low")
    on.obey()
    on.at(99)
    await on.turn()
    assert on.now("high").placed_w == pytest.approx(20e6)
    assert on.now("low").placed_w == pytest.approx(5e6)


async def test_an_agent_that_is_away_is_waited_for_and_nothing_ends(scene, desk, ids):
    on = scene(rule(0, ids.path, export=9))
    away = desk.connect(ids.b1)
    await desk.ask(ids.b1, 10, asset=True, duration_s=600, identifier="one")
    on.obey()
    desk.live.disconnect(away.session_id)
    on.at(99)
    for _ in range(20):
        await on.turn()
    assert on.now("one").state is S.FOLLOWING
    assert len(desk.sent[ids.b1]) == 1
    assert len(on.decisions()) == 1
    desk.connect(ids.b1)
    desk.hear(ids.b1, 10e6, setpoint_w=10e6)
    await on.turn()
    await on.turn()
    assert on.asked(ids.b1) == [0.0]


async def test_some_agents_are_waited_for_then_the_others_keep_the_limit_alone(scene, desk, ids):
    on = scene(rule(0, ids.path, export=9))
    desk.connect(ids.b1)
    away = desk.connect(ids.b2)
    await desk.ask(ids.path, 18, duration_s=600, identifier="site")
    on.obey()
    on.at(98)
    desk.live.disconnect(away.session_id)
    on.at(99)
    await on.turn()
    assert on.asked(ids.b1) == [10.0]
    on.at(100 + anew.SETTLE_MS / 1000)
    await on.turn()
    assert on.asked(ids.b1) == [1.0], "the other still gives 8"
    times = on.times_asked()
    for _ in range(4):
        await on.turn()
    assert on.times_asked() == times
    desk.connect(ids.b2)
    desk.hear(ids.b2, 8e6, setpoint_w=8e6)
    await on.turn()
    await on.turn()
    assert on.asked(ids.b1, ids.b2) == [5.0, 4.0]


@pytest.mark.parametrize("away", ["for long", "locked"])
async def test_who_is_not_to_be_expected_is_not_waited_for(scene, desk, ids, away):
    on = scene(rule(0, ids.path, export=9))
    desk.connect(ids.b1)
    other = desk.connect(ids.b2)
    await desk.ask(ids.path, 18, duration_s=600)
    on.obey()
    on.at(50)
    if away == "locked":
        desk.live.impair([ids.b2], {ids.b2: Impairment(ImpairmentKind.LOCKOUT, "")})
        desk.hear(ids.b2, 0.0)
    else:
        desk.live.disconnect(other.session_id)
    on.at(99)
    await on.turn()
    assert on.asked(ids.b1) == [1.0], "what the other was asked counts still"


async def test_what_cannot_be_done_for_a_reason_of_its_own_is_left(scene, desk, ids):
    on = scene(rule(0, ids.path, export=9))
    desk.connect(ids.b1)
    await desk.ask(ids.b1, 10, asset=True, duration_s=600, identifier="one")
    on.obey()
    on.at(100)
    desk.clocks.pass_s(1)
    desk.hear(ids.b1, 0.0, soc=0.05, setpoint_w=10e6)
    await desk.dispatcher.renewing.keep_limits()
    assert on.asked(ids.b1) == [10.0]
    assert not on.now("one").over
    for _ in range(3):
        await on.turn()  # charged again, and the limit is there still
    assert on.asked(ids.b1) == [0.0]


async def test_who_may_no_longer_ask_is_held_by_limits_all_the_same(scene, desk, ids):
    on = scene(rule(0, ids.path, export=9))
    desk.connect(ids.b1, ids.b2)
    await desk.ask(ids.path, 18, duration_s=600, identifier="site")
    on.obey()
    desk.dispatcher.policy = replace(desk.dispatcher.policy, grants=())
    on.at(99)
    await on.turn()
    assert on.asked(ids.b1, ids.b2) == [5.0, 4.0]


@pytest.mark.parametrize("resume", [False, True])
async def test_what_another_has_stays_with_it(scene, desk, ids, resume):
    on = scene(rule(0, ids.path, export=25), resume=resume)
    desk.connect(ids.b1, ids.b2)
    await desk.ask(ids.path, 36, duration_s=600, identifier="site")
    await desk.ask(ids.b1, 20, asset=True, duration_s=150, identifier="hold", **SCADA)
    on.obey()
    on.at(99)
    await on.turn()
    assert on.asked(ids.b1, ids.b2) == [20.0, 5.0]
    on.obey()
    on.at(151)
    await on.turn()
    await on.turn()
    on.obey()
    on.at(199)
    await on.turn()
    assert on.asked(ids.b1, ids.b2) == [20.0, 16.0]
    assert desk.sent[ids.b1][-1].dispatch_id == ("site" if resume else "hold")
    site = on.now("site")
    assert site.placed_w == pytest.approx(36e6 if resume else 16e6)
    assert site.placed_w + site.shortfall_w == pytest.approx(36e6)


async def test_a_suspended_one_is_decided_when_it_is_taken_up(scene, desk, ids):
    on = scene(rule(0, ids.path, export=9), resume=True)
    desk.connect(ids.b1)
    await desk.ask(ids.path, 18, duration_s=600, identifier="market")
    await desk.ask(ids.b1, 5, asset=True, duration_s=150, **SCADA)
    on.obey()
    on.at(99)
    await on.turn()
    assert on.asked(ids.b1) == [5.0]
    on.at(150)
    await on.turn()
    assert on.asked(ids.b1) == [9.0]


async def test_a_limit_on_the_charge_counts_too(scene, desk, ids):
    on = scene(rule(0, ids.b1, soc_reserve_pct=60))
    desk.connect(ids.b1, ids.b2)
    await desk.ask(ids.path, 18, duration_s=600)
    on.obey()
    on.at(99)
    await on.turn()
    assert on.asked(ids.b1, ids.b2) == [0.0, 18.0]


async def test_what_cannot_be_stored_is_not_sent_and_is_tried_again(scene, desk, ids, monkeypatch):
    on = scene(rule(0, ids.path, export=9))
    desk.connect(ids.b1, ids.b2)
    await desk.ask(ids.path, 18, duration_s=600)
    on.obey()

    def full(*_: object) -> None:
        raise OperationalError("INSERT", {}, Exception("database or disk is full"))

    with monkeypatch.context() as patch:
        patch.setattr(StateStore, "take_up", full)
        on.at(99)
        with pytest.raises(OperationalError):
            await on.turn()
    assert on.times_asked() == 2
    await on.turn()
    assert on.asked(ids.b1, ids.b2) == [5.0, 4.0]


async def test_a_request_waits_for_one_that_is_decided_anew_and_not_for_all(scene, desk, batteries):
    on = scene(rule(0, FEEDER, export=0))
    desk.connect(*batteries)
    for each in batteries:
        await desk.ask(each, 10, asset=True, duration_s=600)
    on.obey(*batteries)
    first = asyncio.Event()
    desk.dispatcher.watch(lambda _: first.set())

    async def as_a_request_does() -> int:
        await first.wait()
        async with desk.dispatcher._deciding:
            return on.times_asked()

    on.at(99)
    async with asyncio.TaskGroup() as group:
        request = group.create_task(as_a_request_does())
        await on.turn()
    assert (request.result(), on.times_asked()) == (5, 8)


async def test_one_that_ends_while_it_is_stored_goes_on_as_it_was_decided(scene, desk, ids, monkeypatch):
    on = scene(rule(0, ids.path, export=9))
    desk.connect(ids.b1)
    await desk.ask(ids.b1, 10, asset=True, duration_s=600, identifier="one")
    on.obey()
    call = desk.dispatcher._thread.call

    async def fails_meanwhile(work, *args):
        done = await call(work, *args)
        if work == desk.store.take_up:
            desk.report(desk.sent[ids.b1][0], S.FAILED)
        return done

    monkeypatch.setattr(desk.dispatcher._thread, "call", fails_meanwhile)
    on.at(99)
    await on.turn()
    assert on.asked(ids.b1) == [0.0]
    await desk.dispatcher.record()
    stored, here = desk.store.find("one"), desk.dispatcher.ledger.find("one")
    assert stored.dispatch.state is here.dispatch.state is S.SUBMITTED
    assert [each.intent.revision for each in stored.intents] == [each.intent.revision for each in here.intents] == [2]


async def test_a_fault_in_one_does_not_keep_the_limit_from_the_others(scene, desk, ids, monkeypatch):
    on = scene(rule(0, ids.b1, export=9), rule(1, ids.b2, export=7))
    desk.connect(ids.b1, ids.b2)
    await desk.ask(ids.b1, 10, asset=True, duration_s=600, identifier="odd")
    await desk.ask(ids.b2, 8, asset=True, duration_s=600, identifier="even")
    on.obey()
    outcome = limiting.outcome

    def wrong(kept, *args):
        if kept.dispatch.id == "odd":
            raise ValueError("as no test thought of")
        return outcome(kept, *args)

    with monkeypatch.context() as patch:
        patch.setattr(limiting, "outcome", wrong)
        on.at(99)
        for _ in range(3):
            await on.turn()
        assert on.asked(ids.b1, ids.b2) == [10.0, 0.0]
    for _ in range(10):
        await on.turn()
    assert on.asked(ids.b1) == [0.0]


async def test_what_cannot_be_decided_is_tried_ever_less_often(scene, desk, ids, monkeypatch):
    on = scene(rule(0, ids.path, export=9, ends_s=2000))
    desk.connect(ids.b1)
    await desk.ask(ids.b1, 10, asset=True, duration_s=1200)
    on.obey()
    tried: list[int] = []
    monkeypatch.setattr(limiting, "outcome", lambda kept, *_: tried.append(desk.clocks.now.mono_ms))
    on.at(99)
    for _ in range(200):
        await on.turn()
    pauses = [after - before for before, after in itertools.pairwise(tried)]
    assert pauses[:5] == [2000, 4000, 8000, 16000, 30000]
    assert set(pauses[5:]) == {30000}


async def test_a_step_of_the_wall_clock_moves_limits_and_no_end(scene, desk, ids):
    on = scene(rule(0, ids.b1, 3600, 7200, export=5))
    desk.connect(ids.b1, ids.b2)
    first = (await desk.ask(ids.path, 18, duration_s=600, identifier="site")).kept.dispatch
    on.obey()
    desk.clocks.step_utc_s(3600)
    await on.turn()
    assert on.asked(ids.b1, ids.b2) == [5.0, 13.0]
    end_ms = first.expires_ms + 3_600_000
    assert {each.intent.expires_ms for each in desk.dispatcher.ledger.find("site").intents} == {end_ms}
    desk.clocks.step_utc_s(-3600)
    await on.turn()
    assert on.asked(ids.b1, ids.b2) == [10.0, 8.0]


async def test_a_step_ends_nothing_of_what_is_not_asked_again(scene, desk, ids, batteries):
    on = scene(rule(0, ids.b1, 3600, 7200, export=5), rule(1, ids.b2, None, None, export=8))
    desk.connect(ids.b1, ids.b2)
    await desk.ask(ids.path, 18, duration_s=600, identifier="site")
    on.obey()
    desk.clocks.step_utc_s(3600)
    for _ in range(3):
        await on.turn()
        desk.dispatcher.ledger.expire(desk.clocks.now)
    assert (on.asked(ids.b1, ids.b2), on.times_asked()) == ([5.0, 8.0], 3)
    assert not any(each.over for each in desk.dispatcher.ledger.find("site").intents)
    again = desk.dispatcher.unsent({}, [ids.b2])[0]
    assert (again.revision, again.expires_ms) == (1, on.now("site").expires_ms)


# --- the next start


async def test_a_limit_that_began_while_the_headend_was_down(clocks, ids, restart, policy, wait_until):
    rules = under(policy, rule(0, ids.path, export=9))
    async with restart(rules) as desk:
        on = Scene(desk, wait_until, rules)
        desk.connect(ids.b1, ids.b2)
        await desk.ask(ids.path, 18, duration_s=600, identifier="site")
        on.obey()
    clocks.pass_s(110)
    async with restart(rules) as desk:
        on = Scene(desk, wait_until, rules)
        desk.connect(ids.b1)
        desk.hear(ids.b1, 10e6, setpoint_w=10e6)
        for _ in range(5):
            await on.turn()
        assert desk.sent == {}, "the other may be on its way back"
        desk.connect(ids.b2)
        desk.hear(ids.b2, 8e6, setpoint_w=8e6)
        await on.turn()
        assert on.asked(ids.b1, ids.b2) == [5.0, 4.0]
    async with restart(rules) as desk:
        on = Scene(desk, wait_until, rules)
        desk.connect(ids.b1, ids.b2)
        for _ in range(20):
            await on.turn()
        assert desk.sent == {}, "it was decided under the limits of now"
        on.at(199)
        await on.turn()
        assert on.asked(ids.b1, ids.b2) == [10.0, 8.0]


async def test_who_was_away_when_a_limit_began_is_asked_after_a_restart_too(clocks, ids, restart, policy, wait_until):
    rules = under(policy, rule(0, ids.path, export=9))
    async with restart(rules) as desk:
        on = Scene(desk, wait_until, rules)
        desk.connect(ids.b1)
        away = desk.connect(ids.b2)
        await desk.ask(ids.path, 18, duration_s=600, identifier="site")
        on.obey()
        on.at(50)
        desk.live.disconnect(away.session_id)
        on.at(99)
        await on.turn()
        assert on.asked(ids.b1) == [1.0]
    async with restart(rules) as desk:
        on = Scene(desk, wait_until, rules)
        desk.connect(ids.b1, ids.b2)
        desk.hear(ids.b1, 1e6, setpoint_w=1e6)
        desk.hear(ids.b2, 8e6, setpoint_w=8e6)
        await on.turn()
        assert on.asked(ids.b1, ids.b2) == [5.0, 4.0]
        times = on.times_asked()
        for _ in range(5):
            await on.turn()
        assert on.times_asked() == times


async def test_a_limit_that_is_new_in_the_policy_holds_what_stands_from_before(
    clocks, ids, restart, policy, wait_until
):
    rules = replace(under(policy, rule(0, ids.path, None, None, export=9)), digest="another")
    async with restart() as desk:
        desk.connect(ids.b1, ids.b2)
        await desk.ask(ids.path, 18, duration_s=600, identifier="site")
    async with restart(rules) as desk:
        on = Scene(desk, wait_until, rules)
        desk.connect(ids.b1, ids.b2)
        await on.turn()
        assert on.asked(ids.b1, ids.b2) == [5.0, 4.0]
        assert on.now("site").policy == "another"


# --- whatever is asked, and whatever limits begin and end

SEEDS = 300 if os.environ.get("DERMS_SOAK") else 10
LIMITS = 6
NODES = ("", FEEDER, "feeder/F12/site/S1", "feeder/F12/site/S2")


class Story:
    """Random targets under random limits, to agents that obey at once. Owner: the test."""

    def __init__(self, seed: int, on: Scene, batteries: list[str]) -> None:
        self.rng, self.on, self.desk, self.batteries = random.Random(seed), on, on.desk, batteries
        self.sign, self.netted = self.rng.choice([1, -1]), False

    @staticmethod
    def limits(seed: int, batteries: list[str]) -> list[LimitRule]:
        rng = random.Random(seed)
        return [
            rule(
                number,
                rng.choice([*NODES, *batteries]),
                begins := rng.choice([None, 100, 200, 300]),
                (begins or 0) + rng.choice([100, 200]),
                **{rng.choice(["export", "import", "generation", "load"]): rng.choice([0.0, 7.0, 20.0, 45.0])},
            )
            for number in range(LIMITS)
        ]

    async def ask(self) -> None:
        node = self.rng.choice([*NODES, *self.batteries])
        await self.desk.ask(
            node,
            self.sign * self.rng.choice([0.0, 5.0, 18.0, 70.0]),
            asset=node in self.batteries,
            program=self.rng.choice(["scada", "operator", "default"]),
            duration_s=self.rng.choice([150.0, 600.0]),
        )
        self.on.obey(*self.batteries)

    async def settle(self) -> None:
        for _ in range(3):
            await self.on.turn()
            self.desk.dispatcher._tell(self.desk.dispatcher.ledger.expire(self.desk.clocks.now))
        self.on.obey(*self.batteries)

    def no_limit_is_broken(self) -> None:
        """But one on the net power at a node may be, once somebody has made room for others by going against the rest:
        that they do not go on for ever begins no limit.
        """
        desk, now = self.desk, self.desk.clocks.now
        asked = {each: desk.live.latest(each).measurement.power_w for each in self.batteries}
        self.netted = self.netted or any(self.sign * w < 0 for w in asked.values())
        for limit in desk.dispatcher.policy.limits_at(now):
            here = [
                w for each, w in asked.items() if covers(path(desk.live.fleet, limit.node), path(desk.live.fleet, each))
            ]
            out_w, in_w = sum(w for w in here if w > 0), -sum(w for w in here if w < 0)
            amounts = dict(limit.stated())
            assert out_w <= amounts.get("generation_limit_w", math.inf) + 1
            assert in_w <= amounts.get("load_limit_w", math.inf) + 1
            assert self.netted or out_w <= amounts.get("export_limit_w", math.inf) + 1
            assert self.netted or in_w <= amounts.get("import_limit_w", math.inf) + 1

    def nodes(self) -> list[str]:
        return [each.node for each in self.desk.dispatcher.ledger.targets()]

    async def decided_anew_nothing_changes(self) -> None:
        """Not at once: room that others gave back meanwhile is taken. But then; unless one lies within another, which
        then makes up for what the inner one does, a step at a time.
        """
        places = [path(self.desk.live.fleet, each) for each in self.nodes()]
        if any(covers(a, b) for a, b in permutations(places, 2)):
            return
        dispatcher, times = self.desk.dispatcher, -1
        others = frozenset(range(LIMITS)) - counting_at(dispatcher.policy, self.desk.clocks.now)
        for _ in range(2):
            times = self.on.times_asked()
            dispatcher.renewing._watch._under = {each.id: others for each in dispatcher.ledger.targets()}
            await self.settle()
        assert self.on.times_asked() == times


def path(fleet: Fleet, name: str) -> str:
    """The path of an asset, with its id below its site's, or the path that `name` is."""
    return f"{fleet.path_of(fleet.assets[name])}/{name}" if name in fleet.assets else name


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_every_limit_is_kept_from_when_it_begins(seed, scene, desk, batteries):
    on = scene(*Story.limits(seed, batteries), resume=bool(seed % 2))
    story = Story(seed, on, batteries)
    desk.connect(*batteries)
    for seconds in (0, 50, 105, 160, 205, 260, 305, 360, 420):
        on.at(seconds)
        await story.settle()
        story.no_limit_is_broken()
        await story.ask()
        story.no_limit_is_broken()
        await story.decided_anew_nothing_changes()
        story.no_limit_is_broken()
    assert replay(on.decisions(), desk.dispatcher.policy).differences == ()
