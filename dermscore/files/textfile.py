"""Reading a text file that a person wrote, with messages that say what to do about one that cannot be read."""

from __future__ import annotations

import codecs
import os
import stat
from pathlib import Path
from typing import Final

from dermscore.errors import BadInput, Problem, Unreadable

MAX_BYTES: Final = 64 * 2**20
_UTF16_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, without a byte order mark.

    Raises:
        Unreadable: as `read_bytes` does.
        BadInput: the bytes are not UTF-8, with the line.
    """
    return decode(read_bytes(path), str(path))


def read_bytes(path: Path) -> bytes:
    """The bytes of a regular file. A FIFO would keep its reader waiting and a device might never end: neither is read.

    Raises:
        Unreadable: the file is missing, is no regular file, may not be read, or is larger than 64 MiB.
    """
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC), "rb") as file:
            regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            data = file.read(MAX_BYTES + 1) if regular else b""
    except IsADirectoryError:
        raise Unreadable([Problem(str(path), "", "is a folder; name the file in it")]) from None
    except OSError as error:
        raise Unreadable([Problem(str(path), "", f"cannot be read: {error.strerror}")]) from error
    if not regular:
        raise Unreadable([Problem(str(path), "", "is not a regular file but a device, a pipe or the like")])
    if len(data) > MAX_BYTES:
        raise Unreadable([Problem(str(path), "", f"is larger than {MAX_BYTES // 2**20} MiB; is it the right file?")])
    return data


def decode(data: bytes, where: str) -> str:
    """UTF-8 bytes as text, without a byte order mark.

    Raises:
        BadInput: the bytes are not UTF-8, with the line.
    """
    if data.startswith(_UTF16_MARKS):
        raise BadInput([Problem(where, "", "is UTF-16; save it as UTF-8")])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = f"byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise BadInput([Problem(f"{where}:{line}", "", what)]) from error
