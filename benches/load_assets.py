"""What reading a fleet's file costs, as a ratio to PyYAML's own C loader on the same text, in the same run.

    python benches/load_assets.py [--json] [--assets 10000]

`read` is the strict loader alone: YAML 1.2's scalars, duplicate keys refused, the line of every value known. `load` is
all the way to a checked fleet. Processor time, the best of several rounds, taken in turns.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import yaml

from dermscore import assets
from dermscore.files import yamlfile

ROUNDS = 3
SITE_ASSETS = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--assets", type=int, default=10_000)
    arguments = parser.parse_args()
    figures = measure(arguments.assets)
    print(json.dumps(figures) if arguments.json else "\n".join(f"{key}: {value:.3g}" for key, value in figures.items()))


def measure(count: int) -> dict[str, float]:
    """Every figure by name: seconds, and the ratios."""
    text = assets.generate(max(1, count // SITE_ASSETS), SITE_ASSETS)
    ways: dict[str, Callable[[], object]] = {
        "pyyaml": lambda: yaml.load(text, yaml.CSafeLoader),
        "read": lambda: yamlfile.load(text, "assets.yaml"),
        "load": lambda: assets.load(yamlfile.load(text, "assets.yaml")),
    }
    took = {name: min(seconds(way) for _ in range(ROUNDS)) for name, way in ways.items()}
    figures = {f"{name}_s": each for name, each in took.items()}
    return figures | {f"{name}_ratio": took[name] / took["pyyaml"] for name in ("read", "load")}


def seconds(way: Callable[[], object]) -> float:
    start = time.process_time()
    way()
    return time.process_time() - start


if __name__ == "__main__":
    main()
