"""Many guards that fall together: none begins with the others, and node and site keep their limits."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dermscore.guard import GRACE_MS, Fallback, Guard, GuardState
from dermscore.intent import Step
from dermscore.model import Asset, Kind
from tests.dermscore.guard.made import BATTERY, LOAD, QUICK, SOAK, SOLAR, UTC, at, intent, run, seen, took


def test_a_fallback_is_drawn_per_asset_and_always_the_same() -> None:
    fleet = [replace(BATTERY, id=f"b{n}") for n in range(200)]
    delays = [Fallback.of(asset).delay_ms for asset in fleet]
    assert delays == [Fallback.of(asset).delay_ms for asset in fleet]
    assert delays != [Fallback.of(asset, seed="other").delay_ms for asset in fleet]
    assert all(0 <= delay < 5_000 for delay in delays)
    assert min(delays) < 500 < 4_500 < max(delays)
    assert Fallback.of(BATTERY).ramp_w_per_s == 4e6


def test_a_nodes_ramp_is_divided_by_rating_and_must_end() -> None:
    node = (BATTERY, SOLAR)
    assert Fallback.of(BATTERY, node, 3e6).ramp_w_per_s == pytest.approx(2e6)
    assert Fallback.of(SOLAR, node, 3e6).ramp_w_per_s == pytest.approx(1e6)
    idle = replace(BATTERY, max_w=0.0, min_w=0.0)
    assert Fallback.of(idle, (idle,), 3e6).ramp_w_per_s == 0
    with pytest.raises(ValueError, match="would never end"):
        Fallback.of(BATTERY, node, 0.0)


def falling(guards: Sequence[Guard], moments: Sequence[int], shown: Callable[[Asset], float]) -> list[float]:
    """The sum of all setpoints, W, at each moment (ms)."""
    sums = []
    for ms in moments:
        stepped = [guard.step(seen(shown(guard.asset), asset=guard.asset), at(ms)) for guard in guards]
        guards = [guard for guard, _ in stepped]
        sums.append(math.fsum(command.setpoint_w or 0.0 for _, command in stepped))
    return sums


def test_a_thousand_guards_losing_their_headend_are_not_a_cliff() -> None:
    count, node_ramp_w_per_s, tick_ms = 1_000, 500e6, 500
    node = tuple(replace(BATTERY, id=f"b{n}") for n in range(count))
    guards = [
        took(Guard.new(asset, Fallback.of(asset, node, node_ramp_w_per_s)), intent(1, asset_id=asset.id)).link(
            False, at(0)
        )
        for asset in node
    ]
    sums = falling(guards, range(59_000, 130_000, tick_ms), lambda _: 20e6)
    steepest = max(before - after for before, after in pairwise(sums))
    assert sums[0] == count * 20e6
    assert sums[-1] == 0
    assert 0 < steepest <= node_ramp_w_per_s * tick_ms / 1000 * (1 + 1e-9)
    first_half_second = sums[2] - sums[3]
    assert first_half_second < steepest / 4  # they do not begin together


def test_a_thousand_guards_that_go_on_by_their_schedules_are_not_a_cliff_either() -> None:
    """Their headend falls silent long after the steps' times: all of them have something to catch up with at once."""
    count, node_ramp_w_per_s, tick_ms = 1_000, 500e6, 2_000
    node = tuple(replace(BATTERY, id=f"b{n}") for n in range(count))
    steps = (Step(UTC + 1_000, 30e6), Step(UTC + 2_000, -20e6))
    guards = []
    for asset in node:
        guard = Guard.new(asset, Fallback.of(asset, node, node_ramp_w_per_s)).link(True, at(0))
        guard = took(guard, intent(1, ends_ms=600_000, asset_id=asset.id, schedule=steps))
        guards.append(guard.link(False, at(60_000)))
    sums = falling(guards, range(59_500, 200_000, tick_ms), lambda _: 20e6)
    slopes = [after - before for before, after in pairwise(sums)]
    assert sums[0] == sums[GRACE_MS // tick_ms] == count * 20e6
    assert sums[-1] == count * -20e6
    assert max(map(abs, slopes)) <= node_ramp_w_per_s * tick_ms / 1000 * (1 + 1e-9)


members = st.builds(
    lambda kind, up_w, down_w, number: replace(
        {Kind.BATTERY: BATTERY, Kind.SOLAR: SOLAR, Kind.LOAD: LOAD}[kind],
        id=f"{kind}{number}",
        max_w=0.0 if kind is Kind.LOAD else up_w,
        min_w=0.0 if kind is Kind.SOLAR else -down_w,
    ),
    st.sampled_from(Kind),
    st.floats(1e3, 50e6),
    st.floats(1e3, 50e6),
    st.integers(0, 10**6),
)
nodes = st.lists(members, min_size=1, max_size=12, unique_by=lambda asset: asset.id)


@settings(max_examples=2_000 if SOAK else 60, deadline=None)
@given(
    node=nodes,
    node_ramp_w_per_s=st.floats(1e3, 1e9),
    gaps=st.lists(st.integers(0, 3_000), min_size=2, max_size=40),
    data=st.data(),
)
def test_the_slope_of_any_node_stays_within_its_ramp(
    node: list[Asset], node_ramp_w_per_s: float, gaps: list[int], data: st.DataObject
) -> None:
    guards = []
    for asset in node:
        w = data.draw(st.floats(asset.min_w, asset.max_w))
        step_w = data.draw(st.floats(asset.min_w, asset.max_w))
        wanted = intent(1, w, 20_000, asset_id=asset.id, reversion_w=0.0, schedule=(Step(UTC + 500, step_w),))
        guard = took(Guard.new(asset, Fallback.of(asset, node, node_ramp_w_per_s)).link(True, at(0)), wanted)
        guards.append(guard.step(seen(w, asset=asset), at(0))[0].link(False, at(0)))
    moments = [sum(gaps[:count]) for count in range(1, len(gaps) + 1)]
    sums = falling(guards, moments, lambda asset: 0.0)
    for gap, (before, after) in zip(gaps[1:], pairwise(sums), strict=True):
        assert abs(after - before) <= node_ramp_w_per_s * gap / 1000 * (1 + 1e-9) + 1e-3


# --- the static limit of a site ---


def test_a_plant_goes_back_to_its_part_of_the_sites_limit_and_no_further() -> None:
    site = (SOLAR, replace(SOLAR, id="p2", max_w=60e6))
    fallback = QUICK.within(SOLAR, site, export_limit_w=40e6)
    assert (fallback.most_w, fallback.least_w) == (10e6, None)
    _, written = run(Guard.new(SOLAR, fallback), seen(4e6, None, SOLAR), 0, 2_000, 3_000, 4_000, 5_000)
    assert written == [4e6, 4e6, 8e6, 10e6, 10e6]


@pytest.mark.parametrize("reversion_w", [None, 15e6])
def test_no_intent_makes_a_fallback_looser_than_the_sites_limit(reversion_w: float | None) -> None:
    guard = Guard.new(SOLAR, QUICK.within(SOLAR, (SOLAR,), export_limit_w=10e6)).link(True, at(0))
    guard = took(guard, intent(1, 5e6, 1_000, asset_id="p1", reversion_w=reversion_w))
    _, written = run(guard, seen(5e6, None, SOLAR), 0, 1_000, 3_000, 4_000, 5_000, 6_000)
    assert written == [5e6, 5e6, 5e6, 9e6, 10e6, 10e6]


def test_a_load_goes_back_to_its_part_of_what_the_site_may_draw() -> None:
    fallback = QUICK.within(LOAD, (LOAD, BATTERY), import_limit_w=19e6)
    assert fallback.least_w == -4e6
    _, command = Guard.new(LOAD, fallback).step(seen(-1e6, None, LOAD), at(0))
    guard, written = run(Guard.new(LOAD, fallback), seen(-1e6, None, LOAD), 0, 3_000, 4_000)
    assert (command.setpoint_w, written) == (-1e6, [-1e6, -4e6, -4e6])
    assert guard.state() is GuardState.FAILSAFE
    assert fallback.bounded(LOAD, -6e6) == -4e6
    assert fallback.bounded(LOAD, -2e6) == -2e6


def test_a_limit_that_the_ratings_keep_anyway_binds_nobody() -> None:
    assert QUICK.within(SOLAR, (SOLAR, LOAD), export_limit_w=20e6, import_limit_w=8e6) == QUICK
    assert QUICK.within(SOLAR, (SOLAR,)) == QUICK


def test_of_several_limits_the_tightest_binds() -> None:
    loose, tight = {"export_limit_w": 9e6, "import_limit_w": 1e6}, {"export_limit_w": 2e6, "import_limit_w": 9e6}
    for first, second in ((loose, tight), (tight, loose)):
        both = QUICK.within(BATTERY, (BATTERY,), **first).within(BATTERY, (BATTERY,), **second)
        assert (both.most_w, both.least_w) == (2e6, -1e6)


def test_a_way_back_turns_to_a_new_limit_at_its_new_ramp() -> None:
    """What the policy says now holds for an asset that has gone back, both when it tightens and when it is lifted."""
    guard, written = run(Guard.new(SOLAR, Fallback(0, 4e6)), seen(20e6, None, SOLAR), 0, 1_000)
    assert written == [None, None]
    guard, written = run(
        guard.fall_back_by(Fallback(0, 2e6, most_w=17e6)), seen(20e6, None, SOLAR), 2_000, 3_000, 4_000
    )
    assert written == [18e6, 17e6, 17e6]
    _, written = run(guard.fall_back_by(Fallback(0, 2e6)), seen(17e6, None, SOLAR), 5_000, 6_000, 7_000)
    assert written == [19e6, None, None]


def test_a_limit_of_zero_is_a_limit_and_a_negative_one_is_none() -> None:
    assert QUICK.within(SOLAR, (SOLAR,), export_limit_w=0.0).most_w == 0
    for limit_w in (-1.0, math.nan):
        with pytest.raises(ValueError, match="is none: it is a magnitude"):
            QUICK.within(SOLAR, (SOLAR,), export_limit_w=limit_w)


@settings(max_examples=2_000 if SOAK else 100, deadline=None)
@given(
    site=nodes,
    export_limit_w=st.none() | st.floats(0, 1e8),
    import_limit_w=st.none() | st.floats(0, 1e8),
    data=st.data(),
)
def test_a_site_that_has_gone_back_keeps_its_static_limits(
    site: list[Asset], export_limit_w: float | None, import_limit_w: float | None, data: st.DataObject
) -> None:
    """Whatever each was told to revert to, and with every plant and load at its natural worst."""
    most_w = least_w = 0.0
    for asset in site:
        quick = Fallback(0, 1e9).within(asset, site, export_limit_w=export_limit_w, import_limit_w=import_limit_w)
        reversion_w = data.draw(st.none() | st.floats(asset.min_w, asset.max_w))
        wanted = intent(1, 0.0, 1, asset_id=asset.id, reversion_w=reversion_w)
        guard = took(Guard.new(asset, quick), wanted)
        for ms in (10, 2_000, 4_000):
            guard, command = guard.step(seen(0.0, asset=asset), at(ms))
        back_w = command.setpoint_w
        if asset.kind is Kind.BATTERY:
            assert back_w is not None
            most_w, least_w = most_w + max(back_w, 0.0), least_w + min(back_w, 0.0)
        most_w += 0.0 if asset.kind is not Kind.SOLAR else asset.max_w if back_w is None else back_w
        least_w += 0.0 if asset.kind is not Kind.LOAD else asset.min_w if back_w is None else back_w
    assert export_limit_w is None or most_w <= export_limit_w * (1 + 1e-9)
    assert import_limit_w is None or least_w >= -import_limit_w * (1 + 1e-9)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0])
@pytest.mark.parametrize("name", ["delay_ms", "ramp_w_per_s", "most_w", "least_w"])
def test_a_fallback_leads_somewhere(name: str, bad: float) -> None:
    bad = -bad if name == "least_w" else bad
    with pytest.raises(ValueError, match=f"a fallback's {name} cannot be {bad}"):
        replace(Fallback(0, 4e6, 1e6, -1e6), **{name: bad})  # type: ignore[arg-type]
