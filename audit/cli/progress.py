"""How far a long reading is: a bar on standard error where that is a terminal, else nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

_CLEAR: Final = "\r\x1b[K"


class Progress:
    """Owned by the command that reads."""

    def __init__(self, bar: ProgressBar[Any] | None) -> None:
        self._bar = bar
        self._done = 0

    def tell(self, done: int) -> None:
        """So many records were read up to now."""
        if self._bar is not None and done > self._done:
            self._bar.update(done - self._done)
            self._done = done

    def make_way(self) -> None:
        """Take the bar off its line, so that an answer can stand there."""
        if self._bar is not None:
            click.echo(_CLEAR, file=sys.stderr, nl=False)


@contextmanager
def progress(label: str, records: int, quiet: bool = False) -> Iterator[Progress]:
    """A bar over so many records; `quiet`: none, as where standard error is no terminal."""
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield Progress(None)
        return
    with click.progressbar(length=records, label=label, file=sys.stderr) as bar:
        yield Progress(bar)
        bar.update(0)
