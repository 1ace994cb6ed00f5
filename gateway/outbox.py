"""The outbox: every command of SCADA as a row that survives a crash, so that none is ever done twice or forgotten.

A row is NEW before its record is durable, RECORDED after, and follows the command's life from there. At start, a NEW
row is dropped: its master never heard SUCCESS. A row whose fate nobody knows is failed by its id, until somebody
knows better. Nothing is ever sent from here.

SQLite, one connection, `synchronous=FULL`. The connection belongs to one thread, because a disk that stalls must not
stall the gateway's loop: every call returns a future.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from dermscore.errors import BadInput, DermsError, NotSetUp, Problem
from dermscore.intent import TERMINAL, IntentState
from gateway.commands import NOT_CONFIRMED, QUARTER_HOUR_MS, REMEMBERED

Result = TypeVar("Result")

VERSION: Final = 2
NEW: Final = "new"
WITHDRAWN: Final = "withdrawn"
UNKNOWN_FATE: Final = "the gateway stopped before anybody confirmed it"

_SCHEMA = """
CREATE TABLE command (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    target_w REAL,
    master TEXT NOT NULL,
    accepted_ms INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    delivered_w REAL,
    changed_ms INTEGER NOT NULL,
    inferred INTEGER NOT NULL DEFAULT 0,
    quality INTEGER,
    measured_ms INTEGER NOT NULL DEFAULT 0,
    energy_wh REAL NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX command_name ON command (name, number);
"""
_FROM_1 = f"""
ALTER TABLE command ADD COLUMN inferred INTEGER NOT NULL DEFAULT 0;
ALTER TABLE command ADD COLUMN quality INTEGER;
ALTER TABLE command ADD COLUMN measured_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE command ADD COLUMN energy_wh REAL NOT NULL DEFAULT 0;
UPDATE command SET inferred = 1 WHERE state = 'failed' AND reason IN ('{UNKNOWN_FATE}', '{NOT_CONFIRMED}');
"""
_COLUMNS = (
    "id, name, target_w, master, accepted_ms, state, reason, delivered_w, inferred, quality, measured_ms, energy_wh"
)
_KEPT = f"""
WHERE state != '{WITHDRAWN}' AND (
    number IN (SELECT max(number) FROM command WHERE state != '{WITHDRAWN}' GROUP BY name)
    OR number > (SELECT max(number) FROM command) - {REMEMBERED}
    OR state NOT IN ({", ".join(f"'{state.value}'" for state in sorted(TERMINAL))})
    OR accepted_ms > ?
) ORDER BY number
"""
_FAIL = "UPDATE command SET state = ?, reason = ?, inferred = 1, changed_ms = ? WHERE id = ?"
_CHANGE = """
UPDATE command SET state = ?, reason = ?, delivered_w = ?, inferred = ?, quality = ?, measured_ms = ?, changed_ms = ?
WHERE id = ?
"""
_WHY: Final = {
    sqlite3.SQLITE_FULL: "its disk is full; make room on it",
    sqlite3.SQLITE_IOERR: "its disk is full or fails; make room on it, or look at the host's log",
    sqlite3.SQLITE_READONLY: "the user that runs the gateway may not write to it or its folder",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; is there room, and may the gateway's user write to its folder?",
    sqlite3.SQLITE_BUSY: "another process has it open for writing; stop that one",
}
_UNCONFIRMED = (IntentState.SUBMITTED.value, IntentState.SENT.value)


class OutboxUnwritable(DermsError):
    """The outbox cannot be read or written now; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Row:
    """One command. `state` is `new`, `withdrawn`, or an `IntentState` value.

    `inferred`: its failure is the gateway's guess, and somebody may know better. `quality` (bits, None where nobody
    vouches) and `measured_ms` are those of `delivered_w`. `energy_wh` is what its step moves within 15 minutes.
    """

    id: str
    name: str
    target_w: float | None
    master: str
    accepted_ms: int
    state: str
    reason: str = ""
    delivered_w: float | None = None
    inferred: bool = False
    quality: int | None = None
    measured_ms: int = 0
    energy_wh: float = 0.0


@dataclass(frozen=True, slots=True)
class Found:
    """What the outbox held at start: rows dropped, rows failed, and the rows that are taken up again, oldest first.

    Those are as they stand now: all that are not over, all of the last 15 minutes, the last of each command, and the
    last thousand.
    """

    dropped: tuple[Row, ...]
    failed: tuple[Row, ...]
    kept: tuple[Row, ...]


class Outbox:
    """An open outbox. Any thread may call its methods; the work is done in one thread of its own, in order.

    Every future fails with OutboxUnwritable where the disk does not take it.
    """

    def __init__(self, path: Path) -> None:
        """Use `Outbox.open`."""
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="outbox")
        self._database: sqlite3.Connection | None = None  # owner: the thread

    @staticmethod
    def init(path: Path) -> None:
        """Make an empty outbox. FileExistsError where something is there."""
        path.open("xb").close()
        database = sqlite3.connect(path)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.executescript(_SCHEMA)
            database.execute(f"PRAGMA user_version = {VERSION}")
            database.commit()
        finally:
            database.close()

    @classmethod
    def open(cls, path: Path) -> Outbox:
        """Open for the one gateway that runs. One that an earlier version made is brought up to date.

        Raises:
            NotSetUp: there is none.
            BadInput: it is not an outbox of this version.
            OutboxUnwritable: its disk is full, or it may not be written.
        """
        if not path.exists():
            raise NotSetUp(f"{path} does not exist; `derms gateway init DIR --add` makes an empty one")
        outbox = cls(path)
        try:
            outbox._thread.submit(outbox._connect).result()
        except OutboxUnwritable:
            outbox.close()
            raise
        except sqlite3.Error as error:
            outbox.close()
            raise BadInput([Problem(str(path), "", f"is not an outbox of this gateway: {error}")]) from None
        return outbox

    def recover(self, now_ms: int) -> Future[Found]:
        """At start: drop what was never recorded, fail what nobody confirmed."""
        return self._do(lambda database: _recover(database, now_ms))

    def add(self, row: Row) -> Future[None]:
        """A NEW row."""
        return self._do(lambda database: _add(database, row))

    def change(
        self,
        identifier: str,
        state: str,
        reason: str,
        now_ms: int,
        *,
        delivered_w: float | None = None,
        inferred: bool = False,
        quality: int | None = None,
        measured_ms: int = 0,
    ) -> Future[None]:
        """The row of a command has come to `state`."""
        values = (state, reason, delivered_w, inferred, quality, measured_ms, now_ms, identifier)
        return self._do(lambda database: _execute(database, _CHANGE, values))

    def close(self) -> None:
        """Finish what is queued and let the file go."""
        self._thread.submit(self._disconnect)
        self._thread.shutdown()

    def _do(self, work: Callable[[sqlite3.Connection], Result]) -> Future[Result]:
        return self._thread.submit(self._in_thread, work)

    def _in_thread(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        assert self._database is not None
        try:
            return work(self._database)
        except sqlite3.Error as error:
            raise _explained(self._path, error) from None

    def _connect(self) -> None:
        try:
            self._open_database()
        except sqlite3.Error as error:
            raise _explained(self._path, error) from None

    def _open_database(self) -> None:
        database = sqlite3.connect(self._path, isolation_level=None)
        self._database = database
        database.execute("PRAGMA synchronous = FULL")
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version == 1:
            database.executescript(f"BEGIN IMMEDIATE; {_FROM_1} PRAGMA user_version = {VERSION}; COMMIT")
        elif version != VERSION:
            raise sqlite3.DatabaseError(f"its version is {version}, not {VERSION}")

    def _disconnect(self) -> None:
        if self._database is not None:
            self._database.close()


def read(path: Path) -> list[Row]:
    """The newest rows of an outbox that another process may have open, newest first: for `status`."""
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return _rows(database, "ORDER BY number DESC LIMIT 20")
    finally:
        database.close()


def _explained(path: Path, error: sqlite3.Error) -> Exception:
    """The same in words that say what to do, where it is the disk's or the folder's doing."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without the extension of the primary code
    return OutboxUnwritable(f"{path}: {_WHY[code]} ({error})") if code in _WHY else error


def _add(database: sqlite3.Connection, row: Row) -> None:
    values = (row.id, row.name, row.target_w, row.master, row.accepted_ms, row.energy_wh, NEW, row.accepted_ms)
    columns = "id, name, target_w, master, accepted_ms, energy_wh, state, changed_ms"
    _execute(database, f"INSERT INTO command ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)


def _execute(database: sqlite3.Connection, sql: str, values: tuple[str | int | float | None, ...]) -> None:
    database.execute(sql, values)


def _recover(database: sqlite3.Connection, now_ms: int) -> Found:
    dropped = _rows(database, "WHERE state = ?", NEW)
    failed = _rows(database, f"WHERE state IN ({', '.join('?' * len(_UNCONFIRMED))})", *_UNCONFIRMED)
    database.execute("BEGIN IMMEDIATE")
    database.execute("DELETE FROM command WHERE state = ?", (NEW,))
    for row in failed:
        database.execute(_FAIL, (IntentState.FAILED.value, UNKNOWN_FATE, now_ms, row.id))
    database.execute("COMMIT")
    return Found(tuple(dropped), tuple(failed), tuple(_rows(database, _KEPT, now_ms - QUARTER_HOUR_MS)))


def _rows(database: sqlite3.Connection, where: str, *values: str | int) -> list[Row]:
    return [Row(*found) for found in database.execute(f"SELECT {_COLUMNS} FROM command {where}", values)]


def is_over(row: Row) -> bool:
    """Whether nothing more will come of it."""
    return row.state in {NEW, WITHDRAWN} or IntentState(row.state) in TERMINAL
