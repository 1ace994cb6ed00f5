"""How fast a target is shared, as ratios to other ways of spending the time, in the same run.

    python benches/allocate.py [--json] [--frequenz PYTHON]

Sorting: `allocate`, causes included, against `numpy.argsort` of as many random numbers, for a flat fleet and for a tree
of four levels in which many limits bind; with `_with_bounds` the making of the envelope from columns is in
the figure too. LP: against HiGHS solving the same problem (highspy, of the extra `opt`), solver time only. Battery
distribution: against frequenz-sdk's, which needs an interpreter of its own, since it and we want other versions of the
same packages:

    python3.11 -m venv /tmp/frequenz && /tmp/frequenz/bin/pip install --pre frequenz-sdk
    python benches/allocate.py --frequenz /tmp/frequenz/bin/python

Time is the processor's, so that what else the machine does falls on nobody; a quiet machine gives the steadier figures
all the same. A ratio to the sort below 1 is faster than sorting.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import time
from collections.abc import Callable
from functools import partial
from math import fsum

import numpy as np

from dermscore.dispatch import Allocation, Columns, Limit, allocate
from dermscore.dispatch.allocation.names import (
    CAPACITY_SHARE,
    MERIT_ORDER,
    SOC_BALANCE,
)
from dermscore.dispatch.allocation.rules import RULES

SIZES = {10_000: 51, 100_000: 15, 1_000_000: 5}
"""Devices, and how many times each is timed; the median counts."""

# Run by the other interpreter: reads batteries from its standard input, answers with seconds and setpoints.
FREQUENZ = """
import json, statistics, sys, time
from datetime import datetime, timezone
from frequenz.client.common.microgrid.components import ComponentId
from frequenz.quantities import Power
from frequenz.sdk.microgrid._old_component_data import BatteryData, InverterData
from frequenz.sdk.microgrid._power_distributing._distribution_algorithm import (
    AggregatedBatteryData, BatteryDistributionAlgorithm, InvBatPair)

asked, now, pairs = json.load(sys.stdin), datetime.now(timezone.utc), []
for n, (capacity, soc, low, high) in enumerate(asked["batteries"]):
    battery = BatteryData(component_id=ComponentId(2 * n + 1), timestamp=now, capacity=capacity, soc=soc,
        soc_lower_bound=0.0, soc_upper_bound=100.0, power_inclusion_lower_bound=low, power_inclusion_upper_bound=high)
    inverter = InverterData(component_id=ComponentId(2 * n + 2), timestamp=now,
        active_power_inclusion_lower_bound=low, active_power_inclusion_upper_bound=high)
    pairs.append(InvBatPair(AggregatedBatteryData([battery]), [inverter]))
algorithm, times = BatteryDistributionAlgorithm(distributor_exponent=1), []
for _ in range(asked["times"]):
    start = time.process_time()
    result = algorithm.distribute_power(Power.from_watts(asked["target_w"]), pairs)
    times.append(time.process_time() - start)
