"""Parts of the week: every moment is in the part that its windows say, and a person reads which."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_helpers import MANY, at

from dermscore.policy.difference.week import Stretch, clocks_of, here, too_many, week, windows_at
from dermscore.policy.windows import Window

DAYS_5 = frozenset(range(5))
EVENING = Window("Europe/Berlin", DAYS_5, 960, 1260)
NIGHT = Window("Europe/Berlin", frozenset({4}), 1320, 360)
ALL_DAY = Window("Europe/Berlin", DAYS_5, 0, 1440)
LONDON = Window("Europe/London", DAYS_5, 960, 1260)
# Three weeks, in the second of which the clocks of Europe go forward.
moments = st.integers(0, 3 * 7 * 1440).map(lambda minute: 1_773_964_800_000 + minute * 60_000)
quarters = st.integers(0, 8).map(lambda number: number * 180)
windows = st.builds(
    Window,
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]),
    st.frozensets(st.integers(0, 6), min_size=1),
    quarters.filter(lambda minute: minute < 1440),
    quarters.filter(bool),
).filter(lambda window: window.begins_min != window.ends_min)


@MANY
@given(st.lists(windows, max_size=3), moments)
def test_the_part_that_a_moment_is_in_has_its_windows(some: list[Window], moment: int) -> None:
    clocks = clocks_of(some)
    holding = windows_at(some, clocks)
    assert set(holding) == set(week(clocks))
    assert holding[here(clocks, at(moment))] == {window for window in some if window.holds(at(moment))}


def stretch(some: list[Window], *inside: Window, but: bool = False) -> str:
    clocks = clocks_of(some)
    holding = windows_at(some, clocks)
    parts = frozenset(part for part, found in holding.items() if bool(found & {*inside}) is not but)
    return str(Stretch(None, None, clocks, parts))


@pytest.mark.parametrize(
    ("some", "inside", "but", "words"),
    [
        ([], (), True, "always"),
        ([EVENING], (EVENING,), False, "mon tue wed thu fri 16:00 to 21:00 Europe/Berlin"),
        ([EVENING], (EVENING,), True, "mon tue wed thu 21:00 to 16:00, fri 21:00 to mon 16:00 Europe/Berlin"),
        ([NIGHT, EVENING], (NIGHT,), False, "fri 22:00 to 06:00 Europe/Berlin"),
        ([ALL_DAY], (ALL_DAY,), False, "mon 00:00 to fri 24:00 Europe/Berlin"),
        ([ALL_DAY, EVENING], (ALL_DAY,), True, "sat 00:00 to sun 24:00 Europe/Berlin"),
        (
            [Window("UTC", frozenset(range(7)), 0, 1440)],
            (Window("UTC", frozenset(range(7)), 0, 1440),),
            False,
            "always",
        ),
        (
            [Window("UTC", frozenset({2}), 0, 1440)],
            (Window("UTC", frozenset({2}), 0, 1440),),
            False,
            "wed 00:00 to 24:00 UTC",
        ),
        (
            [Window("UTC", frozenset({2}), 360, 359), Window("UTC", frozenset({2}), 0, 360)],
            (Window("UTC", frozenset({2}), 360, 359),),
            False,
            "wed 06:00 to 05:59 UTC",
        ),
        (
            [EVENING, LONDON],
            (EVENING,),
            False,
            "mon tue wed thu fri 16:00 to 21:00 Europe/Berlin",
        ),
        ([EVENING, LONDON], (LONDON,), False, "mon tue wed thu fri 16:00 to 21:00 Europe/London"),
        (
            [EVENING, LONDON],
            (EVENING, LONDON),
            True,
            "mon tue wed thu 21:00 to 16:00, fri 21:00 to mon 16:00 Europe/Berlin while it is "
            "mon tue wed thu 21:00 to 16:00, fri 21:00 to mon 16:00 Europe/London",
        ),
        (
            [EVENING, LONDON],
            (EVENING, LONDON),
            False,
            "mon tue wed thu 21:00 to 16:00, fri 21:00 to mon 16:00 Europe/Berlin while it is "
            "mon tue wed thu fri 16:00 to 21:00 Europe/London; or mon tue wed thu fri 16:00 to 21:00 Europe/Berlin",
        ),
    ],
)
def test_it_reads_as_a_person_would_say_it(
    some: list[Window], inside: tuple[Window, ...], but: bool, words: str
) -> None:
    assert stretch(some, *inside, but=but) == words


def test_a_day_that_does_not_begin_at_midnight_says_both_its_days() -> None:
    some = [Window("UTC", frozenset({2}), 360, 720), Window("UTC", frozenset({2}), 720, 360)]
    assert stretch(some, *some) == "wed 06:00 to thu 06:00 UTC"


def test_a_time_between_two_moments() -> None:
    some = Stretch(1000, 3000, (), frozenset({()}))
    assert [some.holds(at(ms)) for ms in (999, 1000, 2999, 3000)] == [False, True, True, False]
    assert str(some) == "from 1970-01-01T00:00:01Z until 1970-01-01T00:00:03Z"


def test_very_many_clocks_are_not_gone_through() -> None:
    zones = ["UTC", "Europe/Berlin", "Europe/London", "America/New_York", "Asia/Tokyo"]
    assert too_many(clocks_of(Window(zone, DAYS_5, 960, 1260) for zone in zones))
    assert not too_many(clocks_of(Window(zone, DAYS_5, 960, 1260) for zone in zones[:3]))
