"""`derms audit search`: what was said of a point, a command, a session, a rule. It does not verify."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import click

from audit.cli.filters import by_header, in_time, wanted
from audit.cli.lines import as_json, row_sentence, sentence, why_no_values
from audit.cli.output import Undecided, emit, reading
from audit.cli.progress import Progress, progress
from audit.format import body as bodies
from audit.format.body import Encrypted, MalformedBody
from audit.format.checkpoint import Checkpoint
from audit.format.layout import Layout
from audit.format.record import Header
from audit.reading import released
from audit.reading.released import Bodies, Line
from audit.secrecy import KeyFolder
from audit.telling import index
from audit.telling.search import Row, Values, Wanted

_STEP: Final = 4096
"""Records between two looks at the bar."""


@click.command("search")
@click.argument("log", type=click.Path(path_type=Path))
@click.option("--point", help="Only this point, shown or refused: the rows of it.")
@click.option("--id", "command", help="Only the command of this id.")
@click.option("--rule", help="Only this rule, alone or one of several.")
@click.option("--text", help="Somewhere in the reason, in capitals or not.")
@by_header
@in_time
@click.option("--limit", type=click.IntRange(1), help="At most so many records.")
@click.option("--body-keys", type=click.Path(path_type=Path), help="Folder of body keys, for encrypted values.")
@click.option("--index", "index_file", type=click.Path(path_type=Path), help="Make, or use, an index in this file.")
@click.option("--json", "as_lines", is_flag=True, help="One JSON object a line instead of sentences.")
def search_command(
    log: Path,
    limit: int | None,
    body_keys: Path | None,
    index_file: Path | None,
    as_lines: bool,
    point: str | None,
    command: str | None,
    **asked: Any,
) -> None:
    """Find records of LOG, with those rows of their bodies that were asked for.

    It looks at what the checkpoint covers, and does not verify it: `derms audit verify` does. Exit 2 where bodies
    could not be looked into, whatever was found in the others. The index is for many searches in a long log: a file
    outside LOG, never trusted, that may be deleted at any time.
    """
    by_head, by_body = wanted(asked), Values(point, command, asked["rule"])
    if by_head == Wanted() and not by_body.needed:
        raise click.UsageError("search for what? Give --point, --id, --session, --rule or another of the options")
    layout, key_folder = Layout(log), None if body_keys is None else KeyFolder(body_keys)
    with reading(log), Bodies(layout, key_folder) as files:
        newest = released.newest(layout)
        search = _Search(by_head, by_body, files, newest.origin)
        with _lines(layout, newest, index_file, files, by_head, by_body) as lines, progress("searching") as bar:
            for header, rows in islice(search.found(_told(lines, newest.size, bar)), limit):
                bar.make_way()
                emit(as_json(header, rows=rows) if as_lines else _sentences(header, rows))
    if search.unread:
        raise Undecided(f"{search.unread} bodies could not be looked into; {search.why}")


@contextmanager
def _lines(
    layout: Layout, newest: Checkpoint, index_file: Path | None, files: Bodies, by_head: Wanted, by_body: Values
) -> Iterator[Iterator[Line]]:
    """Where to look: everywhere, or where an index says."""
    if index_file is None:
        yield released.lines(layout, newest.size)
        return
    with ExitStack() as held:
        with progress("indexing") as bar:
            found = held.enter_context(index.opened(index_file, layout, newest, files, bar.tell))
        yield found.lines(by_head, by_body, files)


def _told(lines: Iterator[Line], size: int, bar: Progress) -> Iterator[Line]:
    for line in lines:
        if line.at.seq % _STEP == 0:
            bar.tell(line.at.seq, size)
        yield line


def _sentences(header: Header, rows: list[Row]) -> str:
    return "\n".join([sentence(header), *map(row_sentence, rows)])


@dataclass(slots=True)
class _Search:
    """One search. `unread` and `why` are owned by whoever goes through `found`."""

    by_head: Wanted
    by_body: Values
    files: Bodies
    origin: str
    unread: int = 0
    why: str = ""

    def found(self, lines: Iterator[Line]) -> Iterator[tuple[Header, list[Row]]]:
        """The records, each with its rows. What is cheap to see is looked at first: most lines are none."""
        in_line, in_body = self.by_head.spelling(), self.by_body.spelling()
        for line in lines:
            if not self.by_head.may_take(line.text, in_line):
                continue
            plain = self.files.plain(line, self.origin) if self.by_body.wanted else None
            if isinstance(plain, bytes) and not all(part in plain for part in in_body):
                continue
            header = line.header()
            rows = self._rows(header, plain) if self.by_head.takes(header) else None
            if rows is not None:
                yield header, rows

    def _rows(self, header: Header, plain: bytes | Encrypted | MalformedBody | None) -> list[Row] | None:
        read = bodies.read(plain) if isinstance(plain, bytes) else plain
        if isinstance(read, tuple):
            return self.by_body.rows(read[0])
        if read is not None:
            self.unread += 1
            self.why = self.why or f"the first is that of record {header.seq}: {why_no_values(read)}"
        return None if self.by_body.needed else []
