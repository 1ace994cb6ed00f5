"""Counts that add up as one integer: no lane spills into another, and what is read back is what was counted."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from dermscore.aggregate.tally import Lane, causes_of, counted, one, worst
from dermscore.quality import Cause, Validity

conditions = st.sampled_from(list(Lane)[: Lane.COMM_LOST])
causes = st.integers(0, 255).map(Cause)


@given(st.lists(st.tuples(conditions, causes), max_size=30))
def test_a_tally_counts_every_condition_and_every_cause(members: list[tuple[Lane, Cause]]) -> None:
    tally = sum(one(lane, of) for lane, of in members)
    expected = Counter(lane for lane, _ in members)
    expected += Counter(Lane[cause.name] for _, of in members for cause in Cause if cause.name and cause in of)
    assert {lane: counted(tally, lane) for lane in Lane if counted(tally, lane)} == dict(expected)
    union = Cause.NONE
    for _, of in members:
        union |= of
    assert causes_of(tally) == union
    reporting = [Validity(lane) for lane, _ in members if lane <= Lane.HELD]
    assert worst(tally) == max(reporting, default=Validity.GOOD)


def test_a_full_lane_spills_nowhere() -> None:
    tally = one(Lane.GOOD) * (2**32 - 1) + one(Lane.QUESTIONABLE, Cause.TEST)
    assert (counted(tally, Lane.GOOD), counted(tally, Lane.QUESTIONABLE)) == (2**32 - 1, 1)
    assert causes_of(tally) == Cause.TEST


def test_every_cause_has_a_lane() -> None:
    for cause in Cause:
        assert cause.name
        assert cause is Cause.NONE or causes_of(one(Lane.GOOD, cause)) == cause
