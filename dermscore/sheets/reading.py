"""Reading the two sheets strictly: every cell by its column, every row by its rules, every row against all others.

What the columns mean is in docs/reference/points-csv.md and commands-csv.md; what a row is, in
`dermscore.sheets.points`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from dermscore.errors import BadInput, Problem
from dermscore.files import csvfile
from dermscore.sheets import cells
from dermscore.sheets import rules as sheet_rules
from dermscore.sheets.points import (
    CommandRow,
    Control,
    Mode,
    OnIsolate,
    OnMasterLoss,
    PointKind,
    PointRow,
    PointType,
    Positive,
    Quantity,
    Unit,
)

Row = TypeVar("Row", PointRow, CommandRow)
Values = Mapping[str, Any]

_INDEX: Final = cells.whole(0, 65_535)

# Columns in the sheet's order, each with what reads its cells. Which of them a row needs or may not have depends on
# what the row is (`dermscore.sheets.rules`); those of `_POINT_REQUIRED` and `_COMMAND_REQUIRED` no row goes without.
POINT_COLUMNS: Final[Mapping[str, cells.Reader]] = {
    "name": cells.name,
    "path": cells.path,
    "kind": cells.word(PointKind),
    "quantity": cells.word(Quantity),
    "unit": cells.word(Unit),
    "outstation": cells.outstation,
    "type": cells.word(PointType),
    "index": _INDEX,
    "register": _INDEX,
    "scale": cells.above_zero,
    "offset": cells.number,
    "deadband": cells.zero_or_more,
    "class": cells.whole(0, 3),
    "low": cells.number,
    "high": cells.number,
    "max_rate_per_s": cells.above_zero,
    "stale_after_s": cells.above_zero,
    "min_members": cells.whole(1, 1_000_000),
    "min_coverage_pct": cells.percent,
    "positive_means": cells.word(Positive),
    "reason": cells.free,
    "owner": cells.free,
    "ticket": cells.free,
    "bcsi": cells.yes_no,
    "retired": cells.yes_no,
    "comment": cells.free,
}
COMMAND_COLUMNS: Final[Mapping[str, cells.Reader]] = {
    "name": cells.name,
    "path": cells.path,
    "mode": cells.word(Mode),
    "unit": cells.word(Unit),
    "outstation": cells.outstation,
    "type": cells.word(PointType),
    "index": _INDEX,
    "scale": cells.above_zero,
    "offset": cells.number,
    "low": cells.number,
    "high": cells.number,
    "max_step_w": cells.above_zero,
    "control": cells.word(Control),
    "hold": cells.hold,
    "on_master_loss": cells.word(OnMasterLoss),
    "master_timeout_s": cells.above_zero,
    "on_isolate": cells.word(OnIsolate),
    "primacy": cells.whole(0, 255),
    "status_point": cells.name,
    "feedback_timeout_s": cells.above_zero,
    "reason": cells.free,
    "owner": cells.free,
    "ticket": cells.free,
    "retired": cells.yes_no,
    "comment": cells.free,
}
_ALWAYS: Final = frozenset({"name", "outstation", "type", "index", "reason", "owner", "ticket"})
_POINT_REQUIRED: Final = _ALWAYS | {"kind", "quantity", "unit", "class", "bcsi"}
_COMMAND_REQUIRED: Final = _ALWAYS | {"path", "mode", "control", "primacy", "status_point", "feedback_timeout_s"}
_POINT_DEFAULTS: Final[Values] = {
    "path": "",
    "scale": 1.0,
    "offset": 0.0,
    "deadband": 0.0,
    "retired": False,
    "comment": "",
}
_COMMAND_DEFAULTS: Final[Values] = {
    "unit": Unit.STATE,
    "scale": 1.0,
    "offset": 0.0,
    "on_master_loss": OnMasterLoss.HOLD,
    "on_isolate": OnIsolate.HOLD_UNTIL_EXPIRY,
    "retired": False,
    "comment": "",
}


def read_points(text: str, where: str) -> tuple[PointRow, ...]:
    """The live rows of a points.csv, in sheet order. Retired rows are checked too and keep their names and indexes.

    Raises:
        BadInput: with every problem of the sheet, each as `file:line: column: what`.
    """
    return tuple(row for row in read_points_and_retired(text, where) if not row.retired)


def read_commands(text: str, where: str, points: Iterable[PointRow] | None) -> tuple[CommandRow, ...]:
    """The live rows of a commands.csv, in sheet order, checked against the live points that go with it.

    With `points` None (they could not be read), everything else is checked.

    Raises:
        BadInput: with every problem of the sheet and of its links to `points`.
    """
    return tuple(row for row in read_commands_and_retired(text, where, points) if not row.retired)


def read_points_and_retired(text: str, where: str) -> tuple[PointRow, ...]:
    """Every row of a points.csv, the retired ones too: for reviews of the sheet, never for publishing.

    Raises:
        BadInput: with every problem of the sheet.
    """
    table = csvfile.read(text, where, tuple(POINT_COLUMNS))
    problems = list(table.problems)
    read = [_values(line, POINT_COLUMNS, _POINT_REQUIRED, problems) for line in table.lines]
    rows = [_point(line, values, problems) for line, values in zip(table.lines, read, strict=True)]
    problems += _duplicates(table.lines, read, ("name",))
    problems += _duplicates(table.lines, read, ("outstation", "type", "index"))
    problems += _duplicates(table.lines, read, ("outstation", "type", "register"))
    return _all_or_none(rows, problems)


def read_commands_and_retired(text: str, where: str, points: Iterable[PointRow] | None) -> tuple[CommandRow, ...]:
    """Every row of a commands.csv, the retired ones too: for reviews of the sheet, never for operating.

    Raises:
        BadInput: with every problem of the sheet and of its links to `points`; None leaves the links unchecked.
    """
    table = csvfile.read(text, where, tuple(COMMAND_COLUMNS))
    problems = list(table.problems)
    read = [_values(line, COMMAND_COLUMNS, _COMMAND_REQUIRED, problems) for line in table.lines]
    rows = [_command(line, values, problems) for line, values in zip(table.lines, read, strict=True)]
    problems += _duplicates(table.lines, read, ("name",))
    problems += _duplicates(table.lines, read, ("outstation", "type", "index"))
    if points is not None and not problems:  # a link is only known to be missing once every row could be read
        problems += sheet_rules.of_links([row for row in rows if row and not row.retired], tuple(points))
    return _all_or_none(rows, problems)


def _all_or_none(rows: Iterable[Row | None], problems: Iterable[Problem]) -> tuple[Row, ...]:
    found = sorted(problems, key=_by_place)
    if found:
        raise BadInput(found)
    return tuple(row for row in rows if row is not None)


def _by_place(problem: Problem) -> tuple[str, int]:
    file, _, line = problem.where.rpartition(":")
    return file, int(line)


def _values(
    line: csvfile.Line, columns: Mapping[str, cells.Reader], required: frozenset[str], problems: list[Problem]
) -> dict[str, Any]:
    """The values of a line's cells by column; None for an empty one. A cell that cannot be read has no value here."""
    values: dict[str, Any] = {}
    for column, text in line.cells.items():
        try:
            if column in required and not text:
                raise ValueError("must not be empty")
            values[column] = columns[column](text) if text else None
        except ValueError as error:
            problems.append(Problem(line.where, column, str(error)))
    return values


