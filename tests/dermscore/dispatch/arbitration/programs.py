"""Programs and events for the tests of arbitration, short to write. Times are minutes of 60,000 ms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dermscore.dispatch import Controls, Event, EventStatus, Mode, OnSupersede, Value, arbitrate
from dermscore.model import Now

NODE = "feeder/S3"
MINUTE = 60_000


@dataclass(frozen=True)
class OneProgram:
    primacy: int
    on_supersede: OnSupersede = "terminate"
    defaults: Mapping[str, Mapping[Mode, Value]] = field(default_factory=dict)


def program(primacy: int, on_supersede: OnSupersede = "terminate", **defaults: Value) -> OneProgram:
    """A program with default controls at the node, such as `MaxLimW=5000`."""
    return OneProgram(primacy, on_supersede, {NODE: {Mode(name): value for name, value in defaults.items()}})


def event(
    name: str, of: str, start: float, end: float, *, issued: float = 0, cancelled: float | None = None, **values: Value
) -> Event:
    """An event at the node, from minute `start` to minute `end`, such as `MaxLimW=3000`."""
    return Event(
        id=name,
        node=NODE,
        program=of,
        issued_ms=round(issued * MINUTE),
        starts_ms=round(start * MINUTE),
        ends_ms=round(end * MINUTE),
        controls={Mode(mode): value for mode, value in values.items()},
        cancelled_ms=None if cancelled is None else round(cancelled * MINUTE),
    )


def state_of(controls: Controls, one: Event) -> str:
    """The state of an event in words; with several modes that differ, each of them."""
    found = {mode: words(status) for mode, status in controls.status(one).items()}
    if len(set(found.values())) == 1:
        return next(iter(found.values()))
    return ", ".join(f"{mode} {state}" for mode, state in sorted(found.items())) or "not known"


def words(status: EventStatus) -> str:
    return status.name.lower().replace("_", " ")


def standing(programs: Mapping[str, OneProgram], events: Sequence[Event], now_ms: int) -> dict[Any, Any]:
    """Who stands, and with what: by node and mode."""
    in_force = arbitrate(programs, events, Now(now_ms, 0)).in_force
    return {key: (control.source, control.value) for key, control in in_force.items()}
