"""One process per agent, forked from a preloaded server: light, restarted when it dies, and never left behind.

The launcher itself stays out of the children's memory: they are forked from `multiprocessing`'s fork server, a fresh
interpreter that has loaded what agents use (`agent.preload`) and has neither a thread nor a gRPC channel. Every child
holds the reading end of a pipe whose writing end only the launcher holds; when that closes, however the launcher
ended, the child ends too.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import multiprocessing.util
import os
import random
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext, ForkServerProcess
from types import ModuleType

from agent import child
from agent.edge import Spec
from daemon import logs
from daemon.run import Stop

log = logs.get(__name__)

STAGGER_S = 0.02
DRAIN_S = 5.0
_RESTART_FIRST_S = 0.5
_RESTART_LONGEST_S = 30.0
_LIVED_WELL_S = 60.0


@dataclass(frozen=True, slots=True)
class Status:
    """How the fleet of processes stands: alive now, of how many wanted, and restarts since the start."""

    alive: int
    wanted: int
    restarts: int


class Launcher:
    """Keeps a process per spec alive until it is stopped. Owner of every field: the event loop that runs it."""

    def __init__(self, specs: Sequence[Spec], on_change: Callable[[Status], None] = lambda _: None) -> None:
        self._specs = tuple(specs)
        self._on_change = on_change
        self._alive: dict[str, ForkServerProcess] = {}
        self._none_alive = asyncio.Event()
        self._restarts = 0
        self._context = _preloaded()
        self._rng = random.Random()

    @property
    def status(self) -> Status:
        return Status(len(self._alive), len(self._specs), self._restarts)

    @property
    def pids(self) -> dict[str, int]:
        """The process id of every agent that is alive."""
        return {name: process.pid for name, process in self._alive.items() if process.pid is not None}

    async def run(self, stop: Stop) -> None:
        """Start all, restart the dead, and on `stop` drain them: SIGTERM, then SIGKILL after `DRAIN_S`."""
        async with asyncio.TaskGroup() as group:
            for place, spec in enumerate(self._specs):
                group.create_task(self._keep(spec, place * STAGGER_S, stop))
            group.create_task(self._drain(stop))

    async def _keep(self, spec: Spec, delay_s: float, stop: Stop) -> None:
        """The life of one agent, over as many processes as it takes."""
        failures = 0
        while not (await _before(stop.wait(), delay_s) or stop.is_set):
            began = asyncio.get_running_loop().time()
            code = await self._live_once(spec, stop)
            if stop.is_set:
                return
            failures = 1 if asyncio.get_running_loop().time() - began > _LIVED_WELL_S else failures + 1
            delay_s = restart_delay_s(failures, self._rng)
            self._restarts += 1
            log.warning("agent ended", agent=spec.id, exit_code=code, restarts_in_s=round(delay_s, 2))

    async def _live_once(self, spec: Spec, stop: Stop) -> int | None:
        process = self._context.Process(target=child.run, args=(spec,), name=f"agent {spec.id}")
        try:
            with _without_main():
                process.start()
        except (OSError, EOFError) as error:
            log.error("agent cannot be started", agent=spec.id, why=str(error) or type(error).__name__)
            return None
        self._alive[spec.id] = process
        self._none_alive.clear()
        self._on_change(self.status)
        try:
            return await _ended(process)
        finally:
            del self._alive[spec.id]
            if not self._alive:
                self._none_alive.set()
            process.close()  # closes our end of its pipe as well: should it still live, it ends now
            if not stop.is_set:
                self._on_change(self.status)

    async def _drain(self, stop: Stop) -> None:
        await stop.wait()
        if not self._alive:
            return
        for process in list(self._alive.values()):
            process.terminate()
        await _before(self._none_alive.wait(), DRAIN_S)
        for process in list(self._alive.values()):
            log.warning("agent did not end when asked and is killed", agent=process.name)
            process.kill()


def restart_delay_s(failures: int, rng: random.Random) -> float:
    """How long to wait before start number `failures` + 1: doubling, capped, and jittered to spread a fleet."""
    longest = min(_RESTART_FIRST_S * 2 ** (failures - 1), _RESTART_LONGEST_S)
    return rng.uniform(longest / 2, longest)


def _preloaded() -> ForkServerContext:
    """A context whose server loads what agents use before it forks the first."""
    # Each of gRPC's threads would open a heap arena of its own. The server's C library reads this as it starts.
    os.environ.setdefault("MALLOC_ARENA_MAX", "1")
    # A launcher that is killed cannot take away what `multiprocessing` keeps under /tmp for it; the server can.
    os.environ[child.SERVER_FOLDER] = multiprocessing.util.get_temp_dir()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["agent.preload"])
    return context


@contextmanager
def _without_main() -> Iterator[None]:
    """Hide the program's main module, which `multiprocessing` would otherwise run again in every child.

    Agents need nothing of it, and whatever it imports would be memory that they do not share.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


async def _ended(process: ForkServerProcess) -> int | None:
    """Wait for the end of the process itself; its exit code where the fork server could tell.

    The process is watched by a descriptor of its own where the system has those (Linux 5.3): the fork server's word
    would also come when the server dies, and its children live on.
    """
    pid = process.pid
    assert pid is not None
    try:
        watch = os.pidfd_open(pid)
    except ProcessLookupError:
        watch = None  # it has ended and been reaped already
    except OSError:
        watch = os.dup(process.sentinel)
    if watch is not None:
        try:
            await _readable(watch)
        finally:
            os.close(watch)
    await _readable(process.sentinel)
    return process.exitcode


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)


async def _before(event: Awaitable[object], limit_s: float) -> bool:
    """Whether the event came within the limit."""
    try:
        async with asyncio.timeout(limit_s):
            await event
    except TimeoutError:
        return False
    return True
