"""Packing while the trail is written: in its time, once, told, and without anything that a verifier would object to."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from audit import keeping, keys
from audit.format.layout import Layout
from audit.format.note import verifier_key
from audit.keeping.retention import DAY_US
from audit.log import Log
from audit.verify import Verified, verify
from gateway import packing, records
from gateway.packing import Done, pack
from tests.gateway.stage import Clock

LINES = 8
KEY = keys.generate()
PUBLIC = verifier_key("tests/log", KEY.public_key())


@pytest.fixture
def trail(tmp_path: Path) -> Iterator[Log]:
    """A log that is written on, with three full segments."""
    Log.init(tmp_path / "trail", KEY, "tests/log", segment_lines=LINES)
    with Log.open(tmp_path / "trail", KEY, segment_lines=LINES) as log:
        log.submit([records.clock_step(1)] * (3 * LINES)).result()
        yield log


def now_us(layout: Layout) -> int:
    """When the first segments were full, by their files."""
    return layout.headers(0).stat().st_mtime_ns // 1000


def packed_segments(layout: Layout) -> int:
    verdict = verify(layout.folder, [PUBLIC], segment_lines=LINES)
    assert isinstance(verdict, Verified), verdict
    return verdict.packed_segments


def test_a_segment_is_packed_in_its_time_and_its_plain_file_stays_a_day(trail: Log) -> None:
    layout = Layout(trail.folder, LINES)
    now = now_us(layout)
    for segment, days in ((0, 3), (1, 2)):
        os.utime(layout.headers(segment), ns=((now - days * DAY_US) * 1000,) * 2)
    assert pack(trail, layout, 3, now - 1) == Done((), ())
    assert pack(trail, layout, 3, now) == Done((0,), ())
    assert pack(trail, layout, 3, now) == Done((), ())
    assert packed_segments(layout) == 0  # the plain file is still there
    tomorrow = now + DAY_US + 600_000_000  # the packed file was made after `now`
    assert pack(trail, layout, 9, tomorrow) == Done((), (0,))
    assert packed_segments(layout) == 1
    assert pack(trail, layout, 3, tomorrow) == Done((1,), ())
    trail.submit([records.clock_step(2)]).result()
    assert packed_segments(layout) == 1


def test_a_packing_that_was_interrupted_before_its_record_is_done_again(trail: Log) -> None:
    layout = Layout(trail.folder, LINES)
    full = now_us(layout)
    layout.packed(0).write_bytes(b"half a file")
    assert pack(trail, layout, 30, full) == Done((), ())
    assert pack(trail, layout, 30, full + 2 * DAY_US) == Done((0,), ())
    assert pack(trail, layout, 30, full + 2 * DAY_US) == Done((), (0,))
    assert packed_segments(layout) == 1


async def test_it_looks_now_and_then_and_a_fault_ends_nothing(trail: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    layout, clock, looked = Layout(trail.folder, LINES), Clock(), asyncio.Event()
    tries = []

    def failing(*given: object) -> Done:
        tries.append(given)
        if len(tries) == 1:
            raise OSError(28, "no space left on device")
        loop.call_soon_threadsafe(looked.set)
        return Done((0,), ())

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(packing, "EVERY_S", 0.0)
    monkeypatch.setattr(packing, "pack", failing)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(packing.run(trail, layout, 30, clock))
        await asyncio.wait_for(looked.wait(), 30)
        running.cancel()
    assert tries[0] == (trail, layout, 30, clock.now.utc_ms * 1000)


async def test_without_a_time_it_never_does(trail: Log) -> None:
    await packing.run(trail, Layout(trail.folder, LINES), None, Clock())
    assert keeping.drop_plain(Layout(trail.folder, LINES), 3 * LINES, 2**52) == ()
