"""What the SCADA master sees: its latest value of every point, with the flags and times it was given.

Speaks with `simulator.scada`, which runs in a process of its own, by lines of JSON.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from simulator.processes import Child

ONLINE, COMM_LOST = 0x01, 0x04  # IEEE 1815-2012 clause 11.6.1; the same bits for binary and analog points
_BINARY_STATE = 0x80


@dataclass(frozen=True, slots=True)
class Seen:
    """One point as SCADA holds it. `event_ms` is the time of its newest event, None where only static data came."""

    value: float
    flags: int
    event_ms: int | None
    at_ms: int

    @property
    def online(self) -> bool:
        return bool(self.flags & ONLINE) and not self.flags & COMM_LOST

    @property
    def comm_lost(self) -> bool:
        return bool(self.flags & COMM_LOST) and not self.flags & ONLINE


Key = tuple[str, int]  # ("AI", 0)


@dataclass
class Station:
    """Owner of every field: the demo's event loop."""

    child: Child
    seen: dict[Key, Seen] = field(default_factory=dict)
    scans: int = 0
    linked: bool = False
    on_event: Callable[[Key, Seen], None] = lambda key, seen: None
    _answers: dict[str, asyncio.Future[str]] = field(default_factory=dict)

    async def listen(self) -> None:
        """Read what the master says until it ends."""
        process = await self.child.start(talks=True)
        assert process.stdout is not None
        while line := await process.stdout.readline():
            self._hear(json.loads(line))

    def _hear(self, message: dict[str, Any]) -> None:
        match message["event"]:
            case "link":
                self.linked = message["up"]
            case "scan":
                self.scans += 1
                for row in message["values"]:
                    self._take(row, message["at_ms"])
            case "operated":
                answer = self._answers.pop(message["id"], None)
                if answer is not None and not answer.done():
                    answer.set_result(message["status"])

    def _take(self, row: list[Any], at_ms: int) -> None:
        kind, index, value, flags, event_ms = row
        key = (kind, index)
        before = self.seen.get(key)
        moment = event_ms if event_ms is not None else before.event_ms if before else None
        self.seen[key] = Seen(value, flags & ~_BINARY_STATE if kind in ("BI", "BO") else flags, moment, at_ms)
        if event_ms is not None:
            self.on_event(key, self.seen[key])

    async def operate(self, kind: str, index: int, value: float, how: str = "sbo") -> str:
        """Operate an output; returns the DNP3 status name the outstation answered with.

        Raises:
            TimeoutError: no answer within 10 s.
        """
        process = self.child.process
        assert process is not None
        assert process.stdin is not None
        order = str(uuid.uuid4())
        answer = self._answers[order] = asyncio.get_running_loop().create_future()
        message = {"id": order, "type": kind, "index": index, "value": value, "how": how}
        process.stdin.write(json.dumps(message).encode() + b"\n")
        await process.stdin.drain()
        return await asyncio.wait_for(answer, 10)
