"""C2SP checkpoints (c2sp.org/tlog-checkpoint): the signed statement of a log's origin, size and root. Pure."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.format import note
from audit.format.layout import SEGMENT_LINES, SEGMENTS
from audit.format.note import MalformedNote, Note

_TEXT = re.compile(r"([A-Za-z0-9._/:-]{1,128})\n(0|[1-9][0-9]{0,15})\n([A-Za-z0-9+/]{43}=)\n")

SIZE_LIMIT = SEGMENTS * SEGMENT_LINES
"""Records of the longest log, 6,553,600,000,000: a segment's number has eight digits."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`size` records of log `origin` have the RFC 6962 root `root` (32 bytes)."""

    origin: str
    size: int
    root: bytes


def text(checkpoint: Checkpoint) -> bytes:
    """The three lines that are signed."""
    root = base64.b64encode(checkpoint.root).decode()
    return f"{checkpoint.origin}\n{checkpoint.size}\n{root}\n".encode()


def sign(checkpoint: Checkpoint, key: Ed25519PrivateKey) -> bytes:
    """The signed note; the key's name is the origin."""
    return note.sign(text(checkpoint), checkpoint.origin, key)


def parse(data: bytes) -> tuple[Checkpoint, Note]:
    """Take a checkpoint apart; MalformedNote says what is wrong. Nothing is trusted before `note.check` says so."""
    parsed = note.parse(data)
    match = _TEXT.fullmatch(parsed.text.decode())
    if match is None:
        raise MalformedNote("is not origin, size and root, one line each")
    checkpoint = Checkpoint(match[1], int(match[2]), base64.b64decode(match[3]))
    if checkpoint.size > SIZE_LIMIT or text(checkpoint) != parsed.text:
        raise MalformedNote("has a size or a root that is not written in its one spelling")
    return checkpoint, parsed
