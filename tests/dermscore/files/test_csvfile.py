"""CSV as spreadsheets write it; what they spoil is refused with the mend."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dermscore.errors import BadInput
from dermscore.files.csvfile import Line, read

UNHURRIED = settings(deadline=None)  # the machine may be busy with something else

COLUMNS = ("name", "path", "index")


def problems(text: str) -> list[str]:
    with pytest.raises(BadInput) as caught:
        read(text, "s.csv", COLUMNS)
    return [str(problem) for problem in caught.value.problems]


def test_what_a_spreadsheet_adds_is_taken_away() -> None:
    table = read('\ufeffname,path,index\r\n"a, b", x ,1\r\n\r\n,,\r\n"c ""d""",,2,,\r\n,,\r\n', "s.csv", COLUMNS)
    assert table.problems == ()
    assert table.lines == (
        Line("s.csv:2", {"name": "a, b", "path": "x", "index": "1"}),
        Line("s.csv:5", {"name": 'c "d"', "path": "", "index": "2"}),
    )


def test_a_line_is_counted_where_it_begins() -> None:
    table = read('name,path,index\n"a\nb",x,1\nc,y,2\n', "s.csv", COLUMNS)
    assert [line.where for line in table.lines] == ["s.csv:2", "s.csv:4"]


def test_a_header_alone_is_a_table_of_no_lines() -> None:
    assert read("name,path,index", "s.csv", COLUMNS).lines == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["s.csv:1: the file is empty; its first line is the header: name,path,index"]),
        ("\n,,\n", ["s.csv:1: the file is empty; its first line is the header: name,path,index"]),
        ("name;path;index\n", ["s.csv:1: the columns are separated by semicolons; save the sheet as CSV with commas"]),
        ("name\tpath\tindex\n", ["s.csv:1: the columns are separated by tabs; save the sheet as CSV with commas"]),
        ("name,path\n", ["s.csv:1: index: the column is missing; add it"]),
        (
            "name,pth,index\n",
            [
                "s.csv:1: pth: unknown column; did you mean 'path'?",
                "s.csv:1: path: the column is missing; add it",
            ],
        ),
        ("name\n", ["s.csv:1: path: the column is missing; add it", "s.csv:1: index: the column is missing; add it"]),
        (
            "name,path,index,name\n",
            ["s.csv:1: name: the column is there twice; keep one"] * 2,
        ),
        ("name,index,path\n", ["s.csv:1: the columns stand in another order; it must be name,path,index"]),
        ("\nname,path,indx,index\n", ["s.csv:2: indx: unknown column"]),
        ('name,path,index\na,b,1\nc,"d,2\n', ["s.csv:3: not CSV: unexpected end of data"]),
        ('name,path,index\na,"b"c,1\n', ["s.csv:2: not CSV: ',' expected after '\"'"]),
    ],
)
def test_what_is_no_such_table_is_refused(text: str, words: list[str]) -> None:
    assert problems(text) == words


def test_a_line_of_another_length_is_a_problem_of_that_line_only() -> None:
    table = read("name,path,index\na,b\nc,d,1,e\nf,g,2\n", "s.csv", COLUMNS)
    assert [str(problem) for problem in table.problems] == [
        "s.csv:2: has 2 cells, the header 3; put text that contains a comma in quotes",
        "s.csv:3: has 4 cells, the header 3; put text that contains a comma in quotes",
    ]
    assert [line.where for line in table.lines] == ["s.csv:4"]


@UNHURRIED
@given(st.lists(st.tuples(*[st.text(st.characters(exclude_characters="\r\0", exclude_categories=["Cs"]))] * 3)))
def test_what_is_written_is_read(rows: list[tuple[str, str, str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([COLUMNS, *rows])
    table = read(text.getvalue(), "s.csv", COLUMNS)
    stripped = [tuple(cell.strip() for cell in row) for row in rows]
    assert [tuple(line.cells.values()) for line in table.lines] == [row for row in stripped if any(row)]
