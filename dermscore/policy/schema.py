"""The shape of `access.yaml` and `dispatch.yaml`, key by key. Loads pydantic: import it inside a function.

docs/reference/policy-yaml.md says the same in words.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, model_validator

from dermscore.model import path_problem
from dermscore.policy import Action, Role


def _path(text: str) -> str:
    wrong = None if text == "/" else path_problem(text)
    if wrong:
        raise ValueError(wrong)
    return "" if text == "/" else text


def _principal(text: str) -> str:
    if text == "http:loopback" or (text.startswith(("urn:derms:gateway:", "urn:derms:agent:")) and text[-1] != ":"):
        return text
    raise ValueError(f"'{text}' is no principal; write http:loopback, urn:derms:gateway:<id> or urn:derms:agent:<id>")


Path = Annotated[str, AfterValidator(_path)]
Watts = Annotated[float, Field(ge=0)]


class PrincipalEntry(BaseModel):
    """A principal, its roles, and the area of responsibility within which they count (IEC 62351-8)."""

    id: Annotated[str, AfterValidator(_principal)]
    roles: Annotated[list[Role], Field(min_length=1)]
    areas: Annotated[list[Path], Field(min_length=1)] = [""]


class RuleEntry(BaseModel):
    """A grant or a forbid."""

    roles: Annotated[list[Role], Field(min_length=1)]
    actions: Annotated[list[Action], Field(min_length=1)]
    paths: Annotated[list[Path], Field(min_length=1)]
    max_w: Watts | None = None
    not_before: AwareDatetime | None = None
    not_after: AwareDatetime | None = None
    reason: Annotated[str, Field(min_length=1, max_length=200)]

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.max_w is not None and set(self.actions) != {Action.DISPATCH}:
            raise ValueError("max_w bounds dispatch; put it in a rule whose only action is dispatch")
        if self.not_before and self.not_after and self.not_before > self.not_after:
            raise ValueError("not_before is later than not_after")
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
    max_duration_s: Annotated[int, Field(ge=1, le=31_536_000)]
    description: Annotated[str, Field(max_length=200)] = ""


class DispatchFile(BaseModel):
    """The whole of `dispatch.yaml`."""

    version: Literal[1]
    programs: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")], ProgramEntry]
