"""Decisions stay on their shelf whole, as many as there is room for, with the fleets that they name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select

from dermscore.decision.log import read
from dermscore.decision.replay import Past
from dermscore.decision.request import Aim, Declined, DeclineKind, Facts, Granted, Part, Request
from dermscore.dispatch.arbitration.events import Event
from dermscore.dispatch.modes import Mode
from dermscore.intent import IntentState
from dermscore.model import Fleet, Now, Snapshot
from dermscore.policy import Principal
from headend.records import Dispatch
from headend.store import tables
from headend.store.state import IdTaken, StateStore

WHO = Principal("http:loopback", frozenset({"OPERATOR"}))


def past(fleet: Fleet, number: int = 1, at_ms: int = 1000) -> Past:
    request = Request(f"d{number}", WHO, "", None, Aim.TARGET, 5e6, 60.0, "operator")
    standing = Event("e", "", "scada", 1, 0, 9, {Mode.TARGET_W: 1.0})
    known = Facts(Snapshot(fleet, {}, frozenset(fleet.assets)), (standing,), {}, 7)
    return Past(Now(at_ms, 5), request, known, Declined(DeclineKind.UNREACHABLE, "nobody there", "ab"))


def dispatch(one: Past) -> Dispatch:
    request = one.request
    times = {"submitted_ms": 1000, "expires_ms": 2000, "updated_ms": 1000}
    given = {"node": "", "asset_id": None, "aim": Aim.TARGET, "target_w": 5e6, "duration_s": 60.0}
    rest = {"program": "operator", "primacy": 5, "policy": "ab", "placed_w": None, "shortfall_w": None, "causes": ()}
    return Dispatch(
        id=request.id, principal=WHO.id, state=IntentState.REFUSED, reason="nobody there", **times, **given, **rest
    )


def count(opened: Any, table: Any) -> int:
    with opened.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


@pytest.fixture
def opened(migrated):
    made = migrated("state")
    StateStore(made).make_identity(7)
    return made


def kept(store: StateStore, since_ms: int = 0) -> list[Past]:
    return list(read(store.decisions(since_ms), "log"))


def test_a_decision_is_kept_with_its_dispatch_and_comes_back_whole(opened, fleet):
    store, one = StateStore(opened, 10), past(fleet)
    part = Part(next(iter(fleet.assets)), 1.0, 0.0, 1.0, False, "why")
    granted = replace(past(fleet, 2), decision=Granted((part,), 61_000, "ab", 1.0, 4e6, ("why not more",)))
    store.keep(dispatch(one), (), one)
    store.keep(dispatch(granted), [part], granted)
    assert kept(store) == [one, granted]


def test_what_was_not_stored_has_no_decision_either(opened, fleet):
    store, one = StateStore(opened, 10), past(fleet)
    store.keep(dispatch(one), (), one)
    with pytest.raises(IdTaken):
        store.keep(dispatch(one), (), replace(one, now=Now(9, 9)))
    store.keep(dispatch(past(fleet, 2)), ())
    assert kept(store) == [one]


def test_the_oldest_make_room(opened, fleet):
    store = StateStore(opened, 3)
    for number in range(1, 6):
        one = past(fleet, number, at_ms=10_000 - number)  # the clock goes backwards; their order is that of keeping
        store.keep(dispatch(one), (), one)
    assert [each.request.id for each in kept(store)] == ["d3", "d4", "d5"]
    assert [each.request.id for each in kept(store, since_ms=9_996)] == ["d3", "d4"]


def test_less_room_than_before_is_made_at_the_next_dispatch(opened, fleet):
    store = StateStore(opened, 3)
    for number in range(1, 4):
        store.keep(dispatch(past(fleet, number)), (), past(fleet, number))
    StateStore(opened, 2).keep(dispatch(past(fleet, 4)), (), past(fleet, 4))
    assert [each.request.id for each in kept(store)] == ["d3", "d4"]
    none = StateStore(opened, 0)
    none.expect(fleet)
    none.keep(dispatch(past(fleet, 5)), (), past(fleet, 5))
    assert kept(none) == []


def test_a_fleet_is_kept_once_and_for_as_long_as_a_decision_names_it(opened, fleet):
    store = StateStore(opened, 2)
    store.expect(fleet)
    other = replace(fleet, assets=dict(list(fleet.assets.items())[:3]))
    third = replace(fleet, assets={})
    for number, of in enumerate([fleet, fleet, other, other, third], start=1):
        store.keep(dispatch(past(of, number)), (), past(of, number))
    assert count(opened, tables.fleets) == 2, "the first fleet went when the third came"
    assert [each.facts.snapshot.fleet for each in kept(store)] == [other, third]
