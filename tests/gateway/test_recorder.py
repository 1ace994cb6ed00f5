"""The recorder: what it says when the trail is not written, and how often."""

from __future__ import annotations

import asyncio

import structlog

from gateway import records
from gateway.denials import Denial
from gateway.recorder import SPARED, Recorder
from tests.gateway.lying_trail import LyingTrail
from tests.gateway.stage import Clock


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_disk_that_stays_full_is_said_once_with_what_it_did_not_take_and_its_recovery_too() -> None:
    trail = LyingTrail("full")
    recorder = Recorder(trail.submit, trail.health, Clock())
    entry = records.withdrawn("id", "target", "why")
    with structlog.testing.capture_logs() as logs:
        for _ in range(5):  # an outcome that the door brings once more, each second
            assert not await recorder.commit([entry], [entry])
            await settled()
        assert [(each["event"], each["kinds"]) for each in logs] == [("not recorded", "command.withdrawn")]
        trail.mood = "well"
        assert await recorder.commit([entry], [entry])
        await settled()
    assert [each["event"] for each in logs][1:] == ["the trail takes records again"]
    assert recorder.ok


async def test_where_space_is_short_denials_are_counted_and_told_once_there_is_room() -> None:
    trail, clock, short = LyingTrail("well"), Clock(), [True]
    recorder = Recorder(trail.submit, trail.health, clock)
    recorder.sparing = lambda: short[0]
    recorder.deny(Denial("192.0.2.7", "stranger", "refused", "who is that"))
    assert await recorder.commit([records.withdrawn("id", "target", "what crosses is recorded on")])
    recorder.tick()
    assert (trail.kinds(), recorder.ok) == (["command.withdrawn"], True)
    short[0] = False
    recorder.tick()
    await settled()
    (gap,) = trail.of("gap")
    assert gap.body is not None
    assert (gap.n, gap.reason, dict(gap.body.columns)) == (1, SPARED, {"kind": ["denied"], "count": [1]})
    assert recorder.ok


async def test_what_was_counted_only_is_told_before_the_gateway_ends() -> None:
    trail = LyingTrail("well")
    recorder = Recorder(trail.submit, trail.health, Clock())
    recorder.sparing = lambda: True
    for _ in range(3):
        recorder.deny(Denial("192.0.2.7", "stranger", "refused", "who is that"))
    recorder.flush()
    (gap,) = trail.of("gap")
    assert (trail.kinds(), gap.n) == (["gap"], 3)
