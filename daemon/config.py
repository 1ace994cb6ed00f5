"""Configuration: one strict file per daemon, a few environment variables over it, and the data that the wheel carries."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from dermscore.errors import BadInput, NotSetUp, Problem

if TYPE_CHECKING:
    from pydantic import BaseModel, GetCoreSchemaHandler
    from pydantic_core import CoreSchema

    Model = TypeVar("Model", bound=BaseModel)

_ROOT = Path(__file__).resolve().parent.parent
_HIGHEST_PORT = 65_535


class Address(str):
    """`host:port`, such as `127.0.0.1:7450`, `headend.example:7450` or `[::1]:7450`. A str, so it goes wherever one does.

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
        """Whether nothing but this machine can reach it: `localhost` or a loopback address. A name is never looked up."""
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
) -> Model:
    """Read the YAML file at `path` into `model`, environment variables over it.

    `overrides_from_env` maps a variable's name to the key it overrides (`{"HEADEND_HTTP_ADDR": "http"}`, a dotted key
    reaches inward); a variable that is unset or empty overrides nothing. `environment` is `os.environ` where not given.

    Raises:
        NotSetUp: there is no such file.
        BadInput: everything wrong with it at once, as `file:line: key: what`, or with a variable, by its name.
    """
    from dermscore import yamlfile

    if not path.exists():
        raise NotSetUp(f"{path} does not exist; `init` makes it")
    document = yamlfile.load_file(path)
    environ = os.environ if environment is None else environment
    chosen = {name: key for name, key in (overrides_from_env or {}).items() if environ.get(name)}
    value = _overridden(model, document.value, {name: (key, environ[name]) for name, key in chosen.items()})
    return yamlfile.parse(model, replace(document, value=value))


def packaged(name: str) -> Path:
    """Where the data that ships with the program lies: `assets.yaml`, or a file or folder such as `policies/gateway`.

    In a checkout that is the root; in a wheel `assets.yaml` lies inside `policies`.

    Raises:
        NotSetUp: this installation does not carry it.
    """
    for candidate in (_ROOT / name, _ROOT / "policies" / name):
        if candidate.exists():
            return candidate
    raise NotSetUp(f"this installation carries no {name}; install the derms wheel again")


def _overridden(model: type[Model], value: Any, chosen: Mapping[str, tuple[str, str]]) -> Any:
    if not chosen or not isinstance(value, dict):
        return value
    changed, problems = dict(value), []
    for name, (key, text) in chosen.items():
        try:
            _put(changed, key.split("."), _typed(model, key.split("."), text))
        except ValueError as error:
            problems.append(Problem(f"environment variable {name}", key, _plain(error)))
    if problems:
        raise BadInput(problems)
    return changed


def _put(tree: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        inner = tree.get(part)
        tree[part] = dict(inner) if isinstance(inner, dict) else {}
        tree = tree[part]
    tree[path[-1]] = value


def _typed(model: type[BaseModel], path: list[str], text: str) -> Any:
    """The text as the key's own type: a variable is always text, the file's scalars are not."""
    from pydantic import TypeAdapter

    field = model.model_fields[path[0]]
    if len(path) > 1:
        inner: Any = field.annotation
        return _typed(inner, path[1:], text)
    annotation: Any = field.rebuild_annotation()
    return TypeAdapter(annotation).validate_python(text, strict=False)


def _plain(error: ValueError) -> str:
    """What a validation error says, without pydantic's frame around it."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return str(error)
    return "; ".join(str(each["msg"]).removeprefix("Value error, ") for each in error.errors())
