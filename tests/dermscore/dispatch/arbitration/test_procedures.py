"""The SunSpec CSIP conformance test procedures, as far as they say what stands: BASIC-004 to -026, AGG-002 to -012,
CORE-012, -013 and -021 to -023.

The times, programs and expected results are those of the procedures' setup, procedure and pass/fail criteria, as public
test benches quote them (the document itself was not at hand). SY is the system's program, SP the service point's, TFA a
transformer's; the lower primacy is nearer to the device. Whether a client posts "superseded" is asked of
`Controls.superseded`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from dermscore.dispatch import Event, Mode, Value, arbitrate
from dermscore.model import Now
from tests.dermscore.dispatch.arbitration.cases import At, Case, course, live_through
from tests.dermscore.dispatch.arbitration.programs import MINUTE, NODE, OneProgram, event, program, state_of

PF, W = "FixedPFInjectW", "FixedW"
SP_DEFAULT, SY_DEFAULT = "default of program SP", "default of program SY"
SIMILAR = {"SP": program(1, FixedPFInjectW="0.90"), "SY": program(10, FixedPFInjectW="0.99")}
INDEPENDENT = {"SP": program(1, FixedW=500), "SY": program(10, FixedPFInjectW="0.99")}


def sy(start: float, end: float, *, issued: float = 0) -> Event:
    return event("sy", "SY", start, end, issued=issued, FixedPFInjectW="0.95")


def sp(start: float, end: float, *, issued: float = 0) -> Event:
    return event("sp", "SP", start, end, issued=issued, FixedPFInjectW="0.92")


def other(start: float, end: float, *, issued: float = 0) -> Event:
    """The service point's event in another mode."""
    return event("sp", "SP", start, end, issued=issued, FixedW=700)


