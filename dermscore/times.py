"""Times for people and over HTTP: RFC 3339, in UTC with milliseconds when written, with any offset when read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

LATEST_MS = 253_402_300_799_999
"""The last moment that can be written."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_FORM = "is not an RFC 3339 time such as 2031-05-01T12:00:00Z"


def parse(text: str) -> int:
    """UTC milliseconds of an RFC 3339 time. Raises ValueError, in words; a time without an offset means nothing."""
    if not text.isprintable():  # fromisoformat overlooks a NUL at the end
        raise ValueError(_FORM)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(_FORM) from None
    if moment.tzinfo is None:
        raise ValueError("has no offset from UTC; end it with Z or such as +02:00")
    ms = round((moment - _EPOCH) / _MS)
    if not 0 <= ms <= LATEST_MS:
        raise ValueError("is outside the years 1970 to 9999")
    return ms


def written(utc_ms: int) -> str:
    """RFC 3339, UTC, milliseconds."""
    return (_EPOCH + utc_ms * _MS).isoformat(timespec="milliseconds").replace("+00:00", "Z")
