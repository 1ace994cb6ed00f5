"""The one strict loader of YAML files, and the one way from a YAML file to a checked model.

YAML here is YAML 1.2 with the core schema's scalars (chapter 10.3): `no`, `on` and `12:30:00` are text, `012` is
twelve. What could surprise or hide something is refused: duplicate keys, anchors, aliases, merge keys, tags, several
documents, NaN and infinities, keys that are not text. Every problem is reported at once, as `file:line: path: what`.

The parser is PyYAML over libyaml, loaded on first use; pydantic likewise. Its events are read one by one: nothing
recurses, so that no nesting can exhaust the stack, and its own YAML 1.1 rules for scalars never come into play.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from dermscore.errors import BadInput, Problem
from dermscore.files.document import Document, Steps, written
from dermscore.files.numbers import DECIMAL
from dermscore.files.textfile import read_text

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["Document", "Steps", "load", "load_file", "parse", "written"]

Model = TypeVar("Model", bound="BaseModel")
MAX_DEPTH: Final = 32
MAX_DIGITS: Final = 100


def load(text: str, where: str) -> Document:
    """Read YAML text; `where` names it in messages.

    What is refused although reading can go on is noted in the document, so that `parse` tells it with all the rest.

    Raises:
        BadInput: reading could not go on (it is no YAML, empty, too deep); with what was refused until then.
    """
    import yaml

    forbidden = list(_forbidden_characters(text, where))
    if forbidden:
        raise BadInput(forbidden)
    builder = _Builder(where)
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        raise BadInput([*builder.refused, _syntax_problem(error, where)]) from None
    except _Stop:
        raise BadInput(builder.refused) from None  # the last of them says why
    if builder.value is None:
        raise BadInput(builder.refused or [Problem(f"{where}:1", "", "the file is empty")])
    return Document(builder.value, where, builder.lines, tuple(builder.refused), frozenset(builder.spoilt))


def load_file(path: Path) -> Document:
    """Read a YAML file (UTF-8).

    Raises:
        Unreadable: the file is missing or cannot be read.
        BadInput: with every problem found.
    """
    return load(read_text(path), str(path))


def parse(model: type[Model], document: Document) -> Model:
    """Check a document against a pydantic model, strictly: no conversions, no unknown keys at any depth.

    Text becomes an enum, a `Path`, a date and the like where the model says so, as it would from JSON; a list becomes a
    tuple. A text is never taken for a number, nor a number for a text.

    Raises:
        BadInput: with every problem found, each in plain words and with its line, and what was refused in the reading.
    """
    from pydantic import ValidationError

    from dermscore.files.wording import problems

    try:
        found = model.model_validate_json(json.dumps(document.value), strict=True, extra="forbid")
    except ValidationError as error:
        together = [*document.refused, *problems(error, model, document)]
        raise BadInput(sorted(together, key=lambda problem: problem.line)) from error
    if document.refused:
        raise BadInput(document.refused)
    return found


# Everything outside YAML 1.2's c-printable (chapter 5.1).
_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_WORDS: Final[Mapping[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_MAY_BE_NUMBER: Final = frozenset("-+.0123456789")
_WHOLE: Final = re.compile(r"[-+]?[0-9]+")
_OCTAL_OR_HEX: Final = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_NOT_FINITE: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_NOT_A_NUMBER: Final = "NaN and infinities are not used; write a number, or leave the key out where that means no limit"


def _forbidden_characters(text: str, where: str) -> Iterator[Problem]:
    for number, line in enumerate(text.split("\n"), start=1):
        found = _FORBIDDEN.search(line)
        if found:
            yield Problem(f"{where}:{number}", "", f"character U+{ord(found[0]):04X} is not allowed in YAML")


def _syntax_problem(error: Any, where: str) -> Problem:
    line = error.problem_mark.line + 1
    what = f"{error.problem}{f' ({error.context})' if error.context else ''}"
    if "cannot start any token" in what:
        what += "; indent with spaces, never tabs, and quote text that begins with a special character"
    return Problem(f"{where}:{line}", "", f"not YAML: {what}")


class _Stop(Exception):
    """Reading on would make no sense; the problem has been written down."""


@dataclass
class _Open:
    """A mapping or list that is being read. Owned by the one `_Builder` that made it."""

    container: dict[str, Any] | list[Any]
    path: Steps
    key: str | None = None


@dataclass
class _Builder:
    """Makes the value, the lines and the problems of one document from the parser's events. Owned by one `load`."""

    where: str
    value: Any = None
    lines: dict[Steps, int] = field(default_factory=dict)
    refused: list[Problem] = field(default_factory=list)
    spoilt: set[Steps] = field(default_factory=set)
    _open: list[_Open] = field(default_factory=list)
    _documents: int = 0

    def take(self, event: Any) -> None:
        """One event of the parser (a `yaml.Event`)."""
        handler = _HANDLERS.get(type(event).__name__)
        if handler:
            handler(self, event, event.start_mark.line + 1)

    def _start_document(self, event: Any, line: int) -> None:
        self._documents += 1
        if self._documents > 1:
            self._stop((), line, "a second document begins here; a file holds one")
        if event.version not in (None, (1, 2)) or event.tags:
            self._refuse((), line, "directives (%YAML, %TAG) are not used; take the line out")

    def _scalar(self, event: Any, line: int) -> None:
        top = self._open[-1] if self._open else None
        if top and isinstance(top.container, dict) and top.key is None:
            self._key(top, event, line)
        else:
            path = self._path()
            self._refuse_decorations(event, path, line)
            self._put(path, line, self._resolved(event, path, line))

    def _key(self, top: _Open, event: Any, line: int) -> None:
        """A key of the mapping `top`. It is taken even where it is refused: what follows is then read in its place."""
        name: str = event.value
        path = (*top.path, name)
        self._refuse_decorations(event, path, line)
        if event.implicit[0] and name == "<<":
            self._refuse(top.path, line, "merge keys (<<) are not used; write the keys out")
            self.spoilt.add(path)
        elif not isinstance(self._resolved(event, path, line), str):
            self._refuse(top.path, line, f"the key {name or '(nothing)'} is not text; put it in quotes")
            self.spoilt.add(path)
        elif name in top.container:
            self._refuse(path, line, f"the key is given twice, first on line {self.lines[path]}; keep one")
        top.key = name
        self.lines.setdefault(path, line)

    def _alias(self, event: Any, line: int) -> None:
        self._stop(self._path(), line, f"aliases (*{event.anchor}) are not used; write the value out")

    def _begin(self, event: Any, line: int) -> None:
        path = self._path()
        if self._open and isinstance(self._open[-1].container, dict) and self._open[-1].key is None:
            self._stop(path, line, "a key must be text, not a list or a mapping")
        if len(self._open) >= MAX_DEPTH:
            self._stop(path, line, f"nested more than {MAX_DEPTH} deep")
        self._refuse_decorations(event, path, line)
        container: dict[str, Any] | list[Any] = {} if type(event).__name__ == "MappingStartEvent" else []
        self._put(path, line, container)
        self._open.append(_Open(container, path))

    def _end(self, _event: Any, _line: int) -> None:
        self._open.pop()

    def _path(self) -> Steps:
        """Where the next value goes."""
        if not self._open:
            return ()
        top = self._open[-1]
        if isinstance(top.container, list):
            return (*top.path, len(top.container))
        return top.path if top.key is None else (*top.path, top.key)

    def _put(self, path: Steps, line: int, value: Any) -> None:
        self.lines.setdefault(path, line)
        if not self._open:
            self.value = value
            return
        top = self._open[-1]
        if isinstance(top.container, list):
            top.container.append(value)
        else:
            top.container[str(top.key)] = value
            top.key = None

    def _resolved(self, event: Any, path: Steps, line: int) -> str | int | float | bool | None:
        """What a scalar stands for by the core schema; quoted, it is text."""
        text: str = event.value
        if not event.implicit[0]:
            return text
        if text in _WORDS:
            return _WORDS[text]
        if text[0] not in _MAY_BE_NUMBER:
            return text
        return self._number(text, path, line)

    def _number(self, text: str, path: Steps, line: int) -> str | int | float:
        if _WHOLE.fullmatch(text) or _OCTAL_OR_HEX.fullmatch(text):
            if len(text) > MAX_DIGITS:
                what = f"a number of more than {MAX_DIGITS} digits; put it in quotes if it is text"
                return self._spoil(path, line, what)
            return int(text, 10 if _WHOLE.fullmatch(text) else 0)
        if _NOT_FINITE.fullmatch(text):
            return self._spoil(path, line, _NOT_A_NUMBER)
        if not DECIMAL.fullmatch(text):
            return text
        value = float(text)
        return self._spoil(path, line, f"{text[:40]} is too large a number") if math.isinf(value) else value

    def _spoil(self, path: Steps, line: int, what: str) -> int:
        """Refuse a number; what stands in its place means nothing."""
        self._refuse(path, line, what)
        self.spoilt.add(path)
        return 0

    def _refuse_decorations(self, event: Any, path: Steps, line: int) -> None:
        if event.anchor:
            self._refuse(path, line, f"anchors (&{event.anchor}) are not used; write each value out")
        if event.tag:
            self._refuse(path, line, f"tags ({event.tag}) are not used; take it away")
            self.spoilt.add(path)

    def _refuse(self, path: Steps, line: int, what: str) -> None:
        self.refused.append(Problem(f"{self.where}:{line}", written(path), what))

    def _stop(self, path: Steps, line: int, what: str) -> None:
        self._refuse(path, line, what)
        raise _Stop


_HANDLERS: Final = {
    "DocumentStartEvent": _Builder._start_document,
    "ScalarEvent": _Builder._scalar,
    "AliasEvent": _Builder._alias,
    "MappingStartEvent": _Builder._begin,
    "SequenceStartEvent": _Builder._begin,
    "MappingEndEvent": _Builder._end,
    "SequenceEndEvent": _Builder._end,
}
