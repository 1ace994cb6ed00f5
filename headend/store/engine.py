"""Opening databases: SQLite files and PostgreSQL, behind one URL."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError

from dermscore.errors import BadInput, Problem

CONNECT_TIMEOUT_S: Final = 5
BUSY_TIMEOUT_MS: Final = 5_000
_STATEMENT_TIMEOUT_MS: Final = 30_000


def resolve(url: str, folder: Path) -> URL:
    """The URL as SQLAlchemy wants it: a relative SQLite path counts from `folder`, PostgreSQL is spoken by psycopg 3.

    Raises:
        BadInput: the text is no database URL, or is of a database that is not supported.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise _unusable("is not a database URL such as sqlite:///history.db or postgresql://user@host/name") from None
    family = parsed.drivername.partition("+")[0]
    if family == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise _unusable("names no file; what is kept must survive a restart: sqlite:///history.db")
        return parsed.set(drivername="sqlite", database=str(folder / parsed.database))
    if family in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    raise _unusable(f"is for {family}; SQLite and PostgreSQL are supported")


def open_engine(url: URL, *, durable: bool) -> Engine:
    """An engine on an existing database. Nothing is created: a missing SQLite file fails on first use.

    With `durable`, SQLite's transactions survive a power cut (`synchronous=FULL`); without, the last ones before it may
    be lost, never the file (`NORMAL` under WAL). PostgreSQL is durable by its own settings.
    """
    if url.get_backend_name() == "sqlite":
        return _sqlite(url, durable)
    return create_engine(
        url,
        pool_size=2,
        max_overflow=2,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_S,
            "options": f"-c statement_timeout={_STATEMENT_TIMEOUT_MS} -c timezone=UTC",
            "application_name": "derms headend",
        },
    )


def create_file(url: URL) -> None:
    """Make the empty file of a SQLite database, readable by its owner only; for PostgreSQL nothing."""
    if url.get_backend_name() == "sqlite" and url.database:
        Path(url.database).touch(mode=0o600, exist_ok=True)


def exists(url: URL) -> bool:
    """Whether there is a database to be opened, as far as can be told without connecting."""
    return url.get_backend_name() != "sqlite" or Path(url.database or "").is_file()


def _sqlite(url: URL, durable: bool) -> Engine:
    file = f"file:{_escaped(url.database or '')}?mode=rw"
    synchronous = "FULL" if durable else "NORMAL"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(file, uri=True, timeout=BUSY_TIMEOUT_MS / 1000, check_same_thread=False)
        for pragma in ("journal_mode=WAL", f"synchronous={synchronous}"):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    return create_engine(url, creator=connect, pool_size=2)


def _escaped(path: str) -> str:
    """The characters that mean something in a SQLite URI (https://www.sqlite.org/uri.html section 3.1)."""
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _unusable(what: str) -> BadInput:
    return BadInput([Problem("database URL", "", what)])
