"""Daily windows by a local clock: over midnight, and through both changes of the clocks."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_helpers import MANY, at

from dermscore.policy.windows import ALWAYS, When, Window, moment, period, stretch

WORKDAYS = frozenset(range(5))
EVENING = Window("Europe/Berlin", WORKDAYS, 16 * 60, 21 * 60)
NIGHT = Window("Europe/Berlin", frozenset({4}), 22 * 60, 6 * 60)
SMALL = Window("Europe/Berlin", frozenset(range(7)), 2 * 60, 3 * 60)


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("window", "when", "inside"),
    [
        (EVENING, "2026-11-23T16:00:00+01:00", True),  # a Monday
        (EVENING, "2026-11-23T15:59:59.999+01:00", False),
        (EVENING, "2026-11-23T20:59:59.999+01:00", True),
        (EVENING, "2026-11-23T21:00:00+01:00", False),
        (EVENING, "2026-11-22T17:00:00+01:00", False),  # a Sunday
        (EVENING, "2026-07-06T14:00:00Z", True),  # 16:00 in summer
        (EVENING, "2026-11-23T14:00:00Z", False),  # 15:00 in winter
        (NIGHT, "2026-11-27T22:00:00+01:00", True),  # a Friday
        (NIGHT, "2026-11-28T05:59:00+01:00", True),  # it goes on into the Saturday
        (NIGHT, "2026-11-28T06:00:00+01:00", False),
        (NIGHT, "2026-11-27T05:00:00+01:00", False),  # of the Thursday, which has none
        (NIGHT, "2026-11-28T22:30:00+01:00", False),
        (SMALL, "2026-03-29T01:00:00Z", False),  # 03:00: the clocks went from 02:00 to 03:00
        (SMALL, "2026-03-29T00:59:59Z", False),  # 01:59:59
        (SMALL, "2026-10-25T00:30:00Z", True),  # 02:30, the first time
        (SMALL, "2026-10-25T01:30:00Z", True),  # 02:30, the second time
    ],
)
def test_a_window_goes_by_the_wall_clock(window: Window, when: str, inside: bool) -> None:
    assert window.holds(at(ms(when))) is inside


@MANY
@given(st.integers(0, 2_000_000_000_000), st.integers(0, 1439), st.integers(1, 1440), st.integers(0, 6))
def test_a_window_and_what_is_left_of_the_day_share_no_moment_and_leave_none(
    now_ms: int, begins: int, ends: int, day: int
) -> None:
    every = frozenset(range(7))
    if begins in (ends, ends % 1440):
        return
    one = Window("America/St_Johns", every, begins, ends)
    other = Window("America/St_Johns", every, ends % 1440, begins or 1440)
    assert one.holds(at(now_ms)) != other.holds(at(now_ms))
    whole = Window("America/St_Johns", frozenset({day}), 0, 1440)
    local = datetime.fromtimestamp(now_ms // 1000, ZoneInfo("America/St_Johns"))
    assert whole.holds(at(now_ms)) is (local.weekday() == day)


def test_a_period_includes_both_ends() -> None:
    assert [When(10, 20).holds(at(each)) for each in (9, 10, 20, 21)] == [False, True, True, False]
    assert ALWAYS.holds(at(0))
    assert When(windows=(EVENING, NIGHT)).holds(at(ms("2026-11-28T05:00:00+01:00")))
    assert not When(0, windows=(EVENING, NIGHT)).holds(at(ms("2026-11-28T07:00:00+01:00")))


def test_times_read_as_they_are_written() -> None:
    assert str(ALWAYS) == "always"
    assert str(When(1000, 2000, (SMALL, EVENING))) == (
        "daily 02:00 to 03:00 Europe/Berlin, mon tue wed thu fri 16:00 to 21:00 Europe/Berlin, "
        "from 1970-01-01T00:00:01Z, to 1970-01-01T00:00:02Z"
    )
    assert moment(1) == "1970-01-01T00:00:00.001Z"
    assert period(None, None) == []
    assert stretch(None, None) == ""
    assert stretch(1001, None) == " after 1970-01-01T00:00:01Z"
    assert stretch(1000, 2001) == " from 1970-01-01T00:00:01Z to 1970-01-01T00:00:02Z"
    assert stretch(None, 2000) == " until 1970-01-01T00:00:02Z"
