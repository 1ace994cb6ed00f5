"""`derms audit show`: a log's records, in words or as JSON lines. It does not verify them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import click

from audit.cli.filters import by_header, in_time, wanted
from audit.cli.lines import Values, as_json, sentence, values_sentence, why_no_values
from audit.cli.output import emit, reading
from audit.format import body as bodies
from audit.format.layout import Layout
from audit.format.record import Header
from audit.reading import released
from audit.reading.released import Bodies, Line
from audit.secrecy import KeyFolder
from audit.telling.search import Wanted


@click.command("show")
@click.argument("log", type=click.Path(path_type=Path))
@by_header
@in_time
@click.option("--first", type=click.IntRange(0), default=0, help="First record number.")
@click.option("--limit", type=click.IntRange(1), help="At most so many records.")
@click.option("--bodies", "with_bodies", is_flag=True, help="Show the values, too.")
@click.option("--body-keys", type=click.Path(path_type=Path), help="Folder of body keys, for encrypted values.")
@click.option("--json", "as_lines", is_flag=True, help="One JSON object a line instead of sentences.")
def show_command(
    log: Path, limit: int | None, with_bodies: bool, body_keys: Path | None, as_lines: bool, **asked: Any
) -> None:
    """Print the records of LOG that its checkpoint covers. It does not verify them: `derms audit verify` does."""
    layout, key_folder = Layout(log), None if body_keys is None else KeyFolder(body_keys)
    with reading(log), Bodies(layout, key_folder) as files:
        lines = released.lines(layout, released.newest(layout).size)
        for line, header in islice(taken(lines, wanted(asked)), limit):
            emit(shown(header, values_of(files, line, header) if with_bodies else None, as_lines))


def taken(lines: Iterator[Line], asked: Wanted) -> Iterator[tuple[Line, Header]]:
    """The lines whose headers say what is asked for. ValueError for one that is no header."""
    spelled = asked.spelling()
    for line in lines:
        if asked.may_take(line.text, spelled):
            header = line.header()
            if asked.takes(header):
                yield line, header


def values_of(files: Bodies, line: Line, header: Header) -> Values:
    """A record's values as they are stored, neither spelling nor root checked. OSError, BadKey."""
    plain = files.plain(line, header.origin)
    if plain is None:
        return None
    found = bodies.read(plain) if isinstance(plain, bytes) else plain
    return found[0] if isinstance(found, tuple) else why_no_values(found)


def shown(header: Header, values: Values, as_lines: bool) -> str:
    """A record as it is printed, with the values of its body if they are not None."""
    if as_lines:
        return as_json(header) if values is None else as_json(header, values=values)
    return sentence(header) if values is None else f"{sentence(header)}\n{values_sentence(values)}"
