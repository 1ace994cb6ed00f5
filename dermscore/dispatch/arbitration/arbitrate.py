"""Which program's wish stands at each node: IEEE 2030.5 events and defaults, per control mode.

Sources: IEEE Std 2030.5-2018 clause 10.2.3.3, "Event rules and guidelines" (rule f: of two events the one with the
larger creationTime is newer; rule t: differing controls are independent and supersede nothing of each other), the
`primacy` of DERProgram (a lower number outranks), EventStatus; and the SunSpec CSIP conformance test procedures 1.2,
BASIC-016 to -026 and AGG-002 to -012, where they decide what 2030.5 leaves open. What both leave open, equal primacy
and equal time, is decided by the mRID: the larger stands, as 2030.5 orders its lists. docs/explanation/who-wins.md
tells it all with a worked timeline.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from dermscore.dispatch.arbitration.claims import Claim, claimed
from dermscore.dispatch.arbitration.events import Event, EventStatus, Program
from dermscore.dispatch.arbitration.timeline import Segment, timeline
from dermscore.dispatch.arbitration.versions import merged
from dermscore.dispatch.modes import Mode, Value, value_problem
from dermscore.model import Now

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
    """`event` would stand now in `mode`, but was outranked by the event `by` at `at_ms`. Its other modes go on."""

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

    `upcoming` is what will stand later, as known now: whatever replaces a control is announced there. `statuses` has
    the state of each event that is known, by (id, node, mode).
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


def arbitrate(programs: Mapping[str, Program], events: Iterable[Event], now: Now) -> Controls:
    """Decide what stands at each node, in each mode, at `now.utc_ms` (events run on server time).

    Per node and mode, apart from all others: any event in effect beats any default; the lower primacy wins; at equal
    primacy the newer; at equal time the larger mRID. Of defaults too the lower primacy wins, however much laxer it is.

    Pass *all* events of the log, also those that are over: what was superseded stays so when its superseder ends
    (`on_supersede: terminate` of its own program) or comes back (`resume`), and that follows from the events alone. So
    the result depends neither on their order, nor on how often one is given, nor on what was asked before; what was
    not known at `now` does not count at it. Cost grows with events and nodes.

    Args:
        programs: by name; an event of any other is ignored.
        events: of any nodes. One id stands once at one node: a second version may only cancel it.
        now: the moment. Only `utc_ms` is read.

    Raises:
        ValueError: a program's default is no value for its mode.
    """
    defaults = _defaults(programs)
    claims, ignored = _claims(programs, events, now.utc_ms)
    in_force: dict[Key, Control] = {}
    upcoming: list[Control] = []
    superseded: list[Superseded] = []
    statuses: dict[tuple[str, str, Mode], EventStatus] = {}
    for key in sorted(claims.keys() | defaults.keys()):
        course = _Course(key, claims.get(key, []), defaults.get(key), now.utc_ms)
        current, *later = course.controls()
        if current is not None:
            in_force[key] = current
        upcoming += [control for control in later if control is not None]
        superseded += course.superseded()
        statuses |= {(claim.event.id, *key): status for claim, status in course.statuses()}
    superseded.sort(key=lambda each: (each.event.id, each.event.node, each.mode))
    upcoming.sort(key=lambda control: (control.since_ms, control.node, control.mode))
    return Controls(in_force, tuple(superseded), ignored, tuple(upcoming), statuses)


class _Default(NamedTuple):
    """A program's default control at one node in one mode; the largest stands."""

    rank: tuple[int, str]
    value: Value

    @property
    def source(self) -> str:
        return f"default of program {self.rank[1]}"


def _defaults(programs: Mapping[str, Program]) -> dict[Key, _Default]:
    """The default that stands at each node in each mode: the lower primacy, then the larger name."""
    found: dict[Key, _Default] = {}
    for name, program in programs.items():
        rank = (-program.primacy, name)
        for node, values in program.defaults.items():
            for mode, value in values.items():
                problem = value_problem(mode, value)
                if problem:
                    raise ValueError(f"the default of program {name} at {node!r}: {problem}")
                best = found.get((node, mode))
                if best is None or best.rank < rank:
                    found[node, mode] = _Default(rank, value)
    return found


