"""What a log makes of a witness's answer to its checkpoint: the other half of C2SP tlog-witness. Pure.

A witness that cannot be reached, or does not know the log, is trouble: serving goes on, and somebody is told. An alarm
is another thing: a witness has said that the log is not the one that it saw.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from audit.format import note as notes
from audit.format.checkpoint import Checkpoint
from audit.format.note import MalformedNote
from audit.witness import cosignature
from audit.witness.cosignature import Cosigned, WitnessKey
from audit.witness.coverage import Witnessed
from audit.witness.rules import Status

SIZE_KIND = "text/x.tlog.size"
"""The content type of a CONFLICT's body: the size that the witness has, decimal, and a newline."""

_SIZE = re.compile(rb"(0|[1-9][0-9]{0,15})\n")


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: status code, content type in small letters without parameters, body."""

    status: int
    kind: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Sent:
    """What was submitted: the size that the proof began at, and the checkpoint with its whole note."""

    old: int
    checkpoint: Checkpoint
    signed: bytes


@dataclass(frozen=True, slots=True)
class Accepted:
    """Cosigned. `note` is the checkpoint's with the witness's lines behind the log's."""

    note: bytes
    seen: Witnessed


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The witness has cosigned another size than the proof began at: begin there."""

    size: int


@dataclass(frozen=True, slots=True)
class Alarm:
    """The witness has seen a log that this one does not continue."""

    why: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """No cosignature this time, and nothing said about the log."""

    why: str


Outcome = Accepted | Alarm | Trouble


def read(answer: Answer, sent: Sent, keys: Sequence[WitnessKey]) -> Outcome | Elsewhere:
    """What `answer` means for what was `sent`."""
    if answer.status == Status.COSIGNED:
        return _accepted(answer.body, sent, keys)
    if answer.status == Status.CONFLICT:
        return _conflict(answer, sent)
    if answer.status == Status.NOT_PROVED:
        return Alarm(
            f"the witness finds that the log of {sent.checkpoint.size} records does not continue the one of {sent.old} "
            "that it has cosigned: the log was written anew, or there are two views of it"
        )
    if answer.status == Status.UNKNOWN_LOG:
        return Trouble(
            f"the witness does not know {sent.checkpoint.origin} (404); on its host: `derms audit witness trust`"
        )
    if answer.status == Status.NOT_SIGNED:
        return Trouble("the witness has another key for this log (403); on its host: `derms audit witness trust`")
    return Trouble(f"the witness answered {answer.status}: {_said(answer.body)}")


def outrun(size: int, newest: Checkpoint) -> Alarm | None:
    """Whether a witness has cosigned more than there is. `newest` was read after `size` was heard."""
    if size <= newest.size:
        return None
    return Alarm(
        f"the witness has cosigned {size} records and the log has {newest.size}: the log was rolled back, or records "
        "were taken away"
    )


def _conflict(answer: Answer, sent: Sent) -> Outcome | Elsewhere:
    match = _SIZE.fullmatch(answer.body) if answer.kind == SIZE_KIND else None
    if match is None:
        return Trouble(f"the witness answered 409 without a size: {_said(answer.body)}")
    size = int(match[1])
    if size != sent.old:
        return Elsewhere(size)
    if size == sent.checkpoint.size:
        return Alarm(
            f"the witness has cosigned another log of {size} records: it was written anew, or there are two views of it"
        )
    return Trouble(f"the witness asks for a proof from size {size}, and does not take the one that it was sent")


def _accepted(body: bytes, sent: Sent, keys: Sequence[WitnessKey]) -> Outcome:
    asked = notes.parse(sent.signed)
    try:
        told = notes.parse(sent.signed + body)
    except MalformedNote as why:
        return Trouble(f"the witness's answer {why}")
    if told.text != asked.text:
        return Trouble("the witness's answer is more than signature lines")
    match cosignature.check(told, keys):
        case Cosigned(key, time_s):
            known = {(each.name, each.key_id) for each in keys}
            own = [line for line in asked.signatures if (line.name, line.key_id) not in known]
            new = [line for line in told.signatures if (line.name, line.key_id) in known]
            note = told.text + b"\n" + b"".join(notes.signature_line(line) for line in (*own, *new))
            return Accepted(note, Witnessed(sent.checkpoint, time_s, key))
        case cosignature.Uncosigned(forged=True):
            return Trouble("the witness's cosignature is wrong")
        case _:
            return Trouble("the witness answered without a cosignature by the key that is configured for it")


def _said(body: bytes) -> str:
    return repr(body[:200].decode("ascii", "replace").strip())
