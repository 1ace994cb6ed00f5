"""A limit says what it limits, and can be given another place."""

from __future__ import annotations

import pytest

from dermscore.dispatch.limits import AMOUNTS, Limit


def test_a_limit_says_what_is_given_and_can_be_placed_elsewhere() -> None:
    limit = Limit("F1", "agreement", export_limit_w=5.0, soc_reserve_pct=0.0)
    assert limit.stated() == {"export_limit_w": 5.0, "soc_reserve_pct": 0.0}
    assert set(limit.stated()) < set(AMOUNTS)
    assert limit.placed("F2", "again") == Limit("F2", "again", export_limit_w=5.0, soc_reserve_pct=0.0)


@pytest.mark.parametrize("amount", AMOUNTS)
def test_what_is_below_zero_is_no_magnitude(amount: str) -> None:
    with pytest.raises(ValueError, match=f"agreement: {amount} cannot be -1"):
        Limit("F1", "agreement", **{amount: -1.0})
