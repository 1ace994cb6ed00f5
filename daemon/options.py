"""Kinds of command-line values that more than one role takes."""

from __future__ import annotations

import math
from typing import Any

import click


class Seconds(click.FloatRange):
    """A finite number of seconds within its bounds: a comparison lets NaN through, and infinity is under no roof."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds = float(super().convert(value, param, ctx))
        if not math.isfinite(seconds):
            self.fail(f"{value} is not a finite number of seconds", param, ctx)
        return seconds


def one_line(_: click.Context, __: click.Parameter, text: str) -> str:
    """A callback for text that somebody will want to read in one line: not empty, and nothing that moves a cursor."""
    if not text.strip() or not text.isprintable():
        raise click.BadParameter("must be one line of text, and not empty")
    return text.strip()
