"""Times as people write them, and as we do: both ways, and what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dermscore.times import LATEST_MS, parse, written


@given(st.integers(0, LATEST_MS))
def test_what_is_written_is_read_back(ms: int) -> None:
    assert parse(written(ms)) == ms


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2031-05-01T12:00:00.250Z", 1_935_403_200_250),
        ("2031-05-01T14:00:00.250+02:00", 1_935_403_200_250),
        ("2031-05-01 12:00:00.2504Z", 1_935_403_200_250),
        ("9999-12-31T23:59:59.999Z", LATEST_MS),
    ],
)
def test_any_offset_is_read(text: str, ms: int) -> None:
    assert parse(text) == ms


def test_it_is_written_in_utc_with_milliseconds() -> None:
    assert written(0) == "1970-01-01T00:00:00.000Z"
    assert written(1_900_000_000_001) == "2030-03-17T17:46:40.001Z"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("yesterday", "is not an RFC 3339 time such as"),
        ("", "is not an RFC 3339 time such as"),
        ("2031-05-01T12:00:00Z\0", "is not an RFC 3339 time such as"),
        ("2031-02-30T12:00:00Z", "is not an RFC 3339 time such as"),
        ("2031-05-01T12:00:00", "has no offset from UTC"),
        ("1969-12-31T23:59:59.999Z", "is outside the years 1970 to 9999"),
        ("9999-12-31T23:59:59.9999Z", "is outside the years 1970 to 9999"),
        ("0001-01-01T00:00:00+14:00", "is outside the years 1970 to 9999"),
    ],
)
def test_what_is_no_time_is_refused_in_words(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse(text)
