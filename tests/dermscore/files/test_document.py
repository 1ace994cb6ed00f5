"""Where a place of a document stands, and how its path is written."""

from __future__ import annotations

from dermscore.files.document import Document, written
from dermscore.files.yamlfile import load


def test_a_problem_where_nothing_stands_is_on_the_line_of_what_should_hold_it() -> None:
    document = load("a: 1\nb:\n  c: 2\n", "f.yaml")
    assert str(document.problem(("b", "d", 3, "e"), "x")) == "f.yaml:2: b.d[3].e: x"
    assert str(Document(None, "f.yaml", {}).problem((), "x")) == "f.yaml:1: x"


def test_a_path_is_written_as_people_write_it() -> None:
    assert written(()) == ""
    assert written(("assets", 3, "max_mw")) == "assets[3].max_mw"
    assert written(("a", "b c", "d")) == 'a["b c"].d'
    assert written((0, "a")) == "[0].a"
