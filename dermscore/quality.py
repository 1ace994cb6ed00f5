"""The quality that every value carries: validity, source, and the set of causes behind them.

Validity and source follow IEC 61850-7-3 clause 6.2 (`validity`, `source`) with HELD added for a value that is known to
be the last good one; the causes are the union of what DNP3 (IEEE 1815-2012 clause 11.6.1, flag octets) and TASE.2
(IEC 60870-6-802 clause 8.1.4) can express.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Self


class Validity(IntEnum):
    """How far a value may be believed. A larger number is a worse one."""

    GOOD = 0
    QUESTIONABLE = 1
    HELD = 2
    INVALID = 3


class Source(IntEnum):
    """Where a value comes from. A larger number is further from a measurement."""

    TELEMETERED = 0
    CALCULATED = 1
    ESTIMATED = 2
    ENTERED = 3


class Cause(IntFlag):
    """Why a value is not plainly good. A set: several may stand at once."""

    NONE = 0
    COMM_LOST = 1
    OVER_RANGE = 2
    RESTART = 4
    LOCAL_FORCED = 8
    REMOTE_FORCED = 16
    TEST = 32
    NOT_IN_EFFECT = 64
    LOW_COVERAGE = 128


_CAUSE_BITS = 8
_SOURCE_SHIFT = _CAUSE_BITS
_VALIDITY_SHIFT = _CAUSE_BITS + 2
_ALL_BITS = (1 << (_VALIDITY_SHIFT + 2)) - 1


@dataclass(frozen=True, slots=True)
class Quality:
    """One value's quality. Immutable; the wire carries it as `bits` (12 bits: validity, source, causes)."""

    validity: Validity = Validity.GOOD
    source: Source = Source.TELEMETERED
    causes: Cause = Cause.NONE

    @property
    def good(self) -> bool:
        """Whether the value is plainly GOOD (a TEST value may be: what that means is the contract's to say)."""
        return self.validity is Validity.GOOD

    def because(self, cause: Cause, at_best: Validity = Validity.GOOD) -> Self:
        """The same quality with `cause` added, and no better than `at_best`."""
        return type(self)(max(self.validity, at_best), self.source, self.causes | cause)

    @property
    def bits(self) -> int:
        """The quality as one integer, 0..4095, for a wire column."""
        return (self.validity << _VALIDITY_SHIFT) | (self.source << _SOURCE_SHIFT) | int(self.causes)

    @classmethod
    def from_bits(cls, bits: int) -> Self:
        """Read `bits` back.

        Raises:
            ValueError: the integer is outside 0..4095.
        """
        if not 0 <= bits <= _ALL_BITS:
            raise ValueError(f"quality bits {bits} are outside 0..{_ALL_BITS}")
        return cls(
            Validity(bits >> _VALIDITY_SHIFT),
            Source((bits >> _SOURCE_SHIFT) & 0b11),
            Cause(bits & ((1 << _CAUSE_BITS) - 1)),
        )


GOOD = Quality()


def roll_up(qualities: Iterable[Quality], source: Source = Source.CALCULATED) -> Quality:
    """The quality of a value made from others: the worst validity and every cause; `source` is how it was made.

    Of nothing at all it is INVALID: a sum of no members is not a measurement of zero.
    """
    worst: Validity | None = None
    causes = Cause.NONE
    for quality in qualities:
        worst = quality.validity if worst is None else max(worst, quality.validity)
        causes |= quality.causes
    return Quality(Validity.INVALID if worst is None else worst, source, causes)
