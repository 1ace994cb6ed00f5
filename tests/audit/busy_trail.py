"""A small trail in which everything happens that a reader looks for, with hostile texts in it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from trail_helpers import ORIGIN, counting_salt

from audit import keys
from audit.format.body import Body
from audit.format.kinds import CONTRACT_CHANGE, ISOLATION
from audit.format.record import Entry, Reading
from audit.log import Log

NOON_US = 1_795_435_200_000_000
"""2026-11-23T12:00:00Z."""
HOUR_US = 3_600_000_000
HOSTILE = "<script>alert('x')</script>\x1b[2J\u202e &amp; \x9b31m"
"""What would run in a browser, clear a terminal, or turn the direction of writing."""


def slow_clock() -> Callable[[], Reading]:
    """Every reading six hours after the last."""
    ticks = itertools.count()

    def read() -> Reading:
        tick = next(ticks) * 6 * HOUR_US
        return Reading(NOON_US + tick, 5_000_000 + tick, "boot-1", "synchronised")

    return read


def happenings() -> Sequence[Entry]:
    """Records 1 to 11 of the trail; 0 opens it, 12 closes it."""
    shown = {"point": ["F1.P", "F2.P"], "raw": [10, -4], "quality": [1, 3], "time_ms": [NOON_US // 1000] * 2}
    refused = {"refused": ["F9.P"], "refused_rule": ["went-back"], "refused_value": [7.5]}
    return (
        Entry("gateway", decision="started", reason="derms/0.1.0 pid 7"),
        Entry(CONTRACT_CHANGE, decision="in force", digests={"contract": "ab" * 32}),
        Entry(
            "crossing.out", "s1", "pub", "over-range,went-back", "partly admitted", n=2, dir="out",
            body=Body({"seq": [1], **shown, "rule": ["", "over-range"], **refused}),
        ),
        Entry("worsened", "", "", "stale", "shown at once", n=2, dir="out", body=Body(shown)),
        Entry(
            "command.in", "s2", "10.0.0.7:20000", decision="accepted", n=1, dir="in",
            body=Body({"id": ["c-1"], "command": ["F1.SP"], "raw": [9], "how": ["sbo"]}),
        ),
        Entry(
            "command.outcome", "s1", "pub", decision="admitted", n=1, dir="out",
            body=Body({"id": ["c-1"], "state": ["active"], **shown}),
        ),
        Entry("denied", "", "10.0.0.9", "limit", "OUT_OF_RANGE", HOSTILE, 3, dir="in"),
        Entry(ISOLATION, peer=HOSTILE, decision="isolated", reason="drill for São Paulo"),
        Entry(ISOLATION, peer="ana", decision="rejoined"),
        Entry("denied", "", HOSTILE, "link", "refused", "who is this?", 1),
        Entry("crossing.out", "s1", "pub", "", "admitted", n=1, dir="out", body=Body({"point": ["F2.P"], "raw": [1]})),
    )  # fmt: skip


def make(home: Path, key: Ed25519PrivateKey) -> Path:
    """The trail, in `home` with its key files."""
    keys.write(home, key, ORIGIN)
    Log.init(home / "trail", key, ORIGIN)
    with Log.open(home / "trail", key, clock=slow_clock(), salt=counting_salt()) as log:
        for entry in happenings():
            log.submit([entry]).result(timeout=30)
    return home / "trail"
