"""The one reading of both clocks."""

from __future__ import annotations

import time

import pytest

from daemon import clock

HOUR_NS = 3_600_000_000_000


@pytest.fixture
def suspended_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine slept for an hour since it started: what Linux then says of its two monotonic clocks."""
    read = time.clock_gettime_ns
    asleep = {time.CLOCK_BOOTTIME: HOUR_NS}
    monkeypatch.setattr(time, "clock_gettime_ns", lambda which: read(time.CLOCK_MONOTONIC) + asleep.get(which, 0))
    monkeypatch.setattr(time, "monotonic_ns", lambda: read(time.CLOCK_MONOTONIC))


def read_ms(which: int) -> int:
    return time.clock_gettime_ns(which) // 1_000_000


def test_both_clocks_in_milliseconds() -> None:
    before = time.time_ns() // 1_000_000, read_ms(time.CLOCK_BOOTTIME)
    now = clock.now()
    after = time.time_ns() // 1_000_000, read_ms(time.CLOCK_BOOTTIME)
    assert before[0] <= now.utc_ms <= after[0]
    assert before[1] <= now.mono_ms <= after[1]


@pytest.mark.usefixtures("suspended_an_hour")
def test_time_goes_on_while_the_machine_is_suspended() -> None:
    slept_ms = clock.now().mono_ms - read_ms(time.CLOCK_MONOTONIC)
    assert 3_600_000 - 1_000 < slept_ms < 3_600_000 + 1_000


@pytest.mark.usefixtures("suspended_an_hour")
def test_a_platform_without_such_a_clock_has_its_monotonic_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "_BOOT_CLOCK", None)
    assert abs(clock.now().mono_ms - read_ms(time.CLOCK_MONOTONIC)) < 1_000
