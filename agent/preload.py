"""What the launcher's fork server does before it forks the first agent. Importing this is its whole use.

A child shares every page that neither it nor the server writes to after the fork. So what all of them would write is
written here, once: modules are loaded, the interpreter specialises the code that an agent runs (CPython since 3.11
rewrites its bytecode as it runs), OpenSSL sets itself up. Then everything is frozen, out of the garbage collector's
sight, which would otherwise write to each object's header. Nothing here opens a channel or starts a thread: neither
survives a fork.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures.thread
import gc
import os
import shutil
import tempfile
from pathlib import Path

import agent.child
from agent.drivers.simulated import SimulatedDriver
from agent.loop import AssetLoop
from agent.reports import Reports
from agent.state import boot_id
from daemon import clock, logs
from daemon.version import software
from dermscore.intent import Intent
from dermscore.model import Asset, Kind
from wire import convert, pki
from wire.convert import Claim
from wire.identity import TlsFiles

log = logs.get(__name__)

__all__ = ["agent", "concurrent"]

_ROUNDS = 64  # the interpreter specialises code after some tens of runs


def rehearse() -> None:
    """Do in memory, and away from any device, disk or network, what an agent does."""
    software()
    logs.configure(level="error")
    with tempfile.TemporaryDirectory() as folder:
        pki.init(Path(folder), ["rehearsal"])
        TlsFiles.agent(Path(folder), "rehearsal").load()
    for kind in Kind:
        asyncio.run(_tick(kind))


async def _tick(kind: Kind) -> None:
    max_w, min_w = (0.0 if kind is Kind.LOAD else 1.0), (0.0 if kind is Kind.SOLAR else -1.0)
    asset = Asset("rehearsal", "", "", kind, 1.0, max_w, min_w, 1.0, 1.0, 0.0, 100.0, "simulated", "")
    loop = AssetLoop(asset, SimulatedDriver(asset, clock.now), Reports(), clock.now)
    claim = Claim((asset.id,), software(), {})
    convert.claim(convert.register(claim))
    loop.link(True)
    for revision in range(1, _ROUNDS):
        now_ms = clock.now().utc_ms
        intent = Intent(asset.id, "e", revision, "d", 0.0, None, now_ms, now_ms + 60_000, "p", 1)
        loop.receive(convert.intent(convert.setpoint(intent, claim.index), claim.asset_ids), 0)
        await loop.tick()
        reading = loop.tell()
        assert reading is not None
        convert.telemetry_columns([reading], claim.index, revision).SerializeToString()
        loop.saved(boot_id(), "up")


try:
    rehearse()
except Exception:
    log.exception("the rehearsal failed; agents run all the same, with more memory each")
if agent.child.SERVER_FOLDER in os.environ:  # an agent ends without what is registered here
    atexit.register(shutil.rmtree, os.environ[agent.child.SERVER_FOLDER], ignore_errors=True)
gc.collect()
gc.freeze()
