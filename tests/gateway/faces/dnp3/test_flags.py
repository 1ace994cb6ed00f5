"""Quality to flag octets, against IEEE 1815-2012 clause 11.6.1 and DESIGN.md section 8 rule 4."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dermscore.quality import Cause, Quality, Source, Validity
from gateway.faces.dnp3 import flags

ANALOG = [
    (Quality(), 0x01),
    (Quality(Validity.QUESTIONABLE), 0x41),
    (Quality(Validity.HELD), 0x00),
    (Quality(Validity.INVALID), 0x00),
    (Quality(Validity.HELD, causes=Cause.COMM_LOST), 0x04),
    (Quality(Validity.QUESTIONABLE, causes=Cause.OVER_RANGE), 0x61),
    (Quality(causes=Cause.OVER_RANGE), 0x21),
    (Quality(Validity.INVALID, causes=Cause.RESTART), 0x02),
    (Quality(causes=Cause.LOCAL_FORCED), 0x11),
    (Quality(causes=Cause.REMOTE_FORCED), 0x09),
    (Quality(Validity.QUESTIONABLE, causes=Cause.TEST), 0x41),
    (Quality(causes=Cause.NOT_IN_EFFECT | Cause.LOW_COVERAGE), 0x01),
    (Quality(source=Source.ESTIMATED), 0x01),
    # Whoever made these two was wrong to call them good: nothing stale, nor from before the start, is ONLINE.
    (Quality(causes=Cause.COMM_LOST), 0x04),
    (Quality(causes=Cause.RESTART), 0x02),
]
BINARY = [
    (Quality(), 0x01),
    (Quality(Validity.QUESTIONABLE), 0x00),
    (Quality(Validity.HELD, causes=Cause.COMM_LOST), 0x04),
    (Quality(causes=Cause.OVER_RANGE), 0x01),  # 0x20 would be CHATTER_FILTER on a binary
    (Quality(causes=Cause.LOCAL_FORCED | Cause.REMOTE_FORCED), 0x19),
]


@pytest.mark.parametrize(("quality", "octet"), ANALOG)
def test_an_analog_shows_its_quality(quality: Quality, octet: int) -> None:
    assert flags.analog(quality) == octet


@pytest.mark.parametrize(("quality", "octet"), BINARY)
def test_a_binary_shows_its_quality(quality: Quality, octet: int) -> None:
    assert flags.binary(quality) == octet


@given(st.integers(0, 4095))
def test_nothing_bad_is_ever_shown_plainly_online(bits: int) -> None:
    quality = Quality.from_bits(bits)
    bad = not quality.good or quality.causes & (Cause.COMM_LOST | Cause.RESTART | Cause.OVER_RANGE)
    assert not (bad and flags.analog(quality) == flags.ONLINE)
    assert flags.binary(quality) & ~0x1F == 0  # no state, no bit that a binary does not have
