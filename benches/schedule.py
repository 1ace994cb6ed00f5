"""How near the myopic plan comes to the exact one, and how much sooner, over 24 x 5 min.

    python benches/schedule.py [--json] [--batteries 1000] [--seeds 3]
    python benches/schedule.py --shapes [--json] [--batteries 100]

Both plan the same seeded fleet in one run, checks of what was given included: batteries of 1, 2 and 4 hours and 50 kW
to 40 MW on feeders and sites with limits of their own, against prices with noise. `gap_pct` is what the myopic plan
loses of the exact plan's gain against doing nothing (the worst of all seeds), `speed_ratio` the exact plan's median
time over the myopic's. Along a target, `gap_pct` is the energy that the myopic plan misses beyond the exact plan, in
percent of the energy asked for. Loading the solver is not counted. Time is the processor's: both use one core, and what
else runs counts less so.

`--shapes` measures gaps only, over what is not like the rest: other waves, fleets, limits, steps and demands at the
end, against prices and along targets. It prints the mean, the ninth decile, and the worst with its name. Below 0 the
myopic plan is the better one: the exact plan then had to forbid burning (see its docstring), and need not be the best.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dermscore.dispatch.limits import Limit
from dermscore.dispatch.schedule import Batteries, Plan, Prices, plan

STEP_S = 300
INTERVALS = 24
FEEDERS = 20
MYOPIC_REPEATS = 5

Curve = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--shapes", action="store_true")
    parser.add_argument("--batteries", type=int)
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    figures = shaped(asked.batteries or 100) if asked.shapes else measure(asked.batteries or 1000, asked.seeds)
    lines = (f"{key}: {value if isinstance(value, str) else format(value, 'g')}" for key, value in figures.items())
    print(json.dumps(figures) if asked.json else "\n".join(lines))


def measure(count: int, seeds: int) -> dict[str, float]:
    """Every figure by name."""
    figures: dict[str, float] = {}
    solved(fleet(1, np.random.default_rng(0)), {"step_s": 1, "prices": [1.0]}, "exact")  # loads the solver
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
    return gap_pct(exact, tries[0][0]), exact_s, statistics.median(each[1] for each in tries)


def gap_pct(exact: Plan, myopic: Plan) -> float:
    if exact.target_w is not None:
        wanted_mwh = float(np.abs(exact.target_w).sum()) * exact.step_s / 3600e6
        return 100 * (myopic.deviation_mwh - exact.deviation_mwh) / wanted_mwh
    at_rest = exact.problem.cost(np.zeros_like(exact.power_w))
    return 100 * (myopic.cost - exact.cost) / abs(at_rest - exact.cost)


def shaped(count: int) -> dict[str, float | str]:
    """The mean, ninth decile and worst gap of all shapes, against prices and along targets."""
    figures: dict[str, float | str] = {}
    for kind in ("prices", "target"):
        gaps: dict[str, float] = {}
        for name, batteries, asked in shapes(count, kind):
            gaps[name] = gap_pct(*(solved(batteries, asked, method)[0] for method in ("exact", "myopic")))
        worst = max(gaps, key=gaps.__getitem__)
        figures |= {f"{kind}_mean_gap_pct": statistics.mean(gaps.values()), f"{kind}_shapes": len(gaps)}
        figures |= {f"{kind}_p90_gap_pct": statistics.quantiles(gaps.values(), n=10)[-1]}
        figures |= {f"{kind}_worst_gap_pct": gaps[worst], f"{kind}_worst": worst}
    return figures


def solved(batteries: Batteries, asked: Mapping[str, Any], method: Any) -> tuple[Plan, float]:
    start = time.process_time()
    result = plan(batteries, method=method, **asked)
    took = time.process_time() - start
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
    signal_w = total_w * 0.5 * (wave + generator.normal(0, 0.3, INTERVALS))
    asked: dict[str, dict[str, Any]] = {
        "free": {"prices": Prices(price, price)},
        "limited": {"prices": Prices(price + 5, price - 5), "limits": [whole, *feeders]},
        "every_site": {"prices": Prices(price + 5, price - 5), "limits": [whole, *feeders, *sites]},
        "own_load": {"prices": Prices(price + 30, price - 10), "limits": feeders[1:], "other_w": load_w},
        "negative": {"prices": Prices(price - 55, price - 60), "limits": [whole, *feeders]},
        "target": {"target_w": signal_w, "limits": [whole, *feeders]},
    }
    for name, each in asked.items():
        yield name, {"step_s": STEP_S, **each}


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


WAVES: dict[str, Callable[[Curve, np.random.Generator], Curve]] = {  # of the time from 0 to 1
    "slow": lambda time, _: np.sin(2 * np.pi * time),
    "fast": lambda time, generator: np.sin(12 * np.pi * time) + generator.normal(0, 0.2, len(time)),
    "noise": lambda time, generator: generator.normal(0, 1, len(time)),
    "two levels": lambda time, _: np.sign(np.sin(6 * np.pi * time + 0.1)),
    "a peak": lambda time, _: np.where((time > 0.6) & (time < 0.75), 1.0, np.where(time < 0.3, -0.2, 0)),
    "mostly charging": lambda time, _: -0.3 + 0.7 * np.sin(5 * np.pi * time),
    "mostly giving": lambda time, _: 0.3 + 0.7 * np.sin(5 * np.pi * time),
}
SITUATIONS: dict[str, dict[str, Any]] = {
    "5 min": {},
    "no limits": {"limits": ()},
    "tight": {"limits": ((3, 0.35), (5, 0.6))},
    "lossy and lossless": {"efficiency": (0.6, 1.0)},
    "half an hour to eight": {"hours": (0.5, 1, 8)},
    "charges slowly": {"charging": 0.4},
    "may end empty": {"end": 0.1},
    "must end fuller": {"end": 0.6},
    "beside loads": {"load": 0.2},
    "24 x 1 h": {"step_s": 3600},
    "96 x 15 min": {"step_s": 900, "intervals": 96, "count": 50},
    "10 batteries": {"step_s": 900, "count": 10},
}


def shapes(count: int, kind: str) -> Iterator[tuple[str, Batteries, dict[str, Any]]]:
    """Every wave in every situation."""
    for seed, (situation, given) in enumerate(SITUATIONS.items()):
        for wave, shape in WAVES.items():
            generator = np.random.default_rng(seed)
            batteries = unlike(fleet(given.get("count", count), generator), generator, given)
            curve = shape(np.arange(intervals := given.get("intervals", INTERVALS)) / intervals, generator)
            total_w = float(batteries.max_w.sum())
            asked: dict[str, Any] = {"step_s": given.get("step_s", 900 if len(given) else STEP_S)}
            asked["limits"] = [each for at in given.get("limits", ((3, 0.7),)) for each in limits(batteries, *at)]
            if "load" in given:
                asked["other_w"] = {"": -total_w * given["load"] * (1 + 0.4 * np.sin(np.arange(intervals)))}
            if kind == "prices":
                price = 60 + 50 * curve
                asked["prices"] = Prices(price + 8, price)
            else:
                asked["target_w"] = 0.5 * total_w * curve
            yield f"{wave}, {situation}", batteries, asked


def unlike(batteries: Batteries, generator: np.random.Generator, given: Mapping[str, Any]) -> Batteries:
    """The fleet of a situation."""
    count, capacity_wh = len(batteries.ids), batteries.capacity_wh
    rating_w = capacity_wh / generator.choice(given["hours"], count) if "hours" in given else batteries.max_w
    least_wh = batteries.soc_wh if "end" not in given else capacity_wh * given["end"]
    return replace(
        batteries,
        max_w=rating_w,
        min_w=-rating_w * generator.uniform(given.get("charging", 1.0), 1.0, count),
        efficiency=generator.uniform(*given.get("efficiency", (0.88, 0.97)), count),
        end_soc_wh=least_wh if given.get("end", 0) < 0.5 else np.maximum(least_wh, batteries.soc_wh),
        cost_per_mwh=generator.uniform(0, 4, count),
    )


if __name__ == "__main__":
    main()
