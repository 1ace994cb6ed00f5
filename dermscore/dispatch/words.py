"""How powers are written in reasons: with a unit that a person reads at a glance."""

from __future__ import annotations

_UNITS = ((1e6, "MW"), (1e3, "kW"))


def power(w: float) -> str:
    """`w` in W as text with the largest unit of W, kW, MW that keeps it at or above one, to six figures."""
    for size, unit in _UNITS:
        if abs(w) >= size:
            return f"{w / size:.6g} {unit}"
    return f"{w + 0.0:.6g} W"  # never -0
