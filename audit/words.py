"""How numbers and times are said to people. Pure."""

from __future__ import annotations

from datetime import UTC, datetime


def utc(micros: int) -> str:
    """UTC microseconds as RFC 3339."""
    seconds, rest = divmod(micros, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:06d}Z"


def many(count: int, one: str, more: str = "") -> str:
    """`1 record`, `2 records`; `more` where the plural is another word than `one` and an s."""
    return f"{count} {one if count == 1 else more or one + 's'}"
