"""Where a command's answer goes when nobody takes it, and how it says that there is none."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

import click

from audit.errors import AuditError
from audit.format.note import MalformedNote
from audit.reading.forms import NotOneMember

COULD_NOT_TELL: Final = 2


class Undecided(click.ClickException):
    """Neither right nor wrong: the question could not be answered."""

    exit_code = COULD_NOT_TELL

    def show(self, file: IO[Any] | None = None) -> None:
        with contextlib.suppress(OSError):  # nowhere to say it: the exit code still does
            super().show(file)


def say(text: str) -> None:
    """Print a verdict, in UTF-8; bytes of a path that are no text as escapes, which JSON has, too."""
    try:
        if sys.stdout is None:
            raise OSError(errno.EBADF, "it is closed")  # pragma: no cover - as above
        click.echo(text.encode("utf-8", "backslashreplace"))
    except OSError as problem:  # pragma: no cover - seen in processes of their own, whose output is closed
        _silence_stdout()
        raise Undecided(f"the verdict cannot be written to standard output: {problem.strerror}") from None


def _silence_stdout() -> None:  # pragma: no cover - as above
    """What is still buffered goes nowhere, or the interpreter would try it again as it ends."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _in_plain_words(problem: Exception) -> str:
    """What went wrong with a file, without the number of the error."""
    if isinstance(problem, OSError) and problem.strerror:
        return f"{problem.filename}: {problem.strerror}" if problem.filename else problem.strerror
    return str(problem)


def emit(line: str) -> None:
    """Print a line of an answer, in UTF-8 whatever the terminal's own."""
    click.echo(line.encode("utf-8", "backslashreplace"))


@contextlib.contextmanager
def reading(log: Path) -> Iterator[None]:
    """What goes wrong with reading a log, in one sentence and without a traceback."""
    try:
        yield
    except BrokenPipeError:  # pragma: no cover - as above
        raise  # whoever read it has seen enough; the program ends without a word
    except (OSError, ValueError, MalformedNote, NotOneMember, AuditError) as problem:
        raise Undecided(f"{log} cannot be shown: {_in_plain_words(problem)}") from None
