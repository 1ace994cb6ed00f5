"""What the headend keeps: dispatches, the intents they became, sessions, and rows of history. Values only.

Powers in W with injection positive, times in UTC milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dermscore.decision.request import Aim
from dermscore.intent import TERMINAL, Intent, IntentState
from dermscore.model import Measurement


@dataclass(frozen=True, slots=True)
class Dispatch:
    """One request that was decided, and how far it has come.

    `node` is a tree path, or the asset's id where one asset was asked by name (`asset_id` then says so too).
    `placed_w` is the sum of the setpoints that still stand, `shortfall_w` what of the target could not be placed, and
    `causes` why, in words; `policy` is the digest of the policy that it was decided under. `id` of a boundary command
    is the command's own.
    """

    id: str
    principal: str
    node: str
    asset_id: str | None
    aim: Aim
    target_w: float | None
    duration_s: float | None
    program: str
    primacy: int
    policy: str
    submitted_ms: int
    expires_ms: int
    state: IntentState
    reason: str
    placed_w: float | None
    shortfall_w: float | None
    causes: tuple[str, ...]
    updated_ms: int

    @property
    def over(self) -> bool:
        return self.state in TERMINAL

    @property
    def moving(self) -> bool:
        """Whether it is a target that devices are known to carry out now."""
        return self.aim is Aim.TARGET and self.state in (IntentState.ACTIVE, IntentState.FOLLOWING)


@dataclass(frozen=True, slots=True)
class Placed:
    """A stored intent, with why it is what it is and what its agent last said of it.

    `acked_ms` and `acked_state` are of the agent's newest report, None before any; `power_w` what it measured then.
    """

    intent: Intent
    raw_w: float | None
    clamped: bool
    cause: str
    state: IntentState
    reason: str = ""
    acked_ms: int | None = None
    acked_state: IntentState | None = None
    power_w: float | None = None

    @property
    def over(self) -> bool:
        return self.state in TERMINAL

    @property
    def asset_id(self) -> str:
        return self.intent.asset_id


@dataclass(frozen=True, slots=True)
class Kept:
    """A dispatch with its intents, one per asset, in no order that means anything."""

    dispatch: Dispatch
    intents: tuple[Placed, ...] = ()


@dataclass(frozen=True, slots=True)
class TelemetryRow:
    """A measurement and when the headend took it."""

    measurement: Measurement
    received_ms: int


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One asset's part of an agent's session, with the names of the day. `disconnected_ms` is None while it lives."""

    session_id: str
    asset_id: str
    asset_name: str
    site_id: str
    site_name: str
    agent_id: str
    peer: str
    connected_ms: int
    disconnected_ms: int | None = None
    ended: str = ""


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """The end of a session, for all of its assets."""

    session_id: str
    disconnected_ms: int
    ended: str


@dataclass(frozen=True, slots=True)
class Abandoned:
    """Every session that began before `started_ms` and has no end was cut off by a crash of the headend."""

    started_ms: int


@dataclass(frozen=True, slots=True)
class EventRow:
    """Something that happened at an asset. `source` is who said so: an agent's URN, or the HTTP principal."""

    id: str
    asset_id: str
    time_ms: int
    type: str
    severity: str
    message: str
    source: str
    received_ms: int


HistoryRow = TelemetryRow | SessionRow | SessionEnd | Abandoned | EventRow


def joined(causes: Sequence[str]) -> str:
    """Causes as one text, one a line; none of them has a line break of its own."""
    return "\n".join(cause.replace("\n", " ") for cause in causes)
