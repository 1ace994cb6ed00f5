"""The difference of two policies: empty where they mean the same, and complete where they do not."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st
from policy_helpers import MANY, at, pairs, paths, policies, powers

from dermscore.policy import Action, Allowed, Policy
from dermscore.policy.difference import Change, Kind, difference


@MANY
@given(policies())
def test_a_policy_does_not_differ_from_itself(policy: Policy) -> None:
    assert difference(policy, replace(policy)) == []


@MANY
@given(pairs())
def test_there_are_changes_where_and_only_where_the_digests_differ(both: tuple[Policy, Policy]) -> None:
    old, new = both
    words = [change.words for change in difference(old, new)]
    assert bool(words) is (old.digest != new.digest)
    assert len(set(words)) == len(words), "each is told once"
    figures = [each.partition("; it was ") for each in words]
    assert not [after for after, _, before in figures if before and after.endswith(f" {before}")]
    assert (replace(old, digest="") == replace(new, digest="")) is (old.digest == new.digest)


@MANY
@given(pairs(), st.sampled_from(Action), paths | st.just("a/x"), powers, st.integers(-1, 7))
def test_every_verdict_that_differs_is_covered(
    both: tuple[Policy, Policy], action: Action, path: str, w: float | None, now: int
) -> None:
    old, new = both
    rights = [(change.kind, change.right) for change in difference(old, new) if change.right]
    for who in {*old.members, *new.members}:
        before, after = (
            isinstance(each.authorize(each.principal(who), action, path, w, now=at(now)), Allowed)
            for each in (old, new)
        )
        mine = [
            (kind, right.moved)
            for kind, right in rights
            if (right.who, right.action) == (who, action) and right.region.holds(path) and right.moved.after.holds(now)
        ]
        assert len(mine) <= 1
        if before != after:
            ((kind, moved),) = mine
            assert (moved.before.allows(w), moved.after.allows(w)) == (before, after)
            assert kind is (Kind.MORE if after else Kind.LESS)


@MANY
@given(pairs())
def test_the_way_back_is_the_same_the_other_way_round(both: tuple[Policy, Policy]) -> None:
    old, new = both
    assume(old.digest != new.digest)
    there, back = difference(old, new), difference(new, old)
    assert [change.right.moved.before for change in there if change.right] == [
        change.right.moved.after for change in back if change.right
    ]
    assert _number(there, Kind.MORE) == _number(back, Kind.LESS)
    # What does both, as a programme that moved elsewhere, is told as looser either way.
    for one, other in ((there, back), (back, there)):
        assert _number(one, Kind.TIGHTER) <= _number(other, Kind.LOOSER)


def _number(changes: list[Change], kind: Kind) -> int:
    return sum(change.kind is kind for change in changes)
