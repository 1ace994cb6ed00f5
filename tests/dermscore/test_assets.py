"""assets.yaml: the demo fleet, everything that can be wrong with one, and there and back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dermscore import assets
from dermscore.errors import BadInput
from dermscore.files.yamlfile import load
from dermscore.model import Asset, Fleet, Kind, Site

ROOT = Path(__file__).parents[2]
MANY = settings(max_examples=2000 if os.environ.get("DERMS_SOAK") == "1" else 60, deadline=None)

S1, S2 = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
A1, A2 = "aaaaaaaa-1111-1111-1111-111111111111", "aaaaaaaa-2222-2222-2222-222222222222"
BATTERY = {
    "id": A1,
    "name": "B",
    "site_id": S1,
    "capacity_mwhr": 100,
    "max_mw": 50,
    "min_mw": -50,
    "efficiency": 0.9,
    "ramp_rate_mw_per_min": 1000,
}
SITE = {"id": S1, "name": "One", "location": "Region-A", "path": "feeder/F1/site/S1"}


def text(sites: list[dict[str, Any]], members: list[dict[str, Any]]) -> str:
    def entries(each: list[dict[str, Any]]) -> str:
        return "".join(f"- {{{', '.join(f'{key}: {value}' for key, value in entry.items())}}}\n" for entry in each)

    return f"sites:\n{entries(sites)}assets:\n{entries(members)}"


def fleet(sites: list[dict[str, Any]], members: list[dict[str, Any]]) -> Fleet:
    return assets.load(load(text(sites, members), "assets.yaml"))


def problems(sites: list[dict[str, Any]], members: list[dict[str, Any]]) -> list[str]:
    with pytest.raises(BadInput) as caught:
        fleet(sites, members)
    return [str(problem) for problem in caught.value.problems]


def test_the_demo_fleet_loads_in_watts() -> None:
    demo = assets.load_file(ROOT / "assets.yaml")
    assert (len(demo.sites), len(demo.assets)) == (3, 10)
    jersey = demo.site_at("feeder/F12/site/S1")
    assert jersey is not None
    first = demo.under(jersey.path)[0]
    assert (first.capacity_wh, first.max_w, first.min_w) == (100e6, 50e6, -50e6)
    assert first.ramp_w_per_s == pytest.approx(1000e6 / 60)
    assert (first.kind, first.driver, first.program) == (Kind.BATTERY, "simulated", "default")


def test_a_file_of_earlier_users_needs_no_new_key() -> None:
    loaded = fleet([{key: SITE[key] for key in ("id", "name", "location")}], [BATTERY])
    assert loaded.sites[S1].path == f"site/{S1}"
    battery = loaded.assets[A1]
    assert (battery.kind, battery.min_soc_pct, battery.max_soc_pct) == (Kind.BATTERY, 0.0, 100.0)
    assert (battery.cost_per_mwh, battery.dead_band_w) == (0.0, 0.0)


def test_a_cost_and_a_dead_band_are_kept() -> None:
    battery = fleet([SITE], [BATTERY | {"cost_per_mwh": 12.5, "dead_band_mw": 2}]).assets[A1]
    assert (battery.cost_per_mwh, battery.dead_band_w) == (12.5, 2e6)


def test_an_id_is_a_uuid_in_small_letters() -> None:
    loaded = fleet([SITE], [BATTERY | {"id": A1.upper()}])
    assert list(loaded.assets) == [A1]
    assert problems([SITE], [BATTERY | {"id": "b1"}]) == [
        "assets.yaml:4: assets[0].id: 'b1' is not a UUID; write it like 4278e0db-b460-583b-b183-2cf2ff7a54e4"
    ]


@pytest.mark.parametrize(
    ("change", "key", "words"),
    [
        ({"site_id": S2}, "site_id", f"no site has the id {S2}"),
        ({"id": S1}, "id", "a site has this id; choose another"),
        ({"min_mw": 51, "max_mw": 50}, "min_mw", "must not be above max_mw (50)"),
        ({"min_mw": 1}, "min_mw", "0 MW must lie between min_mw and max_mw"),
        ({"max_mw": -1}, "max_mw", "0 MW must lie between min_mw and max_mw"),
        ({"max_mw": 50_000_000}, "max_mw", "must be at most 10000.0, not 50000000"),
        ({"capacity_mwhr": 0}, "capacity_mwhr", "a battery must have more than 0"),
        ({"capacity_mwhr": -1}, "capacity_mwhr", "must be at least 0"),
        ({"kind": "solar", "min_mw": 0}, "capacity_mwhr", "must be 0 for kind solar, which stores nothing"),
        ({"kind": "solar", "capacity_mwhr": 0}, "min_mw", "must be 0 for kind solar, which absorbs nothing"),
        ({"kind": "load", "capacity_mwhr": 0}, "max_mw", "must be 0 for kind load, which injects nothing"),
        ({"min_soc_pct": 50, "max_soc_pct": 50}, "min_soc_pct", "must be below max_soc_pct (50)"),
        ({"dead_band_mw": 51}, "dead_band_mw", "must not be above both ratings: the asset could do nothing but 0 MW"),
        ({"dead_band_mw": -1}, "dead_band_mw", "must be at least 0"),
        ({"cost_per_mwh": -1}, "cost_per_mwh", "must be at least 0"),
        ({"max_soc_pct": 101}, "max_soc_pct", "must be at most 100"),
        ({"efficiency": 0}, "efficiency", "must be more than 0"),
        ({"efficiency": 1.1}, "efficiency", "must be at most 1"),
        ({"ramp_rate_mw_per_min": 0}, "ramp_rate_mw_per_min", "must be more than 0"),
        ({"max_mw": "'50'"}, "max_mw", "must be a number, not '50'; take the quotes away"),
        ({"name": "' B'"}, "name", "must be one line of plain text, without blanks at its ends"),
        ({"name": '"a\\0b"'}, "name", "must be one line of plain text"),
        ({"max_mW": 50}, "max_mW", "unknown key 'max_mW'; did you mean 'max_mw'?"),
    ],
)
def test_what_can_be_wrong_with_an_asset(change: dict[str, Any], key: str, words: str) -> None:
    (problem,) = problems([SITE], [BATTERY | change])
    assert problem.startswith(f"assets.yaml:4: assets[0].{key}: {words}")


def test_what_can_be_wrong_between_sites_and_between_assets() -> None:
    sites = [
        SITE,
        SITE | {"name": "Again"},
        SITE | {"id": S2, "path": "feeder/F1/site/S1/roof"},
        SITE | {"id": A2, "path": "feeder/F1/site/S11"},
    ]
    assert problems(sites, [BATTERY, BATTERY | {"site_id": S1[:-1] + "2"}]) == [
        "assets.yaml:3: sites[1].id: sites[0] has this id already",
        "assets.yaml:3: sites[1].path: sites[0] stands there already",
        "assets.yaml:4: sites[2].path: lies inside another site, sites[0]",
        "assets.yaml:8: assets[1].id: assets[0] has this id already",
        f"assets.yaml:8: assets[1].site_id: no site has the id {S1[:-1]}2; did you mean '{S1}'?",
    ]


def test_a_path_is_checked_where_it_is_written() -> None:
    assert "'feeder F1' is not a path" in problems([SITE | {"path": "feeder F1"}], [BATTERY])[0]


def test_a_fleet_of_nothing_is_no_fleet() -> None:
    with pytest.raises(BadInput, match="must have at least 1 of them"):
        assets.load(load("sites: []\nassets: []\n", "assets.yaml"))


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (40, 2)])
def test_a_generated_fleet_is_the_same_for_ever_and_loads(shape: tuple[int, int]) -> None:
    made = assets.generate(*shape, seed=7)
    assert made == assets.generate(*shape, seed=7)
    assert made != assets.generate(*shape, seed=8)
    loaded = assets.load(load(made, "assets.yaml"))
    assert (len(loaded.sites), len(loaded.assets)) == (shape[0], shape[0] * shape[1])
    assert assets.load(load(assets.dump(loaded), "again.yaml")) == loaded


def test_a_seed_names_one_fleet_whatever_the_version_of_python() -> None:
    first = assets.load(load(assets.generate(1, 1, 1), "assets.yaml"))
    (battery,) = first.assets.values()
    assert (battery.id, battery.max_w) == ("949c6bf4-d37e-5d70-b81b-25faa334cef3", 56000000.0)


def test_a_fleet_has_at_least_one_of_each() -> None:
    for shape in ((0, 1), (1, 0)):
        with pytest.raises(ValueError, match="at least one"):
            assets.generate(*shape)


names = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Cn", "Co", "Zl", "Zp", "Zs", "Cf"]), min_size=1, max_size=20
) | st.sampled_from(
    ["no", "null", "True", "12", "a: b", "a #b", "- a", "Jersey battery 1", "'", '"', "\\", "&a", "*a", "1e3", "~"]
)
megawatts = st.floats(0, 10_000)


@st.composite
def fleets(draw: st.DrawFn) -> Fleet:
    site = Site(S1, draw(names), draw(names), "feeder/F1/site/S1")
    low, high = sorted((draw(st.floats(0, 100)), draw(st.floats(0, 100))))
    battery = Asset(
        id=A1,
        name=draw(names),
        site_id=S1,
        kind=Kind.BATTERY,
        capacity_wh=round(draw(megawatts) * 1e6, 6) + 1,
        max_w=round(draw(megawatts) * 1e6, 6),
        min_w=-round(draw(megawatts) * 1e6, 6),
        efficiency=draw(st.floats(0.01, 1)),
        ramp_w_per_s=round(draw(st.floats(0.001, 1e6)) * 1e6 / 60, 6),
        min_soc_pct=low,
        max_soc_pct=high if high > low else 100.0,
        driver=draw(names),
        program=draw(names),
        cost_per_mwh=draw(st.floats(0, 1e6)),
    )
    return Fleet({S1: site}, {A1: battery})


@MANY
@given(fleets())
def test_what_is_dumped_loads_the_same(made: Fleet) -> None:
    """Texts and percentages exactly; watts to the microwatt that `assets.yaml` can say, and the second time exactly."""
    once = assets.load(load(assets.dump(made), "assets.yaml"))
    assert once.sites == made.sites
    battery, again = made.assets[A1], once.assets[A1]
    assert (again.name, again.driver, again.program) == (battery.name, battery.driver, battery.program)
    assert again.cost_per_mwh == battery.cost_per_mwh
    assert (again.min_soc_pct, again.max_soc_pct) == (battery.min_soc_pct, battery.max_soc_pct)
    for key in ("capacity_wh", "max_w", "min_w", "ramp_w_per_s"):
        assert getattr(again, key) == pytest.approx(getattr(battery, key), rel=1e-15, abs=1e-6)
    assert assets.load(load(assets.dump(once), "assets.yaml")) == once
