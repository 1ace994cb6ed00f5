"""A log's released records one after the other, in whichever form their segments are. Verifies nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from audit import body as bodies
from audit import checkpoint, forms, record
from audit.body import Encrypted, MalformedBody, Opened
from audit.forms import Written
from audit.layout import Layout
from audit.note import NOTE_LIMIT
from audit.reading import open_regular
from audit.record import Header
from audit.secrecy import BodyKeys, open_body


class Placed(NamedTuple):
    """A record, and where its body begins if it has one; no path: its segment was pruned, the body with it."""

    header: Header
    bodies: Path | None
    offset: int


def records(layout: Layout) -> Iterator[Placed]:
    """The released records in order; of a pruned segment those whose lines were kept.

    OSError, MalformedNote, ValueError, NotOneMember: the log cannot be read.
    """
    with open_regular(layout.checkpoint) as file:
        size = checkpoint.parse(file.read(NOTE_LIMIT + 1))[0].size
    for segment in range(-(-size // layout.segment_lines)):
        count = min(layout.segment_lines, size - segment * layout.segment_lines)
        found = forms.open_lines(layout, segment, full=count == layout.segment_lines)
        if isinstance(found, Written):
            with found:
                yield from _written(layout.bodies(segment), found, count)
        elif found is None or not found.exists():
            raise FileNotFoundError(f"{layout.headers(segment)}: No such file or directory")
        else:
            yield from _kept(layout.kept(segment))


def _written(path: Path, lines: Written, count: int) -> Iterator[Placed]:
    offset = 0
    for _ in range(count):
        header = record.decode(lines.line()[:-1])
        yield Placed(header, path, offset)
        offset += header.body.len if header.body else 0


def _kept(path: Path) -> Iterator[Placed]:
    if path.exists():
        with open_regular(path) as lines:
            for line in lines:
                yield Placed(record.decode(line[:-1]), None, 0)


def body_of(placed: Placed, layout: Layout, keys: BodyKeys | None) -> Opened | Encrypted | MalformedBody | None:
    """The values of a record; None where it has none, or they went with their segment. OSError, BadKey."""
    header = placed.header
    if header.body is None or placed.bodies is None:
        return None
    with open_regular(placed.bodies) as file:
        file.seek(placed.offset)
        stored = file.read(min(header.body.len, bodies.STORED_LIMIT))
    key = None if keys is None else keys.of(layout.segment_of(header.seq))
    return open_body(stored, key, header.origin, header.seq)
