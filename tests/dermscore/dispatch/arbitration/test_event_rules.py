"""Event rules of IEEE 2030.5 that no procedure asks about; what other clients do, and what their own tests expect.

* "2030.5": a rule of IEEE Std 2030.5-2018 10.2.3.3 (of the 2023 edition where it says so), or EventStatus.
* "EPRI": EPRI's open client (github epri-dev/IEEE-2030.5-Client, schedule.c).
* "sep2_client": the scheduler tests of github ethanndickson/sep2_client (tests/der.rs); its seconds are minutes here.
* "open-dynamic-export": those of github longzheng/open-dynamic-export (controlScheduler.test.ts), likewise.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from dermscore.dispatch import Mode
from tests.dermscore.dispatch.arbitration.cases import At, Case, course, live_through
from tests.dermscore.dispatch.arbitration.programs import MINUTE, event, program

SP = program(1, MaxLimW=5000)
SY = program(10, MaxLimW=9000)
BOTH = {"SP": SP, "SY": SY}
RESUMING = {"SP": SP, "SY": program(10, "resume", MaxLimW=9000)}
SP_DEFAULT, SY_DEFAULT = "default of program SP", "default of program SY"
SYSTEM = event("sy", "SY", 2, 4, MaxLimW=3000)
PLAIN = {"": program(0)}

RULES = [
    Case(
        "nested, and the outer event's program resumes",
        "2030.5-2023: the overlapped event ends where the other starts, and starts again where that ends",
        RESUMING,
        (event("sy", "SY", 1, 5, MaxLimW=3000), event("sp", "SP", 2, 4, MaxLimW=2000)),
        (
            At(1, {"MaxLimW": "sy"}, {"sy": "active"}),
            At(2, {"MaxLimW": "sp"}, {"sy": "superseded"}, lost={"sy": ("sp", 2)}),
            At(4, {"MaxLimW": "sy"}, {"sy": "active", "sp": "complete"}, lost={}),
            At(5, {"MaxLimW": SP_DEFAULT}, {"sy": "complete"}),
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
        "an event that is known late stands from then on, to its specified end",
        "2030.5: a start in the past is now",
        {"SY": SY},
        (event("late", "SY", 1, 5, issued=4, MaxLimW=3000),),
        (
            At(3, {"MaxLimW": SY_DEFAULT}),
            At(4, {"MaxLimW": "late"}, {"late": "active"}),
            At(5, {"MaxLimW": SY_DEFAULT}, {"late": "complete"}),
        ),
    ),
    Case(
        "no duration at all",
        "2030.5: the end is start + duration",
        {"SY": SY},
        (event("zero", "SY", 2, 2, MaxLimW=3000),),
        (At(2, {"MaxLimW": SY_DEFAULT}, {"zero": "complete"}),),
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
        RESUMING,
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
        course((2, "sy")),
    ),
    Case(
        "a cancellation after the end changes nothing",
        "2030.5 EventStatus",
        {"SY": SY},
        (replace(SYSTEM, cancelled_ms=5 * MINUTE),),
        (At(3, {"MaxLimW": "sy"}), At(6, {"MaxLimW": SY_DEFAULT}, {"sy": "complete"})),
    ),
]

PEERS = [
    Case(
        "the superseder is cancelled before the lower one starts: that is executed",
        "EPRI: a superseded event may rejoin the schedule",
        BOTH,
        (SYSTEM, event("sp", "SP", 3, 4, cancelled=1, MaxLimW=2000)),
        (
            At(0.5, {"MaxLimW": SP_DEFAULT}, {"sy": "scheduled", "sp": "scheduled"}, lost={"sy": ("sp", 2)}),
            At(1, {"MaxLimW": SP_DEFAULT}, {"sy": "scheduled", "sp": "cancelled"}, lost={}),
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
        "three that do not overlap",
        "sep2_client basic_der_scheduler",
        PLAIN,
        tuple(event(f"{start}", "", start, start + 2, MaxLimW=start) for start in (4, 7, 1)),
        course((0, None), (1, "1"), (3, None), (4, "4"), (6, None), (7, "7"), (9, None)),
    ),
    Case(
        "one within an earlier and newer one, which a third supersedes that comes later",
        "sep2_client superseded_der_scheduler",
        PLAIN,
        (
            event("0", "", 2, 3, issued=0.00, MaxLimW=0),
            event("1", "", 1, 5, issued=0.01, MaxLimW=1),
            event("2", "", 4, 6, issued=3, MaxLimW=2),
            event("3", "", 7, 9, issued=3.01, MaxLimW=3),
        ),
        (
            *course((1, "1"), (2, "1"), (3.9, "1"), (4, "2"), (6, None), (7, "3")),
            At(9, states={"0": "superseded", "1": "superseded", "2": "complete", "3": "complete"}),
        ),
    ),
    Case(
        "cancelled while they run, and before",
        "sep2_client cancelling_der_scheduler",
        PLAIN,
        (
            event("1", "", 1, 3, cancelled=2.5, MaxLimW=1),
            event("2", "", 4, 6, cancelled=5.5, MaxLimW=2),
            event("3", "", 7, 9, cancelled=5.5, MaxLimW=3),
        ),
        (
            *course((1, "1"), (2.5, None), (4, "2"), (5.5, None), (7, None)),
            At(9, states={"1": "cancelled", "2": "cancelled", "3": "cancelled"}),
        ),
    ),
    Case(
        "superseded while scheduled, and then not",
        "sep2_client unsupersede_der_scheduler",
        PLAIN,
        (
            event("0", "", 4, 6, issued=0.00, MaxLimW=0),
            event("1", "", 1, 5, issued=0.01, cancelled=3, MaxLimW=1),
            event("3", "", 7, 9, issued=0.03, MaxLimW=3),
        ),
        (
            *course((1, "1"), (3, None), (4, "0"), (6, None), (7, "3")),
            At(2, states={"0": "scheduled", "1": "active"}, lost={"0": ("1", 4)}),
            At(9, states={"0": "complete", "1": "cancelled", "3": "complete"}, lost={}),
        ),
    ),
    Case(
        "of three primacies only the highest is executed",
        "sep2_client schedule_der_differing_primacy",
        {"1": program(0), "2": program(1), "3": program(2)},
        (
            event("1", "3", 1, 4, issued=0.01, MaxLimW=1),
            event("2", "1", 2, 4, issued=0.02, MaxLimW=2),
            event("3", "2", 3, 5, issued=0.03, MaxLimW=3),
        ),
        (
            *course((1, None), (2, "2"), (3, "2"), (4, None)),
            At(0.5, lost={"1": ("2", 1), "3": ("2", 3)}),
            At(5, states={"1": "superseded", "2": "complete", "3": "superseded"}),
        ),
    ),
    Case(
        "four that overlap, of programs that resume",
        "open-dynamic-export: should generate schedule from multiple overlapping control",
        {"0": program(0, "resume"), "1": program(1, "resume"), "2": program(2, "resume")},
        (
            event("A", "2", 0, 10, ImpLimW=0, ExpLimW=0),
            event("B", "1", 2, 4, ImpLimW=0, ExpLimW=0),
            event("C", "0", 3, 6, ImpLimW=0, ExpLimW=0),
            event("D", "1", 5, 7, ImpLimW=0, ExpLimW=0),
        ),
        course((0, "A"), (2, "B"), (3, "C"), (6, "D"), (7, "A"), (9.9, "A"), (10, None), mode="ExpLimW"),
    ),
]


@pytest.mark.parametrize("case", [*RULES, *PEERS], ids=str)
def test_what_a_rule_or_a_peer_says(case: Case) -> None:
    live_through(case)
