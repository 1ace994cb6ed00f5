"""How numbers, times and strangers' texts are said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.words import lasting, many, printable, utc

SECOND = 1_000_000


@pytest.mark.parametrize(
    ("micros", "words"),
    [
        (0, "0 s"),
        (250_000, "0.25 s"),
        (59 * SECOND, "59 s"),
        (192 * SECOND, "3 min 12 s"),
        (3600 * SECOND, "1 h"),
        (3 * 86400 * SECOND + 3599 * SECOND, "3 d"),
        (3 * 86400 * SECOND + 7201 * SECOND, "3 d 2 h"),
    ],
)
def test_a_length_of_time(micros: int, words: str) -> None:
    assert lasting(micros) == words


def test_numbers_and_times() -> None:
    assert (many(1, "record"), many(2, "record"), many(0, "body", "bodies")) == ("1 record", "2 records", "0 bodies")
    assert utc(1_760_000_000_000_007) == "2025-10-09T08:53:20.000007Z"


@given(st.text())
def test_nothing_is_printed_that_cannot_be(text: str) -> None:
    assert printable(text).isprintable()
    assert printable(text) == text or not text.isprintable()


def test_what_is_not_printable_is_an_escape() -> None:
    assert printable("\x1b[2J São\u202e\n\ud800") == "\\x1b[2J São\\u202e\\n\\ud800"
