"""What goes over HTTP. Powers in MW with injection positive (discharge +), energies in MWh, times RFC 3339 in UTC.

Input is strict: an unknown field, a text where a number belongs, a NaN or an infinity is refused.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from headend.times import parse

Id = Annotated[str, Field(min_length=1, max_length=128)]
Time = Annotated[
    str, AfterValidator(lambda text: (parse(text), text)[1]), Field(json_schema_extra={"format": "date-time"})
]
MOST_MW = 1_000_000
"""A million MW or MWh is more than any fleet has, and far below where a float in W could overflow."""

Mw = Annotated[float, Field(ge=-MOST_MW, le=MOST_MW)]
Status = Literal["discharging", "charging", "idle"]
Severity = Literal["info", "warning", "alarm", "critical"]


class In(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class Out(BaseModel):
    model_config = ConfigDict(extra="forbid")


# --- in --------------------------------------------------------------------------------------------------------------


class DispatchIn(In):
    """Exactly one of `asset_id` and `site_id`. Without a duration the program's maximum applies."""

    asset_id: Id | None = None
    site_id: Id | None = None
    mw: Mw = Field(description="MW, positive is injection (discharge)")
    duration_s: float | None = Field(None, gt=0, description="seconds from now")

    @model_validator(mode="after")
    def _one_target(self) -> DispatchIn:
        _exactly_one(self.asset_id, self.site_id)
        return self


class ReleaseIn(In):
    """Exactly one of `asset_id` and `site_id`: give back what HTTP dispatches hold there."""

    asset_id: Id | None = None
    site_id: Id | None = None

    @model_validator(mode="after")
    def _one_target(self) -> ReleaseIn:
        _exactly_one(self.asset_id, self.site_id)
        return self


class TelemetryIn(In):
    """A reading of a device without a stream of its own. Not both of `soc_mwhr` and `soc_pct`."""

    asset_id: Id
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
    asset_id: Id
    type: str = Field(min_length=1, max_length=128)
    severity: Severity
    message: str = Field("", max_length=1000)
    timestamp: Time | None = Field(None, description="when it happened; now where absent")


def _exactly_one(asset_id: str | None, site_id: str | None) -> None:
    if (asset_id is None) == (site_id is None):
        raise ValueError("needs exactly one target: either asset_id or site_id")


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
    age_s: float | None = Field(description="since it was measured")
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
    oldest_age_s: float | None


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


class AssetDispatch(Out):
    """One asset's part. `status` is what was decided, `state` how far it has come (an intent's states)."""

    id: str = Field(description="the dispatch's id; the parts of a site's dispatch share it")
    asset_id: str
    mw: float | None = Field(description="null for a release")
    duration_s: float | None
    status: Literal["accepted", "refused"]
    state: str
    reason: str
    submitted_at: str
    expires_at: str | None
    clamped: bool


class Allocation(Out):
    """`mw_raw` is what the rule alone would give, `mw` what was asked; `cause` says why they differ."""

    asset_id: str
    mw_raw: float | None
    mw: float | None
    clamped: bool
    cause: str


class SiteDispatch(Out):
    """A site's dispatch. `partial` where not all could be placed: `shortfall_mw` and `causes` say how much and why."""

    id: str
    site_id: str
    mw: float | None
    duration_s: float | None
    status: Literal["accepted", "partial", "refused"]
    state: str
    reason: str
    submitted_at: str
    expires_at: str | None
    placed_mw: float | None
    shortfall_mw: float | None
    causes: list[str]
    allocations: list[Allocation]
    dispatches: list[AssetDispatch]


class DispatchRow(Out):
    """One line of the dispatch history: an asset's part, or a refused request as a whole."""

    id: str
    asset_id: str | None
    path: str | None = Field(description="of a request for a place in the tree")
    mw: float | None
    duration_s: float | None
    status: Literal["accepted", "partial", "refused"]
    state: str
    reason: str
    submitted_at: str
    expires_at: str | None
    clamped: bool
    ack_status: str | None = Field(description="the last state that the agent reported; null before any")
    acked_at: str | None
    principal: str
    program: str


class DispatchOut(Out):
    """A dispatch of any origin, with its parts, as it stands."""

    id: str
    principal: str
    program: str
    primacy: int
    mode: str
    asset_id: str | None
    path: str | None
    mw: float | None
    duration_s: float | None
    status: Literal["accepted", "partial", "refused"]
    state: str
    reason: str
    submitted_at: str
    expires_at: str | None
    placed_mw: float | None
    shortfall_mw: float | None
    causes: list[str]
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
