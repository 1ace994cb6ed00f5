"""Which lines answer a request: times that ascend or not, and segments that were pruned."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import case_log
import pytest
from case_log import FROM, TO
from hypothesis import given
from hypothesis import strategies as st
from trail_helpers import SEGMENT

from audit.errors import Damaged
from audit.evidence.gathering import lines_of, scanned_of
from audit.evidence.request import Request, asked
from audit.evidence.selection import Chosen, Span, choose
from audit.format.layout import Layout
from audit.reading.released import Position


def test_a_log_that_changes_under_its_reader(tmp_path: Path) -> None:
    case = case_log.build(tmp_path)
    lines = case.log / "headers" / "00000001.jsonl"
    lines.write_bytes(lines.read_bytes().replace(b'"v":1', b'"v":x', 1))
    layout = Layout(case.log, SEGMENT)
    with pytest.raises(Damaged, match="record 8 cannot be read any more"):
        choose(layout, 33, "", Request(asked(FROM, TO)), lambda done: None)
    with pytest.raises(Damaged, match="record 8 cannot be read any more"):
        deque(map(scanned_of, lines_of(layout, 33, Chosen(Position(), 33, 33, None))), maxlen=0)


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
