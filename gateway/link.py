"""The one stream to the headend. The gateway dials; nothing in the DMZ is ever dialled from outside."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from daemon import logs
from daemon.version import software
from dermscore.errors import DermsError
from gateway.contract import Contract
from gateway.door import Door
from wire import dial
from wire.boundary import BoundaryCommand, Wanted, command, hello
from wire.dial import Ended, Session, Why
from wire.identity import Refused, TlsFiles
from wire.v1.boundary_link_pb2 import BatchAck, GatewayHeartbeat, GatewayMessage, GatewayStatus, SignedPublication

BEAT_S: Final = 1.0
CAP_S: Final = 5.0
"""The longest wait before another try: a headend has few gateways, and SCADA is waiting behind each."""

NONCE_BYTES: Final = 16
SAY_AGAIN_S: Final = 60.0

log = logs.get(__name__)


class Link:
    """Keeps the stream up, unless it is blocked. Owner of every field: the gateway's loop."""

    def __init__(
        self,
        address: str,
        files: TlsFiles,
        contract: Contract,
        door: Door,
        status: Callable[[], dict[str, str]],
        rng: random.Random,
    ) -> None:
        """`status` is what the contract lets the headend know of us."""
        self._address = address
        self._files = files
        self._contract = contract
        self._door = door
        self._status = status
        self._rng = rng
        self._session: Session[SignedPublication, GatewayMessage, GatewayMessage] | None = None
        self._said = ("", 0.0)
        self._blocked = asyncio.Event()
        self._free = asyncio.Event()
        self._free.set()

    def send(self, wish: BoundaryCommand) -> bool:
        """Put a command on the open stream; False where there is none. Nothing is kept for a later one.

        It says what we have heard by now, so that the headend sees when it was under way for too long.
        """
        if self._session is None or self._session.ended is not None:
            return False
        heard = replace(wish, heard_seq=self._door.last_seq)
        return self._session.outgoing.put(GatewayMessage(command=command(heard)))

    def block(self) -> None:
        """End the stream and dial no more, until `unblock`."""
        self._free.clear()
        self._blocked.set()

    def unblock(self) -> None:
        self._blocked.clear()
        self._free.set()

    async def run(self) -> None:
        """For ever."""
        while True:
            await self._free.wait()
            async with asyncio.TaskGroup() as group:
                keeping = group.create_task(self._keep_up())
                await self._blocked.wait()
                keeping.cancel()

    async def _keep_up(self) -> None:
        while True:
            try:
                # `persist` returns where a stream ended in good order by our own doing; that is never the end for us.
                await dial.persist(self._talk, rng=self._rng, note=self._note, cap_s=CAP_S)
            except Exception:  # what one stream brought must not end the gateway: its points age until another is up
                log.exception("a stream is ended by a fault of the gateway; it dials again")
                await asyncio.sleep(CAP_S)

    async def _talk(self) -> Ended:
        """One stream, from dialling to its end."""
        ended = Ended(Why.LOST, "the stream was cut off")
        nonce = secrets.token_bytes(NONCE_BYTES)
        try:
            async with dial.channel(self._address, self._files) as channel:
                session = Session(dial.open_stream(channel, dial.BOUNDARY_LINK), beat=self._beat, beat_s=BEAT_S)
                asked = Wanted(nonce, self._contract.series, software(), self._door.open_commands())
                session.outgoing.put(GatewayMessage(hello=hello(asked)))
                self._tell_status(session)
                self._door.opened(nonce)
                self._session = session
                ended = await session.run(self._hear)
        except DermsError as error:  # certificates that cannot be read now may be there at the next try
            ended = Ended(Why.LOST, str(error))
        finally:
            if self._session is not None:
                self._session = None
                self._door.closed(self._address, str(ended))
        return ended

    async def _hear(self, signed: SignedPublication) -> None:
        trusted_before = self._door.link_up
        refusal = self._door.take(signed, self._address)
        if refusal is not None and refusal.ends_stream:
            raise Refused(refusal.reason)
        session = self._session
        if refusal is None and session is not None:
            self._acknowledge(session)
            if not trusted_before:
                self._tell_status(session)

    def _acknowledge(self, session: Session[SignedPublication, GatewayMessage, GatewayMessage]) -> None:
        session.outgoing.offer("ack", GatewayMessage(ack=BatchAck(seq=self._door.last_seq)))

    def _tell_status(self, session: Session[SignedPublication, GatewayMessage, GatewayMessage]) -> None:
        fields = self._status()
        if fields:
            session.outgoing.offer("status", GatewayMessage(status=GatewayStatus(fields=fields)))

    def _beat(self, number: int) -> GatewayMessage:
        """Called when the heartbeat is written: this is the moment from which ages are counted."""
        self._door.sent_beat(number)
        return GatewayMessage(heartbeat=GatewayHeartbeat(number=number))

    def _note(self, ended: Ended, wait_s: float) -> None:
        now_s = time.monotonic()
        if str(ended) == self._said[0] and now_s - self._said[1] < SAY_AGAIN_S:
            return
        self._said = (str(ended), now_s)
        say = log.error if ended.why is Why.REFUSED else log.warning
        say("the link to the headend is down", headend=self._address, why=str(ended), next_try_s=round(wait_s, 1))
