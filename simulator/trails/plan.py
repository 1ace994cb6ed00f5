"""What happens in a rehearsed trail, and when: drawn once from the seed, before anything is written. Pure.

Each incident has hours of its own, so none begins while another goes on, and what the trail must say of each is known.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

SECOND_US: Final = 1_000_000
MINUTE_US: Final = 60 * SECOND_US
HOUR_US: Final = 60 * MINUTE_US
DAY_US: Final = 24 * HOUR_US


def whole_second(micros: int) -> int:
    """What is below a second is cut off: approvals and reviews know no more."""
    return micros - micros % SECOND_US


class What(StrEnum):
    """The kinds of incidents. The values are what `--without` and the ground truth call them."""

    RESTART = "restart"  # in order, for maintenance; every second time with the host
    CRASH = "crash"  # the process is killed with nothing under way
    POWER_CUT = "power-cut"  # the host goes down with a commit half written
    LINK_LOSS = "link-loss"
    CLOCK_STEP = "clock-step"
    DISK_FULL = "disk-full"
    SCANNER = "scanner"  # a host that knocks on every port
    STRANGER = "stranger"  # a master that the contract does not name
    OVER_LIMIT = "over-limit"  # the control room asks for more than its row allows
    LATE = "late"  # a publication of which a part is too old
    ISOLATION = "isolation"
    CONTRACT_CHANGE = "contract-change"
    CONTRACT_REFUSED = "contract-refused"  # only one person has approved
    KEY_CHANGE = "key-change"
    WITNESS_LOST = "witness-lost"
    REVIEW = "review"


@dataclass(frozen=True, slots=True)
class _Habit:
    every_days: float
    shortest_us: int
    longest_us: int


# How often in a run of days (at least once in any), and how long. Never longer than two hours and a half.
_HABITS: Final = {
    What.RESTART: _Habit(14, 60 * SECOND_US, 5 * MINUTE_US),
    What.CRASH: _Habit(30, 5 * SECOND_US, 30 * SECOND_US),
    What.POWER_CUT: _Habit(45, 2 * MINUTE_US, 40 * MINUTE_US),
    What.LINK_LOSS: _Habit(3, MINUTE_US, 45 * MINUTE_US),
    What.CLOCK_STEP: _Habit(20, MINUTE_US, MINUTE_US),
    What.DISK_FULL: _Habit(45, 5 * MINUTE_US, 30 * MINUTE_US),
    What.SCANNER: _Habit(10, MINUTE_US, 5 * MINUTE_US),
    What.STRANGER: _Habit(15, 2 * MINUTE_US, 20 * MINUTE_US),
    What.OVER_LIMIT: _Habit(4, MINUTE_US, 2 * MINUTE_US),
    What.LATE: _Habit(10, MINUTE_US, MINUTE_US),
    What.ISOLATION: _Habit(30, HOUR_US, HOUR_US),
    What.CONTRACT_CHANGE: _Habit(30, 3 * MINUTE_US, 10 * MINUTE_US),
    What.CONTRACT_REFUSED: _Habit(60, 5 * MINUTE_US, 15 * MINUTE_US),
    What.KEY_CHANGE: _Habit(80, 3 * MINUTE_US, 6 * MINUTE_US),
    What.WITNESS_LOST: _Habit(40, HOUR_US, 2 * HOUR_US),
    What.REVIEW: _Habit(14, MINUTE_US, MINUTE_US),
}

_FIRST_HOUR, _LAST_HOUR = 1, 20
_HOURS_KEPT: Final = 3
LEAST_DAYS: Final = 3
"""Fewer have no room for one incident of each kind."""
COMMANDS_A_DAY: Final = 6


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that happens from `begin_us` to `end_us`, microseconds since the trail's first moment."""

    what: What
    begin_us: int
    end_us: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that happens, in order of time. `commands_us`: when the control room asks for something."""

    end_us: int
    incidents: tuple[Incident, ...]
    commands_us: tuple[int, ...]


def plan(days: int, seed: int, without: Sequence[What] = ()) -> Plan:
    """What happens in so many days. The same for the same arguments.

    Raises:
        ValueError: fewer than `LEAST_DAYS`.
    """
    if days < LEAST_DAYS:
        raise ValueError(f"{days} days have no room for one incident of each kind; {LEAST_DAYS} have")
    chance = random.Random(f"plan/{seed}")
    wanted = [what for what in _HABITS for _ in range(max(1, round(days / _HABITS[what].every_days)))]
    starts = [day * 24 + hour for day in range(days) for hour in range(_FIRST_HOUR, _LAST_HOUR, _HOURS_KEPT)]
    chance.shuffle(starts)
    drawn = [_drawn(what, hour, chance) for what, hour in zip(_spread(wanted, chance), starts, strict=False)]
    incidents = sorted((each for each in drawn if each.what not in without), key=lambda each: each.begin_us)
    return Plan(days * DAY_US, tuple(incidents), tuple(_commands(days, drawn, chance)))


def _spread(wanted: Sequence[What], chance: random.Random) -> list[What]:
    """One of each first: where days are few, none is left out for want of hours."""
    first = list(dict.fromkeys(wanted))
    rest = list(wanted)
    for what in first:
        rest.remove(what)
    chance.shuffle(rest)
    return first + rest


def _drawn(what: What, hour: int, chance: random.Random) -> Incident:
    habit = _HABITS[what]
    begin_us = hour * HOUR_US + chance.randrange(5, 25) * MINUTE_US + chance.randrange(MINUTE_US)
    return Incident(what, begin_us, begin_us + chance.randint(habit.shortest_us, habit.longest_us))


def _commands(days: int, incidents: Sequence[Incident], chance: random.Random) -> Iterator[int]:
    """Moments in hours that no incident keeps, a quarter of an hour apart at least, so that each command ends first."""
    kept = {each.begin_us // HOUR_US + hour for each in incidents for hour in range(_HOURS_KEPT)}
    for day in range(days):
        free = [
            hour * HOUR_US + quarter * 15 * MINUTE_US
            for hour in range(day * 24 + 1, day * 24 + 23)
            if hour not in kept
            for quarter in range(4)
        ]
        chosen = chance.sample(free, min(len(free), COMMANDS_A_DAY))
        yield from (at + chance.randrange(10 * MINUTE_US) for at in sorted(chosen))
