"""Which lines answer a request: times that ascend or not, and segments that were pruned."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.evidence.selection import Span


def span(times: list[int], since: int, until: int) -> tuple[int, int]:
    found: Span[int] = Span(since, until)
    for seq, t in enumerate(times):
        found.see(seq, seq, t)
    begin, end = found.result()
    return begin or 0, len(times) if end is None else end


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([1, 2, 10, 11, 20, 21], (1, 5)),
        ([10, 11, 20], (0, 3)),
        ([1, 10, 11], (0, 3)),
        ([1, 2, 20, 21], (1, 3)),
        ([1, 2], (1, 2)),
        ([20, 21], (0, 1)),
        ([10], (0, 1)),
        ([1, 10, 20, 11, 21, 22], (0, 5)),  # the clock went back, and a record of the period stands behind one after it
        ([1, 10, 2, 11, 20], (0, 5)),
        ([20, 1, 21, 2, 22], (3, 5)),
    ],
)
def test_the_lines_from_before_the_period_to_behind_it(times: list[int], expected: tuple[int, int]) -> None:
    assert span(times, 10, 20) == expected


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40))
def test_no_record_of_the_period_stands_outside(times: list[int]) -> None:
    begin, end = span(times, 10, 20)
    assert begin < end
    assert not any(10 <= t < 20 for t in times[:begin] + times[end:])
    assert begin == 0 or times[begin] < 10
    assert end == len(times) or times[end - 1] >= 20


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40).map(sorted))
def test_no_more_than_needed_where_times_ascend(times: list[int]) -> None:
    begin, end = span(times, 10, 20)
    assert all(10 <= t < 20 for t in times[begin + 1 : end - 1])
