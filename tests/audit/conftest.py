"""Logs to test on: a fixed key, and a log that is small enough to be attacked byte by byte."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.format.note import VerifierKey, verifier_key
from audit.log import Log

sys.path.insert(0, str(Path(__file__).parent))  # the helpers beside this file, for the tests beside it

from kept_trails import packed, pruned, secret, trail  # noqa: F401 - fixtures, for every test below
from trail_helpers import ORIGIN, SEGMENT, counting_clock, counting_salt, entries


@pytest.fixture(scope="session")
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


@pytest.fixture(scope="session")
def public(key: Ed25519PrivateKey) -> VerifierKey:
    return verifier_key(ORIGIN, key.public_key())


@pytest.fixture(scope="session")
def good_log(tmp_path_factory: pytest.TempPathFactory, key: Ed25519PrivateKey) -> Path:
    """21 records in three segments, closed cleanly. Tests copy it; nobody writes into it."""
    folder = tmp_path_factory.mktemp("good") / "trail"
    Log.init(folder, key, ORIGIN, segment_lines=SEGMENT)
    with Log.open(folder, key, clock=counting_clock(), salt=counting_salt(), segment_lines=SEGMENT) as log:
        for entry in entries(19):
            log.submit([entry]).result(timeout=30)
    return folder
