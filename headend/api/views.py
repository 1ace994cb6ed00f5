"""From what the headend knows to what goes over HTTP: pure. At this one edge of the headend live MW and MWh."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import fsum
from typing import Any, Final

from dermscore.aggregate import of, total
from dermscore.intent import IntentState
from dermscore.model import Asset, Fleet, Measurement, Now, Site
from dermscore.quality import Cause, Quality
from dermscore.times import written
from headend.api import schemas
from headend.fleet import Connection, Latest
from headend.records import Dispatch, EventRow, Kept, Placed, SessionRow

_MW: Final = 1e6
_MOVING_W: Final = 0.1 * _MW


def mw(w: float) -> float:
    return w / _MW + 0.0  # and never -0.0


def maybe_mw(w: float | None) -> float | None:
    return None if w is None else mw(w)


def mw_per_min(w_per_s: float) -> float:
    """To twelve figures: what was read as 1000 is 1000 again."""
    return float(f"{w_per_s * 60 / _MW:.12g}")


def status(power_w: float) -> schemas.Status:
    """Discharging above 0.1 MW, charging below -0.1 MW, else idle."""
    if power_w > _MOVING_W:
        return "discharging"
    return "charging" if power_w < -_MOVING_W else "idle"


def soc_pct(asset: Asset, soc_wh: float | None) -> float | None:
    return 100 * soc_wh / asset.capacity_wh if soc_wh is not None and asset.capacity_wh > 0 else None


def causes(quality: Quality) -> list[str]:
    return [cause.name.lower() for cause in Cause if cause in quality.causes and cause.name]


def asset(
    one: Asset, fleet: Fleet, latest: Latest | None, honest: Measurement | None, connected: bool, now: Now
) -> schemas.AssetOut:
    """`honest` is the latest measurement with the quality that its age leaves it."""
    site = fleet.site_of(one)
    taken = latest.measurement if latest else None
    quality = honest.quality if honest else None
    return schemas.AssetOut(
        id=one.id,
        name=one.name,
        site_id=site.id,
        site_name=site.name,
        location=site.location,
        kind=one.kind.value,
        capacity_mwhr=mw(one.capacity_wh),
        max_mw=mw(one.max_w),
        min_mw=mw(one.min_w),
        min_soc_pct=one.min_soc_pct,
        max_soc_pct=one.max_soc_pct,
        efficiency=one.efficiency,
        ramp_rate_mw_per_min=mw_per_min(one.ramp_w_per_s),
        status=status(taken.power_w) if taken else None,
        soc_mwhr=maybe_mw(taken.soc_wh) if taken else None,
        soc_pct=soc_pct(one, taken.soc_wh) if taken else None,
        current_mw=mw(taken.power_w) if taken else None,
        setpoint_mw=maybe_mw(taken.setpoint_w) if taken else None,
        timestamp=written(taken.time_ms) if taken else None,
        age_s=max(0, now.mono_ms - latest.taken_mono_ms) / 1000 if latest else None,
        quality=quality.validity.name.lower() if quality else None,
        causes=causes(quality) if quality else [],
        connected=connected,
    )


def site(
    one: Site, members: Sequence[Asset], parts: list[schemas.AssetOut], honest: Mapping[str, Measurement], now: Now
) -> schemas.SiteOut:
    group = total(of(member, honest.get(member.id), now) for member in members)
    age_ms = group.oldest_age_ms(now)
    aggregate = schemas.SiteAggregate(
        capacity_mwhr=mw(fsum(member.capacity_wh for member in members)),
        max_mw=mw(fsum(member.max_w for member in members)),
        min_mw=mw(fsum(member.min_w for member in members)),
        ramp_rate_mw_per_min=mw_per_min(fsum(member.ramp_w_per_s for member in members)),
        soc_mwhr=maybe_mw(group.soc_wh),
        soc_pct=group.soc_pct,
        current_mw=maybe_mw(group.power_w),
        available_up_mw=maybe_mw(group.available_up_w),
        available_down_mw=maybe_mw(group.available_down_w),
        configured=group.configured,
        reporting=group.reporting,
        coverage_pct=group.coverage_pct,
        oldest_age_s=None if age_ms is None else max(0, age_ms) / 1000,
    )
    return schemas.SiteOut(
        site_id=one.id,
        site_name=one.name,
        location=one.location,
        path=one.path,
        aggregate=aggregate,
        assets=parts,
    )


def telemetry(one: Asset, fleet: Fleet, taken: Measurement) -> schemas.TelemetryOut:
    site_of = fleet.site_of(one)
    return schemas.TelemetryOut(
        asset_id=one.id,
        site_id=site_of.id,
        site_name=site_of.name,
        timestamp=written(taken.time_ms),
        soc_mwhr=maybe_mw(taken.soc_wh),
        soc_pct=soc_pct(one, taken.soc_wh),
        capacity_mwhr=mw(one.capacity_wh),
        current_mw=mw(taken.power_w),
        setpoint_mw=maybe_mw(taken.setpoint_w),
        max_mw=mw(one.max_w),
        min_mw=mw(one.min_w),
        status=status(taken.power_w),
        quality=taken.quality.validity.name.lower(),
        causes=causes(taken.quality),
    )


def agent(one: Asset, fleet: Fleet, connection: Connection | None, past: Iterable[SessionRow]) -> schemas.AgentOut:
    site_of = fleet.site_of(one)
    return schemas.AgentOut(
        asset_id=one.id,
        asset_name=one.name,
        site_id=site_of.id,
        site_name=site_of.name,
        agent_id=connection.agent_id if connection else None,
        peer=connection.peer if connection else None,
        connected=connection is not None,
        connected_at=written(connection.connected_ms) if connection else None,
        sessions=[
            schemas.SessionOut(
                peer=row.peer,
                connected_at=written(row.connected_ms),
                disconnected_at=None if row.disconnected_ms is None else written(row.disconnected_ms),
            )
            for row in past
        ],
    )


def event(row: EventRow) -> schemas.EventOut:
    return schemas.EventOut(
        id=row.id,
        asset_id=row.asset_id,
        timestamp=written(row.time_ms),
        type=row.type,
        severity=row.severity,  # type: ignore[arg-type]  # checked at the edge it came in by, and again by pydantic
        message=row.message,
        source=row.source,
    )


# --- dispatches ------------------------------------------------------------------------------------------------------


def verdict(dispatch: Dispatch) -> schemas.Verdict:
    """What was decided, and how much of it stands: partial where some of the target is not placed."""
    if dispatch.state is IntentState.REFUSED:
        return "refused"
    return "partial" if dispatch.shortfall_w else "accepted"


def asset_dispatch(dispatch: Dispatch, asset_id: str, placed: Placed | None) -> schemas.AssetDispatch:
    """One asset's part; without an intent the request was refused as a whole."""
    return schemas.AssetDispatch(**_part(dispatch, placed), asset_id=asset_id)


