"""Who can be planned with, and what is known of them."""

from __future__ import annotations

from typing import Any

import pytest

from dermscore.dispatch.limits import BoundSource
from dermscore.dispatch.schedule import Batteries
from dermscore.model import Asset, Fleet, Impairment, ImpairmentKind, Kind, Measurement, Snapshot
from dermscore.quality import GOOD
from tests.dermscore.dispatch.schedule.plans import MW, batteries, planned, refusal, world


def test_batteries_are_read_of_the_snapshot() -> None:
    full = world(5, impaired={"b1": Impairment(ImpairmentKind.LOCKOUT), "b4": Impairment(ImpairmentKind.OUTAGE, "hot")})
    assets = dict(full.fleet.assets)
    assets["pv"] = Asset("pv", "PV", "s0", Kind.SOLAR, 0, MW, 0, 1, 1e6, 0, 100, "x", "d")
    measurements = {name: value for name, value in full.measurements.items() if name != "b2"}
    snapshot = Snapshot(Fleet(full.fleet.sites, assets), measurements, full.connected - {"b3"}, full.impaired)
    tree = snapshot.fleet.node("")
    assert tree is not None
    read = Batteries.of(tree, snapshot)
    assert (read.ids, read.paths) == (("b0",), ("F0/S0",))
    assert (read.soc_wh[0], read.end_soc_wh[0], read.min_soc_wh[0], read.cost_per_mwh[0]) == (40e6, 40e6, 8e6, 3)
    assert {each.asset_id: (each.source, each.detail) for each in read.excluded} == {
        "b1": (BoundSource.LOCKOUT, "B1: lockout"),
        "b2": (BoundSource.NEVER_HEARD, "nothing was ever heard of B2"),
        "b3": (BoundSource.DISCONNECTED, "B3 is not connected"),
        "b4": (BoundSource.OUTAGE, "B4: hot"),
    }
    assert planned(read, prices=[1, 2]).excluded == read.excluded
    unknown = Measurement("b0", 0, 0.0, None, 0.0, 0.0, None, GOOD)
    silent = Batteries.of(tree, Snapshot(snapshot.fleet, {"b0": unknown}, frozenset({"b0"})))
    assert silent.excluded[0].source is BoundSource.NOT_KNOWN
    assert refusal(silent, prices=[1]) == "there is no battery to plan"


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"ids": ("b", "b")}, "two batteries have the same id"),
        ({"soc_wh": [1.0]}, "soc_wh has 1 entries for 2 batteries"),
        ({"paths": ("a",)}, "paths has 1 entries for 2 batteries"),
        ({"soc_wh": [1.0, float("nan")]}, "soc_wh of b1 is not a number"),
        ({"max_w": [1.0, -1.0]}, "b1: min_w must be at most 0 and max_w at least 0"),
        ({"efficiency": [1.0, 0.0]}, "b1: efficiency must be above 0 and at most 1"),
        ({"min_soc_wh": [3 * MW, 0.0]}, "b0: min_soc_wh must be at least 0 and at most max_soc_wh"),
        ({"soc_wh": [0.0, -1.0]}, "b1: soc_wh must be at least 0"),
        ({"capacity_wh": [1.0, -1.0]}, "b1: capacity_wh must be at least 0"),
        ({"end_soc_wh": [-1.0, 0.0]}, "b0: end_soc_wh must be at least 0"),
        ({"cost_per_mwh": [0.0, -1.0]}, "b1: cost_per_mwh must be at least 0"),
    ],
)
def test_batteries_are_checked(columns: Any, reason: str) -> None:
    assert refusal(batteries(2, **columns), prices=[1]) == reason
