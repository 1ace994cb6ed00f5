"""Certificates once for all tests of the gateway, and a gateway that is stopped whatever happens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.gateway.stand_in import GatewayProcess, StandIn, make_gateway, make_pki, publisher_of
from wire.identity import TlsFiles


@pytest.fixture(scope="session")
def pki_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pki(tmp_path_factory.mktemp("gateway-pki") / "pki")


@pytest.fixture
async def headend(pki_folder: Path) -> AsyncIterator[StandIn]:
    """A stand-in for the headend that listens on a free port."""
    async with StandIn(publisher_of(pki_folder)).listening(TlsFiles.headend(pki_folder)) as standing:
        yield standing


@pytest.fixture
async def gateway(
    tmp_path: Path, pki_folder: Path, headend: StandIn
) -> AsyncIterator[Callable[..., Awaitable[GatewayProcess]]]:
    """Make and start a gateway of the tests' contract; it is killed at the end if it still runs."""
    made: list[GatewayProcess] = []

    async def start(**contract: object) -> GatewayProcess:
        folder, port = make_gateway(tmp_path, pki_folder, headend.port, **contract)
        process = GatewayProcess(folder, port, tmp_path / "gateway.log")
        made.append(process)
        await process.start()
        await process.listening()
        return process

    yield start
    for process in made:
        if process.process is not None and process.process.returncode is None:
            await process.kill()
