"""When something stands: between two moments, and in daily windows by the clock of a named time zone.

Pure: the moment is an argument. The zones are those of the IANA time zone database, read by `zoneinfo`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

from dermscore.model import Now
from dermscore.times import LATEST_MS, written

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MIN: Final = 1440
WEEK_MIN: Final = DAY_MIN * len(DAYS)


@dataclass(frozen=True, slots=True)
class Window:
    """A part of the day, on some days of the week, by the wall clock of `zone`.

    `days` are those on which it begins (0 is Monday); `begins_min` and `ends_min` are minutes after local midnight, the
    end excluded. One that ends earlier than it begins goes on past midnight. The wall clock rules: an hour that it
    skips in spring is no part of any window, and one that it repeats in autumn counts both times.
    """

    zone: str
    days: frozenset[int]
    begins_min: int
    ends_min: int

    def holds(self, now: Now) -> bool:
        """Whether `now` lies in it."""
        return self.covers(local_minute(self.zone, now))

    def covers(self, week_minute: int) -> bool:
        """Whether a minute of the week of its zone (Monday 00:00 is 0) lies in it."""
        today, minute = divmod(week_minute, DAY_MIN)
        if self.begins_min < self.ends_min:
            return today in self.days and self.begins_min <= minute < self.ends_min
        late = today in self.days and minute >= self.begins_min
        return late or ((today - 1) % 7 in self.days and minute < self.ends_min)

    @property
    def turns(self) -> Iterator[int]:
        """The minutes of the week at which it begins and ends."""
        for day in self.days:
            over_midnight = 0 if self.begins_min < self.ends_min else DAY_MIN
            yield day * DAY_MIN + self.begins_min
            yield (day * DAY_MIN + self.ends_min + over_midnight) % WEEK_MIN

    def __str__(self) -> str:
        return f"{named_days(self.days)} {clock(self.begins_min)} to {clock(self.ends_min)} {self.zone}"


@dataclass(frozen=True, slots=True)
class When:
    """From one moment to another (UTC ms, both included; None is no bound), and in any of `windows` (none: always)."""

    not_before_ms: int | None = None
    not_after_ms: int | None = None
    windows: tuple[Window, ...] = ()

    def holds(self, now: Now) -> bool:
        """Whether `now` is such a time."""
        stands = lasts(self.not_before_ms, self.not_after_ms, now.utc_ms, now.utc_ms + 1)
        return stands and (not self.windows or any(window.holds(now) for window in self.windows))

    def __str__(self) -> str:
        words = [str(window) for window in self.windows]
        return ", ".join(words + period(self.not_before_ms, self.not_after_ms)) or "always"


ALWAYS: Final = When()


def edges(first_ms: int | None, last_ms: int | None) -> tuple[int | None, int | None]:
    """When something begins to stand, and when no longer (UTC ms; None: never), by the first and last moment of it.

    What lasts as long as times can be written has no end.
    """
    return first_ms, None if last_ms is None or last_ms >= LATEST_MS else last_ms + 1


def lasts(first_ms: int | None, last_ms: int | None, from_ms: int | None, until_ms: int | None) -> bool:
    """Whether something with a first and a last moment stands all through a time (`until_ms` excluded)."""
    first, past = edges(first_ms, last_ms)
    begun = first is None or (from_ms is not None and first <= from_ms)
    return begun and (past is None or (until_ms is not None and until_ms <= past))


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


def local_minute(zone: str, now: Now) -> int:
    """The minute of the week that the clocks of a zone show (Monday 00:00 is 0)."""
    local = datetime.fromtimestamp(now.utc_ms // 1000, _zone(zone))
    return local.weekday() * DAY_MIN + local.hour * 60 + local.minute


def named_days(days: Collection[int]) -> str:
    """Days of the week (0 is Monday) in words."""
    return "daily" if len(days) == len(DAYS) else " ".join(DAYS[day] for day in sorted(days))


def clock(minute: int) -> str:
    """A minute of the day as the files have it."""
    return f"{minute // 60:02}:{minute % 60:02}"


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
