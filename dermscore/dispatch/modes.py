"""The control modes of a DER, by the names that IEEE Std 2030.5-2018 gives them in DERControlBase, without `opMod`.

Each mode is decided apart from all others: an event may be superseded in one and stand in the next. Powers are in
watts; what 2030.5 states in percent of a rating is converted at the edge where it comes in.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from numbers import Real
from typing import Final

_MOST: Final = sys.float_info.max

Value = float | bool | str
"""What a mode is set to: W (limits as magnitudes >= 0, set points with injection positive), on or off for a switch, and
anything at all for a mode that is passed through."""


class Mode(StrEnum):
    """A control mode."""

    MAX_LIM_W = "MaxLimW"  # the most active power injected at the coupling point: generation less what storage takes
    EXP_LIM_W = "ExpLimW"  # export at the connection point (CSIP-AUS)
    IMP_LIM_W = "ImpLimW"  # import there
    GEN_LIM_W = "GenLimW"  # the generation behind it
    LOAD_LIM_W = "LoadLimW"  # the load behind it
    FIXED_W = "FixedW"
    TARGET_W = "TargetW"
    CONNECT = "Connect"
    ENERGIZE = "Energize"
    FIXED_PF_INJECT_W = "FixedPFInjectW"
    FIXED_PF_ABSORB_W = "FixedPFAbsorbW"
    FIXED_VAR = "FixedVar"
    TARGET_VAR = "TargetVar"
    FREQ_DROOP = "FreqDroop"
    FREQ_WATT = "FreqWatt"
    VOLT_VAR = "VoltVar"
    VOLT_WATT = "VoltWatt"
    WATT_PF = "WattPF"
    WATT_VAR = "WattVar"
    HFRT_MAY_TRIP = "HFRTMayTrip"
    HFRT_MUST_TRIP = "HFRTMustTrip"
    HVRT_MAY_TRIP = "HVRTMayTrip"
    HVRT_MOMENTARY_CESSATION = "HVRTMomentaryCessation"
    HVRT_MUST_TRIP = "HVRTMustTrip"
    LFRT_MAY_TRIP = "LFRTMayTrip"
    LFRT_MUST_TRIP = "LFRTMustTrip"
    LVRT_MAY_TRIP = "LVRTMayTrip"
    LVRT_MOMENTARY_CESSATION = "LVRTMomentaryCessation"
    LVRT_MUST_TRIP = "LVRTMustTrip"


LIMITS: Final = frozenset({Mode.MAX_LIM_W, Mode.EXP_LIM_W, Mode.IMP_LIM_W, Mode.GEN_LIM_W, Mode.LOAD_LIM_W})
SETPOINTS: Final = frozenset({Mode.FIXED_W, Mode.TARGET_W})
SWITCHES: Final = frozenset({Mode.CONNECT, Mode.ENERGIZE})
PASSED: Final = frozenset(Mode) - LIMITS - SETPOINTS - SWITCHES
"""The reactive power, curve and ride-through modes: decided like all others, their values neither read nor checked."""


def value_problem(mode: Mode, value: Value) -> str | None:
    """What is wrong with `value` in `mode`, in words; None where it can stand."""
    if mode in PASSED:
        return None
    if mode in SWITCHES:
        return None if isinstance(value, bool) else f"its {mode} is neither on nor off"
    if isinstance(value, bool) or not isinstance(value, (int, float, Real)) or not -_MOST <= value <= _MOST:
        return f"its {mode} is not a number"
    return f"its {mode} is below 0, and a limit is a magnitude" if mode in LIMITS and value < 0 else None
