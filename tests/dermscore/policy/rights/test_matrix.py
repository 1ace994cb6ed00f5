"""The matrix is what `authorize` says, of everybody and at every path, power and time."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from policy_helpers import GATEWAY, LOOPBACK, MANY, at, loaded, paths, policies, powers

from dermscore.policy import Action, Allowed, Policy, Principal, Role
from dermscore.policy.rights.matrix import Entry, Subject, matrix, principals, roles, subject

far = paths | st.sampled_from(["x", "a/x", "a/b/x/y"])
times = st.integers(-1, 7)


def cell(entries: list[Entry], who: str, action: str, path: str) -> Entry:
    """The one entry that has the answer."""
    (entry,) = [
        each for each in entries if (each.subject.name, each.action) == (who, action) and each.region.holds(path)
    ]
    return entry


@MANY
@given(policies(), st.sampled_from(Action), far, powers, times)
def test_every_cell_agrees_with_authorize(policy: Policy, action: Action, path: str, w: float | None, now: int) -> None:
    entries = matrix(policy, principals(policy))
    for who in policy.members:
        (span,) = [span for span in cell(entries, who, action, path).spans if span.holds(now)]
        verdict = policy.authorize(policy.principal(who), action, path, w, now=at(now))
        assert span.allows(w) is isinstance(verdict, Allowed)
        if isinstance(verdict, Allowed) and w is None:
            assert verdict.rule in span.rules
        if not isinstance(verdict, Allowed) and span.most_w is None:
            bounded = {
                rule.place for rule in policy.forbids if rule.max_w is not None
            }  # may strike before the outright
            assert verdict.rule in (*span.rules, *bounded, "") or not span.rules


@MANY
@given(policies(), st.sampled_from(Action), far, powers, times)
def test_a_role_alone_is_listed_as_a_principal_with_only_that_role(
    policy: Policy, action: Action, path: str, w: float | None, now: int
) -> None:
    entries = matrix(policy, roles())
    for role in Role:
        alone = Policy({GATEWAY: frozenset({role})}, {GATEWAY: ("",)}, policy.grants, policy.forbids, {}, "")
        verdict = alone.authorize(Principal(GATEWAY, frozenset({role})), action, path, w, now=at(now))
        (span,) = [span for span in cell(entries, role, action, path).spans if span.holds(now)]
        assert span.allows(w) is isinstance(verdict, Allowed)


def test_the_spans_of_an_entry_name_their_rules() -> None:
    policy = loaded()
    entries = matrix(policy, principals(policy))
    assert [(span.most_w, span.rules) for span in cell(entries, LOOPBACK, "view", "x").spans] == [
        (math.inf, ("grants[0]",))
    ]
    before, during, after = cell(entries, GATEWAY, "dispatch", "feeder/F1/site/S9/roof").spans
    assert (before.most_w, before.from_ms, before.rules) == (5e6, None, ("grants[1]",))
    assert (during.most_w, during.rules) == (None, ("forbids[0]",))
    assert (after.most_w, after.from_ms, after.until_ms) == (5e6, during.until_ms, None)
    (elsewhere,) = cell(entries, GATEWAY, "dispatch", "feeder/F1/site/S1").spans
    assert elsewhere.most_w == 5e6
    (outside,) = cell(entries, GATEWAY, "view", "market").spans
    assert (outside.most_w, outside.rules) == (None, ())


def test_whom_the_policy_does_not_know_has_no_right() -> None:
    policy = loaded()
    nobody = subject(policy, "urn:derms:agent:a")
    assert nobody == Subject("urn:derms:agent:a", frozenset(), ())
    assert {span.most_w for entry in matrix(policy, [nobody]) for span in entry.spans} == {None}
