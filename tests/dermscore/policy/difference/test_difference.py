"""The difference of two policies: empty where they mean the same, and complete where they do not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from policy_helpers import ACCESS, DISPATCH, GATEWAY, MANY, at, loaded, pairs, paths, policies, powers

from dermscore.policy import Action, Allowed, Policy
from dermscore.policy.difference import difference
from dermscore.policy.difference.change import Kind

FULL = (
    DISPATCH
    + """
  vpp: {primacy: 7, max_duration_s: 60, market: true, paths: [feeder/F1], defaults: {feeder/F1: {ExpLimW: 5.0e6}}}
limits:
  - {paths: [feeder/F1], export_limit_w: 6.0e6, soc_reserve_pct: 20, reason: agreement}
  - {paths: [feeder/F1], export_limit_w: 8.0e6, reason: thermal}
rebounds:
  - {paths: [feeder/F1], ramp_w_per_s: 50000, lasts_s: 900, reason: not at once}
  - {paths: [/], load_limit_w: 1, lasts_s: 900, after: [LoadLimW], reason: cold load}
"""
)


def said(old: Policy, new: Policy) -> list[tuple[Kind, str]]:
    return [(change.kind, change.words) for change in difference(old, new)]


@MANY
@given(policies())
def test_a_policy_does_not_differ_from_itself(policy: Policy) -> None:
    assert difference(policy, replace(policy)) == []


@MANY
@given(pairs())
def test_there_are_changes_where_and_only_where_the_digests_differ(both: tuple[Policy, Policy]) -> None:
    old, new = both
    assert bool(difference(old, new)) is (old.digest != new.digest)
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
    assert sum(change.kind is Kind.MORE for change in there) == sum(change.kind is Kind.LESS for change in back)
    assert sum(change.kind is Kind.LOOSER for change in there) == sum(change.kind is Kind.TIGHTER for change in back)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "max_w: 5.0e6, ",
            "max_w: 8.0e6, not_before: 2026-06-01T00:00:00Z, ",
            [
                (
                    Kind.LESS,
                    f"{GATEWAY} may not dispatch any more everywhere until 2026-06-01T00:00:00Z; it was up to 5 MW",
                ),
            ],
        ),
        (
            "max_w: 5.0e6, ",
            "",
            [(Kind.MORE, f"{GATEWAY} may dispatch any power everywhere; it was up to 5 MW")],
        ),
        (
            "roles: [VIEWER]}",
            "roles: [SECAUD]}",
            [
                (Kind.LESS, "http:loopback may not view any more everywhere"),
                (Kind.WRITTEN, "http:loopback: SECAUD within the whole fleet; it was: VIEWER within the whole fleet"),
            ],
        ),
        ("contract 7", "contract 8", [(Kind.WRITTEN, "grants[1] differs in reason: contract 8")]),
        (
            "  - {id: http:loopback, roles: [VIEWER]}",
            "",
            [
                (Kind.LESS, "http:loopback may not view any more everywhere"),
                (Kind.WRITTEN, "http:loopback: unknown; it was: VIEWER within the whole fleet"),
            ],
        ),
    ],
)
def test_changes_of_access_in_words(old: str, new: str, expected: list[tuple[Kind, str]]) -> None:
    whole = ACCESS.replace("areas: [feeder]", "areas: [/]").replace("paths: [feeder/F1]", "paths: [/]")
    whole = whole.partition("forbids:")[0]
    assert old in whole
    found = said(loaded(whole), loaded(whole.replace(old, new)))
    assert [each for each in found if each in expected] == expected


def test_a_bound_that_comes_says_what_it_was() -> None:
    free = loaded(ACCESS.replace("max_w: 5.0e6, ", ""))
    words = [text for kind, text in said(free, loaded()) if kind is Kind.LESS]
    assert any("may dispatch up to 5 MW" in text and text.endswith("it was without a bound") for text in words)
    gone = [
        text
        for kind, text in said(free, loaded(ACCESS.partition("  - {roles: [OPERATOR], act")[0]))
        if kind is Kind.LESS
    ]
    assert any("may not dispatch any more" in text and "it was" not in text for text in gone)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "export_limit_w: 6.0e6, ",
            "export_limit_w: 7.0e6, ",
            [(Kind.LOOSER, "feeder/F1: export_limit_w, always: 7 MW; it was 6 MW")],
        ),
        (
            "soc_reserve_pct: 20",
            "soc_reserve_pct: 30, not_after: 2026-12-31T00:00:00Z",
            [
                (Kind.TIGHTER, "feeder/F1: soc_reserve_pct, to 2026-12-31T00:00:00Z: 30 %; it was no limit"),
                (Kind.LOOSER, "feeder/F1: soc_reserve_pct, always: no limit; it was 20 %"),
            ],
        ),
        (
            "soc_reserve_pct: 20",
            "soc_reserve_pct: 10",
            [(Kind.LOOSER, "feeder/F1: soc_reserve_pct, always: 10 %; it was 20 %")],
        ),
        (
            "50000",
            "60000",
            [(Kind.LOOSER, "feeder/F1: ramp_w_per_s, for 900 s after a curtailment: 60 kW/s; it was 50 kW/s")],
        ),
        (
            "load_limit_w: 1,",
            "load_limit_w: 0,",
            [
                (Kind.TIGHTER, "the whole fleet: load_limit_w, for 900 s after an end of LoadLimW: 0 W; it was 1 W"),
                (Kind.WRITTEN, "rebounds[1] differs in amounts: cold load"),
            ],
        ),
        (
            "scada: {primacy: 1",
            "scada: {primacy: 7",
            [
                (Kind.PROGRAM, "scada: primacy 7; it was: primacy 1"),
                (Kind.PROGRAM, "scada and vpp rank alike; before, scada outranks vpp"),
            ],
        ),
        (
            "vpp: {primacy: 7",
            "vpp: {primacy: 11",
            [(Kind.PROGRAM, "default outranks vpp; before, vpp outranks default")],
        ),
        (
            "{ExpLimW: 5.0e6}",
            "{ExpLimW: 4.0e6, Connect: false}",
            [
                (Kind.PROGRAM, "vpp: default Connect false at feeder/F1; it was: no default Connect at feeder/F1"),
                (Kind.PROGRAM, "vpp: default ExpLimW 4 MW at feeder/F1; it was: default ExpLimW 5 MW at feeder/F1"),
            ],
        ),
        ("market: true, ", "", [(Kind.PROGRAM, "vpp: no market; it was: a market")]),
        (
            "  scada: {primacy: 1, max_duration_s: 900}\n",
            "  scada: {primacy: 1, max_duration_s: 900}\n  hmi: {primacy: 2, max_duration_s: 60}\n",
            [
                (
                    Kind.PROGRAM,
                    "hmi is new: primacy 2; 60 s at most; what was superseded stays over; no market; "
                    "runs at the whole fleet; described as ''",
                )
            ],
        ),
        ("thermal", "heat", [(Kind.WRITTEN, "limits[1] differs in reason: heat")]),
    ],
)
def test_changes_of_dispatch_in_words(old: str, new: str, expected: list[tuple[Kind, str]]) -> None:
    assert old in FULL
    found = said(loaded(dispatch=FULL), loaded(dispatch=FULL.replace(old, new)))
    assert sorted(each for each in found if each in expected) == sorted(expected)
    assert found, "whatever is written otherwise is told"


def test_a_programme_that_is_gone() -> None:
    words = [text for _, text in said(loaded(dispatch=FULL), loaded())]
    assert any(text.startswith("vpp is gone: primacy 7; 60 s at most") for text in words)
    assert "limits[0] is gone: agreement" in words
    assert "rebounds[0] is new: not at once" in [text for _, text in said(loaded(), loaded(dispatch=FULL))]


def test_an_order_is_told() -> None:
    policy = loaded(dispatch=FULL)
    first, second = policy.limits
    turned = replace(
        policy, limits=(replace(second, place="limits[0]"), replace(first, place="limits[1]")), digest="another"
    )
    assert said(policy, turned) == [(Kind.WRITTEN, "the limits stand in another order, so verdicts name other places")]


def test_a_principal_without_an_area_is_said_to_have_none() -> None:
    policy = loaded()
    words = [text for _, text in said(policy, replace(policy, areas={}))]
    assert f"{GATEWAY}: OPERATOR within no area; it was: OPERATOR within feeder" in words
