"""The routes that change something: dispatch, release, and what devices without a stream report."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter

from dermscore.decision.request import Aim, DeclineKind, Request
from dermscore.model import Asset, Measurement, Now
from dermscore.policy import Action
from dermscore.quality import Quality, Validity
from dermscore.times import parse, written
from headend.api import schemas, views
from headend.api.body import StrictRoute
from headend.api.desk import PRINCIPAL, ApiDesk, Desk
from headend.api.problems import Problem
from headend.dispatch import Submitted
from headend.filing import NotTaken, Obstacle
from headend.plausible import implausible
from headend.records import EventRow, TelemetryRow

_STATUS: Final[Mapping[DeclineKind | Obstacle, HTTPStatus]] = {
    DeclineKind.UNKNOWN: HTTPStatus.NOT_FOUND,
    DeclineKind.DENIED: HTTPStatus.FORBIDDEN,
    DeclineKind.OUTRANKED: HTTPStatus.CONFLICT,
    DeclineKind.LIMITS: HTTPStatus.UNPROCESSABLE_ENTITY,
    DeclineKind.UNREACHABLE: HTTPStatus.CONFLICT,
    Obstacle.STORE: HTTPStatus.SERVICE_UNAVAILABLE,
    DeclineKind.LATE: HTTPStatus.CONFLICT,
    Obstacle.ID_TAKEN: HTTPStatus.CONFLICT,
}
_MW: Final = 1e6


router = APIRouter(route_class=StrictRoute)


@router.post("/dispatch", responses={200: {"description": "Taken, in whole or (`partial`) in part"}})
async def submit_dispatch(desk: Desk, body: schemas.DispatchIn) -> schemas.AssetDispatch | schemas.SiteDispatch:
    """Request one asset or one site for a power. A refusal says why and changes nothing."""
    ask = _ask(desk, body, Aim.TARGET, body.mw * _MW, body.duration_s)
    return _answered(body, await desk.dispatcher.submit(ask))


@router.post("/release", responses={200: {"description": "What HTTP dispatches held there is given back"}})
async def submit_release(desk: Desk, body: schemas.ReleaseIn) -> schemas.AssetDispatch | schemas.SiteDispatch:
    """Give back what HTTP dispatches hold at one asset or one site; what others hold is not touched."""
    ask = _ask(desk, body, Aim.RELEASE, None, None)
    return _answered(body, await desk.dispatcher.submit(ask))


@router.post("/telemetry", status_code=HTTPStatus.ACCEPTED)
async def report_telemetry(desk: Desk, body: schemas.TelemetryIn) -> schemas.Taken:
    """A reading of a device without a stream. It is QUESTIONABLE: nothing proves who sent it."""
    asset = desk.permitted(body.asset_id, Action.REPORT)
    if desk.live.connection(asset.id) is not None:
        raise Problem(HTTPStatus.CONFLICT, "has-agent", f"an agent speaks for {asset.name} at this moment")
    now = desk.clock()
    measurement = _measurement(asset, body, now)
    why = implausible(asset, measurement, now)
    if why is not None:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "implausible", why)
    desk.live.take(measurement, now)
    desk.keep([TelemetryRow(measurement, now.utc_ms)])
    return schemas.Taken(asset_id=asset.id, timestamp=written(measurement.time_ms))


@router.post("/events", status_code=HTTPStatus.ACCEPTED)
async def report_event(desk: Desk, body: schemas.EventIn) -> schemas.EventTaken:
    """Something that happened at an asset."""
    asset = desk.permitted(body.asset_id, Action.REPORT)
    if desk.history is None:
        detail = "this headend keeps no history, so the event would be lost"
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "history", detail)
    now_ms = desk.clock().utc_ms
    row = EventRow(
        id=uuid.uuid4().hex,
        asset_id=asset.id,
        time_ms=now_ms if body.timestamp is None else parse(body.timestamp),
        type=body.type,
        severity=body.severity,
        message=body.message,
        source=PRINCIPAL,
        received_ms=now_ms,
    )
    desk.keep([row])
    return schemas.EventTaken(id=row.id)


def _ask(
    desk: ApiDesk,
    body: schemas.Target,
    aim: Aim,
    target_w: float | None,
    duration_s: float | None,
) -> Request:
    node = desk.site(body.site_id or "").path if body.asset_id is None else desk.asset(body.asset_id).id
    return Request(
        id=str(uuid.uuid4()),
        who=desk.who,
        node=node,
        asset_id=body.asset_id,
        aim=aim,
        target_w=target_w,
        duration_s=duration_s,
        program=desk.program,
    )


def _answered(body: schemas.Target, answer: Submitted | NotTaken) -> schemas.AssetDispatch | schemas.SiteDispatch:
    """What the table of the interface asks for. Raises Problem, with the same members, for a refusal."""
    if isinstance(answer, NotTaken):
        members = _refused(body, answer)
        raise Problem(_STATUS[answer.why], answer.why.value.replace(" ", "-"), answer.reason, members)
    kept = answer.kept
    if body.asset_id is not None:
        return views.asset_dispatch(kept.dispatch, body.asset_id, kept.intents[0] if kept.intents else None)
    return views.site_dispatch(kept, body.site_id or "")


def _refused(body: schemas.Target, answer: NotTaken) -> dict[str, Any]:
    dispatch = answer.dispatch
    members = {
        "id": dispatch.id,
        "mw": views.maybe_mw(dispatch.target_w),
        "duration_s": dispatch.duration_s,
        "dispatch_status": "refused",
        "reason": dispatch.reason,
        "submitted_at": written(dispatch.submitted_ms),
        "clamped": False,
    }
    return members | ({"asset_id": body.asset_id} if body.asset_id is not None else {"site_id": body.site_id})


def _measurement(asset: Asset, body: schemas.TelemetryIn, now: Now) -> Measurement:
    """What the device says, and no more: without a state of charge a store promises nothing."""
    soc_wh = None if body.soc_mwhr is None else body.soc_mwhr * _MW
    if body.soc_pct is not None:
        soc_wh = body.soc_pct / 100 * asset.capacity_wh
    power_w = body.current_mw * _MW
    blind = asset.capacity_wh > 0 and soc_wh is None
    empty = soc_wh is not None and soc_wh <= asset.min_soc_wh
    full = soc_wh is not None and soc_wh >= asset.max_soc_wh
    highest_w = 0.0 if empty and asset.capacity_wh > 0 else asset.max_w
    lowest_w = 0.0 if full and asset.capacity_wh > 0 else asset.min_w
    return Measurement(
        asset_id=asset.id,
        time_ms=now.utc_ms if body.timestamp is None else parse(body.timestamp),
        power_w=power_w,
        soc_wh=soc_wh if asset.capacity_wh > 0 else None,
        available_up_w=0.0 if blind else max(0.0, highest_w - power_w),
        available_down_w=0.0 if blind else max(0.0, power_w - lowest_w),
        setpoint_w=None if body.setpoint_mw is None else body.setpoint_mw * _MW,
        quality=Quality(Validity.QUESTIONABLE),
    )
