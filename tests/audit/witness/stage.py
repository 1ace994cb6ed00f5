"""What the witness's tests share: a log that is nothing but leaves and a key, a witness, and requests between them."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.format import checkpoint, proof, tree
from audit.format.checkpoint import Checkpoint
from audit.format.note import VerifierKey, verifier_key
from audit.witness import request, store
from audit.witness.cosignature import WitnessKey, witness_key
from audit.witness.store import WitnessStore
from tests.ports import free_ports

ORIGIN = "example.com/gateway-1"
NAME = "compliance.example/w1"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
WITNESS = Ed25519PrivateKey.from_private_bytes(bytes(range(2, 34)))
NOW_S = 1_790_000_000


def log_key(key: Ed25519PrivateKey = KEY, origin: str = ORIGIN) -> VerifierKey:
    return verifier_key(origin, key.public_key())


def wkey(key: Ed25519PrivateKey = WITNESS, name: str = NAME) -> WitnessKey:
    return witness_key(name, key.public_key())


def leaves(count: int, view: str = "") -> list[bytes]:
    """Leaf hashes; each `view` is another log from its first leaf on."""
    return [tree.leaf_hash(f"{view}{number}".encode()) for number in range(count)]


def forked(count: int, at: int) -> list[bytes]:
    """Leaves that are another log's from leaf `at` on."""
    return [*leaves(at), *leaves(count, "other view")[at:]]


def tip(held: Sequence[bytes], origin: str = ORIGIN) -> Checkpoint:
    return Checkpoint(origin, len(held), tree.root_of(held))


def signed(held: Sequence[bytes], key: Ed25519PrivateKey = KEY, origin: str = ORIGIN) -> bytes:
    return checkpoint.sign(tip(held, origin), key)


def asked(old: int, held: Sequence[bytes], key: Ed25519PrivateKey = KEY, origin: str = ORIGIN) -> bytes:
    """An add-checkpoint body for a log of these leaves."""
    steps = proof.roots(proof.consistency(old, len(held)), held)
    return request.encode(old, steps, signed(held, key, origin))


def made(folder: Path, *logs: VerifierKey) -> WitnessStore:
    """A witness in `folder` that knows these logs, by default the one of KEY."""
    store.init(folder, NAME)
    opened = WitnessStore.open(folder)
    opened.trust(logs or (log_key(),))
    return opened


ROOT = Path(__file__).parents[3]


class WitnessProcess:
    """`derms audit witness run` in a process of its own."""

    def __init__(self, folder: Path, log: Path) -> None:
        self.folder = folder
        self.port = free_ports(1)[0]
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def said(self) -> str:
        return self._log.read_text()

    def start(self) -> None:
        """Start it, and wait until it listens."""
        command = [sys.executable, "-m", "daemon.cli", "audit", "witness", "run", str(self.folder)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--listen", f"127.0.0.1:{self.port}"],
                cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=log, stderr=log,
            )  # fmt: skip
        until = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            assert self._process.poll() is None, self.said
            assert time.monotonic() < until, self.said
            time.sleep(0.02)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to end; its exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        code = self._process.wait(30)
        self._process = None
        return code

    def __enter__(self) -> WitnessProcess:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.kill()
