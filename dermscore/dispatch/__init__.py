"""What should each asset do now, and why: arbitrate, then envelope, then allocate, then explain.

numpy is loaded by `allocate` when it is called, not by importing this.
"""

from __future__ import annotations

from dermscore.dispatch.allocate import CAPACITY_SHARE, Allocation, Share, ShortfallCause, allocate
from dermscore.dispatch.arbitrate import Control, Controls, Event, Ignored, Next, Program, Superseded, arbitrate
from dermscore.dispatch.check import Accepted, Refused, check_asset
from dermscore.dispatch.envelope import Bound, Bounds, BoundSource, Envelope, Excluded, Limit, envelope
from dermscore.dispatch.explain import explain
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
    "Excluded",
    "Ignored",
    "Limit",
    "Mode",
    "Next",
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
