"""How fast the audit log takes and checks records, as ratios to bare loops in the same run.

    python benches/audit_append.py [--json]

Append: against a loop that encodes the same records with the same encoder, hashes them, signs once per batch and syncs
as often as a commit does (headers, checkpoint, folder). Verify: against a loop that hashes and parses the same lines.
Ratios below 1 are faster than the loop. Run on a quiet machine; the absolute figures are this disk's.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit import clock, record
from audit.body import Body
from audit.log import Log
from audit.note import verifier_key
from audit.record import Entry
from audit.verify import Verified, verify

ORIGIN = "example.com/bench"
ENTRY = Entry(
    "crossing.out",
    session="3f0c",
    peer="10.1.2.3:20000",
    rule="points.csv:17",
    decision="allowed",
    n=100,
    digests={"config": "ab" * 32, "contract": "cd" * 32, "policy": "ef" * 32},
    dir="out",
)
BATCHES = {1: 500, 100: 100, 1000: 30}
"""Records per batch, and how many batches of them."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--folder", type=Path, help="where to write; the disk to be measured", default=None)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        figures = measure(Path(name))
    print(json.dumps(figures) if arguments.json else "\n".join(f"{key}: {value:g}" for key, value in figures.items()))


def measure(folder: Path) -> dict[str, float]:
    """Every figure by name: seconds are medians over batches."""
    key = Ed25519PrivateKey.generate()
    figures: dict[str, float] = {}
    Log.init(folder / "trail", key, ORIGIN)
    with Log.open(folder / "trail", key) as log:
        for size, count in BATCHES.items():
            batch = [ENTRY] * size
            bare = bare_loop(folder / f"bare-{size}", key, size)
            loop, ours = [], []
            for _ in range(count):
                loop.append(timed(bare))
                ours.append(timed(partial(record_all, log, batch)))
            mine, its = statistics.median(ours), statistics.median(loop)
            figures |= {f"append_{size}_records_per_s": size / mine, f"append_{size}_ratio": mine / its}
            figures[f"append_{size}_ms_p95"] = statistics.quantiles(ours, n=20)[-1] * 1000
        figures |= bodies(log)
    return figures | checking(folder / "trail", key)


def record_all(log: Log, entries: Sequence[Entry]) -> None:
    """Submit, and wait for the release."""
    log.submit(entries).result()


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def bare_loop(folder: Path, key: Ed25519PrivateKey, size: int) -> Callable[[], None]:
    """The least that durable, signed records cost here: encode, hash, write, sign, and sync three times."""
    folder.mkdir()
    data = os.open(folder / "data", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    note = os.open(folder / "note", os.O_CREAT | os.O_WRONLY)
    parent = os.open(folder, os.O_RDONLY)
    read = clock.host_clock()

    def batch() -> None:
        prev, lines = record.FIRST_PREV, []
        reading = read()
        for seq in range(size):
            line = record.encode(record.header(ENTRY, reading, ORIGIN, seq, None, prev))
            prev = sha256(b"\0" + line).hexdigest()
            lines.append(line + b"\n")
        os.write(data, b"".join(lines))
        os.fdatasync(data)
        os.pwrite(note, key.sign(prev.encode()), 0)
        os.fdatasync(note)
        os.fsync(parent)

    return batch


def bodies(log: Log) -> dict[str, float]:
    """What publications of 1,000 and 10,000 points cost, and how long 100 GB of them last at one every 2 s."""
    figures: dict[str, float] = {}
    for points in (1_000, 10_000):
        body = Body(
            {
                "point": [f"feeder.F{number % 40}.P{number}" for number in range(points)],
                "raw": [number * 7919 % 100_003 for number in range(points)],
                "flags": [1] * points,
            }
        )
        before = stored_bytes(log)
        times = [timed(partial(record_all, log, [Entry("crossing.out", body=body)])) for _ in range(5)]
        each = (stored_bytes(log) - before) / len(times)
        figures[f"publication_{points}_points_ms"] = statistics.median(times) * 1000
        figures[f"publication_{points}_points_bytes"] = each
        figures[f"publication_{points}_points_gb_per_year"] = each * 43_200 * 365 / 1e9
    return figures


def stored_bytes(log: Log) -> int:
    return sum(path.stat().st_size for path in log.folder.rglob("*") if path.suffix in (".jsonl", ".bin"))


def checking(folder: Path, key: Ed25519PrivateKey) -> dict[str, float]:
    """Verify against the bare loop, without the bodies' part."""
    Log.init(folder.with_name("headers-only"), key, ORIGIN)
    folder = folder.with_name("headers-only")
    with Log.open(folder, key) as log:
        for _ in range(60):
            log.submit([ENTRY] * 1000).result()
    lines = (folder / "headers" / "00000000.jsonl").read_bytes().split(b"\n")[:-1]
    public = verifier_key(ORIGIN, key.public_key())

    def parse() -> None:
        for line in lines:
            sha256(b"\0" + line).digest()
            json.loads(line)

    loop = min(timed(parse) for _ in range(3))
    ours = min(timed(lambda: verify(folder, [public])) for _ in range(3))
    verdict = verify(folder, [public])
    if not isinstance(verdict, Verified):
        raise SystemExit(f"the log that was just written does not verify: {verdict}")
    return {"verify_records_per_s": len(lines) / ours, "verify_speed_of_bare_loop": loop / ours}


if __name__ == "__main__":
    main()
