"""Two figures that differ never look the same."""

from __future__ import annotations

import math

from hypothesis import assume, given
from hypothesis import strategies as st
from policy_helpers import MANY

from dermscore.dispatch.modes import Mode, Value
from dermscore.policy.difference.figures import amount, control, watts

numbers = st.floats(allow_nan=False, allow_infinity=False)
near = numbers.map(lambda one: (one, math.nextafter(one, math.inf)))
values = numbers | st.booleans() | st.sampled_from(["1.0", "1", "true", "True", "'1'"]) | st.text(max_size=3)


@MANY
@given(near | st.tuples(numbers, numbers))
def test_powers_and_amounts_are_told_apart(both: tuple[float, float]) -> None:
    one, other = both
    assume(one != other)
    assert watts(one) != watts(other)
    for name in ("export_limit_w", "ramp_w_per_s", "soc_min_pct"):
        assert amount(name, one) != amount(name, other)


@MANY
@given(values, values, st.sampled_from([Mode.VOLT_VAR, Mode.EXP_LIM_W, Mode.CONNECT]))
def test_values_of_controls_are_told_apart_type_and_all(one: Value, other: Value, mode: Mode) -> None:
    assume(one != other or type(one) is not type(other))
    assert control(mode, one) != control(mode, other)


def test_round_figures_are_short() -> None:
    assert [watts(5e6), watts(5e6 + 0.5), watts(-1500.0), watts(0.0)] == ["5 MW", "5000000.5 W", "-1.5 kW", "0 W"]
    assert [amount("soc_min_pct", 20.0), amount("ramp_w_per_s", 5e4)] == ["20 %", "50 kW/s"]
    assert amount("soc_min_pct", 33.333333333) == "33.333333333 %"
    assert amount("export_limit_w", None) == "no limit"
    assert [control(Mode.CONNECT, False), control(Mode.TARGET_W, 5.0), control(Mode.VOLT_VAR, "a")] == [
        "false",
        "5 W",
        "'a'",
    ]
