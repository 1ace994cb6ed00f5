"""Configuration: a strict file per daemon, a few environment variables over it, and the data that the wheel carries."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from dermscore.errors import BadInput, NotSetUp, Problem
from dermscore.shipped import packaged

if TYPE_CHECKING:
    from pydantic import BaseModel, GetCoreSchemaHandler
    from pydantic_core import CoreSchema

    Model = TypeVar("Model", bound=BaseModel)

_HIGHEST_PORT = 65_535

__all__ = ["Address", "load_config", "of_variable", "overridden_by", "packaged"]


class Address(str):
    """`host:port`, such as `127.0.0.1:7450`, `headend.example:7450` or `[::1]:7450`. A str, so it goes where one does.

    Raises ValueError when the text is not that. Port 0 means any free port and is for tests.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        host, colon, port = text.rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        if not colon or not host.strip("[]") or (":" in host and not bracketed) or any(c.isspace() for c in text):
            raise ValueError(f"{text!r} is not host:port, such as 127.0.0.1:7450 or [::1]:7450")
        if not (port.isascii() and port.isdigit() and int(port) <= _HIGHEST_PORT):
            raise ValueError(f"{text!r} has no port from 0 to {_HIGHEST_PORT} after its last colon")
        return super().__new__(cls, text)

    @property
    def host(self) -> str:
        """Without brackets."""
        return self.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.rpartition(":")[2])

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it: `localhost` or a loopback address. A name is never looked up."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import core_schema

        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema())


def load_config(
    model: type[Model],
    path: Path,
    overrides_from_env: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    *,
    made_by: str = "init",
) -> Model:
    """Read the YAML file at `path` into `model`, environment variables over it.

    `overrides_from_env` maps a variable's name to the key it overrides (`{"HEADEND_HTTP_ADDR": "http"}`; a dotted key
    reaches inward). A variable that is unset or empty overrides nothing. `environment` is `os.environ` where not given.
    `made_by` is the command that makes the file, for the person who has none.

    Raises:
        NotSetUp: there is no such file.
        BadInput: everything wrong with it at once, as `file:line: key: what`; with a variable, by its name.
    """
    from dermscore.files import yamlfile

    if not path.exists():
        raise NotSetUp(f"{path} does not exist; `{made_by}` makes it")
    document = yamlfile.load_file(path)
    environ = os.environ if environment is None else environment
    chosen = overridden_by(overrides_from_env or {}, environ)
    texts = {key: environ[name] for key, name in chosen.items()}
    try:
        return yamlfile.parse(model, replace(document, value=_overridden(model, document.value, texts)))
    except BadInput as bad:
        raise BadInput(_blame(problem, chosen) for problem in bad.problems) from None


def overridden_by(overrides_from_env: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """The variable that stands over each key, by key, of those that are set. See `load_config`."""
    return {key: name for name, key in overrides_from_env.items() if environment.get(name)}


def of_variable(name: str) -> str:
    """Where a problem stands that an environment variable has brought in."""
    return f"environment variable {name}"


def _overridden(model: type[BaseModel], value: Any, texts: Mapping[str, str]) -> Any:
    """The file's value with each key of `texts` put in its place; the file itself stays as it was read."""
    if not texts or not isinstance(value, dict):
        return value
    changed, problems = dict(value), []
    for key, text in texts.items():
        try:
            _put(changed, key.split("."), _typed(model, key.split("."), text))
        except ValueError as error:
            problems.append(Problem("", key, _plain(error)))
    if problems:
        raise BadInput(problems)
    return changed


def _blame(problem: Problem, chosen: Mapping[str, str]) -> Problem:
    """Whoever set the value is to hear of it: the variable, where one stands over the file."""
    for key, name in chosen.items():
        if problem.path == key or problem.path.startswith((f"{key}.", f"{key}[")):
            return Problem(of_variable(name), problem.path, problem.what)
    return problem


def _put(tree: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        inner = tree.get(part)
        tree[part] = dict(inner) if isinstance(inner, dict) else {}
        tree = tree[part]
    tree[path[-1]] = value


def _typed(model: type[BaseModel], path: list[str], text: str) -> Any:
    """The text as the key's own type, as the file would have it: a variable is text, a file's scalars are not."""
    from pydantic import TypeAdapter

    annotation: Any = model.model_fields[path[0]].rebuild_annotation()
    if len(path) > 1:
        return _typed(annotation, path[1:], text)
    kind: TypeAdapter[Any] = TypeAdapter(annotation)
    value = kind.validate_python(text, strict=False)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{text!r} is not a finite number")
    return kind.dump_python(value, mode="json")


def _plain(error: ValueError) -> str:
    """What a validation error says, without pydantic's frame around it."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return str(error)
    return "; ".join(str(each["msg"]).removeprefix("Value error, ") for each in error.errors())
