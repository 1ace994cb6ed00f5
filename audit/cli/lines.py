"""Records as lines of text: sentences for people, JSON for programs. Pure.

What a record says may have been written by anybody. Nothing of it reaches a terminal but what can be printed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from audit.format.body import Encrypted, MalformedBody
from audit.format.canonical import NUMBER_LIMIT, Scalar
from audit.format.record import Header
from audit.telling.search import Row
from audit.words import printable, utc

Values = Mapping[str, Sequence[Scalar]] | str | None
"""A body's columns, or why they cannot be shown; None where there is none."""

_TIMES: Final = frozenset({"time_ms", "told_ms"})
"""Columns of UTC milliseconds."""


def as_json(header: Header, **more: Any) -> str:
    """One JSON object in ASCII, the members of the header and `more`."""
    return json.dumps(asdict(header) | more)


def sentence(header: Header) -> str:
    """One line: number, time, kind, and whatever else the header says."""
    said = [header.dir, header.decision, header.rule, header.reason]
    who = [f"session {header.session}" if header.session else "", f"peer {header.peer}" if header.peer else ""]
    count = [f"n={header.n}"] if header.n else []
    parts = [str(header.seq), utc(header.t), header.kind, *said, *who, *count]
    return "  ".join(printable(part) for part in parts if part)


def row_sentence(row: Row) -> str:
    """One row of a body in a line: its values by the names of their columns, times as times, nothing for nothing."""
    said = ((name, value) for name, value in row.items() if value != "" and (value is not None or name == "raw"))
    return "    " + "  ".join(f"{printable(name)} {_cell(name, value)}" for name, value in said)


def values_sentence(values: Mapping[str, Sequence[Scalar]] | str) -> str:
    return "    " + printable(json.dumps(values, ensure_ascii=False))


def why_no_values(found: Encrypted | MalformedBody) -> str:
    return "encrypted" if isinstance(found, Encrypted) else f"a body that {found.what}"


def _cell(name: str, value: Scalar) -> str:
    if name in _TIMES and type(value) is int and 0 <= value < NUMBER_LIMIT // 1000:
        return utc(value * 1000)
    return printable(value if isinstance(value, str) else json.dumps(value))
