"""Which program's wish stands at each node: IEEE 2030.5 events, per control mode.

Sources: IEEE Std 2030.5-2018 clause 10.2.3, "Event rules and guidelines" (overlapping events; the newer by
`creationTime` at equal primacy), and the `primacy` attribute of DERProgram (a lower number outranks). What those leave
open, equal primacy and equal time, is decided by the mRID: the larger stands, as 2030.5 orders its lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite
from typing import Protocol

from dermscore.model import Now


class Mode(StrEnum):
    """A control mode, by its name in IEEE 2030.5 without the `opMod` prefix. Each mode is decided apart."""

    TARGET_W = "TargetW"


class Program(Protocol):
    """What arbitration needs to know of a program (`dermscore.policy` has the whole)."""

    @property
    def primacy(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Event:
    """A wish for one node over a time: an active or coming dispatch.

    `id` is the dispatch id (the mRID), `node` a tree path or an asset id, `value_w` in W with injection positive (None:
    a release). `primacy` overrides the program's where given. Times are the headend's UTC ms; `ends_ms` is the first
    moment at which it no longer stands.
    """

    id: str
    node: str
    program: str
    issued_ms: int
    starts_ms: int
    ends_ms: int
    value_w: float | None
    primacy: int | None = None
    mode: Mode = Mode.TARGET_W


@dataclass(frozen=True, slots=True)
class Control:
    """What stands at a node in a mode. `source` is the id of the event that won, `until_ms` when it ends."""

    node: str
    mode: Mode
    value_w: float | None
    source: str
    program: str
    primacy: int
    issued_ms: int
    until_ms: int

    @property
    def rank(self) -> tuple[int, int, str]:
        """Sorts the winner last: lower primacy, then newer, then the larger mRID."""
        return (-self.primacy, self.issued_ms, self.source)

    def __str__(self) -> str:
        return f"dispatch {self.source} (program {self.program}, primacy {self.primacy})"


@dataclass(frozen=True, slots=True)
class Superseded:
    """`event` stood at its node until `by` outranked it. It does not come back when `by` ends: store it as over."""

    event: Event
    by: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """An event that cannot count, and why."""

    event: Event
    reason: str


@dataclass(frozen=True, slots=True)
class Controls:
    """What stands now, by (node, mode), and what does not, with the reason."""

    in_force: Mapping[tuple[str, Mode], Control] = field(default_factory=dict)
    superseded: tuple[Superseded, ...] = ()
    ignored: tuple[Ignored, ...] = ()

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
    has not begun or has ended counts for nothing. Pass only events that are not over: what comes back as `superseded`
    is over (`on_supersede: terminate`), so the end of the winner exposes nothing older. The result does not depend on
    the order of `events`. Cost grows with their number.
    """
    claims: dict[tuple[str, Mode], list[tuple[Control, Event]]] = {}
    ignored: list[Ignored] = []
    for event in events:
        reason = _unusable(programs, event)
        if reason is not None:
            ignored.append(Ignored(event, reason))
        elif event.starts_ms <= now.utc_ms < event.ends_ms:
            claims.setdefault((event.node, event.mode), []).append((_control(programs, event), event))
    in_force: dict[tuple[str, Mode], Control] = {}
    superseded: list[Superseded] = []
    for key in sorted(claims):
        winner = max((control for control, _ in claims[key]), key=lambda control: control.rank)
        in_force[key] = winner
        superseded += [Superseded(event, winner.source) for _, event in claims[key] if event.id != winner.source]
    superseded.sort(key=lambda each: each.event.id)
    ignored.sort(key=lambda each: each.event.id)
    return Controls(in_force, tuple(superseded), tuple(ignored))


def _unusable(programs: Mapping[str, Program], event: Event) -> str | None:
    if event.program not in programs:
        return f"there is no program {event.program!r}"
    if event.value_w is not None and not isfinite(event.value_w):
        return "its value is not a number"
    return None


def _control(programs: Mapping[str, Program], event: Event) -> Control:
    primacy = programs[event.program].primacy if event.primacy is None else event.primacy
    return Control(
        event.node, event.mode, event.value_w, event.id, event.program, primacy, event.issued_ms, event.ends_ms
    )
