"""What is known now: nothing invented, nothing stale that looks good, no session removed by another's end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dermscore.model import Measurement
from dermscore.quality import GOOD, Cause, Quality, Validity
from headend.fleet import Connection, LiveFleet
from headend.plausible import implausible


def measured(asset_id: str, time_ms: int, **changes) -> Measurement:
    return replace(Measurement(asset_id, time_ms, 1e6, 5e7, 1e6, 1e6, None, GOOD), **changes)


def connection(session: str, agent: str, *assets: str) -> Connection:
    return Connection(session, agent, "peer", assets, 1, lambda _: None, lambda _: None)


@pytest.fixture
def live(fleet) -> LiveFleet:
    return LiveFleet(fleet, 12_000)


def test_nothing_is_known_before_anything_is_heard(live, clocks):
    assert live.measurements(clocks.now) == {}
    assert live.snapshot(clocks.now).connected == frozenset()


def test_the_newest_by_its_sources_time_stands_and_back_fill_changes_nothing(live, ids, clocks):
    now = clocks.now
    assert live.take(measured(ids.b1, now.utc_ms), now)
    assert not live.take(measured(ids.b1, now.utc_ms - 1, power_w=9.0), now)
    assert not live.take(measured(ids.b1, now.utc_ms, power_w=9.0), now)
    assert live.latest(ids.b1).measurement.power_w == 1e6


@pytest.mark.parametrize(
    ("taken_s", "passed_s", "good"), [(0, 12, True), (0, 12.1, False), (30, 13, False), (-13, 0, False)]
)
def test_what_is_stale_by_either_clock_never_looks_good(live, ids, clocks, taken_s, passed_s, good):
    """A source whose clock runs ahead must not keep a dead device alive."""
    test = Quality(causes=Cause.TEST)
    live.take(measured(ids.b1, clocks.now.utc_ms + taken_s * 1000, quality=test), clocks.now)
    clocks.pass_s(passed_s)
    quality = live.measurements(clocks.now)[ids.b1].quality
    assert quality == (test if good else Quality(Validity.INVALID, causes=Cause.TEST | Cause.COMM_LOST))


def test_a_newer_session_of_one_agent_replaces_the_older_and_its_end_removes_nothing(live, ids):
    old, new = connection("1", "agent", ids.b1, ids.b2), connection("2", "agent", ids.b1)
    assert live.connect(old) is None
    assert live.connect(new) is old
    assert live.connection(ids.b2) is None, "what the newer session does not claim is no longer spoken for"
    live.disconnect("1")
    assert live.connection(ids.b1) is new
    live.disconnect("2")
    assert live.connection(ids.b1) is None


def test_a_rival_is_another_identity_on_the_same_asset(live, ids):
    live.connect(connection("1", "site", ids.b1, ids.b2))
    assert live.rival("site", [ids.b1]) is None
    assert live.rival("other", [ids.solar]) is None
    assert live.rival("other", [ids.solar, ids.b2])[0] == ids.b2
    assert live.agents_connected == 1


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, None),
        ({"power_w": 101e6}, "twice the rating"),
        ({"power_w": -101e6}, "twice the rating"),
        ({"power_w": 99e6}, None),
        ({"power_w": float("nan")}, "twice the rating"),
        ({"setpoint_w": -101e6}, "twice the rating"),
        ({"setpoint_w": float("inf")}, "twice the rating"),
        ({"setpoint_w": 99e6}, None),
        ({"soc_wh": 111e6}, "beyond the capacity"),
        ({"soc_wh": float("nan")}, "beyond the capacity"),
        ({"available_up_w": 1e9}, "available power"),
        ({"time_ms": 1_900_000_061_000}, "61 s ahead"),
        ({"time_ms": 1_900_000_059_000}, None),
    ],
)
def test_what_cannot_be_is_refused_in_words(fleet, ids, clocks, changes, says):
    taken = replace(measured(ids.b1, clocks.now.utc_ms), **changes)
    why = implausible(fleet.assets[ids.b1], taken, clocks.now)
    assert (why is None) if says is None else (says in why)
