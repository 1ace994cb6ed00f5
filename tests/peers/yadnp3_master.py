"""A DNP3 master of one make: `yadnp3` (opendnp3 in C++, imports as `opendnp3`), always in a child process.

Its threads outlive a careless test and a missing `Shutdown()` aborts the interpreter, so it gets a process of its own:
run as a script it takes one JSON command a line on stdin and writes JSON lines on stdout. `Yadnp3Master` drives that:

    async with Yadnp3Master(port, outstation=10, master=1) as scada:
        told = await scada.integrity()
        told = await scada.events()
        status = await scada.operate("AO", 0, 55, how="sbo", variation=1)

What it takes to use the library well: `ChannelRetry.reconnectDelay` is 0 and must be set; every handler object must be
kept alive by the caller; `Process` gets `HeaderInfo` and a list of indexed values; a command's own status is in
`to_list()`, while `summary` is SUCCESS even for a refused control; a scan ends with `OnTaskComplete` of a USER_TASK, at
once and with FAILURE_NO_COMMS where the channel is not open.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import queue
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.peers.told import Told

_ROOT = Path(__file__).parents[2]


class Yadnp3Master:
    """One master in its own process; it reconnects by itself, as opendnp3 does."""

    def __init__(self, port: int, *, host: str = "127.0.0.1", outstation: int = 10, master: int = 1) -> None:
        self._arguments = ["--host", host, "--port", port, "--outstation", outstation, "--master", master]
        self._process: asyncio.subprocess.Process | None = None
        self._told: list[Told] = []
        self.indications = (0, 0)  # the two octets of the last response
        self.connections = 0  # how often the channel opened

    async def __aenter__(self) -> Yadnp3Master:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.peers.yadnp3_master",
            *map(str, self._arguments),
            cwd=_ROOT,
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()  # the end of its input is its order to shut down
        try:
            await asyncio.wait_for(self._process.wait(), 10)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def connected(self, times: int = 1) -> None:
        """Wait until the channel has opened this often."""
        while self.connections < times:
            await self._line()

    async def integrity(self) -> list[Told]:
        """Read classes 1, 2, 3 and 0."""
        await self._do(do="scan", classes=[0, 1, 2, 3])
        return self._take()

    async def events(self) -> list[Told]:
        """Read classes 1, 2 and 3."""
        await self._do(do="scan", classes=[1, 2, 3])
        return self._take()

    async def read(self, group: int, variation: int, start: int, stop: int) -> list[Told]:
        """Read a range of static objects."""
        await self._do(do="read", group=group, variation=variation, start=start, stop=stop)
        return self._take()

    async def wait_for(self, wanted: Callable[[Told], bool], timeout_s: float = 5.0) -> list[Told]:
        """Poll events until one is as wanted; everything told on the way."""
        told: list[Told] = []
        async with asyncio.timeout(timeout_s):
            while not any(wanted(each) for each in told):
                told += await self.events()
                await asyncio.sleep(0.01)
        return told

    async def operate(self, kind: str, index: int, value: float | str, *, how: str = "sbo", variation: int = 1) -> int:
        """Operate an output (a number for AO with its g41 variation, a control code name for BO); the status code."""
        answer = await self._do(do="operate", type=kind, index=index, value=value, how=how, variation=variation)
        return int(answer["status"])

    async def restart(self) -> str:
        """Ask for a cold restart; the name of the task's outcome."""
        return str((await self._do(do="restart"))["result"])

    async def _do(self, **command: Any) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        while (line := await self._line())["is"] != "done":
            pass
        return line

    async def _line(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        raw = await asyncio.wait_for(self._process.stdout.readline(), 10)
        assert raw, "the yadnp3 process ended"
        line: dict[str, Any] = json.loads(raw)
        if line["is"] == "point":
            self._told.append(Told(line["type"], line["index"], line["value"], line["flags"], line["time_ms"]))
        elif line["is"] == "iin":
            self.indications = (line["first"], line["second"])
        elif line["is"] == "channel" and line["state"] == "OPEN":
            self.connections += 1
        return line

    def _take(self) -> list[Told]:
        told, self._told = self._told, []
        return told


# From here on: the child.


def _say(**line: Any) -> None:
    # One write a line: the library calls from its own thread, and lines of two threads must not mix.
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _points(values: Iterable[Any], event: bool) -> None:
    for each in values:
        name = type(each).__name__
        kind = {
            "IndexedAnalog": "AI",
            "IndexedBinary": "BI",
            "IndexedAnalogOutputStatus": "AO",
            "IndexedBinaryOutputStatus": "BO",
        }.get(name, name)
        value, flags = each.value, each.value.flags.value
        _say(
            **{"is": "point"},
            type=kind,
            index=each.index,
            value=float(value.value),
            flags=flags & 0x7F if kind in ("BI", "BO") else flags,
            time_ms=value.time.value if event else None,
        )


def _run(host: str, port: int, outstation: int, master: int) -> None:
    import opendnp3

    done: queue.Queue[str] = queue.Queue()

    class Readings(opendnp3.ISOEHandler):  # type: ignore[misc]
        def BeginFragment(self, info: Any) -> None: ...  # noqa: N802

        def EndFragment(self, info: Any) -> None: ...  # noqa: N802

        def Process(self, info: Any, values: Sequence[Any]) -> None:  # noqa: N802
            _points(values, info.isEventVariation)

    class Application(opendnp3.IMasterApplication):  # type: ignore[misc]
        def OnReceiveIIN(self, iin: Any) -> None:  # noqa: N802
            _say(**{"is": "iin"}, first=iin.LSB, second=iin.MSB)

        def OnTaskComplete(self, info: Any) -> None:  # noqa: N802
            if info.type == opendnp3.MasterTaskType.USER_TASK:
                done.put(info.result.name)

    class Channel(opendnp3.IChannelListener):  # type: ignore[misc]
        def OnStateChange(self, state: Any) -> None:  # noqa: N802
            _say(**{"is": "channel"}, state=state.name)

    ms = opendnp3.TimeDuration.Milliseconds
    retry = opendnp3.ChannelRetry(ms(50), ms(200))
    retry.reconnectDelay = ms(50)
    config = opendnp3.MasterStackConfig()
    config.link.LocalAddr, config.link.RemoteAddr = master, outstation
    config.master.responseTimeout = ms(3000)
    config.master.disableUnsolOnStartup = False

    readings, application, listener = Readings(), Application(), Channel()
    manager = opendnp3.DNP3Manager(1)
    try:
        endpoint = opendnp3.IPEndpoint(host, port)
        levels = opendnp3.LogLevels.none()
        channel = manager.AddTCPClient("channel", levels, retry, [endpoint], "0.0.0.0", listener)
        stack = channel.AddMaster("master", readings, application, config)
        stack.Enable()
        for line in sys.stdin:
            _obey(opendnp3, stack, readings, done, json.loads(line))
    finally:
        manager.Shutdown()


def _obey(library: Any, stack: Any, readings: Any, done: queue.Queue[str], command: dict[str, Any]) -> None:
    if command["do"] == "operate":
        _operate(library, stack, done, command)
        return
    until = time.monotonic() + 9
    while True:
        _start(library, stack, readings, command)
        result = done.get(timeout=9)
        # What is asked before the channel is open fails at once, and is not queued by the library.
        if result != "FAILURE_NO_COMMS" or time.monotonic() > until:
            break
        time.sleep(0.02)
    _say(**{"is": "done"}, result=result)


def _start(library: Any, stack: Any, readings: Any, command: dict[str, Any]) -> None:
    if command["do"] == "scan":
        wanted = [number in command["classes"] for number in range(4)]
        stack.ScanClasses(library.ClassField(*wanted), readings)
    elif command["do"] == "read":
        which = library.GroupVariationID(command["group"], command["variation"])
        stack.ScanRange(which, command["start"], command["stop"], readings)
    elif command["do"] == "restart":
        stack.Restart(library.RestartType.COLD, lambda result: None)


def _operate(library: Any, stack: Any, done: queue.Queue[str], command: dict[str, Any]) -> None:
    answers: queue.Queue[tuple[str, list[Any]]] = queue.Queue()
    if command["type"] == "BO":
        order = library.ControlRelayOutputBlock(getattr(library.OperationType, command["value"]))
    else:
        kinds = {1: "AnalogOutputInt32", 2: "AnalogOutputInt16", 3: "AnalogOutputFloat32", 4: "AnalogOutputDouble64"}
        number = command["value"] if command["variation"] > 2 else int(command["value"])
        order = getattr(library, kinds[command["variation"]])(number)
    send = stack.SelectAndOperate if command["how"] == "sbo" else stack.DirectOperate
    send(order, command["index"], lambda result: answers.put((result.summary.name, result.to_list())))
    summary, points = answers.get(timeout=9)
    done.get(timeout=9)  # a command is a user task too: left there, its end would be taken for the next scan's
    status = points[0].status.value if points else 127
    _say(**{"is": "done"}, result=summary, status=status)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A DNP3 master on yadnp3, driven by JSON lines")
    parser.add_argument("--host", default="127.0.0.1")
    for name, default in (("--port", 20000), ("--outstation", 10), ("--master", 1)):
        parser.add_argument(name, type=int, default=default)
    _run(**vars(parser.parse_args()))
