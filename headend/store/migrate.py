"""Bringing a database to the tables that this version of the program needs: by `init`, never by `run`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from dermscore.errors import NotSetUp

Track = Literal["state", "history"]

_MIGRATIONS: Final = Path(__file__).parent / "migrations"


def upgrade(engine: Engine, track: Track) -> None:
    """Run what is missing of the migrations of `track`, in one transaction. Raises NotSetUp: it is a newer derms's."""
    with engine.begin() as connection:
        found = current(connection, track)
        if found is not None and found not in _known(track):
            raise _newer(engine, track, found)
        config = _config(track)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def newest(track: Track) -> str:
    """The revision that this program needs."""
    head = ScriptDirectory.from_config(_config(track)).get_current_head()
    assert head is not None
    return head


def current(connection: Connection, track: Track) -> str | None:
    """The revision that the database is at; None where it has no tables of ours."""
    options: dict[str, Any] = {"version_table": f"derms_{track}_version"}
    return MigrationContext.configure(connection, opts=options).get_current_revision()


def require_newest(engine: Engine, track: Track, mend: str) -> None:
    """Raises NotSetUp, which names the command `mend`, where the database is not at the newest revision."""
    with engine.connect() as connection:
        found = current(connection, track)
    needed = newest(track)
    if found == needed:
        return
    place = engine.url.render_as_string(hide_password=True)
    if found is None:
        raise NotSetUp(f"{place} has no {track} tables; `{mend}` makes them")
    if found in _known(track):
        raise NotSetUp(f"{place} has {track} tables of revision {found}, and {needed} is needed; `{mend}` does it")
    raise _newer(engine, track, found)


def _known(track: Track) -> set[str]:
    return {script.revision for script in ScriptDirectory.from_config(_config(track)).walk_revisions()}


def _newer(engine: Engine, track: Track, found: str) -> NotSetUp:
    place = engine.url.render_as_string(hide_password=True)
    return NotSetUp(f"{place} has {track} tables of revision {found}, of a newer derms than this; install that one")


def _config(track: Track) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS / track).replace("%", "%%"))
    return config
