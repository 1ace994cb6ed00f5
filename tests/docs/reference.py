"""The library's reference page: what stands between its marks is made of signatures and docstrings.

    .venv/bin/python -m tests.docs.reference        writes it again

The page says in `<!-- names: Asset Fleet -->` what to tell of, and in which order; everything from there to the next
`<!-- end -->` is made. So the page has the words of the code, and whoever changes a docstring changes the page.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import textwrap
from collections.abc import Iterator
from enum import Enum
from typing import Any, Final

import dermscore
from tests.docs.pages import ROOT

PAGE: Final = ROOT / "docs" / "reference" / "dermscore.md"
MARKED: Final = re.compile(r"<!-- names: (?P<names>[\w\s]+?) -->\n.*?<!-- end -->", re.S)
_SECTION: Final = re.compile(r"^(Args|Attributes|Returns|Raises):\n((?:    .*\n|\n)+)", re.M)
_ITEM: Final = re.compile(r"^(\w+): ", re.M)
_NOTHING: Final = ("<factory>", "mappingproxy({})")  # an empty mapping, which cannot be a default itself
_FEW: Final = 88  # characters of a signature that stand in one line


def names_of(page: str) -> list[str]:
    """Every name that the page tells of, in order."""
    return [name for marked in MARKED.finditer(page) for name in marked["names"].split()]


def made(page: str) -> str:
    """The page with what stands between its marks made anew."""
    return MARKED.sub(lambda marked: "\n\n".join(_block(marked["names"])), page)


def _block(names: str) -> Iterator[str]:
    yield f"<!-- names: {names} -->"
    for name in names.split():
        yield from _entry(name, getattr(dermscore, name))
    yield "<!-- end -->"


def _entry(name: str, thing: Any) -> Iterator[str]:
    yield f"### {name}"
    if isinstance(thing, type) and issubclass(thing, Enum):
        yield _prose(thing)
        yield "\n".join(f"* `{name}.{each.name}`: {_value(each)}" for each in thing)
    else:
        if not (isinstance(thing, type) and issubclass(thing, Exception)):
            yield f"```python\n{_signature(name, thing)}\n```"
        yield _prose(thing)
        if isinstance(thing, type):
            yield from _members(thing)


def _value(member: Enum) -> str:
    return f"`{member.value!r}`" if isinstance(member.value, str) else str(member.value)


def _members(thing: type) -> Iterator[str]:
    """What can be asked of a thing, besides the fields that its signature shows."""
    fields = {each.name for each in dataclasses.fields(thing)} if dataclasses.is_dataclass(thing) else set()
    lines = []
    for name, member in vars(thing).items():
        if name.startswith("_") or name in fields:
            continue
        called = inspect.unwrap(getattr(member, "__func__", member))
        if inspect.isfunction(called):
            owner = f"{thing.__name__}." if isinstance(member, (classmethod, staticmethod)) else "."
            lines.append(f"* `{_in_line(owner + name, inspect.signature(getattr(thing, name)), bound=owner == '.')}`")
        elif isinstance(member, property) or hasattr(member, "func"):
            getter = member.fget if isinstance(member, property) else member.func  # type: ignore[attr-defined]
            lines.append(f"* `.{name}`: `{inspect.signature(getter).return_annotation}`")  # type: ignore[arg-type]
            called = getter
        else:
            continue
        told = _prose(called)
        lines[-1] += ("\n\n" + "\n".join(f"  {line}".rstrip() for line in told.splitlines())) if told else ""
    if lines:
        yield "\n".join(lines)


def _signature(name: str, thing: Any) -> str:
    signature = inspect.signature(thing)
    if isinstance(thing, type):
        signature = signature.replace(return_annotation=inspect.Signature.empty)
    line = _in_line(name, signature)
    if len(line) <= _FEW:
        return line
    rows = "".join(f"    {each},\n" for each in _parameters(signature))
    return f"{name}(\n{rows}){_arrow(signature)}"


def _in_line(name: str, signature: inspect.Signature, *, bound: bool = False) -> str:
    return f"{name}({', '.join(_parameters(signature, bound=bound))}){_arrow(signature)}"


def _arrow(signature: inspect.Signature) -> str:
    returned = signature.return_annotation
    return "" if returned in (inspect.Signature.empty, "None") else f" -> {returned}"


def _parameters(signature: inspect.Signature, *, bound: bool = False) -> Iterator[str]:
    starred = False
    for parameter in list(signature.parameters.values())[1 if bound else 0 :]:
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            starred = True
            yield "*"
        yield _parameter(parameter)


def _parameter(parameter: inspect.Parameter) -> str:
    default = parameter.default
    kind = getattr(parameter.annotation, "__forward_arg__", parameter.annotation)  # a named tuple's are references
    if default is parameter.empty:
        return f"{parameter.name}: {kind}"
    shown = default.name if isinstance(default, Enum) else repr(default)
    return f"{parameter.name}: {kind} = {'{}' if shown in _NOTHING else shown}"


def _prose(thing: Any) -> str:
    """A docstring as Markdown: its sections become lists."""
    told = inspect.cleandoc(thing.__doc__ or "") + "\n"
    return re.sub(r"\n{3,}", "\n\n", _SECTION.sub(_listed, told)).strip()


def _listed(section: re.Match[str]) -> str:
    name, text = section[1], textwrap.dedent(section[2]).strip()
    if name == "Returns":
        return f"*Returns*: {text}\n\n"
    one_per_line = re.sub(r"\n +", " ", text)
    return f"*{name}*\n\n" + _ITEM.sub(r"* `\1`: ", one_per_line) + "\n\n"


if __name__ == "__main__":
    PAGE.write_text(made(PAGE.read_text("utf-8")), "utf-8")
