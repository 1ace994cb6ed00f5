"""Quality: one integer and back, and a roll-up that is never better than its worst member."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dermscore.quality import GOOD, Cause, Quality, Source, Validity, roll_up

UNHURRIED = settings(deadline=None)  # the machine may be busy with something else

qualities = st.builds(Quality, st.sampled_from(Validity), st.sampled_from(Source), st.integers(0, 255).map(Cause))


@UNHURRIED
@given(qualities)
def test_bits_round_trip(quality: Quality) -> None:
    assert 0 <= quality.bits <= 4095
    assert Quality.from_bits(quality.bits) == quality


@pytest.mark.parametrize("bits", [-1, 4096])
def test_bits_outside_twelve_are_refused(bits: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        Quality.from_bits(bits)


@UNHURRIED
@given(qualities, st.sampled_from(Cause), st.sampled_from(Validity))
def test_a_cause_never_makes_it_better(quality: Quality, cause: Cause, at_best: Validity) -> None:
    worse = quality.because(cause, at_best)
    assert worse.validity == max(quality.validity, at_best)
    assert worse.causes == quality.causes | cause
    assert worse.source is quality.source


def test_only_good_is_good() -> None:
    assert GOOD.good
    assert not GOOD.because(Cause.COMM_LOST, Validity.HELD).good


def test_nothing_rolled_up_is_not_a_measurement_of_zero() -> None:
    assert roll_up([]) == Quality(Validity.INVALID, Source.CALCULATED)


@UNHURRIED
@given(st.lists(qualities, min_size=1))
def test_a_roll_up_is_the_worst_validity_and_every_cause(members: list[Quality]) -> None:
    rolled = roll_up(members, Source.ESTIMATED)
    assert rolled.validity == max(member.validity for member in members)
    assert all(member.causes in rolled.causes for member in members)
    assert rolled.source is Source.ESTIMATED
