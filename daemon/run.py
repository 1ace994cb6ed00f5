"""Run a daemon: signals ask it to stop, it drains within a deadline, a second signal ends it at once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable

DRAIN_S = 10.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stop:
    """Set once, when the process is to end. Owner: the event loop of `run`."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._reason = ""

    @property
    def is_set(self) -> bool:
        return self._event.is_set()

    @property
    def reason(self) -> str:
        """What asked for the stop, such as `SIGTERM`; empty while nothing has."""
        return self._reason

    def set(self, reason: str) -> None:
        """Ask for the stop. The first reason stands."""
        if not self._event.is_set():
            self._reason = reason
            self._event.set()

    async def wait(self) -> str:
        """Wait until the stop is asked for; returns the reason."""
        await self._event.wait()
        return self._reason


def run(main: Callable[[Stop], Awaitable[None]], *, drain_s: float = DRAIN_S) -> None:
    """Run `main(stop)` until it returns.

    SIGTERM or SIGINT sets `stop`; `main` then has `drain_s` seconds to end by itself before it is cancelled, which
    ends the process with exit code 1. A second signal ends the process at once, without any clean-up, with 128 + its
    number: the way out when draining hangs. What `main` raises comes out of here.
    """
    with asyncio.Runner() as runner:
        drained = runner.run(_supervise(main, drain_s))
    if not drained:
        print(f"did not end within {drain_s:g} s of being asked to, and was cut off", file=sys.stderr)
        sys.exit(1)


async def _supervise(main: Callable[[Stop], Awaitable[None]], drain_s: float) -> bool:
    """Whether `main` ended by itself."""
    stop = Stop()
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, _on_signal, stop, number)
    try:
        async with asyncio.TaskGroup() as group:
            work = group.create_task(_await(main, stop))
            deadline = group.create_task(_cut_off(work, stop, drain_s))
            work.add_done_callback(lambda _: deadline.cancel())
        return not work.cancelled()
    except BaseExceptionGroup as failures:
        raise _only(failures) from None
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


async def _await(main: Callable[[Stop], Awaitable[None]], stop: Stop) -> None:
    await main(stop)


async def _cut_off(work: asyncio.Task[None], stop: Stop, drain_s: float) -> None:
    await stop.wait()
    await asyncio.sleep(drain_s)
    work.cancel()


def _on_signal(stop: Stop, number: signal.Signals) -> None:
    if stop.is_set:
        os._exit(128 + number)
    stop.set(number.name)


def _only(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """The exception itself where a group holds just one, so that a caller can name what it expects."""
    inner = failures
    while len(inner.exceptions) == 1:
        first = inner.exceptions[0]
        if not isinstance(first, BaseExceptionGroup):
            return first
        inner = first
    return inner
