"""A log's way to its witness: prove, submit, and keep the cosigned checkpoint beside the log. One owner, one task."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from audit.disk import PosixDisk
from audit.errors import AuditError
from audit.format.checkpoint import Checkpoint
from audit.format.layout import SEGMENT_LINES, Layout
from audit.witness import request
from audit.witness.client import Unreachable, Url, post
from audit.witness.cosignature import WitnessKey
from audit.witness.coverage import COSIGNED, Witnessed, witnessed
from audit.witness.prover import Tree, newest, prove
from audit.witness.store import put, read_note
from audit.witness.submission import Accepted, Alarm, Elsewhere, Outcome, Sent, Trouble, outrun, read

ATTEMPTS: Final = 4
"""Proofs in one round: another size is heard at most once for each submission by somebody else meanwhile."""


class Submitter:
    """Submits a log's newest checkpoint. Owner: the task that calls `submit`; the log's files are read in a thread."""

    def __init__(
        self,
        log: Path,
        url: Url,
        keys: Sequence[WitnessKey],
        tls: ssl.SSLContext | None = None,
        segment_lines: int = SEGMENT_LINES,
    ) -> None:
        """`log` is the log's folder, `keys` the witness's. `segment_lines` is for tests."""
        self._layout = Layout(log, segment_lines)
        self._url = url
        self._keys = tuple(keys)
        self._tls = tls
        self._known = Tree()  # of the last checkpoint that was cosigned, once this process has gone over its records
        self._seen: Witnessed | None = None  # what was cosigned last, by the file or by the witness's own word
        self._looked = False  # whether the file was read

    async def submit(self) -> Outcome:
        """One round: a cosignature of the newest checkpoint, kept durably by then, or why there is none."""
        try:
            return await self._round()
        except Unreachable as why:
            return Trouble(f"the witness cannot be reached: {why}")
        except (AuditError, OSError) as why:
            return Trouble(f"nothing can be submitted: {why}")

    async def _round(self) -> Outcome:
        if not self._looked:
            self._seen = await asyncio.to_thread(self._look)
            self._looked = True
        old = 0 if self._seen is None else self._seen.checkpoint.size
        for _ in range(ATTEMPTS):
            new, signed = await asyncio.to_thread(newest, self._layout)
            alarm = outrun(old, new)
            if alarm is not None:
                return alarm
            said = await self._try(old, new, signed)
            if not isinstance(said, Elsewhere):
                return said
            old = said.size
        return Trouble(f"the witness named another size {ATTEMPTS} times; somebody else submits this log's checkpoints")

    async def _try(self, old: int, new: Checkpoint, signed: bytes) -> Outcome | Elsewhere:
        proved = await asyncio.to_thread(prove, self._layout, old, new, self._known)
        seen = self._seen.checkpoint if self._seen is not None else None
        if seen is not None and seen.size == old and seen.root != proved.old.root:
            return Alarm(
                f"the first {old} records are not those that the witness has cosigned: the log was written anew"
            )
        body = request.encode(old, proved.proof, signed)
        said = read(await post(self._url, body, self._tls), Sent(old, new, signed), self._keys)
        if isinstance(said, Accepted):
            self._seen, self._known = said.seen, proved.new
            await asyncio.to_thread(put, PosixDisk(), self._layout.folder / COSIGNED, said.note)
        return said

    def _look(self) -> Witnessed | None:
        """What the file beside the log says; None where there is none of this witness."""
        try:
            found = witnessed(read_note(self._layout.folder / COSIGNED), self._keys)
        except FileNotFoundError:
            return None
        return found if isinstance(found, Witnessed) else None
