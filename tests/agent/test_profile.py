"""The natural curves: inside the ratings, smooth, the same in every process, different between assets."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.drivers.profile import Profile, natural_w
from dermscore.model import Asset, Kind

SOLAR = Asset("v1", "Solar", "s1", Kind.SOLAR, 0.0, 30e6, 0.0, 1.0, 1e7, 0.0, 100.0, "simulated", "default")
LOAD = replace(SOLAR, id="l1", kind=Kind.LOAD, max_w=0.0, min_w=-20e6)
BATTERY = replace(SOLAR, id="b1", kind=Kind.BATTERY, capacity_wh=1e6, min_w=-30e6)

times_ms = st.integers(0, 4_000_000_000_000)


@settings(deadline=None)
@given(times_ms, st.text(min_size=1, max_size=8))
def test_each_kind_stays_inside_its_ratings(utc_ms: int, asset_id: str) -> None:
    profile = Profile.of(asset_id)
    assert 0 < natural_w(SOLAR, profile, utc_ms) <= SOLAR.max_w
    assert LOAD.min_w <= natural_w(LOAD, profile, utc_ms) < 0
    assert natural_w(BATTERY, profile, utc_ms) == 0


@settings(deadline=None)
@given(times_ms)
def test_a_cloud_takes_seconds_not_milliseconds(utc_ms: int) -> None:
    profile = Profile.of("v1")
    change_w = natural_w(SOLAR, profile, utc_ms + 250) - natural_w(SOLAR, profile, utc_ms)
    assert abs(change_w) < SOLAR.max_w * 0.02


def test_the_curve_is_the_assets_own_and_stays_so() -> None:
    first, again, other = Profile.of("v1"), Profile.of("v1"), Profile.of("v2")
    assert first == again
    assert first != other
