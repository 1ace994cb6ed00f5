"""The link: what one stream brings ends that stream and nothing else."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from daemon.clock import now as host_now
from daemon.config import Address
from dermscore.sheets.points import PointKind, Quantity, Series
from gateway.contract import Contract
from gateway.door import Door
from gateway.image import Image
from gateway.link import Link
from gateway.recorder import Recorder
from tests.gateway.lying_trail import LyingTrail
from tests.gateway.screen import Screen
from tests.gateway.stage import PATH, files
from tests.gateway.stand_in import StandIn, eventually
from wire.identity import TlsFiles
from wire.publication import load_keys


async def test_a_fault_of_ours_in_a_stream_ends_it_and_the_gateway_dials_again(
    headend: StandIn, pki_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.link.CAP_S", 0.05)
    headend.values = lambda: {Series(PATH, PointKind.ALL, Quantity.POWER): 1000.0}
    contract, trail = Contract.parse(files(), "test"), LyingTrail()
    recorder = Recorder(trail.submit, trail.health, host_now)
    trusted = load_keys([pki_folder / "publisher.pub"])
    door = Door(contract, trusted, Image(contract, {"main": Screen()}), recorder, host_now)
    faults = [ZeroDivisionError("a fault of ours")]
    take = door.take

    def broken_once(*given: object) -> object:
        if faults:
            raise faults.pop()
        return take(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(door, "take", broken_once)
    address, identity = Address(f"127.0.0.1:{headend.port}"), TlsFiles.gateway(pki_folder)
    link = Link(address, identity, contract, door, dict, random.Random(1))
    async with asyncio.TaskGroup() as group:
        running = group.create_task(link.run())
        await eventually(lambda: door.link_up)
        running.cancel()
    assert not faults
