"""Trails for the commands to read."""

from __future__ import annotations

from pathlib import Path

import busy_trail
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from trail_helpers import ORIGIN, counting_clock, counting_salt, entries

from audit import keys
from audit.log import Log


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, key: Ed25519PrivateKey) -> Path:
    """A folder with `trail` (8 records, whole segments) and the key files."""
    folder = tmp_path_factory.mktemp("made")
    keys.write(folder, key, ORIGIN)
    Log.init(folder / "trail", key, ORIGIN)
    with Log.open(folder / "trail", key, clock=counting_clock(), salt=counting_salt()) as log:
        for entry in entries(6):
            log.submit([entry]).result(timeout=30)
    return folder


@pytest.fixture(scope="session")
def busy(tmp_path_factory: pytest.TempPathFactory, key: Ed25519PrivateKey) -> Path:
    """A folder with `trail`, in which everything happened, and the key files."""
    return busy_trail.make(tmp_path_factory.mktemp("busy"), key).parent
