"""How fast a log is verified, headers only, as ratios to a bare loop over the same lines in the same run.

    python benches/audit_verify.py [--json] [--records 1000000] [--folder FOLDER]

The loop hashes each line and parses it with `json.loads`, and does nothing else. The log is
written here and now: publications, commands, denials, what faces noticed, with the texts and digests of a gateway's
records; most of them speak of bodies, which are not there and not read. Memory is the peak of a process that does
nothing but verify, its workers added. The loop and one worker are compared by the seconds of CPU that they take, two
workers and one by the clock on the wall; each the least of `REPEATS`, taken in turns. Run on a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.format import checkpoint, kinds, step
from audit.format.body import BodyRef
from audit.format.checkpoint import Checkpoint
from audit.format.layout import SEGMENT_LINES, Layout
from audit.format.note import parse_vkey, verifier_key
from audit.format.record import Entry, Reading, Timed
from audit.log import chain
from audit.log.chain import Position, Prepared
from audit.verify import Progress, Scope, Verified, verify

ORIGIN: Final = "example.com/bench"
REPEATS: Final = 3
LIMITS: Final = {
    "one_worker_of_json_loop": "at least 0.6",
    "two_workers_of_one": "at least 1.3 on two cores",
    "peak_mb_one_worker": "below 200 for a million records",
    "peak_mb_two_workers": "below 200 for a million records",
}
_BATCH: Final = 4_096


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where to write the log", default=None)
    parser.add_argument("--peak", nargs=3, metavar=("LOG", "KEY", "WORKERS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peak:
        folder, public, workers = arguments.peak
        print(peak_mb(Path(folder), public, int(workers)))
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        figures = measure(Path(name), arguments.records)
    print(json.dumps(figures) if arguments.json else "\n".join(map(said, figures, figures.values())))


def said(name: str, value: float) -> str:
    return f"{name}: {value:g}" + (f" ({LIMITS[name]})" if name in LIMITS else "")


def measure(folder: Path, records: int) -> dict[str, float]:
    """Every figure by name; seconds are the best of all rounds."""
    public = write(folder, records)
    bare = decoding(json.loads)
    rounds = [(bare(folder), *verifying(folder, public, 1), verifying(folder, public, 2)[1]) for _ in range(REPEATS)]
    loop, cpu, one, two = (min(times) for times in zip(*rounds, strict=True))
    return {
        "records": records,
        "bytes_per_header": sum(path.stat().st_size for path in (folder / "headers").iterdir()) / records,
        "json_loop_records_per_cpu_s": records / loop,
        "one_worker_records_per_cpu_s": records / cpu,
        "one_worker_records_per_s": records / one,
        "two_workers_records_per_s": records / two,
        "one_worker_of_json_loop": loop / cpu,
        "two_workers_of_one": one / two,
        "peak_mb_one_worker": peak_of_child(folder, public, 1),
        "peak_mb_two_workers": peak_of_child(folder, public, 2),
    }


def write(folder: Path, records: int) -> str:
    """A log of so many records, and its verifier key. Written without a `Log`: there are no bodies, and no hurry."""
    key, layout, chance = Ed25519PrivateKey.generate(), Layout(folder), random.Random(0)
    public = str(verifier_key(ORIGIN, key.public_key()))
    layout.headers_folder.mkdir()
    position, given = Position(), prepared(records, parse_vkey(public).digest, chance)
    for batch in batches(given):
        extension = chain.extend(ORIGIN, position, batch, SEGMENT_LINES)
        for piece in extension.pieces:
            with layout.headers(piece.segment).open("ab") as file:
                file.write(piece.headers)
        position = extension.after
    layout.checkpoint.write_bytes(checkpoint.sign(Checkpoint(ORIGIN, position.size, position.root()), key))
    return public


def batches(given: Iterator[Prepared]) -> Iterator[list[Prepared]]:
    while batch := list(islice(given, _BATCH)):
        yield batch


def prepared(records: int, key_digest: str, chance: random.Random) -> Iterator[Prepared]:
    """Records as a gateway hands them in, one every two seconds, clocks a few microseconds apart."""
    start = Entry(kinds.START, n=step.THRESHOLD_US, digests={"key": key_digest})
    for number in range(records):
        t = 1_760_000_000_000_000 + number * 2_000_000 + chance.randrange(50)
        reading = Reading(t, 5_000_000 + number * 2_000_000 + chance.randrange(50), "3b1c-boot", "synchronised")
        entry = start if number == 0 else submitted(number, chance)
        has_body = entry.kind in ("crossing.out", "command.in")
        ref = (
            BodyRef(chance.randbytes(32).hex(), 6_000 + number % 700, chance.randbytes(32).hex()) if has_body else None
        )
        yield Prepared(Timed(entry, reading), b"", ref)


def submitted(number: int, chance: random.Random) -> Entry:
    session, digests = f"{number // 5_000:08x}", {"contract": "cd" * 32}
    match chance.randrange(20):
        case 0:
            return Entry(
                "denied", session, f"10.1.2.{chance.randrange(9)}:20000", "masters", "refused", "no such point", 7
            )
        case 1:
            reason = f"link status {chance.randrange(1_000)} of São Paulo"
            return Entry("face", session, "10.1.2.3:20000", "1", "connected", reason)
        case 2:
            return Entry("command.in", session, "10.1.2.3:20000", "", "accepted", n=1, digests=digests, dir="in")
    rule = "too_fast" if chance.randrange(10) == 0 else ""
    return Entry("crossing.out", session, "headend-1", rule, "admitted", n=1_000, digests=digests, dir="out")


def decoding(parse: Callable[[bytes], Any]) -> Callable[[Path], float]:
    """The bare loop: seconds of CPU to hash and parse every line, reading left out."""

    def loop(folder: Path) -> float:
        took = 0.0
        for path in sorted((folder / "headers").iterdir()):
            lines = path.read_bytes().split(b"\n")[:-1]
            begun = time.process_time()
            for line in lines:
                sha256(b"\0" + line).digest()
                parse(line)
            took += time.process_time() - begun
        return took

    return loop


def verifying(folder: Path, public: str, workers: int, progress: Progress | None = None) -> tuple[float, float]:
    """Seconds to verify, the starting of workers included: of this process's CPU, and on the wall."""
    cpu, begun = time.process_time(), time.perf_counter()
    verdict = verify(folder, [parse_vkey(public)], scope=Scope(bodies=False), workers=workers, progress=progress)
    if not isinstance(verdict, Verified):
        raise SystemExit(f"the log that was just written does not verify: {verdict}")
    return time.process_time() - cpu, time.perf_counter() - begun


def peak_of_child(folder: Path, public: str, workers: int) -> float:
    command = [sys.executable, __file__, "--peak", str(folder), public, str(workers)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def peak_mb(folder: Path, public: str, workers: int) -> float:
    """Resident megabytes at the peak: of this process, and of every worker while it was there, added up.

    By /proc, not by `ru_maxrss`, in which a new program still has the peak of the one that started it.
    """
    peaks: dict[int, int] = {}

    def look(_done: int, _of: int) -> None:
        peaks.update({child.pid or 0: peak_kb(child.pid or 0) for child in multiprocessing.active_children()})

    verifying(folder, public, workers, look)
    return (sum(peaks.values()) + peak_kb(os.getpid())) / 1024


def peak_kb(process: int) -> int:
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


if __name__ == "__main__":
    main()
