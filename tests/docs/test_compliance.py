"""The analyst's pages name commands, parts and pages that there are, and promise nothing in anybody's name."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from audit.evidence.requirements import PARTS
from daemon.cli import main
from tests.docs.pages import ROOT

FOLDER = ROOT / "docs" / "compliance"
PAGES = sorted(FOLDER.glob("*.md"))
COMMAND = re.compile(r"`derms ((?:[a-z-]+ ?)+)")
OPTION = re.compile(r"`derms (?P<words>(?:[a-z-]+ )+)(?P<rest>[^`]*)`")
LINK = re.compile(r"\]\((?!https?:)(?P<page>[^)#]*)(?:#(?P<heading>[^)]*))?\)")
NOT_YET = "(not built yet)"


def found(words: str) -> click.Command | None:
    """The command of these words, or None; a word behind a command that has no commands is an argument."""
    at: click.Command | None = main
    for word in words.split():
        if not isinstance(at, click.Group):
            break
        at = at.get_command(click.Context(at), word)
    return at if at is not main else None


def anchors(text: str) -> set[str]:
    """The headings of a page as links name them."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_is_named_is_there_or_said_not_to_be(page: Path) -> None:
    lines = page.read_text("utf-8").splitlines()
    named = [(command[1], NOT_YET in line) for line in lines for command in COMMAND.finditer(line)]
    missing = [words for words, not_yet in named if not not_yet and found(words) is None]
    there = [words for words, not_yet in named if not_yet and found(words) is not None]
    assert (missing, there) == ([], []), f"name what there is; take {NOT_YET!r} away from what has come to be"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_option_that_is_named_is_the_commands(page: Path) -> None:
    for used in OPTION.finditer(page.read_text("utf-8")):
        command = found(used["words"])
        options = {spelling for each in command.params for spelling in each.opts} if command else set()
        assert set(re.findall(r"(?<!\S)--[a-z-]+", used["rest"])) <= options, used[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.finditer(page.read_text("utf-8")):
        there = (page.parent / link["page"]).resolve() if link["page"] else page
        assert there.is_file(), link[0]
        assert link["heading"] is None or link["heading"] in anchors(there.read_text("utf-8")), link[0]


def test_every_part_of_an_evidence_file_is_explained() -> None:
    page = (FOLDER / "README.md").read_text("utf-8").split("## The parts of an evidence file")[1]
    assert re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE) == list(PARTS)


def test_every_line_of_the_principles_and_of_what_it_never_is_is_answered() -> None:
    named = re.findall(r"^\| ([PN]\d+) \|", (FOLDER / "scope.md").read_text("utf-8"), re.MULTILINE)
    assert named == [f"P{at}" for at in range(1, 13)] + [f"N{at}" for at in range(1, 5)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_says_that_anything_is_compliant(page: Path) -> None:
    text = page.read_text("utf-8").lower()
    assert not re.search(r"\bcompliant\b|\bcertification\b|\bcertifies\b|\bis certified\b", text)
