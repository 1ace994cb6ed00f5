"""How the cost of arbitration grows with events and nodes, beside a programme whose cost is linear by construction.

    python benches/arbitrate.py [--json] [--largest N] [--rounds N]

For logs of 1,000, 10,000 and 100,000 events: the time per event and node, and its growth from the smallest log of the
same kind, which stays near 1 where the cost grows no faster than events + nodes. `alone` has one event a node, `spread`
one node for every ten events, and `crowded` ten nodes in all, so that each has a long history. Each event speaks of one
to three modes; starts are drawn, programs terminate or resume, and nodes have defaults.

`linear` goes once through the same log and keeps one small frozen object for each event and mode, and for each default,
by node and mode: linear by construction, for nothing in it sorts or searches. It is given the events node by node in
order of time (ordered before it is timed), for a history has to be gone through so, and in memory they lie as they were
made. What it grows by is what caches and Python's collector do to any programme over that log; `quotient` is
arbitration's growth over that, and is at most 1 where arbitration's own work grows no faster than events + nodes. Both
are timed in turns, in processor time: the best of N rounds, a round being 20,000 events at least.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from dermscore.dispatch import Event, Mode, OnSupersede, Value, arbitrate
from dermscore.model import Now

SIZES = (1_000, 10_000, 100_000)
KINDS = {"alone": lambda events: events, "spread": lambda events: events // 10, "crowded": lambda _: 10}
DAY_MS = 86_400_000
MODES = (Mode.MAX_LIM_W, Mode.EXP_LIM_W, Mode.TARGET_W)


@dataclass(frozen=True)
class Program:
    primacy: int
    on_supersede: OnSupersede = "terminate"
    defaults: Mapping[str, Mapping[Mode, Value]] = field(default_factory=dict)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--largest", type=int, default=SIZES[-1], help="leave out larger logs than this")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    figures = dict(measure(arguments.largest, arguments.rounds))
    print(json.dumps(figures) if arguments.json else "\n".join(f"{key}: {value:.3g}" for key, value in figures.items()))


def measure(largest: int, rounds: int) -> Iterator[tuple[str, float]]:
    """Every figure by name: microseconds per event and node, and ratios."""
    for kind, nodes_of in KINDS.items():
        smallest: tuple[float, float] | None = None
        for size in SIZES:
            if size <= largest:
                nodes = nodes_of(size)
                ours_us, linear_us = (best / (size + nodes) * 1e6 for best in best_s(*log(size, nodes), rounds))
                smallest = smallest or (ours_us, linear_us)
                growth, linear_growth = ours_us / smallest[0], linear_us / smallest[1]
                yield f"{kind}_{size}_us_per_event_and_node", ours_us
                yield f"{kind}_{size}_growth", growth
                yield f"{kind}_{size}_linear_growth", linear_growth
                yield f"{kind}_{size}_quotient", growth / linear_growth


def log(size: int, nodes: int) -> tuple[Mapping[str, Program], list[Event]]:
    """A day's events, always the same ones for the same sizes."""
    chance = random.Random(size)
    names = [f"feeder/F{number % 40}/site/S{number}" for number in range(nodes)]
    programs = {
        "scada": Program(1),
        "market": Program(5, "resume"),
        "default": Program(10, defaults={name: {Mode.EXP_LIM_W: 5e6} for name in names}),
    }
    return programs, [event(number, names[number % nodes], chance) for number in range(size)]


def event(number: int, node: str, chance: random.Random) -> Event:
    starts_ms = chance.randrange(DAY_MS)
    return Event(
        id=f"{number:032x}",
        node=node,
        program=chance.choice(("scada", "market", "default")),
        issued_ms=starts_ms - chance.randrange(3_600_000),
        starts_ms=starts_ms,
        ends_ms=starts_ms + chance.randrange(1, 3_600_000),
        controls=dict.fromkeys(MODES[: chance.randint(1, 3)], 1e6),
        randomize_start_s=chance.choice((0, 0, 300)),
        cancelled_ms=starts_ms + 600_000 if chance.random() < 0.05 else None,
    )


@dataclass(frozen=True, slots=True)
class Said:
    """What one event, or one default, says of one mode of a node."""

    node: str
    mode: Mode
    value: Value | None
    source: str


def linear(programs: Mapping[str, Program], events: list[Event]) -> dict[tuple[str, Mode], list[Said]]:
    """All that the log says of each mode of each node, and the defaults."""
    found: dict[tuple[str, Mode], list[Said]] = defaultdict(list)
    for name, program in programs.items():
        for node, values in program.defaults.items():
            for mode, default in values.items():
                found[node, mode].append(Said(node, mode, default, name))
    for one in events:
        for mode, value in one.controls.items():
            found[one.node, mode].append(Said(one.node, mode, value, one.id))
    return found


def best_s(programs: Mapping[str, Program], events: list[Event], rounds: int) -> tuple[float, float]:
    """Of arbitration and of the linear programme, for one time through the log."""
    now = Now(DAY_MS // 2, 0)
    in_order = sorted(events, key=lambda one: (one.node, one.starts_ms))
    repeats = max(1, 20_000 // len(events))
    ours: list[float] = []
    bare: list[float] = []
    for _ in range(rounds):
        for times, once in (
            (ours, partial(arbitrate, programs, events, now)),
            (bare, partial(linear, programs, in_order)),
        ):
            gc.collect()
            start = time.process_time()
            for _ in range(repeats):
                once()
            times.append((time.process_time() - start) / repeats)
    return min(ours), min(bare)


if __name__ == "__main__":
    main()
