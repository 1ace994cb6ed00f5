"""The modes: each is a limit, a set point, a switch, or passed through; and what may stand in each."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dermscore.dispatch import Mode, Value
from dermscore.dispatch.modes import LIMITS, PASSED, SETPOINTS, SWITCHES, value_problem


def test_each_mode_is_of_one_sort() -> None:
    assert len(LIMITS) + len(SETPOINTS) + len(SWITCHES) + len(PASSED) == len(Mode)
    assert set(Mode) == LIMITS | SETPOINTS | SWITCHES | PASSED
    assert Mode("MaxLimW") in LIMITS
    assert Mode("VoltVar") in PASSED


@pytest.mark.parametrize(
    ("mode", "value"),
    [
        (Mode.EXP_LIM_W, 0),
        (Mode.EXP_LIM_W, 5e6),
        (Mode.TARGET_W, np.int64(5)),
        (Mode.TARGET_W, -5e6),
        (Mode.CONNECT, False),
        (Mode.VOLT_VAR, "curve"),
        (Mode.VOLT_VAR, math.nan),
    ],
)
def test_what_can_stand(mode: Mode, value: Value) -> None:
    assert value_problem(mode, value) is None


@pytest.mark.parametrize(
    ("mode", "value", "problem"),
    [
        (Mode.EXP_LIM_W, -1.0, "its ExpLimW is below 0, and a limit is a magnitude"),
        (Mode.EXP_LIM_W, math.inf, "its ExpLimW is not a number"),
        (Mode.FIXED_W, math.nan, "its FixedW is not a number"),
        (Mode.FIXED_W, True, "its FixedW is not a number"),
        (Mode.FIXED_W, "5", "its FixedW is not a number"),
        (Mode.FIXED_W, 10**400, "its FixedW is not a number"),
        (Mode.FIXED_W, [1], "its FixedW is not a number"),
        (Mode.ENERGIZE, 1, "its Energize is neither on nor off"),
    ],
)
def test_what_cannot(mode: Mode, value: Value, problem: str) -> None:
    assert value_problem(mode, value) == problem
