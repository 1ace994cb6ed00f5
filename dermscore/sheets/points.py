"""The two sheets as data: what SCADA may see (`points.csv`) and what SCADA may ask (`commands.csv`).

The sheets *are* the allow-list: what has no row does not cross. A row speaks SCADA's language (its unit, its sign, its
integer); `to_raw` and `to_si` are the only places where that language meets ours (SI, injection positive):

    engineering = raw * scale + offset            in the row's unit, after the sign of `positive_means`

Analogs are DNP3 32-bit integers (IEEE 1815-2012 annex A, objects 30, 32, 40 and 41), which every master reads.
docs/reference/points-csv.md and commands-csv.md say what every column means.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal, NamedTuple

from dermscore.quantities import MEANINGS, Dimension, Meaning, PointKind, PointType, Quantity, Series, Unit

__all__ = [
    "COMMAND_STATE_CODES",
    "INT32",
    "MEANINGS",
    "CommandRow",
    "Control",
    "Dimension",
    "Meaning",
    "Mode",
    "OnIsolate",
    "OnMasterLoss",
    "PointKind",
    "PointRow",
    "PointType",
    "Positive",
    "Quantity",
    "Scaled",
    "Series",
    "Unit",
]

INT32: Final = (-(2**31), 2**31 - 1)


# What a `command_state` point shows: 0 before any command, else the place of the `dermscore.intent.IntentState` in its
# life. Written into master stations' databases, so a number never changes its meaning; new states get new numbers.
COMMAND_STATE_CODES: Final[Mapping[str, int]] = {
    "idle": 0,
    "submitted": 1,
    "sent": 2,
    "received": 3,
    "active": 4,
    "following": 5,
    "complete": 6,
    "expired": 7,
    "refused": 8,
    "failed": 9,
    "cancelled": 10,
    "superseded": 11,
    "suspended": 12,
}


class Positive(StrEnum):
    """Which direction a positive number means in SCADA's convention; ours is injection, always."""

    INJECTION = "injection"
    ABSORPTION = "absorption"


class Mode(StrEnum):
    """What a command does: set a power target under its path (AO), or release what SCADA holds there (BO)."""

    TARGET = "target"
    RELEASE = "release"


class Control(StrEnum):
    """How a master may operate: select before operate, direct operate, or either."""

    SBO = "sbo"
    DIRECT = "direct"
    BOTH = "both"


class OnMasterLoss(StrEnum):
    """What becomes of SCADA's setpoint when its master has been silent for `master_timeout_s`."""

    HOLD = "hold"
    RELEASE = "release"
    RAMP = "ramp"


class OnIsolate(StrEnum):
    """What becomes of SCADA's setpoint when the gateway is isolated."""

    RELEASE = "release"
    HOLD_UNTIL_EXPIRY = "hold_until_expiry"


class Scaled(NamedTuple):
    """A value on its way to SCADA. `clamped` says which end of the row's range it was beyond; None when inside it."""

    raw: int
    clamped: Literal["low", "high"] | None = None


@dataclass(frozen=True, slots=True)
class Scaling:
    """How a row's raw integers stand for SI numbers."""

    unit: Unit
    scale: float
    offset: float
    sign: int
    low: float | None
    high: float | None

    def to_si(self, raw: float) -> float:
        return self.sign * (raw * self.scale + self.offset) * self.unit.factor

    def to_raw(self, value_si: float) -> Scaled:
        _refuse_no_number(value_si)
        lowest, highest = self.raw_range
        exact = (self.sign * value_si / self.unit.factor - self.offset) / self.scale
        if exact < lowest - 0.5:  # compared before rounding, so that the largest floats cannot overflow
            return Scaled(lowest, "low")
        if exact > highest + 0.5:
            return Scaled(highest, "high")
        return Scaled(min(max(round(exact), lowest), highest))

    @property
    def raw_range(self) -> tuple[int, int]:
        """The raw integers whose value lies inside low..high, ends included; all of int32 where neither is given."""
        lowest, highest = INT32
        if self.low is not None:
            lowest = max(lowest, math.ceil(_settled((self.low - self.offset) / self.scale)))
        if self.high is not None:
            highest = min(highest, math.floor(_settled((self.high - self.offset) / self.scale)))
        return lowest, highest


def _refuse_no_number(value: float) -> None:
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a number that can be shown")


def _settled(raw: float) -> float:
    """`raw`, or the integer it misses only by floating-point noise (0.3 / 0.1 is 2.9999999999999996)."""
    nearest = float(round(raw))
    return nearest if math.isclose(raw, nearest, rel_tol=1e-12, abs_tol=1e-9) else raw