def site_dispatch(kept: Kept, site_id: str) -> schemas.SiteDispatch:
    return schemas.SiteDispatch(
        **_whole(kept),
        site_id=site_id,
        allocations=[_allocation(placed) for placed in kept.intents],
        dispatches=[asset_dispatch(kept.dispatch, placed.asset_id, placed) for placed in kept.intents],
    )


def dispatch_rows(kept: Kept) -> list[schemas.DispatchRow]:
    """A line per asset; a request that was refused as a whole is one line."""
    return [_row(kept.dispatch, placed) for placed in kept.intents or [None]]


def dispatch_whole(kept: Kept) -> schemas.DispatchOut:
    dispatch = kept.dispatch
    return schemas.DispatchOut(
        **_whole(kept),
        principal=dispatch.principal,
        program=dispatch.program,
        policy=dispatch.policy,
        primacy=dispatch.primacy,
        mode=dispatch.aim.value,
        asset_id=dispatch.asset_id,
        path=None if dispatch.asset_id else dispatch.node,
        parts=dispatch_rows(kept) if kept.intents else [],
    )


def _row(dispatch: Dispatch, placed: Placed | None) -> schemas.DispatchRow:
    return schemas.DispatchRow(
        **_part(dispatch, placed),
        asset_id=placed.asset_id if placed else dispatch.asset_id,
        path=None if dispatch.asset_id else dispatch.node,
        ack_status=placed.acked_state.value if placed and placed.acked_state else None,
        acked_at=written(placed.acked_ms) if placed and placed.acked_ms is not None else None,
        principal=dispatch.principal,
        program=dispatch.program,
        policy=dispatch.policy,
    )


def _part(dispatch: Dispatch, placed: Placed | None) -> dict[str, Any]:
    """The members of schemas.Part."""
    if placed is None:
        return _dispatched(dispatch, None) | {"clamped": False}
    return _dispatched(dispatch, dispatch.expires_ms) | {
        "mw": maybe_mw(placed.intent.setpoint_w),
        "status": "refused" if placed.state is IntentState.REFUSED else "accepted",
        "state": placed.state.value,
        "reason": placed.reason,
        "clamped": placed.clamped,
    }


def _whole(kept: Kept) -> dict[str, Any]:
    """The members of schemas.Whole."""
    dispatch = kept.dispatch
    return _dispatched(dispatch, dispatch.expires_ms if kept.intents else None) | {
        "placed_mw": maybe_mw(dispatch.placed_w),
        "shortfall_mw": maybe_mw(dispatch.shortfall_w),
        "causes": list(dispatch.causes),
    }


def _dispatched(dispatch: Dispatch, expires_ms: int | None) -> dict[str, Any]:
    """The members of schemas.Dispatched. What was never placed has no end."""
    return {
        "id": dispatch.id,
        "mw": maybe_mw(dispatch.target_w),
        "duration_s": dispatch.duration_s,
        "status": verdict(dispatch),
        "state": dispatch.state.value,
        "reason": dispatch.reason,
        "submitted_at": written(dispatch.submitted_ms),
        "expires_at": None if expires_ms is None else written(expires_ms),
    }


def _allocation(placed: Placed) -> schemas.Allocation:
    return schemas.Allocation(
        asset_id=placed.asset_id,
        mw_raw=maybe_mw(placed.raw_w),
        mw=maybe_mw(placed.intent.setpoint_w),
        clamped=placed.clamped,
        cause=placed.cause,
    )
