"""The state table: every set of facts has one answer, and the reference page shows the very same table."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

from dermscore.guard import STATES, GuardState
from dermscore.guard.states import FACTS, STATE_OF
from tests.dermscore.guard.made import guarded

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "guard.md"


def test_the_first_row_that_fits_gives_the_state() -> None:
    assert STATES[-1] == ({}, GuardState.FAILSAFE)  # so that there always is one
    for facts in product((False, True), repeat=len(FACTS)):
        known = dict(zip(FACTS, facts, strict=True))
        fitting = [state for row, state in STATES if row.items() <= known.items()]
        assert STATE_OF[facts] is fitting[0]


def test_no_row_is_hidden_by_those_above() -> None:
    reached = {
        facts: next(row for row, _ in STATES if row.items() <= dict(zip(FACTS, facts, strict=True)).items())
        for facts in STATE_OF
    }
    assert all(row in reached.values() for row, _ in STATES)
    assert {state for _, state in STATES} == set(GuardState)


def test_a_guard_is_in_the_state_of_the_table() -> None:
    locked = guarded().local(True).lock("both")
    assert locked.state(sighted=False) is GuardState.LOCKED
    assert guarded().local(True).state(sighted=False) is GuardState.LOCAL
    assert guarded().state(sighted=False) is GuardState.FAILSAFE


def test_the_reference_page_has_the_same_rows_in_the_same_order() -> None:
    rows = re.findall(r"^\| (\d) \| `(\w+)` \|([^|]*)\|", PAGE.read_text(), re.MULTILINE)
    shown = []
    for _, state, conditions in rows:
        named = re.findall(r"`(not )?(\w+)`", conditions)
        shown.append(({fact: not negated for negated, fact in named}, GuardState(state)))
    assert shown == [(dict(row), state) for row, state in STATES]
    assert [int(number) for number, _, _ in rows] == list(range(1, len(STATES) + 1))
