"""The library's reference tells every public name, once, in the words of the code."""

from __future__ import annotations

import re

import dermscore
from tests.docs.reference import PAGE, made, names_of


def test_every_public_name_is_told_once() -> None:
    told = names_of(PAGE.read_text("utf-8"))
    assert sorted(told) == sorted(dermscore.__all__)


def test_the_page_has_the_words_of_the_code() -> None:
    page = PAGE.read_text("utf-8")
    assert made(page) == page, "write it again: .venv/bin/python -m tests.docs.reference"


def test_every_public_name_has_a_docstring_of_its_own() -> None:
    bare = [name for name in dermscore.__all__ if not words(name) or words(name).startswith(f"{name}(")]
    assert bare == []  # a dataclass without one is given its signature


def test_every_link_within_the_page_has_its_heading() -> None:
    page = PAGE.read_text("utf-8")
    headings = {re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in titles(page)}
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) <= headings


def words(name: str) -> str:
    return (getattr(dermscore, name).__doc__ or "").strip()


def titles(page: str) -> list[str]:
    return re.findall(r"^#+ (.*)$", page, re.M)
