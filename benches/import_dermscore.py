"""What `import dermscore` adds to a bare interpreter: milliseconds, and every module that it loads.

    python benches/import_dermscore.py [--json] [--rounds N]

Each round starts two interpreters, `pass` and `import dermscore`, in turns; the figure is the difference of the medians
of the whole processes, start and end included. Wanted: less than 60 ms, and no third-party package. The first use of a
name loads the module that it comes from; what that loads in turn is listed for the Guard, which edge boxes run on.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from typing import Any

_LOADED = "import sys; before = set(sys.modules); {}; print(*sorted(set(sys.modules) - before))"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=31)
    arguments = parser.parse_args()
    figures = measure(arguments.rounds)
    print(json.dumps(figures) if arguments.json else "\n".join(f"{key}: {shown(figures[key])}" for key in figures))


def measure(rounds: int) -> dict[str, Any]:
    """Every figure by name: milliseconds, and lists of module names."""
    run_ms("import dermscore")  # so that the byte code is there
    bare, ours = zip(*((run_ms("pass"), run_ms("import dermscore")) for _ in range(rounds)), strict=True)
    figures: dict[str, Any] = {
        "bare_interpreter_ms": statistics.median(bare),
        "import_dermscore_adds_ms": statistics.median(ours) - statistics.median(bare),
    }
    for name, code in {"import_dermscore": "import dermscore", "guard": "from dermscore import Guard"}.items():
        modules = loaded(code)
        figures[f"{name}_loads"] = modules
        figures[f"{name}_loads_of_third_parties"] = [module for module in modules if third_party(module)]
    return figures


def run_ms(code: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return (time.perf_counter() - start) * 1000


def loaded(code: str) -> list[str]:
    """The modules that `code` loads into a bare interpreter."""
    command = [sys.executable, "-c", _LOADED.format(code)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def third_party(module: str) -> bool:
    package = module.partition(".")[0]
    return package != "dermscore" and package not in sys.stdlib_module_names


def shown(figure: float | list[str]) -> str:
    return (" ".join(figure) or "none") if isinstance(figure, list) else f"{figure:.3g}"


if __name__ == "__main__":
    main()
