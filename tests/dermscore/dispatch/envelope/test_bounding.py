"""Bounds as arrays: many limits at once bind as one after the other would."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dermscore.dispatch.envelope.bounding import Side
from dermscore.dispatch.limits import BoundSource


@pytest.mark.parametrize("sign", [1, -1])
@given(stated=st.lists(st.tuples(st.integers(0, 3), st.integers(-2, 5).map(float)), max_size=12))
def test_many_at_once_are_as_one_after_the_other(sign: int, stated: list[tuple[int, float]]) -> None:
    numbered = [(at, magnitude, number) for number, (at, magnitude) in enumerate(stated, 1)]
    start = Side.of(sign * np.array([math.inf, 3.0, 0.0, -1.0]), sign, BoundSource.RATING)
    together, apart = (Side(start.w.copy(), sign, start.source.copy(), start.detail.copy()) for _ in range(2))
    together.tighten_each(numbered, BoundSource.LIMIT)
    for at, magnitude, number in numbered:
        apart.tighten(slice(at, at + 1), sign * magnitude, BoundSource.LIMIT, number)
    assert together.w.tolist() == apart.w.tolist()
    assert together.source.tolist() == apart.source.tolist()
    assert together.detail.tolist() == apart.detail.tolist()


def test_what_is_not_known_tightens_nothing() -> None:
    side = Side.of(np.array([5.0, 5.0]), 1, BoundSource.RATING)
    side.tighten(slice(None), np.array([math.nan, 4.0]), BoundSource.AVAILABLE)
    assert side.w.tolist() == [5, 4]
