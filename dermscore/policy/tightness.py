"""Which of two amounts of a limit holds back more, and which of several counts."""

from __future__ import annotations

from collections.abc import Iterable

from dermscore.policy.limits import FLOORS


def tightens(name: str, one: float | None, other: float | None) -> bool:
    """Whether the amount `other` in place of `one` holds back more. Of a floor, more is tighter; None is no limit."""
    if one is None or other is None:
        return one is None
    return other > one if name in FLOORS else other < one


def tightest(name: str, amounts: Iterable[float]) -> float | None:
    """What counts where several limits meet; None of none."""
    return (max if name in FLOORS else min)(amounts, default=None)
