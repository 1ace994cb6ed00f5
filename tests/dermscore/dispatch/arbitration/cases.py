"""A published case of arbitration as a table: programs, events, and what stands from minute to minute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dermscore.dispatch import Controls, Event, Mode, arbitrate
from dermscore.model import Now
from tests.dermscore.dispatch.arbitration.programs import MINUTE, NODE, OneProgram, state_of


@dataclass(frozen=True)
class At:
    """What stands at a minute: in a mode, from where; the state of events that is to be looked at; and which events are
    known to lose to which others, from which minute on (what a client answers with "superseded")."""

    minute: float
    stands: Mapping[str, str | None] = field(default_factory=dict)
    states: Mapping[str, str] = field(default_factory=dict)
    lost: Mapping[str, tuple[str, float]] | None = None


@dataclass(frozen=True)
class Case:
    name: str
    source: str
    programs: Mapping[str, OneProgram]
    events: tuple[Event, ...]
    course: tuple[At, ...]
    node: str = NODE

    def __str__(self) -> str:
        return f"{self.source}: {self.name}"


def course(*pairs: tuple[float, str | None], mode: str = "MaxLimW") -> tuple[At, ...]:
    """What stands in one mode, minute by minute."""
    return tuple(At(minute, {mode: source}) for minute, source in pairs)


def live_through(case: Case) -> None:
    """Ask at each minute, with the events in either order."""
    for order in (case.events, case.events[::-1]):
        for at in case.course:
            check(case, at, arbitrate(case.programs, order, Now(round(at.minute * MINUTE), 0)))


def check(case: Case, at: At, controls: Controls) -> None:
    standing = {name: controls.at(case.node, Mode(name)) for name in at.stands}
    found = {name: None if control is None else control.source for name, control in standing.items()}
    assert found == at.stands, at
    by_id = {one.id: one for one in case.events if one.node == case.node}
    assert {name: state_of(controls, by_id[name]) for name in at.states} == at.states, at
    if at.lost is not None:
        here = [each for each in controls.superseded if each.event.node == case.node]
        assert {each.event.id: (each.by, each.at_ms / MINUTE) for each in here} == at.lost, at
