"""Each cell: what it takes, and the words for what it does not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dermscore.sheets import cells
from dermscore.sheets.points import Control

UNHURRIED = settings(deadline=None)  # the machine may be busy with something else


@pytest.mark.parametrize(
    ("reader", "text", "value"),
    [
        (cells.number, "1", 1.0),
        (cells.number, "-1.5e3", -1500.0),
        (cells.number, ".5", 0.5),
        (cells.number, "2.", 2.0),
        (cells.above_zero, "0.1", 0.1),
        (cells.zero_or_more, "0", 0.0),
        (cells.percent, "100", 100.0),
        (cells.whole(0, 3), "3", 3),
        (cells.word(Control), "sbo", Control.SBO),
        (cells.yes_no, "Yes", True),
        (cells.yes_no, "TRUE", True),
        (cells.yes_no, "no", False),
        (cells.yes_no, "False", False),
        (cells.free, "anything, really: é", "anything, really: é"),
        (cells.name, "x" * 64, "x" * 64),
        (cells.outstation, "main-1", "main-1"),
        (cells.path, "feeder/F12", "feeder/F12"),
        (cells.path, "/", ""),
        (cells.hold, "until_changed", None),
        (cells.hold, "900", 900),
    ],
)
def test_what_a_cell_takes(reader: cells.Reader, text: str, value: Any) -> None:
    assert reader(text) == value


@pytest.mark.parametrize(
    ("reader", "text", "words"),
    [
        (cells.number, "abc", "must be a number, not 'abc'"),
        (cells.number, "0,5", "write the decimal point as '.'"),
        (cells.number, "nan", "must be a number, not 'nan'"),
        (cells.number, "inf", "must be a number, not 'inf'"),
        (cells.number, "1e999", "is too large a number"),
        (cells.number, "1_000", "must be a number"),
        (cells.number, "٣", "must be a number"),
        (cells.number, "1e", "must be a number"),
        (cells.above_zero, "0", "must be more than 0, not 0"),
        (cells.above_zero, "-1", "must be more than 0"),
        (cells.zero_or_more, "-0.1", "must be 0 or more, not -0.1"),
        (cells.percent, "100.1", "must be between 0 and 100"),
        (cells.percent, "-1", "must be between 0 and 100"),
        (cells.whole(0, 3), "4", "must be a whole number from 0 to 3, not '4'"),
        (cells.whole(0, 3), "1.0", "must be a whole number"),
        (cells.whole(0, 3), "9" * 5000, "must be a whole number"),
        (cells.word(Control), "dirct", "must be one of sbo, direct, both; not 'dirct'; did you mean 'direct'?"),
        (cells.word(Control), "SBO", "did you mean 'sbo'?"),
        (cells.yes_no, "maybe", "must be yes or no, not 'maybe'"),
        (cells.free, "=1+1", "which spreadsheets take for a formula"),
        (cells.free, "@SUM", "which spreadsheets take for a formula"),
        (cells.free, "a\nb", "write it on one line"),
        (cells.name, "x" * 65, "a name has at most 64 characters"),
        (cells.outstation, "1st", "is not an outstation's name"),
        (cells.path, "feeder F12", "is not a path"),
        (cells.hold, "0", "must be until_changed or whole seconds"),
        (cells.hold, "forever", "must be until_changed or whole seconds"),
    ],
)
def test_what_a_cell_refuses(reader: cells.Reader, text: str, words: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        reader(text)
    assert words in str(caught.value)


@UNHURRIED
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_comes_back(value: float) -> None:
    assert cells.number(repr(value)) == value
