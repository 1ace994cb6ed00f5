"""How far a long reading is: a bar on standard error where that is a terminal, else nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import click

_CLEAR: Final = "\r\x1b[K"


class Progress:
    """Owned by the command that reads. `bar` is click's, or None where nobody would see it."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self._done = 0

    def tell(self, done: int, of: int) -> None:
        """So many records of so many were read up to now."""
        if self._bar is not None and done > self._done:
            self._bar.length = of
            self._bar.update(done - self._done)
            self._done = done

    def make_way(self) -> None:
        """Take the bar off its line, so that an answer can stand there."""
        if self._bar is not None:
            click.echo(_CLEAR, file=sys.stderr, nl=False)


@contextmanager
def progress(label: str, quiet: bool = False) -> Iterator[Progress]:
    """A bar while this lasts; `quiet`: none, as where standard error is no terminal."""
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield Progress(None)
        return
    bar: Any
    with click.progressbar(length=1, label=label, file=sys.stderr) as bar:
        yield Progress(bar)
