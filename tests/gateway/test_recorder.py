"""The recorder: what it says when the trail is not written, and how often."""

from __future__ import annotations

import asyncio

import structlog

from gateway import records
from gateway.recorder import Recorder
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
