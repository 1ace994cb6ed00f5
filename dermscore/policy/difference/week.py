"""Parts of the week by the clocks of one or more places, and how a person says them.

Between two moments at which any window begins or ends, by its own clock, nothing changes. So the week of each zone has
finitely many parts, and what holds in each combination of them holds at every moment there is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Final

from dermscore.model import Now
from dermscore.policy.windows import DAY_MIN, DAYS, WEEK_MIN, Window, clock, local_minute, named_days, stretch

Part = tuple[int, ...]
"""A part of the week by each of several clocks, in their order: its number there."""

_MANY: Final = 20_000


@dataclass(frozen=True, slots=True)
class Clock:
    """A zone, and the minutes of its week (Monday 00:00 is 0) at which a part begins, in order; the first is 0."""

    zone: str
    begins: tuple[int, ...]

    def part(self, minute: int) -> int:
        """In which part a minute of the week lies."""
        return bisect_right(self.begins, minute) - 1

    def said(self, parts: Sequence[int]) -> str:
        """Some of the parts, in order; empty where they are the whole week."""
        if len(parts) == len(self.begins):
            return ""
        daily: dict[tuple[int, int], set[int]] = {}
        longer: list[str] = []
        for begin, length in self._runs(parts):
            day, minute = divmod(begin, DAY_MIN)
            if length < DAY_MIN or (length == DAY_MIN and minute == 0):
                daily.setdefault((minute, (minute + length) % DAY_MIN or DAY_MIN), set()).add(day)
            else:
                longer.append(f"{_moment(begin)} to {_moment(begin + length, is_end=True)}")
        words = [f"{named_days(days)} {clock(first)} to {clock(last)}" for (first, last), days in daily.items()]
        return f"{', '.join([*words, *longer])} {self.zone}"

    def _runs(self, parts: Sequence[int]) -> list[tuple[int, int]]:
        """The parts that follow each other as one: where it begins, and how long it is (minutes); over the Sunday."""
        ends = [*self.begins[1:], WEEK_MIN]
        runs: list[tuple[int, int]] = []
        for part in parts:
            begin, length = self.begins[part], ends[part] - self.begins[part]
            if runs and sum(runs[-1]) == begin:
                begin, length = runs[-1][0], runs.pop()[1] + length
            runs.append((begin, length))
        if len(runs) > 1 and runs[0][0] == 0 and sum(runs[-1]) == WEEK_MIN:
            (_, early), (begin, late) = runs.pop(0), runs.pop()
            runs.append((begin, late + early))
        return runs


@dataclass(frozen=True, slots=True)
class Stretch:
    """From one moment until before another (UTC ms; None is no bound), and in some `parts` of the week by `clocks`."""

    from_ms: int | None
    until_ms: int | None
    clocks: tuple[Clock, ...]
    parts: frozenset[Part]

    def holds(self, now: Now) -> bool:
        """Whether `now` lies in it."""
        begun = self.from_ms is None or self.from_ms <= now.utc_ms
        over = self.until_ms is not None and self.until_ms <= now.utc_ms
        return begun and not over and here(self.clocks, now) in self.parts

    def __str__(self) -> str:
        words = [_said(self.clocks, self.parts), stretch(self.from_ms, self.until_ms).strip()]
        return ", ".join(filter(None, words)) or "always"


def here(clocks: Iterable[Clock], now: Now) -> Part:
    """The part of the week that `now` lies in, by each clock."""
    return tuple(each.part(local_minute(each.zone, now)) for each in clocks)


def clocks_of(windows: Iterable[Window]) -> tuple[Clock, ...]:
    """A clock for each zone of `windows`, with a part for whatever lies between their beginnings and ends."""
    by_zone: dict[str, set[int]] = {}
    for window in windows:
        by_zone.setdefault(window.zone, {0}).update(window.turns)
    return tuple(Clock(zone, tuple(sorted(by_zone[zone]))) for zone in sorted(by_zone))


def too_many(clocks: Sequence[Clock]) -> bool:
    """Whether the parts of the week are more than can be gone through."""
    return prod(len(each.begins) for each in clocks) > _MANY


def week(clocks: Sequence[Clock]) -> list[Part]:
    """Every part of the week; the one that there is, where no clock matters."""
    return list(product(*(range(len(each.begins)) for each in clocks)))


def windows_at(windows: Iterable[Window], clocks: Sequence[Clock]) -> Mapping[Part, frozenset[Window]]:
    """Which of the windows hold, in each part of the week."""
    every = frozenset(windows)
    return {
        part: frozenset(
            window
            for each, number in zip(clocks, part, strict=True)
            for window in every
            if window.zone == each.zone and window.covers(each.begins[number])
        )
        for part in week(clocks)
    }


def _said(clocks: Sequence[Clock], parts: frozenset[Part]) -> str:
    """Some parts of the week in words; empty where they are the whole."""
    if not clocks:
        return ""
    alike: dict[frozenset[Part], list[int]] = {}
    for number in range(len(clocks[0].begins)):
        others = frozenset(part[1:] for part in parts if part[0] == number)
        if others:
            alike.setdefault(others, []).append(number)
    words = [
        " while it is ".join(filter(None, (clocks[0].said(numbers), _said(clocks[1:], others))))
        for others, numbers in alike.items()
    ]
    return "; or ".join(filter(None, words))


def _moment(minute: int, is_end: bool = False) -> str:
    """A minute of the week; one that ends something is said of the day before rather than 00:00 of the next."""
    day, minute = divmod(minute % WEEK_MIN, DAY_MIN)
    if is_end and minute == 0:
        day, minute = (day - 1) % len(DAYS), DAY_MIN
    return f"{DAYS[day]} {clock(minute)}"
