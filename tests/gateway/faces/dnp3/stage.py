"""What the tests of the DNP3 face share: a desk that remembers and can lie, a clock to set, and an outstation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from dermscore.model import Now
from dermscore.sheets.points import PointType
from gateway.faces import ControlRequest, FaceEvent, FaceEventKind, Status
from gateway.faces.dnp3 import Dnp3Master, Dnp3Output, Dnp3Outstation, Dnp3Point

T0 = 1_760_000_000_123  # UTC ms of the tests' epoch


@dataclass
class Desk:
    """A `ControlDesk` that keeps what it was asked and told. `decide` answers each request, or misbehaves."""

    decide: Callable[[ControlRequest], Status] = lambda request: Status.SUCCESS
    selected: list[ControlRequest] = field(default_factory=list)
    operated: list[ControlRequest] = field(default_factory=list)
    noted: list[FaceEvent] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def select(self, requests: Sequence[ControlRequest]) -> Sequence[Status]:
        self.selected += requests
        return [self.decide(request) for request in requests]

    def operate(self, requests: Sequence[ControlRequest]) -> Sequence[Status]:
        self.operated += requests
        return [self.decide(request) for request in requests]

    def note(self, event: FaceEvent) -> None:
        self.noted.append(event)
        self._news.set()

    def details(self, kind: FaceEventKind) -> list[str]:
        return [event.detail for event in self.noted if event.kind is kind]

    async def until(self, kind: FaceEventKind, count: int = 1) -> list[str]:
        """Wait until so many events of a kind were noted."""
        async with asyncio.timeout(5):
            while len(self.details(kind)) < count:
                self._news.clear()
                await self._news.wait()
        return self.details(kind)


@dataclass
class Clock:
    """Both clocks, set by the test."""

    now: Now = field(default_factory=lambda: Now(T0, 1_000_000))

    def __call__(self) -> Now:
        return self.now

    def advance(self, seconds: float) -> None:
        ms = round(seconds * 1000)
        self.now = Now(self.now.utc_ms + ms, self.now.mono_ms + ms)


OUTSTATION = Dnp3Outstation(
    name="dmz-1",
    host="127.0.0.1",
    port=0,
    address=10,
    masters=(Dnp3Master("ems", 1),),
    points=(
        *(Dnp3Point(f"ai{index}", PointType.AI, index, event_class=2, deadband=5) for index in range(4)),
        Dnp3Point("ai9", PointType.AI, 9, event_class=3),  # after a gap
        Dnp3Point("ai-quiet", PointType.AI, 10, event_class=0),
        *(Dnp3Point(f"bi{index}", PointType.BI, index, event_class=1) for index in range(3)),
    ),
    outputs=(
        Dnp3Output("target", PointType.AO, 0),
        Dnp3Output("target-2", PointType.AO, 1),
        Dnp3Output("release", PointType.BO, 0),
        Dnp3Output("trip", PointType.BO, 1, codes=("TRIP_PULSE_ON", "CLOSE_PULSE_ON")),
    ),
)
