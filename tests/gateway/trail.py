"""Reading a gateway's trail the way a verifier does: only what the checkpoint covers, and only after it verified."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit import keys
from audit.format import body as bodies
from audit.format.body import Opened
from audit.format.layout import Layout
from audit.format.record import Header, decode
from audit.verify import Verified, verify


@dataclass(frozen=True)
class Read:
    header: Header
    columns: dict[str, Any]


def verified(folder: Path) -> Verified:
    """The verdict on a gateway's trail, which must be good."""
    verdict = verify(folder / "trail", keys.load_public(folder / "keys" / "audit.pub"))
    assert isinstance(verdict, Verified), verdict
    return verdict


def records(folder: Path) -> list[Read]:
    """Every released record, verified first."""
    return list(_records(folder / "trail", verified(folder).records))


def shown(folder: Path) -> set[tuple[str, int, int]]:
    """(point, raw, quality bits) of everything that the trail says was, or may have been, shown."""
    found: set[tuple[str, int, int]] = set()
    for read in records(folder):
        if read.header.kind in ("crossing.out", "worsened"):
            found |= set(zip(read.columns["point"], read.columns["raw"], read.columns["quality"], strict=True))
    return found


def _records(trail: Path, count: int) -> Iterator[Read]:
    layout = Layout(trail)
    segments = range(layout.segment_of(count - 1) + 1)
    lines = b"".join(layout.headers(each).read_bytes() for each in segments).splitlines()[:count]
    stored = b"".join(layout.bodies(each).read_bytes() for each in segments if layout.bodies(each).exists())
    offset = 0
    for line in lines:
        header = decode(line)
        columns: dict[str, Any] = {}
        if header.body is not None:
            opened = bodies.open_stored(stored[offset : offset + header.body.len])
            offset += header.body.len
            assert isinstance(opened, Opened)
            columns = dict(opened.columns)
        yield Read(header, columns)
