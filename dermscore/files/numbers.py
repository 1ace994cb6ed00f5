"""How a number is written in every file that a person writes: digits, one decimal point, an exponent, and no more."""

from __future__ import annotations

import re
from typing import Final

DECIMAL: Final = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
"""A decimal number, as YAML 1.2's core schema (chapter 10.3.2) and a spreadsheet write it."""

_SEPARATED: Final = re.compile(r"[-+]?[0-9]{1,3}([_,' ]?[0-9]{3})+(\.[0-9]+)?|[-+]?[0-9]+(_[0-9]+)+")


def mend(text: str) -> str:
    """The end of a message on a text that should be a number: how to make it one; empty where nobody knows."""
    if DECIMAL.fullmatch(text):
        return "; take the quotes away"
    return "; write the digits without a separator" if _SEPARATED.fullmatch(text) else ""
