"""How the cost of arbitration grows with events and nodes.

    python benches/arbitrate.py [--json]

For logs of 1,000, 10,000 and 100,000 events: the time per event and node, and its ratio to that of the smallest log of
the same kind, which stays near 1 where the cost grows no faster than events + nodes. `alone` has one event a node,
`spread` one node for every ten events, and `crowded` ten nodes in all, so that each has a long history. Each event
speaks of one to three modes; starts are drawn, programs terminate or resume, and nodes have defaults. Run on a quiet
machine: what grows beyond 1 is the processor's cache that no longer holds the log.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

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
    arguments = parser.parse_args()
    figures = dict(measure(arguments.largest))
    print(json.dumps(figures) if arguments.json else "\n".join(f"{key}: {value:.3g}" for key, value in figures.items()))


def measure(largest: int) -> Iterator[tuple[str, float]]:
    """Every figure by name; processor time, the best of several runs."""
    for kind, nodes_of in KINDS.items():
        smallest = None
        for size in SIZES:
            if size <= largest:
                nodes = nodes_of(size)
                each_us = best_s(*log(size, nodes)) / (size + nodes) * 1e6
                smallest = smallest or each_us
                yield f"{kind}_{size}_us_per_event_and_node", each_us
                yield f"{kind}_{size}_ratio", each_us / smallest


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


def best_s(programs: Mapping[str, Program], events: list[Event]) -> float:
    times = []
    for _ in range(max(3, 20_000 // len(events))):
        gc.collect()
        start = time.process_time()
        arbitrate(programs, events, Now(DAY_MS // 2, 0))
        times.append(time.process_time() - start)
    return min(times)


if __name__ == "__main__":
    main()
