"""What the log asks of a file system, and the real one behind it. Tests put one here that forgets, fills up and fails.

Every call may raise OSError. Nothing is durable before `sync` (a file's bytes) and `sync_folder` (its name) return.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Protocol


class File(Protocol):
    """An open file, written and read at offsets."""

    def write_at(self, offset: int, data: bytes) -> None: ...
    def read_at(self, offset: int, length: int) -> bytes: ...  # fewer bytes only at the end of the file
    def size(self) -> int: ...
    def truncate(self, length: int) -> None: ...
    def sync(self) -> None: ...
    def close(self) -> None: ...


class Held(Protocol):
    """A lock that is held until it is closed, or its process ends."""

    def close(self) -> None: ...


class Disk(Protocol):
    """A file system."""

    def open(self, path: Path) -> File: ...  # for reading and writing; made, empty, if it is not there
    def exists(self, path: Path) -> bool: ...
    def replace(self, source: Path, target: Path) -> None: ...  # atomic
    def make_folder(self, path: Path) -> None: ...  # its parents must exist; FileExistsError if it does
    def names(self, folder: Path) -> list[str]: ...
    def sync_folder(self, folder: Path) -> None: ...
    def lock(self, path: Path) -> Held: ...  # exclusive; BlockingIOError where somebody holds it


class PosixFile:
    """A file by its descriptor."""

    __slots__ = ("_handle",)

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def write_at(self, offset: int, data: bytes) -> None:
        view = memoryview(data)
        while view:
            done = os.pwrite(self._handle, view, offset)
            view, offset = view[done:], offset + done

    def read_at(self, offset: int, length: int) -> bytes:
        parts = []
        while length > 0:
            part = os.pread(self._handle, length, offset)
            if not part:
                break
            parts.append(part)
            offset, length = offset + len(part), length - len(part)
        return b"".join(parts)

    def size(self) -> int:
        return os.fstat(self._handle).st_size

    def truncate(self, length: int) -> None:
        os.ftruncate(self._handle, length)

    def sync(self) -> None:
        os.fdatasync(self._handle)

    def close(self) -> None:
        os.close(self._handle)


class PosixDisk:
    """The host's file system."""

    def open(self, path: Path) -> File:
        return PosixFile(path)

    def exists(self, path: Path) -> bool:
        return path.exists()

    def replace(self, source: Path, target: Path) -> None:
        source.replace(target)

    def make_folder(self, path: Path) -> None:
        path.mkdir(mode=0o750)

    def names(self, folder: Path) -> list[str]:
        return sorted(entry.name for entry in folder.iterdir())

    def sync_folder(self, folder: Path) -> None:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def lock(self, path: Path) -> Held:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            raise
        return os.fdopen(handle, "rb")


def write_durable(path: Path, data: bytes, mode: int = 0o640) -> None:
    """Put a whole file in place, durable with its name when this returns. Its folder must be there."""
    waiting = path.with_name(f"{path.name}.next")
    handle = os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(handle)
    waiting.replace(path)
    PosixDisk().sync_folder(path.parent)
