"""Which claim stands at one node in one mode, over all time: one sweep over what begins, ends and becomes known.

The rules are those of IEEE Std 2030.5-2018 clause 10.2.3.3 and of the SunSpec CSIP conformance test procedures;
docs/explanation/who-wins.md tells them with examples.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from heapq import heappop, heappush
from itertools import pairwise
from typing import NamedTuple

from dermscore.dispatch.arbitration.claims import Claim

Segment = tuple[int, Claim | None]
"""From when (UTC ms), and the claim that stands from then on; None: no event does."""

_GOES, _KNOWN, _BEGINS = range(3)
_BRANCHES = 64


class Course(NamedTuple):
    """What stands when, in order of time, as far as it is known; it begins with nothing, at 0 or before.

    `lost` has the claims that were superseded for good, by place: when, and the place of the claim that did it.
    """

    segments: list[Segment]
    lost: Mapping[int, tuple[int, int]]

    def place_at(self, now_ms: int) -> int:
        """Which of the segments is that of a moment: the first, for all that was before."""
        return max(0, bisect_right(self.segments, now_ms, key=lambda segment: segment[0]) - 1)


def timeline(claims: Sequence[Claim]) -> Course:
    """What becomes of the claims to one mode of one node, which come highest first.

    A claim is spoken of by its place among them: a smaller one outranks. The cost grows as that of sorting them.
    """
    if not claims:
        return Course([(0, None)], {})
    if len(claims) == 1:  # as in most modes of most nodes: nothing to be decided
        only = claims[0]
        segments: list[Segment] = [(only.start_ms, only), (only.stop_ms, None)] if only.start_ms < only.stop_ms else []
        return Course(_from_the_beginning(segments), {})
    sweep = _Sweep(claims)
    return Course(_from_the_beginning(sweep.segments()), sweep.lost)


def _from_the_beginning(segments: list[Segment]) -> list[Segment]:
    return [(min(0, segments[0][0]) if segments else 0, None), *segments]


class _Sweep:
    """One passage through time. Owner of every field: the call of `timeline` that made it."""

    def __init__(self, claims: Sequence[Claim]) -> None:
        self.lost: dict[int, tuple[int, int]] = {}
        self._claims = claims
        self._segments: list[Segment] = []
        self._standing: int | None = None
        self._live: list[int] = []  # a heap of what stands or waits below it; what is over goes when it comes up
        self._coming = Coming(claims)

    def segments(self) -> list[Segment]:
        marks = _marks(self._claims)
        for number, (time_ms, kind, place) in enumerate(marks, 1):
            self._pass(time_ms)
            if kind == _BEGINS:
                self._begin(place)
            elif kind == _KNOWN:
                self._coming.add(place)
            else:
                self._coming.drop(place)
            if number == len(marks) or marks[number][0] > time_ms:
                self._stand(time_ms)
        self._pass(None)
        return self._segments

    def _pass(self, time_ms: int | None) -> None:
        """Let what stands end, and what waits below it stand, up to a moment and not at it; None: to the end."""
        while self._standing is not None:
            stop_ms = self._claims[self._standing].stop_ms
            if time_ms is not None and stop_ms >= time_ms:
                return
            self._stand(stop_ms)

    def _stand(self, time_ms: int) -> None:
        """Let the highest of what is live stand from a moment on."""
        top = self._top(time_ms)
        if top != self._standing:
            self._standing = top
            self._segments.append((time_ms, None if top is None else self._claims[top]))

    def _begin(self, place: int) -> None:
        """The start of a claim: it stands, waits below a higher one, or is superseded for good.

        With `on_supersede: terminate` it is superseded for good by a higher claim that stands, and also by one that is
        known by then and begins before its own end: then it never stands at all, even where it begins earlier, and it
        does not come back (CSIP BASIC-021 and -022, AGG-007 and -008; EPRI's client). One that becomes known later
        takes over at its own start (BASIC-023, AGG-009).
        """
        claim = self._claims[place]
        self._coming.drop(place)
        top = self._top(claim.start_ms)
        higher = top if top is not None and top < place else None
        if higher is None and claim.terminates:
            higher = self._coming.highest(place)
        if higher is not None and claim.terminates:
            self.lost[place] = (claim.start_ms, higher)
            return
        heappush(self._live, place)
        if higher is None and top is not None and self._claims[top].terminates:
            self.lost[top] = (claim.start_ms, place)

    def _top(self, now_ms: int) -> int | None:
        """The highest of what is live."""
        while self._live:
            place = self._live[0]
            if place not in self.lost and self._claims[place].stop_ms > now_ms:
                return place
            heappop(self._live)
        return None


def _marks(claims: Sequence[Claim]) -> list[tuple[int, int, int]]:
    """The moments at which a claim comes or goes, but for the ends of what has begun. The highest begins first."""
    marks = []
    for place, claim in enumerate(claims):
        known_ms, start_ms, stop_ms = claim.known_ms, claim.start_ms, claim.stop_ms
        if start_ms >= claim.end_ms or stop_ms <= known_ms:
            continue
        if known_ms < start_ms:
            marks.append((known_ms, _KNOWN, place))
        marks.append((start_ms, _BEGINS, place) if start_ms < stop_ms else (stop_ms, _GOES, place))
    marks.sort()
    return marks


class Coming:
    """The claims that are known and have neither begun nor been cancelled: which of them is the highest, up to a time?

    A tournament tree over the claims in the order of their starts, of many branches so that it is flat: each level has
    the highest place of every 64 of the level below. Owner of every field: the sweep.
    """

    def __init__(self, claims: Sequence[Claim]) -> None:
        self._claims = claims
        self._none = len(claims)
        self._levels: list[list[int]] = []  # grown when the first comes in: most modes of most nodes never have one
        self._starts: list[int] = []
        self._leaves: list[int] = []

    def add(self, place: int) -> None:
        if not self._levels:
            self._grow()
        at = self._leaves[place]
        for level in self._levels:
            if level[at] <= place:
                return
            level[at] = place
            at //= _BRANCHES

    def drop(self, place: int) -> None:
        if not self._levels:
            return
        at = self._leaves[place]
        self._levels[0][at] = self._none
        for below, level in pairwise(self._levels):
            at //= _BRANCHES
            if level[at] != place:
                return
            level[at] = min(below[at * _BRANCHES : (at + 1) * _BRANCHES])

    def highest(self, place: int) -> int | None:
        """The highest that begins before the end of the claim at `place`, which begins now, where it outranks that."""
        if not self._levels:
            return None
        low, high = self._leaves[place], bisect_left(self._starts, self._claims[place].end_ms)
        found = place
        *lower, top = self._levels
        for level in lower:
            up, down = -(-low // _BRANCHES), high // _BRANCHES  # the branches that lie within as a whole
            if up < down:
                found = min([found, *level[low : up * _BRANCHES], *level[down * _BRANCHES : high]])
                low, high = up, down
            else:
                found = min([found, *level[low:high]])
                low = high = 0
        found = min([found, *top[low:high]])
        return None if found == place else found

    def _grow(self) -> None:
        by_start = sorted(range(self._none), key=lambda place: self._claims[place].start_ms)
        self._starts = [self._claims[place].start_ms for place in by_start]
        self._leaves = [0] * self._none
        for leaf, place in enumerate(by_start):
            self._leaves[place] = leaf
        size = self._none
        self._levels = [[self._none] * size]
        while size > _BRANCHES:
            size = -(-size // _BRANCHES)
            self._levels.append([self._none] * size)
