"""A gateway that runs: everything is opened first, then it listens, dials and ticks until it is told to stop.

Owner of all state: the one event loop. The trail and the outbox have a thread each, so that a disk that stalls stops
neither ageing nor the masters' polls.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from audit.errors import AuditError
from audit.format.layout import Layout
from audit.format.note import MalformedNote
from audit.log import Log
from audit.reading.forms import NotOneMember
from audit.witness.submitter import Submitter
from daemon import logs
from daemon.clock import now as host_now
from daemon.run import Stop
from daemon.version import software
from dermscore.errors import DermsError
from dermscore.model import Now
from gateway import documents, in_force, isolation, outstations, packing, records, report, setup, takeover, witness
from gateway.boundary import Upward
from gateway.commands import Conditions
from gateway.config import Home
from gateway.contract import Contract
from gateway.desk import Desk
from gateway.door import Door
from gateway.faces import Face
from gateway.image import Image
from gateway.isolation import Said
from gateway.link import Link
from gateway.local import Health, health_points
from gateway.outbox import Outbox
from gateway.recorder import Recorder
from gateway.reserve import Reserve
from gateway.takeover import Takeover
from gateway.witness import Witnessing
from wire.boundary import BoundaryCommand
from wire.dial import PortInUse
from wire.publication import load_keys

TICK_S: Final = 0.25
CLOCK_STEP_MS: Final = 1000
ALIVE_MS: Final = 50_000
"""How long the trail may be silent before it is told that the gateway lives: a silent minute then means something, and
that is what verifiers tell of."""

Clock = Callable[[], Now]

log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a gateway needs and may not start without; nothing of it listens, dials or writes yet."""

    home: Home
    contract: Contract
    publishers: Mapping[str, Ed25519PublicKey]
    audit_key: Ed25519PrivateKey
    witness: Submitter | None


def prepare(home: Home) -> Parts:
    """Read everything that can be wrong before anything is started.

    Raises:
        NotSetUp, BadInput, PortInUse, GatewayError: what is missing or wrong, and how to mend it.
    """
    setup.require_alone(home)
    contract = Contract.load(home.contract)
    for outstation in contract.boundary.outstations:
        outstations.dnp3(contract, outstation)
    setup.check_certificate(home.tls)
    publishers = load_keys(home.publishers)
    setup.require_present(home)
    setup.check_body_keys(home)
    key = _audit_key(home)
    _check_trail(home, key)
    setup.check_listeners(home, contract)
    return Parts(home, contract, publishers, key, _way_to_witness(home))


class GatewayError(DermsError):
    """The trail or its key cannot be used; the text says why."""


async def serve(home: Home, stop: Stop, *, now: Clock = host_now) -> None:
    """Run the gateway in `home` until `stop`.

    Raises:
        NotSetUp, BadInput, PortInUse, GatewayError: it cannot start, and nothing of it was started.
    """
    parts = prepare(home)
    outbox = Outbox.open(home.outbox)
    try:
        trail = _open_trail(parts)
        try:
            _keep_documents(parts)
            await Gateway(parts, outbox, trail, now).run(stop)
        finally:
            await asyncio.to_thread(trail.close)
    finally:
        await asyncio.to_thread(outbox.close)


