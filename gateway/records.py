"""What the trail says of each thing that happens at the boundary: pure makers of audit entries, one per kind.

docs/reference/gateway-records.md lists the kinds and their columns. A record stands for a publication or a command,
never for a point.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from audit.format.body import Body
from audit.format.kinds import CONTRACT_CHANGE, ISOLATION
from audit.format.record import Entry
from gateway.faces import ControlRequest, FaceEvent, Update
from gateway.judgement import Rule
from wire.boundary import BoundaryOutcome

CROSSING = "crossing.out"
WORSENED = "worsened"
COMMAND = "command.in"
WITHDRAWN = "command.withdrawn"
DENIED = "denied"
OUTCOME = "command.outcome"
SHOWN = "command.shown"
ENDED = "command.ended"
GAP = "gap"
LINK = "link"
FACE = "face"
GATEWAY = "gateway"
CLOCK = "clock.step"
WITNESS = "witness"

_ALARMING = frozenset({Rule.TOO_FAST, Rule.TEST_IN_LIVE, Rule.WENT_BACK, Rule.AHEAD})


@dataclass(frozen=True, slots=True)
class Line:
    """What became of one reading at one point: the update that may be shown (None: nothing changes), and by which
    rules.
    """

    point: str
    update: Update | None
    rules: tuple[Rule, ...]
    value_si: float | None


def crossing(lines: Sequence[Line], session: str, publisher: str, contract: str, seq: int) -> Entry:
    """A publication of readings. Columns `point raw quality time_ms rule` are what may be shown; `refused*` what may
    not.
    """
    shown = [(line, line.update) for line in lines if line.update is not None]
    refused = [line for line in lines if line.update is None]
    columns: dict[str, Sequence[str | int | float | None]] = {
        "seq": [seq],
        **_columns([update for _, update in shown]),
        "rule": [",".join(line.rules) for line, _ in shown],
    }
    if refused:
        columns |= {
            "refused": [line.point for line in refused],
            "refused_rule": [",".join(line.rules) for line in refused],
            "refused_value": [line.value_si for line in refused],
        }
    rules = sorted({str(rule) for line in lines for rule in line.rules})
    decision = "admitted" if not refused else "partly admitted" if shown else "refused"
    digests = {"contract": contract}
    return Entry(
        CROSSING,
        session,
        publisher,
        ",".join(rules),
        decision,
        n=len(shown),
        digests=digests,
        body=Body(columns),
        dir="out",
    )


def alarms(lines: Iterable[Line]) -> tuple[str, ...]:
    """What of it a person should hear at once."""
    return tuple(
        f"{line.point}: {rule} ({line.value_si:g})" if line.value_si is not None else f"{line.point}: {rule}"
        for line in lines
        for rule in line.rules
        if rule in _ALARMING
    )


def worsened(updates: Sequence[Update], rule: str, session: str, contract: str) -> Entry:
    """Bad news that was shown without waiting for this record."""
    body, digests = Body(_columns(updates)), {"contract": contract}
    return Entry(WORSENED, session, "", rule, "shown at once", n=len(updates), digests=digests, body=body, dir="out")


def command(
    identifier: str, name: str, request: ControlRequest, target_w: float | None, hold_s: int | None, contract: str
) -> Entry:
    """SCADA's command, accepted."""
    body = Body(
        {
            "id": [identifier],
            "command": [name],
            "master": [request.master],
            "how": [request.how],
            "raw": [request.value],
            "code": [request.code],
            "target_w": [target_w],
            "hold_s": [hold_s],
        }
    )
    return Entry(
        COMMAND, request.session, request.peer, "", "accepted", n=1, digests={"contract": contract}, body=body, dir="in"
    )


def withdrawn(identifier: str, name: str, reason: str) -> Entry:
    """A command that was refused after its record had been handed in: nothing was done, the master was told so."""
    return Entry(WITHDRAWN, decision="withdrawn", reason=reason, n=1, body=_named(identifier, name), dir="in")


