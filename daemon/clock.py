"""The one place where the product reads the clocks; everything further in gets a `Now`."""

from __future__ import annotations

import time

from dermscore.model import Now

_NS_PER_MS = 1_000_000


def now() -> Now:
    """Both clocks, read once: UTC and this boot's monotonic time, in milliseconds."""
    return Now(time.time_ns() // _NS_PER_MS, time.monotonic_ns() // _NS_PER_MS)
