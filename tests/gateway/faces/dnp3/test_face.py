"""What `show` does to the image and to the events, before any socket."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dermscore.quality import GOOD, Cause, Quality, Validity
from dermscore.sheets.points import PointType
from gateway.faces import Face, FaceEvent, FaceEventKind, UnknownPointError, Update
from gateway.faces.dnp3 import Dnp3Face, Dnp3Limits, Dnp3Point
from gateway.faces.dnp3.core import EventClass, ObjectHeader, QualifierCode
from tests.gateway.faces.dnp3.stage import OUTSTATION, T0, Clock, Desk
from tests.peers.frames import EVENTS, RawPeer, confirm, request

STALE = Quality(Validity.HELD, causes=Cause.COMM_LOST)


def made(**changes: object) -> Dnp3Face:
    face: Face = Dnp3Face(replace(OUTSTATION, **changes), Desk(), Clock())  # type: ignore[arg-type]
    assert isinstance(face, Dnp3Face)
    return face


def waiting(face: Dnp3Face) -> int:
    return face.health().events_waiting


def test_an_unknown_point_shows_nothing_of_its_batch() -> None:
    face = made()
    with pytest.raises(UnknownPointError, match="no point 'nobody'"):
        face.show([Update("ai0", 1, GOOD, T0), Update("nobody", 1, GOOD, T0)])
    assert waiting(face) == 0


def test_the_same_again_is_no_event() -> None:
    face = made()
    for at in range(3):
        face.show([Update("ai0", 7, GOOD, T0 + at), Update("bi0", 1, GOOD, T0 + at)])
    assert waiting(face) == 2


def test_a_deadband_counts_from_what_was_last_told() -> None:
    face = made()
    for raw in (0, 3, 5, 6, 8, 11):  # deadband 5: told are 0 and 6; 11 is 5 from 6, not beyond it
        face.show([Update("ai0", raw, GOOD, T0)])
    assert waiting(face) == 2
    face.show([Update("ai0", 12, GOOD, T0)])
    assert waiting(face) == 3


def test_a_worse_quality_is_an_event_whatever_the_deadband() -> None:
    face = made()
    face.show([Update("ai0", 0, GOOD, T0)])
    face.show([Update("ai0", 1, STALE, T0 + 1)])
    face.show([Update("ai0", 1, STALE, T0 + 2)])
    face.show([Update("ai0", 1, GOOD, T0 + 3)])
    assert waiting(face) == 3


def test_class_0_points_and_outputs_make_no_events() -> None:
    face = made()
    face.show([Update("ai-quiet", 1, GOOD, T0), Update("target", 1, GOOD, T0), Update("release", 1, GOOD, T0)])
    assert waiting(face) == 0


@given(st.lists(st.tuples(st.integers(-20, 20), st.sampled_from([GOOD, STALE])), max_size=30), st.integers(0, 8))
def test_masters_are_never_further_off_than_the_deadband(steps: list[tuple[int, Quality]], deadband: int) -> None:
    face = made(points=(Dnp3Point("p", PointType.AI, 0, 1, deadband),), limits=Dnp3Limits(events=1000))
    events = next(iter(face._associations.values())).events
    for raw, quality in steps:
        face.show([Update("p", raw, quality, T0)])
        told = events.peek(EventClass.CLASS_1)[-1].point
        assert abs(told.value - raw) <= deadband
        assert (told.flags == 0x01) is quality.good


async def test_lost_events_are_counted_and_told_to_the_master_and_the_desk(clock: Clock, desk: Desk) -> None:
    face = Dnp3Face(replace(OUTSTATION, limits=Dnp3Limits(events=20)), desk, clock)
    await face.start()
    try:
        for raw in range(50):
            face.show([Update("ai0", raw * 10, GOOD, T0 + raw)])
        assert face.health().events_lost == 30
        clock.advance(61)
        assert await desk.until(FaceEventKind.EVENTS_LOST) == ["events dropped before the master read them"]
        assert [each.number for each in desk.noted if each.kind is FaceEventKind.EVENTS_LOST] == [30]
        async with RawPeer(face.port) as scada:
            [fragment] = await scada.ask(request(1, EVENTS, sequence=0))
            assert fragment[3] & 0x08  # IIN2.3, event buffer overflow
            [fragment] = await scada.ask(confirm(0) + request(1, EVENTS, sequence=1))
            assert not fragment[3] & 0x08, "told once, and confirmed"
    finally:
        await face.stop()


async def test_health_says_who_is_there(face: Dnp3Face) -> None:
    assert (face.health().listening, face.health().masters) == (True, ())
    async with RawPeer(face.port) as scada:
        await scada.ask(request(1, EVENTS))
        assert face.health().masters == ("ems",)
    await face.stop()
    assert not face.health().listening


async def test_a_desk_that_cannot_take_notice_costs_nothing(clock: Clock) -> None:
    class Broken(Desk):
        def note(self, event: FaceEvent) -> None:
            raise RuntimeError("no notes today")

    face = Dnp3Face(OUTSTATION, Broken(), clock)
    await face.start()
    try:
        async with RawPeer(face.port) as scada:
            assert await scada.ask(request(1, EVENTS))
    finally:
        await face.stop()


async def test_an_address_in_use_stops_the_start(face: Dnp3Face) -> None:
    second = made(port=face.port)
    with pytest.raises(OSError, match="in use"):
        await second.start()
    await second.stop()


async def test_a_big_batch_is_whole_at_once_and_its_events_follow_in_slices() -> None:
    """How long each takes is for benches/dnp3_poll.py to say."""
    count = 10_000
    face = made(
        points=tuple(Dnp3Point(f"p{index}", PointType.AI, index, 1) for index in range(count)),
        limits=Dnp3Limits(events=3 * count),
    )
    await face.start()
    try:
        for step in range(3):
            batch = [Update(f"p{index}", index + step, GOOD, T0 + step) for index in range(count)]
            face.show(batch)
        events = next(iter(face._associations.values())).events
        assert events.total == 1000, "one slice at once"
        assert waiting(face) == 3 * count, "the rest is not forgotten"
        header = ObjectHeader(30, 1, QualifierCode.UINT16_START_STOP, count - 1, count - 1)
        [block] = face._image.read_blocks([header])
        assert int.from_bytes(block[-4:], "little") == count + 1, "and the image has the last value already"
        turns = 0
        while events.total < 3 * count:
            await asyncio.sleep(0)
            turns += 1
        assert turns >= 29
        told = [each.point.value for each in events.peek(EventClass.CLASS_1)]
        assert told == [index + step for step in range(3) for index in range(count)], "in the order they were shown"
    finally:
        await face.stop()
