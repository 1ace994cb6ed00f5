"""The DNP3 face: one outstation that repeats the gateway's point image to its masters and brings their controls.

`show` replaces the packed image at once, whole batch or nothing, so the next poll sees it; what of it is an event is
decided then too, and put into the masters' buffers in slices, because making 10,000 event objects takes longer than a
master should wait for the loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence

from dermscore.model import Now
from dermscore.quality import Quality
from dermscore.sheets.points import PointType
from gateway.faces import ControlDesk, FaceEvent, FaceHealth, UnknownPointError, Update
from gateway.faces.dnp3 import flags
from gateway.faces.dnp3.association import Association
from gateway.faces.dnp3.core import AnalogPoint, BinaryPoint, EventClass
from gateway.faces.dnp3.hub import Hub
from gateway.faces.dnp3.outstation import Dnp3Output, Dnp3Outstation, Dnp3Point
from gateway.faces.dnp3.packed import INT32_MAX, INT32_MIN, PackedImage, Table

logger = logging.getLogger(__name__)

_SLICE = 1000  # events made in one turn of the loop: about 3 ms
_NEVER_TOLD = -1


class _Row:
    """One point: where it is packed, and what masters were last told of it. Owned by the face's loop."""

    __slots__ = ("analog", "deadband", "event_class", "index", "slot", "table", "told_flag", "told_raw")

    def __init__(self, row: Dnp3Point | Dnp3Output, table: Table) -> None:
        self.table = table
        self.slot = table.slots[row.index]
        self.index = row.index
        self.analog = row.type in (PointType.AI, PointType.AO)
        # Output statuses make no events: no master needs g11 and g42 beside the status points (IEEE 1815.2).
        self.event_class = EventClass(row.event_class) if isinstance(row, Dnp3Point) and row.event_class else None
        self.deadband = row.deadband if isinstance(row, Dnp3Point) else 0
        self.told_flag = _NEVER_TOLD
        self.told_raw = 0

    def put(self, raw: int, flag: int) -> None:
        if self.analog:
            self.table.put_analog(self.slot, flag, raw)
        else:
            self.table.put_binary(self.slot, flag | flags.STATE if raw else flag)

    def is_news(self, raw: int, flag: int) -> bool:
        """Whether masters are to hear of this; a worse or better quality always, a value beyond its deadband."""
        if flag == self.told_flag and abs(raw - self.told_raw) <= self.deadband:
            return False
        self.told_flag, self.told_raw = flag, raw
        return self.event_class is not None


class Dnp3Face:
    """A `gateway.faces.Face` for one outstation. Everything happens on the loop that called `start`.

    `desk` decides the controls; `now` is the one clock (UTC for a time write's offset, monotonic for every timeout).
    `refresh` is called before each request is answered: what time alone does to the image must be done by then, even
    where this process stood still and a poll waited in its socket.
    """

    def __init__(
        self,
        outstation: Dnp3Outstation,
        desk: ControlDesk,
        now: Callable[[], Now],
        refresh: Callable[[], None] = lambda: None,
    ) -> None:
        self._outstation = outstation
        self._desk = desk
        self._image = PackedImage(outstation)
        self._rows = {row.name: _Row(row, self._image.by_type[row.type]) for row in outstation.rows}
        self._associations = {
            master.name: Association(outstation, master, self._image, desk, now, self._note)
            for master in outstation.masters
        }
        self._hub = Hub(outstation, self._associations, now, self._note, refresh)
        self._news: deque[tuple[_Row, int, int, int]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._scheduled = False

    @property
    def port(self) -> int:
        """The port that masters dial; known once started."""
        return self._hub.port

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the configured address cannot be bound.
        """
        self._loop = asyncio.get_running_loop()
        await self._hub.start()

    async def stop(self) -> None:
        """Close every connection and stop listening."""
        await self._hub.stop()
        self._loop = None

    def show(self, batch: Sequence[Update]) -> None:
        """Replace what masters see, and make events of what changed.

        A value outside int32 is clamped with OVER_RANGE. The same value with the same flags makes no event.

        Raises:
            UnknownPointError: a point that this outstation does not have; nothing of the batch is shown then.
        """
        try:
            rows = [self._rows[update.point] for update in batch]
        except KeyError as unknown:
            raise UnknownPointError(f"outstation {self._outstation.name} has no point {unknown}") from None
        seen: Quality | None = None
        analog = binary = 0
        for row, update in zip(rows, batch, strict=True):
            if update.quality is not seen:  # a batch shares few qualities, and looking one up costs more than the rest
                seen = update.quality
                analog, binary = flags.analog(seen), flags.binary(seen)
            raw, flag = _fitted(update.raw, analog) if row.analog else (int(bool(update.raw)), binary)
            row.put(raw, flag)
            if row.is_news(raw, flag):
                self._news.append((row, raw, flag, update.time_ms))
        if not self._scheduled:  # else this batch's news wait their turn behind the last one's
            self._record()

    def indicate(self, *, trouble: bool | None = None, local: bool | None = None) -> None:
        """Set or clear DEVICE_TROUBLE and LOCAL_CONTROL in every response from now on; None leaves one as it is."""
        for association in self._associations.values():
            association.session.trouble = association.session.trouble if trouble is None else trouble
            association.session.local = association.session.local if local is None else local

    def health(self) -> FaceHealth:
        """A snapshot."""
        buffers = [association.events for association in self._associations.values()]
        return FaceHealth(
            listening=self._hub.listening,
            masters=self._hub.masters,
            events_waiting=sum(each.total for each in buffers) + len(self._news),
            events_lost=sum(each.overflow_generation for each in buffers),
        )

    def _record(self) -> None:
        """Put a slice of the news into every master's buffers, and come back for the rest."""
        self._scheduled = False
        for _ in range(min(_SLICE, len(self._news)) if self._loop else len(self._news)):
            self._record_one(*self._news.popleft())
        if self._news and self._loop:
            self._scheduled = True
            self._loop.call_soon(self._record)

    def _record_one(self, row: _Row, raw: int, flag: int, time_ms: int) -> None:
        assert row.event_class is not None
        for association in self._associations.values():
            if row.analog:
                association.events.record_analog(
                    row.index, AnalogPoint(raw, flag), event_class=row.event_class, timestamp_ms=time_ms
                )
            else:
                association.events.record_binary(
                    row.index, BinaryPoint(bool(raw), flag), event_class=row.event_class, timestamp_ms=time_ms
                )

    def _note(self, event: FaceEvent) -> None:
        try:
            self._desk.note(event)
        except Exception:
            logger.exception("dnp3 %s: the desk could not take note of %s", self._outstation.name, event)


def _fitted(raw: int, flag: int) -> tuple[int, int]:
    if INT32_MIN <= raw <= INT32_MAX:
        return raw, flag
    return (INT32_MIN if raw < 0 else INT32_MAX), flag | flags.OVER_RANGE
