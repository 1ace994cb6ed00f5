"""What goes over HTTP. Powers in MW with injection positive (discharge +), energies in MWh, times RFC 3339 in UTC.

Input is strict: an unknown field, a text where a number belongs, a NaN or an infinity is refused.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from dermscore.times import parse


def _plain(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be one line of plain text, without control characters")
    return text


ONE_LINE: Final = AfterValidator(_plain)
Word = Annotated[str, Field(min_length=1, max_length=128), ONE_LINE]
Time = Annotated[
    str, AfterValidator(lambda text: (parse(text), text)[1]), Field(json_schema_extra={"format": "date-time"})
]
MOST_MW = 1_000_000
"""A million MW or MWh is more than any fleet has, and far below where a float in W could overflow."""
SHORTEST_S = 1
"""Whatever is shorter has ended before a device could follow it."""

Mw = Annotated[float, Field(ge=-MOST_MW, le=MOST_MW)]
Status = Literal["discharging", "charging", "idle"]
Severity = Literal["info", "warning", "alarm", "critical"]
Verdict = Literal["accepted", "partial", "refused"]


class In(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class Out(BaseModel):
    model_config = ConfigDict(extra="forbid")


# --- in --------------------------------------------------------------------------------------------------------------


class Target(In):
    """Exactly one of `asset_id` and `site_id`."""

    asset_id: Word | None = None
    site_id: Word | None = None

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if (self.asset_id is None) == (self.site_id is None):
            raise ValueError("needs exactly one target: either asset_id or site_id")
        return self


class DispatchIn(Target):
    """Ask one asset or one site for a power. Without a duration the program's maximum applies."""

    mw: Mw = Field(description="MW, positive is injection (discharge)")
    duration_s: float | None = Field(None, ge=SHORTEST_S, description="seconds from now")


class ReleaseIn(Target):
    """Give back what HTTP dispatches hold at one asset or one site."""


class TelemetryIn(In):
    """A reading of a device without a stream of its own. Not both of `soc_mwhr` and `soc_pct`."""

    asset_id: Word
    current_mw: Mw
    timestamp: Time | None = Field(None, description="when it was taken; now where absent")
    soc_mwhr: float | None = Field(None, ge=0, le=MOST_MW)
    soc_pct: float | None = Field(None, ge=0, le=100)
    setpoint_mw: Mw | None = None

    @model_validator(mode="after")
    def _one_soc(self) -> TelemetryIn:
        if self.soc_mwhr is not None and self.soc_pct is not None:
            raise ValueError("soc_mwhr and soc_pct say the same thing; give one of them")
        return self


class EventIn(In):
    asset_id: Word
    type: Word
    severity: Severity
    message: Annotated[str, Field(max_length=1000), ONE_LINE] = ""
    timestamp: Time | None = Field(None, description="when it happened; now where absent")


# --- out -------------------------------------------------------------------------------------------------------------


class Health(Out):
    """`db` is the history storage: ok, none (not wanted) or error. `status` is degraded where something fails."""

    status: Literal["ok", "degraded"]
    db: Literal["ok", "none", "error"]
    reasons: list[str]
    agents_connected: int
    assets: int
    history_rows_dropped: int


class AssetOut(Out):
    """An asset's ratings, and what was last heard of it; null where it never was."""

    id: str
    name: str
    site_id: str
    site_name: str
    location: str
    kind: str
    capacity_mwhr: float
    max_mw: float
    min_mw: float
    min_soc_pct: float
    max_soc_pct: float
    efficiency: float
    ramp_rate_mw_per_min: float
    status: Status | None
    soc_mwhr: float | None
    soc_pct: float | None
    current_mw: float | None
    setpoint_mw: float | None
    timestamp: str | None
    age_s: float | None = Field(description="since it was measured, apart from all wall clocks")
    quality: str | None = Field(description="good, questionable, held or invalid; invalid when too old")
    causes: list[str]
    connected: bool


class SiteAggregate(Out):
    """Sums over a site. Ratings are of all its assets, live values of those that report; null where none does."""

    capacity_mwhr: float
    max_mw: float
    min_mw: float
    ramp_rate_mw_per_min: float
    soc_mwhr: float | None
    soc_pct: float | None
    current_mw: float | None
    available_up_mw: float | None
    available_down_mw: float | None
    configured: int
    reporting: int
    coverage_pct: float | None
    oldest_age_s: float | None = Field(description="of every asset ever heard, those that no longer report too")


class SiteOut(Out):
    site_id: str
    site_name: str
    location: str
    path: str
    aggregate: SiteAggregate
    assets: list[AssetOut]


class SessionOut(Out):
    peer: str
    connected_at: str
    disconnected_at: str | None


class AgentOut(Out):
    asset_id: str
    asset_name: str
    site_id: str
    site_name: str
    agent_id: str | None
    peer: str | None
    connected: bool
    connected_at: str | None
    sessions: list[SessionOut] = Field(description="newest first; empty without history storage")


class TelemetryOut(Out):
    asset_id: str
    site_id: str
    site_name: str
    timestamp: str
    soc_mwhr: float | None
    soc_pct: float | None
    capacity_mwhr: float
    current_mw: float
    setpoint_mw: float | None
    max_mw: float
    min_mw: float
    status: Status
    quality: str
    causes: list[str]


class Taken(Out):
    """The reading was taken in."""

    asset_id: str
    timestamp: str


class Dispatched(Out):
    """What a dispatch and each part of one have in common."""

    id: str = Field(description="the dispatch's id; the parts of a site's dispatch share it")
    mw: float | None = Field(description="null for a release")
    duration_s: float | None
    status: Verdict = Field(description="what was decided")
    state: str = Field(description="how far it has come: an intent's states")
    reason: str
    submitted_at: str
    expires_at: str | None


class Part(Dispatched):
    """One asset's part."""

    clamped: bool


class Whole(Dispatched):
    """`partial` where not all could be placed: `shortfall_mw` and `causes` say how much and why."""

    placed_mw: float | None
    shortfall_mw: float | None
    causes: list[str]


class AssetDispatch(Part):
    asset_id: str


class Allocation(Out):
    """`mw_raw` is what the rule alone would give, `mw` what was asked; `cause` says why they differ."""

    asset_id: str
    mw_raw: float | None
    mw: float | None
    clamped: bool
    cause: str


class SiteDispatch(Whole):
    site_id: str
    allocations: list[Allocation]
    dispatches: list[AssetDispatch]


class DispatchRow(Part):
    """One line of the dispatch history: an asset's part, or a refused request as a whole."""

    asset_id: str | None
    path: str | None = Field(description="of a request for a place in the tree")
    ack_status: str | None = Field(description="the last state that the agent reported; null before any")
    acked_at: str | None
    principal: str
    program: str
    policy: str = Field(description="digest of the policy that it was decided under; empty where none was kept")


class DispatchOut(Whole):
    """A dispatch of any origin, with its parts, as it stands."""

    principal: str
    program: str
    policy: str = Field(description="digest of the policy that it was decided under; empty where none was kept")
    primacy: int
    mode: str
    asset_id: str | None
    path: str | None
    parts: list[DispatchRow]


class EventTaken(Out):
    id: str


class EventOut(Out):
    id: str
    asset_id: str
    timestamp: str
    type: str
    severity: Severity
    message: str
    source: str


class HeartbeatOut(Out):
    asset_id: str
    agent_id: str | None
    connected: bool
    last_heartbeat: str | None
    last_telemetry: str | None


class ProblemOut(BaseModel):
    """A problem document (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
