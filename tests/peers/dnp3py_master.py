"""A DNP3 master of another make: `dnp3py` (pure Python, imports as `dnp3`), in the test's own loop.

    async with Dnp3pyMaster(port, outstation=10, master=1) as scada:
        told = await scada.integrity()
        told = await scada.events()
        status = await scada.operate("AO", 0, 55, how="sbo")

It resets the link on connecting. It reports analogs as float, decodes every variation served, and writes g41v1 only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import TracebackType

from dnp3.core.enums import ControlCode
from dnp3.master import DefaultSOEHandler, Master, MasterConfig, MasterTcpRunner
from dnp3.master.handler import AnalogValue, BinaryValue, ResponseInfo

from tests.peers.told import Told


class _Recorder(DefaultSOEHandler):
    """Keeps every object in the order it was told, where the default keeps the last of each point."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Told] = []

    def on_binary_input(self, values: list[BinaryValue], info: ResponseInfo) -> None:
        self._keep("BI", values)

    def on_binary_output(self, values: list[BinaryValue], info: ResponseInfo) -> None:
        self._keep("BO", values)

    def on_analog_input(self, values: list[AnalogValue], info: ResponseInfo) -> None:
        self._keep("AI", values)

    def on_analog_output(self, values: list[AnalogValue], info: ResponseInfo) -> None:
        self._keep("AO", values)

    def _keep(self, kind: str, values: Sequence[BinaryValue | AnalogValue]) -> None:
        for value in values:
            time_ms = round(value.timestamp.timestamp() * 1000) if value.timestamp else None
            self.told.append(Told(kind, value.index, float(value.value), value.quality, time_ms))


class _Listening(Master):
    """A master that also keeps the octets of its last response: the library does not decode the echo of a control."""

    last: bytes = b""

    def process_response(self, data: bytes) -> ResponseInfo | None:
        self.last = data
        return super().process_response(data)


class Dnp3pyMaster:
    """One connection of one master."""

    def __init__(self, port: int, *, host: str = "127.0.0.1", outstation: int = 10, master: int = 1) -> None:
        self._recorder = _Recorder()
        config = MasterConfig(address=master, outstation_address=outstation)
        self._master = _Listening(handler=self._recorder, config=config)
        self._runner = MasterTcpRunner(master=self._master, host=host, port=port, response_timeout=5.0)

    async def __aenter__(self) -> Dnp3pyMaster:
        await self._runner.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._runner.close()

    async def integrity(self) -> list[Told]:
        """Read classes 1, 2, 3 and 0."""
        await self._runner.integrity_poll()
        return self._take()

    async def events(self) -> list[Told]:
        """Read classes 1, 2 and 3."""
        await self._runner.class_poll()
        return self._take()

    async def read(self, group: int, variation: int, start: int, stop: int) -> list[Told]:
        """Read a range of static objects."""
        await self._runner.request(self._master.build_range_poll(group, variation, start, stop))
        return self._take()

    async def wait_for(self, wanted: Callable[[Told], bool], timeout_s: float = 5.0) -> list[Told]:
        """Poll events until one is as wanted; everything told on the way."""
        told: list[Told] = []
        async with asyncio.timeout(timeout_s):
            while not any(wanted(each) for each in told):
                told += await self.events()
                await asyncio.sleep(0.01)
        return told

    async def operate(self, kind: str, index: int, value: float | str, *, how: str = "sbo") -> int:
        """Operate an output (a number for AO, a control code name for BO); the status code that came back.

        With `how="sbo"` a select goes first; a refused select is the answer.
        """
        if how == "sbo":
            status = await self._request(self._builder(kind, index, value).build_select())
            if status != 0:
                return status
            return await self._request(self._builder(kind, index, value).build_operate())
        task = self._builder(kind, index, value)
        return await self._request(task.build_operate() if how == "operate" else task.build_direct_operate())

    def _builder(self, kind: str, index: int, value: float | str):  # type: ignore[no-untyped-def]
        builder = self._master.command_builder()
        if kind == "AO":
            return builder.add_analog(index, float(value))
        return builder.add_crob(index, getattr(ControlCode, str(value)))

    async def _request(self, task) -> int:  # type: ignore[no-untyped-def]
        await self._runner.request(task.build_request(seq=self._master.next_request_sequence()))
        # One object went out, so the status of the echo is its last octet.
        return self._master.last[-1] & 0x7F

    def _take(self) -> list[Told]:
        told, self._recorder.told = self._recorder.told, []
        return told
