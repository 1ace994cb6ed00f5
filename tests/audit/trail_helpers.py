"""What the trail's tests share: a clock and salts that count, a mixture of entries, and a log taken apart."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from audit.format.body import Body, Encrypted, MalformedBody, Opened
from audit.format.layout import Layout
from audit.format.record import Entry, Header, Reading, decode
from audit.reading import released
from audit.reading.released import Bodies, Line
from audit.secrecy import BodyKeys, open_body

SOAK = os.environ.get("DERMS_SOAK") == "1"

ORIGIN = "example.com/gateway-1"
SEGMENT = 8
"""Lines per segment in these tests: small, so that few records cross many segments."""


def counting_clock() -> Callable[[], Reading]:
    """Every reading one millisecond after the last."""
    ticks = itertools.count()

    def read() -> Reading:
        tick = next(ticks)
        return Reading(1_760_000_000_000_000 + tick * 1000, 5_000_000 + tick * 1000, "boot-1", "synchronised")

    return read


def counting_salt() -> Callable[[], bytes]:
    numbers = itertools.count(1)
    return lambda: next(numbers).to_bytes(32, "big")


def entries(count: int) -> Sequence[Entry]:
    """A mixture: every third with a body, texts that need escapes and more than ASCII."""
    return [
        Entry(
            kind="crossing.out" if number % 2 else "crossing.in",
            session=f"s{number}",
            peer="10.0.0.7:20000",
            rule="points.csv:3",
            decision="allowed",
            reason='said "yes"\n\u001f to São Paulo \U0001f50b' if number % 4 == 0 else "",
            n=number,
            digests={"policy": "ab" * 32, "config": "cd" * 32},
            body=Body({"point": ["F1.P", "F2.P"], "raw": [number, number / 7]}) if number % 3 == 0 else None,
            dir="out" if number % 2 else "in",
        )
        for number in range(count)
    ]


def headers_of(folder: Path) -> list[Header]:
    """Every header in the log's files, released or not."""
    files = sorted((folder / "headers").iterdir())
    return [decode(line) for file in files for line in file.read_bytes().split(b"\n")[:-1]]


def released_lines(layout: Layout) -> list[Line]:
    """Every released line; of pruned segments those that were kept."""
    return list(released.lines(layout, released.newest(layout).size))


def opened(line: Line, layout: Layout, keys: BodyKeys | None = None) -> Opened | Encrypted | MalformedBody | None:
    """The values of a line's record; None where it has none, or they went with their segment."""
    if not line.length or line.bodies is None:
        return None
    with Bodies(layout, keys) as files:
        stored = files.stored(line.bodies, line.at.body_at, line.length)
        return open_body(stored, files.key(line.at.seq), line.header().origin, line.at.seq)
