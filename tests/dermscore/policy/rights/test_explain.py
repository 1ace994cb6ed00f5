"""Every rule says why it counts, or does not; and the rules that count make the verdict."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_helpers import GATEWAY, MANY, at, loaded, paths, policies, powers

from dermscore.policy import Action, Allowed, Denied, Policy, Principal
from dermscore.policy.rights.explain import explain

DURING = 1_796_104_800_000  # 2026-12-01T06:00:00Z


@MANY
@given(policies(), st.sampled_from(Action), paths, powers, st.integers(-1, 7))
def test_the_rules_that_apply_make_the_verdict(
    policy: Policy, action: Action, path: str, w: float | None, now: int
) -> None:
    for who in policy.members:
        found = explain(policy, policy.principal(who), action, path, w, now=at(now))
        assert found.verdict == policy.authorize(policy.principal(who), action, path, w, now=at(now))
        applying = [each.place for each in found.looked if each.applies]
        forbids = [place for place in applying if place.startswith("forbids")]
        if isinstance(found.verdict, Allowed):
            assert (applying[0], forbids) == (found.verdict.rule, [])
        elif found.looked:
            assert found.verdict.rule == (applying[0] if forbids else "")
            assert forbids or not applying
            assert len(found.looked) == len(policy.grants) + len(policy.forbids)


def test_each_rule_says_why() -> None:
    policy = loaded()
    bounded = replace(policy.forbids[0], place="forbids[1]", max_w=2e6, not_before_ms=None, not_after_ms=None)
    policy = replace(policy, forbids=(*policy.forbids, bounded))
    who = policy.principal(GATEWAY)

    def says(path: str, w: float | None, now: int = DURING, action: str = "dispatch") -> list[str]:
        return [each.why for each in explain(policy, who, action, path, w, now=at(now)).looked]

    assert says("feeder/F1", 1e6) == [
        "forbids it: under test",
        "forbids only what is above 2 MW",
        "is about view, not dispatch",
        "permits it: contract 7",
    ]
    assert says("feeder/F1", 9e6, DURING - 1) == [
        "does not stand before 2026-12-01T06:00:00Z",
        "forbids what is above 2 MW, or not stated: under test",
        "is about view, not dispatch",
        "permits 5 MW at most",
    ]
    assert says("feeder/F2", None, DURING + 86_400_001) == [
        "is over since 2026-12-02T06:00:00Z",
        "is about feeder/F1/site/S9; no part of that is at or below feeder/F2",
        "is about view, not dispatch",
        "is about feeder/F1, which does not cover the whole of feeder/F2",
    ]
    assert says("feeder/F1", None)[3] == "permits 5 MW at most, and no power is stated"
    viewer = policy.principal("http:loopback")
    looked = explain(policy, viewer, "view", "", now=at(0)).looked
    assert looked[0].why == "is about OPERATOR, not VIEWER"
    assert looked[2].why == "permits it: all see"


@pytest.mark.parametrize(
    ("who", "roles", "action", "path"),
    [
        ("nobody", {"OPERATOR"}, "view", "feeder"),
        (GATEWAY, {"SECADM"}, "view", "feeder"),
        (GATEWAY, {"OPERATOR"}, "x", ""),
    ],
)
def test_no_rule_is_looked_at_where_the_question_is_refused(who: str, roles: set[str], action: str, path: str) -> None:
    found = explain(loaded(), Principal(who, frozenset(roles)), action, path, now=at(0))
    assert isinstance(found.verdict, Denied)
    assert found.looked == ()
