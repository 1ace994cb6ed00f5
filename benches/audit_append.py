"""How fast the audit log takes records, as ratios to a bare loop in the same run, and how much of a disk it needs.

    python benches/audit_append.py [--json] [--folder FOLDER]

The loop encodes the same records with the same encoder, hashes them, signs once per batch and syncs as often as a
commit does (headers, checkpoint, folder). Ratios are of medians over batches taken in turns; below 1 is faster than the
loop. Publications carry values that move and times of their own, so that they compress as a gateway's do. `packed` is
with the header lines gzipped, as `derms audit pack` leaves them; bodies are stored compressed from the beginning. Run
on a quiet machine; the absolute figures are this disk's.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.format import record
from audit.format.body import Body, BodyRef
from audit.format.note import verifier_key
from audit.format.record import Entry, Reading, Timed
from audit.log import Log, chain, clock
from audit.log.chain import Position, Prepared
from audit.verify import Verified, verify

ORIGIN: Final = "example.com/bench"
ENTRY: Final = Entry(
    "crossing.out",
    session="3f0c",
    peer="10.1.2.3:20000",
    rule="points.csv:17",
    decision="allowed",
    n=100,
    digests={"config": "ab" * 32, "contract": "cd" * 32, "policy": "ef" * 32},
    dir="out",
)
BATCHES: Final = {1: 500, 100: 100, 1000: 30}
"""Records per batch, and how many batches of them."""
LIMITS: Final = {"append_1_ratio": 3.0, "append_100_ratio": 2.5, "append_1000_ratio": 2.5}
PERIOD_S: Final = 2
POINTS: Final = (1_000, 10_000)
PUBLICATIONS: Final = 8
LINES: Final = 4_096
"""Header lines that their sizes are taken from."""
A_YEAR: Final = 365 * 86_400 // PERIOD_S
"""Publications in a year."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--folder", type=Path, help="where to write; the disk to be measured", default=None)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        figures = appending(Path(name)) | keeping(Path(name))
    print(json.dumps(figures) if arguments.json else "\n".join(map(said, figures, figures.values())))


def said(name: str, value: float) -> str:
    return f"{name}: {value:g}" + (f" (at most {LIMITS[name]:g})" if name in LIMITS else "")


def appending(folder: Path) -> dict[str, float]:
    """Batches without bodies against the bare loop."""
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
    return figures


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


def keeping(folder: Path) -> dict[str, float]:
    """What publications of every point cost, and what a year of them takes up."""
    figures: dict[str, float] = {}
    for points in POINTS:
        trail, key, chance = folder / f"points-{points}", Ed25519PrivateKey.generate(), random.Random(points)
        Log.init(trail, key, ORIGIN)
        values = [chance.uniform(-5e6, 5e6) for _ in range(points)]
        with Log.open(trail, key) as log:
            times = [timed(partial(record_all, log, [publication(values, chance)])) for _ in range(PUBLICATIONS)]
        body = sum(path.stat().st_size for path in (trail / "bodies").iterdir()) / PUBLICATIONS
        header, packed = header_bytes(points, chance)
        checked = timed(partial(prove, trail, key))
        figures |= {
            f"publication_{points}_points_ms": statistics.median(times) * 1000,
            f"publication_{points}_points_verified_ms": checked / PUBLICATIONS * 1000,
            f"publication_{points}_points_header_bytes": header,
            f"publication_{points}_points_packed_header_bytes": packed,
            f"publication_{points}_points_body_bytes": body,
            f"year_of_{points}_points_plain_gb": (header + body) * A_YEAR / 1e9,
            f"year_of_{points}_points_packed_gb": (packed + body) * A_YEAR / 1e9,
        }
    return figures


def prove(trail: Path, key: Ed25519PrivateKey) -> None:
    verdict = verify(trail, [verifier_key(ORIGIN, key.public_key())])
    if not isinstance(verdict, Verified):
        raise SystemExit(f"the log that was just written does not verify: {verdict}")


def header_bytes(points: int, chance: random.Random) -> tuple[float, float]:
    """Of a publication's header line: as it is written, and its part of a packed segment."""
    entry = replace(published(points), digests={"contract": "cd" * 32})
    timed = [
        Timed(
            entry, Reading(1_760_000_000_000_000 + number * 2_000_019, number * 2_000_000, "3b1c-boot", "synchronised")
        )
        for number in range(LINES)
    ]
    refs = [
        BodyRef(chance.randbytes(32).hex(), 8_000 + chance.randrange(99), chance.randbytes(32).hex()) for _ in timed
    ]
    batch = [Prepared(one, b"", ref) for one, ref in zip(timed, refs, strict=True)]
    (piece,) = chain.extend(ORIGIN, Position(), batch, LINES).pieces
    return len(piece.headers) / LINES, len(gzip.compress(piece.headers, mtime=0)) / LINES


def publication(values: list[float], chance: random.Random) -> Entry:
    """All values a little further, in the columns of the gateway's records."""
    values[:] = [value + chance.gauss(0, 2e3) for value in values]
    body = Body(
        {
            "point": [f"feeder.F{number % 40}.P{number}" for number in range(len(values))],
            "raw": [round(value / 1e3) for value in values],
            "quality": [1] * len(values),
            "time_ms": [1_760_000_000_000 + chance.randrange(2_000) for _ in values],
            "rule": [""] * len(values),
        }
    )
    return replace(published(len(values)), body=body)


def published(points: int) -> Entry:
    return Entry("crossing.out", "3f0c", "headend-1", "", "admitted", n=points, dir="out")


if __name__ == "__main__":
    main()
