"""An installation of the test's own, and processes that end with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from daemon.config import Address, packaged
from gateway import setup as gateway_setup
from headend import setup as headend_setup
from tests.ports import free_ports
from tests.system.home import FLEET, VARIABLES, Home, Running, change
from wire import pki as authority


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """As the `init` commands make it, in this process for speed; what is tested runs in processes of its own."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    made = Home(tmp_path / "made", *free_ports(4))
    authority.init(made.pki, [*FLEET.assets, *FLEET.sites])
    headend_setup.init(made.headend, made.pki, packaged("assets.yaml"), "sqlite:///history.db")
    gateway_setup.init(made.gateway, made.pki, Address(f"127.0.0.1:{made.boundary}"), "derms/gateway")
    ports = {"127.0.0.1:3001": made.http, "127.0.0.1:7450": made.agents, "127.0.0.1:7451": made.boundary}
    for usual, port in ports.items():
        change(made.headend / "headend.yaml", usual, f"127.0.0.1:{port}")
    change(made.contract / "boundary.yaml", "127.0.0.1:20000", f"127.0.0.1:{made.dnp3}")
    return made


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Starts processes; whatever is still there at the end is stopped, must stop well, and must not have failed."""
    running: list[Running] = []

    def begin(*words: object) -> Running:
        running.append(Running(tmp_path / f"{len(running)}-{words[0]}.log", *words))
        return running[-1]

    yield begin
    ended = [(each.stop(), each.said) for each in reversed(running)]
    assert [code for code, _ in ended] == [0] * len(ended)
    assert not any("Traceback" in said for _, said in ended)
