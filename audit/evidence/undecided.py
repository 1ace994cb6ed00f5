"""How a command about evidence ends where something goes wrong: exit 2, for 1 says that something was found."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import click

from audit.cli.output import Undecided
from audit.errors import AuditError
from audit.evidence.archive import Unreadable
from audit.format.note import MalformedNote
from audit.words import printable


@contextmanager
def or_undecided(nothing: str) -> Iterator[None]:
    """Undecided with `nothing`, which says what was not done, and why; a fault of the program with its traceback."""
    try:
        yield
    except click.ClickException:
        raise
    except (AuditError, Unreadable, MalformedNote) as problem:
        raise Undecided(f"{nothing}: {printable(str(problem))}") from None
    except OSError as problem:
        raise Undecided(f"{nothing}: a file cannot be read or written: {problem}") from None
    except Exception as fault:
        traceback.print_exc()
        raise Undecided(f"{nothing}: the program itself failed ({fault!r}), or files changed under it") from None
