"""The one place where the product reads the clocks; everything further in gets a `Now`."""

from __future__ import annotations

import time
from typing import Final

from dermscore.model import Now

_NS_PER_MS = 1_000_000
# It goes on while the machine is suspended, which the usual monotonic clock of Linux does not: a sleeping box would
# obey past its deadlines and take old values for fresh. None where the platform has no such clock.
_BOOT_CLOCK: Final[int | None] = getattr(time, "CLOCK_BOOTTIME", None)


def now() -> Now:
    """Both clocks, read once: UTC and this boot's monotonic time (suspension included), in milliseconds."""
    return Now(time.time_ns() // _NS_PER_MS, _mono_ns() // _NS_PER_MS)


def _mono_ns() -> int:
    return time.monotonic_ns() if _BOOT_CLOCK is None else time.clock_gettime_ns(_BOOT_CLOCK)
