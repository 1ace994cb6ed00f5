"""What arbitration takes in: events (the DERControls of IEEE Std 2030.5-2018) and the programs that they are in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, Protocol

from dermscore.dispatch.modes import Mode, Value

OnSupersede = Literal["terminate", "resume"]
"""What becomes of an event that was superseded in a mode: it is over there, or comes back when its superseder ends."""


class EventStatus(IntEnum):
    """EventStatus.currentStatus, with its numbers in IEEE Std 2030.5 (5 is of the 2023 edition)."""

    SCHEDULED = 0
    ACTIVE = 1
    CANCELLED = 2
    CANCELLED_RANDOMLY = 3  # cancelled with randomisation: it ends within a while of that, not at once
    SUPERSEDED = 4
    COMPLETE = 5


class Program(Protocol):
    """What arbitration needs to know of a program (`dermscore.policy` has the whole).

    A lower `primacy` outranks. `defaults` is what stands where no event does, by node and mode (DefaultDERControl).
    """

    @property
    def primacy(self) -> int: ...
    @property
    def on_supersede(self) -> OnSupersede: ...
    @property
    def defaults(self) -> Mapping[str, Mapping[Mode, Value]]: ...


@dataclass(frozen=True, slots=True)
class Event:
    """A wish for one node over a time, in one or several modes: a DERControl.

    `id` is the dispatch id (the mRID), `node` a tree path or an asset id. `controls` has a value for each mode that it
    speaks of, None for a release. `primacy` lowers its program's (a larger number), and never raises it.

    Times are the headend's UTC ms. `issued_ms` is its creationTime; `ends_ms` the first moment at which it no longer
    stands. `known_ms` is when whoever decides heard of it, None at `issued_ms`: nothing is superseded by what nobody
    knew of, and what is not known at a moment does not count at it.

    `randomize_start_s` and `randomize_duration_s` bound what is drawn once for this event at this node: so many seconds
    later or longer at most, earlier or shorter where negative. `cancelled_ms` is when it was cancelled, and
    `cancel_randomized` spreads that end. `ramp_w_per_s` is how fast its value is to be reached, None at once.
    """

    id: str
    node: str
    program: str
    issued_ms: int
    starts_ms: int
    ends_ms: int
    controls: Mapping[Mode, Value | None]
    primacy: int | None = None
    randomize_start_s: int = 0
    randomize_duration_s: int = 0
    ramp_w_per_s: float | None = None
    cancelled_ms: int | None = None
    cancel_randomized: bool = False
    known_ms: int | None = None

    @property
    def heard_ms(self) -> int:
        """When it became known."""
        return self.issued_ms if self.known_ms is None else self.known_ms
