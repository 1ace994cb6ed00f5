"""The boundary contract: boundary.yaml, points.csv and commands.csv, read together, checked against each other, and
named by the digest of one document. What is not in it does not cross.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Self, TypeVar

from audit.format import canonical
from dermscore.errors import BadInput, Problem
from dermscore.files import textfile, yamlfile
from dermscore.sheets.points import (
    CommandRow,
    Mode,
    OnIsolate,
    OnMasterLoss,
    PointKind,
    PointRow,
    PointType,
    Quantity,
    Series,
)
from dermscore.sheets.reading import read_commands, read_points
from gateway.boundary import Boundary, Outstation

BOUNDARY, COMMANDS, POINTS = FILES = ("boundary.yaml", "commands.csv", "points.csv")

Read = TypeVar("Read")
Row = PointRow | CommandRow


@dataclass(frozen=True)
class Contract:
    """What may cross, in which direction and within which bounds. Immutable; read once at the start of the gateway."""

    boundary: Boundary
    points: tuple[PointRow, ...]
    commands: tuple[CommandRow, ...]
    document: bytes
    """The three files as one document; see `as_document`."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the three files in `folder`.

        Raises:
            BadInput: with every problem of every file, and everything in which they contradict each other.
        """
        found = _Found()
        read = {name: found.of(partial(_bytes, folder / name)) for name in FILES}
        return cls._checked(
            {name: content for name, content in read.items() if content is not None}, str(folder), found
        )

    @classmethod
    def parse(cls, files: Mapping[str, bytes], where: str) -> Self:
        """The same from bytes by file name; `where` is the folder's name for messages."""
        return cls._checked(files, where, _Found())

    @classmethod
    def _checked(cls, files: Mapping[str, bytes], where: str, found: _Found) -> Self:
        """The contract of `files`; one that could not be read is missing here, and its problem noted in `found`."""
        texts: dict[str, str | None] = dict.fromkeys(FILES)
        texts |= {name: found.of(partial(textfile.decode, files[name], f"{where}/{name}")) for name in files}
        document = found.of(lambda: yamlfile.load(_given(texts[BOUNDARY]), f"{where}/{BOUNDARY}"))
        boundary = found.of(lambda: yamlfile.parse(Boundary, _given(document)))
        points = found.of(lambda: read_points(_given(texts[POINTS]), f"{where}/{POINTS}"))
        commands = found.of(lambda: read_commands(_given(texts[COMMANDS]), f"{where}/{COMMANDS}", points))
        if boundary is not None and document is not None:
            found.problems.extend(_contradictions(boundary, document, points or (), commands or ()))
        if found.problems:
            raise BadInput(found.problems)
        return cls(_given(boundary), _given(points), _given(commands), as_document(files))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the document, hexadecimal: what the trail calls this contract."""
        return hashlib.sha256(self.document).hexdigest()

    @property
    def live(self) -> bool:
        """Whether simulated values are kept out."""
        return self.boundary.live

    @cached_property
    def published(self) -> tuple[PointRow, ...]:
        """The points whose values come across from the headend."""
        return tuple(row for row in self.points if not row.local)

    @cached_property
    def series(self) -> tuple[Series, ...]:
        """What to ask the headend for, each once; its order is the index (`ref`) of every batch."""
        return tuple(dict.fromkeys(row.series for row in self.published if row.series is not None))

    @cached_property
    def points_of(self) -> Mapping[Series, tuple[PointRow, ...]]:
        """The points that show a series: more than one where several outstations show the same."""
        found: dict[Series, list[PointRow]] = {each: [] for each in self.series}
        for row in self.published:
            assert row.series is not None
            found[row.series].append(row)
        return {series: tuple(rows) for series, rows in found.items()}

    @cached_property
    def of_the_gateway(self) -> tuple[PointRow, ...]:
        """The points that say how the gateway itself does."""
        return tuple(row for row in self.points if row.kind is PointKind.GATEWAY)

    @cached_property
    def point(self) -> Mapping[str, PointRow]:
        return {row.name: row for row in self.points}

    @cached_property
    def command(self) -> Mapping[str, CommandRow]:
        return {row.name: row for row in self.commands}

    @cached_property
    def command_at(self) -> Mapping[tuple[str, PointType, int], CommandRow]:
        """Commands by (outstation, type, index)."""
        return {(row.outstation, row.type, row.index): row for row in self.commands}

    @cached_property
    def outstation(self) -> Mapping[str, Outstation]:
        return {each.name: each for each in self.boundary.outstations}

    @cached_property
    def may_control(self) -> frozenset[tuple[str, str]]:
        """(outstation, master) of the masters that may operate."""
        every = self.boundary.outstations
        return frozenset((each.name, master.name) for each in every for master in each.masters if master.control)

    def feedback_of(self, command: CommandRow) -> tuple[PointRow, ...]:
        """The points that show what a target command delivered: kind command, of its outstation and path."""
        if command.mode is not Mode.TARGET:
            return ()
        wanted = (Quantity.COMMAND_FEEDBACK, command.outstation, command.path)
        return tuple(row for row in self.points if (row.quantity, row.outstation, row.path) == wanted)


def as_document(files: Mapping[str, bytes]) -> bytes:
    """The three files as one canonical JSON object (RFC 8785): names to texts, byte order marks included.

    docs/reference/boundary-yaml.md, "The digest". The files come out of it again byte for byte. They are UTF-8, and
    none is missing.
    """
    members = (f"{canonical.string(name)}:{canonical.string(files[name].decode())}" for name in sorted(FILES))
    return f"{{{','.join(members)}}}".encode()


class _Found:
    """Collects the problems of several readings. Owned by one `parse`."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def of(self, read: Callable[[], Read]) -> Read | None:
        """What `read` returns, or None with its problems noted (or its own input missing)."""
        try:
            return read()
        except BadInput as bad:
            self.problems.extend(bad.problems)
        except _NotRead:
            pass
        return None


