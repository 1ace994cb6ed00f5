"""What a step of the Guard costs, as a ratio to building the frozen dataclasses that it returns, in the same run.

    python benches/guard_step.py [--json] [--rounds N]

Two steps of a battery: `follow` holds a setpoint that the device has (the ordinary tick; a Guard, a Way and a Command
are returned new), `return` is on the way back, ramped, with a write due (a Writing too). The bare side calls the same
constructors with the very same values. The best of N rounds of each, taken in turns. At most 3 is wanted.
"""

from __future__ import annotations

import argparse
import json
import timeit
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from typing import Any

from dermscore.guard import Guard
from dermscore.intent import Intent
from dermscore.model import Asset, Kind, Measurement, Now
from dermscore.quality import GOOD

STEPS = 20_000
ASSET = Asset("b1", "B1", "s1", Kind.BATTERY, 100e6, 40e6, -30e6, 0.9, 10e6, 10, 90, "simulated", "default")
INTENT = Intent("b1", "e1", 1, "d1", 20e6, 0.0, 0, 60_000, "default", 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    figures = measure(arguments.rounds)
    print(json.dumps(figures) if arguments.json else "\n".join(f"{key}: {value:.3g}" for key, value in figures.items()))


def measure(rounds: int) -> dict[str, float]:
    """Every figure by name: microseconds a step, and the ratios."""
    figures: dict[str, float] = {}
    for name, (guard, measurement, now) in {"follow": following(), "return": returning()}.items():
        step = partial(guard.step, measurement, now)
        ours, bare = best_us(step, building(guard, *step()), rounds)
        figures |= {f"{name}_step_us": ours, f"{name}_build_us": bare, f"{name}_ratio": ours / bare}
    return figures


def following() -> tuple[Guard, Measurement, Now]:
    start = Now(0, 0)
    guard, _ = Guard.new(ASSET, dead_man_ms=30_000, tolerance_w=400e3).link(True, start).receive(INTENT, start, 0)
    guard, command = guard.step(shows(0.0), start)
    return guard.wrote(command.setpoint_w, command.setpoint_w, start), shows(20e6), Now(250, 250)


def returning() -> tuple[Guard, Measurement, Now]:
    """After the intent's end and the longest stagger; every step writes another setpoint."""
    guard, measurement, _ = following()
    for ms in (60_000, 66_000):
        guard, command = guard.step(measurement, Now(ms, ms))
        guard = guard.wrote(command.setpoint_w, command.setpoint_w, Now(ms, ms))
        measurement = shows(command.setpoint_w)
    return guard, measurement, Now(66_250, 66_250)


def shows(setpoint_w: float | None) -> Measurement:
    return Measurement("b1", 0, setpoint_w or 0.0, 50e6, 0.0, 0.0, setpoint_w, GOOD)


def building(before: Guard, after: Guard, command: Any) -> Callable[[], None]:
    """The constructors of what a step returned new, with the values that it has."""
    made = [after, command, *(part for part in (after.way, after.writing) if part not in (before.way, before.writing))]
    calls = [(type(one), [getattr(one, field.name) for field in fields(one)]) for one in made]
    # Written out as a person would, so that no loop is measured with it.
    source = "; ".join(
        f"type_{n}({', '.join(f'value_{n}_{i}' for i in range(len(v)))})" for n, (_, v) in enumerate(calls)
    )
    names: dict[str, Any] = {f"type_{n}": kind for n, (kind, _) in enumerate(calls)}
    names |= {f"value_{n}_{i}": value for n, (_, values) in enumerate(calls) for i, value in enumerate(values)}
    exec(f"def build({', '.join(f'{name}={name}' for name in names)}): {source}", names)
    build: Callable[[], None] = names["build"]
    return build


def best_us(ours: Callable[[], object], bare: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Microseconds of each, the best of all rounds; in turns, so that a busy moment of the machine meets both."""
    times = [(timeit.timeit(ours, number=STEPS), timeit.timeit(bare, number=STEPS)) for _ in range(rounds)]
    return (min(one for one, _ in times) / STEPS * 1e6, min(other for _, other in times) / STEPS * 1e6)


if __name__ == "__main__":
    main()
