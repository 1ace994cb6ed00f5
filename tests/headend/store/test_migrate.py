"""Migrations make the tables that the code uses, on both makes of database."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from dermscore.errors import BadInput, NotSetUp
from headend.store import engine, migrate, tables


@pytest.mark.parametrize("track", ["state", "history"])
def test_the_migrated_schema_is_the_declared_one(migrated, track):
    with migrated(track).connect() as connection:
        options = {"version_table": f"derms_{track}_version", "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, getattr(tables, track)) == []


def test_both_tracks_fit_in_one_database_and_upgrading_twice_changes_nothing(migrated):
    for track in ("state", "history", "state", "history"):
        opened = migrated(track)
        migrate.require_newest(opened, track, "derms headend init DIR --update")


def test_what_is_not_at_the_newest_revision_names_the_command_that_mends_it(migrated, database):
    opened = engine.open_engine(database, durable=True)
    with pytest.raises(NotSetUp, match="has no state tables; `mend it` makes them"):
        migrate.require_newest(opened, "state", "mend it")
    migrated("state")
    for revision, says in [("9999", "of a newer derms")]:
        with opened.begin() as connection:
            connection.execute(text("UPDATE derms_state_version SET version_num = :r"), {"r": revision})
        with pytest.raises(NotSetUp, match=says):
            migrate.require_newest(opened, "state", "mend it")
    opened.dispose()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("history.db", "is not a database URL"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("mysql://localhost/x", "SQLite and PostgreSQL are supported"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_in_words(url, says, tmp_path):
    with pytest.raises(BadInput, match=says):
        engine.resolve(url, tmp_path)


def test_a_relative_sqlite_path_counts_from_the_folder(tmp_path):
    assert engine.resolve("sqlite:///a.db", tmp_path).database == str(tmp_path / "a.db")
    assert engine.resolve("sqlite:////var/a.db", tmp_path).database == "/var/a.db"


def test_opening_creates_no_file(tmp_path: Path):
    url = engine.resolve("sqlite:///missing.db", tmp_path)
    opened = engine.open_engine(url, durable=True)
    with pytest.raises(Exception, match="unable to open database file"), opened.connect():
        pass
    opened.dispose()
    assert not engine.exists(url)
    assert list(tmp_path.iterdir()) == []


def test_state_is_written_through_and_history_by_wal(tmp_path: Path):
    folder = tmp_path / "a b?#%"
    folder.mkdir()
    url = engine.resolve("sqlite:///a.db", folder)
    engine.create_file(url)
    assert (folder / "a.db").stat().st_mode & 0o777 == 0o600
    for durable, level in [(True, 2), (False, 1)]:
        opened = engine.open_engine(url, durable=durable)
        with opened.connect() as connection:
            assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
            assert connection.execute(text("PRAGMA synchronous")).scalar() == level
        opened.dispose()
