"""Limits that loosened or tightened, at whatever time: nothing is silent, and nothing is said of what stays."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_helpers import DISPATCH, MANY, at, loaded

from dermscore.dispatch.limits import Limit
from dermscore.model import Now
from dermscore.policy import Policy
from dermscore.policy.difference.change import Change, Kind
from dermscore.policy.difference.limits import limit_changes
from dermscore.policy.limits import LimitRule
from dermscore.policy.tightness import tightens, tightest
from dermscore.policy.windows import When, Window

FULL: Final = (
    DISPATCH
    + """
limits:
  - {paths: [feeder/F1], export_limit_w: 6.0e6, soc_reserve_pct: 20, reason: agreement}
  - paths: [feeder/F1]
    export_limit_w: 4.0e6
    windows: [{days: [mon, tue, wed, thu, fri], begins: 16:00, ends: 21:00, zone: Europe/Berlin}]
    reason: evening
"""
)
BEGIN_MS: Final = 1_773_964_800_000  # a week before the clocks of Europe go forward
hours = st.integers(0, 24).map(lambda hour: BEGIN_MS + hour * 21 * 3_600_000)
windows = st.builds(
    Window,
    st.sampled_from(["UTC", "Europe/Berlin"]),
    st.sampled_from([frozenset({0}), frozenset(range(5)), frozenset({5, 6}), frozenset(range(7))]),
    st.sampled_from([0, 360, 960]),
    st.sampled_from([120, 480, 1440]),
)
amounts = st.none() | st.integers(0, 2).map(float)
rules = st.builds(
    LimitRule,
    st.just("limits"),
    st.sampled_from([("a",), ("a", "b"), ("",)]),
    st.builds(Limit, st.just(""), st.just(""), export_limit_w=amounts, soc_min_pct=amounts),
    st.builds(When, st.none() | hours, st.none() | hours, st.lists(windows, max_size=2).map(tuple)),
)
sets = st.lists(rules, max_size=4).map(tuple)


def policy(limits: tuple[LimitRule, ...]) -> Policy:
    return replace(loaded(), limits=limits)


def counting(limits: tuple[LimitRule, ...], node: str, name: str, now: Now) -> float | None:
    """What counts at a node, rule by rule."""
    found = [getattr(rule.amounts, name) for rule in limits if node in rule.nodes and rule.when.holds(now)]
    return tightest(name, [value for value in found if value is not None])


@MANY
@given(sets, sets, st.lists(st.integers(-100, 30_000), min_size=1, max_size=8))
def test_every_limit_that_differs_at_any_time_is_told_and_none_that_does_not(
    old: tuple[LimitRule, ...], new: tuple[LimitRule, ...], minutes: list[int]
) -> None:
    changes = [*limit_changes(policy(old), policy(new))]
    told = [(change.kind, change.standing) for change in changes if change.standing]
    for now in (at(BEGIN_MS + minute * 60_000) for minute in minutes):
        for node in ("", "a", "b"):
            for name in ("export_limit_w", "soc_min_pct"):
                before, after = counting(old, node, name, now), counting(new, node, name, now)
                mine = [(k, one) for k, one in told if (one.node, one.amount) == (node, name) and one.when.holds(now)]
                assert bool(mine) is (before != after)
                for kind, one in mine:
                    assert (one.before, one.after) == (before, after)
                    assert kind is (Kind.TIGHTER if tightens(name, before, after) else Kind.LOOSER)
                assert len(mine) <= 1


@MANY
@given(sets)
def test_the_order_of_limits_changes_none(limits: tuple[LimitRule, ...]) -> None:
    assert [*limit_changes(policy(limits), policy(limits[::-1]))] == []


def said(old: str, new: str) -> list[tuple[Kind, str]]:
    assert old in FULL
    changes: list[Change] = [*limit_changes(loaded(dispatch=FULL), loaded(dispatch=FULL.replace(old, new)))]
    return [(change.kind, change.words) for change in changes]


EVENINGS: Final = "16:00 to 21:00 Europe/Berlin"
EDGE: Final = "feeder/F1: export_limit_w, where agents have lost the headend"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (  # what was held in the evening already is told neither as tightened nor as loosened
            "ends: 21:00",
            "ends: 20:00",
            [(Kind.LOOSER, "mon tue wed thu fri 20:00 to 21:00 Europe/Berlin: 6 MW; it was 4 MW")],
        ),
        ("thu, fri]", "thu]", [(Kind.LOOSER, f"fri {EVENINGS}: 6 MW; it was 4 MW")]),
        ("4.0e6", "6.0e6", [(Kind.LOOSER, f"mon tue wed thu fri {EVENINGS}: 6 MW; it was 4 MW")]),
        ("4.0e6", "8.0e6", [(Kind.LOOSER, f"mon tue wed thu fri {EVENINGS}: 6 MW; it was 4 MW")]),
        ("4.0e6", "3.0e6", [(Kind.TIGHTER, f"mon tue wed thu fri {EVENINGS}: 3 MW; it was 4 MW")]),
        (
            "    reason: evening",
            "    not_after: 2026-12-31T22:59:59Z\n    reason: evening",
            [(Kind.LOOSER, f"mon tue wed thu fri {EVENINGS}, after 2026-12-31T22:59:59Z: 6 MW; it was 4 MW")],
        ),
        (
            "    windows: [{days: [mon, tue, wed, thu, fri], begins: 16:00, ends: 21:00, zone: Europe/Berlin}]\n",
            "",
            [
                (
                    Kind.TIGHTER,
                    "mon tue wed thu 21:00 to 16:00, fri 21:00 to mon 16:00 Europe/Berlin: 4 MW; it was 6 MW",
                ),
                (Kind.TIGHTER, "where agents have lost the headend: 4 MW; it was 6 MW"),
            ],
        ),
        ("reason: evening", "reason: another", []),
        (
            "reason: agreement}",
            "reason: agreement}\n  - {paths: [feeder/F1], export_limit_w: 9.0e6, reason: thermal}",
            [],
        ),
    ],
)
def test_only_what_counts_is_told(old: str, new: str, expected: list[tuple[Kind, str]]) -> None:
    assert said(old, new) == [(kind, f"feeder/F1: export_limit_w, {words}") for kind, words in expected]


def test_a_limit_that_goes_by_a_clock_is_lost_to_the_edge_though_it_always_holds() -> None:
    always = "windows: [{begins: 00:00, ends: 24:00, zone: UTC}]"
    assert said("reason: agreement}", f"{always}, reason: agreement}}") == [
        (Kind.LOOSER, f"{EDGE}: no limit; it was 6 MW"),
    ]


def test_what_is_too_much_to_compare_is_told_as_loosened() -> None:
    zones = ["UTC", "Europe/London", "Europe/Paris", "America/New_York", "Asia/Tokyo"]
    more = ", ".join(f"{{days: [mon, tue, wed, thu, fri], begins: 16:00, ends: 21:00, zone: {zone}}}" for zone in zones)
    ((kind, words),) = said("zone: Europe/Berlin}]", f"zone: Europe/Berlin}}, {more}]")
    assert kind is Kind.LOOSER
    assert "feeder/F1: export_limit_w: its windows go by 6 clocks, too many to compare" in words
