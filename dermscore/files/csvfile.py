"""Reading a CSV file (RFC 4180) that a spreadsheet wrote, strictly: the header is exact and every cell has its column.

A byte order mark, CRLF, quotes and empty lines are a spreadsheet's habit and are accepted; separators other than the
comma are not, for a file that is misread column by column is worse than one that is refused.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from dermscore.errors import BadInput, Problem, did_you_mean

_SEPARATORS: Final = {";": "semicolons", "\t": "tabs"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table: its cells by column, without surrounding blanks. `where` is `file:line`."""

    where: str
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """What was read, with what is wrong in single lines: those are left out of `lines`."""

    lines: tuple[Line, ...]
    problems: tuple[Problem, ...]


def read(text: str, where: str, columns: Sequence[str]) -> Table:
    """Read CSV text whose header must be `columns`, in that order.

    Raises:
        BadInput: the text is no such table: empty, another separator, a wrong header, a broken quote.
    """
    records = list(_records(text.removeprefix("\ufeff"), where))
    if not records:
        raise BadInput(
            [Problem(f"{where}:1", "", f"the file is empty; its first line is the header: {','.join(columns)}")]
        )
    (first, header), *rest = records
    wrong = list(_header_problems([cell.strip() for cell in header], f"{where}:{first}", columns))
    if wrong:
        raise BadInput(wrong)
    lines: list[Line] = []
    problems: list[Problem] = []
    for number, cells in rest:
        if len(cells) < len(columns) or any(cells[len(columns) :]):
            what = f"has {len(cells)} cells, the header {len(columns)}; put text that contains a comma in quotes"
            problems.append(Problem(f"{where}:{number}", "", what))
        else:
            lines.append(Line(f"{where}:{number}", dict(zip(columns, cells, strict=False))))
    return Table(tuple(lines), tuple(problems))


def _records(text: str, where: str) -> Iterator[tuple[int, list[str]]]:
    """Every record with anything in it, and the line on which it begins."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    begins = 1
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                yield begins, stripped
            begins = reader.line_num + 1
    except csv.Error as error:
        raise BadInput([Problem(f"{where}:{begins}", "", f"not CSV: {error}")]) from error


def _header_problems(header: list[str], where: str, columns: Sequence[str]) -> Iterator[Problem]:
    if len(header) == 1:
        for separator, name in _SEPARATORS.items():
            if separator in header[0]:
                yield Problem(where, "", f"the columns are separated by {name}; save the sheet as CSV with commas")
                return
    missing = [column for column in columns if column not in header]
    for column in header:
        if column not in columns:
            yield Problem(where, column, f"unknown column{did_you_mean(column, missing)}")
        elif header.count(column) > 1:
            yield Problem(where, column, "the column is there twice; keep one")
    for column in missing:
        yield Problem(where, column, "the column is missing; add it")
    if sorted(header) == sorted(columns) and header != list(columns):
        yield Problem(where, "", f"the columns stand in another order; it must be {','.join(columns)}")
