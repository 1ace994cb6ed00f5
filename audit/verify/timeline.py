"""What happened to a log, as its records tell it: facts for a report, no findings. Pure.

Memory is bounded: of each kind the first `LISTED` are listed, all are counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from audit.format import kinds, step
from audit.format.record import Header
from audit.format.step import Clocks
from audit.verify.scope import Scope
from audit.words import many

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


_KINDS: Final = ("openings", "unclosed", "cuts", "gaps", "clock_steps", "key_changes", "prunings")
"""The first fields of a timeline, in their order."""


class Telling:
    """A timeline in the making. Owned by whoever reads the records; what is out of the scope's period is left out."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._counts: Counter[str] = Counter()
        self._moments: dict[str, list[Moment]] = {name: [] for name in _KINDS}
        self._denied_records = self._denials = 0
        self._silence_count = 0
        self._silences: list[Silence] = []  # the longest so far

    def own(self, header: Header, closed: bool) -> None:
        """One of the log's own records; `closed`: the record before it closed the log."""
        match header.kind:
            case kinds.START | kinds.REBASE | kinds.OPEN:
                self._note("openings", header.seq, header.t, _opening(header, closed))
                if header.seq and not closed:
                    self._note("unclosed", header.seq, header.t, _opening(header, closed))
            case kinds.CUT:
                self._note("cuts", header.seq, header.t, header.reason)
            case kinds.GAP:
                self._note("gaps", header.seq, header.t, f"{many(header.n, 'record')} not taken: {header.reason}")
            case kinds.KEY:
                self._note("key_changes", header.seq, header.t, f"the key changed to {header.decision}")
            case kinds.PRUNED:
                what = f"segments {header.rule} were pruned: {header.reason}"
                self._note("prunings", header.seq, header.t, what)

    def neighbours(self, seq: int, before: Clocks, after: Clocks) -> None:
        """Record `seq` and the one before it: a step of the clock, a silence, or nothing."""
        if step.steps(before, after):
            self._note("clock_steps", seq, after.t, _step(before, after))
        lasted = step.elapsed_us(before, after)
        if lasted > SILENT_US and self._overlaps(before.t, after.t):
            self._silence_count += 1
            self._keep([Silence(seq - 1, before.t, lasted)])

    def denied(self, t: int, n: int) -> None:
        """A record of so many denials."""
        if self._scope.covers(t):
            self._denied_records += 1
            self._denials += n

    def add(self, following: Timeline) -> None:
        """What stands behind all that was told so far, of the same scope."""
        for name in _KINDS:
            listed: Listed = getattr(following, name)
            self._counts[name] += listed.count
            self._moments[name] += listed.moments[: LISTED - len(self._moments[name])]
        self._denied_records += following.denied_records
        self._denials += following.denials
        self._silence_count += following.silence_count
        self._keep(following.silences)

    def told(self) -> Timeline:
        """Everything so far."""
        listed = {name: Listed(self._counts[name], tuple(moments)) for name, moments in self._moments.items()}
        return replace(
            Timeline(),
            **listed,
            denied_records=self._denied_records,
            denials=self._denials,
            silence_count=self._silence_count,
            silences=tuple(self._silences),
        )

    def _note(self, name: str, seq: int, t: int, what: str) -> None:
        if self._scope.covers(t):
            self._counts[name] += 1
            if len(self._moments[name]) < LISTED:
                self._moments[name].append(Moment(seq, t, what))

    def _keep(self, more: Iterable[Silence]) -> None:
        self._silences = sorted([*self._silences, *more], key=lambda one: (-one.lasted_us, one.after))[:SILENCES]

    def _overlaps(self, begin: int, end: int) -> bool:
        since, until = self._scope.since, self._scope.until
        return (since is None or end > since) and (until is None or begin < until)


def _opening(header: Header, closed: bool) -> str:
    if header.seq == 0:
        return "the log was begun" if header.kind == kinds.START else f"begun after a restore of {header.peer}"
    how = "the log was opened again" if closed else "opened again; the writer before ended without closing the log"
    return f"{how} ({header.reason})" if header.reason else how


def _step(before: Clocks, after: Clocks) -> str:
    jump = step.jump_us(before, after)
    if jump is None:
        return f"UTC is {(before.t - after.t) / 1e6:.6f} s behind what it was before the host was restarted"
    way = "forward" if jump > 0 else "back"
    return f"UTC went {way} by {abs(jump) / 1e6:.6f} s against the monotonic clock"
