"""The history writer: never in the caller's way, whatever the database does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence

import pytest
from sqlalchemy.exc import DataError, OperationalError

from dermscore.model import Measurement
from dermscore.quality import GOOD
from headend.records import EventRow, HistoryRow, SessionRow, TelemetryRow
from headend.store.history import HistoryStore
from headend.store.writer import HistoryWriter, Retention


def row(time_ms: int, asset_id: str = "a") -> TelemetryRow:
    return TelemetryRow(Measurement(asset_id, time_ms, 1.0, None, 0.0, 0.0, None, GOOD), 1)


def until(condition: Callable[[], object], within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


class Moody(HistoryStore):
    """A store that fails, hangs, or will not take some rows, as it is told."""

    def __init__(self) -> None:
        self.written: list[HistoryRow] = []
        self.failing = threading.Event()
        self.open = threading.Event()
        self.open.set()
        self.hated: set[str] = set()
        self.forgot: list[int] = []

    def write(self, rows: Sequence[HistoryRow]) -> None:
        self.open.wait(30)
        if self.failing.is_set():
            raise OperationalError("INSERT", {}, Exception("the disk is full\nand more"))
        if any(isinstance(one, EventRow) and one.id in self.hated for one in rows):
            raise DataError("INSERT", {}, Exception("a NUL in text"))
        self.written.extend(rows)

    def forget(self, asset_ids: object, before_ms: int) -> int:
        self.forgot.append(before_ms)
        return 0


@pytest.fixture
def store() -> Moody:
    return Moody()


@pytest.fixture
def writer(store: Moody) -> Iterator[HistoryWriter]:
    made = HistoryWriter(store, limit=100, batch=10)
    made.start()
    yield made
    store.open.set()
    store.failing.clear()
    made.close()


def test_rows_are_written_and_close_writes_what_waits(store, writer):
    writer.take([row(t) for t in range(35)])
    writer.close()
    assert [one.measurement.time_ms for one in store.written] == list(range(35))
    assert writer.health.ok


def test_a_hanging_database_never_blocks_the_caller_and_the_oldest_telemetry_goes_first(store, writer):
    store.open.clear()
    begun = time.monotonic()
    for start in range(0, 500, 50):
        writer.take([row(t) for t in range(start, start + 50)])
    writer.take([SessionRow("s", "a", "A", "x", "X", "agent", "peer", 1)])
    assert time.monotonic() - begun < 1
    assert writer.health.dropped >= 390
    store.open.set()
    until(lambda: not writer.health.waiting)
    written = [one.measurement.time_ms for one in store.written if isinstance(one, TelemetryRow)]
    assert written[-1] == 499
    assert any(isinstance(one, SessionRow) for one in store.written)


def test_a_failing_database_is_said_tried_again_and_nothing_that_fits_is_lost(store, writer):
    store.failing.set()
    writer.take([row(t) for t in range(20)])
    until(lambda: not writer.health.ok)
    assert writer.health.reason == "the disk is full"
    store.failing.clear()
    until(lambda: writer.health.ok and not writer.health.waiting)
    assert [one.measurement.time_ms for one in store.written] == list(range(20))
    assert writer.health.dropped == 0


def test_a_row_that_can_never_be_written_does_not_hold_up_the_others(store, writer):
    store.hated = {"bad"}
    bad = EventRow("bad", "a", 1, "t", "info", "m\0", "s", 1)
    good = EventRow("good", "a", 1, "t", "info", "m", "s", 1)
    writer.take([bad, good, row(1)])
    until(lambda: len(store.written) == 2)
    assert writer.health.ok
    assert writer.health.dropped == 1


def test_closing_gives_up_in_time_when_the_database_hangs(store, writer):
    store.open.clear()
    writer.take([row(1)])
    begun = time.monotonic()
    writer.close(within_s=0.2)
    assert time.monotonic() - begun < 2


def test_old_telemetry_is_deleted_now_and_then(store):
    writer = HistoryWriter(store, retention=Retention(["a"], 2.0, lambda: 10 * 86_400_000))
    writer.start()
    writer.take([row(1)])
    until(lambda: store.forgot == [8 * 86_400_000])
    writer.take([row(2)])
    until(lambda: len(store.written) == 2)
    writer.close()
    assert len(store.forgot) == 1


def test_what_a_real_database_refuses_is_tried_on_both_makes(migrated, database):
    """PostgreSQL takes no NUL in a text, SQLite does: either way the rest is written."""
    store = HistoryStore(migrated("history"))
    writer = HistoryWriter(store)
    writer.start()
    writer.take(
        [EventRow("bad", "a", 1, "t", "info", "m\0", "s", 1), EventRow("good", "a", 2, "t", "info", "m", "s", 1)]
    )
    until(lambda: "good" in [one.id for one in store.events("a", 0, 9, 9)])
    writer.close()
    assert writer.health.ok
