"""Packing the trail's full segments while the gateway runs: now and then, in a thread of its own, and nobody waits.

The writer never touches a full segment again, and whoever reads takes the plain file or the packed one: they say the
same. The plain one stays for a day, for those who began to read before. docs/howto/retention.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from audit import keeping
from audit.format import checkpoint
from audit.format.layout import Layout
from audit.keeping.retention import DAY_US
from audit.log import Log
from audit.witness.store import read_note
from daemon import logs
from dermscore.model import Now

EVERY_S: Final = 3600.0

log = logs.get(__name__)


class Done(NamedTuple):
    """The segments that were packed, and those whose plain files went."""

    packed: tuple[int, ...]
    dropped: tuple[int, ...]


async def run(trail: Log, layout: Layout, after_days: int | None, now: Callable[[], Now]) -> None:
    """Look every hour, until it is cancelled; `after_days` None: never."""
    while after_days is not None:
        await asyncio.sleep(EVERY_S)
        try:
            done = await asyncio.to_thread(pack, trail, layout, after_days, now().utc_ms * 1000)
        except Exception:  # whatever it is, the trail is whole without it, and the next hour tries again
            log.exception("the trail could not be packed")
            continue
        if done.packed or done.dropped:
            log.info("the trail was packed", segments=done.packed, plain_files_removed=done.dropped)


def pack(trail: Log, layout: Layout, after_days: int, now_us: int) -> Done:
    """Pack the segments that were full `after_days` before `now_us`, and remove the plain files of those packed a day
    before it. By the files' own times it reads nothing where there is nothing to do. AuditError, OSError.
    """
    size = checkpoint.parse(read_note(layout.checkpoint))[0].size
    plain = [segment for segment in range(size // layout.segment_lines) if layout.headers(segment).exists()]
    waiting = [segment for segment in plain if _due(layout, segment, after_days, now_us)]
    if not waiting:
        return Done((), ())
    dropped = keeping.drop_plain(layout, size, now_us, waiting[0])
    left = [segment for segment in waiting if segment not in dropped]
    return Done(keeping.pack(trail, layout, size, left), dropped)


def _due(layout: Layout, segment: int, after_days: int, now_us: int) -> bool:
    """Whether it is to be packed, or its plain file to be removed, or its packing was interrupted before its record."""
    packed = layout.packed(segment)
    if packed.exists():
        return _age_us(packed, now_us) >= keeping.PLAIN_STAYS_US
    return _age_us(layout.headers(segment), now_us) >= after_days * DAY_US


def _age_us(path: Path, now_us: int) -> int:
    return now_us - path.stat().st_mtime_ns // 1000
