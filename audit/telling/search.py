"""Which released records somebody wants to see, and which rows of their bodies. Pure.

Most lines are turned away by their bytes alone: what is asked for exactly must stand in a canonical line in its one
spelling. What passes that sieve is read and asked again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from audit.format.canonical import Scalar, string
from audit.format.record import Header

_T: Final = re.compile(rb',"t":([0-9]{1,16}),"v":[0-9]+\}$')
_TAIL: Final = 40
"""Bytes from the end of a line that hold its `t`."""
_NO_REASON: Final = b',"reason":"","rule":'

Columns = Mapping[str, Sequence[Scalar]]
Row = dict[str, Scalar]

_SHOWN: Final = ("point", "raw", "quality", "time_ms", "rule")
_REFUSED: Final = ("refused", "refused_value", "refused_rule")
_POINTS: Final = ((_SHOWN, "rule"), (_REFUSED, "refused_rule"))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a record's header must say. None, or an empty text, asks for nothing.

    `kinds`: any of them, `log.*` for all that begin so. `since` and `until`: UTC microseconds, from and before. `text`
    stands somewhere in the reason, in capitals or not. `rule` is the whole rule or one of several with commas between.
    """

    kinds: tuple[str, ...] = ()
    session: str | None = None
    peer: str | None = None
    decision: str | None = None
    rule: str | None = None
    text: str | None = None
    since: int | None = None
    until: int | None = None
    first: int = 0

    def spelling(self) -> tuple[bytes, ...]:
        """What stands in every line of these, byte for byte."""
        exact = {"decision": self.decision, "peer": self.peer, "session": self.session}
        spelled = [f'"{name}":{string(value)},' for name, value in exact.items() if value is not None]
        if len(self.kinds) == 1:
            spelled.append(f'"kind":"{self.kinds[0].removesuffix("*")}')
        if self.rule:
            spelled.append(string(self.rule)[1:-1])
        return tuple(part.encode() for part in spelled)

    def may_take(self, line: bytes, spelled: Sequence[bytes]) -> bool:
        """Whether a line can be one of these, by its bytes; `spelled` is the `spelling` of this."""
        if not all(part in line for part in spelled) or (self.text and _NO_REASON in line):
            return False
        if self.since is None and self.until is None:
            return True
        found = _T.search(line, max(0, len(line) - _TAIL))
        return found is None or self._in_time(int(found[1]))

    def takes(self, header: Header) -> bool:
        """Whether a record's header says all of it."""
        return (
            header.seq >= self.first
            and self._in_time(header.t)
            and (not self.kinds or any(_is_kind(header.kind, kind) for kind in self.kinds))
            and self.session in (None, header.session)
            and self.peer in (None, header.peer)
            and self.decision in (None, header.decision)
            and (self.rule is None or _names(header.rule, self.rule))
            and (not self.text or self.text.casefold() in header.reason.casefold())
        )

    def _in_time(self, t: int) -> bool:
        return (self.since is None or t >= self.since) and (self.until is None or t < self.until)


def _is_kind(kind: str, asked: str) -> bool:
    return kind.startswith(asked[:-1]) if asked.endswith("*") else kind == asked


def _names(said: Scalar, rule: str) -> bool:
    return isinstance(said, str) and (said == rule or rule in said.split(","))


@dataclass(frozen=True, slots=True)
class Values:
    """What a record's body must hold: a point that was shown or refused, the id of a command. None asks for nothing.

    `rule` narrows a point's rows; which records name it, their headers say.
    """

    point: str | None = None
    command: str | None = None
    rule: str | None = None

    @property
    def needed(self) -> bool:
        """Whether a record without a body cannot be meant."""
        return self.point is not None or self.command is not None

    @property
    def wanted(self) -> bool:
        """Whether bodies have to be read at all."""
        return self.needed or self.rule is not None

    def spelling(self) -> tuple[bytes, ...]:
        """What stands in every plain body that holds them, byte for byte."""
        return tuple(string(value).encode() for value in (self.point, self.command) if value is not None)

    def rows(self, columns: Columns) -> list[Row] | None:
        """The rows that were asked for, each a dict by the names of its columns; None where the body lacks one."""
        commands = [] if self.command is None else _rows_of(columns, "id", self.command, _of_commands(columns))
        points = [row for row in self._points(columns) if self._by_rule(row)]
        if (self.command is not None and not commands) or (self.point is not None and not points):
            return None
        return commands + points

    def _by_rule(self, row: Row) -> bool:
        """Whether the rule asked for is the row's, or the whole record's, as where a body has none by row."""
        said = [row[name] for name in ("rule", "refused_rule") if name in row]
        return self.rule is None or not said or _names(said[0], self.rule)

    def _points(self, columns: Columns) -> list[Row]:
        """The rows of the point; with a rule only, those of every point that the body has a rule for."""
        if self.point is not None:
            return [row for names, _ in _POINTS for row in _rows_of(columns, names[0], self.point, names)]
        if self.rule is None:
            return []
        return [row for names, rule in _POINTS if rule in columns for row in _rows_of(columns, names[0], None, names)]


def _of_commands(columns: Columns) -> tuple[str, ...]:
    """The columns of a body that speak of commands, the id first; a body of points, too, has theirs beside them."""
    others = {"id", *_SHOWN, *_REFUSED} if "point" in columns else {"id"}
    return ("id", *(name for name in columns if name not in others))


def _rows_of(columns: Columns, key: str, value: str | None, names: Sequence[str]) -> list[Row]:
    """Rows in which column `key` is `value` (None: all of them), with the columns of these names that there are."""
    return [
        {name: _cell(columns[name], row) for name in names if name in columns}
        for row, found in enumerate(columns.get(key, ()))
        if value is None or found == value
    ]


def _cell(column: Sequence[Scalar], row: int) -> Scalar:
    """A column of one value has it in every row."""
    return column[row] if row < len(column) else column[0] if len(column) == 1 else None
