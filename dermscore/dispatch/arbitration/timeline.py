"""Which claim stands at one node in one mode, over all time: one sweep over what begins, ends and becomes known.

The rules are those of IEEE Std 2030.5-2018 clause 10.2.3.3 and of the SunSpec CSIP conformance test procedures 1.2;
docs/explanation/who-wins.md tells them with examples.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush

from dermscore.dispatch.arbitration.claims import Claim, settle

Segment = tuple[int, Claim | None]
"""From when (UTC ms), and the claim that stands from then on; None: no event does."""

_ENDS, _KNOWN, _BEGINS = range(3)


def timeline(claims: Sequence[Claim], now_ms: int) -> list[Segment]:
    """What stands when, in order of time, as far as it is known at `now_ms`.

    `claims` are all of one node and mode, the highest first; each is told when it was superseded. A claim is spoken of
    by its place among them: a smaller one outranks. The cost grows as that of sorting them.
    """
    settle(claims, now_ms)
    if len(claims) < 2:  # most modes of most nodes: nothing to be decided
        return [segment for claim in claims for segment in _alone(claim)]
    return list(_Sweep(claims).segments())


def _alone(claim: Claim) -> Iterator[Segment]:
    """What stands when where there is one claim only."""
    if claim.start_ms < claim.stop_ms:
        claim.held = True
        yield claim.start_ms, claim
        yield claim.stop_ms, None


class _Sweep:
    """One passage through time. Owner of every field: the call of `timeline` that made it."""

    def __init__(self, claims: Sequence[Claim]) -> None:
        self._claims = claims
        self._live: list[int] = []  # a heap of what stands or waits below it; what is over goes when it comes up
        self._coming = _Coming(claims)

    def segments(self) -> Iterator[Segment]:
        standing: int | None = None
        marks = _marks(self._claims)
        for number, (time_ms, kind, place) in enumerate(marks, 1):
            if kind == _BEGINS:
                self._begin(place)
            elif kind == _KNOWN:
                self._coming.add(place)
            else:
                self._coming.drop(place)
            if number < len(marks) and marks[number][0] == time_ms:
                continue
            top = self._top(time_ms)
            if top != standing:
                standing = top
                yield time_ms, self._stand(top)

    def _stand(self, place: int | None) -> Claim | None:
        if place is None:
            return None
        self._claims[place].held = True
        return self._claims[place]

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
            self._supersede(place, higher, claim.start_ms)
            return
        heappush(self._live, place)
        if higher is None and top is not None and self._claims[top].terminates:
            self._supersede(top, place, claim.start_ms)

    def _supersede(self, place: int, by: int, at_ms: int) -> None:
        self._claims[place].over_ms, self._claims[place].over_by = at_ms, self._claims[by]

    def _top(self, now_ms: int) -> int | None:
        """The highest of what is live."""
        while self._live:
            top = self._claims[self._live[0]]
            if top.stop_ms > now_ms and top.over_ms is None:
                return self._live[0]
            heappop(self._live)
        return None


def _marks(claims: Sequence[Claim]) -> list[tuple[int, int, int]]:
    """The moments at which something may change. At one moment what ends goes first; the highest begins first."""
    marks = []
    for place, claim in enumerate(claims):
        start_ms, stop_ms = claim.start_ms, claim.stop_ms
        if start_ms >= claim.end_ms or stop_ms <= claim.known_ms:
            continue
        marks.append((stop_ms, _ENDS, place))
        if claim.known_ms < start_ms:
            marks.append((claim.known_ms, _KNOWN, place))
        if start_ms < stop_ms:
            marks.append((start_ms, _BEGINS, place))
    marks.sort()
    return marks


class _Coming:
    """The claims that are known and have neither begun nor been cancelled: which of them is the highest, up to a time?

    A tournament tree over the claims in the order of their starts: each node has the highest place of those below it.
    """

    def __init__(self, claims: Sequence[Claim]) -> None:
        self._claims = claims
        self._none = len(claims)
        self._tree: list[int] = []  # grown when the first comes in: most modes of most nodes never have one
        self._starts: list[int] = []
        self._leaves: list[int] = []

    def add(self, place: int) -> None:
        if not self._tree:
            self._grow()
        self._set(place, place)

    def drop(self, place: int) -> None:
        if self._tree:
            self._set(place, self._none)

    def highest(self, place: int) -> int | None:
        """The highest that begins before the end of the claim at `place`, where it outranks that one."""
        if not self._tree:
            return None
        low, high = self._none, self._none + bisect_left(self._starts, self._claims[place].end_ms)
        found = place
        while low < high:  # the leaves of the starts before that end, joined upwards
            if low & 1:
                found, low = min(found, self._tree[low]), low + 1
            if high & 1:
                high -= 1
                found = min(found, self._tree[high])
            low, high = low >> 1, high >> 1
        return None if found == place else found

    def _grow(self) -> None:
        by_start = sorted(range(self._none), key=lambda place: self._claims[place].start_ms)
        self._starts = [self._claims[place].start_ms for place in by_start]
        self._leaves = [0] * self._none
        for leaf, place in enumerate(by_start, self._none):
            self._leaves[place] = leaf
        self._tree = [self._none] * (2 * self._none)

    def _set(self, place: int, value: int) -> None:
        node = self._leaves[place]
        self._tree[node] = value
        while node > 1:
            node >>= 1
            best = min(self._tree[2 * node], self._tree[2 * node + 1])
            if self._tree[node] == best:
                return
            self._tree[node] = best
