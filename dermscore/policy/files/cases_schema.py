"""The shape of a file of cases, key by key. Loads pydantic: import it inside a function.

docs/howto/write-a-policy.md says the same in words.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

from dermscore.dispatch.modes import Mode, Value
from dermscore.files.fields import Moment, OneLine, TreePath
from dermscore.policy.access import Role

Name = Annotated[str, Field(min_length=1, max_length=200), OneLine]


class AccessCase(BaseModel):
    """A question to `authorize`, and its answer. Who asks has all its roles active where `roles` is left out."""

    name: Name
    who: str
    roles: list[Role] | None = None
    action: str
    path: TreePath
    w: float | None = None
    at: Moment | None = None
    expect: Literal["allowed", "denied"]
    rule: str | None = None
    because: str = ""

    @model_validator(mode="after")
    def _only_a_denial_has_a_reason(self) -> Self:
        if self.because and self.expect == "allowed":
            raise ValueError("only what is denied has a reason; name the rule that allows it instead")
        return self


class EventEntry(BaseModel):
    """An event of a programme. `issued` is `starts` where it is left out."""

    id: Name
    node: TreePath
    program: str
    controls: Annotated[dict[Mode, Value | None], Field(min_length=1)]
    issued: Moment | None = None
    starts: Moment
    ends: Moment
    cancelled: Moment | None = None

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.ends <= self.starts:
            raise ValueError("ends is not later than starts")
        return self


class LimitsCase(BaseModel):
    """Which limits count at a node and a time, after some events. What is not named in `expect` is not looked at."""

    name: Name
    at: Moment | None = None
    node: TreePath
    events: list[EventEntry] = []
    expect: Annotated[dict[str, float | None], Field(min_length=1)]


class Standing(BaseModel):
    """What stands at a node in a mode; `source` is the id of the event."""

    node: TreePath
    mode: Mode
    value: Value | None
    source: str | None = None


class ProgramsCase(BaseModel):
    """What stands when the events of several programmes meet."""

    name: Name
    at: Moment | None = None
    events: list[EventEntry] = []
    expect: Annotated[list[Standing], Field(min_length=1)]


class CasesFile(BaseModel):
    """A whole file of cases. `at` is the time of those that name none."""

    version: Literal[1]
    at: Moment
    access: list[AccessCase] = []
    limits: list[LimitsCase] = []
    programs: list[ProgramsCase] = []
