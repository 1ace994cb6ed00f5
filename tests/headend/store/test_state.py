"""Intents are durable, their revisions only rise, and an id is used once."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from dermscore.decision.request import Aim, Part
from dermscore.errors import NotSetUp
from dermscore.intent import IntentState
from headend.records import Dispatch
from headend.store.state import IdTaken, StateStore


def dispatch(identifier: str = "d1", **changes) -> Dispatch:
    values = {
        "id": identifier,
        "principal": "http:loopback",
        "node": "feeder/F12/site/S1",
        "asset_id": None,
        "aim": Aim.TARGET,
        "target_w": 5e6,
        "duration_s": 60.0,
        "program": "operator",
        "primacy": 5,
        "policy": "0a" * 32,
        "submitted_ms": 1000,
        "expires_ms": 61_000,
        "state": IntentState.SUBMITTED,
        "reason": "",
        "placed_w": 4e6,
        "shortfall_w": 1e6,
        "causes": ("B is not connected", "C is\nfull"),
        "updated_ms": 1000,
    }
    return Dispatch(**(values | changes))


def draft(asset_id: str, setpoint_w: float | None = 2e6) -> Part:
    return Part(asset_id, setpoint_w, 0.0, 2.5e6, True, "its rating of 2 MW")


@pytest.fixture
def store(migrated) -> StateStore:
    made = StateStore(migrated("state"))
    made.make_identity(7)
    return made


def test_what_is_kept_is_read_back_whole(store):
    placed = store.keep(dispatch(), [draft("b"), draft("a", None)])
    assert [one.asset_id for one in placed] == ["b", "a"]
    kept = store.find("d1")
    assert kept is not None
    assert kept.dispatch == replace(dispatch(), causes=("B is not connected", "C is full"))
    assert set(kept.intents) == set(placed)
    assert placed[1].intent.setpoint_w is None
    assert placed[0].intent.epoch == store.epoch()
    assert placed[0].intent.expires_ms == 61_000


def test_revisions_of_an_asset_rise_and_never_repeat(store):
    given = [store.keep(dispatch(f"d{n}"), [draft("a"), draft("b")])[0].intent.revision for n in range(1, 4)]
    assert given == [1, 2, 3]
    store.raise_revision("a", 40)
    store.raise_revision("a", 12)
    assert store.keep(dispatch("later"), [draft("a")])[0].intent.revision == 41


def test_the_newest_intent_of_each_asset_is_found_over_or_not(store):
    store.keep(dispatch("d1"), [draft("a"), draft("b", 1.0)])
    (newer,) = store.keep(dispatch("d2"), [draft("a", None)])
    store.record([], [replace(newer, state=IntentState.EXPIRED)])
    store.raise_revision("b", 9)
    newest = store.newest_intents()
    assert newest["a"] == newer.intent
    assert newest["b"].setpoint_w == 1.0
    assert set(newest) == {"a", "b"}


def test_the_epoch_is_made_once(store):
    epoch = store.epoch()
    assert store.make_identity(99) == epoch
    assert store.epoch() == epoch


def test_a_store_without_an_epoch_says_what_to_do(migrated):
    with pytest.raises(NotSetUp, match="--update"):
        StateStore(migrated("state")).epoch()


def test_an_id_is_used_once_and_the_second_use_changes_nothing(store):
    store.keep(dispatch(), [draft("a")])
    with pytest.raises(IdTaken):
        store.keep(dispatch(target_w=9e9), [draft("a")])
    kept = store.find("d1")
    assert kept is not None
    assert kept.dispatch.target_w == 5e6
    assert store.keep(dispatch("d2"), [draft("a")])[0].intent.revision == 2


def test_progress_is_recorded_and_what_is_over_is_not_alive(store):
    (placed,) = store.keep(dispatch(), [draft("a")])
    store.keep(dispatch("d2", submitted_ms=2000), [draft("b")])
    following = replace(
        placed, state=IntentState.FOLLOWING, acked_ms=9, acked_state=IntentState.FOLLOWING, power_w=2e6, reason="ok"
    )
    store.record([dispatch(state=IntentState.FOLLOWING, updated_ms=9)], [following])
    assert [kept.dispatch.id for kept in store.alive()] == ["d1", "d2"]
    assert store.alive()[0].intents == (following,)
    store.record([dispatch(state=IntentState.COMPLETE)], [replace(following, state=IntentState.COMPLETE)])
    assert [kept.dispatch.id for kept in store.alive()] == ["d2"]


def test_a_dispatch_that_is_over_is_alive_while_an_intent_of_it_is(store):
    store.keep(dispatch(state=IntentState.COMPLETE), [draft("a")])
    assert [kept.dispatch.id for kept in store.alive()] == ["d1"]


def test_history_is_newest_first(store):
    for number in range(5):
        store.keep(dispatch(f"d{number}", submitted_ms=number), [])
    assert [kept.dispatch.id for kept in store.newest(3)] == ["d4", "d3", "d2"]


def test_claims_are_replaced_whole(store):
    store.set_claims({"s1": ["a", "b"], "a": ["a"]})
    assert store.claims() == {"s1": frozenset({"a", "b"}), "a": frozenset({"a"})}
    store.set_claims({"b": ["b"]})
    assert store.claims() == {"b": frozenset({"b"})}


def test_two_writers_at_once_give_every_intent_its_own_revision(store):
    def write(name: str) -> None:
        for number in range(20):
            store.keep(dispatch(f"{name}{number}"), [draft("a"), draft("b")])

    threads = [threading.Thread(target=write, args=(name,)) for name in "xy"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    revisions = sorted(one.intent.revision for kept in store.newest(100) for one in kept.intents if one.asset_id == "a")
    assert revisions == list(range(1, 41))
