"""Problems carry where, what and the mend; several readings report together."""

from __future__ import annotations

import pytest

from dermscore.errors import BadInput, NotSetUp, Problem, Unreadable, did_you_mean, together


def raising(error: Exception) -> object:
    raise error


def test_a_problem_reads_as_file_line_path_and_words() -> None:
    assert str(Problem("a.yaml:3", "assets[0].max_mw", "is missing")) == "a.yaml:3: assets[0].max_mw: is missing"
    assert str(Problem("a.yaml:3", "", "is empty")) == "a.yaml:3: is empty"


def test_bad_input_says_every_problem() -> None:
    bad = BadInput([Problem("a:1", "", "one"), Problem("a:2", "", "two")])
    assert str(bad) == "a:1: one\na:2: two"
    assert len(bad.problems) == 2


def test_together_gives_both_or_every_problem() -> None:
    one, two = BadInput([Problem("a", "", "one")]), BadInput([Problem("b", "", "two")])
    assert together(lambda: 1, lambda: "x") == (1, "x")
    with pytest.raises(BadInput) as caught:
        together(lambda: raising(one), lambda: raising(two))
    assert [problem.what for problem in caught.value.problems] == ["one", "two"]
    with pytest.raises(BadInput) as caught:
        together(lambda: 1, lambda: raising(two))
    assert [problem.what for problem in caught.value.problems] == ["two"]


def test_together_is_unreadable_where_either_is() -> None:
    with pytest.raises(Unreadable):
        together(lambda: raising(Unreadable([Problem("a", "", "gone")])), lambda: raising(BadInput([])))
    with pytest.raises(NotSetUp):
        together(lambda: raising(NotSetUp("run init")), lambda: 1)


def test_a_near_word_is_suggested_whatever_its_case() -> None:
    assert did_you_mean("max_mW", ["min_mw", "max_mw"]) == "; did you mean 'max_mw'?"
    assert did_you_mean("zzz", ["min_mw"]) == ""
    assert did_you_mean("name", (f"other{number}" for number in range(10_000))) == ""


def test_a_problem_knows_its_line_where_it_has_one() -> None:
    assert Problem("a.yaml:12", "", "x").line == 12
    assert Problem("a.yaml", "", "x").line == 0
    assert Problem("C:/a:b", "", "x").line == 0
