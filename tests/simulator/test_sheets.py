"""The demo's sheets: readable by the strict loader for any fleet, and the packaged ones are the packaged fleet's."""

from __future__ import annotations

from pathlib import Path

import pytest

from dermscore import assets, yamlfile
from dermscore.model import Fleet
from dermscore.points import Mode
from dermscore.sheets import read_commands, read_points
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


def test_the_packaged_sheets_are_those_of_the_packaged_fleet() -> None:
    fleet: Fleet = assets.load_file(ROOT / "assets.yaml")
    points, commands = sheets.for_fleet(fleet)
    assert (ROOT / "policies/gateway/points.csv").read_text() == points
    assert (ROOT / "policies/gateway/commands.csv").read_text() == commands
