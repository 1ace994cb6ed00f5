"""What a number looks like, and what to tell a person whose number does not."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dermscore.files.numbers import DECIMAL, mend


@pytest.mark.parametrize("text", ["1", "-1.5", "+.5", "2.", "1e3", "1E-3"])
def test_what_is_a_number(text: str) -> None:
    assert DECIMAL.fullmatch(text)
    assert mend(text) == "; take the quotes away"


@pytest.mark.parametrize("text", ["1_000", "1,000,000", "1 000", "1'000.5", "5_0"])
def test_digits_in_groups(text: str) -> None:
    assert mend(text) == "; write the digits without a separator"


@pytest.mark.parametrize("text", ["", ".", "nan", "5 MW", "1.5.2", "１２", "1__0"])
def test_what_nobody_can_mend(text: str) -> None:
    assert mend(text) == ""


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_that_python_writes_is_one(number: float) -> None:
    assert DECIMAL.fullmatch(repr(number))
    assert math.isclose(float(repr(number)), number)
