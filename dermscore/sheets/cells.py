"""Reading single cells of a sheet: a reader gives the value of a cell's text, or raises ValueError if it is wrong."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final, TypeVar

from dermscore.errors import did_you_mean
from dermscore.files.numbers import DECIMAL
from dermscore.model import path_problem

Reader = Callable[[str], Any]
Word = TypeVar("Word", bound=StrEnum)

_WHOLE: Final = re.compile(r"[-+]?[0-9]{1,18}")
_OUTSTATION: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
_YES_NO: Final = {"yes": True, "true": True, "no": False, "false": False}
_FORMULA: Final = ("=", "@")


def number(text: str) -> float:
    """A finite decimal number."""
    if not DECIMAL.fullmatch(text):
        comma = "; write the decimal point as '.', and no thousands separator" if "," in text else ""
        raise ValueError(f"must be a number, not '{text}'{comma}")
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"'{text}' is too large a number")
    return value


def above_zero(text: str) -> float:
    value = number(text)
    if value <= 0:
        raise ValueError(f"must be more than 0, not {text}")
    return value


def zero_or_more(text: str) -> float:
    value = number(text)
    if value < 0:
        raise ValueError(f"must be 0 or more, not {text}")
    return value


def percent(text: str) -> float:
    value = number(text)
    if not 0 <= value <= 100:
        raise ValueError(f"must be between 0 and 100, not {text}")
    return value


def whole(lowest: int, highest: int) -> Callable[[str], int]:
    """A whole number from `lowest` to `highest`."""

    def read(text: str) -> int:
        if not _WHOLE.fullmatch(text) or not lowest <= int(text) <= highest:
            raise ValueError(f"must be a whole number from {lowest} to {highest}, not '{text}'")
        return int(text)

    return read


def word(words: type[Word]) -> Callable[[str], Word]:
    """One of an enumeration's words, as written there."""

    def read(text: str) -> Word:
        try:
            return words(text)
        except ValueError:
            known = ", ".join(words)
            raise ValueError(f"must be one of {known}; not '{text}'{did_you_mean(text, words)}") from None

    return read


def yes_no(text: str) -> bool:
    """`yes` or `no`; a spreadsheet's TRUE and FALSE too."""
    if text.lower() not in _YES_NO:
        raise ValueError(f"must be yes or no, not '{text}'")
    return _YES_NO[text.lower()]


def free(text: str) -> str:
    """Free text on one line, which no spreadsheet takes for a formula."""
    if text.startswith(_FORMULA):
        raise ValueError(f"begins with '{text[0]}', which spreadsheets take for a formula; begin with a letter")
    if not text.isprintable():
        raise ValueError("has a line break or a control character; write it on one line")
    return text


def name(text: str) -> str:
    if len(text) > 64:
        raise ValueError("a name has at most 64 characters")
    return free(text)


def outstation(text: str) -> str:
    if not _OUTSTATION.fullmatch(text):
        raise ValueError(f"'{text}' is not an outstation's name; write letters, digits, '_' and '-', a letter first")
    return text


def path(text: str) -> str:
    """A path of the tree; `/` is the whole fleet and becomes "", as everywhere in code."""
    wrong = None if text == "/" else path_problem(text)
    if wrong:
        raise ValueError(wrong)
    return "" if text == "/" else text


def hold(text: str) -> int | None:
    """`until_changed` (None) or whole seconds."""
    if text == "until_changed":
        return None
    try:
        return whole(1, 31_536_000)(text)
    except ValueError:
        raise ValueError(f"must be until_changed or whole seconds (at least 1), not '{text}'") from None
