"""Regions tell every path's answer, each path in exactly one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from policy_helpers import MANY, paths

from dermscore.policy.rights.regions import Part, Scope, regions

far = st.lists(st.sampled_from(["a", "b", "aa", "x"]), max_size=4).map("/".join)


def answers(path: str, below: bool, marks: dict[str, int]) -> int:
    """The answer of the nearest mark above; one that is odd counts for its path alone."""
    own = {mark: value for mark, value in marks.items() if value % 2 == 0 or (mark == path and not below)}
    while path not in own and path:
        path = path.rpartition("/")[0]
    return own.get(path, 0)


@MANY
@given(st.dictionaries(paths, st.integers(0, 4), max_size=5), far)
def test_each_path_is_in_one_region_which_has_its_answer(marks: dict[str, int], path: str) -> None:
    found = regions(marks, lambda path, below: answers(path, below, marks))
    (mine,) = [region for region in found if region.holds(path)]
    assert mine.answer == answers(path, False, marks)
    assert sum(part.holds(path) for part in mine.parts) == 1
    assert len({region.answer for region in found}) == len(found)


def test_a_region_reads_as_a_sentence_ends() -> None:
    assert str(Part("", Scope.ALL)) == "everywhere"
    assert str(Part("", Scope.NODE)) == "at the whole fleet as a whole"
    assert str(Part("", Scope.REST)) == "below the whole fleet"
    assert str(Part("a", Scope.NODE)) == "at a itself"
    assert str(Part("a", Scope.ALL, ("a/c",), ("a/b",))) == "at and below a (except at a/b itself, a/c)"
    (region,) = regions(["a"], lambda path, below: None)
    assert str(region) == "everywhere"
    apart = regions(["a/b"], lambda path, below: path == "a/b")
    assert [str(region) for region in apart] == ["everywhere (except at a/b)", "at and below a/b"]
    spread = regions(["a/b"], lambda path, below: path == "a" and not below)
    assert [str(region) for region in spread] == ["everywhere (except at a itself)", "at a itself"]
