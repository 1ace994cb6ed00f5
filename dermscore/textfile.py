"""Reading a text file that a person wrote, with messages that say what to do about one that cannot be read."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Final

from dermscore.errors import BadInput, Problem, Unreadable

MAX_BYTES: Final = 64 * 2**20
_UTF16_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, without a byte order mark.

    Raises:
        Unreadable: the file is missing, is not a file, may not be read, or is larger than 64 MiB.
        BadInput: the bytes are not UTF-8, with the line.
    """
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= MAX_BYTES else b""
    except OSError as error:
        raise Unreadable([Problem(str(path), "", f"cannot be read: {error.strerror}")]) from error
    if size > MAX_BYTES:
        raise Unreadable([Problem(str(path), "", f"is larger than {MAX_BYTES // 2**20} MiB")])
    return decode(data, str(path))


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
