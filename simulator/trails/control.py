"""What a control room asks of a rehearsed gateway, and what becomes of it. Pure: records, and how long after."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from audit.format.record import Entry
from dermscore.intent import IntentState
from dermscore.quality import GOOD
from dermscore.sheets.points import COMMAND_STATE_CODES, CommandRow, Mode
from gateway import records
from gateway.contract import Contract
from gateway.denials import Denial
from gateway.faces import ControlRequest, FaceEvent, FaceEventKind, Status, Update
from simulator.trails.plan import SECOND_US
from simulator.trails.site import SIMULATED
from wire.boundary import BoundaryOutcome

MASTER: Final = "control-room"
_HOST: Final = "10.20.0.11"
_STRANGER: Final = "10.20.0.99"
_SCANNER: Final = "192.0.2.77"
_COUNTERMANDED: Final = 0.08
_UNCONFIRMED: Final = 0.06

Step = tuple[int, Callable[[], Entry]]
"""So many microseconds after the one before, the record that is made then."""


def peer(session: int) -> str:
    return f"{_HOST}:{49152 + session % 16000}"


def face(kind: FaceEventKind, session: int, detail: str, number: int | None = None) -> Entry:
    """The control room's master comes, goes, or writes the time; session 0: the face itself."""
    if not session:
        return records.face(FaceEvent(kind, "main", "", "", "", detail, number))
    return records.face(FaceEvent(kind, "main", MASTER, f"main-{session}", peer(session), detail, number))


def target_of(contract: Contract) -> CommandRow:
    """The row by which a site's power is set."""
    return next(row for row in contract.commands if row.mode is Mode.TARGET)


def ending(chance: random.Random) -> IntentState:
    """How a command is going to end."""
    draw = chance.random()
    if draw < _COUNTERMANDED:
        return IntentState.REFUSED
    return IntentState.FAILED if draw < _COUNTERMANDED + _UNCONFIRMED else IntentState.FOLLOWING


def command(
    contract: Contract,
    end: IntentState,
    session: int,
    stream: str,
    publisher: str,
    now_ms: Callable[[], int],
    chance: random.Random,
) -> Iterator[Step]:
    """One target, from its acceptance to its end. `now_ms` is asked when a record is made."""
    row = target_of(contract)
    identifier = str(uuid.UUID(int=chance.getrandbits(128), version=4))
    raw = chance.randrange(int(row.low or -1000), int(row.high or 1000))
    target_w = raw * row.scale * row.unit.factor
    who = (MASTER, f"main-{session}", peer(session))
    request = ControlRequest("main", row.type, row.index, float(raw), None, 1, "operate", *who)

    def shown(state: IntentState) -> Entry:
        update = Update(row.status_point, COMMAND_STATE_CODES[state.value], GOOD, now_ms())
        return records.command_shown([update], contract.digest)

    def told(state: IntentState, reason: str, delivered_w: float | None) -> Entry:
        outcome = BoundaryOutcome(identifier, state, reason, delivered_w, None, now_ms(), SIMULATED)
        points = [] if delivered_w is None else contract.feedback_of(row)
        shows = [Update(point.name, point.to_raw(delivered_w or 0.0).raw, SIMULATED, now_ms()) for point in points]
        return records.outcome(outcome, shows, stream, publisher, contract.digest)

    accepted = records.command(identifier, row.name, request, target_w, row.hold_s, contract.digest)
    yield 0, lambda: accepted
    yield 0, partial(shown, IntentState.SUBMITTED)
    if end is IntentState.FAILED:
        gone = records.ended(identifier, row.name, end.value, "nobody confirmed it within 30 s")
        yield 30 * SECOND_US, lambda: gone
        yield 0, partial(shown, end)
        return
    if end is IntentState.REFUSED:
        yield SECOND_US, partial(told, end, "the site is under local control", None)
        yield 0, partial(shown, end)
        return
    for state, share in ((IntentState.RECEIVED, None), (IntentState.ACTIVE, 0.4), (IntentState.FOLLOWING, 1.0)):
        yield 2 * SECOND_US, partial(told, state, "", None if share is None else share * target_w)
        yield 0, partial(shown, state)


def scan(number: int) -> Denial:
    """One knock of a host that tries every port."""
    return _refused(_SCANNER, "no master may call from this address", f"main-x{number}")


def stranger(number: int) -> Denial:
    """A master of the right network that the contract does not name."""
    return _refused(_STRANGER, "link address 7 is no master's", f"main-s{number}")


def _refused(host: str, reason: str, session: str) -> Denial:
    return Denial(host, FaceEventKind.STRANGER_REFUSED.value, "refused", reason, session, "in")


def over_limit(contract: Contract, session: int, chance: random.Random) -> Denial:
    """The control room asks for more than the row allows."""
    row = target_of(contract)
    asked = int((row.high or 1000) * chance.uniform(1.1, 3.0))
    reason = f"{asked} is outside {row.low:g}..{row.high:g}"
    return Denial(_HOST, "out-of-range", Status.OUT_OF_RANGE.value, reason, f"main-{session}", "in")


def blocked(session: int) -> Denial:
    """The control room asks while the boundary is isolated."""
    return Denial(_HOST, "isolated", Status.BLOCKED.value, "the boundary is closed", f"main-{session}", "in")
