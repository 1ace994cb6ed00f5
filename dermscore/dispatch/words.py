"""How powers and bounds are written in reasons: with a unit that a person reads at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dermscore.dispatch.limits import BoundSource

if TYPE_CHECKING:
    from dermscore.dispatch.bounding import Side
    from dermscore.dispatch.envelope import Envelope

_UNITS = ((1e6, "MW"), (1e3, "kW"))


def power(w: float) -> str:
    """`w` in W as text with the largest unit of W, kW, MW that keeps it at or above one, to six figures."""
    for size, unit in _UNITS:
        if abs(w) >= size:
            return f"{w / size:.6g} {unit}"
    return f"{w:.6g} W"


def bound_detail(envelope: Envelope, side: Side, place: int) -> str:
    """An asset's bound in words, with the number where the words of a limit do not have it already."""
    w, source = float(side.w[place]), envelope.arrays.source_of(side, place)
    said = envelope.arrays.details[side.detail[place]]
    if source is BoundSource.SOC:
        return _charge(envelope, side, place, w, said)
    if source in (BoundSource.RATING, BoundSource.GIVEN):
        return f"its {'rating' if source is BoundSource.RATING else 'bound'} of {power(w)}"
    if source is BoundSource.AVAILABLE:
        return f"its available {power(w)}"
    if source is BoundSource.RAMP:
        return f"its ramp, which reaches {power(w)} in time"
    return f"0 W: {said}" if w == 0 and source is BoundSource.LIMIT and not said.endswith(" 0 W") else said


def _charge(envelope: Envelope, side: Side, place: int, w: float, said: str) -> str:
    window = envelope.arrays.floor if side.sign > 0 else envelope.arrays.ceiling
    capacity_wh = float(envelope.columns.ratings.capacity_wh[place])
    pct = 100 * float(window.w[place]) / capacity_wh if capacity_wh else 0.0
    why = f" ({said})" if said else ""
    if w == 0:
        return f"0 W: its state of charge is at its {'minimum' if side.sign > 0 else 'maximum'} of {pct:.6g} %{why}"
    return f"{power(w)}: its state of charge lasts for {envelope.hold_s:g} s of that, to {pct:.6g} %{why}"
