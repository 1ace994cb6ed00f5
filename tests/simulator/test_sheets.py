"""The demo's sheets: readable by the strict loader for any fleet, and the packaged ones are the packaged fleet's."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dermscore import assets
from dermscore.files import yamlfile
from dermscore.model import Asset, Fleet, Kind, Site
from dermscore.sheets.points import Mode
from dermscore.sheets.reading import read_commands, read_points
from simulator import sheets

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("fleet", [(1, 1), (3, 4), (10, 10)])
def test_any_fleet_gets_sheets_that_load(fleet: tuple[int, int]) -> None:
    generated = assets.load(yamlfile.load(assets.generate(*fleet, seed=1), "assets.yaml"))
    points_text, commands_text = sheets.for_fleet(generated)
    points = read_points(points_text, "points.csv")
    commands = read_commands(commands_text, "commands.csv", points)
    for site in generated.sites.values():
        assert any(point.path == site.path for point in points)
    assert [command.mode for command in commands] in ([Mode.TARGET, Mode.RELEASE], [])


def battery(site: Site) -> Asset:
    return Asset(f"b-{site.id}", "B", site.id, Kind.BATTERY, 1e8, 5e7, -5e7, 0.9, 1e6, 0, 100, "simulated", "default")


NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=100).filter(
    lambda name: name.isprintable() and name == name.strip()
)


@given(st.lists(NAMES | st.sampled_from(["N" * 100, "N" * 99 + "M", "F1", "=cmd()", "-"]), min_size=1, max_size=6))
def test_sites_of_any_names_get_sheets_that_load(names: list[str]) -> None:
    sites = [Site(str(n), name, "R", f"feeder/F1/site/{n}") for n, name in enumerate(names)]
    fleet = Fleet({site.id: site for site in sites}, {f"b-{site.id}": battery(site) for site in sites})
    points_text, commands_text = sheets.for_fleet(fleet)
    points = read_points(points_text, "points.csv")
    assert len(read_commands(commands_text, "commands.csv", points)) == 2
    assert len({point.name for point in points}) == len(points)
    if len(names[0]) <= 40 and names[0][0].isalnum():
        assert points[0].name == f"{names[0]} power"


def test_the_packaged_sheets_are_those_of_the_packaged_fleet() -> None:
    fleet: Fleet = assets.load_file(ROOT / "assets.yaml")
    points, commands = sheets.for_fleet(fleet)
    assert (ROOT / "policies/gateway/points.csv").read_text() == points
    assert (ROOT / "policies/gateway/commands.csv").read_text() == commands
