"""Which program's wish stands at each node: IEEE 2030.5 events, per control mode.

Sources: IEEE Std 2030.5-2018 clause 10.2.3, "Event rules and guidelines" (overlapping events; the newer by
`creationTime` at equal primacy), and the `primacy` attribute of DERProgram (a lower number outranks). What those leave
open, equal primacy and equal time, is decided by the mRID: the larger stands, as 2030.5 orders its lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from dermscore.dispatch.modes import Mode, Value, value_problem
from dermscore.model import Now

OnSupersede = Literal["terminate", "resume"]
"""What becomes of an event that was superseded in a mode when its superseder ends: it stays over, or comes back."""


class Program(Protocol):
    """What arbitration needs to know of a program (`dermscore.policy` has the whole).

    `defaults` is what stands where no event does, by node and mode (DefaultDERControl).
    """

    @property
    def primacy(self) -> int: ...
    @property
    def on_supersede(self) -> OnSupersede: ...
    @property
    def defaults(self) -> Mapping[str, Mapping[Mode, Value]]: ...


@dataclass(frozen=True, slots=True)
class Event:
    """A wish for one node over a time, in one or several modes: a DERControl.

    `id` is the dispatch id (the mRID), `node` a tree path or an asset id. `controls` has a value for each mode that it
    speaks of, None for a release. `issued_ms` is its creationTime. Times are the headend's UTC ms; `ends_ms` is the
    first moment at which it no longer stands. `primacy` lowers its program's (a larger number), and never raises it.

    `randomize_start_s` and `randomize_duration_s` bound what is drawn once, from the ids: seconds later, or earlier
    where negative. `cancelled_ms` is when it was cancelled, `cancel_randomized` whether its end is then spread too.
    `ramp_w_per_s` is how fast its value is to be reached (setGradW), None at once.
    """

    id: str
    node: str
    program: str
    issued_ms: int
    starts_ms: int
    ends_ms: int
    controls: Mapping[Mode, Value | None]
    primacy: int | None = None
    randomize_start_s: int = 0
    randomize_duration_s: int = 0
    ramp_w_per_s: float | None = None
    cancelled_ms: int | None = None
    cancel_randomized: bool = False


@dataclass(frozen=True, slots=True)
class Next:
    """What will stand at a node in a mode after what stands now, as known now. `source` as in `Control`."""

    value: Value | None
    source: str
    is_default: bool


@dataclass(frozen=True, slots=True)
class Control:
    """What stands at a node in a mode, since when and until when.

    `value` is None for a release. `source` is the id of the event that won, or `default of program X`; `until_ms` is
    None where nothing known will end it. `from_value` is what stood just before `since_ms` (None: nothing did),
    from where `ramp_w_per_s` leads; `then` is what will stand from `until_ms` on (None: nothing will).
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
    """`event` was outranked in `mode` by the event `by` at `at_ms`; it stays active in its other modes."""

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
    """What stands now, by (node, mode), what will stand, and what does not, with the reason."""

    in_force: Mapping[tuple[str, Mode], Control] = field(default_factory=dict)
    superseded: tuple[Superseded, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    upcoming: tuple[Control, ...] = ()

    def at(self, node: str, mode: Mode = Mode.TARGET_W) -> Control | None:
        """What stands at exactly this node."""
        return self.in_force.get((node, mode))

    def governing(self, nodes: Iterable[str], mode: Mode = Mode.TARGET_W) -> Control | None:
        """The highest-ranking of what stands at any of `nodes`: an asset obeys its own id and every path above it."""
        found = [control for node in nodes if (control := self.at(node, mode)) is not None]
        return max(found, key=lambda control: control.rank, default=None)


def arbitrate(programs: Mapping[str, Program], events: Iterable[Event], now: Now) -> Controls:
    """Decide which event stands at each node, in each mode, at `now.utc_ms` (events run on server time).

    Per node and mode the lower primacy wins; at equal primacy the newer; at equal time the larger mRID. An event that
    has not begun or has ended counts for nothing. The result does not depend on the order of `events`. Cost grows with
    their number.
    """
    claims: dict[tuple[str, Mode], list[tuple[Control, Event]]] = {}
    ignored: list[Ignored] = []
    for event in events:
        reason = _unusable(programs, event)
        if reason is not None:
            ignored.append(Ignored(event, reason))
        elif event.starts_ms <= now.utc_ms < event.ends_ms:
            for mode, value in event.controls.items():
                control = _control(programs, event, mode, value)
                claims.setdefault((event.node, mode), []).append((control, event))
    in_force: dict[tuple[str, Mode], Control] = {}
    superseded: list[Superseded] = []
    for key in sorted(claims):
        winner = max((control for control, _ in claims[key]), key=lambda control: control.rank)
        in_force[key] = winner
        superseded += [
            Superseded(event, key[1], winner.source, winner.since_ms)
            for _, event in claims[key]
            if event.id != winner.source
        ]
    superseded.sort(key=lambda each: (each.event.id, each.mode))
    ignored.sort(key=lambda each: each.event.id)
    return Controls(in_force, tuple(superseded), tuple(ignored))


def _unusable(programs: Mapping[str, Program], event: Event) -> str | None:
    if event.program not in programs:
        return f"there is no program {event.program!r}"
    for mode, value in event.controls.items():
        problem = None if value is None else value_problem(mode, value)
        if problem:
            return problem
    return None


def _control(programs: Mapping[str, Program], event: Event, mode: Mode, value: Value | None) -> Control:
    return Control(
        node=event.node,
        mode=mode,
        value=value,
        source=event.id,
        program=event.program,
        primacy=max(programs[event.program].primacy, event.primacy or 0),
        issued_ms=event.issued_ms,
        since_ms=event.starts_ms,
        until_ms=event.ends_ms,
        ramp_w_per_s=event.ramp_w_per_s,
    )
