"""A process that appends to a log until it is killed, and tells over its standard output what was released to it.

Each line: first and last record of a submission, its name, and a checkpoint that covers it: size and root. What a
submission of a name holds is `submission(name)`, for those who look afterwards.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from audit import keys
from audit.format import checkpoint
from audit.format.body import Body
from audit.format.record import Entry
from audit.log import Log

THREADS = 4


def submission(name: str) -> list[Entry]:
    """One to five records, every other time with bodies, all made of the name: `<run>-<thread>-<number>`."""
    number = int(name.rpartition("-")[2])
    body = Body({"of": [name], "raw": list(range(number % 40))}) if number % 2 else None
    return [Entry("x", session=name, n=place, body=body) for place in range(number % 5 + 1)]


def write(folder: Path, private: Path, segment_lines: int, run: str) -> None:
    log = Log.open(folder, keys.load_private(private), segment_lines=segment_lines)
    telling = threading.Lock()

    def submit(thread: int) -> None:
        number = 0
        while True:
            number += 1
            name = f"{run}-{thread}-{number}"
            released = log.submit(submission(name)).result()
            covers = checkpoint.parse((folder / "checkpoint").read_bytes())[0]
            with telling:
                print(released.first_seq, released.last_seq, name, covers.size, covers.root.hex(), flush=True)

    for thread in range(THREADS):
        threading.Thread(target=submit, args=(thread,), daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
