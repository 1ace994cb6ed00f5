"""Which contract was in force last, by the trail itself: there is no second place that could say otherwise.

Every record of a crossing, a command, a start or a sign of life names the contract, and no record names another one
before the `contract.change` that brought it into force is released. So the newest record that names one says it.
"""

from __future__ import annotations

from typing import Final

from audit.format import checkpoint, record
from audit.format.kinds import CONTRACT_CHANGE
from audit.format.layout import Layout
from audit.reading import forms
from audit.reading.forms import Written
from audit.witness.store import read_note

# Canonical JSON has no other spelling of these members, and a quote inside a text is escaped.
_NAMES: Final = b'"contract":"'
_REFUSED: Final = (b'"decision":"refused"', f'"kind":"{CONTRACT_CHANGE}"'.encode())


def last(layout: Layout) -> str | None:
    """The digest of the contract that was in force when the newest record that names one was written; None: none does.

    Reads the released records from the newest segment back, and a running writer does not matter. For a log that
    opened just now: what it holds is not verified. OSError, MalformedNote, NotOneMember.
    """
    size = checkpoint.parse(read_note(layout.checkpoint))[0].size
    for segment in reversed(range(-(-size // layout.segment_lines))):
        line = _newest_line(layout, segment, min(layout.segment_lines, size - segment * layout.segment_lines))
        if line:
            return record.decode(line[:-1]).digests["contract"]
    return None


def _newest_line(layout: Layout, segment: int, count: int) -> bytes:
    """The last of a segment's first `count` lines that names a contract in force; empty where none does."""
    lines = forms.open_lines(layout, segment, full=count == layout.segment_lines)
    if not isinstance(lines, Written):
        return b""  # pruned: none of the lines that stay names one
    newest = b""
    with lines:
        for _ in range(count):
            line = lines.line()
            if _NAMES in line and not all(part in line for part in _REFUSED):
                newest = line
    return newest
