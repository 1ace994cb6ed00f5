"""Bounds, each with its source; and who is left out, and why."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import pytest

from dermscore.dispatch import BoundSource, Controls, Envelope, Event, Limit, Mode, Value, arbitrate, envelope
from dermscore.model import Asset, Fleet, Kind, Measurement, Now, Site, Snapshot
from dermscore.quality import GOOD, Quality, Validity

NOW = Now(10_000, 0)
S3 = Site("s3", "S3", "here", "feeder/S3")
S4 = Site("s4", "S4", "there", "feeder/S4")
B1 = Asset("b1", "B1", "s3", Kind.BATTERY, 100e6, 40e6, -30e6, 0.9, 1e6, 10, 90, "simulated", "default")
B2 = replace(B1, id="b2", name="B2")
B3 = replace(B1, id="b3", name="B3", site_id="s4")
P1 = replace(B1, id="p1", name="P1", kind=Kind.SOLAR, capacity_wh=0.0, min_w=0.0, max_w=20e6)


@dataclass(frozen=True)
class OneProgram:
    primacy: int
    on_supersede: Literal["terminate", "resume"] = "terminate"
    defaults: Mapping[str, Mapping[Mode, Value]] = field(default_factory=dict)


PROGRAMS = {"scada": OneProgram(2), "market": OneProgram(5)}


def heard(asset: Asset, **more: object) -> Measurement:
    soc_wh = 50e6 if asset.kind is Kind.BATTERY else None
    plain = Measurement(asset.id, 0, 3e6, soc_wh, 0.0, 0.0, None, GOOD)
    return replace(plain, **more)  # type: ignore[arg-type]


def bounded(
    *assets: Asset,
    measured: tuple[Measurement, ...] = (),
    connected: frozenset[str] | None = None,
    controls: Controls = Controls(),  # noqa: B008 - frozen
    limits: tuple[Limit, ...] = (),
    path: str = "feeder/S3",
) -> Envelope:
    fleet = Fleet({"s3": S3, "s4": S4}, {asset.id: asset for asset in assets})
    measurements = {each.asset_id: each for each in (*map(heard, assets), *measured)}
    snapshot = Snapshot(fleet, measurements, frozenset(fleet.assets) if connected is None else connected)
    node = fleet.node(path)
    assert node is not None
    return envelope(node, snapshot, controls, limits, NOW)


def pair(of: Envelope, asset_id: str) -> tuple[float, BoundSource, float, BoundSource]:
    bounds = of.bounds[asset_id]
    return bounds.min.w, bounds.min.source, bounds.max.w, bounds.max.source


def test_a_battery_in_the_middle_is_bound_by_its_rating() -> None:
    result = bounded(B1, P1)
    assert pair(result, "b1") == (-30e6, BoundSource.RATING, 40e6, BoundSource.RATING)
    assert result.bounds["b1"].max.detail == "its rating of 40 MW"
    assert (result.node.min.w, result.node.max.w) == (-30e6, 43e6)
    assert result.node.max.detail == "43 MW from 2 assets"
    assert pair(result, "p1") == (0, BoundSource.RATING, 3e6, BoundSource.AVAILABLE)
    assert result.bounds["p1"].max.detail == "its available 3 MW"


def test_at_a_bound_of_its_charge_a_battery_gives_nothing_outward() -> None:
    empty = bounded(B1, measured=(heard(B1, soc_wh=10e6),))
    assert pair(empty, "b1") == (-30e6, BoundSource.RATING, 0, BoundSource.SOC)
    assert empty.bounds["b1"].max.detail == "0 W: its state of charge is at its minimum of 10 %"
    full = bounded(B1, measured=(heard(B1, soc_wh=90e6),))
    assert pair(full, "b1") == (0, BoundSource.SOC, 40e6, BoundSource.RATING)


def test_a_rating_without_zero_gives_way_to_a_bound_of_zero() -> None:
    must_run = replace(B1, min_w=1e6)
    result = bounded(must_run, measured=(heard(B1, soc_wh=10e6),))
    assert pair(result, "b1") == (0, BoundSource.SOC, 0, BoundSource.SOC)


def test_a_limit_inside_a_rating_without_zero_leaves_nothing_but_off() -> None:
    must_run = replace(B1, min_w=10e6)
    result = bounded(must_run, limits=(Limit("b1", "summer", 5e6, None),))
    assert pair(result, "b1") == (0, BoundSource.LIMIT, 0, BoundSource.LIMIT)
    assert result.bounds["b1"].max.detail == "0 W: summer: export 5 MW"


def test_a_limit_tightens_and_never_loosens() -> None:
    tight = bounded(B1, limits=(Limit("b1", "summer", 5e6, 0.0), Limit("elsewhere", "x", 0.0, 0.0)))
    assert pair(tight, "b1") == (0, BoundSource.LIMIT, 5e6, BoundSource.LIMIT)
    assert tight.bounds["b1"].max.detail == "summer: export 5 MW"
    assert tight.bounds["b1"].min.detail == "summer: import 0 W"
    loose = bounded(B1, limits=(Limit("b1", "winter", 99e6, 99e6),))
    assert pair(loose, "b1") == pair(bounded(B1), "b1")
    none = bounded(B1, limits=(Limit("b1", "nothing", None, None),))
    assert pair(none, "b1") == pair(bounded(B1), "b1")


def test_whoever_cannot_be_asked_is_left_out_with_the_cause() -> None:
    fleet = Fleet({"s3": S3}, {"b1": B1, "b2": B2})
    node = fleet.node("feeder/S3")
    assert node is not None
    result = envelope(node, Snapshot(fleet, {"b2": heard(B2)}), Controls(), (), NOW)
    assert result.bounds == {}
    assert result.excluded["b1"].source is BoundSource.NEVER_HEARD
    assert result.excluded["b2"].source is BoundSource.DISCONNECTED
    assert result.excluded["b2"].detail == "B2 is not connected"
    assert result.node.max.detail == "0 W from 0 assets"


@pytest.mark.parametrize(
    "measurement",
    [heard(B1, power_w=math.nan), heard(B1, soc_wh=None), heard(B1, quality=Quality(Validity.INVALID))],
)
def test_a_measurement_that_cannot_be_used_leaves_the_asset_out(measurement: Measurement) -> None:
    excluded = bounded(B1, measured=(measurement,)).excluded["b1"]
    assert excluded.source is BoundSource.NOT_KNOWN
    assert "B1" in excluded.detail


SITE_EVENT = Event("d1", "feeder/S3", "market", 1_000, 0, 20_000, {Mode.TARGET_W: 10e6})


def with_events(*events: Event) -> Controls:
    return arbitrate(PROGRAMS, events, NOW)


def test_the_control_being_dispatched_holds_nobody() -> None:
    assert pair(bounded(B1, controls=with_events(SITE_EVENT)), "b1") == pair(bounded(B1), "b1")


def test_an_asset_under_a_higher_dispatch_stays_where_that_put_it() -> None:
    own = replace(SITE_EVENT, id="d0", node="b1", program="scada", controls={Mode.TARGET_W: 7e6})
    result = bounded(B1, B2, controls=with_events(SITE_EVENT, own))
    assert pair(result, "b1") == (7e6, BoundSource.HELD, 7e6, BoundSource.HELD)
    assert result.bounds["b1"].max.detail == "held by dispatch d0 (program scada, primacy 2)"
    assert pair(result, "b2")[1] is BoundSource.RATING


def test_an_asset_under_an_older_dispatch_is_free() -> None:
    own = replace(SITE_EVENT, id="d0", node="b1", issued_ms=0, controls={Mode.TARGET_W: 7e6})
    assert pair(bounded(B1, controls=with_events(SITE_EVENT, own)), "b1")[1] is BoundSource.RATING


def test_a_held_value_stays_inside_the_bounds() -> None:
    own = replace(SITE_EVENT, id="d0", node="b1", program="scada", controls={Mode.TARGET_W: 7e6})
    empty = bounded(B1, measured=(heard(B1, soc_wh=10e6),), controls=with_events(SITE_EVENT, own))
    assert pair(empty, "b1")[0] == 0


def test_under_another_nodes_dispatch_an_asset_stays_at_its_setpoint_or_its_power() -> None:
    whole = replace(SITE_EVENT, id="d0", node="", program="scada", controls={Mode.TARGET_W: 90e6})
    told = bounded(B1, measured=(heard(B1, setpoint_w=9e6),), controls=with_events(SITE_EVENT, whole))
    assert pair(told, "b1")[0] == 9e6
    untold = bounded(B1, controls=with_events(SITE_EVENT, whole))
    assert pair(untold, "b1")[0] == 3e6
    released = replace(SITE_EVENT, id="d0", node="b1", program="scada", controls={Mode.TARGET_W: None})
    assert pair(bounded(B1, controls=with_events(SITE_EVENT, released)), "b1")[0] == 3e6


def test_a_dispatch_inside_the_node_holds_its_own_part_only() -> None:
    feeder = replace(SITE_EVENT, id="d2", node="feeder", issued_ms=0)
    result = bounded(B1, B3, controls=with_events(SITE_EVENT, feeder), path="feeder")
    assert pair(result, "b1")[1] is BoundSource.HELD
    assert pair(result, "b3")[1] is BoundSource.RATING


def test_a_control_that_has_ended_since_holds_nobody() -> None:
    own = replace(SITE_EVENT, id="d0", node="b1", program="scada", controls={Mode.TARGET_W: 7e6}, ends_ms=9_500)
    controls = arbitrate(PROGRAMS, [own], Now(9_000, 0))
    assert controls.at("b1") is not None
    assert pair(bounded(B1, controls=controls), "b1")[1] is BoundSource.RATING
