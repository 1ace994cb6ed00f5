"""A face that listens on a free port, with the desk and the clock that a test may set."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest

from gateway.faces.dnp3 import Dnp3Face, Dnp3Limits
from tests.gateway.faces.dnp3.stage import OUTSTATION, Clock, Desk


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def face(desk: Desk, clock: Clock) -> AsyncIterator[Dnp3Face]:
    """A face of `OUTSTATION` that listens on a free port."""
    made = Dnp3Face(OUTSTATION, desk, clock)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def listen(desk: Desk, clock: Clock) -> AsyncIterator[Callable[..., Awaitable[Dnp3Face]]]:
    """Start faces with other limits, masters or outputs; all are stopped at the end."""
    started: list[Dnp3Face] = []

    async def start(limits: Dnp3Limits | None = None, **changes: object) -> Dnp3Face:
        outstation = replace(OUTSTATION, limits=limits or Dnp3Limits(), **changes)  # type: ignore[arg-type]
        made = Dnp3Face(outstation, desk, clock)
        await made.start()
        started.append(made)
        return made

    yield start
    for made in started:
        await made.stop()
