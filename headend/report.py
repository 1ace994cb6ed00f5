"""status.json: what a running headend tells whoever asks on the same machine, such as `derms headend status`."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, Final

from dermscore.errors import DermsError
from headend.config import FILE as CONFIG

FILE: Final = "status.json"
_PATIENCE_S: Final = 1.0


class AlreadyRunningError(DermsError):
    """Another headend runs in the same folder."""


@dataclass(frozen=True, slots=True)
class Running:
    """Which process runs the headend, and where it really listens (environment variables may have moved it)."""

    pid: int
    http: str
    agent_link: str
    boundary_link: str
    started_ms: int


def write(folder: Path, running: Running) -> None:
    """Whole or not at all; readable by the owner only."""
    fresh = folder / f".{FILE}-{os.getpid()}"
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(asdict(running), indent=2) + "\n", encoding="utf-8")
    fresh.replace(folder / FILE)


def remove(folder: Path) -> None:
    (folder / FILE).unlink(missing_ok=True)


def read(folder: Path) -> Running | None:
    """What the headend of `folder` last said, if it runs; None where none does."""
    try:
        said = Running(**json.loads((folder / FILE).read_text(encoding="utf-8")))
        return None if _free(folder) else said  # a killed one leaves its file, never its lock
    except (OSError, ValueError, TypeError):
        return None


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the folder's lock: on its configuration, which init made. Two headends on one state store would each know
    half of it.

    Raises:
        AlreadyRunningError: another one has held it for a second (shorter, and somebody has only looked).
    """
    with (folder / CONFIG).open("rb") as file:
        deadline_s = time.monotonic() + _PATIENCE_S
        while not _locked(file, fcntl.LOCK_EX):
            if time.monotonic() > deadline_s:
                raise AlreadyRunningError(f"a headend runs in {folder} already; see `derms headend status {folder}`")
            time.sleep(0.05)
        yield


def _free(folder: Path) -> bool:
    with (folder / CONFIG).open("rb") as file:
        return _locked(file, fcntl.LOCK_SH)


def _locked(file: BinaryIO, kind: int) -> bool:
    """Take the lock if it is free; closing the file gives it back."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
