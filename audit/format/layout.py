"""Where things are in a log's folder. Pure names, no files touched."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

SEGMENT_LINES = 65_536
"""Records in a full segment: a perfect subtree of the Merkle tree."""

SEGMENTS = 10**8
"""Segments of the longest log: their numbers have eight digits."""

_NUMBER = re.compile(r"[0-9]{8}")


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of one log. `segment_lines` is 65,536 in every log; tests use fewer, to cross segments soon."""

    folder: Path
    segment_lines: int = SEGMENT_LINES

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint"

    @property
    def next_checkpoint(self) -> Path:
        """Where the next checkpoint is made durable before it takes the other's name."""
        return self.folder / "checkpoint.next"

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    @property
    def headers_folder(self) -> Path:
        return self.folder / "headers"

    @property
    def bodies_folder(self) -> Path:
        return self.folder / "bodies"

    def headers(self, segment: int) -> Path:
        return self.headers_folder / f"{segment:08d}.jsonl"

    def bodies(self, segment: int) -> Path:
        return self.bodies_folder / f"{segment:08d}.bin"

    def packed(self, segment: int) -> Path:
        return self.headers_folder / f"{segment:08d}.jsonl.gz"

    def hashes(self, segment: int) -> Path:
        return self.headers_folder / f"{segment:08d}.hashes"

    def kept(self, segment: int) -> Path:
        return self.headers_folder / f"{segment:08d}.kept"

    @property
    def seals_folder(self) -> Path:
        return self.folder / "seals"

    def seal(self, seq: int) -> Path:
        """The old key's checkpoint that covers the change of the key in record `seq`."""
        return self.seals_folder / f"{seq:016d}"

    @property
    def approvals_folder(self) -> Path:
        return self.folder / "approvals"

    def approval(self, digest: str) -> Path:
        return self.approvals_folder / digest

    def segment_of(self, seq: int) -> int:
        return seq // self.segment_lines


def segment_named(name: str, known: Path) -> int | None:
    """The segment that a file of this name beside `known`, a header or body file, is of; None if it is of none."""
    number = name.removesuffix(known.suffix)
    return int(number) if name != number and _NUMBER.fullmatch(number) else None