class Gateway:
    """One gateway's parts, wired together. Owner: its loop."""

    def __init__(self, parts: Parts, outbox: Outbox, trail: Log, now: Clock) -> None:
        self._home = parts.home
        self._contract = parts.contract
        self._outbox = outbox
        self._trail = trail
        self._now = now
        self._recorder = Recorder(trail.submit, lambda: trail.health, now)
        named = parts.home.config.witness
        size = parts.home.config.reserve_mb * 1_000_000
        self._reserve = Reserve(parts.home.reserve, size, lambda: trail.health.ok, self._tell)
        self._recorder.sparing = lambda: self._reserve.given_up
        self._witness = Witnessing(parts.witness, named.every_s if named else 0, self._recorder.note)
        self._desk = Desk(parts.contract, outbox, self._recorder, self._conditions, self._send, now)
        self._faces: dict[str, Face] = outstations.faces(parts.contract, self._desk, now, self._refresh)
        self._image = Image(parts.contract, self._faces)
        self._door = Door(parts.contract, parts.publishers, self._image, self._recorder, now)
        self._door.command_of, self._door.measured_of = self._desk.command_of, self._desk.measured_of
        self._door.open_commands = self._desk.open_commands
        self._door.awaited, self._door.told = self._desk.awaited, self._desk.told
        self._link = Link(
            parts.home.config.headend, parts.home.tls, parts.contract, self._door, self._upward, random.Random()
        )
        self._door.changed, self._recorder.changed = self._link_changed, self._show_health
        self._witness.changed = self._show_health
        self._takeover: Takeover | None = None  # what was read last, whether it changed anything or not
        self._began = now()
        self._offset_ms = self._began.utc_ms - self._began.mono_ms
        self._beats_from_ms = self._ticked_ms = self._began.mono_ms

    async def run(self, stop: Stop) -> None:
        """Listen, dial and tick until `stop`; then leave in good order."""
        await self._come_into_force()
        self._look_for_isolation()
        if not self._door.isolated and self._home.rejoined.exists():
            self._note_isolation("rejoined", isolation.opened(self._home))  # while no gateway ran
        found = await asyncio.wrap_future(self._outbox.recover(self._now().utc_ms))
        self._desk.begin(self._image, found)
        self._look_for_takeover()
        self._show_health()
        try:
            await self._listen()
            self._tell("started", f"{software()} pid {os.getpid()}")
            await self._work(stop)
            self._tell("stopped", stop.reason)
        finally:
            for face in self._faces.values():
                await face.stop()
        self._recorder.flush()

    async def _come_into_force(self) -> None:
        """A contract other than the last one is recorded first of all, so that no record names it before.

        Raises GatewayError where it cannot be: nobody may change what crosses unrecorded.
        """
        try:
            before = await asyncio.to_thread(in_force.last, Layout(self._home.trail))
        except (OSError, MalformedNote, NotOneMember) as problem:
            raise GatewayError(f"{self._home.trail} cannot be read: {problem}") from None
        digest = self._contract.digest
        if before == digest:
            return
        if not await self._recorder.commit([records.contract_change(digest, before)]):
            why = f"contract {digest} is another than was in force, and the trail cannot take its record"
            raise GatewayError(f"{why}: {self._recorder.trouble}")
        log.info("another contract is in force", contract=digest, old=before)

    async def _listen(self) -> None:
        for outstation in self._contract.boundary.outstations:
            try:
                await self._faces[outstation.name].start()
            except OSError as error:
                why = error.strerror or str(error)
                raise PortInUse(f"outstation {outstation.name} cannot listen on {outstation.listen}: {why}") from None
            log.info("listening", outstation=outstation.name, face=outstation.face, address=str(outstation.listen))

    async def _work(self, stop: Stop) -> None:
        """Work until `stop`.

        A fault of ours in what the link brings or in the report ends that stream or that report, and is logged. One in
        the door's carrier or in the ticking ends the process: masters had better see an outstation that is gone than
        one that shows what nobody keeps true any longer, and a supervisor starts it anew, with every point RESTART.
        """
        async with asyncio.TaskGroup() as group:
            packs = packing.run(self._trail, Layout(self._home.trail), self._home.config.pack_after_days, self._now)
            parts = (
                self._door.carry(),
                self._link.run(),
                self._ticking(),
                self._reporting(),
                self._witness.run(),
                self._reserve.run(),
                packs,
            )
            tasks = [group.create_task(part) for part in parts]
            await stop.wait()
            for task in tasks:
                task.cancel()

    async def _ticking(self) -> None:
        while True:
            self._tick()
            await asyncio.sleep(TICK_S)

    def _tick(self) -> None:
        """What time alone does. It never waits for a disk."""
        self._ticked_ms = self._now().mono_ms
        self._look_for_clock_steps()
        self._look_for_isolation()
        self._look_for_takeover()
        self._door.tick()
        self._desk.tick()
        self._recorder.tick()
        self._look_for_silence()
        self._show_health()

    def _refresh(self) -> None:
        """A master is about to be answered. Where we stood still meanwhile, time does its work before the answer."""
        if self._now().mono_ms - self._ticked_ms > 2 * TICK_S * 1000:
            self._tick()

    def _link_changed(self) -> None:
        self._show_health()
        self._desk.listen()

    def _show_health(self) -> None:
        now = self._now()
        beats = (now.mono_ms - self._beats_from_ms) // 1000
        audit_ok = self._recorder.ok and not self._witness.alarmed and not self._reserve.given_up
        health = Health(audit_ok, self._door.link_up, beats)
        self._image.show_changed(health_points(self._contract, health, now))

    def _look_for_clock_steps(self) -> None:
        now = self._now()
        offset_ms = now.utc_ms - now.mono_ms
        step_ms = offset_ms - self._offset_ms
        if abs(step_ms) >= CLOCK_STEP_MS:
            self._offset_ms = offset_ms
            self._door.clock_stepped(step_ms)

    def _look_for_isolation(self) -> None:
        wanted = self._home.isolated.exists()
        if wanted == self._door.isolated:
            return
        if wanted:
            self._door.isolate()
            self._link.block()
            self._note_isolation("isolated", isolation.closed(self._home))
        else:
            self._door.rejoin()
            self._link.unblock()
            self._note_isolation("rejoined", isolation.opened(self._home))

    def _note_isolation(self, decision: str, said: Said) -> None:
        self._recorder.note(records.isolation(decision, said.by, said.reason))
        log.warning(f"the boundary is {decision}", by=said.by, reason=said.reason)

    def _look_for_silence(self) -> None:
        if self._recorder.silent_ms >= ALIVE_MS and self._recorder.ok:
            state = str(self._witness.standing.state)
            self._tell("alive", report.in_short(self._contract, self._image, self._door, state))

    def _look_for_takeover(self) -> None:
        said = takeover.read(self._home.folder)
        if said == self._takeover:
            return
        self._takeover = said
        if said is not None and self._desk.take_over(said):
            self._tell("takeover", str(said))
            log.warning("another master is in control", outstation=said.outstation, master=said.master)
        elif said is not None:
            log.warning("a takeover changes nothing: it is in control already, or may not operate", by=str(said))

    async def _reporting(self) -> None:
        """Write status.json, in a thread: a disk that stalls holds up this task only."""
        while True:
            parts = (self._image, self._faces, self._door, self._desk, self._recorder, str(self._witness.standing))
            try:
                said = report.now(self._contract, *parts, began=self._began, at=self._now())
                await asyncio.to_thread(report.write, self._home.status, said)
            except Exception:  # the report grows stale, which says as much
                log.exception("the status could not be reported")
            await asyncio.sleep(1)

    def _conditions(self) -> Conditions:
        door = self._door
        return Conditions(door.isolated, door.link_up, self._recorder.ok, door.heard_mono_ms)

    def _send(self, wish: BoundaryCommand) -> bool:
        return self._link.send(wish)

    def _upward(self) -> dict[str, str]:
        """What boundary.yaml lets the headend know of us; nothing by default."""
        facts = {
            Upward.SOFTWARE: software(),
            Upward.CONTRACT_DIGEST: self._contract.digest,
            Upward.REHEARSAL: str(not self._contract.live).lower(),
            Upward.AUDIT_HEALTHY: str(self._recorder.ok).lower(),
            Upward.MASTERS_CONNECTED: str(sum(len(face.health().masters) for face in self._faces.values())),
        }
        return {field.value: facts[field] for field in self._contract.boundary.upward}

    def _tell(self, decision: str, reason: str) -> None:
        self._recorder.note(records.gateway(decision, reason, self._contract.digest, self._home.digest))


def _audit_key(home: Home) -> Ed25519PrivateKey:
    try:
        return setup.load_audit_key(home.audit_key)
    except AuditError as error:
        raise GatewayError(str(error)) from None


def _way_to_witness(home: Home) -> Submitter | None:
    try:
        return witness.submitter(home)
    except AuditError as error:
        raise GatewayError(str(error)) from None


def _check_trail(home: Home, key: Ed25519PrivateKey) -> None:
    try:
        setup.check_checkpoint(home, key)
    except AuditError as error:
        raise GatewayError(str(error)) from None


def _keep_documents(parts: Parts) -> None:
    """What the trail is going to name by digest is durable before."""
    try:
        for document in (parts.contract.document, parts.home.document):
            documents.keep(parts.home.documents, document)
    except OSError as error:
        raise GatewayError(f"{parts.home.documents}: what the trail names cannot be kept: {error}") from None


def _open_trail(parts: Parts) -> Log:
    try:
        return setup.open_trail(parts.home, parts.audit_key)
    except AuditError as error:
        raise GatewayError(str(error)) from None
