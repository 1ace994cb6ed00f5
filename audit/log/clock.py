"""The clocks as the host has them, read at the log's rim and nowhere else."""

from __future__ import annotations

import ctypes
import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Final

from audit.format.record import Reading

Clock = Callable[[], Reading]

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TIME_ERROR = 5
"""What adjtimex(2) returns while the kernel's clock is not synchronised."""
_TIMEX_BYTES = 512
"""More than any `struct timex`; all zero means: change nothing, only report."""
# It goes on while the machine is suspended, so that the records before and after a sleep are as far apart as they were.
# None where the platform has no such clock.
_BOOT_CLOCK: Final[int | None] = getattr(time, "CLOCK_BOOTTIME", None)


def boot_id() -> str:
    """Which run of the kernel the monotonic clock counts from; where the host does not say, one id per process."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return str(uuid.uuid4())


def synchronisation() -> str:
    """What the kernel says of UTC: `synchronised`, `unsynchronised`, or `unknown` where it cannot be asked."""
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        return "unknown"
    if state < 0:
        return "unknown"
    return "unsynchronised" if state == _TIME_ERROR else "synchronised"


def host_clock() -> Clock:
    """Readings of this host. Synchronisation is asked again at most once a second, for it seldom changes."""
    boot = boot_id()
    asked_ns = -(10**10)  # owned by whoever calls the clock; Log calls it under its lock
    clock = "unknown"

    def read() -> Reading:
        nonlocal asked_ns, clock
        mono_ns = _mono_ns()
        if mono_ns - asked_ns >= 10**9:
            asked_ns, clock = mono_ns, synchronisation()
        return Reading(time.time_ns() // 1000, mono_ns // 1000, boot, clock)

    return read


def _mono_ns() -> int:
    return time.monotonic_ns() if _BOOT_CLOCK is None else time.clock_gettime_ns(_BOOT_CLOCK)


def process() -> str:
    """How a record names the process that opened the log."""
    return f"pid {os.getpid()}"