def outcome(told: BoundaryOutcome, shows: Sequence[Update], session: str, publisher: str, contract: str) -> Entry:
    """What the headend says became of a command. Columns `point raw quality time_ms` are what may be shown of it."""
    columns: dict[str, Sequence[str | int | float | None]] = {
        "id": [told.id],
        "state": [told.state.value],
        "delivered_w": [told.delivered_w],
        "shortfall_w": [told.shortfall_w],
        "told_ms": [told.time_ms],
        "told_quality": [None if told.quality is None else told.quality.bits],
        **_columns(shows),
    }
    digests = {"contract": contract}
    return Entry(
        OUTCOME, session, publisher, "", "admitted", told.reason, 1, digests=digests, body=Body(columns), dir="out"
    )


def command_shown(updates: Sequence[Update], contract: str) -> Entry:
    """What the gateway itself showed of how commands stand; nobody waited for this record."""
    body, digests = Body(_columns(updates)), {"contract": contract}
    return Entry(SHOWN, decision="shown", n=len(updates), digests=digests, body=body, dir="out")


def ended(identifier: str, name: str, state: str, reason: str) -> Entry:
    """What the gateway itself says became of a command: nobody else will."""
    return Entry(ENDED, decision=state, reason=reason, n=1, body=_named(identifier, name), dir="out")


def denied(
    peer: str, rule: str, decision: str, reason: str, count: int, session: str = "", direction: str = ""
) -> Entry:
    """`count` denials of one peer by one rule."""
    return Entry(DENIED, session, peer, rule, decision, reason, count, dir=direction)


def gap(counts: Sequence[tuple[str, int]], reason: str) -> Entry:
    """What should have been recorded since the trail was last written, and was not: how many of each kind."""
    body = Body({"kind": [kind for kind, _ in counts], "count": [count for _, count in counts]})
    return Entry(GAP, decision="not recorded", reason=reason, n=sum(count for _, count in counts), body=body)


def link(decision: str, session: str, peer: str, reason: str) -> Entry:
    """The stream to the headend: opened (its first publication was admitted), closed."""
    return Entry(LINK, session, peer, "", decision, reason)


def face(event: FaceEvent) -> Entry:
    """What a face noticed. A number stands in the reason: it may be negative."""
    number = "" if event.number is None else f" ({event.number})"
    return Entry(FACE, event.session, event.peer, event.outstation, event.kind.value, f"{event.detail}{number}")


def gateway(decision: str, reason: str, contract: str, config: str) -> Entry:
    """The gateway's own life: started, alive, stopped, and what an operator did to it."""
    return Entry(GATEWAY, decision=decision, reason=reason, digests={"contract": contract, "config": config})


def contract_change(contract: str, old: str | None) -> Entry:
    """Another contract is in force from here on. `old` is the one before; None: there was none."""
    digests = {"contract": contract} if old is None else {"contract": contract, "old": old}
    return Entry(CONTRACT_CHANGE, decision="in force", digests=digests)


def isolation(decision: str, by: str, reason: str) -> Entry:
    """The boundary was closed (`isolated`) or opened again (`rejoined`)."""
    return Entry(ISOLATION, peer=by, decision=decision, reason=reason)


def witness(decision: str, reason: str) -> Entry:
    """The trail stands otherwise with its witness than before."""
    return Entry(WITNESS, decision=decision, reason=reason)


def clock_step(step_ms: int) -> Entry:
    """UTC moved against the monotonic clock."""
    return Entry(CLOCK, decision="went on", reason=f"UTC stepped by {step_ms:+d} ms against the monotonic clock")


def _named(identifier: str, name: str) -> Body:
    return Body({"id": [identifier], "command": [name]})


def _columns(updates: Sequence[Update]) -> dict[str, Sequence[str | int | float | None]]:
    return {
        "point": [update.point for update in updates],
        "raw": [update.raw for update in updates],
        "quality": [update.quality.bits for update in updates],
        "time_ms": [update.time_ms for update in updates],
    }
