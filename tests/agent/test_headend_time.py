"""The headend's clock as the edge sees it: delays only ever make it look late."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.headend_time import BEST_FOR_MS, HeadendTime
from dermscore.model import Now

HEADEND_AHEAD_MS = 1_800_000_000_000  # the headend's UTC at our monotonic 0


def ours(mono_ms: int) -> Now:
    """Our own wall clock is plainly wrong, and that must not matter."""
    return Now(mono_ms + 77, mono_ms)


def headend_ms(mono_ms: int) -> int:
    return HEADEND_AHEAD_MS + mono_ms


@settings(deadline=None)
@given(st.lists(st.integers(0, 20_000), min_size=1, max_size=12))
def test_within_a_minute_the_error_is_that_of_the_swiftest_message(delays_ms: list[int]) -> None:
    time = None
    for number, delay_ms in enumerate(delays_ms):
        sent, now = headend_ms(number * 100), ours(number * 100 + delay_ms)
        time = HeadendTime.first(sent, now) if time is None else time.hear(sent, now)
    assert time is not None
    now = ours(30_000)
    error_ms = headend_ms(30_000) - (now.utc_ms + time.offset_ms(now))
    assert error_ms == min(delays_ms)


def test_a_message_that_waited_while_we_stood_still_is_not_believed() -> None:
    time = HeadendTime.first(headend_ms(0), ours(0)).hear(headend_ms(5_000), ours(18_000))
    now = ours(18_000)
    assert now.utc_ms + time.offset_ms(now) == headend_ms(18_000)


def test_a_clock_put_back_is_believed_at_once() -> None:
    """Else all that it sends for a minute would be over before it came."""
    back_ms = 3_600_000
    time = HeadendTime.first(headend_ms(0), ours(0)).hear(headend_ms(5_000) - back_ms, ours(5_000))
    now = ours(6_000)
    assert now.utc_ms + time.offset_ms(now) == headend_ms(now.mono_ms) - back_ms


def test_a_step_too_small_to_show_in_the_order_is_believed_after_a_minute() -> None:
    time = HeadendTime.first(headend_ms(0), ours(0))
    back_ms = 3_000
    for mono_ms in range(5_000, BEST_FOR_MS + 5_001, 5_000):
        time = time.hear(headend_ms(mono_ms) - back_ms, ours(mono_ms))
        now = ours(mono_ms)
        error_ms = now.utc_ms + time.offset_ms(now) - headend_ms(mono_ms)
        assert error_ms == (-back_ms if mono_ms > BEST_FOR_MS else 0)


def test_a_step_of_our_own_wall_clock_changes_nothing() -> None:
    time = HeadendTime.first(headend_ms(0), Now(0, 0))
    stepped = Now(5_000_000, 1_000)
    assert stepped.utc_ms + time.offset_ms(stepped) == headend_ms(1_000)
