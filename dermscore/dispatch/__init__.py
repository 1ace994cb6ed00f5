"""What should each asset do now, and why: arbitrate, then envelope, then allocate, then explain.

numpy is loaded by `allocate` when it is called, not by importing this.
"""

from __future__ import annotations

from dermscore.dispatch.allocate import CAPACITY_SHARE, Allocation, Share, ShortfallCause, allocate
from dermscore.dispatch.arbitrate import Control, Controls, Ignored, Next, Superseded, arbitrate
from dermscore.dispatch.check import Accepted, Refused, check_asset
from dermscore.dispatch.envelope import Envelope, envelope
from dermscore.dispatch.events import Event, EventStatus, OnSupersede, Program
from dermscore.dispatch.explain import explain
from dermscore.dispatch.limits import Bound, Bounds, BoundSource, Excluded, Limit
from dermscore.dispatch.modes import Mode, Value

__all__ = [
    "CAPACITY_SHARE",
    "Accepted",
    "Allocation",
    "Bound",
    "BoundSource",
    "Bounds",
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
