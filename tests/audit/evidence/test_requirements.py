"""The index by requirement: what it may say, that it leaves nothing out, and that the page has its words."""

from __future__ import annotations

import csv
import io
import re
import shutil
import zipfile
from collections import defaultdict
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from hypothesis import given
from hypothesis import strategies as st

from audit.evidence.requirements import (
    COLUMNS,
    PARTS,
    BadRequirements,
    Relation,
    Requirement,
    packaged,
    parse,
    read,
    source_of,
)
from tests.audit.evidence.requirements_page import PAGE, made

ROOT = Path(__file__).parents[3]
FIRST = "# derms.requirements/1 2026-11-23\n"
ROW = Requirement(
    "CIP-007", "6", "R4", "4.3", "kept for 90 days", Relation.GIVES, ("records", "statement.txt"), "they are there",
    "other logs", "NERC CIP-007-6 R4 Part 4.3",
)  # fmt: skip


def parts(requirement: str, last: int) -> set[str]:
    """`R4`, 3: the Parts 4.1 to 4.3."""
    return {f"{requirement} {requirement[1:]}.{at}" for at in range(1, last + 1)}


# Requirements and Parts as the standards have them, in the version indexed. Where the index goes into the items of a
# Part, the items stand here.
LOW = ("1", "2", "3.1", "3.2", "4", "5", "6.1", "6.2", "6.3")
STANDARDS = {
    "CIP-002-5.1a": parts("R1", 3) | parts("R2", 2),
    "CIP-003-9": parts("R1", 2) | {f"R2 Attachment 1 Section {at}" for at in LOW} | {"R3", "R4"},
    "CIP-004-7": parts("R1", 1) | parts("R2", 3) | parts("R3", 5) | parts("R4", 3) | parts("R5", 4) | parts("R6", 3),
    "CIP-005-7": parts("R1", 5) | parts("R2", 5) | parts("R3", 2),
    "CIP-006-6": parts("R1", 10) | parts("R2", 3) | parts("R3", 1),
    "CIP-007-6": parts("R1", 2)
    | parts("R2", 4)
    | parts("R3", 3)
    | {f"R4 {at}" for at in ("4.1.1", "4.1.2", "4.1.3", "4.2.1", "4.2.2", "4.3", "4.4")}
    | parts("R5", 7),
    "CIP-008-6": parts("R1", 4) | parts("R2", 3) | parts("R3", 2) | parts("R4", 3),
    "CIP-009-6": parts("R1", 5) | parts("R2", 3) | parts("R3", 2),
    "CIP-010-4": parts("R1", 6)
    | parts("R2", 1)
    | parts("R3", 4)
    | {f"R4 Attachment 1 Section {at}" for at in (1, 2, 3)},
    "CIP-011-3": parts("R1", 2) | parts("R2", 2),
    "CIP-012-2": parts("R1", 5),
    "CIP-013-2": {"R1 1.1"} | {f"R1 1.2.{at}" for at in range(1, 7)} | {"R2", "R3"},
    "CIP-015-1": parts("R1", 3) | {"R2", "R3"},
}


def text_of(*rows: Requirement, columns: tuple[str, ...] = COLUMNS) -> str:
    table = io.StringIO()
    written = csv.writer(table, lineterminator="\n")
    written.writerow(columns)
    written.writerows([*(asdict(row) | {"where": "; ".join(row.where)}).values()] for row in rows)
    return FIRST + "# a note\n" + table.getvalue()


def about(row: Requirement, **changed: str) -> Requirement:
    """The row with other numbers, and a source that agrees."""
    other = replace(row, **changed)  # type: ignore[arg-type]
    return replace(other, source=source_of(other.standard, other.version, other.requirement, other.part))


def test_every_requirement_and_part_of_every_standard_has_its_row() -> None:
    found = defaultdict(set)
    for row in read().rows:
        found[f"{row.standard}-{row.version}"].add(f"{row.requirement} {row.part}".strip())
    assert found == STANDARDS


def test_nothing_in_it_says_that_anybody_meets_anything() -> None:
    assert not re.search(r"complian|certif|satisf|fulfil|guarantee", packaged().decode("utf-8"), re.IGNORECASE)


def test_a_row_that_covers_nothing_says_who_has_it() -> None:
    silent = [row for row in read().rows if row.relation is Relation.DOES_NOT_COVER]
    assert [row.source for row in silent if not re.match(r"All of it: .{10,}\.$", row.not_covered)] == []


def test_what_belongs_to_the_hosts_and_the_firewall_is_not_claimed() -> None:
    relations = {row.source: row.relation for row in read().rows}
    for place in ("CIP-005-7 R1 Part 1.2", "CIP-007-6 R3 Part 3.1", "CIP-007-6 R4 Part 4.1.1", "CIP-007-6 R5 Part 5.1"):
        assert relations[f"NERC {place}"] is Relation.DOES_NOT_COVER


def test_network_monitoring_is_a_correlation_aid_at_most() -> None:
    spoken = [row for row in read().rows if row.standard == "CIP-015" and row.relation is not Relation.DOES_NOT_COVER]
    assert {row.relation for row in spoken} == {Relation.SUPPORTS}
    assert all(row.how.startswith("A correlation aid: ") for row in spoken)


def test_words_are_short_sentences_of_one_line() -> None:
    for row in read().rows:
        sentences = [words for words in (row.how, row.not_covered) if words]
        assert all(words.endswith(".") and len(words) <= 240 and "\n" not in words for words in sentences), row
        assert len(row.subject) <= 120, row


