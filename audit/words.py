"""How numbers and times are said to people. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import Final


def utc(micros: int) -> str:
    """UTC microseconds as RFC 3339."""
    seconds, rest = divmod(micros, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:06d}Z"


def many(count: int, one: str, more: str = "") -> str:
    """`1 record`, `2 records`; `more` where the plural is another word than `one` and an s."""
    return f"{count} {one if count == 1 else more or one + 's'}"


_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def lasting(micros: int) -> str:
    """A length of time in its two largest units: `3 min 12 s`; below a minute with a fraction, `0.25 s`."""
    seconds = micros // 1_000_000
    if seconds < 60:
        return f"{micros / 1_000_000:.2f}".rstrip("0").rstrip(".") + " s"
    (size, name), (below, lower) = next(pair for pair in pairwise(_UNITS) if seconds >= pair[0][0])
    rest = seconds % size // below
    return f"{seconds // size} {name}" + (f" {rest} {lower}" if rest else "")


def printable(text: str) -> str:
    """The text with everything that is not printable as an escape, such as \\x1b.

    What a log says may have been written by anybody: no control characters for a terminal, and no changes of the
    direction of writing, by which a text can look like another.
    """
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)
