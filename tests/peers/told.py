"""What a master was told of a point: the one form in which both peers report, so that a test can compare them."""

from __future__ import annotations

from typing import NamedTuple


class Told(NamedTuple):
    """One object as a master decoded it.

    `type` is AI, BI, AO or BO; a binary's value is 0 or 1 and its flags are without the state bit. `time_ms` is None
    for a static object.
    """

    type: str
    index: int
    value: float
    flags: int
    time_ms: int | None

    @property
    def event(self) -> bool:
        """Whether it is an event (every event variation served has a time)."""
        return self.time_ms is not None


def latest(told: list[Told]) -> dict[tuple[str, int], Told]:
    """The last thing told of each point, which is what an operator's screen shows."""
    return {(each.type, each.index): each for each in told}
