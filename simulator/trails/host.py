"""The host that a rehearsed gateway runs on: clocks that are set, and a disk that fills up and loses its power."""

from __future__ import annotations

import errno
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Final

from audit.disk import Disk, File, Held, PosixDisk
from audit.format.record import Reading
from dermscore.model import Now

_UP_BEFORE_US: Final = 3 * 86_400_000_000


class Clock:
    """Both clocks of the host. The story sets them; the log reads them, its writer thread too: single reads of
    integers.
    """

    def __init__(self, begin_us: int, seed: int) -> None:
        self._begin_us = begin_us
        self._seed = seed
        self._offset_us = 0  # the story: by how much UTC is set wrong
        self._booted_us = -_UP_BEFORE_US  # the story
        self._boot = self._boot_id(0)  # the story
        self._boots = 0  # the story
        self.now_us = 0  # the story: time since the trail's first moment

    def __call__(self) -> Reading:
        mono_us = self.now_us - self._booted_us
        return Reading(self.utc_us, mono_us, self._boot, "synchronised")

    @property
    def utc_us(self) -> int:
        return self._begin_us + self.now_us + self._offset_us

    def now(self) -> Now:
        return Now(self.utc_us // 1000, (self.now_us - self._booted_us) // 1000)

    def step(self, by_us: int) -> None:
        """Somebody sets UTC."""
        self._offset_us += by_us

    def reboot(self, took_us: int) -> None:
        """The host came up so long ago; its UTC is right again."""
        self._boots += 1
        self._boot, self._booted_us, self._offset_us = self._boot_id(self._boots), self.now_us - took_us, 0

    def _boot_id(self, number: int) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"rehearsal/{self._seed}/{number}"))


class FailingDisk:
    """The host's file system behind faults. The story sets them while no commit is under way.

    `full`: nothing can be written. `cut_power()`: the next commit writes its records and dies before its checkpoint
    takes its name, and so does whatever is tried after it, as when the host goes down right then.
    """

    def __init__(self, disk: Disk | None = None) -> None:
        self._disk = disk or PosixDisk()
        self._cutting = False  # the story
        self._dead = False  # the log's writer thread
        self.full = False  # the story

    def cut_power(self) -> None:
        self._cutting = True

    def die(self) -> None:
        """Nothing is written from here on, as after a SIGKILL."""
        self._dead = True

    def check(self) -> None:
        if self._dead:
            raise OSError(errno.EIO, "the host is down")

    def check_room(self) -> None:
        self.check()
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")

    def open(self, path: Path) -> File:
        self.check()
        return _FailingFile(self._disk.open(path), self.check, self.check_room)

    def exists(self, path: Path) -> bool:
        self.check()
        return self._disk.exists(path)

    def replace(self, source: Path, target: Path) -> None:
        self._dead = self._dead or self._cutting
        self.check()
        self._disk.replace(source, target)

    def make_folder(self, path: Path) -> None:
        self.check_room()
        self._disk.make_folder(path)

    def names(self, folder: Path) -> list[str]:
        self.check()
        return self._disk.names(folder)

    def sync_folder(self, folder: Path) -> None:
        self.check()
        self._disk.sync_folder(folder)

    def lock(self, path: Path) -> Held:
        return self._disk.lock(path)


class _FailingFile:
    """A file on it. It can always be closed."""

    def __init__(self, file: File, check: Callable[[], None], check_room: Callable[[], None]) -> None:
        self._file = file
        self._check = check
        self._check_room = check_room

    def write_at(self, offset: int, data: bytes) -> None:
        self._check_room()
        self._file.write_at(offset, data)

    def read_at(self, offset: int, length: int) -> bytes:
        self._check()
        return self._file.read_at(offset, length)

    def size(self) -> int:
        self._check()
        return self._file.size()

    def truncate(self, length: int) -> None:
        self._check()
        self._file.truncate(length)

    def sync(self) -> None:
        self._check()
        self._file.sync()

    def close(self) -> None:
        self._file.close()
