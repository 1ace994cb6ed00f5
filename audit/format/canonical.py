"""Canonical JSON (RFC 8785) for what the trail may hold: strings, null, true, false, numbers below 2^53 in magnitude.

Text out, never bytes: the caller encodes as UTF-8. There is no general encoder here on purpose; records and bodies are
put together from these pieces in one fixed order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from json.encoder import encode_basestring
from typing import Any

from audit.errors import BadEntry

NUMBER_LIMIT = 2**53
"""Every number's magnitude is below this, so that a reader that keeps numbers as IEEE 754 doubles reads the same."""

Scalar = str | int | float | bool | None


def string(value: str) -> str:
    """One JSON string with RFC 8785 section 3.2.2.2 escapes. Lone surrogates, which UTF-8 cannot carry, are refused."""
    text: str = encode_basestring(value)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise BadEntry(f"text {value!r} holds half a surrogate pair, which cannot be written as UTF-8") from None
    return text


def integer(value: int) -> str:
    """One JSON integer; BadEntry from 2^53 on."""
    if not -NUMBER_LIMIT < value < NUMBER_LIMIT:
        raise BadEntry(f"{value} does not fit: integers must be below 2^53 in magnitude; write it as a string")
    return str(value)


def real(value: float) -> str:
    """One JSON number as ECMAScript writes doubles (RFC 8785 section 3.2.2.3): the shortest digits that read back.

    Python's `repr` gives the same digits; only the layout of small exponents differs. NaN and infinities are refused.
    """
    if not math.isfinite(value):
        raise BadEntry(
            f"{value!r} is not a number that can be recorded; give the value as null and say why in its flags"
        )
    if abs(value) >= NUMBER_LIMIT:
        raise BadEntry(f"{value!r} does not fit: numbers must be below 2^53 in magnitude; write it as a string")
    if value == int(value):
        return str(int(value))
    text = repr(value)
    if "e" not in text:
        return text
    return _small(text)


def _small(text: str) -> str:
    """`1.5e-07` as ECMAScript writes it: plain down to 1e-6, below that with an exponent that has no leading zero."""
    mantissa, _, exponent = text.partition("e-")
    sign = "-" if mantissa.startswith("-") else ""
    places = int(exponent)
    if places > 6:
        return f"{mantissa}e-{places}"
    return f"{sign}0.{'0' * (places - 1)}{mantissa.lstrip('-').replace('.', '')}"


_TEXT: Mapping[type, Callable[[Any], str]] = {
    str: string,
    int: integer,
    float: real,
    bool: lambda value: "true" if value else "false",
    type(None): lambda value: "null",
}


def scalar(value: Scalar) -> str:
    """Any value that a body may hold. Subclasses are refused: enums and numpy numbers are not plain."""
    write = _TEXT.get(type(value))
    if write is None:
        raise BadEntry(f"a value of type {type(value).__name__} cannot be recorded; use str, int, float, bool or None")
    return write(value)
