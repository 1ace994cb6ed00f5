"""What an asset was asked to do, and how far that has come. Standard library only: the edge imports this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final, NamedTuple

LONGEST_SCHEDULE: Final = 96
"""The most steps that one intent may carry: a day in quarters of an hour."""


class Step(NamedTuple):
    """One step of a schedule: from `from_ms` (the headend's UTC, ms) on, `setpoint_w` (W, injection positive)."""

    from_ms: int
    setpoint_w: float


@dataclass(frozen=True, slots=True)
class Intent:
    """One asset's part of one dispatch, as the store holds it and the headend sends it.

    `revision` increases with every intent of the asset within one `epoch`; the epoch changes only when the store is
    made anew. `setpoint_w` is in watts, injection positive; None releases the asset. `reversion_w` is what it returns
    to when it is released or the intent ends (None: what it does of itself, which for storage is 0 W). `issued_ms` and
    `expires_ms` are the *headend's* UTC milliseconds. A lower `primacy` outranks a higher one.

    `schedule` is what the asset is to do after the present setpoint *while the headend is silent*, in the order of time
    and over by `expires_ms` like the rest; empty: the present setpoint until then. A headend that is heard says itself
    what comes next.
    """

    asset_id: str
    epoch: str
    revision: int
    dispatch_id: str
    setpoint_w: float | None
    reversion_w: float | None
    issued_ms: int
    expires_ms: int
    program: str
    primacy: int
    schedule: tuple[Step, ...] = ()

    @property
    def asked_w(self) -> float | None:
        """The setpoint that the device should end up with, in W: a release asks for the reversion value."""
        return self.reversion_w if self.setpoint_w is None else self.setpoint_w


def schedule_problem(intent: Intent) -> str | None:
    """What is wrong with the times or the number of an intent's steps; None where they can be followed."""
    steps = intent.schedule
    if len(steps) > LONGEST_SCHEDULE:
        return f"its schedule has {len(steps)} steps, where {LONGEST_SCHEDULE} is the most"
    for number, (before, after) in enumerate(pairwise(steps), start=2):
        if after.from_ms <= before.from_ms:
            return f"step {number} of its schedule does not begin after the one before"
    if steps and steps[-1].from_ms >= intent.expires_ms:
        return f"step {len(steps)} of its schedule begins when the intent has ended"
    return None


class IntentState(StrEnum):
    """How far an intent has come. The values are what the wire and the API carry."""

    SUBMITTED = "submitted"  # stored, and nothing more
    SENT = "sent"  # written to the agent's stream
    RECEIVED = "received"  # the Guard holds it
    ACTIVE = "active"  # the device's own setpoint, read back, is the one asked for
    FOLLOWING = "following"  # the measured power is what was asked for
    SUSPENDED = "suspended"  # another dispatch has its place for now; it comes back when that ends (`on_supersede`)
    COMPLETE = "complete"  # it ended after its power was seen to follow
    EXPIRED = "expired"  # it ended, and its power was never seen to follow
    REFUSED = "refused"  # the edge would not take it; what it superseded is over
    FAILED = "failed"  # it was taken and then given up
    CANCELLED = "cancelled"  # whoever asked for it took it back
    SUPERSEDED = "superseded"  # another intent took its place


TERMINAL: frozenset[IntentState] = frozenset(
    {
        IntentState.COMPLETE,
        IntentState.EXPIRED,
        IntentState.REFUSED,
        IntentState.FAILED,
        IntentState.CANCELLED,
        IntentState.SUPERSEDED,
    }
)
"""States that nothing leaves."""

_PROGRESS = (
    IntentState.SUBMITTED,
    IntentState.SENT,
    IntentState.RECEIVED,
    IntentState.ACTIVE,
    IntentState.FOLLOWING,
)

_NO_LONGER = TERMINAL | {IntentState.SUSPENDED}
_AFTER_MOVING = _NO_LONGER - {IntentState.REFUSED}

# Reports are lost and reordered, so a state may jump forward over those whose report never came; never back. What is
# refused was never taken, so a refusal that arrives after the device was seen to move contradicts it and is not
# believed. What was suspended is heard of again when a device has it again: an earlier state may be a late report.
TRANSITIONS: Mapping[IntentState, frozenset[IntentState]] = {
    IntentState.SUBMITTED: frozenset(_PROGRESS[1:]) | _NO_LONGER,
    IntentState.SENT: frozenset(_PROGRESS[2:]) | _NO_LONGER,
    IntentState.RECEIVED: frozenset(_PROGRESS[3:]) | _NO_LONGER,
    IntentState.ACTIVE: frozenset(_PROGRESS[4:]) | _AFTER_MOVING,
    IntentState.FOLLOWING: _AFTER_MOVING,
    IntentState.SUSPENDED: frozenset(_PROGRESS[3:]) | TERMINAL,
    **{state: frozenset() for state in TERMINAL},
}
"""Which states may come straight after which."""


def advance(state: IntentState, to: IntentState) -> IntentState:
    """The state after a report of `to`: `to` where the table allows it, else `state` unchanged.

    So a late, repeated or reordered report changes nothing, and a terminal state stays.
    """
    return to if to in TRANSITIONS[state] else state


def judge(
    intent: Intent,
    read_back_w: float | None,
    measured_w: float,
    tolerance_w: float,
    *,
    reached: IntentState = IntentState.RECEIVED,
    ended: bool = False,
) -> IntentState:
    """What the device shows of an intent that the edge holds, or held until now.

    Args:
        intent: what was asked.
        read_back_w: the setpoint that the *device* says it has, in W; None where it has none.
        measured_w: the power measured at the device, in W.
        tolerance_w: how far apart two powers may be and still be the same, in W (>= 0).
        reached: the furthest state that this function gave for the intent so far.
        ended: whether the intent's time is over.

    Returns:
        ACTIVE when the read-back setpoint is the one asked for, FOLLOWING when the measured power is too (a released
        device follows by definition), otherwise `reached`, which is never left backwards. Ended: COMPLETE when it was
        following once, else EXPIRED. A value that is not a number matches nothing.
    """
    shown = advance(reached, _shown(intent, read_back_w, measured_w, tolerance_w))
    if not ended:
        return shown
    return advance(shown, IntentState.COMPLETE if shown is IntentState.FOLLOWING else IntentState.EXPIRED)


def _shown(intent: Intent, read_back_w: float | None, measured_w: float, tolerance_w: float) -> IntentState:
    asked_w = intent.asked_w
    if asked_w is None or read_back_w is None:
        return IntentState.FOLLOWING if asked_w is read_back_w else IntentState.RECEIVED
    if not abs(read_back_w - asked_w) <= tolerance_w:
        return IntentState.RECEIVED
    return IntentState.FOLLOWING if abs(measured_w - asked_w) <= tolerance_w else IntentState.ACTIVE
