"""Who is let in, who is closed, and what is dropped before the protocol core could act on it: raw octets on sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from ipaddress import ip_network

import pytest

from dermscore.quality import GOOD
from dermscore.sheets.points import PointType
from gateway.faces import ControlRequest, FaceEventKind, Status, Update
from gateway.faces.dnp3 import Dnp3Face, Dnp3Limits, Dnp3Master, Dnp3Point
from tests.gateway.faces.dnp3.stage import OUTSTATION, T0, Clock, Desk
from tests.peers.frames import (
    CONFIRMED,
    EVENTS,
    INTEGRITY,
    LATCH_ON_BO_0,
    REQUEST_STATUS,
    RESET_LINK,
    SET_AO_0_TO_55,
    RawPeer,
    confirm,
    frame,
    request,
)

Listen = Callable[..., Awaitable[Dnp3Face]]

WRITE, SELECT, OPERATE, DIRECT = 2, 3, 4, 5
POLL = request(1, EVENTS)
REFUSED = FaceEventKind.FUNCTION_REFUSED


class TestWhatIsNeverExecuted:
    async def test_function_6_direct_operate_without_response(self, face: Dnp3Face, desk: Desk) -> None:
        octets = bytes.fromhex(
            "0564 18 c4 0a00 0100 3d3a"  # start, length 24, user data from a master, to 10, by 1, CRC
            "c1 c1 06"  # transport FIR FIN 1, application FIR FIN 1, function 6
            "0c 01 17 01 00"  # g12v1, qualifier 17, one object, index 0
            "03 01 64000000 6400 0147"  # LATCH_ON, count 1, on 100 ms, half of off, CRC of the block
            "0000 00 ffff"  # the rest of off, status 0, CRC
        )
        assert octets == request(6, LATCH_ON_BO_0, sequence=1)
        await self._is_dropped(face, desk, octets, "function 6 (DIRECT_OPERATE_NR), which takes no response")

    async def test_function_6_in_two_frames(self, face: Dnp3Face, desk: Desk) -> None:
        first = frame(0xC4, bytes.fromhex("41 c1"))  # transport FIR 1, and only the application control octet
        second = frame(0xC4, bytes.fromhex("82 06") + LATCH_ON_BO_0)  # transport FIN 2, the function and its object
        await self._is_dropped(face, desk, first + second, "function 6 (DIRECT_OPERATE_NR), which takes no response")

    @pytest.mark.parametrize("address", [0xFFFD, 0xFFFE, 0xFFFF])
    async def test_a_broadcast_direct_operate(self, face: Dnp3Face, desk: Desk, address: int) -> None:
        octets = request(DIRECT, LATCH_ON_BO_0, sequence=1, to=address)
        if address == 0xFFFF:
            assert octets == bytes.fromhex(
                "0564 18 c4 ffff 0100 0ee4"  # as above, but to 65535: every outstation
                "c1 c1 05 0c 01 17 01 00 03 01 64000000 6400 1104"  # function 5
                "0000 00 ffff"
            )
        await self._is_dropped(face, desk, octets, f"broadcast to {address:#06x}, function 5 (DIRECT_OPERATE)")

    async def test_a_broadcast_time_write(self, face: Dnp3Face, desk: Desk) -> None:
        octets = bytes.fromhex(
            "0564 12 c4 feff 0100 8d9a"  # to 65534: every outstation, shall confirm
            "c1 c1 02"  # function 2, write
            "32 01 07 01 6fc22cc89901 8476"  # g50v1, qualifier 07, one: UTC ms in six octets, CRC
        )
        await self._is_dropped(face, desk, octets, "broadcast to 0xfffe, function 2 (WRITE)")
        assert desk.details(FaceEventKind.TIME_OFFSET) == []

    @pytest.mark.parametrize("function", [8, 10, 12, 33])
    async def test_the_other_functions_that_take_no_response(self, face: Dnp3Face, desk: Desk, function: int) -> None:
        await self._is_dropped(face, desk, request(function, b"\x14\x00\x06", sequence=1), f"function {function} (")

    async def _is_dropped(self, face: Dnp3Face, desk: Desk, octets: bytes, noted: str) -> None:
        async with RawPeer(face.port) as scada:
            await scada.ask(POLL)
            await scada.send(octets)
            [answer] = await scada.ask(request(1, EVENTS, sequence=2))
        assert answer[0] & 0x0F == 2, "silence, and the next request is answered"
        assert not answer[2] & 0x01, "IIN1.0 broadcast is not even noticed by the core"
        assert desk.operated + desk.selected == []
        [told] = desk.details(REFUSED)
        assert told.startswith(noted)

    @pytest.mark.parametrize("function", [7, 9, 13, 14, 15, 16, 18, 19, 22, 25, 31, 0x70])
    async def test_what_is_not_served_is_refused_aloud(self, face: Dnp3Face, desk: Desk, function: int) -> None:
        async with RawPeer(face.port) as scada:
            [answer] = await scada.ask(request(function))
            assert answer[3] & 0x01  # IIN2.0, function not supported
        assert len(desk.details(REFUSED)) == 1

    async def test_unsolicited_is_refused_aloud_and_not_worth_a_note(self, face: Dnp3Face, desk: Desk) -> None:
        async with RawPeer(face.port) as scada:
            for function in (20, 21):
                [answer] = await scada.ask(request(function, EVENTS, sequence=function & 15))
                assert answer[3] & 0x01
        assert desk.details(REFUSED) == []

    async def test_a_write_of_anything_else_is_refused_and_noted(self, face: Dnp3Face, desk: Desk) -> None:
        async with RawPeer(face.port) as scada:
            # g34v1 deadband, qualifier 17, one object, index 0, value 9
            [answer] = await scada.ask(request(WRITE, bytes.fromhex("2201 17 01 00 0900")))
            assert answer[3] & 0x02  # IIN2.1, object unknown
            # g80v1 index 7 = 0 clears IIN1.7, as every master does at start
            [answer] = await scada.ask(request(WRITE, bytes.fromhex("5001 00 07 07 00"), sequence=1))
            assert answer[2:4] == b"\x00\x00"
        assert desk.details(REFUSED) == ["function 2 (WRITE): OBJECT_UNKNOWN"]


class TestTime:
    async def test_a_time_write_is_noted_as_an_offset(self, face: Dnp3Face, desk: Desk, clock: Clock) -> None:
        written = (T0 + 1500).to_bytes(6, "little")
        async with RawPeer(face.port) as scada:
            [answer] = await scada.ask(request(WRITE, bytes.fromhex("3201 07 01") + written))
            assert answer[2:4] == b"\x80\x00"  # accepted; still IIN1.7, and never IIN1.4 need time
        assert [each.number for each in desk.noted if each.kind is FaceEventKind.TIME_OFFSET] == [1500]
        assert clock.now.utc_ms == T0

    async def test_over_a_network_the_offset_counts_from_the_recording(
        self, face: Dnp3Face, desk: Desk, clock: Clock
    ) -> None:
        async with RawPeer(face.port) as scada:
            await scada.ask(request(24))  # record current time
            clock.advance(3)
            written = (T0 - 250).to_bytes(6, "little")
            await scada.ask(request(WRITE, bytes.fromhex("3203 07 01") + written, sequence=1))  # g50v3
        assert [each.number for each in desk.noted if each.kind is FaceEventKind.TIME_OFFSET] == [-250]


class TestControls:
    async def test_a_select_runs_out_after_ten_seconds(self, face: Dnp3Face, desk: Desk, clock: Clock) -> None:
        async with RawPeer(face.port) as scada:
            await scada.ask(request(SELECT, SET_AO_0_TO_55, sequence=0))
            clock.advance(10.5)
            [answer] = await scada.ask(request(OPERATE, SET_AO_0_TO_55, sequence=1))
        assert answer[-1] == 1  # TIMEOUT
        assert desk.operated == []
        assert desk.details(FaceEventKind.CONTROL_REFUSED) == ["function 4 (OPERATE): AO 0 TIMEOUT"]

    async def test_an_operate_must_match_its_select(self, face: Dnp3Face, desk: Desk) -> None:
        other = bytes.fromhex("2901 17 01 00 38000000 00")  # int32 56
        async with RawPeer(face.port) as scada:
            await scada.ask(request(SELECT, SET_AO_0_TO_55, sequence=0))
            [answer] = await scada.ask(request(OPERATE, other, sequence=1))
        assert answer[-1] == 2  # NO_SELECT
        assert desk.operated == []

    async def test_a_select_dies_with_its_connection(self, face: Dnp3Face, desk: Desk) -> None:
        async with RawPeer(face.port) as scada:
            await scada.ask(request(SELECT, SET_AO_0_TO_55, sequence=0))
        async with RawPeer(face.port) as scada:
            [answer] = await scada.ask(request(OPERATE, SET_AO_0_TO_55, sequence=1))
        assert answer[-1] == 2
        assert desk.operated == []

    async def test_a_repeated_operate_is_answered_again_and_not_done_again(self, face: Dnp3Face, desk: Desk) -> None:
        async with RawPeer(face.port) as scada:
            first = await scada.ask(request(DIRECT, SET_AO_0_TO_55, sequence=3))
            assert await scada.ask(request(DIRECT, SET_AO_0_TO_55, sequence=3)) == first
        assert len(desk.operated) == 1

    async def test_one_control_a_request(self, face: Dnp3Face, desk: Desk) -> None:
        two = bytes.fromhex("2901 17 02 00 37000000 00 01 37000000 00")
        two_blocks = SET_AO_0_TO_55 + LATCH_ON_BO_0
        one_unsound = bytes.fromhex("2901 17 02 00 37000000 00 01 37000000 05")  # the second comes with a status
        async with RawPeer(face.port) as scada:
            for sequence, objects in enumerate((two, two_blocks, one_unsound)):
                [answer] = await scada.ask(request(DIRECT, objects, sequence=sequence))
                assert answer[9 + 4] == 8 or answer[13] == 8  # TOO_MANY_OBJS
        assert desk.operated == []
        assert len(desk.details(FaceEventKind.CONTROL_REFUSED)) == 3

    async def test_more_where_the_sheet_says_so(self, listen: Listen, desk: Desk) -> None:
        face = await listen(Dnp3Limits(controls=2))
        desk.decide = lambda asked: Status.SUCCESS if asked.index == 0 else Status.BLOCKED
        two = bytes.fromhex("2901 17 02 00 37000000 00 01 37000000 00")
        async with RawPeer(face.port) as scada:
            [answer] = await scada.ask(request(DIRECT, two))
        assert answer[4:] == bytes.fromhex("2901 17 02 00 37000000 00 01 37000000 0f")
        assert len(desk.operated) == 2

    @pytest.mark.parametrize(
        "crob",
        [
            "03 00 64000000 64000000 00",  # count 0
            "03 02 64000000 64000000 00",  # count 2
            "13 01 64000000 64000000 00",  # queue bit
            "23 01 64000000 64000000 00",  # clear bit
            "43 01 64000000 64000000 00",  # LATCH_ON with close
            "0f 01 64000000 64000000 00",  # operation 15
            "00 01 64000000 64000000 00",  # NUL, which the row does not list
        ],
    )
    async def test_crobs_that_are_not_listed(self, face: Dnp3Face, desk: Desk, crob: str) -> None:
        async with RawPeer(face.port) as scada:
            [answer] = await scada.ask(request(DIRECT, bytes.fromhex("0c01 17 01 00" + crob)))
        assert answer[-1] == 4  # NOT_SUPPORTED
        assert answer[3] & 0x04  # IIN2.2, parameter error, as the standard has it beside that status
        assert desk.operated == []


class TestAdmission:
    @pytest.mark.parametrize(
        ("octets", "why"),
        [
            (request(1, EVENTS, by=99), "frame from address 99, which is no master's"),
            (request(1, EVENTS, to=11), "frame to address 11, we are 10"),
            (request(1, EVENTS, to=0xFFFF), "broadcast to 0xffff"),
            (frame(0x44, b"\xc0\xc0\x01"), "frame with control octet 0x44, which no master sends first"),
            (frame(0x80), "frame with control octet 0x80, which no master sends first"),  # a secondary frame
        ],
    )
    async def test_a_stranger_is_closed_at_its_first_frame(
        self, face: Dnp3Face, desk: Desk, octets: bytes, why: str
    ) -> None:
        async with RawPeer(face.port) as scada:
            await scada.ask(POLL)
            async with RawPeer(face.port) as stranger:
                await stranger.send(octets)
                assert await stranger.closed()
            assert await scada.ask(request(1, INTEGRITY, sequence=1)), "the master never noticed"
        assert desk.details(FaceEventKind.STRANGER_REFUSED) == [why]
        [event] = [each for each in desk.noted if each.kind is FaceEventKind.STRANGER_REFUSED]
        assert (event.master, event.session) == ("", "")
        assert event.peer.startswith("127.0.0.1:")

    async def test_a_master_may_not_call_from_elsewhere(self, listen: Listen, desk: Desk) -> None:
        face = await listen(masters=(Dnp3Master("ems", 1, (ip_network("192.0.2.0/24"),)),))
        async with RawPeer(face.port) as stranger:
            assert await stranger.closed()
        assert desk.details(FaceEventKind.STRANGER_REFUSED) == ["no master may call from this address"]

    async def test_each_master_calls_from_its_own_network(self, listen: Listen, desk: Desk) -> None:
        elsewhere, here = ip_network("192.0.2.0/24"), ip_network("127.0.0.0/8")
        face = await listen(masters=(Dnp3Master("ems", 1, (elsewhere,)), Dnp3Master("dms", 2, (here,))))
        async with RawPeer(face.port) as scada, RawPeer(face.port) as stranger:
            assert await scada.ask(request(1, EVENTS, by=2))
            await stranger.send(POLL)
            assert await stranger.closed()
        assert desk.details(FaceEventKind.STRANGER_REFUSED) == ["master ems may not call from 127.0.0.1"]

    async def test_garbage_before_admission_is_bounded(self, face: Dnp3Face, desk: Desk) -> None:
        async with RawPeer(face.port) as stranger:
            await stranger.send(b"\x05\x64" * 2000)
            assert await stranger.closed()
        assert desk.details(FaceEventKind.CONNECTION_REFUSED) == ["too many octets without a whole frame"]

    async def test_noise_before_the_first_frame_is_forgiven(self, face: Dnp3Face) -> None:
        async with RawPeer(face.port) as scada:
            await scada.send(b"\x00\xff noise \x05")
            assert await scada.ask(POLL)

    async def test_a_slow_stranger_is_closed_in_time(self, face: Dnp3Face, desk: Desk, clock: Clock) -> None:
        async with RawPeer(face.port) as stranger:
            await stranger.send(POLL[:5])
            clock.advance(5)
            await stranger.send(POLL[5:9])
            clock.advance(5.5)  # octets buy no time, only a whole frame does
            assert await stranger.closed()
        assert desk.details(FaceEventKind.CONNECTION_REFUSED) == ["too long without a whole frame"]

    async def test_a_crowd_of_silent_strangers_does_not_lock_the_master_out(self, face: Dnp3Face, desk: Desk) -> None:
        strangers = [RawPeer(face.port) for _ in range(30)]
        for stranger in strangers:
            await stranger.__aenter__()
        async with RawPeer(face.port) as scada:
            assert await scada.ask(POLL)
        assert len(desk.details(FaceEventKind.CONNECTION_REFUSED)) >= 22  # all but eight, oldest first
        for stranger in strangers:
            await stranger.__aexit__()

    async def test_a_port_scan_is_noted(self, face: Dnp3Face, desk: Desk) -> None:
        async with RawPeer(face.port):
            pass
        assert await desk.until(FaceEventKind.CONNECTION_REFUSED) == ["closed by the peer before a whole frame"]


class TestOneActiveConnection:
    async def test_the_newest_that_polls_is_active(self, face: Dnp3Face, desk: Desk) -> None:
        async with RawPeer(face.port) as old, RawPeer(face.port) as new:
            await old.ask(POLL)
            await new.ask(POLL)
            assert await old.closed()
            assert await new.ask(request(1, EVENTS, sequence=1))
        [gone] = desk.details(FaceEventKind.MASTER_DISCONNECTED)[:1]
        assert gone.startswith("replaced by 127.0.0.1:")
        connected = [each for each in desk.noted if each.kind is FaceEventKind.MASTER_CONNECTED]
        assert [(each.master, each.session) for each in connected] == [("ems", "dmz-1/1"), ("ems", "dmz-1/2")]

    async def test_a_standby_front_end_keeps_its_link_and_displaces_nobody(self, face: Dnp3Face, desk: Desk) -> None:
        async with RawPeer(face.port) as active, RawPeer(face.port) as standby:
            await active.ask(POLL)
            await standby.send(frame(REQUEST_STATUS))
            # 05 64, length 5, control 0b: secondary, link status; to 1 by 10
            assert (await standby.answer())[:8] == bytes.fromhex("0564 05 0b 0100 0a00")
            await standby.send(frame(RESET_LINK))
            assert (await standby.answer())[:8] == bytes.fromhex("0564 05 00 0100 0a00")  # ACK
            await standby.send(confirm(0))  # confirms nothing, and is no poll
            await standby.send(frame(REQUEST_STATUS))
            assert await standby.answer()
            assert await active.ask(request(1, EVENTS, sequence=1)), "still the active one"
            # It takes over with confirmed user data, which counts frames from the reset that we answered for it.
            [answer] = await standby.ask(frame(CONFIRMED, bytes.fromhex("c0 c0 01") + EVENTS))
            assert answer[1] == 0x81
            assert await active.closed()
        assert len(desk.details(FaceEventKind.MASTER_CONNECTED)) == 2

    async def test_unconfirmed_events_survive_the_change(self, face: Dnp3Face) -> None:
        async with RawPeer(face.port) as old:
            await old.ask(POLL)
            face.show([Update("ai0", 7, GOOD, T0)])
            first = await old.ask(request(1, EVENTS, sequence=1))  # never confirmed
            async with RawPeer(face.port) as new:
                again = await new.ask(request(1, EVENTS, sequence=5))
                assert again[0][4:] == first[0][4:] != b""
                after = await new.ask(confirm(5) + request(1, EVENTS, sequence=6))
                assert after[0][4:] == b""

    async def test_standing_by_is_bounded(self, listen: Listen, desk: Desk) -> None:
        face = await listen(Dnp3Limits(standing_by=2))
        front_ends = [RawPeer(face.port) for _ in range(3)]
        for front_end in front_ends:
            await front_end.__aenter__()
            await front_end.send(frame(REQUEST_STATUS))
            assert await front_end.answer()
        assert await front_ends[0].closed()
        assert desk.details(FaceEventKind.CONNECTION_REFUSED) == ["too many connections of this master stand by"]
        for front_end in front_ends:
            await front_end.__aexit__()

    async def test_a_silent_master_is_closed_and_a_whole_frame_keeps_it(
        self, face: Dnp3Face, desk: Desk, clock: Clock
    ) -> None:
        async with RawPeer(face.port) as scada:
            await scada.ask(POLL)
            clock.advance(200)
            await scada.send(frame(REQUEST_STATUS))
            assert await scada.answer()
            clock.advance(200)
            assert await scada.ask(request(1, EVENTS, sequence=1))
            clock.advance(150)
            await scada.send(b"\x05\x64\x05")  # half a frame is not a sign of life
            clock.advance(151)
            assert await scada.closed()
        assert desk.details(FaceEventKind.MASTER_DISCONNECTED) == ["silent for 300 s"]

    async def test_two_masters_have_events_of_their_own(self, listen: Listen) -> None:
        face = await listen(masters=(Dnp3Master("ems", 1), Dnp3Master("dms", 2)))
        face.show([Update("ai0", 7, GOOD, T0)])
        async with RawPeer(face.port) as ems, RawPeer(face.port) as dms:
            [first] = await ems.ask(request(1, EVENTS, by=1))
            await ems.send(confirm(0))
            [second] = await dms.ask(request(1, EVENTS, by=2))
            assert first[4:] == second[4:] != b""
            assert sorted(face.health().masters) == ["dms", "ems"]
            # One master's connection does not carry another's frames.
            await ems.send(request(1, EVENTS, by=2, sequence=1))
            assert await ems.ask(request(1, EVENTS, by=1, sequence=2))


class TestFaults:
    async def test_a_desk_that_fails_costs_only_the_connection(self, face: Dnp3Face, desk: Desk) -> None:
        def fails(asked: ControlRequest) -> Status:
            raise RuntimeError("no disk")

        desk.decide = fails
        async with RawPeer(face.port) as scada:
            await scada.send(request(DIRECT, SET_AO_0_TO_55))
            assert await scada.closed(), "no answer: nobody can say what became of it"
        assert desk.details(FaceEventKind.FAULT) == ["a request failed: RuntimeError: no disk"]
        desk.decide = lambda asked: Status.SUCCESS
        async with RawPeer(face.port) as scada:
            [answer] = await scada.ask(request(DIRECT, SET_AO_0_TO_55))
            assert answer[-1] == 0

    async def test_a_desk_that_miscounts_is_a_fault(self, clock: Clock) -> None:
        class Short(Desk):
            def operate(self, requests: Sequence[ControlRequest]) -> Sequence[Status]:
                return []

        desk = Short()
        face = Dnp3Face(OUTSTATION, desk, clock)
        await face.start()
        async with RawPeer(face.port) as scada:
            await scada.send(request(DIRECT, SET_AO_0_TO_55))
            assert await scada.closed()
        await face.stop()
        assert desk.details(FaceEventKind.FAULT) == ["a request failed: ValueError: the desk answered 0 of 1 controls"]

    async def test_a_flood_of_requests_does_not_keep_the_loop(self, face: Dnp3Face) -> None:
        async with RawPeer(face.port) as scada:
            many = b"".join(request(1, INTEGRITY, sequence=number % 16) for number in range(2000))
            turns = 0
            async with asyncio.TaskGroup() as tasks:
                flood = tasks.create_task(self._flood(scada, many))
                while not flood.done():
                    await asyncio.sleep(0)
                    turns += 1
            assert turns > 10, "the loop turned while the flood was worked off"

    async def _flood(self, scada: RawPeer, octets: bytes) -> None:
        await scada.send(octets)
        heard = 0
        while heard < 2000 * 30:
            heard += len(await scada.answer())

    async def test_a_master_that_does_not_read_is_not_read_either(
        self, listen: Listen, desk: Desk, clock: Clock
    ) -> None:
        face = await listen(points=tuple(Dnp3Point(f"p{index}", PointType.AI, index) for index in range(400)))
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.setblocking(False)
        loop = asyncio.get_running_loop()
        with deaf:
            await loop.sock_connect(deaf, ("127.0.0.1", face.port))
            # Each answer is 2 kB, so these would be 80 MB: more than any socket buffers between us.
            polls = b"".join(request(1, bytes.fromhex("1e01 06"), sequence=number % 16) for number in range(40_000))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(loop.sock_sendall(deaf, polls), 2)
            for _ in range(3000):
                if any(connection.held for connection in face._hub._connections):
                    break
                await asyncio.sleep(0.01)
            clock.advance(301)
            assert await desk.until(FaceEventKind.MASTER_DISCONNECTED) == ["silent for 300 s"]

    async def test_the_image_is_refreshed_before_a_poll_is_answered(self, clock: Clock, desk: Desk) -> None:
        """A poll may have waited in its socket while this process stood still: it is not answered with old flags."""
        refreshed: list[int] = []
        face = Dnp3Face(OUTSTATION, desk, clock, lambda: refreshed.append(1))
        await face.start()
        async with RawPeer(face.port) as scada:
            assert refreshed == []
            await scada.ask(POLL)
            assert refreshed
        await face.stop()

    async def test_stopping_ends_every_connection_and_frees_the_port(self, clock: Clock, desk: Desk) -> None:
        face = Dnp3Face(OUTSTATION, desk, clock)
        await face.start()
        async with RawPeer(face.port) as scada, RawPeer(face.port) as waiting:
            await scada.ask(POLL)
            port = face.port
            await face.stop()
            assert await scada.closed()
            assert await waiting.closed()
        again = Dnp3Face(replace(OUTSTATION, port=port), desk, clock)
        await again.start()
        await again.stop()
