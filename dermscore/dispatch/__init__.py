"""What should each asset do now, and why: arbitrate, then envelope, then allocate, then explain; or plan ahead.

A room for each: `arbitration`, `envelope`, `allocation` (with `explain`) and `schedule`, each of which uses only those
before it. What they share lies beside them: `limits`, `modes`, `words` and `check`, and a fleet as arrays in `tree` and
`columns`. numpy is loaded when `envelope` or `allocate` is called, or `Columns` used, not by importing this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dermscore.dispatch.allocation.allocate import Allocation, Broken, Share, ShortfallCause, allocate
from dermscore.dispatch.allocation.explain import explain
from dermscore.dispatch.allocation.names import CAPACITY_SHARE
from dermscore.dispatch.arbitration.arbitrate import arbitrate
from dermscore.dispatch.arbitration.controls import Control, Controls, Ignored, Next, Superseded
from dermscore.dispatch.arbitration.events import Event, EventStatus, OnSupersede, Program
from dermscore.dispatch.check import Accepted, Refused, check_asset
from dermscore.dispatch.envelope.envelope import Envelope, envelope
from dermscore.dispatch.limits import Bound, Bounds, BoundSource, Excluded, Limit
from dermscore.dispatch.modes import Mode, Value

if TYPE_CHECKING:
    from dermscore.dispatch.envelope.plain import Columns

__all__ = [
    "CAPACITY_SHARE",
    "Accepted",
    "Allocation",
    "Bound",
    "BoundSource",
    "Bounds",
    "Broken",
    "Columns",
    "Control",
    "Controls",
    "Envelope",
    "Event",
    "EventStatus",
    "Excluded",
    "Ignored",
    "Limit",
    "Mode",
    "Next",
    "OnSupersede",
    "Program",
    "Refused",
    "Share",
    "ShortfallCause",
    "Superseded",
    "Value",
    "allocate",
    "arbitrate",
    "check_asset",
    "envelope",
    "explain",
]


def __getattr__(name: str) -> Any:
    if name != "Columns":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from dermscore.dispatch.envelope.plain import Columns

    return Columns