CASES = [
    Case("2 DERP, 2 DDERC, 0 DERC", "CSIP BASIC-016", SIMILAR, (), course((0, SP_DEFAULT), mode=PF)),
    Case(
        "the same, where the default of the higher program is the laxer",
        "CSIP BASIC-016",
        {"SP": program(1, MaxLimW=9000), "SY": program(10, MaxLimW=100)},
        (),
        course((0, SP_DEFAULT)),
    ),
    Case(
        "1 DERP, 0 DDERC, 1 DERC",
        "CSIP BASIC-017",
        {"SY": program(10)},
        (sy(2, 3),),
        (
            At(1.9, {PF: None}, {"sy": "scheduled"}, lost={}),
            At(2, {PF: "sy"}, {"sy": "active"}),
            At(2.9, {PF: "sy"}, {"sy": "active"}),
            At(3, {PF: None}, {"sy": "complete"}, lost={}),
        ),
    ),
    Case(
        "1 DERP, 1 DDERC, 1 DERC",
        "CSIP BASIC-018",
        {"SY": SIMILAR["SY"]},
        (sy(2, 3),),
        course((1.9, SY_DEFAULT), (2, "sy"), (2.9, "sy"), (3, SY_DEFAULT), mode=PF),
    ),
    Case(
        "1 DERP, 1 DDERC, 2 non-overlapping similar DERC",
        "CSIP BASIC-019",
        {"SY": SIMILAR["SY"]},
        (sy(2, 3), replace(sy(4, 5), id="sy2")),
        (
            *course((1, SY_DEFAULT), (2, "sy"), (3, SY_DEFAULT), (4, "sy2"), mode=PF),
            At(5, {PF: SY_DEFAULT}, {"sy": "complete", "sy2": "complete"}, lost={}),
        ),
    ),
    Case(
        "2 DERP, 2 DDERC, 2 non-overlapping similar DERC",
        "CSIP BASIC-020",
        SIMILAR,
        (sy(2, 3), sp(4, 5)),
        (
            *course((1, SP_DEFAULT), (2, "sy"), (3, SP_DEFAULT), (4, "sp"), mode=PF),
            At(5, {PF: SP_DEFAULT}, {"sy": "complete", "sp": "complete"}, lost={}),
        ),
    ),
    Case(
        "overlapping similar, system followed by service point before start of system",
        "CSIP BASIC-021, AGG-007",
        SIMILAR,
        (sy(2, 4), sp(3, 4)),
        (
            At(1, {PF: SP_DEFAULT}, {"sy": "scheduled", "sp": "scheduled"}, lost={"sy": ("sp", 2)}),
            At(2, {PF: SP_DEFAULT}, {"sy": "superseded", "sp": "scheduled"}, lost={"sy": ("sp", 2)}),
            At(3, {PF: "sp"}, {"sy": "superseded", "sp": "active"}, lost={"sy": ("sp", 2)}),
            At(4, {PF: SP_DEFAULT}, {"sy": "superseded", "sp": "complete"}, lost={}),
        ),
    ),
    Case(
        "overlapping similar, service point followed by system",
        "CSIP BASIC-022, AGG-008",
        SIMILAR,
        (sy(3, 5), sp(2, 4)),
        (
            At(1, {PF: SP_DEFAULT}, {"sy": "scheduled", "sp": "scheduled"}, lost={"sy": ("sp", 3)}),
            At(2, {PF: "sp"}, {"sy": "scheduled", "sp": "active"}),
            At(3, {PF: "sp"}, {"sy": "superseded", "sp": "active"}),
            At(4, {PF: SP_DEFAULT}, {"sy": "superseded", "sp": "complete"}, lost={"sy": ("sp", 3)}),
            At(5, {PF: SP_DEFAULT}, {"sy": "superseded"}, lost={}),
        ),
    ),
    Case(
        "overlapping similar, system followed by service point after start of system",
        "CSIP BASIC-023, AGG-009",
        SIMILAR,
        (sy(1, 5), sp(2, 4, issued=1.25)),
        (
            At(1, {PF: "sy"}, {"sy": "active", "sp": "not known"}, lost={}),
            At(1.9, {PF: "sy"}, {"sy": "active", "sp": "scheduled"}, lost={"sy": ("sp", 2)}),
            At(2, {PF: "sp"}, {"sy": "superseded", "sp": "active"}, lost={"sy": ("sp", 2)}),
            At(4, {PF: SP_DEFAULT}, {"sy": "superseded", "sp": "complete"}, lost={"sy": ("sp", 2)}),
            At(5, {PF: SP_DEFAULT}, {"sy": "superseded", "sp": "complete"}, lost={}),
        ),
    ),
    Case(
        "overlapping independent, system followed by service point before start of system",
        "CSIP BASIC-024, AGG-010",
        INDEPENDENT,
        (sy(2, 4), other(3, 4)),
        (
            At(1, {PF: SY_DEFAULT, W: SP_DEFAULT}, {"sy": "scheduled", "sp": "scheduled"}, lost={}),
            At(2, {PF: "sy", W: SP_DEFAULT}, {"sy": "active"}, lost={}),
            At(3, {PF: "sy", W: "sp"}, {"sy": "active", "sp": "active"}, lost={}),
            At(4, {PF: SY_DEFAULT, W: SP_DEFAULT}, {"sy": "complete", "sp": "complete"}, lost={}),
        ),
    ),
    Case(
        "overlapping independent, service point followed by system",
        "CSIP BASIC-025, AGG-011",
        INDEPENDENT,
        (sy(3, 5), other(2, 4)),
        (
            At(2, {PF: SY_DEFAULT, W: "sp"}, {"sy": "scheduled", "sp": "active"}, lost={}),
            At(3, {PF: "sy", W: "sp"}, {"sy": "active", "sp": "active"}, lost={}),
            At(4, {PF: "sy", W: SP_DEFAULT}, {"sy": "active", "sp": "complete"}, lost={}),
            At(5, {PF: SY_DEFAULT, W: SP_DEFAULT}, {"sy": "complete", "sp": "complete"}, lost={}),
        ),
    ),
    Case(
        "overlapping independent, system followed by service point after start of system",
        "CSIP BASIC-026, AGG-012",
        INDEPENDENT,
        (sy(1, 5), other(2, 4, issued=1.25)),
        (
            At(1, {PF: "sy", W: SP_DEFAULT}, {"sy": "active", "sp": "not known"}, lost={}),
            At(2, {PF: "sy", W: "sp"}, {"sy": "active", "sp": "active"}, lost={}),
            At(4, {PF: "sy", W: SP_DEFAULT}, {"sy": "active", "sp": "complete"}, lost={}),
            At(5, {PF: SY_DEFAULT, W: SP_DEFAULT}, {"sy": "complete", "sp": "complete"}, lost={}),
        ),
    ),
    Case(
        "an immediate and a curve-based mode in one event",
        "CSIP CORE-012",
        {"1": program(1, MaxLimW=5000, VoltVar="default curve")},
        (event("1", "1", 3, 5, MaxLimW=6000, VoltVar="curve"),),
        (
            At(2, {"MaxLimW": "default of program 1", "VoltVar": "default of program 1"}),
            At(3, {"MaxLimW": "1", "VoltVar": "1"}, {"1": "active"}),
            At(5, {"MaxLimW": "default of program 1", "VoltVar": "default of program 1"}, {"1": "complete"}),
        ),
    ),
    Case(
        "ten programs with an event of half a minute each",
        "CSIP CORE-013",
        {f"{number}": program(number, **({PF: "0.99"} if number == 1 else {})) for number in range(1, 11)},
        tuple(event(f"{number}", f"{number}", number, number + 0.5, FixedPFInjectW="0.95") for number in range(1, 11)),
        course(
            *(
                pair
                for number in range(1, 11)
                for pair in ((number, f"{number}"), (number + 0.5, "default of program 1"))
            ),
            mode=PF,
        ),
    ),
    Case(
        "the first is cancelled while active, the others complete",
        "CSIP CORE-022",
        {"1": program(3), "2": program(2), "3": program(1, MaxLimW=5000, VoltVar="default curve")},
        (
            event("1", "1", 3, 5, cancelled=4, MaxLimW=6000),
            event("2", "2", 6, 7, VoltVar="curve"),
            event("3", "3", 9, 12, VoltVar="another curve"),
        ),
        (
            At(3, {"MaxLimW": "1"}, {"1": "active", "2": "scheduled", "3": "scheduled"}),
            At(4, {"MaxLimW": "default of program 3"}, {"1": "cancelled"}),
            At(6, {"VoltVar": "2"}, {"1": "cancelled", "2": "active"}),
            At(7, {"VoltVar": "default of program 3"}, {"2": "complete"}),
            At(9, {"VoltVar": "3"}, {"3": "active"}),
            At(12, {"VoltVar": "default of program 3"}, {"3": "complete"}, lost={}),
        ),
    ),
    Case(
        "three of identical start and duration: the highest program's is executed, in both of its modes",
        "CSIP CORE-023",
        {"1": program(1, MaxLimW=5000), "2": program(2), "3": program(3)},
        (
            event("1", "1", 2, 3, MaxLimW=6000, VoltVar="curve 1"),
            event("2", "2", 2, 3, MaxLimW=7000),
            event("3", "3", 2, 3, MaxLimW=8000, VoltVar="curve 3"),
        ),
        (
            At(1, {"MaxLimW": "default of program 1"}, lost={"2": ("1", 2), "3": ("1", 2)}),
            At(2, {"MaxLimW": "1", "VoltVar": "1"}, {"1": "active", "2": "superseded", "3": "superseded"}),
            At(3, {"MaxLimW": "default of program 1", "VoltVar": None}, {"1": "complete", "2": "superseded"}, lost={}),
        ),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_procedure(case: Case) -> None:
    live_through(case)


@pytest.mark.parametrize(
    ("mode", "default", "value"),
    [
        ("LVRTMustTrip", "default", "curve"),  # BASIC-004
        ("HFRTMustTrip", "default", "curve"),  # BASIC-005
        ("VoltVar", "default", "curve"),  # BASIC-006
        ("FixedPFInjectW", "0.99", "0.95"),  # BASIC-008
        ("Connect", True, False),  # BASIC-009
        ("MaxLimW", 5000.0, 6000.0),  # BASIC-010
        ("VoltWatt", "default", "curve"),  # BASIC-011
        ("FreqDroop", "default", "droop"),  # BASIC-012
        ("FixedW", 500.0, 5000.0),  # BASIC-013
        ("TargetW", 500.0, 4000.0),  # BASIC-014
        ("WattPF", "default", "curve"),  # BASIC-015
    ],
)
def test_a_control_of_each_mode(mode: str, default: Value, value: Value) -> None:
    """BASIC-004 to -015 but for -007 (ramp rates): default, then from plus-two minutes for one minute the control."""
    programs = {"SP": program(1, **{mode: default})}
    one = event("sp", "SP", 2, 3, **{mode: value})
    for minute, expected in ((1.9, default), (2, value), (2.9, value), (3, default)):
        control = arbitrate(programs, [one], Now(round(minute * MINUTE), 0)).at(NODE, Mode(mode))
        assert control is not None
        assert control.value == expected


def test_the_edge_is_a_millisecond() -> None:
    programs = {"SY": program(10, FixedPFInjectW="0.99")}
    for before, after in ((2 * MINUTE - 1, 2 * MINUTE), (4 * MINUTE, 4 * MINUTE - 1)):
        assert arbitrate(programs, [sy(2, 4)], Now(before, 0)).in_force[NODE, Mode(PF)].is_default
        assert not arbitrate(programs, [sy(2, 4)], Now(after, 0)).in_force[NODE, Mode(PF)].is_default


# --- randomised events (CORE-021) ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "start", "end", "bound_s"),
    [("1", 3, 5, 0), ("2", 6, 7, 30), ("3", 9, 12, -30)],
)
def test_a_randomised_event_keeps_to_its_bounds(name: str, start: float, end: float, bound_s: int) -> None:
    """CORE-021: with 0, plus 30 and minus 30 seconds for both the start and the duration."""
    plain = event(name, "SY", start, end, FixedPFInjectW="0.95")
    drawn = replace(plain, randomize_start_s=bound_s, randomize_duration_s=bound_s)
    (control,) = arbitrate({"SY": program(3)}, [drawn], Now(0, 0)).upcoming
    late_ms = control.since_ms - plain.starts_ms
    assert control.until_ms is not None
    longer_ms = control.until_ms - control.since_ms - (plain.ends_ms - plain.starts_ms)
    for drawn_ms in (late_ms, longer_ms):
        assert min(0, bound_s * 1000) <= drawn_ms <= max(0, bound_s * 1000)
        assert (drawn_ms != 0) == (bound_s != 0)


# --- an aggregator's four devices (AGG) ------------------------------------------------------------------------------

TFA_DEFAULT = "default of program TFA"
BELOW_TFA, ELSEWHERE = ("EDA1", "EDA2"), ("EDB1", "EDB2")


def programs_of_devices(**tfa: Value) -> dict[str, OneProgram]:
    """SY runs on all four devices, TFA on EDA1 and EDA2: each default is told for each device that its program has."""
    here = {Mode(name): value for name, value in tfa.items()}
    everywhere = {Mode.FIXED_PF_INJECT_W: "0.99"}
    return {
        "TFA": OneProgram(5, defaults=dict.fromkeys(BELOW_TFA, here)),
        "SY": OneProgram(10, defaults=dict.fromkeys(BELOW_TFA + ELSEWHERE, everywhere)),
    }


def at_each(one: Event, devices: Sequence[str]) -> list[Event]:
    """A program's event is an event of each device that the program has, under one mRID."""
    return [replace(one, node=device) for device in devices]


@pytest.mark.parametrize(
    ("procedure", "sy_minutes", "tfa_minutes", "tfa_issued", "below", "elsewhere"),
    [
        ("AGG-002", None, None, 0, [(0, TFA_DEFAULT)], [(0, SY_DEFAULT)]),
        ("AGG-003", None, (2, 3), 0, [(1, TFA_DEFAULT), (2, "tfa"), (3, TFA_DEFAULT)], [(2, SY_DEFAULT)]),
        ("AGG-006", (4, 5), (2, 3), 0, [(2, "tfa"), (3, TFA_DEFAULT), (4, "sy"), (5, TFA_DEFAULT)],
         [(2, SY_DEFAULT), (4, "sy"), (5, SY_DEFAULT)]),
        ("AGG-007", (2, 4), (3, 4), 0, [(2, TFA_DEFAULT), (3, "tfa"), (4, TFA_DEFAULT)],
         [(1, SY_DEFAULT), (2, "sy"), (3, "sy"), (4, SY_DEFAULT)]),
        ("AGG-008", (3, 5), (2, 4), 0, [(2, "tfa"), (3, "tfa"), (4, TFA_DEFAULT)],
         [(2, SY_DEFAULT), (3, "sy"), (4.9, "sy"), (5, SY_DEFAULT)]),
        ("AGG-009", (1, 5), (2, 4), 1.25, [(1, "sy"), (1.9, "sy"), (2, "tfa"), (4, TFA_DEFAULT)],
         [(1, "sy"), (4.9, "sy"), (5, SY_DEFAULT)]),
    ],
)  # fmt: skip
def test_an_aggregators_devices(
    procedure: str,
    sy_minutes: tuple[float, float] | None,
    tfa_minutes: tuple[float, float] | None,
    tfa_issued: float,
    below: list[tuple[float, str]],
    elsewhere: list[tuple[float, str]],
) -> None:
    """Only the devices below the transformer see its event; on the others the system's runs its whole time."""
    events: list[Event] = []
    if sy_minutes:
        events += at_each(sy(*sy_minutes), BELOW_TFA + ELSEWHERE)
    if tfa_minutes:
        of_tfa = replace(sp(*tfa_minutes, issued=tfa_issued), id="tfa", program="TFA")
        events += at_each(of_tfa, BELOW_TFA)
    for devices, expected in ((BELOW_TFA, below), (ELSEWHERE, elsewhere)):
        for device in devices:
            here = tuple(events)
            case = Case(
                device, procedure, programs_of_devices(FixedPFInjectW="0.90"), here, course(*expected, mode=PF), device
            )
            live_through(case)


def test_where_it_is_not_superseded_an_aggregators_event_completes() -> None:
    """AGG-007 and -008: the devices elsewhere post 2 and 3 for the system's event, and never "superseded"."""
    events = at_each(sy(2, 4), BELOW_TFA + ELSEWHERE) + at_each(replace(sp(3, 4), program="TFA"), BELOW_TFA)
    during, after = (arbitrate(programs_of_devices(), events, Now(minute * MINUTE, 0)) for minute in (2, 4))
    states = {one.node: (state_of(during, one), state_of(after, one)) for one in events if one.id == "sy"}
    assert states == dict.fromkeys(BELOW_TFA, ("superseded", "superseded")) | dict.fromkeys(
        ELSEWHERE, ("active", "complete")
    )
    assert {each.event.node for each in during.superseded} == set(BELOW_TFA)
