"""Times on the command line: UTC, and nothing that could be meant otherwise."""

from __future__ import annotations

import re
import time
from typing import Final

import click

from audit.approval import moment

_MOMENT: Final = re.compile(r"(\d{4}-\d{2}-\d{2})(?:T(\d{2}:\d{2}:\d{2})(?:\.(\d{1,6}))?Z)?", re.ASCII)


class Moment(click.ParamType[int]):
    """`2026-11-23` (its midnight) or `2026-11-23T12:00:00Z`, a fraction allowed; microseconds since 1970."""

    name = "UTC"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> int:
        found = _MOMENT.fullmatch(value)
        seconds = None if found is None else moment(f"{found[1]}T{found[2] or '00:00:00'}Z")
        if found is None or seconds is None:
            self.fail(
                f"{value!r} is no time in UTC: write 2026-11-23 or 2026-11-23T12:00:00Z, "
                "a day and a time that exist, with the Z at the end",
                param,
                ctx,
            )
        return seconds + int((found[3] or "").ljust(6, "0"))


UTC_MOMENT: Final = Moment()


def whole(text: str) -> int:
    """A time as an approval or a ring has it, to the second. UTC microseconds."""
    micros = moment(text)
    if micros is None:
        raise click.BadParameter(f"{text!r} is not a time such as 2026-11-23T12:00:00Z")
    return micros


def now_us() -> int:
    return time.time_ns() // 1000


def whole_second(micros: int) -> int:
    return micros - micros % 1_000_000
