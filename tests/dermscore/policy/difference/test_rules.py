"""What is written otherwise is told key by key, with what it was."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest
from policy_helpers import ACCESS, DISPATCH, GATEWAY, loaded

from dermscore.policy import Policy
from dermscore.policy.difference.rules import written_changes

FULL: Final = (
    DISPATCH
    + """
limits:
  - {paths: [feeder/F1], export_limit_w: 6.0e6, soc_reserve_pct: 20, reason: agreement}
  - {paths: [feeder/F1], export_limit_w: 8.0e6, reason: thermal}
rebounds:
  - {paths: [feeder/F1], ramp_w_per_s: 50000, lasts_s: 900, after: [LoadLimW], reason: not at once}
"""
)


def said(old: Policy, new: Policy) -> list[str]:
    return [change.words for change in written_changes(old, new)]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("contract 7", "contract 8", ["grants[1] differs in reason 'contract 8', it was 'contract 7'"]),
        ("max_w: 5.0e6, ", "", ["grants[1] differs in max_w left out, it was 5 MW"]),
        ("5.0e6", "5.0000001e6", ["grants[1] differs in max_w 5000000.1 W, it was 5 MW"]),
        (
            "[dispatch], paths: [feeder/F1], max_w",
            "[dispatch], paths: [feeder/F1, feeder/F2], max_w",
            ["grants[1] differs in paths feeder/F1, feeder/F2, it was feeder/F1"],
        ),
        (
            "2026-12-02T06:00:00Z, reason: under test",
            "2026-12-02T07:00:00.001Z, reason: tests",
            [
                "forbids[0] differs in not_after 2026-12-02T07:00:00.001Z, it was 2026-12-02T06:00:00Z; "
                "reason 'tests', it was 'under test'"
            ],
        ),
        (
            "forbids:",
            "  - {roles: [VIEWER], actions: [view, report], paths: [/], reason: more}\nforbids:",
            ["grants[2] is new: roles VIEWER; actions report, view; paths the whole fleet; reason 'more'"],
        ),
        (
            "  - {roles: [OPERATOR, VIEWER], actions: [view], paths: [/], reason: all see}\n",
            "",
            ["grants[0] is gone: roles OPERATOR, VIEWER; actions view; paths the whole fleet; reason 'all see'"],
        ),
        (
            "roles: [VIEWER]}",
            "roles: [SECAUD]}",
            ["http:loopback: SECAUD within the whole fleet; it was: VIEWER within the whole fleet"],
        ),
        (
            "  - {id: http:loopback, roles: [VIEWER]}\n",
            "",
            ["http:loopback: unknown; it was: VIEWER within the whole fleet"],
        ),
    ],
)
def test_access_in_words(old: str, new: str, expected: list[str]) -> None:
    assert old in ACCESS
    assert said(loaded(), loaded(ACCESS.replace(old, new))) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("thermal", "heat", ["limits[1] differs in reason 'heat', it was 'thermal'"]),
        (
            "soc_reserve_pct: 20",
            "soc_min_pct: 20, not_before: 2026-01-01T00:00:00Z",
            [
                "limits[0] differs in soc_reserve_pct left out, it was 20 %; soc_min_pct 20 %, it was left out; "
                "when from 2026-01-01T00:00:00Z, it was always"
            ],
        ),
        ("900, after", "901, after", ["rebounds[0] differs in lasts_s 901, it was 900"]),
        ("[LoadLimW]", "[LoadLimW, Connect]", ["rebounds[0] differs in after Connect, LoadLimW, it was LoadLimW"]),
        (
            "  - {paths: [feeder/F1], export_limit_w: 8.0e6, reason: thermal}\n",
            "",
            ["limits[1] is gone: at feeder/F1; export_limit_w 8 MW; when always; reason 'thermal'"],
        ),
    ],
)
def test_dispatch_in_words(old: str, new: str, expected: list[str]) -> None:
    assert old in FULL
    assert said(loaded(dispatch=FULL), loaded(dispatch=FULL.replace(old, new))) == expected


def test_an_order_is_told_though_something_else_changed() -> None:
    policy = loaded(dispatch=FULL)
    first, second = policy.limits
    turned = (replace(second, place="limits[0]"), replace(first, place="limits[1]"))
    another = "the limits stand in another order, so verdicts name other places"
    assert said(policy, replace(policy, limits=turned)) == [another]
    third = replace(first, place="limits[2]", reason="more")
    assert said(policy, replace(policy, limits=(*turned, third)))[1:] == [another]


def test_a_principal_without_an_area_is_said_to_have_none() -> None:
    policy = loaded()
    assert f"{GATEWAY}: OPERATOR within no area; it was: OPERATOR within feeder" in said(
        policy, replace(policy, areas={})
    )
