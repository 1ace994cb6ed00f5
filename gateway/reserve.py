"""Space kept back on the trail's disk: given up when the disk is full, so that what crosses and what alarms is recorded
on while somebody makes room.

While it is given up, denials take none of it: a scanner could eat it. They are counted, and told once there is room.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from daemon import logs

LOOK_S: Final = 1.0

log = logs.get(__name__)


class Reserve:
    """One file of `size` bytes beside the trail. Owner of every field: the gateway's loop."""

    def __init__(
        self,
        path: Path,
        size: int,
        takes: Callable[[], bool],
        told: Callable[[str, str], None],
        room: Callable[[Path], int] | None = None,
    ) -> None:
        """`takes`: whether the trail takes records. `told`: hears that it was given up or is held again, and why.
        `room`: how many bytes may still be written into a folder; the disk's word unless given.
        """
        self._path: Final = path
        self._size: Final = size
        self._takes = takes
        self._told = told
        self._room = room or room_in
        self.given_up = False
        """Whether only what crosses and what alarms may take space."""

    async def run(self) -> None:
        """Until it is cancelled; never where none is wanted."""
        while self._size:
            await self._look()
            await asyncio.sleep(LOOK_S)

    async def _look(self) -> None:
        try:
            if not self.given_up:
                await self._give_up_or_hold()
            elif await asyncio.to_thread(self._room, self._path.parent) >= 2 * self._size:
                await asyncio.to_thread(hold, self._path, self._size)
                self._stand(False, "space again", "there is room again; the reserve is held")
        except OSError as problem:
            self._stand(True, "low on space", f"no reserve of {self._size} bytes can be held: {problem.strerror}")

    async def _give_up_or_hold(self) -> None:
        """The reserve is missing where it was never held, or somebody took it away to make room."""
        if not self._takes() and await asyncio.to_thread(self._room, self._path.parent) < self._size:
            await asyncio.to_thread(self._path.unlink, missing_ok=True)
            self._stand(True, "low on space", "the disk is full; the reserve is given up: make room")
        else:
            await asyncio.to_thread(hold, self._path, self._size)

    def _stand(self, given_up: bool, decision: str, reason: str) -> None:
        if given_up == self.given_up:
            return
        self.given_up = given_up
        (log.error if given_up else log.info)(reason, file=str(self._path))
        self._told(decision, reason)


def room_in(folder: Path) -> int:
    """Bytes that we may still write on the disk of `folder`."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def hold(path: Path, size: int) -> None:
    """Make the file, its blocks allocated; one of that size stays as it is. OSError: there is no room for it."""
    if path.exists() and path.stat().st_size == size:
        return
    path.unlink(missing_ok=True)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(file, 0, size)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(file)
