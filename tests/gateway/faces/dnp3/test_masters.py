"""Two masters of different make against the face: every value, flag and time, and every way to operate."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from dermscore.quality import GOOD, Cause, Quality, Validity
from dermscore.sheets.points import PointType
from gateway.faces import FaceEventKind, Status, Update
from gateway.faces.dnp3 import Dnp3Face, Dnp3Output, Dnp3Point
from gateway.faces.dnp3.controls import STATUS_CODES
from tests.gateway.faces.dnp3.stage import T0, Desk
from tests.peers.dnp3py_master import Dnp3pyMaster
from tests.peers.told import Told, latest
from tests.peers.yadnp3_master import Yadnp3Master

Scada = Yadnp3Master | Dnp3pyMaster
Dial = Callable[..., AbstractAsyncContextManager[Scada]]

DOUBT = Quality(Validity.QUESTIONABLE)
STALE = Quality(Validity.HELD, causes=Cause.COMM_LOST)


@pytest.fixture(params=[Yadnp3Master, Dnp3pyMaster])
def dial(request: pytest.FixtureRequest) -> Dial:
    made: Dial = request.param
    return made


SHOWN = [
    # point, raw, quality, time, and what a master must read: type, index, value, flags
    (Update("ai0", 2**31 - 1, GOOD, T0 + 1), ("AI", 0, 2**31 - 1, 0x01)),
    (Update("ai1", -(2**31), DOUBT, T0 + 2), ("AI", 1, -(2**31), 0x41)),
    (Update("ai2", -42, STALE, T0 + 3), ("AI", 2, -42, 0x04)),
    (Update("ai3", 5_000_000_000, GOOD, T0 + 4), ("AI", 3, 2**31 - 1, 0x21)),
    (Update("ai9", 0, Quality(causes=Cause.LOCAL_FORCED), T0 + 5), ("AI", 9, 0, 0x11)),
    (Update("bi0", 1, GOOD, T0 + 6), ("BI", 0, 1, 0x01)),
    (Update("bi1", 1, STALE, T0 + 7), ("BI", 1, 1, 0x04)),
    (Update("bi2", 0, DOUBT, T0 + 8), ("BI", 2, 0, 0x00)),
    (Update("target", -7, GOOD, T0 + 9), ("AO", 0, -7, 0x01)),
    (Update("release", 1, GOOD, T0 + 10), ("BO", 0, 1, 0x01)),
]


async def test_before_anything_was_shown_every_point_says_restart(face: Dnp3Face, dial: Dial) -> None:
    async with dial(face.port) as scada:
        told = latest(await scada.integrity())
    assert len(told) == 6 + 3 + 2 + 2
    assert {(each.value, each.flags) for each in told.values()} == {(0.0, 0x02)}


async def test_every_value_flag_and_time_is_read_right(face: Dnp3Face, dial: Dial) -> None:
    async with dial(face.port) as scada:
        await scada.integrity()
        face.show([update for update, _ in SHOWN])
        told = await scada.wait_for(lambda told: told.event and told.type == "BI" and told.index == 2)
        static = latest(await scada.integrity())
    events = [each for each in told if each.event]
    for update, (kind, index, value, flags) in SHOWN:
        assert static[kind, index] == Told(kind, index, value, flags, None)
        if kind in ("AI", "BI"):
            assert Told(kind, index, value, flags, update.time_ms) in events
    assert len(events) == 8, "one event a point, none for outputs"


@pytest.mark.parametrize(
    ("group", "variation", "stop", "expected"),
    [
        (30, 1, 3, [(2**31 - 1, 0x01), (-(2**31), 0x41), (-42, 0x04), (2**31 - 1, 0x21)]),
        (30, 2, 3, [(2**15 - 1, 0x21), (-(2**15), 0x61), (-42, 0x04), (2**15 - 1, 0x21)]),  # too wide for int16
        (30, 3, 3, [(2**31 - 1, 0x01), (-(2**31), 0x41), (-42, 0x04), (2**31 - 1, 0x21)]),  # flags after all
        (30, 4, 0, [(2**15 - 1, 0x21)]),
        (30, 5, 2, [(float(2**31), 0x01), (-float(2**31), 0x41), (-42.0, 0x04)]),  # 24 bits of mantissa
        (1, 1, 2, [(1, 0x01), (1, 0x04), (0, 0x00)]),
        (1, 2, 0, [(1, 0x01)]),
        (10, 2, 0, [(1, 0x01)]),
        (40, 1, 0, [(-7, 0x01)]),
        (40, 2, 0, [(-7, 0x01)]),
        (40, 3, 0, [(-7.0, 0x01)]),
    ],
)
async def test_each_variation_is_read_right(
    face: Dnp3Face, dial: Dial, group: int, variation: int, stop: int, expected: list[tuple[float, int]]
) -> None:
    face.show([update for update, _ in SHOWN])
    async with dial(face.port) as scada:
        await scada.integrity()
        told = await scada.read(group, variation, 0, stop)
    assert [(each.value, each.flags) for each in told] == expected


async def test_an_image_of_many_fragments_arrives_whole(listen: Callable[..., Awaitable[Dnp3Face]], dial: Dial) -> None:
    points = tuple(Dnp3Point(f"p{index}", PointType.AI, index, event_class=1) for index in range(3000))
    face = await listen(points=points, outputs=())
    face.show([Update(f"p{index}", index * 7, GOOD, T0 + index) for index in range(3000)])
    async with dial(face.port) as scada:
        told: dict[tuple[str, int], Told] = {}
        events: set[Told] = set()
        while len(events) < 3000:
            batch = await scada.integrity()
            events |= {each for each in batch if each.event}
            told |= latest(batch)
    assert all(told["AI", index].value == index * 7 for index in range(3000))
    assert events == {Told("AI", index, index * 7, 0x01, T0 + index) for index in range(3000)}


@pytest.mark.parametrize("how", ["sbo", "direct"])
async def test_both_outputs_are_operated_both_ways(face: Dnp3Face, dial: Dial, desk: Desk, how: str) -> None:
    async with dial(face.port) as scada:
        await scada.integrity()
        assert await scada.operate("AO", 1, -55, how=how) == 0
        assert await scada.operate("BO", 0, "LATCH_OFF", how=how) == 0
    asked = [(each.type, each.index, each.value, each.code, each.count, each.how) for each in desk.operated]
    kind = "operate" if how == "sbo" else "direct"
    assert asked == [(PointType.AO, 1, -55.0, None, 1, kind), (PointType.BO, 0, None, "LATCH_OFF", 1, kind)]
    assert [each.how for each in desk.selected] == (["select", "select"] if how == "sbo" else [])
    assert {(each.outstation, each.master, each.session) for each in desk.operated} == {("dmz-1", "ems", "dmz-1/1")}
    assert {each.peer.split(":")[0] for each in desk.operated} == {"127.0.0.1"}


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.SUCCESS])
async def test_every_refusal_is_heard_by_its_own_number(face: Dnp3Face, desk: Desk, status: Status) -> None:
    desk.decide = lambda request: status
    async with Dnp3pyMaster(face.port) as scada:
        assert await scada.operate("AO", 0, 1, how="direct") == STATUS_CODES[status]
        assert await scada.operate("BO", 0, "LATCH_ON", how="sbo") == STATUS_CODES[status]
    assert len(desk.operated) == 1, "a refused select authorises nothing"


async def test_opendnp3_names_every_refusal_as_we_do(face: Dnp3Face, desk: Desk) -> None:
    async with Yadnp3Master(face.port) as scada:
        await scada.integrity()
        for status, code in STATUS_CODES.items():
            desk.decide = lambda request, status=status: status  # type: ignore[misc]
            assert await scada.operate("AO", 0, 1, how="direct") == code


async def test_what_the_protocol_can_refuse_never_reaches_the_desk(face: Dnp3Face, desk: Desk) -> None:
    async with Yadnp3Master(face.port) as scada:
        await scada.integrity()
        for number in (float("nan"), float("inf"), float("-inf")):
            assert await scada.operate("AO", 0, number, how="direct", variation=3) == 12  # OUT_OF_RANGE
        assert await scada.operate("AO", 0, 1.0, how="direct", variation=4) == 4  # g41v4 is not served
        assert await scada.operate("AO", 7, 1, how="direct") == 4  # no such output
        assert await scada.operate("BO", 0, "PULSE_ON", how="direct") == 4  # a code that the row does not list
        assert await scada.operate("BO", 9, "LATCH_ON", how="sbo") == 4
        assert desk.operated + desk.selected == []
        assert await scada.operate("AO", 0, 1.5, how="direct", variation=3) == 0
        assert await scada.operate("AO", 0, -3, how="direct", variation=2) == 0
    assert [each.value for each in desk.operated] == [1.5, -3.0]
    refused = desk.details(FaceEventKind.CONTROL_REFUSED)
    assert len(refused) == 7
    assert refused[0] == "function 5 (DIRECT_OPERATE): AO 0 OUT_OF_RANGE"


async def test_an_operate_without_a_select_does_nothing(face: Dnp3Face, desk: Desk) -> None:
    async with Dnp3pyMaster(face.port) as scada:
        assert await scada.operate("AO", 0, 5, how="operate") == 2  # NO_SELECT
    assert desk.operated == []
    assert desk.details(FaceEventKind.CONTROL_REFUSED) == ["function 4 (OPERATE): AO 0 NO_SELECT"]


async def test_trip_and_close_pulses_have_their_own_codes(face: Dnp3Face, desk: Desk) -> None:
    async with Dnp3pyMaster(face.port) as scada:
        assert await scada.operate("BO", 1, "TRIP_PULSE_ON") == 0
        assert await scada.operate("BO", 1, "CLOSE_PULSE_ON") == 0
        assert await scada.operate("BO", 1, "LATCH_ON") == 4
    assert [each.code for each in desk.operated] == ["TRIP_PULSE_ON", "CLOSE_PULSE_ON"]


async def test_a_cold_restart_is_refused(face: Dnp3Face, desk: Desk) -> None:
    async with Yadnp3Master(face.port) as scada:
        await scada.integrity()
        assert await scada.restart() == "FAILURE_BAD_RESPONSE"
        assert latest(await scada.integrity()), "and the face goes on"
    assert desk.details(FaceEventKind.FUNCTION_REFUSED) == ["function 13 (COLD_RESTART) is not supported"]


async def test_a_master_that_comes_back_finds_what_it_missed(face: Dnp3Face, dial: Dial, desk: Desk) -> None:
    async with dial(face.port) as scada:
        await scada.integrity()
    await desk.until(FaceEventKind.MASTER_DISCONNECTED)
    face.show([Update("ai0", 100, GOOD, T0 + 1)])
    face.show([Update("ai0", 200, STALE, T0 + 2)])
    async with dial(face.port) as scada:
        told = await scada.integrity()
    seen = [each for each in told if each.event]
    assert seen[:2] == [Told("AI", 0, 100, 0x01, T0 + 1), Told("AI", 0, 200, 0x04, T0 + 2)]
    assert latest(told)["AI", 0] == Told("AI", 0, 200, 0x04, None)


async def test_opendnp3_reconnects_to_a_face_that_restarted(
    listen: Callable[..., Awaitable[Dnp3Face]], desk: Desk
) -> None:
    first = await listen()
    port = first.port
    async with Yadnp3Master(port) as scada:
        await scada.integrity()
        await first.stop()
        second = await listen(port=port)
        await scada.connected(times=2)
        second.show([Update("ai0", 9, GOOD, T0)])
        told = latest(await scada.integrity())
    assert told["AI", 0].value == 9
    assert told["AI", 1].flags == 0x02, "a restarted gateway shows RESTART until the first crossing"


async def test_the_second_output_row_is_its_own(listen: Callable[..., Awaitable[Dnp3Face]]) -> None:
    face = await listen(outputs=(Dnp3Output("far", PointType.AO, 300), Dnp3Output("near", PointType.AO, 0)))
    face.show([Update("far", 3, GOOD, T0), Update("near", 4, GOOD, T0)])
    async with Dnp3pyMaster(face.port) as scada:
        told = latest(await scada.integrity())
    assert (told["AO", 300].value, told["AO", 0].value) == (3, 4)
