"""Who may what across the boundary, and why: the sheets of each contract that was in force, as one table. Pure.

A contract's document is a JSON object of file names and their texts, among them `points.csv` (what SCADA may see) and
`commands.csv` (what it may ask).
"""

from __future__ import annotations

import csv
import io
import json
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Final

from audit.evidence import tables
from audit.evidence.tables import Row

COLUMNS: Final = (
    "contract", "name", "direction", "path", "mode or quantity", "limits", "reason", "owner", "ticket", "retired",
)  # fmt: skip

POINTS: Final = "points.csv"
COMMANDS: Final = "commands.csv"


def sheets_of(document: bytes) -> Mapping[str, str]:
    """The sheets in a contract's document; none where it is no such document."""
    try:
        files = json.loads(document)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(files, dict):
        return {}
    return {name: text for name in (POINTS, COMMANDS) if isinstance(text := files.get(name), str)}


def is_sheet(text: str) -> bool:
    """Whether it can be read as rows at all: not where a field is longer than anybody writes."""
    try:
        deque(_read(text), maxlen=0)
    except csv.Error:
        return False
    return True


def table(contracts: Mapping[str, Mapping[str, str]]) -> Iterator[bytes]:
    """The rows of all sheets that can be read, by contract; the first row has the columns."""
    yield tables.line(COLUMNS)
    for contract, sheets in contracts.items():
        for name, text in sheets.items():
            for row in _rows(text) if is_sheet(text) else ():
                yield tables.line(_point(contract, row) if name == POINTS else _command(contract, row))


def has_bcsi(sheets: Mapping[str, str]) -> bool:
    """Whether a row says that it is BES Cyber System Information, by the entity's own determination, or may say so, for
    nobody can read it."""
    return any(not is_sheet(text) or _calls_it_bcsi(text) for text in sheets.values())


def _calls_it_bcsi(text: str) -> bool:
    return any(row.get("bcsi") == "yes" for row in _rows(text))


def _read(text: str) -> csv.DictReader[str]:
    return csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))


def _rows(text: str) -> Iterator[Mapping[str, str]]:
    for row in _read(text):
        yield {name: (value or "").strip() for name, value in row.items() if isinstance(name, str)}


def _point(contract: str, row: Mapping[str, str]) -> Row:
    limits = (
        _range(row),
        _said("no faster than {} a second", row, "max_rate_per_s"),
        _said("stale after {} s", row, "stale_after_s"),
        _said("at least {} members", row, "min_members"),
        _said("at least {} % reporting", row, "min_coverage_pct"),
    )
    return _line(contract, row, "out", row.get("quantity", ""), limits)


def _command(contract: str, row: Mapping[str, str]) -> Row:
    limits = (
        _range(row),
        _said("at most {} W a step", row, "max_step_w"),
        _said("control {}", row, "control"),
        _said("hold {}", row, "hold"),
        _said("on isolation {}", row, "on_isolate"),
        _said("primacy {}", row, "primacy"),
    )
    return _line(contract, row, "in", row.get("mode", ""), limits)


def _line(contract: str, row: Mapping[str, str], direction: str, what: str, limits: tuple[str, ...]) -> Row:
    told = "; ".join(limit for limit in limits if limit)
    path, reason, owner, ticket = (row.get(name, "") for name in ("path", "reason", "owner", "ticket"))
    return contract, row.get("name", ""), direction, path, what, told, reason, owner, ticket, row.get("retired", "")


def _range(row: Mapping[str, str]) -> str:
    low, high = row.get("low", ""), row.get("high", "")
    return f"{low} to {high} {row.get('unit', '')}".rstrip() if low or high else ""


def _said(words: str, row: Mapping[str, str], name: str) -> str:
    return words.format(row[name]) if row.get(name) else ""
