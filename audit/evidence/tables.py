"""The tables of an evidence file: what the records say, for people and their spreadsheets. Pure.

`docs/reference/evidence-format.md`, "Tables": each has one spelling, so a row that was hidden or altered is found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from audit.approval import Approval, written
from audit.format import kinds
from audit.format.record import Header
from audit.words import utc

Row = Sequence[str]
Rows = Callable[[Header], Iterable[Row]]
ApprovalOf = Callable[[str], Approval | None]
"""The approval of this digest, if the evidence has it and it has the form of one."""

_QUOTED = re.compile(r'[,"\r\n]')
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")

_RECORD: Final = ("seq", "time", "kind", "dir", "decision", "rule", "reason", "peer", "session", "n")
_CONFIGURATION: Final = ("seq", "time", "kind", "name", "digest", "document")
_CHANGES: Final = ("seq", "time", "decision", "contract", "old", "ticket", "author", "effective", "approved_by")

NOT_IN_FORCE: Final = frozenset(
    {"approval", "subject", "evidence", "review", "root", "kept", "headers", "bodies", "file", "old"}
)
"""Digests that name a thing once, and nothing that stays in force."""


@dataclass(frozen=True, slots=True)
class Table:
    """Its columns, and the rows that a record asked for makes in it; they may depend on the records before."""

    columns: Row
    rows: Rows


def line(row: Row) -> bytes:
    """A row of a table, as it stands in the file."""
    return (",".join(map(_field, row)) + "\r\n").encode()


def _field(text: str) -> str:
    if text.startswith(_FORMULA):
        text = f"'{text}"  # or a spreadsheet takes it for a formula
    if _QUOTED.search(text):
        return '"' + text.replace('"', '""') + '"'
    return text


NAMES: Final = (
    "records.csv", "denials.csv", "crossings.csv", "sessions.csv", "isolation.csv", "restarts.csv",
    "configuration.csv", "changes.csv",
)  # fmt: skip


def tables(documents: Container[str], approval_of: ApprovalOf) -> Mapping[str, Table]:
    """All tables by their names, fresh. `documents`: digests of those that the evidence has."""
    return {
        "records.csv": _records(lambda header: True),
        "denials.csv": _records(lambda header: header.kind == "denied"),
        "crossings.csv": _records(lambda header: header.dir != ""),
        "sessions.csv": _records(lambda header: header.kind in ("link", "face")),
        "isolation.csv": _records(lambda header: header.kind == kinds.ISOLATION),
        "restarts.csv": _records(lambda header: kinds.is_logs_own(header.kind) or header.kind == "gateway"),
        "configuration.csv": Table(_CONFIGURATION, _Configuration(documents).rows),
        "changes.csv": Table(_CHANGES, lambda header: _change(header, approval_of)),
    }


def _records(takes: Callable[[Header], bool]) -> Table:
    return Table(_RECORD, lambda header: (_record(header),) if takes(header) else ())


def _record(header: Header) -> Row:
    return (
        str(header.seq), utc(header.t), header.kind, header.dir, header.decision, header.rule, header.reason,
        header.peer, header.session, str(header.n),
    )  # fmt: skip


class _Configuration:
    """Which digest each name last had. Owned by the one reader of the records."""

    def __init__(self, documents: Container[str]) -> None:
        self._documents = documents
        self._last: dict[str, str] = {}

    def rows(self, header: Header) -> Iterable[Row]:
        for name in sorted(header.digests.keys() - NOT_IN_FORCE):
            digest = header.digests[name]
            if self._last.get(name) != digest:
                self._last[name] = digest
                document = "yes" if digest in self._documents else "no"
                yield str(header.seq), utc(header.t), header.kind, name, digest, document


def _change(header: Header, approval_of: ApprovalOf) -> Iterable[Row]:
    if header.kind != kinds.CONTRACT_CHANGE:
        return
    approval = approval_of(header.digests.get("approval", ""))
    told = (header.rule, "", "", "")
    if approval is not None:
        asked = approval.request
        told = (asked.ticket, asked.author, written(asked.effective), " ".join(approval.signers))
    contract, old = header.digests.get("contract", ""), header.digests.get("old", "")
    yield str(header.seq), utc(header.t), header.decision, contract, old, *told