given_w = [result.distribution[pair.inverter[0].component_id].as_watts() for pair in pairs]
print(json.dumps({"s": statistics.median(times), "w": given_w}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--frequenz", metavar="PYTHON", help="an interpreter that has frequenz-sdk")
    arguments = parser.parse_args()
    figures = sorting() | by_rule() | linear_program()
    if arguments.frequenz:
        figures |= frequenz(arguments.frequenz)
    print(json.dumps(figures) if arguments.json else "\n".join(f"{key}: {value:g}" for key, value in figures.items()))


def timed(work: Callable[[], object], times: int) -> float:
    """The median of some runs, in seconds of the processor's time."""
    taken = []
    for _ in range(times):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return statistics.median(taken)


def ratio(work: Callable[[], object], yardstick: Callable[[], object], times: int) -> float:
    """How many times as long as the yardstick, the two run in turn: what the machine is at falls on both."""
    pairs = [(timed(yardstick, 1), timed(work, 1)) for _ in range(times)]
    return statistics.median(mine for _, mine in pairs) / statistics.median(its for its, _ in pairs)


def fleet(size: int, levels: int, generate: bool = False) -> tuple[Columns, list[Limit]]:
    """Batteries of many sizes; on four levels 10 regions, 10 feeders each, 20 batteries a site, all of them limited."""
    draw = np.random.default_rng(7)
    power_w = draw.uniform(1e3, 9e3, size)
    at = None
    limits: list[Limit] = []
    if levels == 4:
        sites = max(size // 20, 1)
        at = [f"r{site % 10}/f{site // 10 % 10}/s{site}" for site in range(sites) for _ in range(20)][:size]
        limits = [
            Limit(path, "bench", export_limit_w=float(factor * below * 5e3))
            for paths, below in (
                ([f"r{r}" for r in range(10)], size / 10),
                ([f"r{r}/f{f}" for r in range(10) for f in range(10)], size / 100),
                ([f"r{s % 10}/f{s // 10 % 10}/s{s}" for s in range(sites)], 20),
            )
            for path, factor in zip(paths, draw.uniform(0.6, 1.5, len(paths)), strict=True)
        ]
    return (
        Columns.flat(
            ids=[f"b{n:07}" for n in range(size)],
            min_w=-power_w,
            max_w=power_w,
            weight=power_w * draw.uniform(1, 4, size),
            at=at,
            soc_wh=power_w * draw.uniform(0, 1, size),
            cost=draw.uniform(10, 90, size),
            output_w=power_w * draw.uniform(0, 1, size) if generate else np.nan,
        ),
        limits,
    )


def share(
    columns: Columns, limits: list[Limit], target_w: float, rule: str = CAPACITY_SHARE
) -> Callable[[], Allocation]:
    """`allocate` on an envelope made before."""
    envelope = columns.envelope(limits)

    def once() -> Allocation:
        result = allocate(columns, columns.tree, envelope, target_w, rule)
        assert isinstance(result, Allocation)
        return result

    return once


def sorting() -> dict[str, float]:
    """Flat and four levels, against a sort of the same length."""
    figures: dict[str, float] = {}
    for size, times in SIZES.items():
        sort = partial(np.argsort, np.random.default_rng(1).random(size))
        figures[f"argsort_{size}_ms"] = timed(sort, times) * 1e3
        for name, levels in (("flat", 1), ("four_levels", 4)):
            columns, limits = fleet(size, levels)
            target_w = 0.8 * float(columns.ratings.max_w.sum())
            once = share(columns, limits, target_w)
            result = once()
            lost_w = fsum(result.solution.x_w) + result.shortfall_w - target_w
            alone, bounds = ratio(once, sort, times), ratio(partial(columns.envelope, limits), sort, times)
            figures |= {f"{name}_{size}_ratio": alone, f"{name}_{size}_ratio_with_bounds": alone + bounds}
            figures[f"{name}_{size}_sum_error"] = abs(lost_w) / target_w
    return figures


def by_rule() -> dict[str, float]:
    """Every rule on a flat fleet of 100,000, against the sort."""
    sort = partial(np.argsort, np.random.default_rng(1).random(100_000))
    figures = {}
    for name, rule in RULES.items():
        columns, _ = fleet(100_000, 1, generate=rule.curtails)
        target_w = 0.4 * float(columns.ratings.max_w.sum())
        figures[f"{name.replace(' ', '_')}_100000_ratio"] = ratio(share(columns, [], target_w, name), sort, 9)
    return figures


def linear_program() -> dict[str, float]:
    """10,000 in merit order, and the same as a linear program: the least cost of a sum. The LP may only inject, since
    it would else charge one battery from another for the difference in price.
    """
    import highspy

    size = 10_000
    columns, _ = fleet(size, 1)
    ratings = columns.ratings
    target_w = 0.8 * float(ratings.max_w.sum())
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("parallel", "off")
    every = np.arange(size, dtype=np.int32)
    highs.addVars(size, np.zeros(size), ratings.max_w)
    highs.changeColsCost(size, every, ratings.cost)
    highs.addRow(target_w, target_w, size, every, np.ones(size))
    solver_s = timed(highs.run, 1)
    lp_cost = float(highs.getInfo().objective_function_value)
    once = share(columns, [], target_w, MERIT_ORDER)
    mine = float((once().solution.x_w * ratings.cost).sum())
    return {
        "highs_10000_ms": solver_s * 1e3,
        "speed_of_highs_10000": solver_s / timed(once, 15),
        "cost_against_highs_10000": mine / lp_cost - 1,
    }


def frequenz(python: str) -> dict[str, float]:
    """1,000 batteries by state of charge, discharged, against frequenz-sdk (whose sign is the other one)."""
    columns, _ = fleet(1_000, 1)
    ratings = columns.ratings
    target_w = 0.5 * float(ratings.max_w.sum())
    batteries = [
        (float(capacity), 100 * float(soc / capacity), float(low), float(high))
        for capacity, soc, low, high in zip(
            ratings.capacity_wh, columns.soc_wh, ratings.min_w, ratings.max_w, strict=True
        )
    ]
    asked = json.dumps({"batteries": batteries, "target_w": -target_w, "times": 9})
    done = subprocess.run([python, "-c", FREQUENZ], input=asked, capture_output=True, text=True, check=True)
    theirs = json.loads(done.stdout)
    once = share(columns, [], target_w, SOC_BALANCE)
    ours_w = once().solution.x_w
    return {
        "frequenz_1000_ms": theirs["s"] * 1e3,
        "speed_of_frequenz_1000": theirs["s"] / timed(once, 51),
        "largest_difference_to_frequenz": float(np.abs(ours_w + np.array(theirs["w"])).max() / ratings.max_w.max()),
    }


if __name__ == "__main__":
    main()
