"""What an evidence file holds for people, besides the tables: put together here, worded in `statement`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Final

from audit.cli.page import page_text
from audit.evidence import permissions, requirements, statement, tables
from audit.evidence.gathering import Gathered
from audit.evidence.members import TABLES
from audit.evidence.request import BadRequest, Request
from audit.evidence.requirements import COLUMNS, Relation, Requirement
from audit.evidence.selection import Chosen
from audit.evidence.statement import Facts
from audit.evidence.writing import Writer
from audit.format import checkpoint, kinds
from audit.format.checkpoint import Checkpoint
from audit.format.layout import Layout
from audit.format.note import MalformedNote, VerifierKey
from audit.reading.files import open_regular
from audit.telling import report as report_of
from audit.telling.report import page
from audit.telling.tally import tally
from audit.verify import verify
from audit.verify.scope import Scope
from audit.verify.verdict import Verified
from audit.words import many

BCSI: Final = "BES Cyber System Information (BCSI): handle and store it as the entity's programme says"
"""The mark where a contract in the file has rows that the entity calls BCSI, and no other mark was given."""
MARKED: Final = "BCSI-"
"""In front of the name of what people read, where it is marked."""

PERMISSIONS: Final = "tables/permissions.csv"
STATEMENT: Final = "statement.txt"

_SHEETS_LIMIT: Final = 2**26


@dataclass(frozen=True, slots=True)
class Source:
    """The log that the file is made of, and the checkpoint that it is made with."""

    layout: Layout
    newest: Checkpoint
    checkpoint: bytes
    cosigned: bytes | None
    verified: Verified

    @property
    def seen(self) -> int | None:
        """How many records the cosigned checkpoint covers, if it can be of this log; whose word it is, is not asked."""
        try:
            had = None if self.cosigned is None else checkpoint.parse(self.cosigned)[0]
        except MalformedNote:
            return None
        return had.size if had and had.origin == self.newest.origin and had.size <= self.newest.size else None


@dataclass(frozen=True, slots=True)
class Answer:
    """Who answers, when (UTC microseconds), with lines from which record on, and what was asked of the files."""

    made: int
    made_by: str
    first: int
    permissions: tuple[Path, ...]
    withheld: bool
    mark: str


def write(
    writer: Writer,
    source: Source,
    request: Request,
    chosen: Chosen,
    gathered: Gathered,
    answer: Answer,
    report: str | None,
) -> str:
    """Write the members for people, behind all the others; what they are marked with. BadRequest, OSError."""
    contracts = _contracts(gathered, answer.permissions)
    marked = any(map(permissions.has_bcsi, contracts.values()))
    mark = answer.mark or (BCSI if marked else "")
    prefix = MARKED if mark else ""
    if contracts:
        writer.put(f"{TABLES}{prefix}permissions.csv", permissions.table(contracts))
    facts = _facts(source, request, chosen, gathered, answer, mark)
    origin, key = source.newest.origin, str(source.verified.key)
    writer.put(f"{prefix}{STATEMENT}", [statement.statement(facts).encode()])
    if report is not None:
        writer.put(f"{prefix}report.html", [_with_mark(report, mark).encode("utf-8", "backslashreplace")])
    writer.put("VERIFY.txt", [statement.how_to_verify(mark, origin, key, bool(gathered.approvals)).encode()])
    writer.put("verifier.html", [page_text().encode()])
    writer.put("requirements.csv", _index(_parts(source, gathered, bool(contracts)), prefix))
    return mark


def report(
    source: Source, keys: Sequence[VerifierKey], scope: Scope, made: int, progress: Callable[[int, int], None]
) -> str | None:
    """The report of the log that people print, with the happenings of the period; None where the log has changed.

    Of the folder it tells the name only: where it stands is nobody's business. OSError.
    """
    log = source.layout
    headers = Scope(scope.since, scope.until, bodies=False)
    again = verify(log.folder, keys, scope=headers, as_of=source.checkpoint, segment_lines=log.segment_lines)
    counted = tally(log, source.newest.size, scope, progress)
    if not isinstance(again, Verified) or counted.root != source.newest.root.hex():
        return None
    verdict = replace(source.verified, timeline=again.timeline)
    return page(report_of.Facts(log.folder.name, made, scope, verdict, None, counted))


def _with_mark(report: str, mark: str) -> str:
    return report.replace("<h1>", f"<p><strong>{escape(mark)}</strong></p>\n<h1>", 1) if mark else report


def _contracts(gathered: Gathered, given: tuple[Path, ...]) -> Mapping[str, Mapping[str, str]]:
    """By contract the sheets in its document; those that were given by themselves have no contract's digest."""
    found: dict[str, Mapping[str, str]] = {}
    for digest in gathered.contracts:
        if digest in gathered.named:
            with open_regular(gathered.document(digest)) as file:
                found[digest] = permissions.sheets_of(file.read(_SHEETS_LIMIT))
    for path in given:
        with open_regular(path) as file:
            text = file.read(_SHEETS_LIMIT).decode("utf-8", "replace")
        if not permissions.is_sheet(text):
            raise BadRequest(f"{path} is no sheet that can be read")
        name = permissions.COMMANDS if "mode" in text.partition("\n")[0].split(",") else permissions.POINTS
        found.setdefault("", {})
        found[""] = {**found[""], name: text}
    return {contract: sheets for contract, sheets in found.items() if sheets}


