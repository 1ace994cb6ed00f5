"""The shape of `access.yaml` and `dispatch.yaml`, key by key. Loads pydantic: import it inside a function.

docs/reference/policy-yaml.md says the same in words.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, Field, model_validator

from dermscore.dispatch.modes import Mode, Value, value_problem
from dermscore.errors import did_you_mean
from dermscore.files.fields import Id, Moment, OneLine, Percent, Stated, TreePath
from dermscore.policy.access import Action, Role
from dermscore.policy.limits import CURTAILING
from dermscore.policy.windows import DAYS

_PRINCIPAL: Final = re.compile(r"http:loopback|urn:derms:(gateway|agent):[!-~]+")
_PROGRAM: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_NOT_ZONES: Final = ("localtime", "posixrules", "posix/", "right/", "Factory")
_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]|24:00")


def _principal(text: str) -> str:
    if not _PRINCIPAL.fullmatch(text):
        raise ValueError(
            f"{text!r} is no principal; write http:loopback, urn:derms:gateway:<id> or urn:derms:agent:<id>"
        )
    return text


def _program(text: str) -> str:
    if not _PROGRAM.fullmatch(text):
        raise ValueError(f"{text!r} is no programme's name; write small letters, digits, '_' and '-', a letter first")
    return text


def _clock(text: str) -> str:
    if not _CLOCK.fullmatch(text):
        raise ValueError(f"'{text}' is no time of day; write it like 06:30, from 00:00 to 24:00")
    return text


def _zone(text: str) -> str:
    if text.startswith(_NOT_ZONES):
        raise ValueError(
            f"'{text}' is another zone on every machine, or counts leap seconds; write it like Europe/Berlin"
        )
    try:
        ZoneInfo(text)
    except (OSError, ValueError):  # a ZoneInfoNotFoundError is a KeyError; what leads out of the database, a ValueError
        raise ValueError(f"'{text}' is no time zone known here") from None
    except KeyError:
        begin = text[:2].lower()
        near = did_you_mean(text, sorted(zone for zone in available_timezones() if zone[:2].lower() == begin))
        raise ValueError(f"'{text}' is no time zone known here; write it like Europe/Berlin{near}") from None
    return text


def _after(mode: Mode) -> Mode:
    if mode not in CURTAILING:
        raise ValueError(f"{mode} holds nothing back; a rebound follows {', '.join(sorted(CURTAILING))}")
    return mode


def _controls(controls: dict[Mode, Value]) -> dict[Mode, Value]:
    wrong = [problem for mode, value in controls.items() if (problem := value_problem(mode, value))]
    if wrong:
        raise ValueError("; ".join(wrong))
    return controls


Clock = Annotated[str, AfterValidator(_clock)]
Watts = Annotated[float, Field(ge=0)]
Rate = Annotated[float, Field(gt=0)]
Why = Annotated[str, Field(min_length=1, max_length=200), OneLine]
Seconds = Annotated[int, Field(ge=1, le=31_536_000)]
Controls = Annotated[dict[Mode, Value], Field(min_length=1), AfterValidator(_controls)]


class PrincipalEntry(BaseModel):
    """A principal, its roles, and the area of responsibility within which they count (IEC 62351-8)."""

    id: Annotated[str, AfterValidator(_principal)]
    roles: Annotated[list[Role], Field(min_length=1)]
    areas: Annotated[list[TreePath], Field(min_length=1)] = [""]


class PeriodEntry(BaseModel):
    """What stands between two moments."""

    not_before: Annotated[Moment | None, Stated] = None
    not_after: Annotated[Moment | None, Stated] = None

    @model_validator(mode="after")
    def _runs_forward(self) -> Self:
        if self.not_before is not None and self.not_after is not None and self.not_before > self.not_after:
            raise ValueError("not_before is later than not_after")
        return self


class RuleEntry(PeriodEntry):
    """A grant or a forbid."""

    roles: Annotated[list[Role], Field(min_length=1)]
    actions: Annotated[list[Action], Field(min_length=1)]
    paths: Annotated[list[TreePath], Field(min_length=1)]
    max_w: Annotated[Watts | None, Stated] = None
    reason: Why

    @model_validator(mode="after")
    def _bounds_dispatch(self) -> Self:
        if self.max_w is not None and set(self.actions) != {Action.DISPATCH}:
            raise ValueError("max_w bounds dispatch; put it in a rule whose only action is dispatch")
        return self


class AccessFile(BaseModel):
    """The whole of `access.yaml`."""

    version: Literal[1]
    principals: list[PrincipalEntry]
    grants: list[RuleEntry]
    forbids: list[RuleEntry] = []


class ProgramEntry(BaseModel):
    """A programme. IEEE 2030.5 gives `primacy` one octet."""

    primacy: Annotated[int, Field(ge=0, le=255)]
    max_duration_s: Seconds
    description: Annotated[str, Field(max_length=200), OneLine] = ""
    on_supersede: Literal["terminate", "resume"] = "terminate"
    market: bool = False
    paths: Annotated[list[TreePath], Field(min_length=1)] = [""]
    defaults: dict[TreePath, Controls] = {}


class WindowEntry(BaseModel):
    """A part of the day, by the clock of a place."""

    days: Annotated[list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]], Field(min_length=1)] = list(DAYS)
    begins: Clock
    ends: Clock
    zone: Annotated[str, AfterValidator(_zone)]

    @model_validator(mode="after")
    def _has_a_length(self) -> Self:
        if self.begins in (self.ends, "24:00"):
            raise ValueError("begins and ends leave nothing between them; a whole day is from 00:00 to 24:00")
        return self


class AmountsEntry(BaseModel):
    """What a limit or a rebound limits, and where."""

    paths: list[TreePath] = []
    assets: list[Id] = []
    export_limit_w: Annotated[Watts | None, Stated] = None
    import_limit_w: Annotated[Watts | None, Stated] = None
    generation_limit_w: Annotated[Watts | None, Stated] = None
    load_limit_w: Annotated[Watts | None, Stated] = None
    ramp_w_per_s: Annotated[Rate | None, Stated] = None
    reason: Why

    @model_validator(mode="after")
    def _says_where(self) -> Self:
        if not self.paths and not self.assets:
            raise ValueError("say where it holds: paths, assets, or both")
        return self


class LimitEntry(PeriodEntry, AmountsEntry):
    """A limit at nodes, at certain times."""

    soc_reserve_pct: Annotated[Percent | None, Stated] = None
    soc_min_pct: Annotated[Percent | None, Stated] = None
    soc_max_pct: Annotated[Percent | None, Stated] = None
    fallback_ramp_w_per_s: Annotated[Rate | None, Stated] = None
    windows: list[WindowEntry] = []

    @model_validator(mode="after")
    def _leaves_a_window(self) -> Self:
        most = 100.0 if self.soc_max_pct is None else self.soc_max_pct
        if max(self.soc_min_pct or 0.0, self.soc_reserve_pct or 0.0) > most:
            raise ValueError("the state of charge is left no room: soc_min_pct or soc_reserve_pct is above soc_max_pct")
        return self


class ReboundEntry(AmountsEntry):
    """A limit for a while after a curtailment."""

    lasts_s: Seconds
    after: Annotated[list[Annotated[Mode, AfterValidator(_after)]], Field(min_length=1)] = sorted(CURTAILING)


class DispatchFile(BaseModel):
    """The whole of `dispatch.yaml`."""

    version: Literal[1]
    programs: dict[Annotated[str, AfterValidator(_program)], ProgramEntry]
    limits: list[LimitEntry] = []
    rebounds: list[ReboundEntry] = []
