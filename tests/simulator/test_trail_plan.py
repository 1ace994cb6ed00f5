"""What happens in a rehearsal, and when: one of each, none into another, and commands in the quiet between."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.trails.plan import DAY_US, LEAST_DAYS, MINUTE_US, What, plan

DAYS = st.integers(LEAST_DAYS, 120)
SEEDS = st.integers(0, 2**32)


@given(DAYS, SEEDS)
def test_no_incident_begins_before_another_is_long_over(days: int, seed: int) -> None:
    drawn = plan(days, seed)
    assert {each.what for each in drawn.incidents} == set(What)
    for before, after in pairwise(drawn.incidents):
        assert before.end_us + 15 * MINUTE_US < after.begin_us
    for each in drawn.incidents:
        assert 0 < each.begin_us < each.end_us
        assert each.begin_us // DAY_US == each.end_us // DAY_US, "no incident goes over midnight"
    assert drawn.incidents[-1].end_us < drawn.end_us == days * DAY_US


@given(DAYS, SEEDS)
def test_commands_are_asked_for_while_nothing_else_happens(days: int, seed: int) -> None:
    drawn = plan(days, seed)
    assert drawn.commands_us
    for before, after in pairwise(drawn.commands_us):
        assert after - before > MINUTE_US
    for asked in drawn.commands_us:
        assert not any(each.begin_us <= asked <= each.end_us + MINUTE_US for each in drawn.incidents)


@given(DAYS, SEEDS, st.sets(st.sampled_from(What)))
def test_leaving_some_out_moves_none_of_the_others(days: int, seed: int, without: set[What]) -> None:
    whole, part = plan(days, seed), plan(days, seed, tuple(without))
    assert part.incidents == tuple(each for each in whole.incidents if each.what not in without)
    assert part.commands_us == whole.commands_us


def test_too_few_days_are_refused() -> None:
    with pytest.raises(ValueError, match="have no room"):
        plan(LEAST_DAYS - 1, 1)
