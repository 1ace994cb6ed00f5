"""pydantic's findings in plain words: where it stands in the file, what is wrong, and how to mend it.

Loads pydantic: import it inside a function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from dermscore.errors import Problem, did_you_mean
from dermscore.files import numbers
from dermscore.files.document import Document, Steps


def problems(error: ValidationError, model: type[BaseModel], document: Document) -> list[Problem]:
    """Every finding of `error` as a problem of `document`, in file order, each once.

    Nothing is said of what the reading has spoilt, or of what holds it: that is told already.
    """
    by_path: dict[Steps, list[ErrorDetails]] = {}
    for details in _without_consequences(error.errors(include_url=False)):
        path = _path(details, document.value)
        if not any(_is_about(path, spoilt) for spoilt in document.spoilt):
            by_path.setdefault(path, []).append(details)
    found = [document.problem(path, what) for path, group in by_path.items() for what in _whats(group, model)]
    return sorted(dict.fromkeys(found), key=lambda problem: problem.line)


def _is_about(path: Steps, spoilt: Steps) -> bool:
    """Whether a finding at `path` may come from what stands at `spoilt`. At the top only missing keys are found."""
    return path[: len(spoilt)] == spoilt or (path != () and spoilt[: len(path)] == path)


def _whats(group: list[ErrorDetails], model: type[BaseModel]) -> Iterator[str]:
    """The findings at one place in words; those of the members of a union as one."""
    kinds = [details["type"] for details in group]
    if len(group) > 1 and all(kind in _SCALARS for kind in kinds):
        yield f"must be {', or '.join(_SCALARS[kind] for kind in kinds)}, not {shown(group[0]['input'])}"
    else:
        yield from (_what(details, model) for details in group)


def _without_consequences(found: list[ErrorDetails]) -> Iterator[ErrorDetails]:
    """Without what only follows: of a list with one bad item pydantic also says that it is too short."""
    for details in found:
        if details["type"] != "too_short" or not any(_is_inside(each["loc"], details["loc"]) for each in found):
            yield details


def _is_inside(inner: tuple[int | str, ...], outer: tuple[int | str, ...]) -> bool:
    return len(inner) > len(outer) and inner[: len(outer)] == outer


def shown(value: Any) -> str:
    """A value as its author would name it, shortened."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "keys and values"
    if isinstance(value, list | tuple):
        return "a list"
    text = str(value)
    text = text if len(text) <= 40 else text[:37] + "..."
    return f"'{text}'" if isinstance(value, str) else text


def _path(details: ErrorDetails, value: Any) -> Steps:
    """pydantic's location without the steps that are not in the file (members of unions, names of validators)."""
    path: list[str | int] = []
    for step in details["loc"]:
        try:
            value = value[step]
        except (LookupError, TypeError):
            continue
        path.append(step)
    return (*path, details["loc"][-1]) if details["type"] == "missing" else tuple(path)


def _what(details: ErrorDetails, model: type[BaseModel]) -> str:
    kind, given, context = details["type"], details["input"], details.get("ctx", {})
    if kind == "extra_forbidden":
        key = str(details["loc"][-1])
        return f"unknown key '{key}'{did_you_mean(key, _known_keys(model, details['loc'][:-1]))}"
    if kind == "value_error":
        return str(context["error"])
    if kind in ("enum", "literal_error"):
        expected: str = context["expected"]
        near = (
            did_you_mean(given, expected.replace("'", "").replace(" or ", ", ").split(", "))
            if isinstance(given, str)
            else ""
        )
        return f"must be {expected}, not {shown(given)}{near}"
    if kind in _PLAIN:
        return _PLAIN[kind](given, context)
    return f"{details['msg'].replace('Input should', 'must', 1)}, not {shown(given)}"


def _number(given: Any, _context: Mapping[str, Any]) -> str:
    return f"must be a number, not {shown(given)}{numbers.mend(given) if isinstance(given, str) else ''}"


def _whole_number(given: Any, _context: Mapping[str, Any]) -> str:
    return f"must be a whole number, not {shown(given)}{numbers.mend(given) if isinstance(given, str) else ''}"


def _text(given: Any, _context: Mapping[str, Any]) -> str:
    mend = "; put it in quotes" if isinstance(given, bool | int | float) else ""
    return f"must be text, not {shown(given)}{mend}"


def _list(given: Any, _context: Mapping[str, Any]) -> str:
    return f"must be a list (each item on a line that begins with '- '), not {shown(given)}"


def _mapping(given: Any, _context: Mapping[str, Any]) -> str:
    return f"must be keys and values (key: value), not {shown(given)}"


def _bound(words: str, name: str) -> Callable[[Any, Mapping[str, Any]], str]:
    return lambda given, context: f"must be {words} {context[name]}, not {shown(given)}"


_PLAIN: Final[Mapping[str, Callable[[Any, Mapping[str, Any]], str]]] = {
    "missing": lambda _given, _context: "is missing; add it",
    "float_type": _number,
    "int_type": _whole_number,
    "int_from_float": _whole_number,
    "bool_type": lambda given, _context: f"must be true or false, not {shown(given)}",
    "string_type": _text,
    "list_type": _list,
    "tuple_type": _list,
    "set_type": _list,
    "frozen_set_type": _list,
    "dict_type": _mapping,
    "model_type": _mapping,
    "greater_than": _bound("more than", "gt"),
    "greater_than_equal": _bound("at least", "ge"),
    "less_than": _bound("less than", "lt"),
    "less_than_equal": _bound("at most", "le"),
    "string_too_short": lambda _given, _context: "must not be empty",
    "string_pattern_mismatch": lambda given, context: f"must be like {context['pattern']}, not {shown(given)}",
    "string_too_long": lambda _given, context: f"must be no longer than {context['max_length']} characters",
    "too_short": lambda _given, context: f"must have at least {context['min_length']} of them",
}


_SCALARS: Final = {
    "float_type": "a number",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "string_type": "text",
}


def _known_keys(model: type[BaseModel], location: tuple[int | str, ...]) -> set[str]:
    """The keys that may stand at `location`, over every model that the fields' types admit there.

    Steps that name no field (an index, a key of a mapping, a member of a union) lead to nothing further.
    """
    here: list[type[BaseModel]] = [model]
    for step in location:
        fields = [each.model_fields[str(step)] for each in here if step in each.model_fields]
        here = list(_models(field.annotation for field in fields)) if fields else here
    return {name for each in here for name in each.model_fields}


def _models(annotations: Iterable[Any]) -> Iterable[type[BaseModel]]:
    for annotation in annotations:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield annotation
        else:
            yield from _models(get_args(annotation))
