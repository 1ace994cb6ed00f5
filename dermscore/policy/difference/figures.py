"""Figures as a difference names them: two that differ never look the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dermscore.dispatch.modes import LIMITS, SETPOINTS, Mode, Value
from dermscore.dispatch.words import power

_SIZES: Final[Mapping[str, float]] = {"MW": 1e6, "kW": 1e3, "W": 1.0}


def watts(w: float) -> str:
    """As `dermscore.dispatch.words.power` says it, where that is exact; else to the last digit, in W."""
    text = power(w)
    number, _, unit = text.partition(" ")
    return text if float(number) * _SIZES[unit] == w else f"{w!r} W"


def amount(name: str, value: float | None) -> str:
    """A limit's amount, by its name in `dermscore.policy.limits.Amounts`."""
    if value is None:
        return "no limit"
    if name.endswith("_pct"):
        short = f"{value:g}"
        return f"{short if float(short) == value else repr(value)} %"
    return f"{watts(value)}/s" if name.endswith("_w_per_s") else watts(value)


def control(mode: Mode, value: Value) -> str:
    """A control's value: text in quotes, so that it is told from what looks like it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"'{value}'"
    return watts(value) if mode in LIMITS | SETPOINTS else f"{value!r}"
