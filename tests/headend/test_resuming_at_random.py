"""Whatever is asked, reported, lost and killed, in any order: who has an asset is who arbitration says rules it."""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import replace
from math import fsum

import pytest
from sqlalchemy import select

from dermscore.decision.decide import ruling
from dermscore.decision.log import read
from dermscore.decision.replay import replay
from dermscore.dispatch import arbitrate
from dermscore.intent import TERMINAL
from dermscore.intent import IntentState as S
from dermscore.policy import Policy, Program
from headend import anew, progress
from headend.store import tables

SEEDS = 400 if os.environ.get("DERMS_SOAK") else 12
STEPS = 40
NODES = ("b1", "b2", "path", "feeder", "")
PROGRAMS = ("scada", "middle", "operator", "default")


@pytest.fixture(scope="session")
def policy(policy: Policy) -> Policy:
    """Scada outranks all and is over for good; two programs' dispatches come back; one below does not."""
    operator = replace(policy.programs["operator"], on_supersede="resume")
    return replace(
        policy,
        programs={
            **policy.programs,
            "operator": operator,
            "middle": Program("middle", 3, 600, on_supersede="resume"),
        },
    )


class Story:
    """One random course of events. Owner: the test."""

    def __init__(self, seed: int, ids) -> None:
        self.rng = random.Random(seed)
        self.ids = ids
        self.batteries = (ids.b1, ids.b2)
        self.agents: dict[str, str] = {}  # asset to its session, of those that are there

    def begin(self, desk) -> None:
        self.desk, self.agents = desk, {}
        for each in self.batteries:
            self.come(each)

    def come(self, asset_id: str) -> None:
        if asset_id not in self.agents:
            self.agents[asset_id] = self.desk.connect(asset_id).session_id

    def go(self, asset_id: str) -> None:
        if asset_id in self.agents:
            self.desk.live.disconnect(self.agents.pop(asset_id))

    def pass_s(self, seconds: float) -> None:
        self.desk.clocks.pass_s(seconds)
        for each in self.agents:
            self.desk.hear(each)

    async def settle(self) -> None:
        """What the desk does by itself, until nothing is left to do."""
        self.pass_s(anew.RETRY_MS / 1000)
        for _ in range(3):
            self.desk.dispatcher._tell(self.desk.dispatcher.ledger.expire(self.desk.clocks.now))
            await self.desk.dispatcher.renewing.take_up_again()

    async def act(self, *kinds: str) -> None:
        rng, desk = self.rng, self.desk
        node = rng.choice(NODES)
        path = {"path": self.ids.path, "feeder": "feeder/F12", "b1": self.ids.b1, "b2": self.ids.b2}.get(node, node)
        what = rng.choice(kinds or ["ask", "ask", "ask", "release", "pass", "report", "report", "go", "come"])
        if what == "ask":
            duration_s, mw = rng.choice([10.0, 60.0, 300.0]), rng.choice([-9.0, 0.0, 4.0, 18.0, 70.0])
            asset = node in ("b1", "b2")
            await desk.ask(path, mw, asset=asset, program=rng.choice(PROGRAMS), duration_s=duration_s)
        elif what == "release":
            await desk.ask(path, None, asset=node in ("b1", "b2"), program=rng.choice(PROGRAMS))
        elif what == "pass":
            self.pass_s(rng.choice([1.0, 9.0, 30.0, 100.0]))
        elif what == "report":
            placed = desk.dispatcher.ledger.current(rng.choice(self.batteries))
            if placed is not None:
                desk.report(
                    placed.intent, rng.choice([S.RECEIVED, S.FOLLOWING, S.FAILED, S.REFUSED, S.SUPERSEDED]), 1.0
                )
        else:
            (self.go if what == "go" else self.come)(rng.choice(self.batteries))

    # --- what must hold

    def who_holds_is_who_rules(self) -> None:
        desk, now = self.desk, self.desk.clocks.now
        ledger, fleet = desk.dispatcher.ledger, desk.live.fleet
        controls = arbitrate(desk.dispatcher.policy.programs, ledger.standing(now), now)
        rules = {each: ruling(fleet.assets[each], fleet, controls) for each in self.batteries}
        for asset_id, placed in ledger.holding().items():
            dispatch = ledger.find(placed.intent.dispatch_id).dispatch
            if placed.intent.setpoint_w is not None and placed.intent.expires_ms > now.utc_ms:
                assert rules[asset_id] is not None
                assert rules[asset_id].source == dispatch.id
        for placed in ledger.waiting():
            assert placed.intent.expires_ms > now.utc_ms
            ruler = rules[placed.asset_id]
            mine = ruler is not None and ruler.source == placed.intent.dispatch_id
            assert not (mine and set(self.agents) == set(self.batteries)), "it stands, and everybody could be asked"

    def figures_add_up(self) -> None:
        ledger = self.desk.dispatcher.ledger
        for event in ledger.standing(self.desk.clocks.now):
            kept = ledger.find(event.id)
            given_w = fsum(each.intent.setpoint_w or 0.0 for each in kept.intents if not progress._lost(each))
            assert kept.dispatch.placed_w == pytest.approx(given_w, abs=1.0)

    async def the_store_has_no_leftovers(self) -> None:
        await self.desk.dispatcher.record()
        with self.desk.store._engine.connect() as connection:
            rows = connection.execute(select(tables.intents)).all()
        alive = [row for row in rows if S(row.state) not in TERMINAL]
        assert max(Counter((row.asset_id, row.dispatch_id) for row in alive).values(), default=0) <= 1
        assert max(Counter(row.asset_id for row in alive if row.state != S.SUSPENDED).values(), default=0) <= 1
        assert {(row.asset_id, row.revision) for row in alive if row.state == S.SUSPENDED} == {
            (each.asset_id, each.intent.revision) for each in self.desk.dispatcher.ledger.waiting()
        }

    def what_was_sent_is_in_order(self) -> None:
        for sent in self.desk.sent.values():
            revisions = [intent.revision for intent in sent]
            assert revisions == sorted(revisions)
            for intent in sent:
                dispatch = self.desk.store.find(intent.dispatch_id).dispatch
                assert intent.expires_ms == dispatch.expires_ms

    def picture(self):
        ledger = self.desk.dispatcher.ledger
        holding = {asset_id: placed.intent.revision for asset_id, placed in ledger.holding().items()}
        return holding, {(each.asset_id, each.intent.revision) for each in ledger.waiting()}


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_who_has_an_asset_is_who_rules_it(seed, clocks, ids, restart, policy):
    story = Story(seed, ids)
    for _ in range(2):
        async with restart() as desk:
            story.begin(desk)
            clocks.pass_s(anew.SETTLE_MS / 1000)
            for _ in range(STEPS):
                await story.act()
                if story.rng.random() < 0.7:
                    await story.settle()
                    story.who_holds_is_who_rules()
                    story.figures_add_up()
            await story.the_store_has_no_leftovers()
            story.what_was_sent_is_in_order()
            log = list(read(desk.store.decisions(), "log"))
            assert replay(log, policy).differences == ()
            await story.act("ask", "release")  # and it dies before anything of that but what was stored is recorded
            before = story.picture()
        async with restart() as desk:
            story.desk = desk
            assert story.picture() == before
