"""What was read from a YAML file, and on which line each place of it stands."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from dermscore.errors import Problem

Step = str | int
Steps = tuple[Step, ...]

_PLAIN_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class Document:
    """A YAML file as read: plain dicts, lists, str, int, float, bool and None.

    `where` names the file; `lines` says on which line each place stands: `("assets", 3, "max_mw")` is
    `assets[3].max_mw`, and `()` the document itself. `refused` is what was wrong in the reading although it could go on
    (a NaN, a key given twice): whoever uses the value must tell it, as `dermscore.files.yamlfile.parse` does. At the
    places in `spoilt` the value means nothing.
    """

    value: Any
    where: str
    lines: Mapping[Steps, int]
    refused: tuple[Problem, ...] = ()
    spoilt: frozenset[Steps] = frozenset()

    def problem(self, path: Steps, what: str) -> Problem:
        """A problem at `path`; where that place does not exist, on the line of what should contain it."""
        known = path
        while known and known not in self.lines:
            known = known[:-1]
        return Problem(f"{self.where}:{self.lines.get(known, 1)}", written(path), what)


def written(path: Steps) -> str:
    """A path as a person writes it: `assets[3].max_mw`; an odd key in quotes: `a["b c"]`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{json.dumps(step, ensure_ascii=False)}]"
    return text
