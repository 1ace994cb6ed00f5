"""How long the DNP3 face keeps the loop: `python -m benches.dnp3_poll [POINTS]`.

Prints what `show` takes for a whole batch, the longest turn of the loop while its events are made, what a class 0 read
takes from the packed image beside the library's own encoders (the ratio is what the packed image is for), and a whole
integrity poll over a socket.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable

from dermscore.model import Now
from dermscore.quality import GOOD
from dermscore.sheets.points import PointType
from gateway.faces import ControlRequest, FaceEvent, Status, Update
from gateway.faces.dnp3 import Dnp3Face, Dnp3Limits, Dnp3Master, Dnp3Outstation, Dnp3Point
from gateway.faces.dnp3.core import AnalogPoint, ObjectHeader, QualifierCode
from tests.peers.dnp3py_master import Dnp3pyMaster


class Desk:
    """Refuses everything: there are no outputs here."""

    def select(self, requests: object) -> list[Status]:
        return []

    def operate(self, requests: list[ControlRequest]) -> list[Status]:
        return []

    def note(self, event: FaceEvent) -> None:
        return


def now() -> Now:
    return Now(time.time_ns() // 1_000_000, time.monotonic_ns() // 1_000_000)


def best_ms(work: Callable[[], object], times: int = 5) -> float:
    """The quickest of a few runs: the rest is the machine's."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return min(taken) * 1000


def library_encoders(points: int) -> bytes:
    """The same class 0 answer made point by point, as py1815's own outstation makes it."""
    from py1815.objects import analog_range

    return analog_range(0, [AnalogPoint(index, 1) for index in range(points)])


async def main(points: int) -> None:
    rows = tuple(Dnp3Point(f"p{index}", PointType.AI, index, 1) for index in range(points))
    limits = Dnp3Limits(events=4 * points)
    face = Dnp3Face(Dnp3Outstation("bench", "127.0.0.1", 0, 10, (Dnp3Master("m", 1),), rows, (), limits), Desk(), now)
    await face.start()
    batches = [[Update(f"p{index}", index + step, GOOD, step) for index in range(points)] for step in range(3)]
    print(f"{points} points, all changed")
    for batch in batches[1:]:
        began = time.perf_counter()
        face.show(batch)
        showed = time.perf_counter() - began
        longest, began = 0.0, time.perf_counter()
        while face._news:
            turn = time.perf_counter()
            await asyncio.sleep(0)
            longest = max(longest, time.perf_counter() - turn)
        print(f"  show {1000 * showed:.1f} ms, longest turn after it {1000 * longest:.1f} ms")
    thousands = iter([batch[:1000] for batch in batches] * 2)
    print(f"  show of 1,000, all changed: {best_ms(lambda: face.show(next(thousands))):.2f} ms")
    face.show(batches[2])
    print(f"  show of all, none changed: {best_ms(lambda: face.show(batches[2])):.1f} ms")
    header = [ObjectHeader(60, 1, QualifierCode.ALL_OBJECTS)]
    sliced, encoded = best_ms(lambda: face._image.read_blocks(header)), best_ms(lambda: library_encoders(points))
    print(
        f"  class 0 from the image {sliced:.2f} ms, by the library's encoders {encoded:.1f} ms: {encoded / sliced:.0f}x"
    )
    async with Dnp3pyMaster(face.port) as scada:
        while any(told.event for told in await scada.events()):
            pass
        began = time.perf_counter()
        told = await scada.integrity()
        print(f"  integrity poll of {len(told)} objects over a socket {1000 * (time.perf_counter() - began):.0f} ms")
    await face.stop()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
