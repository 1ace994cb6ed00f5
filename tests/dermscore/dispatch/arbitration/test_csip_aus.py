"""The CSIP-AUS client procedures (SA TS 5573) that say what stands, as the ANU publishes them.

Source: github bsgip/cactus-test-definitions, GEN-08 to -13, LOA-10 and ALL-18 and -22. "1" is DERProgram 1 (primacy 1),
"6" is DERProgram 6 (primacy 2); powers are in percent of the rating, times in minutes. Whatever a procedure asks of
export and generation it asks of import and load too (LOA-03 to -13), so each case is lived through with either.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from dermscore.dispatch import Event, Mode, arbitrate
from dermscore.model import Now
from tests.dermscore.dispatch.arbitration.cases import At, Case, course, live_through
from tests.dermscore.dispatch.arbitration.programs import MINUTE, event, program

EXP, GEN = "ExpLimW", "GenLimW"
DEFAULT_1 = "default of program 1"
PRIMACIES = {"1": program(1), "6": program(2)}

CASES = [
    Case(
        "a higher event that outlasts the lower, and a lower one after it",
        "CSIP-AUS GEN-10 (a) to (l)",
        {"1": program(1, ExpLimW=30), "6": program(2, ExpLimW=0)},
        (
            event("1", "6", 1, 11, issued=1, ExpLimW=200),
            event("2", "1", 2, 16, issued=2, ExpLimW=0),
            event("3", "6", 17, 22, issued=17, ExpLimW=200),
        ),
        (
            At(0, {EXP: DEFAULT_1}),
            At(1.5, {EXP: "1"}, {"1": "active"}),
            At(2, {EXP: "2"}, {"1": "superseded", "2": "active"}, lost={"1": ("2", 2)}),
            At(12, {EXP: "2"}, {"1": "superseded", "2": "active"}),
            At(16, {EXP: DEFAULT_1}, {"2": "complete"}),
            At(17, {EXP: "3"}, {"3": "active"}),
            At(22, {EXP: DEFAULT_1}, {"3": "complete"}, lost={}),
        ),
    ),
    Case(
        "disconnected by one program, limited by the other, then superseded within that",
        "CSIP-AUS GEN-10 (m) to (u)",
        PRIMACIES,
        (
            event("4", "1", 0, 5, GenLimW=0, Connect=False),
            event("5", "6", 0, 20, ExpLimW=200),
            event("6", "6", 10, 15, issued=10, ExpLimW=50),
        ),
        (
            At(1, {GEN: "4", "Connect": "4", EXP: "5"}, {"4": "active", "5": "active"}, lost={}),
            At(6, {GEN: None, "Connect": None, EXP: "5"}, {"4": "complete", "5": "active"}),
            At(10, {EXP: "6"}, {"5": "superseded", "6": "active"}, lost={"5": ("6", 10)}),
            At(16, {EXP: None}, {"5": "superseded", "6": "complete"}),
        ),
    ),
    Case(
        "superseded in one mode, active in its other",
        "CSIP-AUS GEN-10 (v) to (x)",
        PRIMACIES,
        (event("7", "1", 0, 5, ExpLimW=0), event("8", "6", 0, 5, ExpLimW=50, GenLimW=30)),
        (
            At(1, {EXP: "7", GEN: "8"}, {"7": "active", "8": "ExpLimW superseded, GenLimW active"}),
            At(5, {EXP: None, GEN: None}, {"7": "complete", "8": "ExpLimW superseded, GenLimW complete"}),
        ),
    ),
    Case(
        "a limit of each program in another mode: both are executed; cancelled, the higher program's default stands",
        "CSIP-AUS GEN-10 (y) to (ee), GEN-08, GEN-09",
        {"1": program(1, ExpLimW=50), "6": program(2, ExpLimW=20)},
        (event("9", "1", 0, 5, cancelled=2, GenLimW=50), event("10", "6", 0, 5, cancelled=2, ExpLimW=20)),
        (
            At(1, {GEN: "9", EXP: "10"}, {"9": "active", "10": "active"}, lost={}),
            At(2, {GEN: None, EXP: DEFAULT_1}, {"9": "cancelled", "10": "cancelled"}, lost={}),
            At(9, {EXP: DEFAULT_1}, {"9": "cancelled"}),
        ),
    ),
    Case(
        "five that follow each other, made at once",
        "CSIP-AUS GEN-11, GEN-12",
        {"1": program(0, ExpLimW=0)},
        tuple(event(f"{number}", "1", 2 * number, 2 * number + 2, ExpLimW=10 * number) for number in range(5)),
        (
            *course((1.999, "0"), (2, "1"), (4, "2"), (6, "3"), (8, "4"), (9.999, "4"), (10, DEFAULT_1), mode=EXP),
            At(2, states={"0": "complete", "1": "active", "2": "scheduled"}, lost={}),
            At(10, states={"4": "complete"}, lost={}),
        ),
    ),
    Case(
        "a short one, then a long one from its end",
        "CSIP-AUS GEN-13",
        {"1": program(0, ExpLimW=0)},
        (event("1", "1", 0, 1, ExpLimW=200), event("2", "1", 1, 8, ExpLimW=20)),
        course((0, "1"), (1, "2"), (7.9, "2"), (8, DEFAULT_1), mode=EXP),
    ),
    Case(
        "received, started, completed; then another that is made later",
        "CSIP-AUS ALL-18",
        {"1": program(0, ExpLimW=0, ImpLimW=0)},
        (
            event("1", "1", 0, 2, ExpLimW=200, ImpLimW=200),
            event("2", "1", 7, 17, issued=2, ExpLimW=200, ImpLimW=200),
        ),
        (
            At(0, {EXP: "1", "ImpLimW": "1"}, {"1": "active", "2": "not known"}),
            At(2, {EXP: DEFAULT_1, "ImpLimW": DEFAULT_1}, {"1": "complete", "2": "scheduled"}),
            At(7, {EXP: "2", "ImpLimW": "2"}, {"1": "complete", "2": "active"}),
        ),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_of_generation(case: Case) -> None:
    live_through(case)


OF_LOAD = {"ExpLimW": "ImpLimW", "GenLimW": "LoadLimW", "ImpLimW": "ExpLimW"}


def of_load(case: Case) -> Case:
    """The same with import for export, and load for generation."""
    programs = {
        name: replace(one, defaults={node: turned(values) for node, values in one.defaults.items()})
        for name, one in case.programs.items()
    }
    events = tuple(replace(one, controls=turned(one.controls)) for one in case.events)
    told = tuple(
        replace(
            at,
            stands={OF_LOAD.get(mode, mode): source for mode, source in at.stands.items()},
            states={
                name: re.sub(r"\w+LimW", lambda found: OF_LOAD[found[0]], state) for name, state in at.states.items()
            },
        )
        for at in case.course
    )
    return replace(case, programs=programs, events=events, course=told)


def turned(modes: Mapping[Mode, Any]) -> dict[Mode, Any]:
    return {Mode(OF_LOAD.get(mode, mode)): value for mode, value in modes.items()}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_of_load(case: Case) -> None:
    live_through(of_load(case))


def five() -> list[Event]:
    plain = [event(f"{number}", "1", 2 * number, 2 * number + 2, ExpLimW=10 * number) for number in range(5)]
    return [replace(one, randomize_start_s=60) for one in plain]


def test_with_starts_drawn_five_in_a_row_leave_neither_gap_nor_conflict() -> None:
    """CSIP-AUS ALL-22: each lasts its two minutes, all shifted by what was drawn for the first."""
    programs = {"1": program(0, ExpLimW=0)}
    told = arbitrate(programs, five(), Now(0, 0))
    assert told.superseded == ()
    spans = [(each.source, each.since_ms, each.until_ms) for each in told.upcoming]
    first_ms = spans[0][1]
    assert 0 < first_ms <= MINUTE
    expected: list[tuple[str, int, int | None]] = [
        (f"{number}", first_ms + 2 * number * MINUTE, first_ms + 2 * (number + 1) * MINUTE) for number in range(5)
    ]
    assert spans == [*expected, (DEFAULT_1, first_ms + 10 * MINUTE, None)]
