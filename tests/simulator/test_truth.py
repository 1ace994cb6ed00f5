"""The sites' truth: sums of what the agents wrote, and steady only when it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dermscore.model import Asset, Fleet, Kind, Site
from dermscore.sheets.points import PointKind
from simulator.truth import SETTLING_S, Sites

SITE = Site("s", "S", "R", "feeder/F1/site/S")


def asset(name: str, kind: Kind) -> Asset:
    return Asset(name, name, "s", kind, 1.0, 10.0, -10.0, 0.9, 1.0, 0, 100, "simulated", "default")


@pytest.fixture
def sites(tmp_path: Path) -> Sites:
    assets = [asset("b1", Kind.BATTERY), asset("b2", Kind.BATTERY), asset("pv", Kind.SOLAR)]
    return Sites(Fleet({"s": SITE}, {a.id: a for a in assets}), tmp_path)


def write(sites: Sites, name: str, power_w: float, tick: int = 1) -> None:
    state = {"tick": tick, "power_w": power_w, "setpoint_w": None, "link": "up"}
    (sites.folder / f"{name}.json").write_text(json.dumps(state))


def test_a_sum_needs_every_member(sites: Sites) -> None:
    write(sites, "b1", 5.0)
    sites.look(0)
    assert sites.power_w(SITE.path, PointKind.BATTERY) is None
    write(sites, "b2", 2.0)
    write(sites, "pv", 1.0)
    sites.look(1)
    assert sites.power_w(SITE.path, PointKind.BATTERY) == 7.0
    assert sites.power_w("feeder/F1", PointKind.ALL) == 8.0


def test_a_half_written_file_keeps_the_last_reading(sites: Sites) -> None:
    write(sites, "b1", 5.0)
    sites.look(0)
    (sites.folder / "b1.json").write_text('{"tick"')
    sites.look(1)
    assert sites.readings["b1"].power_w == 5.0


def test_steady_means_the_whole_time_a_value_takes_to_reach_scada(sites: Sites) -> None:
    for name in ("b1", "b2", "pv"):
        write(sites, name, 4.0)
    sites.look(0)
    assert sites.steady_power_w(SITE.path, PointKind.BATTERY, within_w=1) is None
    sites.look(SETTLING_S)
    assert sites.steady_power_w(SITE.path, PointKind.BATTERY, within_w=1) == 8.0
    write(sites, "b1", 9.0)
    sites.look(SETTLING_S + 1)
    assert sites.steady_power_w(SITE.path, PointKind.BATTERY, within_w=1) is None
    sites.look(2 * SETTLING_S + 3)
    assert sites.steady_power_w(SITE.path, PointKind.BATTERY, within_w=1) is None, "what was forgotten proves nothing"
