"""Bounds, each with its source; and who is left out, and why."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dermscore.dispatch import (
    Allocation,
    BoundSource,
    Control,
    Controls,
    Envelope,
    Event,
    Limit,
    Mode,
    Value,
    allocate,
    arbitrate,
    envelope,
)
from dermscore.model import (
    Asset,
    Fleet,
    Impairment,
    ImpairmentKind,
    Kind,
    Measurement,
    Node,
    Now,
    Site,
    Snapshot,
)
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
    impaired: Mapping[str, Impairment] = MappingProxyType({}),
    **more: float,
) -> Envelope:
    fleet = Fleet({"s3": S3, "s4": S4}, {asset.id: asset for asset in assets})
    measurements = {each.asset_id: each for each in (*map(heard, assets), *measured)}
    snapshot = Snapshot(fleet, measurements, frozenset(fleet.assets) if connected is None else connected, impaired)
    node = Node(path, (fleet.assets[path],)) if path in fleet.assets else fleet.node(path)
    assert node is not None
    return envelope(node, snapshot, controls, limits, NOW, **more)


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


# --- nodes ---


def test_a_node_has_bounds_of_its_own_with_the_limits_inside_it_counted() -> None:
    limits = (Limit("feeder/S3", "limits[0]", export_limit_w=25e6), Limit("feeder/S4", "limits[1]", load_limit_w=7e6))
    result = bounded(B1, B3, limits=limits, path="feeder")
    site = result.bounds_of("feeder/S3")
    assert (site.max.w, site.max.source, site.min.w) == (25e6, BoundSource.LIMIT, -30e6)
    assert site.max.detail == "limits[0]: export 25 MW, at feeder/S3"
    assert (result.node.max.w, result.node.min.w) == (65e6, -37e6)
    assert result.node.max.source is BoundSource.ASSETS
    with pytest.raises(KeyError):
        result.bounds_of("feeder/S9")


def test_under_a_node_above_the_tree_the_tree_gets_what_others_leave() -> None:
    others = heard(B3, power_w=8e6)
    limits = (
        Limit("feeder", "L", export_limit_w=20e6, import_limit_w=5e6, generation_limit_w=30e6),
        Limit("", "M", load_limit_w=9e6, soc_reserve_pct=50),
    )
    site = bounded(B1, B3, measured=(others,), limits=limits).node
    assert (site.min.w, site.max.w) == (-9e6, 0)
    export = bounded(B1, B3, measured=(others,), limits=limits[:1]).node
    assert (export.min.w, export.max.w) == (-13e6, 12e6)
    alone = bounded(B1, B3, measured=(others,), limits=limits[:1], path="b1").node
    assert (alone.min.w, alone.max.w) == (-13e6, 12e6)
    assert bounded(B1, limits=(Limit("x", "X", 0.0),), path="").node.max.w == 40e6


def test_a_generator_elsewhere_counts_at_what_it_is_let_give() -> None:
    limits = (Limit("feeder", "L", export_limit_w=20e6),)
    sun = replace(P1, id="p4", site_id="s4")
    free = heard(sun, power_w=3e6, available_up_w=6e6)
    assert bounded(B1, sun, measured=(free,), limits=limits).node.max.w == 11e6
    assert bounded(B1, sun, measured=(replace(free, setpoint_w=5e6),), limits=limits).node.max.w == 15e6
    assert bounded(B1, sun, measured=(replace(free, setpoint_w=15e6),), limits=limits).node.max.w == 11e6


def test_a_reserve_and_a_window_are_kept_below_and_above() -> None:
    reserve = (Limit("feeder/S3", "limits[3]", soc_reserve_pct=50),)
    assert bounded(B1, limits=reserve).bounds["b1"].max.detail == (
        "0 W: its state of charge is at its minimum of 50 % (limits[3]: reserve 50 %)"
    )
    window = (Limit("b1", "limits[4]", soc_min_pct=20, soc_max_pct=50),)
    assert pair(bounded(B1, limits=window), "b1") == (0, BoundSource.SOC, 40e6, BoundSource.RATING)


@pytest.mark.parametrize("hours", [2, 4])
def test_what_can_be_held_is_what_the_energy_lasts_for(hours: int) -> None:
    result = bounded(B1, hold_s=hours * 3600)
    bounds = result.bounds["b1"]
    assert bounds.min.w == pytest.approx(-min(40e6 / 0.9 / hours, 30e6))
    assert bounds.max.w == pytest.approx(40e6 * 0.9 / hours)


def test_within_some_seconds_a_ramp_bounds_devices_and_nodes() -> None:
    slow = replace(B1, ramp_w_per_s=1e5)
    result = bounded(
        slow, limits=(Limit("feeder/S3", "R", ramp_w_per_s=5e4), Limit("", "R", ramp_w_per_s=1)), within_s=10
    )
    assert pair(result, "b1") == (2e6, BoundSource.RAMP, 4e6, BoundSource.RAMP)
    assert result.bounds["b1"].max.detail == "its ramp, which reaches 4 MW in time"
    assert (result.node.min.w, result.node.max.w) == (2.5e6, 3.5e6)
    assert result.node.max.detail == "R: ramp in 10 s, at feeder/S3"


@pytest.mark.parametrize(("measured_w", "least", "most"), [(54e6, 5e6, 5e6), (-20e6, -22e6, -18e6), (4e6, 2e6, 5e6)])
def test_what_is_beyond_a_bound_is_asked_for_that_bound_and_no_more(
    measured_w: float, least: float, most: float
) -> None:
    slow = replace(B1, ramp_w_per_s=2e5)
    limits = (Limit("b1", "just come", export_limit_w=5e6),)
    bounds = bounded(slow, measured=(heard(slow, power_w=measured_w),), limits=limits, within_s=10).bounds["b1"]
    assert (bounds.min.w, bounds.max.w) == (least, most)


def test_a_plant_that_is_told_to_go_to_nothing_counts_at_what_it_gives() -> None:
    limits = (Limit("feeder/S3", "L", export_limit_w=20e6), Limit("p1", "curtailed", export_limit_w=0.0))
    running = heard(P1, power_w=9e6)
    for more in ({"limits": limits}, {"limits": limits[:1], "controls": control(Mode.CONNECT, False, "p1")}):
        given = bounded(B1, P1, measured=(running,), **more)  # type: ignore[arg-type]
        assert given.snapshot is not None
        result = allocate(given.snapshot, Node("feeder/S3", ()), given, 100e6)
        assert isinstance(result, Allocation)
        assert result.delivered_w == 11e6


def test_a_rating_that_is_no_number_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="max_w of b1 cannot be nan"):
        bounded(replace(B1, max_w=math.nan))


@pytest.mark.parametrize("seconds", [-1.0, math.nan, math.inf])
def test_a_time_that_is_none_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="hold_s cannot be"):
        bounded(B1, hold_s=seconds)
    with pytest.raises(ValueError, match="within_s cannot be"):
        bounded(B1, within_s=seconds)


@pytest.mark.parametrize(
    ("kind", "source", "words"),
    [
        (ImpairmentKind.OUTAGE, BoundSource.OUTAGE, "B1 is out of service: fuse"),
        (ImpairmentKind.LOCKOUT, BoundSource.LOCKOUT, "B1 is locked out: fuse"),
        (ImpairmentKind.LOCAL, BoundSource.LOCAL, "B1 is under local control: fuse"),
        (ImpairmentKind.CONTESTED, BoundSource.CONTESTED, "B1 is contested by another controller: fuse"),
    ],
)
def test_the_impaired_are_left_out_and_counted_at_what_they_run_at(
    kind: ImpairmentKind, source: BoundSource, words: str
) -> None:
    result = bounded(B1, B2, impaired={"b1": Impairment(kind, "fuse"), "b2": Impairment(kind)})
    assert (result.excluded["b1"].source, result.excluded["b1"].detail) == (source, words)
    bounds = result.bounds_of("b1")
    assert (bounds.min.w, bounds.max.w, bounds.max.source) == (3e6, 3e6, source)
    assert ": " not in result.excluded["b2"].detail


def test_those_who_take_no_part_leave_of_a_limit_what_they_run_at() -> None:
    limits = (Limit("feeder/S3", "L", export_limit_w=25e6, import_limit_w=10e6),)
    found = bounded(B1, B2, limits=limits, impaired={"b1": Impairment(ImpairmentKind.LOCAL)})
    assert (found.node.min.w, found.node.max.w) == (-13e6, 22e6)
    assert found.nodes == {"feeder/S3": found.node}


# --- events ---


def control(mode: Mode, value: Value | None, node: str = "feeder/S3", **more: object) -> Controls:
    made = Control(node, mode, value, "e1", "utility", 1, 0, 0, None)
    return Controls({(node, mode): replace(made, **more)})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mode", "least", "most"),
    [
        (Mode.MAX_LIM_W, -30e6, 5e6),
        (Mode.EXP_LIM_W, -30e6, 5e6),
        (Mode.GEN_LIM_W, -30e6, 5e6),
        (Mode.IMP_LIM_W, -5e6, 40e6),
        (Mode.LOAD_LIM_W, -5e6, 40e6),
    ],
)
def test_a_limit_of_an_event_bounds_a_node_or_an_asset(mode: Mode, least: float, most: float) -> None:
    of_node = bounded(B1, controls=control(mode, 5e6)).node
    assert (of_node.min.w, of_node.max.w) == (least, most)
    bound = of_node.min if least == -5e6 else of_node.max
    assert (bound.source, bound.detail) == (
        BoundSource.EVENT,
        f"{mode} 5 MW by dispatch e1 (program utility, primacy 1), at feeder/S3",
    )
    of_asset = bounded(B1, controls=control(mode, 5e6, "b1")).bounds["b1"]
    assert (of_asset.min.w, of_asset.max.w) == (least, most)
    assert bounded(B1, controls=control(mode, 5e6, until_ms=10_000)).node.max.w == 40e6


@pytest.mark.parametrize(
    ("value", "before", "hold_s", "most"),
    [
        (5e6, 20e6, 0, 10e6),  # ten seconds of 1 MW/s down from 20
        (5e6, 20e6, 3, 7e6),
        (5e6, None, 0, 30e6),  # from the rating
        (5e6, True, 0, 30e6),
        (39e6, 20e6, 5, 30e6),  # up: what stands now is the tighter
        (19e6, 20e6, 0, 19e6),
    ],
)
def test_the_limit_of_an_event_is_on_its_way_at_its_ramp(
    value: float, before: Value | None, hold_s: float, most: float
) -> None:
    controls = control(Mode.EXP_LIM_W, value, ramp_w_per_s=1e6, from_value=before)
    result = bounded(replace(B1, capacity_wh=1e9), controls=controls, measured=(heard(B1, soc_wh=5e8),), hold_s=hold_s)
    assert result.node.max.w == most
    assert ("on its way to" in result.node.max.detail) is (most != value)


def test_a_limit_that_is_released_bounds_nothing_and_leaves_at_its_ramp() -> None:
    assert bounded(B1, controls=control(Mode.EXP_LIM_W, None)).node.max.source is BoundSource.ASSETS
    assert bounded(B1, controls=control(Mode.EXP_LIM_W, None, ramp_w_per_s=1e6)).node.max.w == 40e6
    leaving = bounded(B1, controls=control(Mode.EXP_LIM_W, None, ramp_w_per_s=1e6, from_value=5e6)).node.max
    assert leaving.w == 15e6
    assert leaving.detail.startswith(
        "ExpLimW 15 MW by dispatch e1 (program utility, primacy 1), on its way to no limit"
    )


def test_an_import_limit_comes_from_the_rating_that_absorbs() -> None:
    controls = control(Mode.IMP_LIM_W, 5e6, ramp_w_per_s=1e6)
    assert bounded(B1, controls=controls).node.min.w == -20e6


def test_no_node_is_said_to_be_none() -> None:
    snapshot = Snapshot(Fleet({}, {}))
    with pytest.raises(ValueError, match="there is no node to bound"):
        envelope(snapshot.fleet.node("F99"), snapshot, Controls(), (), NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", [Mode.CONNECT, Mode.ENERGIZE])
def test_a_switch_leaves_nothing_at_once(mode: Mode) -> None:
    for node in ("feeder/S3", "b1", "", "feeder"):
        off = bounded(B1, controls=control(mode, False, node, ramp_w_per_s=1.0))
        assert pair(off, "b1") == (0, BoundSource.EVENT, 0, BoundSource.EVENT)
        assert off.bounds["b1"].max.detail == f"{mode} off by dispatch e1 (program utility, primacy 1)"
    assert bounded(B1, controls=control(mode, True)).node.max.w == 40e6
    assert bounded(B1, controls=control(mode, False, "elsewhere")).node.max.w == 40e6


def test_a_set_point_in_another_mode_holds_as_well() -> None:
    held = bounded(B1, controls=control(Mode.FIXED_W, 2e6, "b1"))
    assert pair(held, "b1") == (2e6, BoundSource.HELD, 2e6, BoundSource.HELD)


# A limit of an event: where, in which mode, its value, what stood before, and its ramp.
NODES = {"feeder": (B1, B2, B3), "feeder/S3": (B1, B2), "feeder/S4": (B3,), "b1": (B1,)}
MODES = (Mode.EXP_LIM_W, Mode.IMP_LIM_W, Mode.GEN_LIM_W, Mode.LOAD_LIM_W)
POWERS = st.floats(0, 80e6)
EVENTS = st.dictionaries(
    st.tuples(st.sampled_from(sorted(NODES)), st.sampled_from(MODES)),
    st.tuples(POWERS, st.none() | POWERS, st.none() | st.floats(1e5, 1e7)),
    max_size=6,
)


@settings(max_examples=2_000 if os.environ.get("DERMS_SOAK") == "1" else 150, deadline=None)
@given(events=EVENTS, seconds=st.integers(0, 60), target_w=st.floats(-200e6, 200e6), hold_s=st.sampled_from([0, 20]))
def test_no_limit_is_broken_while_it_is_on_its_way(
    events: dict[tuple[str, Mode], tuple[float, float | None, float | None]],
    seconds: int,
    target_w: float,
    hold_s: int,
) -> None:
    controls = Controls(
        {
            (node, mode): Control(
                node,
                mode,
                value,
                "e",
                "p",
                1,
                0,
                NOW.utc_ms - seconds * 1000,
                None,
                ramp_w_per_s=ramp,
                from_value=before,
            )
            for (node, mode), (value, before, ramp) in events.items()
        }
    )
    fleet = Fleet({"s3": S3, "s4": S4}, {asset.id: asset for asset in (B1, B2, B3)})
    snapshot = Snapshot(fleet, {asset.id: heard(asset) for asset in (B1, B2, B3)}, frozenset(fleet.assets))
    feeder = fleet.node("feeder")
    assert feeder is not None
    result = allocate(snapshot, feeder, envelope(feeder, snapshot, controls, (), NOW, hold_s=hold_s), target_w)
    assert isinstance(result, Allocation)
    assert result.broken == ()
    given_w = {share.asset_id: share.setpoint_w for share in result.shares}
    for (node, mode), (value, before, ramp) in events.items():
        powers = [given_w[asset.id] for asset in NODES[node]]
        taken_w = {
            Mode.EXP_LIM_W: sum(powers),
            Mode.IMP_LIM_W: -sum(powers),
            Mode.GEN_LIM_W: sum(max(w, 0) for w in powers),
            Mode.LOAD_LIM_W: -sum(min(w, 0) for w in powers),
        }[mode]
        for at_s in (seconds, seconds + hold_s):
            assert taken_w <= ramped(node, mode, value, before, ramp, at_s) + 1


def ramped(node: str, mode: Mode, value: float, before: float | None, ramp: float | None, at_s: int) -> float:
    """Where a limit stands after some seconds: on a straight line from what stood before, which may be the ratings."""
    if ramp is None:
        return value
    ratings = sum(asset.max_w if mode in (Mode.EXP_LIM_W, Mode.GEN_LIM_W) else -asset.min_w for asset in NODES[node])
    start = ratings if before is None else before
    return start + math.copysign(min(abs(value - start), ramp * at_s), value - start)
