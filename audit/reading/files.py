"""Reading what strangers may have put there: regular files only, opened without waiting for anybody.

A FIFO or a device in a log's place would otherwise keep its reader for ever, or never end. Symbolic links are followed.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

_BUFFER: Final = 2**16
"""Bytes read at once: files are read from one end to the other."""


def open_regular(path: Path) -> BinaryIO:
    """The file, for reading. FileNotFoundError where it is missing, OSError where it is anything else or unreadable."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return os.fdopen(handle, "rb", _BUFFER)
    os.close(handle)
    raise OSError(errno.EINVAL, "not a regular file", str(path))


def is_there(path: Path) -> bool:
    """Whether anything has this name; a link that leads nowhere has not. OSError where that cannot be seen."""
    try:
        path.stat()
    except FileNotFoundError:
        return False
    return True


def size_of(path: Path) -> int:
    """Bytes of a regular file; 0 where there is none, whatever else is there. OSError where that cannot be seen."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def names_in(folder: Path) -> list[str]:
    """The names in a folder, none where it is missing. OSError where they cannot be listed."""
    try:
        return [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []
