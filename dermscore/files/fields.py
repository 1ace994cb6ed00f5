"""The types of keys that several files share, for pydantic models. Loads pydantic: import it inside a function."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field

from dermscore import times
from dermscore.files.wording import shown
from dermscore.model import path_problem

_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def _uuid(text: str) -> str:
    if not _UUID.fullmatch(text.lower()):
        raise ValueError(f"'{text}' is not a UUID; write it like 4278e0db-b460-583b-b183-2cf2ff7a54e4")
    return text.lower()


def _site_path(text: str) -> str:
    wrong = path_problem(text)
    if wrong:
        raise ValueError(wrong)
    return text


def _tree_path(text: str) -> str:
    return "" if text == "/" else _site_path(text)


def _one_line(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise ValueError("must be one line of plain text, without blanks at its ends")
    return text


def _moment(given: Any) -> int:
    if not isinstance(given, str):
        raise ValueError(f"must be a time such as 2026-12-01T06:00:00Z, not {shown(given)}")
    try:
        return times.parse(given)
    except ValueError as error:
        raise ValueError(f"'{given}' {error}") from None


def _stated(given: Any) -> Any:
    if given is None:
        raise ValueError("is empty; write a value, or take the key away")
    return given


Id = Annotated[str, AfterValidator(_uuid)]
SitePath = Annotated[str, AfterValidator(_site_path)]
"""A node of the tree."""

TreePath = Annotated[str, AfterValidator(_tree_path)]
"""A node of the tree, or "/" for the whole fleet, which is "" everywhere in code."""

OneLine = AfterValidator(_one_line)
"""For text that is shown to people: it can break no table and do nothing to a terminal."""

Moment = Annotated[int, BeforeValidator(_moment)]
"""A time as people write it (`dermscore.times`); UTC ms in code."""

Percent = Annotated[float, Field(ge=0, le=100)]
Stated = BeforeValidator(_stated)
"""For a key whose absence means something: nothing at all after its colon is a slip, and is not taken for absence."""
