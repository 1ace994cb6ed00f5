"""The one strict loader of YAML files, and the one way from a YAML file to a checked model.

YAML here is YAML 1.2 with the core schema's scalars (chapter 10.3): `no`, `on` and `12:30:00` are text, `012` is
twelve. What could surprise or hide something is refused: duplicate keys, anchors, aliases, merge keys, tags, several
documents, NaN and infinities, keys that are not text. Every problem is reported at once, as `file:line: path: what`.

The parser is PyYAML over libyaml, loaded on first use; pydantic likewise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from dermscore.errors import Problem

if TYPE_CHECKING:
    from pydantic import BaseModel

Model = TypeVar("Model", bound="BaseModel")
Step = str | int


@dataclass(frozen=True)
class Document:
    """A YAML file as read: plain dicts, lists, str, int, float, bool and None.

    `where` names the file; `lines` says on which line each place stands: `("assets", 3, "max_mw")` is
    `assets[3].max_mw`, and `()` the document itself.
    """

    value: Any
    where: str
    lines: Mapping[tuple[Step, ...], int]

    def problem(self, path: tuple[Step, ...], what: str) -> Problem:
        """A problem at `path`; where that place does not exist, on the line of what should contain it."""
        raise NotImplementedError


def load(text: str, where: str) -> Document:
    """Read YAML text; `where` names it in messages.

    Raises:
        BadInput: with every problem found.
    """
    raise NotImplementedError


def load_file(path: Path) -> Document:
    """Read a YAML file (UTF-8).

    Raises:
        Unreadable: the file is missing or cannot be read.
        BadInput: with every problem found.
    """
    raise NotImplementedError


def parse(model: type[Model], document: Document) -> Model:
    """Check a document against a pydantic model, strictly: no conversions, no unknown keys at any depth.

    Text becomes an enum, a `Path`, a date and the like where the model says so, as it would from JSON; a list becomes a
    tuple. A text is never taken for a number, nor a number for a text.

    Raises:
        BadInput: with every problem found, each in plain words and with its line.
    """
    raise NotImplementedError