@dataclass(frozen=True, slots=True)
class PointRow:
    """One row of points.csv: one point that a master of `outstation` may read.

    `deadband`, `low`, `high` and `max_rate_per_s` are in the row's unit and sign, as SCADA sees them. `stale_after_s`,
    `min_members` and `min_coverage_pct` are None for local kinds, which never age. `event_class` 0 means no events.
    `where` is `file:line`, for messages.
    """

    name: str
    path: str
    kind: PointKind
    quantity: Quantity
    unit: Unit
    outstation: str
    type: PointType
    index: int
    register: int | None
    scale: float
    offset: float
    deadband: float
    event_class: int
    low: float | None
    high: float | None
    max_rate_per_s: float | None
    stale_after_s: float | None
    min_members: int | None
    min_coverage_pct: float | None
    positive_means: Positive | None
    reason: str
    owner: str
    ticket: str
    bcsi: bool
    retired: bool
    comment: str
    where: str = field(default="", compare=False)

    @property
    def local(self) -> bool:
        """Whether the gateway knows the value by itself and never asks the headend for it."""
        return self.kind.local

    @property
    def series(self) -> Series | None:
        """What to ask the headend for; None for local points."""
        return None if self.local else Series(self.path, self.kind, self.quantity)

    def to_raw(self, value_si: float) -> Scaled:
        """The integer to show for a value in SI units (injection positive), clamped to low..high and to int32.

        A binary shows 1 for anything but 0. Rounding moves a value by half a `scale` at most.

        Raises:
            ValueError: the value is NaN or infinite.
        """
        if self.type is PointType.BI:
            _refuse_no_number(value_si)
            return Scaled(int(bool(value_si)))
        return self._scaling.to_raw(value_si)

    def to_si(self, raw: float) -> float:
        """The SI value (injection positive) that a raw integer of this row stands for."""
        return float(raw) if self.type is PointType.BI else self._scaling.to_si(raw)

    @property
    def raw_range(self) -> tuple[int, int]:
        """The smallest and the largest raw integer that this row can show."""
        return (0, 1) if self.type is PointType.BI else self._scaling.raw_range

    @property
    def deadband_raw(self) -> float:
        """How far the raw integer must move to be an event: more than this many counts (0: any change)."""
        return self.deadband / self.scale

    @property
    def max_rate_si_per_s(self) -> float | None:
        """The fastest believable change, in SI units a second."""
        return None if self.max_rate_per_s is None else self.max_rate_per_s * self.unit.factor

    @property
    def _scaling(self) -> Scaling:
        sign = -1 if self.positive_means is Positive.ABSORPTION else 1
        return Scaling(self.unit, self.scale, self.offset, sign, self.low, self.high)


@dataclass(frozen=True, slots=True)
class CommandRow:
    """One row of commands.csv: one output that a master of `outstation` may operate. Injection is positive.

    An AO (mode target) has `unit`, `scale`, `offset`, `low` and `high`, these in the row's unit; a BO (mode release)
    has none of them (unit `state`, scale 1, offset 0, no bounds). `hold_s` None is "until changed". `master_timeout_s`
    is None where `on_master_loss` is hold. `where` is `file:line`, for messages.
    """

    name: str
    path: str
    mode: Mode
    unit: Unit
    outstation: str
    type: PointType
    index: int
    scale: float
    offset: float
    low: float | None
    high: float | None
    max_step_w: float | None
    control: Control
    hold_s: int | None
    on_master_loss: OnMasterLoss
    master_timeout_s: float | None
    on_isolate: OnIsolate
    primacy: int
    status_point: str
    feedback_timeout_s: float
    reason: str
    owner: str
    ticket: str
    retired: bool
    comment: str
    where: str = field(default="", compare=False)

    def to_si(self, raw: float) -> float:
        """The watts that a master's raw value asks for."""
        return self._scaling.to_si(raw)

    def to_raw(self, value_si: float) -> Scaled:
        """The raw integer that mirrors a target in watts back to the master.

        Raises:
            ValueError: the value is NaN or infinite.
        """
        return self._scaling.to_raw(value_si)

    def in_range(self, raw: float) -> bool:
        """Whether a raw value lies inside low..high (DNP3 answers OUT_OF_RANGE where not). NaN does not."""
        lowest, highest = self.raw_range
        return lowest <= raw <= highest

    @property
    def raw_range(self) -> tuple[int, int]:
        """The smallest and the largest raw integer that may be asked for."""
        return self._scaling.raw_range

    @property
    def _scaling(self) -> Scaling:
        return Scaling(self.unit, self.scale, self.offset, 1, self.low, self.high)
