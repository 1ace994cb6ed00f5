"""The outbox: what a crash leaves behind, at any moment."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

import gateway.outbox
from dermscore.errors import BadInput, NotSetUp
from dermscore.intent import IntentState
from gateway.commands import NOT_CONFIRMED, QUARTER_HOUR_MS, REMEMBERED
from gateway.outbox import NEW, UNKNOWN_FATE, WITHDRAWN, Outbox, OutboxUnwritable, Row, is_over, read

ROW = Row("cmd-0", "target", 250_000.0, "ems", 1000, NEW)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    Outbox.init(tmp_path / "outbox.db")
    return tmp_path / "outbox.db"


@pytest.fixture
def outbox(path: Path) -> Iterator[Outbox]:
    opened = Outbox.open(path)
    yield opened
    opened.close()


def test_init_overwrites_nothing(path: Path) -> None:
    with pytest.raises(FileExistsError):
        Outbox.init(path)


def test_a_missing_outbox_names_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(NotSetUp, match="derms gateway init DIR --add"):
        Outbox.open(tmp_path / "none.db")


@pytest.mark.parametrize("content", [b"not a database at all, but long enough to look at" * 10, b""])
def test_what_is_no_outbox_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "odd.db").write_bytes(content)
    with pytest.raises(BadInput, match="is not an outbox"):
        Outbox.open(tmp_path / "odd.db")


def test_a_row_without_a_record_is_dropped_at_start(outbox: Outbox, path: Path) -> None:
    outbox.add(ROW).result()
    found = outbox.recover(2000).result()
    assert [row.id for row in found.dropped] == ["cmd-0"]
    assert (found.failed, found.kept, read(path)) == ((), (), [])


@pytest.mark.parametrize("state", [IntentState.SUBMITTED, IntentState.SENT])
def test_a_command_of_unknown_fate_is_failed_at_start(outbox: Outbox, path: Path, state: IntentState) -> None:
    outbox.add(ROW).result()
    outbox.change("cmd-0", state.value, "", 1500).result()
    found = outbox.recover(2000).result()
    assert [row.id for row in found.failed] == ["cmd-0"]
    (row,) = found.kept
    assert (row.state, row.reason, is_over(row)) == (IntentState.FAILED.value, UNKNOWN_FATE, True)
    assert row.inferred
    assert read(path) == [row]
    assert outbox.recover(3000).result().failed == ()


@pytest.mark.parametrize("state", [IntentState.RECEIVED, IntentState.ACTIVE, IntentState.FOLLOWING])
def test_a_command_that_somebody_confirmed_goes_on(outbox: Outbox, state: IntentState) -> None:
    outbox.add(ROW).result()
    outbox.change("cmd-0", state.value, "", 1500, delivered_w=249_000.0).result()
    (row,) = outbox.recover(2000).result().kept
    assert (row.state, row.delivered_w, row.target_w, is_over(row)) == (state.value, 249_000.0, 250_000.0, False)


def test_what_lives_what_is_recent_and_the_last_of_each_command_are_kept_and_withdrawn_ones_are_not(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway.outbox, "_KEPT", gateway.outbox._KEPT.replace(f"- {REMEMBERED}", "- 2"))
    late_ms = 10 * QUARTER_HOUR_MS
    for number, (name, state, accepted_ms) in enumerate(
        [
            ("release", "complete", 1000),  # the last of its name
            ("target", "following", 1000),  # it lives, though not the last of its name
            ("target", "complete", 1000),
            ("target", "complete", late_ms - QUARTER_HOUR_MS),
            ("target", "complete", late_ms - QUARTER_HOUR_MS + 1),  # the energy that it moved counts still
            ("target", WITHDRAWN, late_ms),
            ("target", "complete", 1000),  # one of the last
            ("target", WITHDRAWN, late_ms),
        ]
    ):
        outbox.add(Row(f"cmd-{number}", name, None, "ems", accepted_ms, NEW, energy_wh=5.0)).result()
        outbox.change(f"cmd-{number}", state, "", 1500).result()
    kept = outbox.recover(late_ms).result().kept
    assert [row.id for row in kept] == ["cmd-0", "cmd-1", "cmd-4", "cmd-6"]
    assert {row.energy_wh for row in kept} == {5.0}


_VERSION_1 = f"""
CREATE TABLE command (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, target_w REAL,
    master TEXT NOT NULL, accepted_ms INTEGER NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '',
    delivered_w REAL, changed_ms INTEGER NOT NULL) STRICT;
