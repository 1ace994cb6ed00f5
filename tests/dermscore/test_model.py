"""The tree of the fleet, and how paths cover each other: by segments, never by characters."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dermscore.model import Asset, Fleet, Kind, Site, Snapshot, ancestry, covers, path_problem

UNHURRIED = settings(deadline=None)  # the machine may be busy with something else

paths = st.lists(st.sampled_from(["a", "b", "aa", "a.b", "F1", "F12"]), min_size=1, max_size=4).map("/".join)


def asset(asset_id: str, site_id: str, kind: Kind = Kind.BATTERY) -> Asset:
    return Asset(asset_id, asset_id, site_id, kind, 100e6, 50e6, -50e6, 0.9, 1e6, 10.0, 90.0, "simulated", "default")


@pytest.fixture
def fleet() -> Fleet:
    sites = {
        "s1": Site("s1", "One", "A", "feeder/F1/site/S1"),
        "s2": Site("s2", "Two", "A", "feeder/F12/site/S2"),
        "s3": Site("s3", "Three", "B", "feeder/F12/site/S3"),
    }
    members = [asset("b1", "s1"), asset("b2", "s2"), asset("b3", "s3", Kind.SOLAR)]
    return Fleet(sites, {member.id: member for member in members})


def test_a_node_holds_all_below_it(fleet: Fleet) -> None:
    feeder = fleet.node("feeder/F12")
    assert feeder is not None
    assert [member.id for member in feeder.assets] == ["b2", "b3"]
    (level,) = feeder.children
    assert [child.path for child in level.children] == ["feeder/F12/site/S2", "feeder/F12/site/S3"]
    root = fleet.node("")
    assert root is not None
    assert [member.id for member in root.assets] == ["b1", "b2", "b3"]
    assert [child.path for child in root.children] == ["feeder"]


def test_a_fleet_and_a_node_are_shown_in_few_words(fleet: Fleet) -> None:
    whole = fleet.node("")
    assert whole is not None
    assert repr(fleet) == f"Fleet({len(fleet.sites)} sites, {len(fleet.assets)} assets)"
    assert repr(whole) == f"Node('', {len(fleet.assets)} assets, {len(whole.children)} children)"


def test_an_unknown_path_has_no_node_and_no_assets(fleet: Fleet) -> None:
    assert fleet.node("feeder/F") is None
    assert fleet.under("feeder/F") == ()
    assert [member.id for member in fleet.under("feeder/F1")] == ["b1"]


def test_sites_are_found_by_asset_and_by_path(fleet: Fleet) -> None:
    assert fleet.site_of(fleet.assets["b2"]).name == "Two"
    assert fleet.path_of(fleet.assets["b2"]) == "feeder/F12/site/S2"
    site = fleet.site_at("feeder/F12/site/S3")
    assert site is not None
    assert site.id == "s3"
    assert fleet.site_at("feeder/F12") is None


def test_soc_bounds_in_energy_and_what_a_setpoint_ends_in(fleet: Fleet) -> None:
    battery, solar = fleet.assets["b1"], fleet.assets["b3"]
    assert (battery.min_soc_wh, battery.max_soc_wh) == (10e6, 90e6)
    assert battery.reversion_w == 0.0
    assert solar.reversion_w is None


def test_a_snapshot_of_nothing_heard_invents_nothing(fleet: Fleet) -> None:
    assert Snapshot(fleet).measurements == {}
    assert Snapshot(fleet).connected == frozenset()


def test_ancestry_ends_in_the_path_itself() -> None:
    assert list(ancestry("a/b/c")) == ["a", "a/b", "a/b/c"]


def test_a_name_that_begins_another_does_not_cover_it() -> None:
    assert not covers("feeder/F1", "feeder/F12")
    assert covers("feeder/F1", "feeder/F1")
    assert covers("feeder/F1", "feeder/F1/site/S1")
    assert covers("", "feeder")
    assert not covers("feeder/F1/site/S1", "feeder/F1")


@UNHURRIED
@given(paths, paths)
def test_a_path_covers_exactly_what_has_it_in_its_ancestry(path: str, other: str) -> None:
    assert covers(path, other) == (path in ancestry(other))


@UNHURRIED
@given(paths)
def test_well_made_paths_have_no_problem(path: str) -> None:
    assert path_problem(path) is None


@pytest.mark.parametrize("path", ["", "/", "a/", "/a", "a//b", "a b", "../a", "a/.", "ä", "a\n", "a/*", "-a"])
def test_badly_made_paths_have_one(path: str) -> None:
    problem = path_problem(path)
    assert problem is not None
    assert "is not a path" in problem


def test_a_path_has_a_greatest_length() -> None:
    assert path_problem("a" * 200) is None
    problem = path_problem("a" * 201)
    assert problem is not None
    assert "200" in problem
