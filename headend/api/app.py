"""The HTTP application: routes, refusals, description, guards."""

from __future__ import annotations

from typing import Final

from fastapi import Depends, FastAPI, Request
from fastapi.routing import APIRoute
from starlette.types import ASGIApp

from daemon.version import version
from headend.api import docs, problems, reading, writing
from headend.api.desk import ApiDesk
from headend.api.loopback import Loopback
from headend.api.problems import Finding, invalid

_ABOUT: Final = (
    "Assets, telemetry and dispatch. Powers in MW with injection positive (discharge +), energies in MWh, times in "
    "UTC. Every refusal is a problem document (RFC 9457)."
)


def create(desk: ApiDesk) -> ASGIApp:
    """The application, guarded. Serve it on a loopback interface only: it knows no accounts."""
    return Loopback(unguarded(desk))


def unguarded(desk: ApiDesk) -> FastAPI:
    """The application without the guards around it."""
    app = FastAPI(
        title="derms headend",
        version=version(),
        description=_ABOUT,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        dependencies=[Depends(_known_parameters)],
        generate_unique_id_function=lambda route: route.name,
    )
    problems.install(app)
    docs.install(app)
    app.state.desk = desk
    app.include_router(reading.router)
    app.include_router(writing.router)
    return app


async def _known_parameters(request: Request) -> None:
    """A query parameter that no route knows is refused: a misspelt `end` must not quietly mean "all"."""
    route = request.scope.get("route")
    known = {field.alias for field in route.dependant.query_params} if isinstance(route, APIRoute) else set()
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        raise invalid(Finding(("query", name), "is not a known parameter") for name in unknown)
