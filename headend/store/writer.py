"""The one thread that writes history, so that a slow or broken database never holds up ingestion or control.

Rows wait in a bounded queue. A database that fails is tried again with back-off while new rows come in; when the queue
is full the oldest telemetry goes first, counted and logged. Nothing here ever blocks the caller.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from daemon import logs
from headend.records import HistoryRow, TelemetryRow
from headend.store.history import HistoryStore

log = logs.get(__name__)

QUEUE_ROWS: Final = 200_000
BATCH_ROWS: Final = 10_000
_FIRST_WAIT_S: Final = 0.5
_LONGEST_WAIT_S: Final = 10.0
_COMPLAIN_EVERY_S: Final = 10.0
_FORGET_EVERY_S: Final = 3600.0
_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Health:
    """Whether history is being written; `reason` says why not. `dropped` rows are lost since the start."""

    ok: bool
    reason: str = ""
    waiting: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Retention:
    """Whose telemetry is deleted, and how old it gets."""

    asset_ids: Sequence[str]
    keep_days: float
    utc_ms: Callable[[], int]


class HistoryWriter:
    """Takes rows from any thread, writes them in its own.

    Owner of the queues, `_dropped` and `_fault`: whoever holds `_changed`. Owner of the rest: the writer's thread.
    """

    def __init__(
        self,
        store: HistoryStore,
        *,
        limit: int = QUEUE_ROWS,
        batch: int = BATCH_ROWS,
        retention: Retention | None = None,
    ) -> None:
        self._store = store
        self._limit, self._batch = limit, batch
        self._retention = retention
        self._changed = threading.Condition()
        self._telemetry: deque[HistoryRow] = deque()
        self._others: deque[HistoryRow] = deque()  # sessions and events: few, and each one matters
        self._dropped = 0
        self._complained_s = -_COMPLAIN_EVERY_S
        self._fault = ""
        self._stopping = False
        self._forgot_s = 0.0
        self._thread = threading.Thread(target=self._run, name="history writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def take(self, rows: Sequence[HistoryRow]) -> None:
        """Queue rows and return at once."""
        with self._changed:
            for row in rows:
                (self._telemetry if isinstance(row, TelemetryRow) else self._others).append(row)
            self._shed(self._telemetry)
            self._shed(self._others)
            self._changed.notify()

    def close(self, within_s: float = 5.0) -> None:
        """Write what waits, for `within_s` seconds at most, and end the thread. What then still waits is lost."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join(within_s)
        if self.health.waiting:
            log.warning("history was not written to its end", rows=self.health.waiting)

    @property
    def health(self) -> Health:
        with self._changed:
            waiting = len(self._telemetry) + len(self._others)
            return Health(not self._fault, self._fault, waiting, self._dropped)

    def _shed(self, queue: deque[HistoryRow]) -> None:
        """Called with the lock held."""
        surplus = len(queue) - self._limit
        if surplus <= 0:
            return
        for _ in range(surplus):
            queue.popleft()
        self._dropped += surplus
        if time.monotonic() - self._complained_s >= _COMPLAIN_EVERY_S:
            self._complained_s = time.monotonic()
            log.error("history rows dropped: the database does not keep up", dropped=self._dropped, why=self._fault)

    def _run(self) -> None:
        wait_s = _FIRST_WAIT_S
        while rows := self._next():
            fault = self._try(rows)
            self._report(fault)
            if not fault:
                wait_s = _FIRST_WAIT_S
                self._forget_old()
                continue
            self._put_back(rows)
            if self._pause(wait_s):
                return
            wait_s = min(wait_s * 2, _LONGEST_WAIT_S)

    def _next(self) -> list[HistoryRow]:
        """The next batch, other rows first; waits for one. Empty when it is time to end and nothing is left."""
        with self._changed:
            while not self._telemetry and not self._others:
                if self._stopping:
                    return []
                self._changed.wait()
            rows: list[HistoryRow] = []
            for queue in (self._others, self._telemetry):
                while queue and len(rows) < self._batch:
                    rows.append(queue.popleft())
            return rows

    def _put_back(self, rows: Sequence[HistoryRow]) -> None:
        with self._changed:
            for row in reversed(rows):
                (self._telemetry if isinstance(row, TelemetryRow) else self._others).appendleft(row)
            self._shed(self._telemetry)
            self._shed(self._others)

    def _pause(self, wait_s: float) -> bool:
        """Wait before another try; True where it is time to end instead."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping, wait_s)
            return self._stopping

    def _try(self, rows: Sequence[HistoryRow]) -> str:
        """Why the batch could not be written; empty where it was."""
        try:
            self._store.write(rows)
        except (DataError, IntegrityError) as error:
            return self._one_by_one(rows) if len(rows) > 1 else self._discard(rows[0], error)
        except SQLAlchemyError as error:
            return _first_line(error)
        return ""

    def _one_by_one(self, rows: Sequence[HistoryRow]) -> str:
        """Some row of the batch can never be written: find it, so that it does not hold up the others for ever."""
        for row in rows:
            if fault := self._try([row]):
                return fault
        return ""

    def _discard(self, row: HistoryRow, error: SQLAlchemyError) -> str:
        with self._changed:
            self._dropped += 1
        log.error("a history row that the database will never take was dropped", row=str(row), why=_first_line(error))
        return ""

    def _report(self, fault: str) -> None:
        with self._changed:
            before, self._fault = self._fault, fault
        if fault and not before:
            log.error("history cannot be written; it is tried again", why=fault)
        elif before and not fault:
            log.info("history is written again")

    def _forget_old(self) -> None:
        now_s = time.monotonic()
        if self._retention is None or (self._forgot_s and now_s - self._forgot_s < _FORGET_EVERY_S):
            return
        self._forgot_s = now_s
        before_ms = self._retention.utc_ms() - int(self._retention.keep_days * _DAY_MS)
        try:
            gone = self._store.forget(self._retention.asset_ids, before_ms)
        except SQLAlchemyError as error:
            log.warning("old telemetry could not be deleted", why=_first_line(error))
            return
        if gone:
            log.info("old telemetry deleted", rows=gone, keep_days=self._retention.keep_days)


def _first_line(error: SQLAlchemyError) -> str:
    """Without the SQL and its parameters, which are long and may name what a log should not."""
    original = getattr(error, "orig", None) or error
    return str(original).strip().partition("\n")[0]
