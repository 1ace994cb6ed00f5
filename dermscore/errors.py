"""What is raised when something is *broken*.

A decision that goes against a caller (a refused dispatch, a denied action) is a value, never an exception: see
`dermscore.policy` and `dermscore.dispatch`. What is here is for input that cannot be read and set-ups that cannot
start.
"""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

First = TypeVar("First")
Second = TypeVar("Second")

_MANY = 500  # comparing with more is slow, and helps nobody


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with some input: where it stands, what it is, and how to mend it.

    `where` is `file:line` for a file (or the name of whatever was read), `path` the place inside it such as
    `assets[3].max_mw`, and `what` a sentence in plain words that ends with the mend where one is known.
    """

    where: str
    path: str
    what: str

    @property
    def line(self) -> int:
        """The line of the file; 0 where `where` names none."""
        number = self.where.rpartition(":")[2]
        return int(number) if number.isdecimal() else 0

    def __str__(self) -> str:
        place = f"{self.where}: {self.path}" if self.path else self.where
        return f"{place}: {self.what}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a message: `; did you mean 'x'?` for the known word nearest to `word`, empty where none is near."""
    by_lower = {name.lower(): name for name in itertools.islice(known, _MANY)}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1)
    return f"; did you mean '{by_lower[near[0]]}'?" if near else ""


class DermsError(Exception):
    """Base of every exception that this project raises on purpose. Its text is fit for whoever runs the command."""


class BadInput(DermsError):
    """Some input cannot be used. Carries *every* problem found, not the first."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class Unreadable(BadInput):
    """A file is missing or cannot be read, so that nothing can be told of what is in it."""


def together(first: Callable[[], First], second: Callable[[], Second]) -> tuple[First, Second]:
    """What both give, so that what is wrong with the first does not hide what is wrong with the second.

    Raises:
        BadInput: with the problems of both; `Unreadable` where either is.
    """
    given: list[Any] = []
    failed: list[BadInput] = []
    for read in (first, second):
        try:
            given.append(read())
        except BadInput as bad:
            failed.append(bad)
    if failed:
        kind = Unreadable if any(isinstance(bad, Unreadable) for bad in failed) else BadInput
        raise kind(problem for bad in failed for problem in bad.problems)
    return given[0], given[1]


class NotSetUp(DermsError):
    """Something that `init` should have made is missing. The text names the command that mends it."""
