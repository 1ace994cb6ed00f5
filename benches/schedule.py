"""How near the myopic plan comes to the exact one, and how much sooner, over 24 x 5 min.

    python benches/schedule.py [--json] [--batteries 1000] [--seeds 3]

Both plan the same seeded fleet in one run, checks of what was given included: batteries of 1, 2 and 4 hours and 50 kW
to 40 MW on feeders and sites with limits of their own, against prices with noise. `gap_pct` is what the myopic plan
loses of the exact plan's gain against doing nothing (the worst of all seeds), `speed_ratio` the exact plan's median
time over the myopic's. Along a target, `gap_pct` is the energy that the myopic plan misses beyond the exact plan, in
percent of the energy asked for. Loading the solver is not counted.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from dermscore.dispatch.limits import Limit
from dermscore.dispatch.schedule import Batteries, Plan, Prices, plan

STEP_S = 300
INTERVALS = 24
FEEDERS = 20
MYOPIC_REPEATS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--batteries", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    figures = measure(arguments.batteries, arguments.seeds)
    print(json.dumps(figures) if arguments.json else "\n".join(f"{key}: {value:g}" for key, value in figures.items()))


def measure(count: int, seeds: int) -> dict[str, float]:
    """Every figure by name."""
    figures: dict[str, float] = {}
    solved(fleet(1, np.random.default_rng(0)), {"prices": [1.0]}, "exact")  # loads the solver
    names = [name for name, _asked in cases(fleet(1, np.random.default_rng(0)), np.random.default_rng(0))]
    for place, name in enumerate(names):
        runs = [run(count, seed, place) for seed in range(seeds)]
        exact_s, myopic_s = (statistics.median(times) for times in zip(*(each[1:] for each in runs), strict=True))
        figures |= {f"{name}_gap_pct": max(each[0] for each in runs), f"{name}_speed_ratio": exact_s / myopic_s}
        figures |= {f"{name}_exact_ms": exact_s * 1000, f"{name}_myopic_ms": myopic_s * 1000}
    return figures


def run(count: int, seed: int, place: int) -> tuple[float, float, float]:
    """The gap in percent, and how long each plan took, s."""
    generator = np.random.default_rng(seed)
    batteries = fleet(count, generator)
    _name, asked = list(cases(batteries, generator))[place]
    exact, exact_s = solved(batteries, asked, "exact")
    tries = [solved(batteries, asked, "myopic") for _ in range(MYOPIC_REPEATS)]
    return gap_pct(exact, tries[0][0], asked), exact_s, statistics.median(each[1] for each in tries)


def gap_pct(exact: Plan, myopic: Plan, asked: Mapping[str, Any]) -> float:
    if exact.target_w is not None:
        wanted_mwh = float(np.abs(exact.target_w).sum()) * STEP_S / 3600e6
        return 100 * (myopic.deviation_mwh - exact.deviation_mwh) / wanted_mwh
    idle = idle_cost(asked)
    return 100 * (myopic.cost - exact.cost) / (idle - exact.cost)


def idle_cost(asked: Mapping[str, Any]) -> float:
    """What it costs to leave every battery at rest."""
    net = np.sum([np.zeros(INTERVALS), *asked.get("other_w", {}).values()], axis=0)
    prices = asked["prices"]
    energy = prices.import_per_mwh * np.maximum(-net, 0) - prices.export_per_mwh * np.maximum(net, 0)
    return float(energy.sum()) * STEP_S / 3600e6


def solved(batteries: Batteries, asked: Mapping[str, Any], method: Any) -> tuple[Plan, float]:
    start = time.perf_counter()
    result = plan(batteries, step_s=STEP_S, method=method, **asked)
    took = time.perf_counter() - start
    if not isinstance(result, Plan):
        raise SystemExit(f"{method}: {result.reason}")
    return result, took


def fleet(count: int, generator: np.random.Generator) -> Batteries:
    """Batteries of several sizes, five on a site, each to end with what it began with."""
    capacity_wh = generator.uniform(0.5, 4, count) * 1e6 * generator.choice([0.1, 1, 10], count)
    rating_w = capacity_wh / generator.choice([1, 2, 4], count)
    soc_wh = capacity_wh * generator.uniform(0.2, 0.8, count)
    return Batteries(
        tuple(f"battery-{number}" for number in range(count)),
        tuple(f"feeder/F{number // 5 % FEEDERS}/site/S{number // 5}" for number in range(count)),
        capacity_wh,
        soc_wh,
        capacity_wh * 0.1,
        capacity_wh * 0.9,
        soc_wh,
        -rating_w,
        rating_w,
        generator.uniform(0.88, 0.97, count),
        np.full(count, 2.0),
    )


def cases(batteries: Batteries, generator: np.random.Generator) -> Iterator[tuple[str, dict[str, Any]]]:
    wave = np.sin(np.arange(INTERVALS) / INTERVALS * 3 * np.pi)
    price = 60 + 50 * wave + generator.normal(0, 12, INTERVALS)
    total_w = float(batteries.max_w.sum())
    feeders, sites = limits(batteries, 3, 0.7), limits(batteries, 5, 0.85)
    whole = Limit("", "connection", export_limit_w=0.6 * total_w, import_limit_w=0.6 * total_w)
    load_w = {"feeder/F0": -total_w * (0.4 + 0.1 * wave)}
    yield "free", {"prices": Prices(price, price)}
    yield "limited", {"prices": Prices(price + 5, price - 5), "limits": [whole, *feeders]}
    yield "every_site", {"prices": Prices(price + 5, price - 5), "limits": [whole, *feeders, *sites]}
    yield "own_load", {"prices": Prices(price + 30, price - 10), "limits": feeders[1:], "other_w": load_w}
    yield "negative", {"prices": Prices(price - 55, price - 60), "limits": [whole, *feeders]}
    signal_w = total_w * 0.5 * (wave + generator.normal(0, 0.3, INTERVALS))
    yield "target", {"target_w": signal_w, "limits": [whole, *feeders]}


def limits(batteries: Batteries, segments: int, part: float) -> list[Limit]:
    """On every node so many segments deep: a part of what its batteries could do, not the same for all."""
    rated: dict[str, float] = {}
    for path, rating_w in zip(batteries.paths, batteries.max_w, strict=True):
        node = "/".join(path.split("/")[: segments - 1])
        rated[node] = rated.get(node, 0.0) + float(rating_w)
    return [
        Limit(node, node, export_limit_w=w * (part + at % 3 / 20), import_limit_w=w * (part + at % 2 / 20))
        for at, (node, w) in enumerate(rated.items())
    ]


if __name__ == "__main__":
    main()
