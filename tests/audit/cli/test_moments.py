"""Times on the command line."""

from __future__ import annotations

from datetime import UTC, datetime

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.cli.moments import UTC_MOMENT, whole
from audit.words import utc

MIDNIGHT_US = int(datetime(2026, 11, 23, tzinfo=UTC).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("2026-11-23", 0),
        ("2026-11-23T12:00:00Z", 43_200_000_000),
        ("2026-11-23T00:00:00.5Z", 500_000),
        ("2026-11-23T00:00:01.000007Z", 1_000_007),
    ],
)
def test_moments(text: str, after: int) -> None:
    assert UTC_MOMENT.convert(text, None, None) == MIDNIGHT_US + after


@given(st.integers(0, 2**53 - 1))
def test_what_is_printed_can_be_asked_for(micros: int) -> None:
    assert UTC_MOMENT.convert(utc(micros), None, None) == micros


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2026-11-23T12:00:00", "2026-11-23T12:00:00+01:00", "2026-02-30", "2026-11-23T24:00:00Z",
     "2026-11-23 12:00:00Z", "1969-12-31", "٢٠٢٦-11-23", "2026-11-23T12:00:00.1234567Z"],
)  # fmt: skip
def test_what_is_no_moment_says_how_to_write_one(text: str) -> None:
    with pytest.raises(click.BadParameter, match="write 2026-11-23 or 2026-11-23T12:00:00Z"):
        UTC_MOMENT.convert(text, None, None)


def test_whole_seconds() -> None:
    assert whole("2026-11-23T00:00:00Z") == MIDNIGHT_US
    with pytest.raises(click.BadParameter, match=r"is not a time such as 2026-11-23T12:00:00Z"):
        whole("2026-11-23")
