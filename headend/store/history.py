"""The history store: telemetry, agent sessions, asset events. Synchronous; the writer's thread and readers call it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, Table, delete, func, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from dermscore.model import Measurement
from dermscore.quality import Quality
from headend.records import Abandoned, EventRow, HistoryRow, SessionEnd, SessionRow, TelemetryRow
from headend.store import tables

CUT_OFF = "the headend stopped without closing it"


class HistoryStore:
    """Reads and writes the history tables. Immutable; the engine is safe between threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def close(self) -> None:
        self._engine.dispose()

    def ping(self) -> None:
        """Raises what SQLAlchemy raises where the database does not answer."""
        with self._engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    def write(self, rows: Sequence[HistoryRow]) -> None:
        """Store a batch in one transaction. What is there already (sent twice, or back-filled) stays as it is."""
        with self._engine.begin() as connection:
            for row in rows:
                if isinstance(row, Abandoned):
                    _close_abandoned(connection, row)
            _insert_new(connection, tables.telemetry, (_telemetry(r) for r in rows if isinstance(r, TelemetryRow)))
            _insert_new(connection, tables.agent_sessions, (_fields(r) for r in rows if isinstance(r, SessionRow)))
            _insert_new(connection, tables.asset_events, (_fields(r) for r in rows if isinstance(r, EventRow)))
            for row in rows:
                if isinstance(row, SessionEnd):
                    _close_session(connection, row)

    def forget(self, asset_ids: Iterable[str], before_ms: int) -> int:
        """Delete the telemetry of these assets from before `before_ms`; returns how many rows went."""
        gone = 0
        for asset_id in asset_ids:
            old = (tables.telemetry.c.asset_id == asset_id) & (tables.telemetry.c.time_ms < before_ms)
            with self._engine.begin() as connection:  # a transaction per asset: readers and writers wait for one only
                gone += connection.execute(delete(tables.telemetry).where(old)).rowcount
        return gone

    def count(self) -> int:
        """How many readings there are."""
        with self._engine.connect() as connection:
            return connection.execute(select(func.count()).select_from(tables.telemetry)).scalar_one()

    def telemetry(self, asset_id: str, start_ms: int, end_ms: int, limit: int) -> list[Measurement]:
        """Of one asset, from `start_ms` to `end_ms` (both included), newest first."""
        table = tables.telemetry
        query = (
            select(table)
            .where((table.c.asset_id == asset_id) & (table.c.time_ms >= start_ms) & (table.c.time_ms <= end_ms))
            .order_by(table.c.time_ms.desc())
            .limit(limit)
        )
        with self._engine.connect() as connection:
            return [_measurement(row) for row in connection.execute(query).mappings()]

    def sessions(self, limit: int) -> dict[str, list[SessionRow]]:
        """The newest `limit` sessions of each asset that ever had one, newest first."""
        table = tables.agent_sessions
        newest_first = (table.c.connected_ms.desc(), table.c.session_id)
        place = func.row_number().over(partition_by=table.c.asset_id, order_by=newest_first).label("place")
        numbered = select(table, place).subquery()
        query = select(numbered).where(numbered.c.place <= limit).order_by(numbered.c.asset_id, numbered.c.place)
        found: dict[str, list[SessionRow]] = defaultdict(list)
        with self._engine.connect() as connection:
            for row in connection.execute(query).mappings():
                found[row["asset_id"]].append(SessionRow(**{name: row[name] for name in SessionRow.__slots__}))
        return dict(found)

    def events(self, asset_id: str, start_ms: int, end_ms: int, limit: int) -> list[EventRow]:
        """Of one asset, from `start_ms` to `end_ms` (both included), newest first."""
        table = tables.asset_events
        query = (
            select(table)
            .where((table.c.asset_id == asset_id) & (table.c.time_ms >= start_ms) & (table.c.time_ms <= end_ms))
            .order_by(table.c.time_ms.desc(), table.c.id)
            .limit(limit)
        )
        with self._engine.connect() as connection:
            return [EventRow(**row) for row in connection.execute(query).mappings()]


def _insert_new(connection: Connection, table: Table, rows: Iterable[dict[str, Any]]) -> None:
    values = list(rows)
    if not values:
        return
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    connection.execute(dialect.insert(table).on_conflict_do_nothing(), values)


def _close_abandoned(connection: Connection, row: Abandoned) -> None:
    table = tables.agent_sessions
    open_before = table.c.disconnected_ms.is_(None) & (table.c.connected_ms < row.started_ms)
    connection.execute(update(table).where(open_before).values(disconnected_ms=row.started_ms, ended=CUT_OFF))


def _close_session(connection: Connection, row: SessionEnd) -> None:
    table = tables.agent_sessions
    values = {"disconnected_ms": row.disconnected_ms, "ended": row.ended}
    connection.execute(update(table).where(table.c.session_id == row.session_id).values(values))


def _fields(row: SessionRow | EventRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in type(row).__slots__}


def _telemetry(row: TelemetryRow) -> dict[str, Any]:
    taken = row.measurement
    return {
        "asset_id": taken.asset_id,
        "time_ms": taken.time_ms,
        "power_w": taken.power_w,
        "soc_wh": taken.soc_wh,
        "available_up_w": taken.available_up_w,
        "available_down_w": taken.available_down_w,
        "setpoint_w": taken.setpoint_w,
        "quality": taken.quality.bits,
        "received_ms": row.received_ms,
    }


def _measurement(row: RowMapping) -> Measurement:
    fields = dict(row)
    del fields["received_ms"]
    return Measurement(**(fields | {"quality": Quality.from_bits(row["quality"])}))
