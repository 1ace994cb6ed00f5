"""STATE/<asset_id>.locked and .local: what the people at a site have set on an asset, and why.

A mark counts because its file is there; the text in it is the reason. So nothing that a crash or a full disk leaves of
one undoes it: a mark is taken away by a person, never by time and never by a restart.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

_LONGEST_REASON = 500


class Mark(StrEnum):
    """What can be set; the value is the ending of its file."""

    LOCKED = "locked"  # an interlock: the asset goes to 0 W and takes nothing
    LOCAL = "local"  # the site has the device: the agent writes nothing and takes nothing


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks of one asset: the reason of each, None where it is not set."""

    locked: str | None = None
    local: str | None = None


def read(folder: Path, asset_id: str) -> Marks:
    """What is set now.

    Raises:
        OSError: it cannot be told. So it is too where the claim that every agent holds is not to be seen: a folder that
            went away takes no mark with it.
    """
    marks = Marks(_reason(folder, asset_id, Mark.LOCKED), _reason(folder, asset_id, Mark.LOCAL))
    (folder / f"{asset_id}.lock").stat()  # after the look: had it gone before, so has this
    return marks


def place(folder: Path, asset_id: str, mark: Mark, reason: str) -> None:
    """Set a mark, durably. Raises OSError."""
    path = _path(folder, asset_id, mark)
    new = path.with_name(f"{path.name}.new")
    with new.open("w", encoding="utf-8") as file:
        file.write(f"{reason}\n")
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    _sync(folder)


def clear(folder: Path, asset_id: str, mark: Mark) -> bool:
    """Take a mark away, durably. Returns whether it was set. Raises OSError."""
    try:
        _path(folder, asset_id, mark).unlink()
    except FileNotFoundError:
        return False
    _sync(folder)
    return True


def known(folder: Path, asset_id: str) -> bool:
    """Whether an agent has kept the state of this asset in this folder: a mark for any other would hold nobody."""
    return asset_id == Path(asset_id).name and (folder / f"{asset_id}.lock").is_file()


def _reason(folder: Path, asset_id: str, mark: Mark) -> str | None:
    try:
        text = _path(folder, asset_id, mark).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except PermissionError:
        return "no reason can be read"
    words = " ".join(text.split())
    return words[:_LONGEST_REASON] or "no reason is given"


def _path(folder: Path, asset_id: str, mark: Mark) -> Path:
    return folder / f"{asset_id}.{mark.value}"


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
