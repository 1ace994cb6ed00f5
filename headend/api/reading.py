"""The routes that only read."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Response

from dermscore.policy import Action
from dermscore.times import written
from headend.api import schemas, views
from headend.api.body import StrictRoute
from headend.api.desk import LARGEST_LIMIT, ApiDesk, Desk, span
from headend.api.problems import Problem

_HISTORY_LINES = 200
_SESSIONS = 20

Limit = Annotated[int, Query(ge=1, le=LARGEST_LIMIT)]
When = Annotated[str | None, Query(description="RFC 3339, with an offset")]


router = APIRouter(route_class=StrictRoute)


@router.get("/health")
async def health(desk: Desk, response: Response) -> schemas.Health:
    """200 where all works, 503 where something does not. Needs no rights: it tells nothing of the fleet."""
    found = _health(desk)
    if found.status != "ok":
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return found


@router.get("/assets")
async def assets(desk: Desk) -> list[schemas.AssetOut]:
    desk.allow(Action.VIEW)
    now = desk.clock()
    honest = desk.live.measurements(now)
    return [desk.view(asset, honest.get(asset.id), now) for asset in desk.live.fleet.assets.values()]


@router.get("/assets/{asset_id}")
async def asset(desk: Desk, asset_id: str) -> schemas.AssetOut:
    now = desk.clock()
    found = desk.permitted(asset_id)
    return desk.view(found, desk.live.measurement(found.id, now), now)


@router.get("/sites")
async def sites(desk: Desk) -> list[schemas.SiteOut]:
    desk.allow(Action.VIEW)
    now = desk.clock()
    honest = desk.live.measurements(now)
    fleet = desk.live.fleet
    members = {site_id: [a for a in fleet.under(s.path) if a.site_id == site_id] for site_id, s in fleet.sites.items()}
    return [
        views.site(site, members[site.id], [desk.view(a, honest.get(a.id), now) for a in members[site.id]], honest, now)
        for site in fleet.sites.values()
    ]


@router.get("/agents")
async def agents(desk: Desk) -> list[schemas.AgentOut]:
    """One line per asset: whose agent speaks for it, now and before."""
    desk.allow(Action.VIEW)
    past = await desk.read(lambda store: store.sessions(_SESSIONS)) or {}
    fleet = desk.live.fleet
    return [
        views.agent(asset, fleet, desk.live.connection(asset.id), past.get(asset.id, []))
        for asset in fleet.assets.values()
    ]


@router.get("/heartbeat/{asset_id}")
async def heartbeat(desk: Desk, asset_id: str) -> schemas.HeartbeatOut:
    """When the asset's agent was last heard; 404 where it never was."""
    asset = desk.permitted(asset_id)
    heard_ms, latest = desk.live.last_heartbeat_ms(asset.id), desk.live.latest(asset.id)
    if heard_ms is None and latest is None:
        raise Problem(HTTPStatus.NOT_FOUND, "never-heard", f"{asset.name} was never heard since the headend started")
    connection = desk.live.connection(asset.id)
    return schemas.HeartbeatOut(
        asset_id=asset.id,
        agent_id=connection.agent_id if connection else None,
        connected=connection is not None,
        last_heartbeat=None if heard_ms is None else written(heard_ms),
        last_telemetry=None if latest is None else written(latest.measurement.time_ms),
    )


@router.get("/telemetry/{asset_id}")
async def latest_telemetry(desk: Desk, asset_id: str) -> schemas.TelemetryOut:
    """The newest reading, with the quality that its age leaves it; 404 where the asset was never heard."""
    asset = desk.permitted(asset_id)
    honest = desk.live.measurement(asset.id, desk.clock())
    if honest is None:
        raise Problem(HTTPStatus.NOT_FOUND, "never-heard", f"{asset.name} was never heard since the headend started")
    return views.telemetry(asset, desk.live.fleet, honest)


@router.get("/telemetry/{asset_id}/history")
async def telemetry_history(
    desk: Desk, asset_id: str, start: When = None, end: When = None, limit: Limit = 100
) -> list[schemas.TelemetryOut]:
    """Newest first; empty without history storage."""
    asset = desk.permitted(asset_id)
    first_ms, last_ms = span(start, end)
    found = await desk.read(lambda store: store.telemetry(asset.id, first_ms, last_ms, limit))
    return [views.telemetry(asset, desk.live.fleet, taken) for taken in found or []]


@router.get("/events/{asset_id}/history")
async def event_history(
    desk: Desk, asset_id: str, start: When = None, end: When = None, limit: Limit = 100
) -> list[schemas.EventOut]:
    """Newest first; empty without history storage."""
    asset = desk.permitted(asset_id)
    first_ms, last_ms = span(start, end)
    found = await desk.read(lambda store: store.events(asset.id, first_ms, last_ms, limit))
    return [views.event(row) for row in found or []]


@router.get("/dispatch/history")
async def dispatch_history(desk: Desk) -> list[schemas.DispatchRow]:
    """The 200 newest lines, newest first: one per asset of each dispatch, refused requests too."""
    desk.allow(Action.VIEW)
    rows = [row for kept in await desk.dispatcher.newest(_HISTORY_LINES) for row in views.dispatch_rows(kept)]
    return rows[:_HISTORY_LINES]


@router.get("/dispatch/{dispatch_id}")
async def dispatch(desk: Desk, dispatch_id: str) -> schemas.DispatchOut:
    """A dispatch of any origin and age, as it stands."""
    desk.allow(Action.VIEW)
    kept = await desk.dispatcher.find(dispatch_id)
    if kept is None:
        raise Problem(HTTPStatus.NOT_FOUND, "unknown-dispatch", f"there is no dispatch {dispatch_id!r}")
    return views.dispatch_whole(kept)


def _health(desk: ApiDesk) -> schemas.Health:
    history = None if desk.history is None else desk.history.health()
    reasons = []
    if history is not None and not history.ok:
        reasons.append(f"history is not being written: {history.reason}")
    if desk.dispatcher.store_fault:
        reasons.append("the state store does not work, so new dispatches are refused")
    return schemas.Health(
        status="degraded" if reasons else "ok",
        db="none" if history is None else "ok" if history.ok else "error",
        reasons=reasons,
        agents_connected=desk.live.agents_connected,
        assets=len(desk.live.fleet.assets),
        history_rows_dropped=history.dropped if history else 0,
    )
