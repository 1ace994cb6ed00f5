"""The checks that every number from a peer passes before it becomes one of ours. Pure; collects problems, raises once.

A message is refused whole: half of a batch that makes no sense is not worth believing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence, Sized

from dermscore.errors import BadInput, Problem
from dermscore.quality import Quality

LATEST_MS = 253_402_300_799_999
"""The last millisecond of the year 9999: what RFC 3339 can still write."""

MAX_TEXT = 1000
_MAX_PROBLEMS = 20


class Checks:
    """Collects what is wrong with one message. Owner: the function that makes it; it ends with `settle`."""

    def __init__(self, message: str) -> None:
        self._message = message
        self._problems: list[Problem] = []

    def wrong(self, path: str, what: str) -> None:
        self._problems.append(Problem(self._message, path, what))

    def settle(self) -> None:
        """Raises BadInput with every problem found (the first 20 of a flood), if any."""
        if self._problems:
            raise BadInput(self._problems[:_MAX_PROBLEMS])

    def same_length(self, columns: Mapping[str, Sized]) -> None:
        """Every column has as many rows as the first; settles at once, since ragged columns cannot be read further."""
        (first, rows), *others = ((name, len(column)) for name, column in columns.items())
        for name, length in others:
            if length != rows:
                self.wrong(name, f"has {length} rows where {first} has {rows}")
        self.settle()

    def finite(self, path: str, value: float | None) -> None:
        if value is not None and not math.isfinite(value):
            self.wrong(path, f"is {value}, not a finite number")

    def finite_column(
        self, path: str, values: Sequence[float], *, at_least: float = -math.inf, at_most: float = math.inf
    ) -> None:
        """All finite and within the bounds. A NaN or infinity makes the sum one, so blameless columns cost little."""
        if not values or (math.isfinite(sum(values)) and min(values) >= at_least and max(values) <= at_most):
            return
        for row, value in enumerate(values):
            self.finite(f"{path}[{row}]", value)
            if not at_least <= value <= at_most and math.isfinite(value):
                self.wrong(f"{path}[{row}]", f"is {value}, outside {at_least:g}..{at_most:g}")

    def indices(self, path: str, values: Sequence[int], count: int) -> None:
        """All of them name one of the `count` things agreed at the start of the stream."""
        if values and max(values) >= count:
            for row, value in enumerate(values):
                if value >= count:
                    self.wrong(f"{path}[{row}]", f"is {value}; the index agreed on this stream ends at {count - 1}")

    def time(self, path: str, value: int) -> None:
        if not 0 <= value <= LATEST_MS:
            self.wrong(path, f"is {value}, no UTC time in milliseconds")

    def times(self, path: str, values: Sequence[int]) -> None:
        if values and not (min(values) >= 0 and max(values) <= LATEST_MS):
            for row, value in enumerate(values):
                self.time(f"{path}[{row}]", value)

    def bits(self, path: str, values: Iterable[int], known: int) -> None:
        """No bit is set that means nothing to us."""
        for row, value in enumerate(values):
            if value & ~known:
                self.wrong(f"{path}[{row}]", f"is {value}; only the bits of {known} mean something")

    def qualities(self, path: str, values: Sequence[int]) -> dict[int, Quality]:
        """The qualities by their bits: a batch has few different ones."""
        known: dict[int, Quality] = {}
        for bits in set(values):
            try:
                known[bits] = Quality.from_bits(bits)
            except ValueError as error:
                self.wrong(f"{path}[{list(values).index(bits)}]", str(error))
        return known

    def text(self, path: str, value: str, *, needed: bool = False) -> None:
        if needed and not value:
            self.wrong(path, "is empty")
        if len(value) > MAX_TEXT:
            self.wrong(path, f"has {len(value)} characters; {MAX_TEXT} is the most")


def clipped(text: str) -> str:
    """A reason or message for the wire, no longer than the other side will take."""
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