def test_its_edition_and_its_reservations_are_told() -> None:
    index = read()
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", index.edition)
    assert any("for the Responsible Entity to determine" in note for note in index.notes)
    assert any("CIP-014" in note for note in index.notes)


def test_the_page_has_the_words_of_the_index() -> None:
    assert PAGE.read_text("utf-8") == made(read())  # python -m tests.audit.evidence.requirements_page


def test_the_wheel_carries_it(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "audit", tmp_path / "audit", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "assets.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("dermscore", "wire", "daemon", "headend", "agent", "gateway", "simulator", "policies"):
        (tmp_path / name).mkdir()
    (built,) = WheelBuilder(str(tmp_path)).build(directory=str(tmp_path / "dist"), versions=["standard"])
    with zipfile.ZipFile(built) as wheel:
        assert wheel.read("audit/evidence/requirements.csv") == packaged()


words = st.text(st.characters(blacklist_categories=("C", "Z")), min_size=1, max_size=20)


@given(words, words, words, st.lists(st.sampled_from(PARTS), min_size=1, unique=True))
def test_what_is_written_is_read(subject: str, how: str, rest: str, where: list[str]) -> None:
    row = replace(ROW, subject=subject, how=how, not_covered=rest, where=tuple(where))
    silent = about(replace(row, relation=Relation.DOES_NOT_COVER, where=(), how=""), part="4.4")
    index = parse(text_of(row, silent))
    assert (index.edition, index.notes, index.rows) == ("2026-11-23", ("a note",), (row, silent))


@pytest.mark.parametrize(
    "text",
    ["", "standard,version\n", "# derms.requirements/2 2026-11-23\n", "# derms.requirements/1\n", "\ufeff" + FIRST],
)
def test_another_version_is_not_read(text: str) -> None:
    with pytest.raises(BadRequirements, match=r"requirements\.csv:1: the first line"):
        parse(text)


@pytest.mark.parametrize("text", [FIRST, FIRST + "# a note\n", text_of(columns=COLUMNS[::-1])])
def test_other_columns_are_not_read(text: str) -> None:
    with pytest.raises(BadRequirements, match="the columns are not standard, version"):
        parse(text)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (about(ROW, standard="CIP-7"), "standard: 'CIP-7'"),
        (about(ROW, version="six"), "version: 'six'"),
        (about(ROW, requirement="4"), "requirement: '4'"),
        (about(ROW, part="4"), "part: '4'"),
        (about(ROW, part="5.3"), "part: 5.3 is no Part of R4"),
        (about(ROW, subject=""), "subject: empty"),
        (replace(ROW, not_covered=""), "not_covered: empty"),
        (replace(ROW, source=""), "source: '', where the row is about 'NERC CIP-007-6 R4 Part 4.3'"),
        (replace(ROW, source="NERC CIP-007-6 R4 Part 4.4"), "source: 'NERC CIP-007-6 R4 Part 4.4', where"),
        (replace(ROW, how="there "), "how: not trimmed"),
        (replace(ROW, relation="meets"), "relation: 'meets' is none of gives, supports, does not cover"),  # type: ignore[arg-type]
        (replace(ROW, where=("records", "a table")), "where: 'a table' is no part of an evidence file"),
        (replace(ROW, where=("records", "records")), "where: a part stands there twice"),
        (replace(ROW, where=()), "where, how: needed, where the relation is 'gives'"),
        (replace(ROW, how="", relation=Relation.SUPPORTS), "where, how: needed, where the relation is 'supports'"),
        (replace(ROW, relation=Relation.DOES_NOT_COVER), "where, how: not empty, where the relation is 'does not"),
    ],
)
def test_a_wrong_row_is_named_by_its_line(row: Requirement, said: str) -> None:
    with pytest.raises(BadRequirements) as refused:
        parse(text_of(about(ROW, part="4.2.2"), row))
    assert str(refused.value).startswith(f"requirements.csv:5: {said}")


def test_every_wrong_row_is_told_at_once() -> None:
    with pytest.raises(BadRequirements) as refused:
        parse(text_of(about(ROW, subject=""), replace(ROW, how="")))
    assert [line.split(": ")[0] for line in str(refused.value).splitlines()] == [
        "requirements.csv:4",
        "requirements.csv:5",
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("CIP-007,6\n", "requirements.csv:5: 2 cells, where 10 are needed"),
        ("\n", "requirements.csv:5: 0 cells, where 10 are needed"),
        ('"CIP-007"6,\n', "requirements.csv:5: "),
        ('"CIP-007,\n', "requirements.csv:5: "),
    ],
)
def test_what_is_no_row_is_named(line: str, said: str) -> None:
    with pytest.raises(BadRequirements) as refused:
        parse(text_of(ROW) + line)
    assert str(refused.value).startswith(said)


def test_a_part_has_one_row_and_a_standard_one_version() -> None:
    with pytest.raises(BadRequirements) as refused:
        parse(text_of(ROW, ROW, about(ROW, version="7.1")))
    assert str(refused.value).splitlines() == [
        "requirements.csv: NERC CIP-007-6 R4 Part 4.3 has two rows",
        "requirements.csv: CIP-007 is there in versions 6 and 7.1",
    ]


def test_a_requirement_without_parts_and_an_attachment_have_sources_of_their_own() -> None:
    rows = (about(ROW, requirement="R3", part=""), about(ROW, requirement="R2", part="Attachment 1 Section 3.1"))
    assert [row.source for row in parse(text_of(*rows)).rows] == [
        "NERC CIP-007-6 R3",
        "NERC CIP-007-6 R2 Attachment 1 Section 3.1",
    ]
