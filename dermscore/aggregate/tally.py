"""How many members of a group are in which condition: counts that add up as one integer.

A tally holds a count per `Lane` in 32 bits each, so that adding two tallies adds every count (below 2^32 members no
lane spills into the next), and a group's tally merges as exactly and as fast as its sums.
"""

from __future__ import annotations

from enum import IntEnum
from functools import cache, reduce
from itertools import compress
from operator import or_
from typing import Final

from dermscore.quality import Cause, Validity

_BITS: Final = 32
_FULL: Final = (1 << _BITS) - 1


class Lane(IntEnum):
    """What is counted of the members. Each is in one of the first seven, and in those of its causes."""

    GOOD = 0  # it reports, and this is its validity, by the same number
    QUESTIONABLE = 1
    HELD = 2
    INVALID = 3  # it has a reading, but does not report; nor do those that follow
    NEVER_HEARD = 4
    SILENT = 5  # its last reading is older than may be
    AHEAD = 6  # its last reading is from the future
    COMM_LOST = 7
    OVER_RANGE = 8
    RESTART = 9
    LOCAL_FORCED = 10
    REMOTE_FORCED = 11
    TEST = 12
    NOT_IN_EFFECT = 13
    LOW_COVERAGE = 14


LANE_OF: Final = (Lane.GOOD, Lane.QUESTIONABLE, Lane.HELD, Lane.INVALID)
"""The lane of each validity, by its number."""

LAST_THAT_REPORTS: Final = Lane.HELD

_CAUSES: Final = tuple((Lane[cause.name], cause) for cause in Cause if cause.name)
_CAUSE_SHIFTS: Final = tuple(_BITS * lane for lane, _ in _CAUSES)
_REPORTING: Final = (Lane.HELD, Lane.QUESTIONABLE)


# By number, since these are looked up for every member of every publication.
_LANE_TALLY: Final = tuple(1 << _BITS * lane for lane in Lane)
_CAUSE_TALLY: Final = tuple(
    sum(_LANE_TALLY[lane] for lane, cause in _CAUSES if cause & causes) for causes in range(1 << len(_CAUSES))
)


def one(lane: Lane, causes: Cause = Cause.NONE) -> int:
    """The tally of one member."""
    return _LANE_TALLY[lane] + _CAUSE_TALLY[causes]


def counted(tally: int, lane: Lane) -> int:
    """How many members are in a lane."""
    return tally >> _BITS * lane & _FULL


def worst(tally: int) -> Validity:
    """The worst validity of those that report; GOOD where none does."""
    for lane in _REPORTING:
        if counted(tally, lane):
            return Validity(lane.value)
    return Validity.GOOD


def causes_of(tally: int) -> Cause:
    """Every cause that any member has."""
    return _union(tuple([tally >> shift & _FULL > 0 for shift in _CAUSE_SHIFTS]))


@cache
def _union(present: tuple[bool, ...]) -> Cause:
    return reduce(or_, compress([cause for _, cause in _CAUSES], present), Cause.NONE)
