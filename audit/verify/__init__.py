"""Verification by people who trust nobody: a log folder, a public key from elsewhere, a verdict.

Reads the checkpoint first and never looks behind what it covers, so a log may grow while it is verified. The checks and
their order are `docs/reference/audit-format.md`, "Verifying". The folder is opened for reading only, without its lock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from audit.approval import Ring
from audit.format.layout import SEGMENT_LINES, Layout
from audit.format.note import VerifierKey
from audit.secrecy import BodyKeys
from audit.verify import trust
from audit.verify.reader import Reader
from audit.verify.scope import EVERYTHING, Scope
from audit.verify.trust import Newest
from audit.verify.verdict import CouldNotTell, Stop, Tampered, Verdict, Verified
from audit.verify.workers import Paced, Start, WorkerDied, process, scanning

__all__ = ["CouldNotTell", "Progress", "Scope", "Tampered", "Verdict", "Verified", "verify"]

Progress = Callable[[int, int], None]
"""Called with how many records were checked, and how many there are. It must not raise."""


def verify(
    folder: Path,
    public_keys: Sequence[VerifierKey],
    *,
    ring: Ring | None = None,
    body_keys: BodyKeys | None = None,
    scope: Scope = EVERYTHING,
    as_of: bytes | None = None,
    workers: int = 1,
    progress: Progress | None = None,
    segment_lines: int = SEGMENT_LINES,
    start: Start = process,
) -> Verdict:
    """The verdict on the log in `folder` by keys that come from outside it.

    Approvals are judged by `ring`, encrypted bodies read with `body_keys`, where they are at hand. `scope` leaves
    bodies out, and the verdict says how many. `as_of`: a checkpoint of the log that was read before, in place of its
    newest one: the verdict is on what that covers. `workers` segments are checked at the same time, each by a process
    of its own if there are several: the verdict is that of one. The script that calls this with more than one must be
    one that `multiprocessing` can import (`if __name__ == "__main__"`), and `body_keys` must be what pickle takes.

    `progress` is called at most ten times a second, in this thread, and at the end. `segment_lines`, and `start`, which
    starts a worker, are for tests.
    """
    layout = Layout(folder, segment_lines)
    try:
        newest = trust.newest_checkpoint(layout, public_keys, as_of)
        told = Paced(_adding(newest.checkpoint.size, progress))
        reader = Reader(layout, newest.checkpoint, ring, scope)
        try:
            with scanning(reader.segments, workers, told, start) as scans:
                reader.read(scans, body_keys)
        finally:
            told.flush()
        return _whole(reader, layout, newest, public_keys)
    except Stop as stop:
        return stop.verdict
    except OSError as problem:
        return CouldNotTell(f"a file cannot be read: {problem}")
    except WorkerDied as problem:
        return CouldNotTell(str(problem))


def _adding(in_all: int, progress: Progress | None) -> Callable[[int], None]:
    """Tells `progress` the sum of what it is told. Of a log that has to be begun again, it says no more than all."""
    done = 0

    def tell(more: int) -> None:
        nonlocal done
        done = min(done + more, in_all)
        if progress is not None:
            progress(done, in_all)

    return tell


def _whole(reader: Reader, layout: Layout, newest: Newest, keys: Sequence[VerifierKey]) -> Verified:
    """Steps F to H, once the records have the checkpoint's root."""
    claims = reader.claims
    signer = claims.epochs.signer(layout, newest, keys)
    wrong = claims.unexplained()
    if wrong is not None:
        raise reader.stop(wrong)
    return Verified(
        origin=newest.checkpoint.origin,
        key=signer,
        key_changes=claims.epochs.changes,
        records=newest.checkpoint.size,
        pruned_records=len(claims.read_pruned) * layout.segment_lines,
        packed_segments=len(claims.read_packed),
        root=newest.checkpoint.root.hex(),
        bodies=reader.bodies,
        encrypted_bodies=reader.encrypted,
        decrypted_bodies=reader.decrypted,
        openings=reader.openings,
        cuts=reader.cuts,
        gaps=reader.gaps,
        clock_steps=reader.clock_steps,
        rebased_from=claims.rebased_from,
        approvals_unchecked=claims.unchecked,
        since=reader.since,
        proved_until=reader.until,
        unreleased_bytes=reader.unreleased(),
        bodies_unread=reader.unread,
        timeline=reader.telling.told(),
    )
