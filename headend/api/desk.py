"""What the HTTP API stands on, in one value, and the questions that several of its routes ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Final, TypeVar

from fastapi import Depends, Request
from sqlalchemy.exc import SQLAlchemyError

from daemon import logs
from dermscore.model import Asset, Measurement, Now, Site
from dermscore.policy import Action, Denied, Principal
from dermscore.times import parse
from headend.api import views
from headend.api.problems import Finding, Problem, invalid
from headend.api.schemas import AssetOut
from headend.dispatch import Dispatcher
from headend.fleet import LiveFleet
from headend.records import HistoryRow
from headend.store.history import HistoryStore
from headend.store.thread import OneThread
from headend.store.writer import Health

log = logs.get(__name__)

PRINCIPAL: Final = "http:loopback"
LARGEST_LIMIT: Final = 10_000
_FIRST_MS, _LAST_MS = 0, 253_402_300_799_999

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class History:
    """Where history is read and how it is doing."""

    store: HistoryStore
    reader: OneThread
    health: Callable[[], Health]


@dataclass(frozen=True, slots=True)
class ApiDesk:
    """Immutable. `history` is None where none is wanted; `keep` queues rows of history and never waits."""

    live: LiveFleet
    dispatcher: Dispatcher
    history: History | None
    keep: Callable[[list[HistoryRow]], None]
    clock: Callable[[], Now]
    program: str

    @property
    def who(self) -> Principal:
        """Who calls: until accounts come, whoever is on this machine."""
        return self.dispatcher.policy.principal(PRINCIPAL)

    def allow(self, action: Action, path: str = "", w: float | None = None) -> None:
        """Raises Problem (403) where policy says no."""
        verdict = self.dispatcher.policy.authorize(self.who, action, path, w, now=self.clock())
        if isinstance(verdict, Denied):
            raise Problem(HTTPStatus.FORBIDDEN, "denied", verdict.reason)

    def asset(self, asset_id: str) -> Asset:
        """Raises Problem (404) where there is none."""
        found = self.live.fleet.assets.get(asset_id)
        if found is None:
            raise Problem(HTTPStatus.NOT_FOUND, "unknown-asset", f"there is no asset {asset_id!r}")
        return found

    def permitted(self, asset_id: str, action: Action = Action.VIEW) -> Asset:
        """An asset that the caller may view, or report for. Raises Problem: 404 or 403."""
        found = self.asset(asset_id)
        self.allow(action, self.live.fleet.path_of(found))
        return found

    def site(self, site_id: str) -> Site:
        """Raises Problem (404) where there is none."""
        found = self.live.fleet.sites.get(site_id)
        if found is None:
            raise Problem(HTTPStatus.NOT_FOUND, "unknown-site", f"there is no site {site_id!r}")
        return found

    def view(self, asset: Asset, honest: Measurement | None, now: Now) -> AssetOut:
        """`honest` is its last measurement with the quality that its age leaves it."""
        return views.asset(
            asset,
            self.live.fleet,
            self.live.latest(asset.id),
            honest,
            self.live.connection(asset.id) is not None,
            now,
        )

    async def read(self, question: Callable[[HistoryStore], T]) -> T | None:
        """Ask history; None without history storage. Raises Problem (503) where it does not answer."""
        if self.history is None:
            return None
        try:
            return await self.history.reader.call(question, self.history.store)
        except SQLAlchemyError as error:
            log.error("history cannot be read", why=str(error).partition("\n")[0])
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE, "history", "the history storage does not answer; try again later"
            ) from None


async def _of(request: Request) -> ApiDesk:
    desk: ApiDesk = request.app.state.desk
    return desk


Desk = Annotated[ApiDesk, Depends(_of)]
"""How a route asks for the desk of the application that it serves."""


def span(start: str | None, end: str | None) -> tuple[int, int]:
    """The times of a history question, UTC ms. Raises Problem (400) where they are none, or in the wrong order."""
    times = []
    for name, text, missing in (("start", start, _FIRST_MS), ("end", end, _LAST_MS)):
        try:
            times.append(missing if text is None else parse(text))
        except ValueError as error:
            raise invalid([Finding(("query", name), str(error))]) from None
    if times[0] > times[1]:
        raise invalid([Finding(("query", "start"), "is after query.end")])
    return times[0], times[1]