CREATE INDEX command_name ON command (name, number);
INSERT INTO command VALUES (1, 'a', 'target', 1.0, 'ems', 1000, 'failed', '{NOT_CONFIRMED}', 2.0, 1),
    (2, 'b', 'release', NULL, 'ems', 1000, 'failed', 'the headend says so', NULL, 1);
PRAGMA user_version = 1;
"""


def test_an_outbox_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "old.db")) as database:
        database.executescript(_VERSION_1)
    for _ in range(2):
        opened = Outbox.open(tmp_path / "old.db")
        found = {row.id: row for row in opened.recover(2000).result().kept}
        opened.close()
        assert {identifier: row.inferred for identifier, row in found.items()} == {"a": True, "b": False}
        assert (found["a"].target_w, found["a"].delivered_w) == (1.0, 2.0)


def test_an_outbox_of_a_later_version_is_refused(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(BadInput, match="its version is 99"):
        Outbox.open(path)


def test_a_full_disk_is_said_in_plain_words_and_over_when_there_is_room(outbox: Outbox, path: Path) -> None:
    outbox._do(lambda database: database.execute("PRAGMA max_page_count = 1")).result()
    with pytest.raises(OutboxUnwritable, match=rf"{path}: its disk is full; make room on it"):
        outbox.add(replace(ROW, name="x" * 1_000_000)).result()
    outbox._do(lambda database: database.execute("PRAGMA max_page_count = 100000")).result()
    outbox.add(replace(ROW, id="after")).result()
    assert read(path)[0].id == "after"


_NO_ROOM = """
import resource, sys
from pathlib import Path
from dermscore.errors import DermsError
from gateway.outbox import Outbox
resource.setrlimit(resource.RLIMIT_FSIZE, (1, 1))  # no file of this process may grow
try:
    Outbox.open(Path(sys.argv[1])).recover(0).result()
except DermsError as error:
    print(f"{type(error).__name__} {error}")
"""


def test_at_start_a_full_disk_is_no_broken_outbox(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:  # leaves no room in what is there, and something to do
        database.execute("INSERT INTO command (id, name, master, accepted_ms, state, changed_ms) "
                         "VALUES ('a', 'target', 'ems', 1, 'new', 1)")  # fmt: skip
        database.commit()
    ran = subprocess.run([sys.executable, "-c", _NO_ROOM, str(path)], capture_output=True, text=True, check=False)
    assert ran.stdout.startswith(f"OutboxUnwritable {path}: "), ran
    assert "make room on it" in ran.stdout or "is there room" in ran.stdout


def test_an_id_is_taken_once(outbox: Outbox) -> None:
    outbox.add(ROW).result()
    with pytest.raises(sqlite3.IntegrityError):
        outbox.add(ROW).result()


_WRITER = """
import sys
from pathlib import Path
from gateway.commands import NOT_CONFIRMED, QUARTER_HOUR_MS, REMEMBERED
from gateway.outbox import NEW, Outbox, Row
outbox = Outbox.open(Path(sys.argv[1]))
for number in range(100000):
    outbox.add(Row(f"cmd-{number}", "target", 1.0, "ems", number, NEW)).result()
    outbox.change(f"cmd-{number}", "submitted", "", number).result()
    print(number, flush=True)
"""

KILLS = 20 if os.environ.get("DERMS_SOAK") == "1" else 3


@pytest.mark.parametrize("attempt", range(KILLS))
def test_what_was_said_to_be_written_is_there_after_a_kill(path: Path, attempt: int) -> None:
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, cwd=root, env={"PYTHONPATH": str(root)}
    ) as writer:
        assert writer.stdout is not None
        said = int(writer.stdout.readline())
        time.sleep(0.01 * attempt)  # the moment of the kill differs, nothing is waited for
        writer.send_signal(signal.SIGKILL)
        said = max([said, *(int(line) for line in writer.stdout if line.endswith(b"\n"))])
    opened = Outbox.open(path)
    try:
        found = opened.recover(0).result()
        assert {row.id for row in found.failed} >= {f"cmd-{number}" for number in range(said + 1)}
        assert len(found.dropped) <= 1
    finally:
        opened.close()
