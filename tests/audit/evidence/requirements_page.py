"""docs/compliance/by-requirement.md, made of the index that the program carries, so that there is one source only.

.venv/bin/python -m tests.audit.evidence.requirements_page        writes it again
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Final

from audit.evidence.requirements import Index, Relation, Requirement, read

PAGE: Final = Path(__file__).parents[3] / "docs" / "compliance" / "by-requirement.md"
_HEAD: Final = """\
# By requirement

Made of `audit/evidence/requirements.csv`, edition {edition}, which every evidence file carries: change that file,
not this page. What `where` names: [the parts of an evidence file](README.md#the-parts-of-an-evidence-file).
"""
_TABLE: Final = "| Part | about | relation | where | how | what stays with the entity |\n|---|---|---|---|---|---|"
_SHORT: Final = "| Part | about | who has it |\n|---|---|---|"


def made(index: Index) -> str:
    """The page: the notes, a count for each standard, then its rows, what is spoken to before what is not."""
    by_standard = [(name, list(rows)) for name, rows in groupby(index.rows, key=lambda row: row.standard)]
    return "\n".join(
        [
            _HEAD.format(edition=index.edition),
            *(f"* {note}" for note in index.notes),
            "\n## At a glance\n",
            "| standard | gives | supports | does not cover |\n|---|---|---|---|",
            *(_counts(rows) for _, rows in by_standard),
            *(line for _, rows in by_standard for line in _section(rows)),
            "",
        ]
    )


def _name(row: Requirement) -> str:
    return f"{row.standard}-{row.version}"


def _counts(rows: list[Requirement]) -> str:
    counts = (sum(row.relation is relation for row in rows) for relation in Relation)
    anchor = _name(rows[0]).lower().replace(".", "")
    return f"| [{_name(rows[0])}](#{anchor}) | {' | '.join(map(str, counts))} |"


def _section(rows: list[Requirement]) -> Iterator[str]:
    yield f"\n## {_name(rows[0])}"
    spoken = [row for row in rows if row.relation is not Relation.DOES_NOT_COVER]
    silent = [row for row in rows if row.relation is Relation.DOES_NOT_COVER]
    if spoken:
        yield f"\n{_TABLE}"
        for row in spoken:
            where = ", ".join(f"`{part}`" for part in row.where)
            yield f"| {_place(row)} | {row.subject} | {row.relation} | {where} | {row.how} | {row.not_covered} |"
    if silent:
        yield f"\nNot covered:\n\n{_SHORT}"
        yield from (f"| {_place(row)} | {row.subject} | {row.not_covered} |" for row in silent)


def _place(row: Requirement) -> str:
    return f"{row.requirement} {row.part}".strip()


if __name__ == "__main__":
    PAGE.write_text(made(read()), "utf-8")
