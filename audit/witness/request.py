"""What is sent to a witness: the body of C2SP tlog-witness `add-checkpoint` (c2sp.org/tlog-witness). Pure.

old <size that the witness knows>
<consistency proof, one base64 hash a line>

<the checkpoint, a signed note>
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

from audit.format import checkpoint
from audit.format.checkpoint import Checkpoint
from audit.format.note import MalformedNote, Note, strict_base64
from audit.format.proof import Proof

PROOF_LIMIT = 63
"""Lines of the longest proof that the protocol allows."""

REQUEST_LIMIT = 16_384
"""Bytes of the longest body that is read: the longest proof, and a checkpoint with a hundred signatures."""

_OLD = re.compile(rb"old (0|[1-9][0-9]{0,15})")


class MalformedRequest(Exception):
    """The bytes are no add-checkpoint body. The text says what is wrong with them."""


@dataclass(frozen=True, slots=True)
class Request:
    """A body taken apart; nothing of it is trusted. `note` is the checkpoint's, with its signatures."""

    old: int
    proof: Proof
    checkpoint: Checkpoint
    note: Note


def encode(old: int, proof: Sequence[bytes], signed: bytes) -> bytes:
    """The body. `signed` is the whole checkpoint note; every step of `proof` has 32 bytes."""
    steps = b"".join(base64.b64encode(step) + b"\n" for step in proof)
    return b"old %d\n%b\n%b" % (old, steps, signed)


def parse(body: bytes) -> Request:
    """Take a body apart, strictly. MalformedRequest says what is wrong."""
    if len(body) > REQUEST_LIMIT:
        raise MalformedRequest(f"is longer than {REQUEST_LIMIT} bytes")
    head, blank, signed = body.partition(b"\n\n")
    first, *steps = head.split(b"\n")
    old = _OLD.fullmatch(first)
    if not blank or old is None:
        raise MalformedRequest("is not `old <size>`, a proof, an empty line and a checkpoint")
    if len(steps) > PROOF_LIMIT:
        raise MalformedRequest(f"has a proof of more than {PROOF_LIMIT} lines")
    try:
        read, note = checkpoint.parse(signed)
    except MalformedNote as why:
        raise MalformedRequest(f"has a checkpoint that {why}") from None
    return Request(int(old[1]), tuple(_step(step) for step in steps), read, note)


def _step(line: bytes) -> bytes:
    step = strict_base64(line.decode("latin-1"))
    if step is None or len(step) != 32:
        raise MalformedRequest(f"has a proof line that is not the base64 of 32 bytes: {line[:80]!r}")
    return step
