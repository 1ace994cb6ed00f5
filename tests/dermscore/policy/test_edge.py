"""What a policy asks of the edge: each asset's part of what always stands, and nothing that goes by the clock."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_helpers import DISPATCH, MANY, loaded

from dermscore.dispatch.limits import Limit
from dermscore.guard import Fallback
from dermscore.model import Asset, Fleet, Kind, Site
from dermscore.policy.edge import edge_fallbacks
from dermscore.policy.limits import LimitRule

B1 = "c135af9e-604f-5f2a-aff0-1c5b43688d0c"
BATTERY = Asset(B1, "B1", "s1", Kind.BATTERY, 100e6, 40e6, -40e6, 0.9, 1e6)
SOLAR = Asset("p1", "P1", "s1", Kind.SOLAR, 0.0, 20e6, 0.0, 1.0, 1e6)
LOAD = Asset("l1", "L1", "s2", Kind.LOAD, 0.0, 0.0, -10e6, 1.0, 1e6)
FLEET = Fleet(
    {"s1": Site("s1", "S1", "R", "feeder/F1/site/S1"), "s2": Site("s2", "S2", "R", "feeder/F1/site/S2")},
    {asset.id: asset for asset in (BATTERY, SOLAR, LOAD)},
)


def given_limits(limits: str) -> dict[str, Fallback]:
    return dict(edge_fallbacks(loaded(dispatch=f"{DISPATCH}limits:\n{limits}"), FLEET))


def test_without_limits_an_asset_goes_back_as_it_does_of_itself() -> None:
    own = {asset.id: Fallback.of(asset) for asset in FLEET.assets.values()}
    assert edge_fallbacks(loaded(), FLEET) == own
    assert given_limits("  - {paths: [/], soc_reserve_pct: 20, ramp_w_per_s: 1000, reason: not the edge's}") == own


def test_each_gets_its_part_of_the_nodes_ramp_and_limits() -> None:
    found = given_limits(
        """
  - {paths: [feeder/F1/site/S1], fallback_ramp_w_per_s: 3.0e5, export_limit_w: 30.0e6, reason: connection}
  - {paths: [/], import_limit_w: 25.0e6, reason: transformer}
"""
    )
    assert found[B1] == Fallback(Fallback.of(BATTERY).delay_ms, 2e5, most_w=20e6, least_w=-20e6)
    assert found["p1"] == Fallback(Fallback.of(SOLAR).delay_ms, 1e5, most_w=10e6, least_w=-0.0)
    assert found["l1"] == replace(Fallback.of(LOAD), least_w=-5e6)


@pytest.mark.parametrize("turn", [1, -1])
def test_of_several_limits_the_tightest_binds_whichever_comes_first(turn: int) -> None:
    rules = [
        "  - {paths: [/], fallback_ramp_w_per_s: 7.0e4, export_limit_w: 60.0e6, load_limit_w: 8.0e6, reason: all}",
        "  - {paths: [feeder/F1/site/S2], import_limit_w: 4.0e6, load_limit_w: 3.0e6, reason: S2}",
        f"  - {{assets: [{B1}], "
        "fallback_ramp_w_per_s: 3.0e4, generation_limit_w: 5.0e6, export_limit_w: 9.0e6, reason: b}",
    ]
    found = given_limits("\n".join(rules[::turn]))
    assert (found[B1].ramp_w_per_s, found[B1].most_w) == (pytest.approx(3e4), 5e6)
    assert (found["p1"].ramp_w_per_s, found["p1"].most_w) == (pytest.approx(2e4), None)
    assert (found["l1"].ramp_w_per_s, found["l1"].least_w) == (pytest.approx(1e4), pytest.approx(-1.6e6))


@pytest.mark.parametrize(
    "when",
    [
        "not_before: 2026-01-01T00:00:00Z",
        "not_after: 2036-01-01T00:00:00Z",
        "windows: [{days: [mon], begins: 16:00, ends: 21:00, zone: Europe/Berlin}]",
    ],
)
def test_what_goes_by_the_clock_is_not_taken_to_the_edge(when: str) -> None:
    assert given_limits(f"  - {{paths: [/], export_limit_w: 0, {when}, reason: evening}}") == given_limits("  []")


def test_a_node_that_is_not_in_the_fleet_holds_nobody() -> None:
    assert given_limits("  - {paths: [feeder/F9], export_limit_w: 0, reason: elsewhere}") == given_limits("  []")


magnitudes = st.none() | st.floats(0, 1e9)
rules = st.builds(
    LimitRule,
    place=st.just("limits[0]"),
    nodes=st.lists(
        st.sampled_from(["", "feeder/F1", "feeder/F1/site/S1", "feeder/F1/site/S2", B1, "l1"]), min_size=1
    ).map(tuple),
    amounts=st.builds(
        Limit,
        node=st.just(""),
        source=st.just(""),
        export_limit_w=magnitudes,
        import_limit_w=magnitudes,
        generation_limit_w=magnitudes,
        load_limit_w=magnitudes,
        fallback_ramp_w_per_s=st.none() | st.floats(1.0, 1e9),
    ),
)


@MANY
@given(st.lists(rules, max_size=5).map(tuple))
def test_every_node_keeps_its_ramp_and_its_limits_whatever_its_members_know(limits: tuple[LimitRule, ...]) -> None:
    found = edge_fallbacks(replace(loaded(), limits=limits), FLEET)
    for rule in limits:
        for node in rule.nodes:
            members = FLEET.under(node) or (FLEET.assets[node],)
            slack = 1 + 1e-9
            ups = [_least(asset.max_w, found[asset.id].most_w) for asset in members]
            downs = [_least(-asset.min_w, _flipped(found[asset.id].least_w)) for asset in members]
            ramp = math.fsum(found[asset.id].ramp_w_per_s for asset in members)
            amounts = rule.amounts
            for limit_w, sums in (
                (amounts.export_limit_w, ups),
                (amounts.generation_limit_w, ups),
                (amounts.import_limit_w, downs),
                (amounts.load_limit_w, downs),
            ):
                assert limit_w is None or math.fsum(sums) <= limit_w * slack
            assert amounts.fallback_ramp_w_per_s is None or ramp <= amounts.fallback_ramp_w_per_s * slack


def _least(rating_w: float, bound_w: float | None) -> float:
    return max(rating_w, 0.0) if bound_w is None else min(max(rating_w, 0.0), bound_w)


def _flipped(w: float | None) -> float | None:
    return None if w is None else -w
