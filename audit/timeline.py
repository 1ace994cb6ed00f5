"""What happened to a log, as its records tell it: facts for a report, no findings. Pure.

Memory is bounded: of each kind the first `LISTED` are listed, all are counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LISTED: Final = 1_000
"""Moments listed of one kind."""
SILENT_US: Final = 60_000_000
"""A stretch without any record is told of if it is longer than this, microseconds."""
SILENCES: Final = 10
"""How many of the longest are listed."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Record `seq` of time `t` (UTC microseconds by the log's clock), and what it was, in words.

    The words may hold text from the log as it stands there, control characters too.
    """

    seq: int
    t: int
    what: str


@dataclass(frozen=True, slots=True)
class Listed:
    """Everything of one kind: exactly how many, and the first `LISTED` of them in the log's order."""

    count: int = 0
    moments: tuple[Moment, ...] = ()


@dataclass(frozen=True, slots=True)
class Silence:
    """No record for `lasted_us` microseconds behind record `after` of time `since` (UTC microseconds).

    The length is by the monotonic clock; across a restart of the host by UTC, which is all there is.
    """

    after: int
    since: int
    lasted_us: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """What the records in the scope tell. A pruned segment tells only of the log's own records.

    `openings` are all beginnings and openings, `unclosed` those of them before which the writer ended without closing
    the log. `clock_steps` are the records that step against the one before. `denials` sums `n` of the `denied_records`
    of kind `denied`. `silences`: how many stretches were longer than `SILENT_US`, and the longest of them first; a
    gateway in use writes a record every few seconds, but nothing in the format demands one.
    """

    openings: Listed = Listed()
    unclosed: Listed = Listed()
    cuts: Listed = Listed()
    gaps: Listed = Listed()
    clock_steps: Listed = Listed()
    key_changes: Listed = Listed()
    prunings: Listed = Listed()
    denied_records: int = 0
    denials: int = 0
    silence_count: int = 0
    silences: tuple[Silence, ...] = ()
