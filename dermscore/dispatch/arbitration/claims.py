"""A claim: one event in one mode at one node, with the times at which it really begins and ends.

Those follow from the event, from what is drawn for it, from its cancellation, and from the events that it touches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from dermscore.dispatch.arbitration.events import Event, EventStatus
from dermscore.dispatch.modes import Mode, Value


@dataclass(slots=True, eq=False)
class Claim:
    """One event in one mode. Owner of every field: the call of `arbitrate` that made it.

    From `start_ms` to `end_ms` it is in effect, as far as it goes; `cut_ms` is when its cancellation ends it.
    `over_ms` is when it was superseded for good, and `over_by` the claim that did it; `held` says whether it stands at
    any time.
    """

    event: Event
    mode: Mode
    value: Value | None
    primacy: int
    terminates: bool
    known_ms: int
    start_ms: int
    end_ms: int
    cut_ms: int | None = None
    over_ms: int | None = None
    over_by: Claim | None = None
    held: bool = False

    @property
    def rank(self) -> tuple[int, int, str]:
        """Sorts the winner last: lower primacy, then newer (rule f), then the larger mRID, as 2030.5 orders lists."""
        return (-self.primacy, self.event.issued_ms, self.event.id)

    @property
    def stop_ms(self) -> int:
        """When it really ends: at its end, or where a cancellation cuts it."""
        return self.end_ms if self.cut_ms is None else min(self.end_ms, self.cut_ms)

    def status(self, now_ms: int, stands: bool) -> EventStatus:
        """What IEEE 2030.5 calls its state; `stands` says whether it is what stands now."""
        cancelled_ms = self.event.cancelled_ms
        if self.cut_ms is not None and cancelled_ms is not None and cancelled_ms < self.end_ms:
            return EventStatus.CANCELLED_RANDOMLY if self.event.cancel_randomized else EventStatus.CANCELLED
        if now_ms < self.start_ms:
            return EventStatus.SCHEDULED
        never = self.start_ms >= self.end_ms
        if never or (now_ms >= self.end_ms and self.held and self.over_ms is None):
            return EventStatus.COMPLETE
        return EventStatus.ACTIVE if stands else EventStatus.SUPERSEDED


def claimed(event: Event, program_primacy: int, terminates: bool) -> Iterator[Claim]:
    """The claims of an event, one for each mode that it speaks of, with its drawn times."""
    start_ms, end_ms = drawn_times(event)
    primacy = program_primacy if event.primacy is None else max(program_primacy, event.primacy)
    for mode, value in event.controls.items():
        yield Claim(event, mode, value, primacy, terminates, event.heard_ms, start_ms, end_ms)


def drawn_times(event: Event) -> tuple[int, int]:
    """When an event begins and ends, with what is drawn for it; an end that is not after the start is never.

    IEEE Std 2030.5-2018 adds a random value to the start, and another to the duration. An event that had ended when it
    became known is never acted on (10.2.3.3, rule l).
    """
    duration_ms = event.ends_ms - event.starts_ms
    if duration_ms <= 0 or event.ends_ms <= event.heard_ms:
        return event.starts_ms, event.starts_ms
    start_ms = event.starts_ms + drawn_ms(event, "start", event.randomize_start_s)
    end_ms = start_ms + duration_ms + drawn_ms(event, "duration", event.randomize_duration_s)
    return start_ms, max(start_ms, end_ms)


def drawn_ms(event: Event, what: str, bound_s: int) -> int:
    """A time between 0 and `bound_s` seconds, in ms: the same in every call and process, another for each event."""
    if bound_s == 0:
        return 0
    seed = sha256(f"{event.id}\0{event.node}\0{what}".encode()).digest()
    size_ms = int.from_bytes(seed[:8]) % (abs(bound_s) * 1000 + 1)
    return size_ms if bound_s > 0 else -size_ms


def settle(claims: Sequence[Claim], now_ms: int) -> None:
    """Fix the times of all claims to one mode of one node, which come highest first.

    Randomisation shall make neither conflicts nor gaps between events that touch, one's specified end being the other's
    start: the moment that was drawn for the higher-ranking one counts for both (an event that begins later moves, as
    in EPRI's client, and one that ends). What ranks lower never moves what ranks higher.
    """
    touching = any(one.event.randomize_start_s or one.event.randomize_duration_s for one in claims)
    begins: dict[int, Claim] = {}
    finishes: dict[int, Claim] = {}
    for one in claims:
        event = one.event
        if touching and one.start_ms < one.end_ms:
            before, after = finishes.get(event.starts_ms), begins.get(event.ends_ms)
            if before is not None:
                one.start_ms = _met(one.start_ms, before.end_ms, before)
            if after is not None:
                one.end_ms = _met(one.end_ms, after.start_ms, after)
            finishes.setdefault(event.ends_ms, one)
            begins.setdefault(event.starts_ms, one)
        one.start_ms = max(one.start_ms, one.known_ms)
        if event.cancelled_ms is not None and event.cancelled_ms <= now_ms:
            one.cut_ms = _cut(one, event.cancelled_ms)


def _met(own_ms: int, edge_ms: int, higher: Claim) -> int:
    """Where a claim meets a higher one: at that one's edge, if it was known by then and until it is cancelled."""
    if higher.known_ms > min(own_ms, edge_ms):
        return own_ms
    if higher.cut_ms is None or higher.cut_ms >= edge_ms:
        return edge_ms
    return max(own_ms, higher.cut_ms)


def _cut(one: Claim, cancelled_ms: int) -> int:
    """When a cancellation ends it: at once, or later where it is randomised and the event has begun.

    The larger of the two bounds is what the end is then drawn within (EventStatus 3, "cancelled with randomization").
    """
    if not one.event.cancel_randomized or cancelled_ms <= one.start_ms:
        return cancelled_ms
    bound_s = max(abs(one.event.randomize_start_s), abs(one.event.randomize_duration_s))
    return cancelled_ms + drawn_ms(one.event, "cancel", bound_s)
