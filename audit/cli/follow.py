"""`derms audit follow`: a log's new records as newer checkpoints cover them. It does not verify them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from audit.cli.filters import by_header, wanted
from audit.cli.output import Undecided, emit, reading
from audit.cli.show import shown, taken, values_of
from audit.format.checkpoint import Checkpoint
from audit.format.layout import Layout
from audit.reading import released
from audit.reading.released import Bodies, Line, Position
from audit.secrecy import KeyFolder

_POLL_S: Final = 0.5


@click.command("follow")
@click.argument("log", type=click.Path(path_type=Path))
@by_header
@click.option("--last", type=click.IntRange(0), default=0, help="Begin with so many of the newest.  [default: 0]")
@click.option("--bodies", "with_bodies", is_flag=True, help="Show the values, too.")
@click.option("--body-keys", type=click.Path(path_type=Path), help="Folder of body keys, for encrypted values.")
@click.option("--json", "as_lines", is_flag=True, help="One JSON object a line instead of sentences.")
def follow_command(
    log: Path, last: int, with_bodies: bool, body_keys: Path | None, as_lines: bool, **asked: Any
) -> None:
    """Print the records of LOG as they are released, until Ctrl-C. It does not verify them.

    Exit 2 where its checkpoint goes back, or becomes another log's: that is no growing log.
    """
    layout, key_folder = Layout(log), None if body_keys is None else KeyFolder(body_keys)
    with reading(log), Bodies(layout, key_folder) as files, contextlib.suppress(KeyboardInterrupt):  # its ordinary end
        now = released.newest(layout)
        click.echo(f"following {log} behind its {now.size} records; nothing of it is verified", err=True)
        for line, header in taken(_growing(layout, now, max(0, now.size - last)), wanted(asked)):
            emit(shown(header, values_of(files, line, header) if with_bodies else None, as_lines))


def _growing(layout: Layout, now: Checkpoint, first: int) -> Iterator[Line]:
    """The lines from record `first` on, as newer checkpoints cover them; never ends by itself."""
    reached = Position(first - first % layout.segment_lines)
    while True:
        for line in released.lines(layout, now.size, reached):
            reached = line.after
            if line.at.seq >= first:
                yield line
        now = _newer(layout, now)


def _newer(layout: Layout, now: Checkpoint) -> Checkpoint:
    """The checkpoint once it covers more. The file is replaced as a whole, so it is read anew each time."""
    while True:
        time.sleep(_POLL_S)
        found = released.newest(layout)
        if found.origin != now.origin or found.size < now.size or (found.size == now.size and found != now):
            raise Undecided(
                f"the checkpoint was of {now.size} records of {now.origin}, and is of {found.size} of {found.origin}, "
                "which is not the same log, grown: verify it, and ask its witness"
            )
        if found.size > now.size:
            return found
