"""The index by requirement: what an evidence file says to each Part of NERC's CIP standards, and what it does not.

One data file, `requirements.csv`. Its first line is `# derms.requirements/1 <date>`, the date being its edition; the
lines after it that begin with `#` are notes; then comes a CSV table with the columns of `COLUMNS`, one row a Part. It
is read strictly, so that no row can promise more than its relation allows. Sources: the NERC Reliability Standards that
each row names.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from typing import Final

from audit.errors import AuditError

COLUMNS: Final = (
    "standard", "version", "requirement", "part", "subject", "relation", "where", "how", "not_covered", "source",
)  # fmt: skip
PARTS: Final = (
    "records",
    "tables/records.csv",
    "tables/crossings.csv",
    "tables/changes.csv",
    "tables/denials.csv",
    "tables/sessions.csv",
    "tables/configuration.csv",
    "tables/permissions.csv",
    "tables/isolation.csv",
    "tables/restarts.csv",
    "documents",
    "approvals",
    "review",
    "cosigned",
    "statement.txt",
)
"""The parts of an evidence file that a row may name."""

_FIRST = re.compile(r"# derms\.requirements/1 (\d{4}-\d{2}-\d{2})")
_SPELLING: Final = {
    "standard": re.compile(r"CIP-\d{3}"),
    "version": re.compile(r"\d+(\.\d+)?[a-z]?"),
    "requirement": re.compile(r"R\d+"),
    "part": re.compile(r"|\d+(\.\d+)+|Attachment \d+ Section \d+(\.\d+)*"),
}
_ALWAYS: Final = ("subject", "not_covered")


class BadRequirements(AuditError):
    """The index by requirement is not one; says every line that is wrong, and what of it."""


class Relation(StrEnum):
    """What an evidence file is to a Part of a requirement."""

    GIVES = "gives"
    """The file itself is evidence of it, for this boundary."""
    SUPPORTS = "supports"
    """It helps whoever gathers the evidence."""
    DOES_NOT_COVER = "does not cover"
    """Nothing in the file speaks to it; the row says who has it."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One row. `version` is the standard's, such as `5.1a`; `part` may be empty: the requirement has none.

    `where` are some of `PARTS`, in what `how` the file speaks to it; both empty where it does not. `not_covered`: what
    stays with the Responsible Entity all the same. `source` names the standard, its version, requirement and Part.
    """

    standard: str
    version: str
    requirement: str
    part: str
    subject: str
    relation: Relation
    where: tuple[str, ...]
    how: str
    not_covered: str
    source: str


@dataclass(frozen=True, slots=True)
class Index:
    """The whole file. `edition`: the date up to which its sources were looked at, such as `2026-11-23`."""

    edition: str
    notes: tuple[str, ...]
    rows: tuple[Requirement, ...]


def packaged() -> bytes:
    """The index that comes with this program, byte for byte."""
    return resources.files("audit.evidence").joinpath("requirements.csv").read_bytes()


def read() -> Index:
    """The index that comes with this program."""
    return parse(packaged().decode("utf-8"))


def parse(text: str) -> Index:
    """An index from its text. BadRequirements."""
    lines = text.removesuffix("\n").split("\n")
    first = _FIRST.fullmatch(lines[0])
    if first is None:
        raise BadRequirements("requirements.csv:1: the first line is not `# derms.requirements/1 <YYYY-MM-DD>`")
    table = next((at for at, line in enumerate(lines) if not line.startswith("#")), len(lines))
    notes = tuple(line.removeprefix("#").strip() for line in lines[1:table])
    return Index(first[1], notes, _rows(lines[table:], table))


def _rows(lines: Sequence[str], before: int) -> tuple[Requirement, ...]:
    """The table's rows; `before`: how many lines of the file stand before it."""
    table = csv.reader(lines, strict=True)
    rows: list[Requirement] = []
    wrong: list[str] = []
    try:
        if tuple(next(table, ())) != COLUMNS:
            raise BadRequirements(f"requirements.csv:{before + 1}: the columns are not {', '.join(COLUMNS)}")
        for cells in table:
            problems = list(_problems(cells))
            wrong += [f"requirements.csv:{before + table.line_num}: {problem}" for problem in problems]
            rows += [] if problems else [_row(cells)]
    except csv.Error as error:
        raise BadRequirements(f"requirements.csv:{before + table.line_num}: {error}") from None
    wrong += _contradictions(rows)
    if wrong:
        raise BadRequirements("\n".join(wrong))
    return tuple(rows)


def _row(cells: Sequence[str]) -> Requirement:
    named = dict(zip(COLUMNS, cells, strict=True))
    return Requirement(
        **{name: named[name] for name in COLUMNS if name not in ("relation", "where")},
        relation=Relation(named["relation"]),
        where=_where(named["where"]),
    )


def _where(cell: str) -> tuple[str, ...]:
    return tuple(cell.split("; ")) if cell else ()


def source_of(standard: str, version: str, requirement: str, part: str) -> str:
    """How a row's source is spelled, such as `NERC CIP-007-6 R4 Part 4.3`."""
    place = f" Part {part}" if part[:1].isdigit() else f" {part}" if part else ""
    return f"NERC {standard}-{version} {requirement}{place}"


def _problems(cells: Sequence[str]) -> Iterator[str]:
    """What is wrong with a row by itself."""
    if len(cells) != len(COLUMNS):
        yield f"{len(cells)} cells, where {len(COLUMNS)} are needed"
        return
    row = dict(zip(COLUMNS, cells, strict=True))
    yield from (f"{name}: not trimmed" for name, cell in row.items() if cell != cell.strip())
    yield from (f"{name}: {row[name]!r}" for name, form in _SPELLING.items() if not form.fullmatch(row[name]))
    yield from (f"{name}: empty" for name in _ALWAYS if not row[name])
    if row["part"][:1].isdigit() and f"R{row['part'].split('.')[0]}" != row["requirement"]:
        yield f"part: {row['part']} is no Part of {row['requirement']}"
    expected = source_of(row["standard"], row["version"], row["requirement"], row["part"])
    if row["source"] != expected:
        yield f"source: {row['source']!r}, where the row is about {expected!r}"
    yield from _promises(row["relation"], _where(row["where"]), row["how"])


def _promises(relation: str, where: tuple[str, ...], how: str) -> Iterator[str]:
    """What a row says of the file has to fit its relation."""
    if relation not in tuple(Relation):
        yield f"relation: {relation!r} is none of {', '.join(Relation)}"
        return
    yield from (f"where: {part!r} is no part of an evidence file" for part in where if part not in PARTS)
    if len(set(where)) != len(where):
        yield "where: a part stands there twice"
    covers = relation != Relation.DOES_NOT_COVER
    if bool(where) != covers or bool(how) != covers:
        yield f"where, how: {'needed' if covers else 'not empty'}, where the relation is {relation!r}"


def _contradictions(rows: Sequence[Requirement]) -> Iterator[str]:
    """What is wrong with rows side by side: a Part that has two, a standard in two versions."""
    seen: set[str] = set()
    versions: dict[str, str] = {}
    for row in rows:
        if row.source in seen:
            yield f"requirements.csv: {row.source} has two rows"
        if versions.setdefault(row.standard, row.version) != row.version:
            yield f"requirements.csv: {row.standard} is there in versions {versions[row.standard]} and {row.version}"
        seen.add(row.source)
