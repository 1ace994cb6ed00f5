"""Quality as DNP3 flag octets (IEEE 1815-2012 clause 11.6.1): a pure mapping, one line per rule.

TEST, NOT_IN_EFFECT and LOW_COVERAGE have no bit of their own. Whoever set them also lowered the validity where the
value should not be relied on, and that is what clears ONLINE.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from dermscore.quality import Cause, Quality, Validity

ONLINE: Final = 0x01
RESTART: Final = 0x02
COMM_LOST: Final = 0x04
REMOTE_FORCED: Final = 0x08
LOCAL_FORCED: Final = 0x10
OVER_RANGE: Final = 0x20  # analogs; the same bit of a binary is CHATTER_FILTER, which nothing here sets
REFERENCE_ERR: Final = 0x40  # analogs only
STATE: Final = 0x80  # binaries only: the value travels in the octet

_COMMON = {
    Cause.RESTART: RESTART,
    Cause.COMM_LOST: COMM_LOST,
    Cause.REMOTE_FORCED: REMOTE_FORCED,
    Cause.LOCAL_FORCED: LOCAL_FORCED,
}
_NEVER_ONLINE = Cause.COMM_LOST | Cause.RESTART


@cache
def analog(quality: Quality) -> int:
    """The flag octet of an analog. QUESTIONABLE stays ONLINE with REFERENCE_ERR: the value moves, trust it less."""
    flags = _causes(quality)
    if quality.causes & Cause.OVER_RANGE:
        flags |= OVER_RANGE
    if quality.validity is Validity.QUESTIONABLE:
        flags |= REFERENCE_ERR
    return flags | (ONLINE if _online(quality, at_worst=Validity.QUESTIONABLE) else 0)


@cache
def binary(quality: Quality) -> int:
    """The flag octet of a binary, without its state. It has no bit for doubt, so QUESTIONABLE clears ONLINE."""
    return _causes(quality) | (ONLINE if _online(quality, at_worst=Validity.GOOD) else 0)


def _causes(quality: Quality) -> int:
    return sum(flag for cause, flag in _COMMON.items() if quality.causes & cause)


def _online(quality: Quality, at_worst: Validity) -> bool:
    # Validity alone is not trusted to be right about these two: a value that is stale, or older than the gateway's
    # start, is never shown ONLINE whatever its maker thought of it (DESIGN.md section 8, rule 4).
    return quality.validity <= at_worst and not quality.causes & _NEVER_ONLINE
