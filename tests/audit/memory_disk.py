"""A file system in memory that forgets what was not synced, fails on demand, and can lie about syncing.

A file's bytes are durable after `sync`, its name after `sync_folder`. A power cut keeps what is durable and, of the
rest, whatever chance leaves: any mixture of old and new blocks, any length between, any prefix of a folder's renames.
"""

from __future__ import annotations

import errno
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

BLOCK = 64

Fault = Callable[[str, Path], OSError | None]
"""Asked before every operation, by its name and path; what it returns is raised."""


def no_fault(operation: str, path: Path) -> OSError | None:
    return None


def failing_at(number: int, *, times: int = 1, code: int = errno.ENOSPC) -> Fault:
    """Fail `times` operations, from operation `number` (0 is the next) on."""
    count = -1

    def fault(operation: str, path: Path) -> OSError | None:
        nonlocal count
        count += 1
        return OSError(code, "no space left on device") if number <= count < number + times else None

    return fault


@dataclass
class Inode:
    data: bytearray = field(default_factory=bytearray)
    durable: bytes = b""


@dataclass
class Folder:
    names: dict[str, Inode] = field(default_factory=dict)
    durable: dict[str, Inode] = field(default_factory=dict)
    journal: list[Callable[[dict[str, Inode]], None]] = field(default_factory=list)

    def do(self, change: Callable[[dict[str, Inode]], None]) -> None:
        change(self.names)
        self.journal.append(change)


class MemoryFile:
    def __init__(self, disk: MemoryDisk, path: Path, inode: Inode) -> None:
        self._disk = disk
        self._path = path
        self._inode = inode

    def write_at(self, offset: int, data: bytes) -> None:
        content = self._inode.data
        content.extend(bytes(max(0, offset - len(content))))
        half = len(data) // 2
        content[offset : offset + half] = data[:half]  # a failing disk has taken some of it
        self._disk.check("write", self._path)
        content[offset : offset + len(data)] = data

    def read_at(self, offset: int, length: int) -> bytes:
        self._disk.check("read", self._path)
        return bytes(self._inode.data[offset : offset + length])

    def size(self) -> int:
        self._disk.check("size", self._path)
        return len(self._inode.data)

    def truncate(self, length: int) -> None:
        self._disk.check("truncate", self._path)
        del self._inode.data[length:]

    def sync(self) -> None:
        self._disk.check("sync", self._path)
        if not self._disk.lies:
            self._inode.durable = bytes(self._inode.data)

    def close(self) -> None:
        pass


class Lock:
    def __init__(self, disk: MemoryDisk) -> None:
        self._disk = disk

    def close(self) -> None:
        self._disk.locked = False


class MemoryDisk:
    """Implements `audit.disk.Disk`. `operations` counts what was asked of it."""

    def __init__(self) -> None:
        self.folders: dict[Path, Folder] = {}
        self.fault: Fault = no_fault
        self.lies = False
        self.locked = False
        self.operations = 0

    def check(self, operation: str, path: Path) -> None:
        self.operations += 1
        problem = self.fault(operation, path)
        if problem is not None:
            raise problem

    def open(self, path: Path) -> MemoryFile:
        self.check("open", path)
        folder = self.folders[path.parent]
        if path.name not in folder.names:
            inode = Inode()
            folder.do(lambda names: names.__setitem__(path.name, inode))
        return MemoryFile(self, path, folder.names[path.name])

    def exists(self, path: Path) -> bool:
        self.check("exists", path)
        return path in self.folders or (path.parent in self.folders and path.name in self.folders[path.parent].names)

    def replace(self, source: Path, target: Path) -> None:
        self.check("replace", target)
        folder = self.folders[source.parent]
        folder.do(lambda names: names.__setitem__(target.name, names.pop(source.name)))

    def make_folder(self, path: Path) -> None:
        self.check("make_folder", path)
        if path in self.folders:
            raise FileExistsError(path)
        self.folders[path] = Folder()

    def names(self, folder: Path) -> list[str]:
        self.check("names", folder)
        inner = [path.name for path in self.folders if path.parent == folder]
        return sorted([*self.folders[folder].names, *inner])

    def sync_folder(self, folder: Path) -> None:
        self.check("sync_folder", folder)
        known = self.folders.get(folder)
        if known is not None and not self.lies:
            known.durable = dict(known.names)
            known.journal.clear()

    def lock(self, path: Path) -> Lock:
        if self.locked:
            raise BlockingIOError
        self.locked = True
        return Lock(self)

    def after_power_cut(self, chance: random.Random) -> MemoryDisk:
        """What another boot finds."""
        found = MemoryDisk()
        for path, folder in self.folders.items():
            names = dict(folder.durable)
            for change in folder.journal[: chance.randint(0, len(folder.journal))]:
                change(names)
            kept = {name: _survivor(inode, chance) for name, inode in names.items()}
            found.folders[path] = Folder(dict(kept), dict(kept))
        return found

    def write_out(self, folder: Path) -> None:
        """Put everything into real folders, for those who read real files."""
        for path, content in self.folders.items():
            (folder / path.name if path.name != "trail" else folder).mkdir(parents=True, exist_ok=True)
            for name, inode in content.names.items():
                (folder / path.name / name if path.name != "trail" else folder / name).write_bytes(inode.data)


def _survivor(inode: Inode, chance: random.Random) -> Inode:
    old, new = inode.durable, bytes(inode.data)
    length = chance.choice([len(old), len(new), chance.randint(*sorted((len(old), len(new))))])
    blocks = []
    for start in range(0, length, BLOCK):
        source = chance.choice([old, new])
        block = source[start : start + BLOCK] or old[start : start + BLOCK] or new[start : start + BLOCK]
        blocks.append(block.ljust(min(BLOCK, length - start), b"\0"))
    data = b"".join(blocks)[:length] if new != old else old
    return Inode(bytearray(data), bytes(data))