def _facts(source: Source, request: Request, chosen: Chosen, gathered: Gathered, answer: Answer, mark: str) -> Facts:
    times = gathered.times or (0, 0)
    return Facts(
        mark=mark,
        origin=source.newest.origin,
        request=request.id,
        asked=request.asked,
        made=answer.made,
        made_by=answer.made_by,
        key=str(source.verified.key),
        size=source.newest.size,
        root=source.newest.root.hex(),
        first=answer.first,
        lines=chosen.count,
        times=times,
        log_ended=times[1] < request.asked.until,
        sampled=chosen.sample is not None,
        population=chosen.population,
        seed=request.seed or source.newest.root.hex(),
        kinds=gathered.kinds,
        asked_for=gathered.asked_for,
        changes=gathered.changes,
        changes_total=gathered.asked_for[kinds.CONTRACT_CHANGE],
        with_bodies=gathered.with_bodies,
        withheld=answer.withheld and gathered.with_bodies > 0,
        documents=len(gathered.named),
        missing=gathered.missing,
        approvals=len(gathered.approvals),
        approvals_missing=sorted(gathered.approvals_missing),
        cosigned=_cosigned(source),
        pruned=source.verified.pruned_records,
        clock_steps=source.verified.clock_steps,
    )


def _cosigned(source: Source) -> str:
    """How far a witness's word reaches, by what stands in its checkpoint: whether it is its word, a verifier tells."""
    had = source.seen
    if had is None:
        return f"A witness's cosignature: the log has none, of none of its {many(source.newest.size, 'record')}."
    newest = f"of the newest {many(source.newest.size - had, 'record')}" if had < source.newest.size else "of no record"
    return (
        f"A witness's cosignature {newest}: by log/cosigned, one has seen {many(had, 'record')} of this name.\n"
        "Whether that is its word, and these are the same, a verifier tells who is given the witness's key."
    )


def _parts(source: Source, gathered: Gathered, permitted: bool) -> Iterator[str]:
    """The parts of the index that this file has."""
    yield from ("records", STATEMENT)
    yield from (TABLES + name for name in tables.NAMES if gathered.has_rows(name))
    has = {
        PERMISSIONS: permitted,
        "documents": bool(gathered.named),
        "approvals": bool(gathered.approvals),
        "review": gathered.asked_for[kinds.REVIEW] > 0,
        "cosigned": source.cosigned is not None,
    }
    yield from (part for part, there in has.items() if there)


def _index(parts: Iterator[str], prefix: str) -> Iterator[bytes]:
    """The index by requirement, for the parts of this file: which Parts it speaks to, and which it does not."""
    there = frozenset(parts)
    yield tables.line(COLUMNS)
    for row in requirements.read().rows:
        where = tuple(_marked(part, prefix) for part in row.where if part in there)
        if where or row.relation is Relation.DOES_NOT_COVER:
            yield tables.line(_cells(row, where))


def _marked(part: str, prefix: str) -> str:
    return f"{TABLES}{prefix}permissions.csv" if part == PERMISSIONS else f"{prefix * (part == STATEMENT)}{part}"


def _cells(row: Requirement, where: tuple[str, ...]) -> tuple[str, ...]:
    return (
        row.standard, row.version, row.requirement, row.part, row.subject, row.relation.value, "; ".join(where),
        row.how, row.not_covered, row.source,
    )  # fmt: skip
