"""The device model of REQUIREMENTS.md, as invariants over any asset, any start and any sequence of setpoints."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.drivers import device
from agent.drivers.device import DEAD_MAN_S, Device
from dermscore.model import Asset, Kind

MANY = settings(max_examples=5000 if os.environ.get("DERMS_SOAK") == "1" else 200, deadline=None)

BATTERY = Asset(
    id="b1",
    name="Battery",
    site_id="s1",
    kind=Kind.BATTERY,
    capacity_wh=100e6,
    max_w=50e6,
    min_w=-40e6,
    efficiency=0.9,
    ramp_w_per_s=1e6,
    min_soc_pct=5.0,
    max_soc_pct=95.0,
    driver="simulated",
    program="default",
)
SOLAR = replace(BATTERY, id="v1", kind=Kind.SOLAR, capacity_wh=0.0, min_w=0.0, max_w=30e6, efficiency=1.0)
LOAD = replace(BATTERY, id="l1", kind=Kind.LOAD, capacity_wh=0.0, min_w=-20e6, max_w=0.0, efficiency=1.0)

watts = st.floats(-80e6, 80e6)
steps_s = st.floats(0.001, 2.0)


@st.composite
def batteries(draw: st.DrawFn) -> Asset:
    low = draw(st.floats(0, 60))
    return replace(
        BATTERY,
        capacity_wh=draw(st.floats(1e3, 1e8)),
        max_w=draw(st.floats(0, 60e6)),
        min_w=-draw(st.floats(0, 60e6)),
        efficiency=draw(st.floats(0.3, 1.0)),
        ramp_w_per_s=draw(st.floats(1e3, 1e8)),
        min_soc_pct=low,
        max_soc_pct=draw(st.floats(low + 1, 100)),
    )


@st.composite
def running(draw: st.DrawFn) -> tuple[Asset, Device]:
    """Any battery, doing anything it may do."""
    asset = draw(batteries())
    share = draw(st.floats(0, 1))
    soc_wh = asset.min_soc_wh + share * (asset.max_soc_wh - asset.min_soc_wh)
    soc_wh = min(max(soc_wh, asset.min_soc_wh), asset.max_soc_wh)
    power_w = draw(st.floats(asset.min_w, asset.max_w))
    return asset, Device(power_w, soc_wh, draw(st.none() | watts))


@MANY
@given(running(), steps_s)
def test_a_step_keeps_power_and_charge_inside_their_bounds(start: tuple[Asset, Device], dt_s: float) -> None:
    asset, before = start
    after = device.step(asset, before, 0.0, dt_s)
    assert asset.min_w <= after.power_w <= asset.max_w
    assert asset.min_soc_wh <= after.soc_wh <= asset.max_soc_wh


@MANY
@given(running(), steps_s)
def test_power_moves_no_faster_than_the_ramp_except_to_stop_at_a_bound(
    start: tuple[Asset, Device], dt_s: float
) -> None:
    asset, before = start
    after = device.step(asset, before, 0.0, dt_s)
    reach_w = asset.ramp_w_per_s * dt_s
    at_bound = after.soc_wh in (asset.min_soc_wh, asset.max_soc_wh)
    assert abs(after.power_w - before.power_w) <= reach_w * (1 + 1e-9) + 1e-6 or (at_bound and after.power_w == 0)


@MANY
@given(running(), steps_s)
def test_energy_balances(start: tuple[Asset, Device], dt_s: float) -> None:
    """What leaves the store is what is delivered and the loss; what enters is what was taken less the loss."""
    asset, before = start
    after = device.step(asset, before, 0.0, dt_s)
    if after.soc_wh in (asset.min_soc_wh, asset.max_soc_wh):
        return  # the step was cut where the energy no longer fitted
    energy_wh = after.power_w * dt_s / 3600
    loss = 1 / asset.efficiency if energy_wh > 0 else asset.efficiency
    assert before.soc_wh - after.soc_wh == pytest.approx(energy_wh * loss, rel=1e-6, abs=asset.capacity_wh * 1e-12)


@MANY
@given(running(), steps_s)
def test_no_power_outward_at_a_bound(start: tuple[Asset, Device], dt_s: float) -> None:
    asset, before = start
    after = device.step(asset, before, 0.0, dt_s)
    assert not (after.soc_wh == asset.min_soc_wh and after.power_w > 0)
    assert not (after.soc_wh == asset.max_soc_wh and after.power_w < 0)


@MANY
@given(running())
def test_what_is_called_available_stays_inside_the_ratings(start: tuple[Asset, Device]) -> None:
    asset, now = start
    up_w, down_w = device.available_w(asset, now, 0.0)
    assert up_w >= 0
    assert down_w >= 0
    assert now.power_w + up_w <= max(asset.max_w, now.power_w) + 1e-6
    assert now.power_w - down_w >= min(asset.min_w, now.power_w) - 1e-6


def test_a_new_device_rests_in_the_middle_of_its_window() -> None:
    assert device.new(BATTERY) == Device(power_w=0.0, soc_wh=50e6, setpoint_w=None)


def test_a_battery_reaches_its_setpoint_in_ramp_time() -> None:
    asked = device.write(BATTERY, device.new(BATTERY), 10e6)
    assert device.advance(BATTERY, asked, 0.0, 5).power_w == pytest.approx(5e6)
    assert device.advance(BATTERY, asked, 0.0, 10).power_w == pytest.approx(10e6)
    assert device.advance(BATTERY, asked, 0.0, 20).power_w == pytest.approx(10e6)


def test_a_setpoint_beyond_the_ratings_is_held_to_them() -> None:
    assert device.write(BATTERY, device.new(BATTERY), 1e9).setpoint_w == BATTERY.max_w


def test_the_dead_man_returns_an_abandoned_battery_to_zero() -> None:
    asked = device.write(BATTERY, device.new(BATTERY), 10e6)
    held = device.advance(BATTERY, asked, 0.0, DEAD_MAN_S - 1)
    assert held.power_w == pytest.approx(10e6)
    left_alone = device.advance(BATTERY, held, 0.0, 1 + 10)
    assert left_alone.setpoint_w is None
    assert left_alone.power_w == 0


def test_rewriting_the_setpoint_keeps_it() -> None:
    now = device.new(BATTERY)
    for _ in range(10):
        now = device.advance(BATTERY, device.write(BATTERY, now, 10e6), 0.0, DEAD_MAN_S / 3)
    assert now.setpoint_w == 10e6
    assert now.power_w == pytest.approx(10e6)


@pytest.mark.parametrize("elapsed_s", [-5.0, 0.0])
def test_time_that_does_not_pass_changes_nothing(elapsed_s: float) -> None:
    asked = device.write(BATTERY, device.new(BATTERY), 10e6)
    assert device.advance(BATTERY, asked, 0.0, elapsed_s) == asked


def test_a_long_pause_is_walked_through_in_bounded_steps() -> None:
    """A weekend asleep: the dead-man acted after 30 s, so far less than a weekend of energy is gone."""
    asked = device.write(BATTERY, device.new(BATTERY), 10e6)
    woken = device.advance(BATTERY, asked, 0.0, 200_000)
    assert woken.power_w == 0
    assert 50e6 - woken.soc_wh < 10e6 * (DEAD_MAN_S + 10) / 3600 / 0.9


def test_a_solar_setpoint_is_a_ceiling() -> None:
    asked = device.write(SOLAR, Device(20e6, 0.0), 8e6)
    assert device.advance(SOLAR, asked, 20e6, 20).power_w == pytest.approx(8e6)
    assert device.advance(SOLAR, asked, 3e6, 20).power_w == pytest.approx(3e6)
    up_w, down_w = device.available_w(SOLAR, Device(8e6, 0.0), 20e6)
    assert (up_w, down_w) == (12e6, 8e6)


def test_a_load_setpoint_limits_demand() -> None:
    asked = device.write(LOAD, Device(-15e6, 0.0), -5e6)
    assert device.advance(LOAD, asked, -15e6, 20).power_w == pytest.approx(-5e6)
    assert device.advance(LOAD, asked, -2e6, 20).power_w == pytest.approx(-2e6)
    up_w, down_w = device.available_w(LOAD, Device(-5e6, 0.0), -15e6)
    assert (up_w, down_w) == (5e6, 10e6)


def test_an_empty_battery_offers_no_discharge() -> None:
    empty = Device(0.0, BATTERY.min_soc_wh)
    assert device.available_w(BATTERY, empty, 0.0) == (0.0, 40e6)
    full = Device(0.0, BATTERY.max_soc_wh)
    assert device.available_w(BATTERY, full, 0.0) == (50e6, 0.0)
