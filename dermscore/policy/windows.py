"""When something stands: between two moments, and in daily windows by the clock of a named time zone.

Pure: the moment is an argument. The zones are those of the IANA time zone database, read by `zoneinfo`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

from dermscore.model import Now
from dermscore.times import written

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MIN: Final = 1440


@dataclass(frozen=True, slots=True)
class Window:
    """A part of the day, on some days of the week, by the wall clock of `zone`.

    `days` are those on which it begins (0 is Monday); `begins_min` and `ends_min` are minutes after local midnight, the
    end excluded. One that ends no later than it begins goes on past midnight. The wall clock rules: an hour that it
    skips in spring is no part of any window, and one that it repeats in autumn counts both times.
    """

    zone: str
    days: frozenset[int]
    begins_min: int
    ends_min: int

    def holds(self, now: Now) -> bool:
        """Whether `now` lies in it."""
        local = datetime.fromtimestamp(now.utc_ms // 1000, _zone(self.zone))
        minute, today = local.hour * 60 + local.minute, local.weekday()
        if self.begins_min < self.ends_min:
            return today in self.days and self.begins_min <= minute < self.ends_min
        late = today in self.days and minute >= self.begins_min
        return late or ((today - 1) % 7 in self.days and minute < self.ends_min)

    def __str__(self) -> str:
        days = "daily" if len(self.days) == len(DAYS) else " ".join(DAYS[day] for day in sorted(self.days))
        return f"{days} {_clock(self.begins_min)} to {_clock(self.ends_min)} {self.zone}"


@dataclass(frozen=True, slots=True)
class When:
    """From one moment to another (UTC ms, both included; None is no bound), and in any of `windows` (none: always)."""

    not_before_ms: int | None = None
    not_after_ms: int | None = None
    windows: tuple[Window, ...] = ()

    def holds(self, now: Now) -> bool:
        """Whether `now` is such a time."""
        begun = self.not_before_ms is None or self.not_before_ms <= now.utc_ms
        over = self.not_after_ms is not None and self.not_after_ms < now.utc_ms
        return begun and not over and (not self.windows or any(window.holds(now) for window in self.windows))

    def __str__(self) -> str:
        words = [str(window) for window in self.windows]
        return ", ".join(words + period(self.not_before_ms, self.not_after_ms)) or "always"


ALWAYS: Final = When()


def period(first_ms: int | None, last_ms: int | None) -> list[str]:
    """`from T` and `to T`, as far as there is such a bound."""
    begins = [] if first_ms is None else [f"from {moment(first_ms)}"]
    return begins if last_ms is None else [*begins, f"to {moment(last_ms)}"]


def moment(ms: int) -> str:
    """A moment as a person writes it in the files: RFC 3339, in UTC, with no more digits than it needs."""
    return written(ms).replace(".000Z", "Z")


def stretch(from_ms: int | None, until_ms: int | None) -> str:
    """A time as a sentence ends with it, `until_ms` excluded; empty where it has no bounds.

    Rules name the last moment at which they stand, so a time often begins or ends a millisecond later: it is then said
    to begin after that moment, or to go to it.
    """
    begins = (
        ""
        if from_ms is None
        else f" after {moment(from_ms - 1)}"
        if from_ms % 1000 == 1
        else f" from {moment(from_ms)}"
    )
    if until_ms is None:
        return begins
    return f"{begins} to {moment(until_ms - 1)}" if until_ms % 1000 == 1 else f"{begins} until {moment(until_ms)}"


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
