"""What is done to a log as a whole, offline or by its gateway: pack it, prune it, begin it anew after a restore.

Each is a record of the log, and durable in an order that leaves a log which verifies wherever it stops.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.disk import PosixDisk, write_durable
from audit.errors import LogExists, NotRecorded
from audit.format.kinds import PACKED
from audit.format.layout import SEGMENT_LINES, Layout
from audit.format.note import verifier_key
from audit.format.record import Entry, Header
from audit.format.statement import Pruning, Rebase, pruning
from audit.format.step import THRESHOLD_US
from audit.keeping import stock
from audit.keeping.retention import DAY_US
from audit.keeping.stock import Segment
from audit.log import Log

PLAIN_STAYS_US: Final = DAY_US
"""How long a packed segment's plain file stays: whoever began to verify before has ended by then."""


def pack(log: Log, layout: Layout, size: int, among: Sequence[int] | None = None) -> tuple[int, ...]:
    """Pack the full segments among the first `size` records of which none of these says so. Which ones.

    `among`: no others than these, ascending. OSError, NotRecorded: a packed file without its record is made again next
    time.
    """
    wanted = range(size // layout.segment_lines) if among is None else among
    told, done = stock.packings(layout, size, next(iter(wanted), 0)), []
    for segment in wanted:
        plain, packed = layout.headers(segment), layout.packed(segment)
        if plain.exists() and segment not in told:
            data = gzip.compress(plain.read_bytes(), mtime=0)
            write_durable(packed, data)
            log.state(Entry(PACKED, n=segment, digests={"file": sha256(data).hexdigest()})).result()
            done.append(segment)
    return tuple(done)


def drop_plain(layout: Layout, size: int, now: int, first: int = 0) -> tuple[int, ...]:
    """Remove the plain files of segments from `first` on that were packed a day before `now` or earlier. Which ones."""
    done = []
    for segment, header in sorted(stock.packings(layout, size, first).items()):
        plain = layout.headers(segment)
        if header.t + PLAIN_STAYS_US <= now and plain.exists() and _is(layout.packed(segment), header):
            plain.unlink()
            done.append(segment)
    return tuple(done)


def _is(packed: Path, header: Header) -> bool:
    return packed.exists() and sha256(packed.read_bytes()).hexdigest() == header.digests.get("file")


def prune(log: Log, layout: Layout, segments: Sequence[Segment], approval: bytes, reason: str) -> Pruning:
    """Take these neighbouring segments' lines and bodies away. `approval` was found good. OSError, NotRecorded."""
    said = pruning(segments[0].span.segment, [segment.sealed for segment in segments])
    for segment in segments:
        number = segment.span.segment
        write_durable(layout.kept(number), segment.kept)
        write_durable(layout.hashes(number), segment.hashes)
    entry = said.entry(_put_approval(layout, approval), reason)
    log.state(entry).result()
    for segment in segments:
        number = segment.span.segment
        for path in (layout.headers(number), layout.packed(number), layout.bodies(number)):
            path.unlink(missing_ok=True)
    return said


def _put_approval(layout: Layout, approval: bytes) -> str:
    """Make an approval durable in the log's folder; its digest."""
    digest = sha256(approval).hexdigest()
    layout.approvals_folder.mkdir(mode=0o750, exist_ok=True)
    write_durable(layout.approval(digest), approval)
    return digest


def rebase(
    folder: Path,
    key: Ed25519PrivateKey,
    origin: str,
    old: Rebase,
    approval: bytes,
    *,
    segment_lines: int = SEGMENT_LINES,
) -> None:
    """Begin a new log that carries on after `old`. `approval` was found good. LogExists, NotRecorded, BadKey, OSError.

    It is made beside `folder` and moved there whole: no log without its first record is left for anybody to open.
    """
    if folder.exists() and any(folder.iterdir()):
        raise LogExists(f"{folder} is not empty; a log begins in a folder of its own")
    waiting = folder.with_name(f"{folder.name}.next")
    Log.init(waiting, key, origin, segment_lines=segment_lines)
    digest = _put_approval(Layout(waiting, segment_lines), approval)
    first = old.entry(verifier_key(origin, key.public_key()), digest, THRESHOLD_US)
    with Log.open(waiting, key, first=first, segment_lines=segment_lines) as log:
        pass
    if not log.health.ok:
        raise NotRecorded(f"{folder} was not begun: {log.health.reason}. Remove {waiting} and try again")
    waiting.replace(folder)
    PosixDisk().sync_folder(folder.parent)