def _claims(
    programs: Mapping[str, Program], events: Iterable[Event], now_ms: int
) -> tuple[dict[Key, list[Claim]], tuple[Ignored, ...]]:
    """The claims to each mode of each node, the highest first, and the events that make none."""
    usable: list[Event] = []
    ignored: list[Ignored] = []
    for event in events:
        reason = _unusable(programs, event)
        if reason is not None:
            ignored.append(Ignored(event, reason))
        elif event.heard_ms <= now_ms:
            usable.append(event)
    kept, edited = merged(usable)
    ignored += [Ignored(event, "it changes an event that there is; only cancelling is allowed") for event in edited]
    claims: dict[Key, list[Claim]] = {}
    for event in kept:
        program = programs[event.program]
        for claim in claimed(event, program.primacy, program.on_supersede == "terminate"):
            claims.setdefault((event.node, claim.mode), []).append(claim)
    for rivals in claims.values():
        rivals.sort(key=lambda claim: claim.rank, reverse=True)
    ignored.sort(key=lambda each: (each.event.id, each.event.node, repr(each)))
    return claims, tuple(ignored)


def _unusable(programs: Mapping[str, Program], event: Event) -> str | None:
    if event.program not in programs:
        return f"there is no program {event.program!r}"
    if not event.controls:
        return "it says nothing of any mode"
    for mode, value in event.controls.items():
        problem = None if value is None else value_problem(mode, value)
        if problem:
            return problem
    return None


@dataclass(slots=True)
class _Course:
    """What happens at one node in one mode. Owner of every field: the call of `arbitrate` that made it."""

    key: Key
    claims: Sequence[Claim]
    default: _Default | None
    now_ms: int
    segments: list[Segment] = field(init=False)
    place: int = field(init=False)

    def __post_init__(self) -> None:
        segments = timeline(self.claims, self.now_ms)
        self.segments = [(min(0, segments[0][0] if segments else 0), None), *segments]
        self.place = bisect_right(self.segments, self.now_ms, key=lambda segment: segment[0]) - 1

    def controls(self) -> Iterator[Control | None]:
        """What stands now, and then what will, in order; None where nothing does."""
        for place in range(max(self.place, 0), len(self.segments)):
            yield self._control(place)

    def superseded(self) -> Iterator[Superseded]:
        """The claims that would stand now but for a higher one."""
        since_ms, top = self.segments[self.place]
        for claim in self.claims:
            if claim is top or not claim.start_ms <= self.now_ms < claim.stop_ms:
                continue
            by, at_ms = claim.over_by or top, claim.over_ms
            assert by is not None  # what is neither over nor standing waits below what stands
            at_ms = max(since_ms, claim.start_ms) if at_ms is None else at_ms
            yield Superseded(claim.event, claim.mode, by.event.id, at_ms)

    def statuses(self) -> Iterator[tuple[Claim, EventStatus]]:
        top = self.segments[self.place][1]
        for claim in self.claims:
            yield claim, claim.status(self.now_ms, stands=claim is top)

    def _control(self, place: int) -> Control | None:
        since_ms, claim = self.segments[place]
        until_ms = self.segments[place + 1][0] if place + 1 < len(self.segments) else None
        before = self._standing(place - 1) if place else None
        then = None if until_ms is None else self._standing(place + 1)
        from_value = None if before is None else before.value
        node, mode = self.key
        if claim is not None:
            event = claim.event
            return Control(
                node, mode, claim.value, event.id, event.program, claim.primacy, event.issued_ms,
                since_ms, until_ms, False, event.ramp_w_per_s, from_value, then,
            )  # fmt: skip
        if self.default is None:
            return None
        primacy, name = self.default.rank
        return Control(
            node, mode, self.default.value, self.default.source, name, -primacy, 0,
            since_ms, until_ms, True, None, from_value, then,
        )  # fmt: skip

    def _standing(self, place: int) -> Next | None:
        claim = self.segments[place][1]
        if claim is not None:
            return Next(claim.value, claim.event.id, False)
        return None if self.default is None else Next(self.default.value, self.default.source, True)
