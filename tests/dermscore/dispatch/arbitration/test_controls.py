"""What arbitration gives beyond what stands: states, worked out when asked for, and what is known to be lost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dermscore.dispatch import Controls, EventStatus, Mode, arbitrate
from dermscore.model import Now
from tests.dermscore.dispatch.arbitration.programs import MINUTE, NODE, event, program

PROGRAMS = {"P": program(1), "Q": program(2)}
ONE = event("a", "P", 10, 20, TargetW=1.0, Connect=True)
LOWER = event("b", "Q", 5, 15, TargetW=2.0)
ELSEWHERE = replace(ONE, node="b1", cancelled_ms=0)
LOG = [ONE, LOWER, ELSEWHERE]


def at_minute(minute: float) -> Controls:
    return arbitrate(PROGRAMS, LOG, Now(round(minute * MINUTE), 0))


def test_every_event_that_is_known_has_a_state_in_each_mode() -> None:
    statuses = at_minute(12).statuses
    cancelled, active, superseded = EventStatus.CANCELLED, EventStatus.ACTIVE, EventStatus.SUPERSEDED
    expected = {
        ("a", NODE, Mode.TARGET_W): active,
        ("a", NODE, Mode.CONNECT): active,
        ("b", NODE, Mode.TARGET_W): superseded,
        ("a", "b1", Mode.TARGET_W): cancelled,
        ("a", "b1", Mode.CONNECT): cancelled,
    }
    assert statuses == expected
    assert (len(statuses), set(statuses), repr(statuses)) == (5, set(expected), repr(dict(statuses)))


@pytest.mark.parametrize("unknown", [("z", NODE, Mode.TARGET_W), ("a", "nowhere", Mode.TARGET_W)])
def test_what_is_not_known_has_none(unknown: tuple[str, str, Mode]) -> None:
    statuses = at_minute(12).statuses
    assert unknown not in statuses
    assert statuses.get(unknown) is None


def test_an_event_that_will_never_stand_is_told_before_it_begins_and_is_scheduled_until_then() -> None:
    """A client reports it as superseded at once (CSIP BASIC-021, step 15); EventStatus 0 lasts until the start."""
    before, after = at_minute(1), at_minute(5)
    for controls in (before, after):
        assert [(each.event, each.by, each.at_ms) for each in controls.superseded] == [(LOWER, "a", 5 * MINUTE)]
    assert before.status(LOWER) == {Mode.TARGET_W: EventStatus.SCHEDULED}
    assert after.status(LOWER) == {Mode.TARGET_W: EventStatus.SUPERSEDED}


def test_what_stands_and_will_be_superseded_is_told_with_the_moment() -> None:
    late = replace(ONE, known_ms=6 * MINUTE)
    controls = arbitrate(PROGRAMS, [late, LOWER], Now(7 * MINUTE, 0))
    assert [(each.event, each.by, each.at_ms) for each in controls.superseded] == [(LOWER, "a", 10 * MINUTE)]
    control = controls.in_force[NODE, Mode.TARGET_W]
    assert (control.source, control.until_ms) == ("b", 10 * MINUTE)
    assert control.then is not None
    assert control.then.source == "a"


def test_one_that_resumes_is_told_while_it_waits() -> None:
    programs = PROGRAMS | {"Q": program(2, "resume")}
    told = {
        minute: [each.at_ms / MINUTE for each in arbitrate(programs, [ONE, LOWER], Now(minute * MINUTE, 0)).superseded]
        for minute in (4, 9, 10, 14, 15)
    }
    assert told == {4: [], 9: [], 10: [10], 14: [10], 15: []}