def _duplicates(lines: Sequence[csvfile.Line], read: Sequence[Values], columns: Sequence[str]) -> Iterator[Problem]:
    """Rows that share what no two may share. Retired rows count: a master's database may still know their indexes."""
    first: dict[tuple[Any, ...], tuple[csvfile.Line, Values]] = {}
    for line, values in zip(lines, read, strict=True):
        key = tuple(values.get(column) for column in columns)
        if None in key:
            continue
        if key in first:
            other, its = first[key]
            retired = " (retired, but it keeps what it had)" if its.get("retired") else ""
            what = (
                f"{' '.join(map(str, key))} is taken by line {other.where.rpartition(':')[2]}{retired}; choose another"
            )
            yield Problem(line.where, columns[-1], what)
        first.setdefault(key, (line, values))


def _point(line: csvfile.Line, values: Values, problems: list[Problem]) -> PointRow | None:
    """The row, where its cells could all be read and it keeps the rules."""
    if len(values) < len(POINT_COLUMNS):
        return None
    faults = list(sheet_rules.of_point(values))
    problems += (Problem(line.where, column, what) for column, what in faults)
    if faults:
        return None
    made = _filled(values, _POINT_DEFAULTS)
    return PointRow(event_class=made.pop("class"), **made, where=line.where)


def _command(line: csvfile.Line, values: Values, problems: list[Problem]) -> CommandRow | None:
    """The row, where its cells could all be read and it keeps the rules."""
    if len(values) < len(COMMAND_COLUMNS):
        return None
    faults = list(sheet_rules.of_command(values, line.cells))
    problems += (Problem(line.where, column, what) for column, what in faults)
    if faults:
        return None
    made = _filled(values, _COMMAND_DEFAULTS)
    return CommandRow(hold_s=made.pop("hold"), **made, where=line.where)


def _filled(values: Values, defaults: Values) -> dict[str, Any]:
    return {column: defaults.get(column) if value is None else value for column, value in values.items()}
