"""Small fleets to plan with, random ones, and the device model by which a plan is judged."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from dermscore.dispatch.limits import Limit
from dermscore.dispatch.schedule import Batteries, Plan, Refused, plan
from dermscore.model import Asset, Fleet, Kind, Measurement, Site, Snapshot
from dermscore.quality import GOOD

MANY = settings(max_examples=4_000 if os.environ.get("DERMS_SOAK") == "1" else 60, deadline=None)
METHODS = ("exact", "myopic")
MW = 1e6
COLUMNS = (
    *("capacity_wh", "soc_wh", "min_soc_wh", "max_soc_wh", "end_soc_wh", "min_w", "max_w", "efficiency"),
    "cost_per_mwh",
)
names = st.sampled_from(["F0/S0", "F0/S1", "F1/S2", "F1/S3", "F2"])


def batteries(count: int = 1, **columns: object) -> Batteries:
    """2 MWh, +-1 MW, half full, one-way 0.9, on sites F0/S0, F1/S1, F0/S2, ..."""
    each: dict[str, Any] = {
        "ids": tuple(f"b{number}" for number in range(count)),
        "paths": tuple(f"F{number % 2}/S{number}" for number in range(count)),
        "capacity_wh": [2 * MW] * count,
        "soc_wh": [MW] * count,
        "min_soc_wh": [0.0] * count,
        "max_soc_wh": [2 * MW] * count,
        "end_soc_wh": [MW] * count,
        "min_w": [-MW] * count,
        "max_w": [MW] * count,
        "efficiency": [0.9] * count,
        "cost_per_mwh": [0.0] * count,
    }
    return Batteries(**(each | columns))


def planned(fleet: Batteries, **asked: Any) -> Plan:
    result = plan(fleet, **({"step_s": 3600} | asked))
    assert isinstance(result, Plan), result
    return result


def refusal(fleet: Batteries, **asked: Any) -> str:
    result = plan(fleet, **({"step_s": 3600} | asked))
    assert isinstance(result, Refused), result
    return result.reason


def megawatts(result: Plan, battery: int = 0) -> list[float]:
    return [float(w) / MW for w in result.power_w[:, battery]]


@st.composite
def fleets(draw: st.DrawFn) -> Batteries:
    count = draw(st.integers(1, 5))

    def column(low: float, high: float) -> np.ndarray[Any, Any]:
        return np.array([draw(st.integers(0, 20)) / 20 * (high - low) + low for _ in range(count)])

    capacity = column(0.2, 4) * MW
    low, high = capacity * column(0, 0.4), capacity * column(0.6, 1)
    soc = low + (high - low) * column(0, 1)
    return batteries(
        count,
        paths=tuple(draw(names) for _ in range(count)),
        capacity_wh=capacity,
        min_soc_wh=low,
        max_soc_wh=high,
        soc_wh=soc,
        end_soc_wh=low + (soc - low) * column(0, 1),
        min_w=-column(0, 2) * MW,
        max_w=column(0, 2) * MW,
        efficiency=column(0.6, 1),
        cost_per_mwh=column(0, 5),
    )


@st.composite
def nested(draw: st.DrawFn) -> list[Limit]:
    some = st.none() | st.integers(0, 30).map(lambda tenth: tenth / 10 * MW)
    places = draw(st.lists(st.sampled_from(["", "F0", "F0/S0", "F1", "F1/S3"]), unique=True, max_size=4))
    return [Limit(place, place, export_limit_w=draw(some), import_limit_w=draw(some)) for place in places]


def curves(low: float, high: float) -> st.SearchStrategy[list[float]]:
    return st.lists(st.integers(-20, 20).map(lambda at: low + (high - low) * (at + 20) / 40), min_size=5, max_size=5)


def device(fleet: Batteries, power_w: Any, step_s: float) -> tuple[Any, Any]:
    """The device model of the requirements, one battery and one step at a time."""
    given_w, soc_wh = np.array(power_w), np.zeros((len(power_w) + 1, len(fleet.ids)))
    for at in range(len(fleet.ids)):
        soc = soc_wh[0, at] = fleet.soc_wh[at]
        for step, w in enumerate(power_w[:, at]):
            w = min(max(w, fleet.min_w[at]), fleet.max_w[at])
            energy = w * step_s / 3600
            soc += -energy / fleet.efficiency[at] if energy > 0 else -energy * fleet.efficiency[at]
            given_w[step, at], soc_wh[step + 1, at] = w, soc
    return given_w, soc_wh


def random_fleet(count: int, generator: np.random.Generator) -> Batteries:
    """Of 1, 2 and 4 hours, each to end with what it begins with."""
    capacity = generator.uniform(0.5, 4, count) * MW
    rating, soc = capacity / generator.choice([1, 2, 4], count), capacity * generator.uniform(0.2, 0.8, count)
    return batteries(
        count, capacity_wh=capacity, soc_wh=soc, end_soc_wh=soc, min_soc_wh=capacity * 0.1, max_soc_wh=capacity * 0.9,
        min_w=-rating, max_w=rating, efficiency=generator.uniform(0.85, 0.97, count),
    )  # fmt: skip


def random_target(seed: int, generator: np.random.Generator) -> Any:
    times = np.arange(24) / 24
    wave = np.sin(2 * np.pi * times * (0.5, 1.5, 4)[seed % 3]) * (1, -1)[seed // 3 % 2]
    return 17 * MW * (wave + generator.normal(0, 0.3, 24))


def world(count: int, **more: Any) -> Snapshot:
    sites = {f"s{n}": Site(f"s{n}", f"S{n}", "here", f"F{n % 2}/S{n}") for n in range(count)}
    assets = {
        f"b{n}": Asset(
            f"b{n}", f"B{n}", f"s{n}", Kind.BATTERY, 80 * MW, 40 * MW, -40 * MW, 0.9, 1e6, 10, 90, "x", "d", 3.0
        )
        for n in range(count)
    }
    measurements = {name: Measurement(name, 0, 0.0, 40 * MW, 0.0, 0.0, None, GOOD) for name in assets}
    return Snapshot(Fleet(sites, assets), measurements, frozenset(assets), **more)
