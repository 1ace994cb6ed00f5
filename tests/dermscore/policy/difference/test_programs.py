"""Programmes that are other ones now: what each says, who outranks whom, and which defaults stand."""

from __future__ import annotations

from typing import Final

import pytest
from policy_helpers import DISPATCH, loaded

from dermscore.policy.difference.change import Kind
from dermscore.policy.difference.programs import program_changes

FULL: Final = (
    DISPATCH
    + """
  vpp: {primacy: 7, max_duration_s: 60, market: true, paths: [feeder/F1], defaults: {feeder/F1: {ExpLimW: 5.0e6}}}
"""
)
PROGRAM, LOOSER, TIGHTER = Kind.PROGRAM, Kind.LOOSER, Kind.TIGHTER
HMI: Final = (
    "hmi is {}: primacy 2; a target stands 60 s at most; what was superseded stays over; no market; "
    "runs at the whole fleet; described as ''; default {} at feeder/F1"
)


def said(old: str, new: str) -> list[tuple[Kind, str]]:
    return [(change.kind, change.words) for change in program_changes(loaded(dispatch=old), loaded(dispatch=new))]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "scada: {primacy: 1",
            "scada: {primacy: 7",
            [
                (PROGRAM, "scada: primacy 7; it was: primacy 1"),
                (PROGRAM, "scada and vpp rank alike; before, scada outranks vpp"),
            ],
        ),
        (
            "vpp: {primacy: 7",
            "vpp: {primacy: 11",
            [
                (PROGRAM, "vpp: primacy 11; it was: primacy 7"),
                (PROGRAM, "default outranks vpp; before, vpp outranks default"),
            ],
        ),
        (
            "{ExpLimW: 5.0e6}",
            "{ExpLimW: 4.0e6, Connect: false}",
            [
                (PROGRAM, "vpp: default Connect false at feeder/F1; it was: no default Connect at feeder/F1"),
                (PROGRAM, "vpp: default ExpLimW 4 MW at feeder/F1; it was: default ExpLimW 5 MW at feeder/F1"),
                (TIGHTER, "feeder/F1: while no event stands, Connect false; it was no Connect"),
                (TIGHTER, "feeder/F1: while no event stands, ExpLimW 4 MW; it was ExpLimW 5 MW"),
            ],
        ),
        (
            ", defaults: {feeder/F1: {ExpLimW: 5.0e6}}",
            "",
            [
                (PROGRAM, "vpp: no default ExpLimW at feeder/F1; it was: default ExpLimW 5 MW at feeder/F1"),
                (LOOSER, "feeder/F1: while no event stands, no ExpLimW; it was ExpLimW 5 MW"),
            ],
        ),
        ("market: true, ", "", [(PROGRAM, "vpp: no market; it was: a market")]),
        ("60,", "90,", [(LOOSER, "vpp: a target stands 90 s at most; it was: a target stands 60 s at most")]),
        ("60,", "30,", [(TIGHTER, "vpp: a target stands 30 s at most; it was: a target stands 60 s at most")]),
        (
            "paths: [feeder/F1]",
            "paths: [feeder/F1, feeder/F2]",
            [(LOOSER, "vpp: runs at feeder/F1, feeder/F2; it was: runs at feeder/F1")],
        ),
        (
            ", paths: [feeder/F1]",
            "",
            [(LOOSER, "vpp: runs at the whole fleet; it was: runs at feeder/F1")],
        ),
        (
            "60,",
            "60, on_supersede: resume,",
            [(PROGRAM, "vpp: what was superseded comes back; it was: what was superseded stays over")],
        ),
        (
            "60,",
            "60, description: plant,",
            [(PROGRAM, "vpp: described as 'plant'; it was: described as ''")],
        ),
    ],
)
def test_changes_in_words(old: str, new: str, expected: list[tuple[Kind, str]]) -> None:
    assert old in FULL
    assert said(FULL, FULL.replace(old, new)) == expected


def test_a_programme_in_fewer_places_is_tightened() -> None:
    wide = FULL.replace("paths: [feeder/F1]", "paths: [feeder]")
    assert said(wide, FULL) == [(TIGHTER, "vpp: runs at feeder/F1; it was: runs at feeder")]


@pytest.mark.parametrize(
    ("default", "words", "kind"),
    [
        ("ExpLimW: 50.0e6", "ExpLimW 50 MW; it was ExpLimW 5 MW", LOOSER),  # of higher rank, and laxer
        ("ExpLimW: 2.0e6", "ExpLimW 2 MW; it was ExpLimW 5 MW", TIGHTER),
        ("Connect: false", "Connect false; it was no Connect", TIGHTER),
        ("Connect: true", "Connect true; it was no Connect", PROGRAM),
        ("TargetW: 1.0e6", "TargetW 1 MW; it was no TargetW", PROGRAM),
        ("VoltVar: curve 1", "VoltVar 'curve 1'; it was no VoltVar", PROGRAM),
    ],
)
def test_a_new_programme_is_told_with_its_rank_and_what_it_makes_of_the_defaults(
    default: str, words: str, kind: Kind
) -> None:
    more = FULL + f"  hmi: {{primacy: 2, max_duration_s: 60, defaults: {{feeder/F1: {{{default}}}}}}}\n"
    shown = words.partition(";")[0]
    assert said(FULL, more) == [
        (PROGRAM, HMI.format("new", shown)),
        (PROGRAM, "hmi outranks default"),
        (PROGRAM, "scada outranks hmi"),
        (PROGRAM, "hmi outranks vpp"),
        (kind, f"feeder/F1: while no event stands, {words}"),
    ]
    gone = said(more, FULL)
    assert gone[0] == (PROGRAM, HMI.format("gone", shown))
    assert (gone[1][0], len(gone)) == ({LOOSER: TIGHTER, TIGHTER: LOOSER, PROGRAM: PROGRAM}[kind], 2)


def test_the_type_of_a_value_is_told() -> None:
    text, switch = (FULL.replace("ExpLimW: 5.0e6", f"VoltVar: {value}") for value in ('"true"', "true"))
    assert said(text, switch) == [
        (PROGRAM, "vpp: default VoltVar true at feeder/F1; it was: default VoltVar 'true' at feeder/F1"),
        (PROGRAM, "feeder/F1: while no event stands, VoltVar true; it was VoltVar 'true'"),
    ]
    number = FULL.replace("ExpLimW: 5.0e6", "VoltVar: 1")
    assert said(number, switch)[-1][1] == "feeder/F1: while no event stands, VoltVar true; it was VoltVar 1.0"
