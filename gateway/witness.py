"""The gateway's way to the witness of its trail: its newest checkpoint goes out, a cosignature is kept beside it.

Nothing waits for it. A witness that cannot be reached is told in the log, in the trail and in the status, and serving
goes on; one that says that the trail is not the one it saw is an alarm, and the trail counts as unhealthy.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from audit.errors import AuditError
from audit.format import checkpoint
from audit.format.layout import Layout
from audit.format.note import MalformedNote
from audit.format.record import Entry
from audit.witness import Witnessed, witnessed
from audit.witness.client import Url, tls_context
from audit.witness.cosignature import utc
from audit.witness.coverage import COSIGNED
from audit.witness.store import load_keys, read_note
from audit.witness.submission import Accepted, Alarm, Outcome, Trouble
from audit.witness.submitter import Submitter
from daemon import logs
from dermscore.errors import BadInput, Problem
from gateway import records
from gateway.config import FILE, Home

log = logs.get(__name__)


class State(StrEnum):
    """How the trail stands with its witness."""

    NONE = "none"
    """No witness is configured."""
    STARTING = "not asked yet"
    COSIGNED = "ok"
    TROUBLE = "not cosigned"
    ALARM = "ALARM"


@dataclass(frozen=True, slots=True)
class Standing:
    """What came of the newest submission, and why."""

    state: State
    why: str = ""

    def __str__(self) -> str:
        return f"{self.state}: {self.why}" if self.why else str(self.state)


def after(before: Standing, outcome: Outcome) -> Standing:
    """What an outcome makes of it. Pure. An alarm ends with a cosignature: silencing the witness does not end it."""
    match outcome:
        case Accepted():
            return Standing(State.COSIGNED)
        case Alarm(why):
            return Standing(State.ALARM, why)
        case _:
            return before if before.state is State.ALARM else Standing(State.TROUBLE, outcome.why)


def submitter(home: Home) -> Submitter | None:
    """The way to the witness that gateway.yaml names; None where it names none. BadInput, AuditError."""
    named = home.config.witness
    if named is None:
        return None
    keys = load_keys(home.folder / named.key)
    ca = None if named.ca is None else home.folder / named.ca
    try:
        tls = tls_context(ca) if named.url.startswith("https:") else None
    except (OSError, ssl.SSLError) as why:
        raise BadInput([Problem(str(home.folder / FILE), "witness.ca", f"{ca} cannot be used: {why}")]) from None
    return Submitter(home.trail, Url.parse(named.url), keys, tls)


class Witnessing:
    """Submits the trail's newest checkpoint again and again. Owner of every field: the gateway's loop."""

    def __init__(self, way: Submitter | None, every_s: float, note: Callable[[Entry], None]) -> None:
        """`note` records; nobody waits for it."""
        self._way = way
        self._every_s: Final = every_s
        self._note = note
        self.standing = Standing(State.NONE if way is None else State.STARTING)
        self.changed: Callable[[], None] = lambda: None
        """Whom to tell at once that the standing is another."""

    @property
    def alarmed(self) -> bool:
        return self.standing.state is State.ALARM

    async def run(self) -> None:
        """Until it is cancelled."""
        while self._way is not None:
            self._stand(after(self.standing, await self._submit(self._way)))
            await asyncio.sleep(self._every_s)

    async def _submit(self, way: Submitter) -> Outcome:
        try:
            return await way.submit()
        except Exception as fault:  # whatever it is, it must not end what the masters see
            log.exception("a submission to the witness failed")
            return Trouble(f"a fault of the gateway's own: {fault!r}")

    def _stand(self, new: Standing) -> None:
        before, self.standing = self.standing, new
        if new.state is State.ALARM:
            log.error("THE WITNESS CONTRADICTS THE TRAIL: keep trail and witness as they are", reason=new.why)
        if new.state is before.state:
            return
        if new.state is State.TROUBLE:
            log.warning("the trail's checkpoints are not cosigned", reason=new.why)
        elif new.state is State.COSIGNED:
            log.info("the trail's checkpoints are cosigned")
        self._note(records.witness(str(new.state), new.why))
        self.changed()


def cosigned(home: Home) -> dict[str, Any] | None:
    """For the status: how far the witness's word beside the trail reaches, by sizes alone (`derms audit verify` proves
    it). None where no witness is configured; `size` None where there is no such word, `records` None where the trail
    cannot be read.
    """
    named = home.config.witness
    if named is None:
        return None
    layout = Layout(home.trail)
    try:
        records_now: int | None = checkpoint.parse(read_note(layout.checkpoint))[0].size
    except (OSError, MalformedNote):
        records_now = None
    try:
        seen = witnessed(read_note(layout.folder / COSIGNED), load_keys(home.folder / named.key))
    except (OSError, AuditError):
        seen = None
    size, time = (seen.checkpoint.size, utc(seen.time_s)) if isinstance(seen, Witnessed) else (None, None)
    uncovered = None if records_now is None else records_now - (size or 0)
    return {"size": size, "time": time, "records": records_now, "not_cosigned": uncovered}
