"""The HTTP application over a real store, called without a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from headend.api.app import create
from headend.api.desk import ApiDesk, History
from headend.records import HistoryRow
from headend.store.history import HistoryStore
from headend.store.thread import OneThread
from headend.store.writer import Health

BASE = "http://localhost:3001"


class Kept:
    """History that is written at once, and can be made to fail. Owner: the test."""

    def __init__(self, store: HistoryStore, file: Path) -> None:
        self.store, self.file = store, file
        self.health = Health(True)

    def keep(self, rows: list[HistoryRow]) -> None:
        self.store.write(rows)


@pytest.fixture
def kept(tmp_path: Path, blank: Any) -> Iterator[Kept]:
    opened = blank("history", tmp_path / "history.db")
    yield Kept(HistoryStore(opened), tmp_path / "history.db")
    opened.dispose()


@pytest.fixture
async def http(desk: Any, kept: Kept) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a headend with history."""
    reader = OneThread("test reader")
    history = History(kept.store, reader, lambda: kept.health)
    app = create(ApiDesk(desk.live, desk.dispatcher, history, kept.keep, desk.clocks, "operator"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as client:
        yield client
    reader.close()


@pytest.fixture
async def bare(desk: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a headend without history."""
    app = create(ApiDesk(desk.live, desk.dispatcher, None, lambda _: None, desk.clocks, "operator"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as client:
        yield client
