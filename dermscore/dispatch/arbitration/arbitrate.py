"""Which program's wish stands at each node: IEEE 2030.5 events and defaults, per control mode.

Sources: IEEE Std 2030.5-2018 clause 10.2.3.3, "Event rules and guidelines" (rule f: of two events the one with the
larger creationTime is newer; rule o: randomisation makes neither conflicts nor gaps between events that follow each
other; rule t: differing controls are independent and supersede nothing of each other), the `primacy` of DERProgram (a
lower number outranks), EventStatus; and the SunSpec CSIP conformance test procedures, BASIC-016 to -026, AGG-002 to
-012 and CORE-012, -013 and -021 to -023, where they decide what 2030.5 leaves open. What all leave open, equal primacy
and equal time, is decided by the mRID: the larger stands, as 2030.5 orders its lists. docs/explanation/who-wins.md
tells it all with a worked timeline.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from dermscore.dispatch.arbitration.claims import Claim, Known
from dermscore.dispatch.arbitration.controls import Control, Controls, Ignored, Key, Next, Statuses, Superseded
from dermscore.dispatch.arbitration.events import Event, Program
from dermscore.dispatch.arbitration.timeline import Course, timeline
from dermscore.dispatch.arbitration.versions import merged
from dermscore.dispatch.modes import Mode, Value, value_problem
from dermscore.model import Now


def arbitrate(programs: Mapping[str, Program], events: Iterable[Event], now: Now) -> Controls:
    """Decide what stands at each node, in each mode, at `now.utc_ms` (events run on server time).

    Per node and mode, apart from all others: any event in effect beats any default; the lower primacy wins; at equal
    primacy the newer; at equal time the larger mRID. Of defaults too the lower primacy wins, however much laxer it is.

    Pass *all* events of the log, also those that are over: what was superseded stays so when its superseder ends
    (`on_supersede: terminate` of its own program) or comes back (`resume`), and that follows from the events alone. So
    the result depends neither on their order, nor on how often one is given, nor on what was asked before; what was
    not known at `now` does not count at it. Cost grows with events and nodes, but for the sorting of a node's events.

    Args:
        programs: by name; an event of any other is ignored.
        events: of any nodes. One id stands once at one node: a second version may only cancel it.
        now: the moment. Only `utc_ms` is read.

    Raises:
        ValueError: a program's default is no value for its mode.
    """
    defaults = _defaults(programs)
    known, ignored = _known(programs, events, now.utc_ms)
    in_force: dict[Key, Control] = {}
    upcoming: list[Control] = []
    superseded: list[Superseded] = []
    for node in sorted(known.events.keys() | defaults.keys()):
        claims, standing = known.claims(node), _standing(defaults.get(node, ()), node)
        for mode in sorted(claims.keys() | standing.keys()):
            story = _Story.told(node, mode, claims.get(mode, ()), standing.get(mode), now.utc_ms)
            current = story.control(story.place)
            if current is not None:
                in_force[node, mode] = current
            upcoming += story.upcoming()
            superseded += story.superseded()
    superseded.sort(key=lambda each: (each.event.id, each.event.node, each.mode))
    upcoming.sort(key=lambda control: (control.since_ms, control.node, control.mode))
    return Controls(in_force, tuple(superseded), ignored, tuple(upcoming), Statuses(known))


@dataclass(frozen=True, slots=True)
class _Defaults:
    """The default controls of one program."""

    program: str
    primacy: int
    source: str
    values: Mapping[str, Mapping[Mode, Value]]


def _defaults(programs: Mapping[str, Program]) -> dict[str, tuple[_Defaults, ...]]:
    """Whose defaults speak of each node, the highest first: the lower primacy, then the larger name."""
    found: dict[str, tuple[_Defaults, ...]] = {}
    for name, program in sorted(programs.items(), key=lambda named: (-named[1].primacy, named[0]), reverse=True):
        this = (_Defaults(name, program.primacy, f"default of program {name}", program.defaults),)
        for node, values in program.defaults.items():
            for mode, value in values.items():
                problem = value_problem(mode, value)
                if problem:
                    raise ValueError(f"the default of program {name} at {node!r}: {problem}")
            higher = found.get(node)
            found[node] = this if higher is None else higher + this
    return found


def _standing(speaking: Iterable[_Defaults], node: str) -> dict[Mode, _Defaults]:
    """Whose default stands in each mode of a node."""
    found: dict[Mode, _Defaults] = {}
    for defaults in speaking:
        for mode in defaults.values[node]:
            found.setdefault(mode, defaults)
    return found


def _known(programs: Mapping[str, Program], events: Iterable[Event], now_ms: int) -> tuple[Known, tuple[Ignored, ...]]:
    """What is known at a moment, and the events that cannot count."""
    by_node: dict[str, list[Event]] = defaultdict(list)
    ignored: list[Ignored] = []
    for event in events:
        reason = _unusable(programs, event)
        if reason is not None:
            ignored.append(Ignored(event, reason))
        elif event.heard_ms <= now_ms:
            by_node[event.node].append(event)
    for node, several in by_node.items():
        if len(several) == 1:
            continue
        by_node[node], edited = merged(several)
        ignored += [Ignored(event, "it changes an event that there is; only cancelling is allowed") for event in edited]
    ignored.sort(key=lambda each: (each.event.id, each.event.node, repr(each)))
    return Known(programs, by_node, now_ms), tuple(each for each, _again in groupby(ignored))


def _unusable(programs: Mapping[str, Program], event: Event) -> str | None:
    if event.program not in programs:
        return f"there is no program {event.program!r}"
    if not event.starts_ms <= event.ends_ms:
        return "it ends before it begins"
    if event.ramp_w_per_s is not None and not event.ramp_w_per_s > 0:
        return "its ramp is not above 0"
    if not event.controls:
        return "it says nothing of any mode"
    for mode, value in event.controls.items():
        problem = None if value is None else value_problem(mode, value)
        if problem:
            return problem
    return None


@dataclass(slots=True)
class _Story:
    """What happens at one node in one mode; `place` is that of the segment now. Owner of every field: `arbitrate`."""

    node: str
    mode: Mode
    claims: Sequence[Claim]
    default: _Defaults | None
    course: Course
    place: int
    now_ms: int

    @classmethod
    def told(cls, node: str, mode: Mode, claims: Sequence[Claim], default: _Defaults | None, now_ms: int) -> _Story:
        course = timeline(claims)
        return cls(node, mode, claims, default, course, course.place_at(now_ms), now_ms)

    def upcoming(self) -> Iterator[Control]:
        """What will stand after what stands now, in order."""
        for place in range(self.place + 1, len(self.course.segments)):
            control = self.control(place)
            if control is not None:
                yield control

    def superseded(self) -> Iterator[Superseded]:
        """The claims that are not over yet and are outranked, or will be."""
        since_ms, top = self.course.segments[self.place]
        for place, claim in enumerate(self.claims):
            if self.now_ms >= claim.stop_ms:
                continue
            if place in self.course.lost:
                at_ms, by = self.course.lost[place]
                yield Superseded(claim.event, self.mode, self.claims[by].event.id, at_ms)
            elif top is not None and claim is not top and claim.start_ms <= self.now_ms:  # it waits
                yield Superseded(claim.event, self.mode, top.event.id, max(since_ms, claim.start_ms))

    def control(self, place: int) -> Control | None:
        """What stands in a segment; None where nothing does."""
        since_ms, claim = self.course.segments[place]
        until_ms = self.course.segments[place + 1][0] if place + 1 < len(self.course.segments) else None
        default = self.default
        if claim is None and default is None:
            return None
        before = self._standing(place - 1) if place else None
        from_value = None if before is None else before.value
        then = None if until_ms is None else self._standing(place + 1)
        if claim is not None:
            event = claim.event
            return Control(
                self.node, self.mode, event.controls[self.mode], event.id, event.program, -claim.rank[0],
                event.issued_ms, since_ms, until_ms, False, event.ramp_w_per_s, from_value, then,
            )  # fmt: skip
        assert default is not None
        value = default.values[self.node][self.mode]
        return Control(
            self.node, self.mode, value, default.source, default.program, default.primacy,
            0, since_ms, until_ms, True, None, from_value, then,
        )  # fmt: skip

    def _standing(self, place: int) -> Next | None:
        claim = self.course.segments[place][1]
        if claim is not None:
            return Next(claim.event.controls[self.mode], claim.event.id, False)
        default = self.default
        return None if default is None else Next(default.values[self.node][self.mode], default.source, True)
