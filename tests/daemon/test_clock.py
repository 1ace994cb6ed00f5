"""The one reading of both clocks."""

from __future__ import annotations

import time

from daemon import clock


def test_both_clocks_in_milliseconds() -> None:
    before = time.time_ns() // 1_000_000, time.monotonic_ns() // 1_000_000
    now = clock.now()
    after = time.time_ns() // 1_000_000, time.monotonic_ns() // 1_000_000
    assert before[0] <= now.utc_ms <= after[0]
    assert before[1] <= now.mono_ms <= after[1]
