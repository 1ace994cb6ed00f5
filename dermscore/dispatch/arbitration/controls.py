"""What arbitration gives: what stands at each node in each mode, what does not and why, and what comes after."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dermscore.dispatch.arbitration.claims import Claim, Known
from dermscore.dispatch.arbitration.events import Event, EventStatus
from dermscore.dispatch.arbitration.timeline import timeline
from dermscore.dispatch.modes import Mode, Value

Key = tuple[str, Mode]


@dataclass(frozen=True, slots=True)
class Next:
    """What will stand at a node in a mode after what stands now, as known now. `source` as in `Control`."""

    value: Value | None
    source: str
    is_default: bool


@dataclass(frozen=True, slots=True)
class Control:
    """What stands at a node in a mode, since when and until when.

    `value` is None for a release. `source` is the id of the event that won, or `default of program X`. `until_ms` is
    when something else will stand, as known now, and `then` what that is (None: nothing will); both are None where no
    end is known. `from_value` is what stood just before `since_ms` (None: nothing did), from where `ramp_w_per_s`
    leads. A default that no event has preceded stands since 0.
    """

    node: str
    mode: Mode
    value: Value | None
    source: str
    program: str
    primacy: int
    issued_ms: int
    since_ms: int
    until_ms: int | None
    is_default: bool = False
    ramp_w_per_s: float | None = None
    from_value: Value | None = None
    then: Next | None = None

    @property
    def rank(self) -> tuple[bool, int, int, str]:
        """Sorts the winner last: events above defaults, lower primacy, then newer, then the larger mRID."""
        return (not self.is_default, -self.primacy, self.issued_ms, self.source)

    @property
    def value_w(self) -> float | None:
        """The value where it is a power, in W; None where it is a release, a switch or passed through."""
        return None if self.value is None or isinstance(self.value, (bool, str)) else self.value

    def __str__(self) -> str:
        if self.is_default:
            return f"{self.source} (primacy {self.primacy})"
        return f"dispatch {self.source} (program {self.program}, primacy {self.primacy})"


@dataclass(frozen=True, slots=True)
class Superseded:
    """`event` is outranked in `mode` by the event `by`, from `at_ms` on. Its other modes go on.

    Where `at_ms` lies ahead it is not so yet: as known now it will be. Whoever answers for a client of IEEE 2030.5
    reports it by then, and an event that never begins as soon as it is listed (CSIP BASIC-021 and -023).
    """

    event: Event
    mode: Mode
    by: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Ignored:
    """An event that cannot count, and why."""

    event: Event
    reason: str


@dataclass(frozen=True, slots=True)
class Controls:
    """What stands now, by (node, mode), and what does not, with the reason.

    `superseded` has the events that are not over yet and are outranked, or will be. `upcoming` is what will stand
    later, as known now: whatever replaces a control is announced there. `statuses` has the state of each event that is
    known, by (id, node, mode); it is worked out when looked at, a node at a time.
    """

    in_force: Mapping[Key, Control] = field(default_factory=dict)
    superseded: tuple[Superseded, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    upcoming: tuple[Control, ...] = ()
    statuses: Mapping[tuple[str, str, Mode], EventStatus] = field(default_factory=dict)

    def at(self, node: str, mode: Mode = Mode.TARGET_W) -> Control | None:
        """What stands at exactly this node."""
        return self.in_force.get((node, mode))

    def governing(self, nodes: Iterable[str], mode: Mode = Mode.TARGET_W) -> Control | None:
        """The highest-ranking of what stands at any of `nodes`: an asset obeys its own id and every path above it."""
        found = [control for node in nodes if (control := self.at(node, mode)) is not None]
        return max(found, key=lambda control: control.rank, default=None)

    def status(self, event: Event) -> Mapping[Mode, EventStatus]:
        """The state of an event, mode by mode; empty for one that is ignored or not known yet."""
        found = ((mode, self.statuses.get((event.id, event.node, mode))) for mode in event.controls)
        return {mode: status for mode, status in found if status is not None}


class Statuses(Mapping[tuple[str, str, Mode], EventStatus]):
    """The state of each event, by (id, node, mode).

    Most who arbitrate never ask for it, so it is worked out from what was known, for a node when that is first asked
    for. Owner of `_found`: this object; it only ever holds what follows from `known`.
    """

    def __init__(self, known: Known) -> None:
        self._known = known
        self._found: dict[str, dict[tuple[str, str, Mode], EventStatus]] = {}

    def __getitem__(self, key: tuple[str, str, Mode]) -> EventStatus:
        return self._at(key[1])[key]

    def __iter__(self) -> Iterator[tuple[str, str, Mode]]:
        for node in self._known.events:
            yield from self._at(node)

    def __len__(self) -> int:
        return sum(len(event.controls) for events in self._known.events.values() for event in events)

    def __repr__(self) -> str:
        return repr(dict(self))

    def _at(self, node: str) -> dict[tuple[str, str, Mode], EventStatus]:
        found = self._found.get(node)
        if found is None:
            found = self._found[node] = {
                (event.id, node, mode): status
                for mode, claims in self._known.claims(node).items()
                for event, status in _states(claims, self._known.now_ms)
            }
        return found


def _states(claims: Sequence[Claim], now_ms: int) -> Iterator[tuple[Event, EventStatus]]:
    course = timeline(claims)
    top = course.segments[course.place_at(now_ms)][1]
    stood = {claim.event.id for _, claim in course.segments if claim is not None}
    for place, claim in enumerate(claims):
        completes = claim.event.id in stood and place not in course.lost
        yield claim.event, _state(claim, now_ms, claim is top, completes)


def _state(claim: Claim, now_ms: int, stands: bool, completes: bool) -> EventStatus:
    """What IEEE 2030.5 calls the state of a claim; `completes`: it stands at some time, and is not superseded."""
    event = claim.event
    if event.cancelled_ms is not None and event.cancelled_ms <= now_ms and event.cancelled_ms < claim.end_ms:
        return EventStatus.CANCELLED_RANDOMLY if event.cancel_randomized else EventStatus.CANCELLED
    if now_ms < claim.start_ms:
        return EventStatus.SCHEDULED
    if claim.start_ms >= claim.end_ms or (now_ms >= claim.end_ms and completes):
        return EventStatus.COMPLETE
    return EventStatus.ACTIVE if stands else EventStatus.SUPERSEDED
