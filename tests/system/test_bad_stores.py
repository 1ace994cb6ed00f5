"""Ports in use; stores, trails and outboxes that are gone, spoilt or another's.

Each mistake gets an answer that says what is wrong, where, and how to mend it; the exit code that fits; no traceback;
and nothing half started: no process, no port, no file made or changed.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from audit import keys as audit_keys
from audit.format.record import Entry
from audit.log import Log
from tests.system.home import (
    COULD_NOT_TELL,
    Home,
    change,
    in_words,
    refused,
)

# --- ports -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["http", "agents", "boundary", "dnp3"])
def test_a_port_in_use_stops_the_start_and_leaves_the_others_free(home: Home, which: str) -> None:
    who = "gateway" if which == "dnp3" else "headend"
    with socket.create_server(("127.0.0.1", getattr(home, which))):
        said = refused(home.folder, who, "run", who)
    assert f"cannot listen on 127.0.0.1:{getattr(home, which)}: the port is in use" in said
    for port in (home.http, home.agents, home.boundary, home.dnp3):
        socket.create_server(("127.0.0.1", port)).close()


def test_check_names_every_port_in_use(home: Home) -> None:
    ports = (home.http, home.agents, home.boundary)
    with contextlib.ExitStack() as taken:
        for port in ports:
            taken.enter_context(socket.create_server(("127.0.0.1", port)))
        lines = refused(home.folder, "headend", "check", "headend").splitlines()
    assert len(lines) == len(ports)
    for line, port in zip(lines, ports, strict=True):
        assert f"127.0.0.1:{port}" in line


# --- stores, trail, outbox -------------------------------------------------------------------------------------------


def in_store(file: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(file)) as store, store:
        store.execute(statement)


NEWER = "UPDATE derms_{0}_version SET version_num = '9999'"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "headend.db").unlink(), "headend.db (state_url of"),
        (lambda folder: (folder / "history.db").unlink(), "history.db (database_url of"),
        (lambda folder: in_store(folder / "headend.db", NEWER.format("state")), "of a newer derms than this"),
        (lambda folder: in_store(folder / "headend.db", "DELETE FROM store_identity"), "--update` gives it one"),
    ],
    ids=in_words,
)
def test_stores_that_cannot_be_used_stop_the_headend(home: Home, spoil: Callable[[Path], object], words: str) -> None:
    spoil(home.headend)
    assert words in refused(home.folder, "headend", "run", "headend")


def test_a_headend_without_its_fleet_takes_no_other_that_lies_about(home: Home) -> None:
    (home.headend / "assets.yaml").rename(home.folder / "assets.yaml")
    said = refused(home.folder, "headend", "run", "headend", code=COULD_NOT_TELL)
    assert "headend/assets.yaml: cannot be read" in said


@pytest.mark.parametrize(
    "wrong",
    [
        {
            "has no state tables; `derms headend init": lambda folder: in_store(
                folder / "headend.db", "DROP TABLE derms_state_version"
            ),
            "history tables of revision 9999, of a newer derms than this": lambda folder: in_store(
                folder / "history.db", NEWER.format("history")
            ),
            "access.yaml: cannot be read": lambda folder: shutil.rmtree(folder / "policies"),
        },
        {
            "has changed since the claims table was made": lambda folder: in_store(
                folder / "headend.db", "DELETE FROM claims"
            ),
            "history.db: cannot be used: file is not a database": lambda folder: (folder / "history.db").write_text(
                "x" * 9999
            ),
            "'nobody' is no program of": lambda folder: change(
                folder / "headend.yaml", "http: operator", "http: nobody"
            ),
        },
    ],
)
def test_check_names_all_that_is_wrong_at_once(home: Home, wrong: dict[str, Callable[[Path], object]]) -> None:
    for spoil in wrong.values():
        spoil(home.headend)
    said = refused(home.folder, "headend", "check", "headend")
    for words in wrong:
        assert words in said


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: shutil.rmtree(folder / "trail"), "trail: does not exist; bring it back"),
        (lambda folder: (folder / "trail" / "checkpoint").unlink(), "trail holds no audit log"),
        (lambda folder: (folder / "trail" / "checkpoint").write_text("x"), "trail/checkpoint is not"),
        (lambda folder: (folder / "keys" / "audit.key").unlink(), "audit.key: does not exist; bring it back"),
        (
            lambda folder: (folder / "keys" / "audit.key").write_text("x"),
            "audit.key is not an unencrypted PEM private key",
        ),
        (lambda folder: another_key(folder), "Give the key that the log was begun with"),
        (lambda folder: (folder / "outbox.db").unlink(), "gateway init gateway --add` makes an empty one"),
        (lambda folder: (folder / "outbox.db").write_text("x" * 9999), "outbox.db: is not an outbox"),
    ],
    ids=in_words,
)
def test_a_trail_or_outbox_that_cannot_be_used_stops_the_gateway(
    home: Home, spoil: Callable[[Path], object], words: str
) -> None:
    spoil(home.gateway)
    assert words in refused(home.folder, "gateway", "run", "gateway")


def another_key(folder: Path) -> None:
    (folder / "keys" / "audit.key").unlink()
    (folder / "keys" / "audit.pub").unlink()
    audit_keys.write(folder / "keys", audit_keys.generate(), "derms/gateway")


def test_a_trail_that_another_process_writes_is_left_to_it(home: Home) -> None:
    log = Log.open(home.gateway / "trail", audit_keys.load_private(home.gateway / "keys" / "audit.key"))
    try:
        log.submit([Entry(kind="gateway", decision="started")]).result()  # what the opening wrote is written by now
        said = refused(home.folder, "gateway", "run", "gateway")
    finally:
        log.close()
    assert "trail is open in another process; stop that one first" in said
