"""What is known now: nothing invented, nothing stale that looks good, no session removed by another's end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dermscore.aggregate import aggregates
from dermscore.model import Impairment, ImpairmentKind, Measurement
from dermscore.quality import GOOD, Cause, Quality, Validity
from dermscore.sheets.points import PointKind, Quantity, Series
from headend.fleet import Connection, LiveFleet, Power
from headend.plausible import implausible
from wire.source_time import SourceTime


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


def test_an_agent_says_of_all_its_assets_what_is_impaired_and_of_no_others(live, ids, clocks):
    locked, local = Impairment(ImpairmentKind.LOCKOUT, "door"), Impairment(ImpairmentKind.LOCAL)
    live.impair((ids.b1, ids.b2), {ids.b1: locked})
    live.impair((ids.solar,), {ids.solar: local})
    before = live.snapshot(clocks.now)
    live.impair((ids.b1, ids.b2), {})
    assert before.impaired == {ids.b1: locked, ids.solar: local}
    assert live.snapshot(clocks.now).impaired == {ids.solar: local}


def test_the_newest_stands_and_back_fill_changes_nothing(live, ids, clocks):
    now = clocks.now
    assert live.take(measured(ids.b1, now.utc_ms), now)
    assert not live.take(measured(ids.b1, now.utc_ms - 1, power_w=9.0), now)
    assert not live.take(measured(ids.b1, now.utc_ms, power_w=9.0), now)
    assert live.latest(ids.b1).measurement.power_w == 1e6


@pytest.mark.parametrize(
    ("taken_s", "passed_s", "good"), [(0, 12, True), (0, 12.1, False), (-11, 1.1, False), (-13, 0, False)]
)
def test_what_is_stale_never_looks_good(live, ids, clocks, taken_s, passed_s, good):
    """By its source's clock when it comes, by our monotonic one from then on."""
    test = Quality(causes=Cause.TEST)
    live.take(measured(ids.b1, clocks.now.utc_ms + taken_s * 1000, quality=test), clocks.now)
    clocks.pass_s(passed_s)
    quality = live.measurements(clocks.now)[ids.b1].quality
    assert quality == (test if good else Quality(Validity.INVALID, causes=Cause.TEST | Cause.COMM_LOST))


@pytest.mark.parametrize("step_s", [-86_400, -600, -13, 13, 600])
def test_a_step_of_our_wall_clock_makes_nothing_stale_old_or_back_fill(live, fleet, ids, clocks, step_s):
    """The agent's clock says how old a measurement is; ours, how long ago it came."""
    source = SourceTime.first(clocks.now.utc_ms, clocks.now)
    series = [Series("", PointKind.ALL, Quantity.POWER)]
    for power_w in (1e6, 2e6, 3e6):
        told = source.at(clocks.now)
        assert live.take(measured(ids.b1, told.utc_ms - 250, power_w=power_w), told)
        clocks.step_utc_s(step_s if power_w == 1e6 else 0)
        known = live.measurements(clocks.now)
        ((_, group),) = aggregates(fleet, known, series, clocks.now, live.fresh_within_ms)
        assert (known[ids.b1].power_w, known[ids.b1].quality) == (power_w, GOOD)
        assert (group.power_w, group.oldest_age_ms(clocks.now)) == (power_w, 250)
        clocks.pass_s(4)
    assert live.measurement(ids.b1, clocks.now).time_ms == told.utc_ms - 250, "its own time stays its source's"


@pytest.mark.parametrize("step_ms", [-86_400_000, -600_000, 600_000])
def test_a_step_of_an_agents_clock_costs_nothing(live, ids, clocks, step_ms):
    source, off_ms = SourceTime.first(clocks.now.utc_ms, clocks.now), 0
    for _ in range(3):
        sent_ms = clocks.now.utc_ms + off_ms
        source = source.hear(sent_ms, clocks.now)
        assert live.take(measured(ids.b1, sent_ms - 250), source.at(clocks.now))
        assert live.measurements(clocks.now)[ids.b1].quality == GOOD
        clocks.pass_s(4)
        off_ms = step_ms


def test_back_fill_is_told_from_a_step_by_when_it_was_sent(live, ids, clocks):
    source = SourceTime.first(clocks.now.utc_ms, clocks.now)
    assert live.take(measured(ids.b1, clocks.now.utc_ms), source.at(clocks.now))
    assert not live.take(measured(ids.b1, clocks.now.utc_ms - 600_000, power_w=9.0), source.at(clocks.now))
    assert live.latest(ids.b1).measurement.power_w == 1e6


def test_what_is_told_again_is_no_younger_but_may_have_become_worse(live, ids, clocks):
    taken = measured(ids.b1, clocks.now.utc_ms)
    held = replace(taken, quality=Quality(Validity.HELD, causes=Cause.COMM_LOST))
    assert live.take(taken, clocks.now)
    clocks.pass_s(4)
    assert live.take(held, clocks.now)
    assert live.measurements(clocks.now)[ids.b1].quality == held.quality
    assert not live.take(taken, clocks.now), "a repeat of the first mends nothing"
    clocks.pass_s(8.1)
    assert live.measurements(clocks.now)[ids.b1].quality.validity is Validity.INVALID


def test_a_device_whose_clock_runs_ahead_is_lost_when_it_falls_silent(live, ids, clocks):
    live.take(measured(ids.b1, clocks.now.utc_ms + 50_000), clocks.now)
    clocks.pass_s(12.1)
    assert live.measurements(clocks.now)[ids.b1].quality.validity is Validity.INVALID


def test_power_is_of_telemetry_or_of_a_newer_report(live, ids, clocks):
    assert live.power(ids.b1, clocks.now) is None
    live.report(ids.b1, 5e6, clocks.now.utc_ms, clocks.now)
    assert live.power(ids.b1, clocks.now) is None, "a report alone has no quality"
    live.take(measured(ids.b1, clocks.now.utc_ms - 2000), clocks.now)
    assert live.power(ids.b1, clocks.now) == Power(5e6, clocks.now.mono_ms, GOOD)
    live.report(ids.b1, 6e6, clocks.now.utc_ms, clocks.now)
    live.report(ids.b1, 5e6, clocks.now.utc_ms, clocks.now)
    assert live.power(ids.b1, clocks.now).power_w == 5e6, "of two of one millisecond the later counts"
    live.report(ids.b1, 4e6, clocks.now.utc_ms - 1000, clocks.now)
    assert live.power(ids.b1, clocks.now).power_w == 5e6, "a report said again is not newer"
    clocks.pass_s(4)
    live.take(measured(ids.b1, clocks.now.utc_ms), clocks.now)
    assert live.power(ids.b1, clocks.now).power_w == 1e6
    clocks.pass_s(12.1)
    assert live.power(ids.b1, clocks.now).quality == Quality(Validity.INVALID, causes=Cause.COMM_LOST)


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
