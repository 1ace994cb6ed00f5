"""A claim: one event as it competes at its node, with the times at which it really begins and ends.

Those follow from the event, from what is drawn for it, from its cancellation, and from the events that it touches.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from dermscore.dispatch.arbitration.events import Event, Program
from dermscore.dispatch.modes import Mode


class Claim(NamedTuple):
    """One event, as it competes in each mode that it speaks of.

    The larger `rank` outranks: the lower primacy, then the newer (rule f), then the larger mRID, as 2030.5 orders
    lists. `terminates` says that it is over once it was superseded. From `start_ms` to `end_ms` it is in effect, as far
    as it goes; `stop_ms` is when it really ends: there, or where its cancellation cuts it.
    """

    rank: tuple[int, int, str]
    event: Event
    terminates: bool
    known_ms: int
    start_ms: int
    end_ms: int
    stop_ms: int


@dataclass(frozen=True, slots=True)
class Known:
    """What is known at a moment: the programs, by name, and the events of each node, each of them once."""

    programs: Mapping[str, Program]
    events: Mapping[str, Sequence[Event]]
    now_ms: int

    def claims(self, node: str) -> dict[Mode, list[Claim]]:
        """The claims to each mode of a node, the highest first, with the times at which they really begin and end."""
        events = self.events.get(node, ())
        found: dict[Mode, list[Claim]] = defaultdict(list)
        for claim in sorted(map(self._claim, events), key=attrgetter("rank"), reverse=True):
            for mode in claim.event.controls:
                found[mode].append(claim)
        edges = _edges(events)
        return {mode: meet(claims, edges, self.now_ms) for mode, claims in found.items()} if edges else found

    def _claim(self, event: Event) -> Claim:
        program = self.programs[event.program]
        primacy = program.primacy if event.primacy is None else max(program.primacy, event.primacy)
        start_ms, end_ms = drawn_times(event)
        return Claim(
            (-primacy, event.issued_ms, event.id),
            event,
            program.on_supersede == "terminate",
            event.heard_ms,
            start_ms,
            end_ms,
            stopped(event, start_ms, end_ms, self.now_ms),
        )


def drawn_times(event: Event) -> tuple[int, int]:
    """When an event begins and ends, with what is drawn for it; an end that is not after the start is never.

    IEEE Std 2030.5-2018 adds a random value to the start, and another to the duration. Where that start had passed when
    the event became known, it begins then, delayed by the size of what was drawn, and keeps its specified end. One that
    had ended when it became known is never acted on (10.2.3.3, rule l).
    """
    duration_ms = event.ends_ms - event.starts_ms
    known_ms = event.heard_ms
    if duration_ms <= 0 or event.ends_ms <= known_ms:
        return event.starts_ms, event.starts_ms
    delay_ms = drawn_ms(event, "start", event.randomize_start_s)
    start_ms, end_ms = event.starts_ms + delay_ms, event.ends_ms + delay_ms
    if start_ms < known_ms:
        start_ms, end_ms = known_ms + abs(delay_ms), event.ends_ms
    return start_ms, max(start_ms, end_ms + drawn_ms(event, "duration", event.randomize_duration_s))


def drawn_ms(event: Event, what: str, bound_s: int) -> int:
    """A time between 0 and `bound_s` seconds, in ms: the same in every call and process, another for each event."""
    if bound_s == 0:
        return 0
    seed = sha256(f"{event.id}\0{event.node}\0{what}".encode()).digest()
    size_ms = int.from_bytes(seed[:8]) % (abs(bound_s) * 1000 + 1)
    return size_ms if bound_s > 0 else -size_ms


def stopped(event: Event, start_ms: int, end_ms: int, now_ms: int) -> int:
    """When an event really ends: at its end, or where a cancellation that is known at `now_ms` cuts it.

    That is at once, or later where it is randomised and the event has begun: the larger of the two bounds is what the
    end is then drawn within (EventStatus 3, "cancelled with randomization").
    """
    cancelled_ms = event.cancelled_ms
    if cancelled_ms is None or cancelled_ms > now_ms:
        return end_ms
    if event.cancel_randomized and cancelled_ms > start_ms:
        bound_s = max(abs(event.randomize_start_s), abs(event.randomize_duration_s))
        cancelled_ms += drawn_ms(event, "cancel", bound_s)
    return min(end_ms, cancelled_ms)


def _edges(events: Sequence[Event]) -> set[int]:
    """The moments at which one is specified to end and another to begin, which what is drawn might part."""
    if not any(event.randomize_start_s or event.randomize_duration_s for event in events):
        return set()
    return {event.starts_ms for event in events} & {event.ends_ms for event in events}


def meet(claims: Sequence[Claim], edges: Set[int], now_ms: int) -> list[Claim]:
    """The same claims, but those of events that touch, one's specified end being the other's start, meet.

    Randomisation shall make neither conflicts nor gaps between those: the later begins where the earlier really ends,
    and lasts as long as it would have (IEEE Std 2030.5-2018 10.2.3.3, rule o). What ranks lower in primacy never moves
    what ranks higher, so a lower one that is followed by a higher one ends where that begins. `claims` are all of one
    node and mode, the highest first; `edges` has the moments at which events of the node touch.
    """
    met = list(claims)
    finishes: dict[int, int] = {}  # the place of the highest, by the specified end
    begins: dict[int, int] = {}  # and by the specified start, of higher primacies only
    touching = [place for place, claim in enumerate(claims) if _touches(claim, edges)]
    for _, group in groupby(touching, key=lambda place: claims[place].rank[0]):
        equals = list(group)
        for place in equals:
            finishes.setdefault(claims[place].event.ends_ms, place)
        for place in sorted(equals, key=lambda place: claims[place].event.starts_ms):
            one = claims[place]
            start_ms, end_ms = one.start_ms, one.end_ms
            before, after = finishes.get(one.event.starts_ms), begins.get(one.event.ends_ms)
            if before is not None:
                start_ms = _met(one, start_ms, met[before].end_ms, met[before])
                end_ms += start_ms - one.start_ms
            if after is not None:
                end_ms = max(start_ms, _met(one, end_ms, met[after].start_ms, met[after]))
            stop_ms = stopped(one.event, start_ms, end_ms, now_ms)
            met[place] = one._replace(start_ms=start_ms, end_ms=end_ms, stop_ms=stop_ms)
        for place in equals:
            begins.setdefault(claims[place].event.starts_ms, place)
    return met


def _touches(claim: Claim, edges: Set[int]) -> bool:
    event = claim.event
    return claim.start_ms < claim.end_ms and (event.starts_ms in edges or event.ends_ms in edges)


def _met(one: Claim, own_ms: int, edge_ms: int, other: Claim) -> int:
    """Where a claim meets another: at that one's edge, if both were known by then and until that one is cancelled."""
    if other.known_ms > min(own_ms, edge_ms) or one.known_ms > edge_ms:
        return own_ms
    return edge_ms if other.stop_ms >= edge_ms else max(own_ms, other.stop_ms)
