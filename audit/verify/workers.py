"""Segments read by several processes at the same time, and handed on in the log's order.

A worker is a new interpreter ("spawn"): nothing of this process's threads and locks goes with it. It gets its tasks
through a pipe, says there how far it is, and ends with it. What its scans mean is judged in one place only, by whoever
takes them (`audit.verify.reader`): one worker or many, the verdict is the same.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Final

from audit.verify import segment
from audit.verify.reader import Scanning
from audit.verify.scan import Scan, Task
from audit.verify.segment import Told

PACE_S: Final = 0.1
"""Seconds between two words of progress."""
AHEAD: Final = 2
"""Segments per worker that are read before the one that is due: their scans wait in memory."""

End = Callable[[], None]
Start = Callable[[Connection], End]
"""Starts a worker at this end of a pipe, and gives what ends it. OSError."""


class WorkerDied(Exception):
    """A worker ended before its work did, or could not begin."""


class Paced:
    """Adds counts up and hands them on, at most once in `PACE_S`. Owned by the thread that counts."""

    def __init__(self, tell: Told) -> None:
        self._tell = tell
        self._more = 0
        self._due = time.monotonic() + PACE_S

    def __call__(self, more: int) -> None:
        self._more += more
        if time.monotonic() >= self._due:
            self.flush()

    def flush(self) -> None:
        """Hand on what there is, now."""
        more, self._more = self._more, 0
        self._tell(more)
        self._due = time.monotonic() + PACE_S


@contextmanager
def scanning(segments: int, workers: int, told: Told, start: Start) -> Iterator[Scanning]:
    """What reads the segments of a log: this process, or as many workers, but no more than there are segments."""
    count = min(workers, segments)
    if count < 2:
        yield lambda tasks: (segment.scan(task, told) for task in tasks)
        return
    with ExitStack() as ends:
        yield _Crew([_begin(start, ends) for _ in range(count)], told).scans


def serve(connection: Connection) -> None:
    """A worker's life: read what is asked for, until the other end is closed."""
    try:
        while True:
            task: Task = connection.recv()
            told = Paced(connection.send)
            scan = segment.scan(task, told)
            told.flush()
            connection.send(scan)
    except (EOFError, OSError):
        connection.close()


def process(connection: Connection) -> End:
    """A worker in a process of its own."""
    worker = multiprocessing.get_context("spawn").Process(target=_main, args=(connection,), daemon=True)
    worker.start()
    connection.close()  # the worker has its own

    def end() -> None:
        worker.terminate()
        worker.join()

    return end


def _main(connection: Connection) -> None:  # pragma: no cover: runs in the worker's process
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it decides
    serve(connection)


def _begin(start: Start, ends: ExitStack) -> _Worker:
    ours, theirs = multiprocessing.Pipe()
    try:
        ends.callback(start(theirs))
    except OSError as problem:
        raise WorkerDied(f"a process to check the log with cannot be started: {problem}") from None
    finally:
        ends.callback(ours.close)  # the first thing to be done at the end: a worker ends with its pipe
    return _Worker(ours)


@dataclass(slots=True)
class _Worker:
    """Owned by its crew. `round` and `number` are of the task that it was given last."""

    connection: Connection
    busy: bool = False
    round: int = 0
    number: int = 0


class _Crew:
    """Workers at their pipes. Owned by the thread that made it."""

    def __init__(self, workers: list[_Worker], told: Told) -> None:
        self._workers = workers
        self._told = told
        self._round = 0

    def scans(self, tasks: Iterable[Task]) -> Iterator[Scan]:
        """Each task's scan, in order; what an earlier call did not wait for is dropped. WorkerDied."""
        self._round += 1
        left, given, due = iter(tasks), 0, 0
        done: dict[int, Scan] = {}
        task = next(left, None)
        while due < given or task is not None:
            for worker in self._workers:
                if task is not None and not worker.busy and given - due < AHEAD * len(self._workers):
                    self._give(worker, task, given)
                    given, task = given + 1, next(left, None)
            if due in done:
                yield done.pop(due)
                due += 1
            else:
                self._listen(done)

    def _give(self, worker: _Worker, task: Task, number: int) -> None:
        try:
            worker.connection.send(task)
        except OSError:
            raise _died() from None
        worker.busy, worker.round, worker.number = True, self._round, number

    def _listen(self, done: dict[int, Scan]) -> None:
        """Wait for a word of a worker."""
        ready = multiprocessing.connection.wait([one.connection for one in self._workers if one.busy])
        for worker in self._workers:
            if worker.connection not in ready:
                continue
            try:
                word: int | Scan = worker.connection.recv()
            except (EOFError, OSError):
                raise _died() from None
            if isinstance(word, Scan):
                if worker.round == self._round:
                    done[worker.number] = word
                worker.busy = False
            elif worker.round == self._round:
                self._told(word)


def _died() -> WorkerDied:
    return WorkerDied("a process that checked a part of the log ended before it was done: the log was not read whole")
