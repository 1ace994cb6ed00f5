"""Closing the boundary and opening it again: by a file in the gateway's folder, which a running gateway looks for.

While `ISOLATED` is there the boundary is closed. Who did it is whoever owns the file, for that is the operating
system's word and not the text's. `REJOINED` carries the same of an opening, until the gateway has recorded it.
"""

from __future__ import annotations

import contextlib
import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.config import Home

LONGEST_REASON: Final = 500
BY_HAND: Final = "the file ISOLATED was removed by hand"


@dataclass(frozen=True, slots=True)
class Said:
    """`by`: the operating system's name of who did it, empty where nobody can tell; `reason`: their words."""

    by: str
    reason: str


def close(home: Home, reason: str) -> None:
    """Close the boundary of the gateway in `home`, through restarts too. OSError."""
    home.rejoined.unlink(missing_ok=True)
    _put(home.isolated, reason)


def open_again(home: Home, reason: str) -> bool:
    """Open it again; False where it was open. OSError."""
    if not home.isolated.exists():
        return False
    _put(home.rejoined, reason)
    home.isolated.unlink(missing_ok=True)
    return True


def closed(home: Home) -> Said:
    """Who closed the boundary, and why."""
    return _read(home.isolated) or Said("", "")


def opened(home: Home) -> Said:
    """Who opened it again, and why; it is told once."""
    said = _read(home.rejoined) or Said("", BY_HAND)
    with contextlib.suppress(OSError):
        home.rejoined.unlink(missing_ok=True)
    return said


def _put(path: Path, text: str) -> None:
    """A file of our own, whoever's stood there before: whole at any moment, and durable when this returns."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with fresh.open("w", encoding="utf-8") as file:
        file.write(f"{text}\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _read(path: Path) -> Said | None:
    try:
        owner = path.stat().st_uid
    except OSError:
        return None
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as problem:
        text = f"{path} cannot be read: {problem.strerror}"
    return Said(_name(owner), text.strip()[:LONGEST_REASON])


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
