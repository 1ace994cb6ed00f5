"""Signals: the first asks, the deadline insists, the second ends at once. Real processes, real signals."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from daemon.run import Stop, run
from dermscore.errors import NotSetUp

ROOT = Path(__file__).resolve().parents[2]

_DAEMON = """
import asyncio, sys
from daemon.run import run

async def polite(stop):
    print("up", flush=True)
    print("stopped by", await stop.wait(), flush=True)
    await asyncio.sleep(0.05)
    print("drained", flush=True)

async def stubborn(stop):
    print("up", flush=True)
    await stop.wait()
    print("asked", flush=True)
    try:
        await asyncio.sleep(60)
    finally:
        print("cut", flush=True)

async def deaf(stop):
    print("up", flush=True)
    await stop.wait()
    print("asked", flush=True)
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass

run(globals()[sys.argv[1]], drain_s=float(sys.argv[2]))
print("ended", flush=True)
"""


class Daemon:
    """A process that runs one of the mains above."""

    def __init__(self, main: str, drain_s: float) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _DAEMON, main, str(drain_s)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.line() == "up"

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self) -> tuple[int, str, str]:
        stdout, stderr = self.process.communicate(timeout=30)
        return self.process.returncode, stdout, stderr


@pytest.fixture
def daemon() -> Callable[[str, float], Daemon]:
    return Daemon


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_drains(daemon: Callable[[str, float], Daemon], number: signal.Signals) -> None:
    process = daemon("polite", 10)
    process.process.send_signal(number)
    code, stdout, stderr = process.end()
    assert (code, stdout, stderr) == (0, f"stopped by {number.name}\ndrained\nended\n", "")


def test_a_drain_has_a_deadline(daemon: Callable[[str, float], Daemon]) -> None:
    process = daemon("stubborn", 0.2)
    process.process.terminate()
    code, stdout, stderr = process.end()
    assert (code, stdout) == (1, "asked\ncut\n")
    assert stderr == "did not end within 0.2 s of being asked to, and was cut off\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_second_signal_ends_at_once(daemon: Callable[[str, float], Daemon], number: signal.Signals) -> None:
    """Even a main that swallows its cancellation."""
    process = daemon("deaf", 60)
    process.process.send_signal(number)
    assert process.line() == "asked"
    began = time.monotonic()
    process.process.send_signal(number)
    code, _, _ = process.end()
    assert code == 128 + number
    assert time.monotonic() - began < 10


def test_what_main_raises_comes_out_as_it_is() -> None:
    async def broken(_: Stop) -> None:
        raise NotSetUp("run init")

    async def broken_inside(_: Stop) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(broken(_))

    for main in (broken, broken_inside):
        with pytest.raises(NotSetUp, match="run init"):
            run(main)


def test_two_faults_stay_together() -> None:
    async def fails(error: Exception) -> None:
        raise error

    async def broken(_: Stop) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(fails(NotSetUp("one")))
            group.create_task(fails(ZeroDivisionError("two")))

    with pytest.raises(ExceptionGroup) as raised:
        run(broken)
    assert raised.group_contains(NotSetUp)
    assert raised.group_contains(ZeroDivisionError)


def test_main_may_end_by_itself_or_ask_for_its_own_stop() -> None:
    seen: list[str] = []

    async def brief(stop: Stop) -> None:
        assert not stop.is_set
        assert stop.reason == ""
        stop.set("enough")
        stop.set("more")
        seen.append(await stop.wait())

    run(brief)
    assert seen == ["enough"]


def test_a_main_that_is_any_awaitable() -> None:
    class Daemonlike:
        def __call__(self, _: Stop) -> Awaitable[None]:
            return asyncio.sleep(0)

    run(Daemonlike())


def test_signal_handlers_are_put_back() -> None:
    async def brief(_: Stop) -> None:
        return

    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    run(brief)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
