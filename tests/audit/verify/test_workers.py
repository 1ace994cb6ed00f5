"""Several processes over one log: what one finds, and what becomes of it if one of them dies."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from trail_helpers import ORIGIN, SEGMENT, entries
from worker_threads import thread

from audit.format import checkpoint
from audit.format.checkpoint import Checkpoint
from audit.format.layout import Layout
from audit.format.note import VerifierKey
from audit.log import Log
from audit.secrecy import KeyFolder
from audit.verify import CouldNotTell, Tampered, Verified, verify
from audit.verify.scan import Scan, Task
from audit.verify.scope import EVERYTHING
from audit.verify.workers import AHEAD, Paced, process, scanning, serve

ENDED = "ended before it was done"


def unaltered(_trail: Path) -> None:
    pass


def flipped(trail: Path) -> None:
    path = trail / "headers" / "00000002.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"clock":"synchronised"', b'"clock":"unknown"', 1))


def without_a_segment(trail: Path) -> None:
    (trail / "headers" / "00000001.jsonl").unlink()


def unreadable(trail: Path) -> None:
    (trail / "bodies" / "00000001.bin").unlink()
    (trail / "bodies" / "00000001.bin").mkdir()


@pytest.mark.parametrize("attack", [unaltered, flipped, without_a_segment, unreadable])
def test_processes_find_what_one_finds(trail: Path, public: VerifierKey, attack: Callable[[Path], None]) -> None:
    attack(trail)
    alone = verify(trail, [public], segment_lines=SEGMENT)
    assert verify(trail, [public], segment_lines=SEGMENT, workers=2) == alone
    expected = {unaltered: Verified, unreadable: CouldNotTell}.get(attack, Tampered)
    assert isinstance(alone, expected)
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("workers", [1, 2])
def test_progress_goes_up_to_all_records(good_log: Path, public: VerifierKey, workers: int) -> None:
    told: list[tuple[int, int]] = []
    verify(
        good_log, [public], segment_lines=SEGMENT, workers=workers, start=thread,
        progress=lambda done, of: told.append((done, of)),
    )  # fmt: skip
    assert told == sorted(told)
    assert told[-1] == (21, 21)


def test_paced_words_are_few_and_none_is_lost() -> None:
    told: list[int] = []
    paced = Paced(told.append)
    for _ in range(10_000):
        paced(3)
    paced.flush()
    assert sum(told) == 30_000
    assert len(told) < 5_000  # each a tenth of a second apart, however slow this machine is


def exits(connection: Connection) -> Callable[[], None]:
    """A process that ends before it was given anything."""
    worker = multiprocessing.get_context("spawn").Process(target=os._exit, args=(3,))
    worker.start()
    connection.close()
    worker.join()
    return unbothered


def takes_and_goes(connection: Connection) -> Callable[[], None]:
    """A worker that takes its task, and is gone."""

    def gone() -> None:
        connection.recv()
        connection.close()

    worker = threading.Thread(target=gone)
    worker.start()
    return worker.join


def cannot_be_started(_connection: Connection) -> Callable[[], None]:
    raise BlockingIOError(11, "Resource temporarily unavailable")


def unbothered() -> None:
    pass


@pytest.mark.parametrize(
    ("start", "why"),
    [(exits, ENDED), (takes_and_goes, ENDED), (cannot_be_started, "cannot be started: [Errno 11]")],
)
def test_a_log_that_was_not_read_whole_is_not_verified(
    good_log: Path, public: VerifierKey, start: Callable[[Connection], Callable[[], None]], why: str
) -> None:
    verdict = verify(good_log, [public], segment_lines=SEGMENT, workers=2, start=start)
    assert isinstance(verdict, CouldNotTell)
    assert why in verdict.why


class Deadly:
    """Body keys that nobody survives the asking for."""

    def of(self, segment: int) -> bytes | None:
        os.kill(os.getpid(), signal.SIGKILL)
        return None

    def for_writing(self, segment: int) -> bytes:
        raise AssertionError("a verifier writes nothing")


def test_a_worker_that_is_killed_at_its_work(tmp_path: Path, key: Ed25519PrivateKey, public: VerifierKey) -> None:
    (tmp_path / "keys").mkdir()
    Log.init(tmp_path / "trail", key, ORIGIN, segment_lines=SEGMENT)
    with Log.open(tmp_path / "trail", key, body_keys=KeyFolder(tmp_path / "keys"), segment_lines=SEGMENT) as log:
        log.submit(entries(2 * SEGMENT)).result(timeout=30)
    assert isinstance(verify(tmp_path / "trail", [public], segment_lines=SEGMENT, workers=2), Verified)
    verdict = verify(tmp_path / "trail", [public], segment_lines=SEGMENT, workers=2, body_keys=Deadly())
    assert isinstance(verdict, CouldNotTell)
    assert ENDED in verdict.why
    assert not multiprocessing.active_children()


def tasks(folder: Path, taken: list[int]) -> Iterator[Task]:
    """The segments of a log, over and over."""
    newest = checkpoint.parse((folder / "checkpoint").read_bytes())[0]
    for number in range(30):
        taken.append(number)
        yield Task(Layout(folder, SEGMENT), newest, number % 2, EVERYTHING, None)


def test_scans_come_in_order_and_not_too_many_ahead(good_log: Path) -> None:
    taken: list[int] = []
    with scanning(30, 3, lambda _: None, thread) as scans:
        for due, scan in enumerate(scans(tasks(good_log, taken))):
            assert scan.segment == due % 2
            assert len(taken) <= due + AHEAD * 3 + 2
    assert len(taken) == 30


def test_what_was_read_ahead_is_dropped_when_others_are_asked_for(good_log: Path) -> None:
    counted: list[int] = []
    with scanning(30, 2, counted.append, thread) as scans:
        assert next(scans(tasks(good_log, []))).segment == 0
        found: list[Scan] = list(scans(tasks(good_log, [])))
    assert [scan.segment for scan in found] == [number % 2 for number in range(30)]


def test_a_worker_ends_with_its_pipe() -> None:
    ours, theirs = multiprocessing.Pipe()
    ours.close()
    serve(theirs)
    assert theirs.closed


def test_a_worker_ends_when_nobody_listens_any_more(good_log: Path) -> None:
    ours, theirs = multiprocessing.Pipe()
    newest = Checkpoint("example.com/gateway-1", 21, bytes(32))
    ours.send(Task(Layout(good_log, SEGMENT), newest, 0, EVERYTHING, None))
    ours.close()
    serve(theirs)
    assert theirs.closed


def test_a_process_ends_when_it_is_told_to() -> None:
    ours, theirs = multiprocessing.Pipe()
    end = process(theirs)
    end()
    assert not multiprocessing.active_children()
    with pytest.raises((EOFError, ConnectionError)):
        ours.recv()
    ours.close()