class _NotRead(Exception):
    """What should be read on from could not be read; its own problems are noted already."""


def _given(value: Read | None) -> Read:
    if value is None:
        raise _NotRead
    return value


def _bytes(path: Path) -> bytes:
    if not path.exists():
        what = (
            "does not exist; bring it back from a backup: what may cross is never made up. A sheet to begin with is in "
            "every new folder that `derms gateway init NEW --pki PKI` makes"
        )
        raise BadInput([Problem(str(path), "", what)])
    return textfile.read_bytes(path)


def _contradictions(
    boundary: Boundary, document: yamlfile.Document, points: Sequence[PointRow], commands: Sequence[CommandRow]
) -> Iterator[Problem]:
    yield from _outstations(boundary, document)
    known = {outstation.name for outstation in boundary.outstations}
    rows: tuple[Row, ...] = (*points, *commands)
    for row in rows:
        if row.outstation not in known:
            what = f"{row.outstation!r} is not an outstation of boundary.yaml ({', '.join(sorted(known))})"
            yield Problem(row.where, "outstation", what)
    yield from _shared_names(points, commands)
    yield from _points(points)
    yield from _not_yet(commands)


def _outstations(boundary: Boundary, document: yamlfile.Document) -> Iterator[Problem]:
    names = Counter(outstation.name for outstation in boundary.outstations)
    places = Counter(str(outstation.listen) for outstation in boundary.outstations if outstation.listen.port)
    for number, outstation in enumerate(boundary.outstations):
        at = ("outstations", number)
        if names[outstation.name] > 1:
            yield document.problem((*at, "name"), "is the name of two outstations; give each its own")
        if places[str(outstation.listen)] > 1:
            yield document.problem((*at, "listen"), "is where two outstations listen; give each its own port")
        addresses = Counter([outstation.address, *(master.address for master in outstation.masters)])
        for address in (address for address, count in addresses.items() if count > 1):
            what = f"link address {address} is given twice; outstation and masters need one each"
            yield document.problem((*at, "masters"), what)
        for name, count in Counter(master.name for master in outstation.masters).items():
            if count > 1:
                yield document.problem((*at, "masters"), f"the name {name!r} is given to two masters")


def _shared_names(points: Sequence[PointRow], commands: Sequence[CommandRow]) -> Iterator[Problem]:
    taken = {row.name: row.where for row in points}
    for command in commands:
        if command.name in taken:
            what = f"{command.name!r} is the name of a point too ({taken[command.name]}); give each its own"
            yield Problem(command.where, "name", what)


def _points(points: Sequence[PointRow]) -> Iterator[Problem]:
    for row in points:
        if row.quantity is Quantity.AUDIT_HEALTH and row.event_class != 1:
            yield Problem(
                row.where, "class", "must be 1: that the trail is not written may not wait behind other events"
            )
        if not row.local and row.stale_after_s is None:
            yield Problem(row.where, "stale_after_s", "is needed: a value from the headend must be able to age")


def _not_yet(commands: Sequence[CommandRow]) -> Iterator[Problem]:
    """What the sheet can say and this gateway does not do yet is refused, not ignored."""
    for row in commands:
        if row.on_master_loss is not OnMasterLoss.HOLD:
            what = f"{row.on_master_loss.value!r} is not implemented yet; use hold"
            yield Problem(row.where, "on_master_loss", what)
        if row.on_isolate is not OnIsolate.HOLD_UNTIL_EXPIRY:
            what = f"{row.on_isolate.value!r} is not implemented yet; use hold_until_expiry"
            yield Problem(row.where, "on_isolate", what)
