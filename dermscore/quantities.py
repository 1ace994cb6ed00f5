"""The words of the sheets: which quantities there are, where they come from, and in which units they may be shown."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple


class Dimension(StrEnum):
    """What a number measures; decides which units a row may use."""

    POWER = "power"
    PERCENT = "percent"
    TIME = "time"
    COUNT = "count"
    STATE = "state"


class Unit(StrEnum):
    """The units a sheet may use. `state` is a number that stands for a word (see `COMMAND_STATE_CODES`), or off/on."""

    W = "W"
    KW = "kW"
    MW = "MW"
    PERCENT = "%"
    SECOND = "s"
    COUNT = "count"
    STATE = "state"

    @property
    def dimension(self) -> Dimension:
        return _UNITS[self][0]

    @property
    def factor(self) -> float:
        """How many SI units one of these is."""
        return _UNITS[self][1]


_UNITS: Final[Mapping[Unit, tuple[Dimension, float]]] = {
    Unit.W: (Dimension.POWER, 1.0),
    Unit.KW: (Dimension.POWER, 1e3),
    Unit.MW: (Dimension.POWER, 1e6),
    Unit.PERCENT: (Dimension.PERCENT, 1.0),
    Unit.SECOND: (Dimension.TIME, 1.0),
    Unit.COUNT: (Dimension.COUNT, 1.0),
    Unit.STATE: (Dimension.STATE, 1.0),
}


class PointType(StrEnum):
    """Analog and binary, input (points.csv) and output (commands.csv)."""

    AI = "AI"
    BI = "BI"
    AO = "AO"
    BO = "BO"


class PointKind(StrEnum):
    """Where a value comes from: the assets of one kind (or `all`) under the path, the gateway itself, or a command."""

    BATTERY = "battery"
    SOLAR = "solar"
    LOAD = "load"
    ALL = "all"
    GATEWAY = "gateway"
    COMMAND = "command"

    @property
    def local(self) -> bool:
        """Whether the gateway knows the value by itself and never asks the headend for it."""
        return self in (PointKind.GATEWAY, PointKind.COMMAND)


class Quantity(StrEnum):
    """What a point shows. The first seven are aggregates that the headend publishes; the others the gateway makes."""

    POWER = "power_w"
    SOC = "soc_pct"
    AVAILABLE_UP = "available_up_w"
    AVAILABLE_DOWN = "available_down_w"
    MEMBERS = "members_reporting"
    COVERAGE = "coverage_pct"
    OLDEST_AGE = "oldest_age_s"
    AUDIT_HEALTH = "audit_health"
    HEADEND_LINK = "headend_link"
    HEARTBEAT = "heartbeat"
    REHEARSAL = "rehearsal"
    COMMAND_STATE = "command_state"
    COMMAND_FEEDBACK = "command_feedback_w"

    @property
    def meaning(self) -> Meaning:
        return MEANINGS[self]

    @property
    def local(self) -> bool:
        """Whether the gateway knows the value by itself and never asks the headend for it."""
        return self.meaning.kinds is not _SERIES_KINDS


class Meaning(NamedTuple):
    """What rows of one quantity must look like. `signed`: the sheet has to say what positive means."""

    kinds: frozenset[PointKind]
    dimension: Dimension
    type: PointType
    signed: bool = False


_SERIES_KINDS: Final = frozenset({PointKind.BATTERY, PointKind.SOLAR, PointKind.LOAD, PointKind.ALL})
_GATEWAY: Final = frozenset({PointKind.GATEWAY})
_COMMAND: Final = frozenset({PointKind.COMMAND})

MEANINGS: Final[Mapping[Quantity, Meaning]] = {
    Quantity.POWER: Meaning(_SERIES_KINDS, Dimension.POWER, PointType.AI, signed=True),
    Quantity.SOC: Meaning(_SERIES_KINDS, Dimension.PERCENT, PointType.AI),
    Quantity.AVAILABLE_UP: Meaning(_SERIES_KINDS, Dimension.POWER, PointType.AI),
    Quantity.AVAILABLE_DOWN: Meaning(_SERIES_KINDS, Dimension.POWER, PointType.AI),
    Quantity.MEMBERS: Meaning(_SERIES_KINDS, Dimension.COUNT, PointType.AI),
    Quantity.COVERAGE: Meaning(_SERIES_KINDS, Dimension.PERCENT, PointType.AI),
    Quantity.OLDEST_AGE: Meaning(_SERIES_KINDS, Dimension.TIME, PointType.AI),
    Quantity.AUDIT_HEALTH: Meaning(_GATEWAY, Dimension.STATE, PointType.BI),
    Quantity.HEADEND_LINK: Meaning(_GATEWAY, Dimension.STATE, PointType.BI),
    Quantity.HEARTBEAT: Meaning(_GATEWAY, Dimension.COUNT, PointType.AI),
    Quantity.REHEARSAL: Meaning(_GATEWAY, Dimension.STATE, PointType.BI),
    Quantity.COMMAND_STATE: Meaning(_COMMAND, Dimension.STATE, PointType.AI),
    Quantity.COMMAND_FEEDBACK: Meaning(_COMMAND, Dimension.POWER, PointType.AI, signed=True),
}


class Series(NamedTuple):
    """One number that the headend can publish: a quantity of the assets of one kind at or below a path."""

    path: str
    kind: PointKind
    quantity: Quantity
