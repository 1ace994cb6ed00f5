"""What the agent's tests share: certificates, a small real headend, and waiting for a condition with a deadline."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import ModuleType

import pytest

from wire import pki

HERE = Path(__file__).parent


def _load(name: str) -> ModuleType:
    """A module of this folder, which is no package."""
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


small_headend = _load("small_headend")


AGENTS = ["a1", "a2", "a3", "site-1"]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `derms pki init` makes it."""
    folder = tmp_path_factory.mktemp("pki") / "pki"
    pki.init(folder, AGENTS)
    return folder


@pytest.fixture
async def headend(certificates: Path) -> AsyncIterator[small_headend.SmallHeadend]:
    server = small_headend.SmallHeadend(certificates)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def until() -> Callable[..., object]:
    """`await until(lambda: ..., within_s=10)`: wait for a condition, fail with what was waited for."""

    async def wait(condition: Callable[[], object], within_s: float = 20.0, what: str = "") -> object:
        deadline_s = time.monotonic() + within_s
        while not (value := condition()):
            if time.monotonic() > deadline_s:
                pytest.fail(f"not within {within_s:g} s: {what or condition}")
            await asyncio.sleep(0.02)
        return value

    return wait
