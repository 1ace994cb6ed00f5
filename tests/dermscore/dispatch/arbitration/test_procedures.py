"""Published procedures for DERControl events, as a table: programs, events, and what stands from minute to minute.

Where the cases come from:

* "CSIP": the SunSpec CSIP conformance test procedures 1.2, as far as public test benches and implementations state
  them (the document itself was not at hand): SY is the system's program, SP the service point's, TFA a transformer's;
  the lower primacy is nearer to the device. Where the benches give times, those are used.
* "CSIP-AUS": the procedures of SA TS 5573 as the ANU publishes them (github bsgip/cactus-test-definitions).
* "2030.5": a rule of IEEE Std 2030.5-2018 10.2.3.3, or EventStatus.
* "EPRI": what EPRI's open client does (github epri-dev/IEEE-2030.5-Client, schedule.c).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from dermscore.dispatch import Event, Mode, arbitrate
from dermscore.model import Now
from tests.dermscore.dispatch.arbitration.programs import MINUTE, NODE, OneProgram, event, program, state_of

SP = program(1, MaxLimW=5000, FixedW=500)
SY = program(10, MaxLimW=9000)
BOTH = {"SP": SP, "SY": SY}
SP_DEFAULT, SY_DEFAULT = "default of program SP", "default of program SY"


@dataclass(frozen=True)
class At:
    """What stands at a minute: in a mode, from where; and the state of events that is to be looked at."""

    minute: float
    stands: Mapping[str, str | None]
    states: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    name: str
    source: str
    programs: Mapping[str, OneProgram]
    events: tuple[Event, ...]
    course: tuple[At, ...]


def limit(*pairs: tuple[float, str | None], mode: str = "MaxLimW") -> tuple[At, ...]:
    return tuple(At(minute, {mode: source}) for minute, source in pairs)


SYSTEM = event("sy", "SY", 2, 4, MaxLimW=3000)
DEFAULTS_AT_50_AND_20 = {"1": program(1, ExpLimW=5000), "6": program(2, ExpLimW=2000)}

CASES = [
    Case(
        "a laxer default of the higher program beats a stricter one",
        "CSIP BASIC-016",
        {"SP": program(1, MaxLimW=9000), "SY": program(10, MaxLimW=100)},
        (),
        limit((0, SP_DEFAULT)),
    ),
    Case(
        "one event, no default",
        "CSIP BASIC-017",
        {"SY": program(10)},
        (SYSTEM,),
        (
            At(1, {"MaxLimW": None}, {"sy": "scheduled"}),
            At(2, {"MaxLimW": "sy"}, {"sy": "active"}),
            At(4, {"MaxLimW": None}, {"sy": "complete"}),
        ),
    ),
    Case(
        "default, event, default",
        "CSIP BASIC-018, AGG-004",
        {"SY": SY},
        (SYSTEM,),
        limit((1.9, SY_DEFAULT), (2, "sy"), (3.9, "sy"), (4, SY_DEFAULT)),
    ),
    Case(
        "two events of one program that do not overlap",
        "CSIP BASIC-019, AGG-005",
        {"SY": SY},
        (event("a", "SY", 2, 3, MaxLimW=4000), event("b", "SY", 4, 5, MaxLimW=3000)),
        limit((2, "a"), (3, SY_DEFAULT), (4, "b"), (5, SY_DEFAULT)),
    ),
    Case(
        "an event of the lower program beats the higher program's default",
        "CSIP BASIC-020, AGG-006",
        BOTH,
        (event("sy", "SY", 2, 3, MaxLimW=4000), event("sp", "SP", 4, 5, MaxLimW=3000)),
        limit((1, SP_DEFAULT), (2, "sy"), (3, SP_DEFAULT), (4, "sp"), (5, SP_DEFAULT)),
    ),
    Case(
        "the higher event is known before the lower one starts: that is superseded before it starts",
        "CSIP BASIC-021",
        BOTH,
        (SYSTEM, event("sp", "SP", 2, 4, issued=1, MaxLimW=2000)),
        (
            At(1.5, {"MaxLimW": SP_DEFAULT}, {"sy": "scheduled", "sp": "scheduled"}),
            At(2, {"MaxLimW": "sp"}, {"sy": "superseded", "sp": "active"}),
            At(4, {"MaxLimW": SP_DEFAULT}, {"sy": "superseded", "sp": "complete"}),
        ),
    ),
    Case(
        "it begins earlier than the higher one, known ahead, and is not executed at all",
        "CSIP AGG-007; EPRI",
        BOTH,
        (SYSTEM, event("tfa", "SP", 3, 4, issued=1, MaxLimW=2000)),
        (
            At(2, {"MaxLimW": SP_DEFAULT}, {"sy": "superseded", "tfa": "scheduled"}),
            At(3, {"MaxLimW": "tfa"}, {"sy": "superseded", "tfa": "active"}),
            At(4, {"MaxLimW": SP_DEFAULT}, {"sy": "superseded", "tfa": "complete"}),
        ),
    ),
    Case(
        "it starts during the higher one, outlasts it, and is not fallen back to",
        "CSIP BASIC-022, AGG-008",
        BOTH,
        (event("tfa", "SP", 2, 4, MaxLimW=2000), event("sy", "SY", 3, 5, MaxLimW=3000)),
        (
            At(2, {"MaxLimW": "tfa"}, {"sy": "scheduled"}),
            At(3, {"MaxLimW": "tfa"}, {"sy": "superseded"}),
            At(4.5, {"MaxLimW": SP_DEFAULT}, {"sy": "superseded", "tfa": "complete"}),
        ),
    ),
    Case(
        "the higher one comes to be known after the lower has started: it takes over at its own start",
        "CSIP BASIC-023, AGG-009",
        BOTH,
        (event("sy", "SY", 1, 5, MaxLimW=3000), event("tfa", "SP", 2, 4, issued=1.25, MaxLimW=2000)),
        (
            At(1, {"MaxLimW": "sy"}, {"sy": "active", "tfa": "not known"}),
            At(1.9, {"MaxLimW": "sy"}, {"sy": "active", "tfa": "scheduled"}),
            At(2, {"MaxLimW": "tfa"}, {"sy": "superseded", "tfa": "active"}),
            At(4, {"MaxLimW": SP_DEFAULT}, {"sy": "superseded", "tfa": "complete"}),
        ),
    ),
    Case(
        "nested, and the outer event's program resumes",
        "ours: on_supersede resume",
        {"SP": SP, "SY": program(10, "resume", MaxLimW=9000)},
        (event("sy", "SY", 1, 5, MaxLimW=3000), event("sp", "SP", 2, 4, MaxLimW=2000)),
        (
            At(1, {"MaxLimW": "sy"}, {"sy": "active"}),
            At(2, {"MaxLimW": "sp"}, {"sy": "superseded"}),
            At(4, {"MaxLimW": "sy"}, {"sy": "active", "sp": "complete"}),
            At(5, {"MaxLimW": SP_DEFAULT}, {"sy": "complete"}),
        ),
    ),
    Case(
        "different modes: both execute, and each mode returns to its default",
        "CSIP BASIC-024, AGG-010; 2030.5 rule t",
        BOTH,
        (SYSTEM, event("sp", "SP", 3, 4, FixedW=700)),
        (
            At(2, {"MaxLimW": "sy", "FixedW": SP_DEFAULT}),
            At(3, {"MaxLimW": "sy", "FixedW": "sp"}, {"sy": "active", "sp": "active"}),
            At(4, {"MaxLimW": SP_DEFAULT, "FixedW": SP_DEFAULT}, {"sy": "complete", "sp": "complete"}),
        ),
    ),
    Case(
        "different modes, the higher first",
        "CSIP BASIC-025, AGG-011; 2030.5 rule t",
        BOTH,
        (event("sp", "SP", 2, 4, FixedW=700), event("sy", "SY", 3, 5, FixedPFInjectW="0.95")),
        (
            At(3, {"FixedPFInjectW": "sy", "FixedW": "sp"}),
            At(4, {"FixedPFInjectW": "sy", "FixedW": SP_DEFAULT}, {"sy": "active"}),
            At(5, {"FixedPFInjectW": None}),
        ),
    ),
    Case(
        "different modes, nested, the higher known late",
        "CSIP BASIC-026, AGG-012; 2030.5 rule t",
        BOTH,
        (event("sy", "SY", 1, 5, FixedPFInjectW="0.95"), event("sp", "SP", 2, 4, issued=1.25, FixedW=700)),
        (
            At(3, {"FixedPFInjectW": "sy", "FixedW": "sp"}, {"sy": "active", "sp": "active"}),
            At(4.5, {"FixedPFInjectW": "sy", "FixedW": SP_DEFAULT}, {"sy": "active", "sp": "complete"}),
        ),
    ),
    Case(
        "superseded in one mode, active in its other",
        "CSIP-AUS GEN-10 (v) to (x): potentially superseded",
        {"1": program(1), "6": program(2)},
        (event("7", "1", 0, 5, ExpLimW=0), event("8", "6", 0, 5, ExpLimW=5000, GenLimW=3000)),
        (At(1, {"ExpLimW": "7", "GenLimW": "8"}, {"7": "active", "8": "ExpLimW superseded, GenLimW active"}),),
    ),
    Case(
        "a higher event that outlasts the lower",
        "CSIP-AUS GEN-10 (d) to (l)",
        {"1": program(1, ExpLimW=3000), "6": program(2, ExpLimW=0)},
        (
            event("1", "6", 1, 11, issued=1, ExpLimW=20000),
            event("2", "1", 2, 16, issued=2, ExpLimW=0),
            event("3", "6", 17, 22, issued=17, ExpLimW=20000),
        ),
        (
            At(0, {"ExpLimW": "default of program 1"}),
            At(1.5, {"ExpLimW": "1"}, {"1": "active"}),
            At(2, {"ExpLimW": "2"}, {"1": "superseded", "2": "active"}),
            At(16, {"ExpLimW": "default of program 1"}, {"2": "complete"}),
            At(17, {"ExpLimW": "3"}),
            At(22, {"ExpLimW": "default of program 1"}),
        ),
    ),
    Case(
        "disconnected by one program, limited by the other, then superseded within that",
        "CSIP-AUS GEN-10 (m) to (u)",
        {"1": program(1), "6": program(2)},
        (
            event("4", "1", 0, 5, GenLimW=0, Connect=False),
            event("5", "6", 0, 20, ExpLimW=20000),
            event("6", "6", 10, 15, issued=10, ExpLimW=5000),
        ),
        (
            At(1, {"GenLimW": "4", "Connect": "4", "ExpLimW": "5"}, {"4": "active", "5": "active"}),
            At(6, {"GenLimW": None, "Connect": None, "ExpLimW": "5"}, {"4": "complete", "5": "active"}),
            At(10, {"ExpLimW": "6"}, {"5": "superseded", "6": "active"}),
            At(16, {"ExpLimW": None}, {"5": "superseded", "6": "complete"}),
        ),
    ),
    Case(
        "active events are cancelled: the higher program's default, laxer as it is",
        "CSIP-AUS GEN-10 (bb) to (ee), GEN-09",
        DEFAULTS_AT_50_AND_20,
        (event("9", "1", 0, 5, cancelled=2, GenLimW=5000), event("10", "6", 0, 5, cancelled=2, ExpLimW=2000)),
        (
            At(1, {"GenLimW": "9", "ExpLimW": "10"}, {"9": "active", "10": "active"}),
            At(2, {"GenLimW": None, "ExpLimW": "default of program 1"}, {"9": "cancelled", "10": "cancelled"}),
            At(9, {"ExpLimW": "default of program 1"}, {"9": "cancelled"}),
        ),
    ),
    Case(
        "of one program, the newer supersedes the older",
        "2030.5 rule f",
        {"SY": SY},
        (event("a", "SY", 2, 6, MaxLimW=3000), event("b", "SY", 3, 4, issued=2.5, MaxLimW=8000)),
        (
            At(2.5, {"MaxLimW": "a"}),
            At(3, {"MaxLimW": "b"}, {"a": "superseded"}),
            At(4, {"MaxLimW": SY_DEFAULT}, {"a": "superseded", "b": "complete"}),
        ),
    ),
    Case(
        "an event that ended before it was known is never acted on",
        "2030.5 rule l",
        {"SY": SY},
        (event("late", "SY", 1, 3, issued=4, MaxLimW=3000),),
        (At(4, {"MaxLimW": SY_DEFAULT}, {"late": "complete"}),),
    ),
    Case(
        "an event that is known late stands from then on",
        "2030.5: a start in the past is now",
        {"SY": SY},
        (event("late", "SY", 1, 5, issued=4, MaxLimW=3000),),
        (At(3, {"MaxLimW": SY_DEFAULT}), At(4, {"MaxLimW": "late"}, {"late": "active"})),
    ),
    Case(
        "no duration at all",
        "2030.5: the end is start + duration",
        {"SY": SY},
        (event("zero", "SY", 2, 2, MaxLimW=3000),),
        (At(2, {"MaxLimW": SY_DEFAULT}, {"zero": "complete"}),),
    ),
    Case(
        "back to back: no gap, no overlap, nothing superseded",
        "CSIP-AUS ALL-22 (without what is drawn)",
        {"SY": SY},
        (event("a", "SY", 0, 2, MaxLimW=1), event("b", "SY", 2, 4, MaxLimW=2), event("c", "SY", 4, 6, MaxLimW=3)),
        (
            At(1.999, {"MaxLimW": "a"}),
            At(2, {"MaxLimW": "b"}, {"a": "complete", "b": "active", "c": "scheduled"}),
            At(4, {"MaxLimW": "c"}, {"b": "complete"}),
        ),
    ),
    Case(
        "the superseder is cancelled before the lower one starts: that is executed",
        "EPRI: a superseded event may rejoin the schedule",
        BOTH,
        (SYSTEM, event("sp", "SP", 3, 4, cancelled=1, MaxLimW=2000)),
        (
            At(1, {"MaxLimW": SP_DEFAULT}, {"sy": "scheduled", "sp": "cancelled"}),
            At(2, {"MaxLimW": "sy"}, {"sy": "active"}),
            At(3.5, {"MaxLimW": "sy"}, {"sp": "cancelled"}),
        ),
    ),
    Case(
        "the superseder is cancelled after the lower one's start and before its own: too late for that",
        "EPRI: at its start a superseded event is reported so, and over",
        BOTH,
        (SYSTEM, event("sp", "SP", 3, 4, cancelled=2.5, MaxLimW=2000)),
        (
            At(2, {"MaxLimW": SP_DEFAULT}, {"sy": "superseded", "sp": "scheduled"}),
            At(3, {"MaxLimW": SP_DEFAULT}, {"sy": "superseded", "sp": "cancelled"}),
        ),
    ),
    Case(
        "the superseder is cancelled while active: the lower one stays over",
        "2030.5 EventStatus 4: execution is terminated",
        BOTH,
        (event("sy", "SY", 1, 9, MaxLimW=3000), event("sp", "SP", 2, 8, issued=1.5, cancelled=4, MaxLimW=2000)),
        (
            At(3, {"MaxLimW": "sp"}, {"sy": "superseded", "sp": "active"}),
            At(4, {"MaxLimW": SP_DEFAULT}, {"sy": "superseded", "sp": "cancelled"}),
        ),
    ),
    Case(
        "the superseder is cancelled while active, and the lower one's program resumes",
        "ours: on_supersede resume",
        {"SP": SP, "SY": program(10, "resume")},
        (event("sy", "SY", 1, 9, MaxLimW=3000), event("sp", "SP", 2, 8, issued=1.5, cancelled=4, MaxLimW=2000)),
        (At(3, {"MaxLimW": "sp"}), At(4, {"MaxLimW": "sy"}, {"sy": "active", "sp": "cancelled"})),
    ),
    Case(
        "the same event again, cancelled",
        "2030.5 rule c: only its status may change",
        {"SY": SY},
        (SYSTEM, replace(SYSTEM, cancelled_ms=3 * MINUTE)),
        (
            At(2, {"MaxLimW": "sy"}, {"sy": "active"}),
            At(3, {"MaxLimW": SY_DEFAULT}, {"sy": "cancelled"}),
        ),
    ),
    Case(
        "the same event again, with another value",
        "2030.5 rule c: editing is not allowed",
        {"SY": SY},
        (SYSTEM, replace(SYSTEM, issued_ms=1, controls={Mode.MAX_LIM_W: 1.0})),
        limit((2, "sy")),
    ),
    Case(
        "a cancellation after the end changes nothing",
        "2030.5 EventStatus",
        {"SY": SY},
        (replace(SYSTEM, cancelled_ms=5 * MINUTE),),
        (At(3, {"MaxLimW": "sy"}), At(6, {"MaxLimW": SY_DEFAULT}, {"sy": "complete"})),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.source}: {case.name}")
def test_a_procedure(case: Case) -> None:
    for order in (case.events, case.events[::-1]):
        for at in case.course:
            controls = arbitrate(case.programs, order, Now(round(at.minute * MINUTE), 0))
            standing = {name: controls.at(NODE, Mode(name)) for name in at.stands}
            found = {name: None if control is None else control.source for name, control in standing.items()}
            assert found == at.stands, at
            by_id = {one.id: one for one in case.events}
            assert {name: state_of(controls, by_id[name]) for name in at.states} == at.states, at


def test_the_edge_is_a_millisecond() -> None:
    for before, after in ((2 * MINUTE - 1, 2 * MINUTE), (4 * MINUTE, 4 * MINUTE - 1)):
        assert arbitrate({"SY": SY}, [SYSTEM], Now(before, 0)).in_force[NODE, Mode.MAX_LIM_W].is_default
        assert not arbitrate({"SY": SY}, [SYSTEM], Now(after, 0)).in_force[NODE, Mode.MAX_LIM_W].is_default
