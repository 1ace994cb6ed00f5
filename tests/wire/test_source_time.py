"""The clock at the far end, told by its messages: late ones are late, and a step is a step."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dermscore.model import Now
from wire.source_time import BEST_FOR_MS, SourceTime


def at(mono_ms: int, utc_ms: int = 0) -> Now:
    return Now(utc_ms, mono_ms)


def test_it_goes_on_with_our_monotonic_clock_whatever_our_wall_clock_does():
    source = SourceTime.first(5_000, at(100, 999_999))
    assert source.at(at(350, 1)) == Now(5_250, 350)
    assert source.offset_ms(at(350, 1)) == 5_249


def test_a_late_message_does_not_put_it_back():
    source = SourceTime.first(5_000, at(100)).hear(9_000, at(7_100))
    assert source.at(at(7_100)).utc_ms == 12_000


def test_a_message_that_was_less_late_puts_it_ahead():
    source = SourceTime.first(5_000, at(3_100)).hear(9_000, at(4_100))
    assert source.at(at(4_100)).utc_ms == 9_000


def test_a_clock_that_was_set_back_is_believed_at_once():
    source = SourceTime.first(600_000, at(100)).hear(4_000, at(4_100))
    assert source.at(at(4_100)).utc_ms == 4_000


def test_a_step_too_small_to_show_in_the_order_is_believed_after_a_minute():
    source, back_ms = SourceTime.first(10_000, at(0)), 3_000
    for mono_ms in range(5_000, BEST_FOR_MS + 5_001, 5_000):
        source = source.hear(10_000 + mono_ms - back_ms, at(mono_ms))
        error_ms = source.at(at(mono_ms)).utc_ms - (10_000 + mono_ms)
        assert error_ms == (-back_ms if mono_ms > BEST_FOR_MS else 0)


@given(st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 3_000)), min_size=1, max_size=20))
def test_it_is_never_ahead_of_the_truth_and_no_further_behind_than_the_best_message(steps):
    """Messages are written in order, and each comes some time after it was written, never before an earlier one."""
    written_ms = heard_ms = 0
    source, least_late_ms = None, None
    for apart_ms, late_ms in steps:
        written_ms += apart_ms
        heard_ms = max(heard_ms, written_ms + late_ms)
        now = at(heard_ms)
        source = SourceTime.first(written_ms, now) if source is None else source.hear(written_ms, now)
        if heard_ms > BEST_FOR_MS:
            return
        lateness_ms = heard_ms - written_ms
        least_late_ms = lateness_ms if least_late_ms is None else min(least_late_ms, lateness_ms)
        assert source.at(now).utc_ms == heard_ms - least_late_ms
