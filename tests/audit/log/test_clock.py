"""The host's clocks: what they say, and what is said where they say nothing."""

from __future__ import annotations

import ctypes
import time
from pathlib import Path

import pytest

from audit.log import clock


def test_readings_of_this_host() -> None:
    read = clock.host_clock()
    before = time.time_ns() // 1000
    first, second = read(), read()
    assert before <= first.t <= time.time_ns() // 1000
    assert first.mono_us <= second.mono_us
    assert first.boot == second.boot != ""
    assert first.clock in ("synchronised", "unsynchronised", "unknown")


def test_a_host_without_a_boot_id(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(clock, "_BOOT_ID", tmp_path / "nowhere")
    assert clock.boot_id() != clock.boot_id()
    (tmp_path / "here").write_text("abc\n")
    monkeypatch.setattr(clock, "_BOOT_ID", tmp_path / "here")
    assert clock.boot_id() == "abc"


def test_the_monotonic_clock_goes_on_while_the_machine_is_suspended(monkeypatch: pytest.MonkeyPatch) -> None:
    suspended = {clock._BOOT_CLOCK: 7_000_000}
    monkeypatch.setattr(time, "clock_gettime_ns", lambda which: suspended[which])
    assert clock.host_clock()().mono_us == 7_000
    monkeypatch.setattr(clock, "_BOOT_CLOCK", None)
    before = time.monotonic_ns() // 1000
    assert before <= clock.host_clock()().mono_us <= time.monotonic_ns() // 1000


class Library:
    """A C library whose adjtimex gives one answer."""

    def __init__(self, answer: int) -> None:
        self._answer = answer

    def adjtimex(self, buffer: object) -> int:
        return self._answer


@pytest.mark.parametrize(
    ("library", "state"),
    [
        (Library(0), "synchronised"),
        (Library(1), "synchronised"),  # a leap second will be inserted: the clock is well
        (Library(5), "unsynchronised"),
        (Library(-1), "unknown"),
        (object(), "unknown"),
    ],
)
def test_synchronisation(monkeypatch: pytest.MonkeyPatch, library: object, state: str) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    assert clock.synchronisation() == state


def test_synchronisation_is_asked_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(clock, "synchronisation", lambda: asked.append(1) or "synchronised")
    read = clock.host_clock()
    for _ in range(100):
        assert read().clock == "synchronised"
    assert len(asked) <= 2
