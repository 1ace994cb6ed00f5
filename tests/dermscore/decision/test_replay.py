"""Past decisions under another policy: nothing where nothing differs, and every difference in words."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dermscore.decision.log import lines, read
from dermscore.decision.replay import Past, Replayed, differing, replay
from dermscore.decision.request import Decision, Declined, DeclineKind, Facts, Granted, Part, Request
from dermscore.policy import Policy, Program
from tests.dermscore.decision.deciding import (
    FLEET,
    MW,
    NOW,
    S1,
    ask,
    decided,
    facts,
    intent,
    limit,
    policy,
    requests,
    rule,
    some_facts,
    some_policies,
)

MANY: Final = settings(max_examples=2000 if os.environ.get("DERMS_SOAK") == "1" else 60, deadline=None)


def past(request: Request, known: Facts | None = None, under: Policy | None = None) -> Past:
    known = known or facts()
    return Past(NOW, request, known, decided(request, known, under))


def said(one: Past, under: Policy) -> list[str]:
    (difference,) = replay([one], under).differences
    return list(difference.words)


@MANY
@given(st.lists(st.tuples(requests, some_facts()), max_size=4), some_policies())
def test_the_same_policy_decides_the_same(asked: list[tuple[Request, Facts]], under: Policy) -> None:
    log = [past(request, known, under) for request, known in asked]
    assert replay(read(lines(log), "log"), under) == Replayed(len(log), ())


@MANY
@given(requests, some_facts(), some_policies(), some_policies())
def test_a_difference_is_told_wherever_there_is_one(request: Request, known: Facts, old: Policy, new: Policy) -> None:
    one = past(request, known, old)
    after = decided(request, known, new)
    found = replay([one], new).differences
    if type(after) is not type(one.decision):
        assert found
    if replace(after, digest="") == replace(one.decision, digest=""):
        assert not found
    for difference in found:
        assert (difference.request, difference.before, difference.after) == (request, one.decision, after)
        assert difference.words


def test_a_grant_that_is_declined_says_why() -> None:
    assert said(past(ask(20.0)), policy(grants=[rule("dispatch", most_mw=5)], digest="cd")) == [
        "granted (20 MW placed) then, declined (denied: 20,000,000 W is more than the 5,000,000 W granted at the whole "
        "fleet) now"
    ]


def test_what_was_declined_and_is_granted_says_how_much() -> None:
    one = past(ask(60.0, S1), under=policy(grants=[rule("release")]))
    assert said(one, policy()) == [
        "declined (denied: no grant lets OPERATOR dispatch at feeder/F1/site/S1) then, granted (50 MW placed, 10 MW "
        "short) now"
    ]


def test_another_reason_to_decline_is_a_difference() -> None:
    one = past(ask(40.0, "A"))
    (words,) = said(one, policy(grants=[]))
    assert words.startswith("declined then (limits: 40 MW is above the rating of Asset A, 30 MW), and now for another")
    assert words.endswith("reason (denied: no grant lets OPERATOR dispatch at feeder/F1/site/S1)")


def test_other_setpoints_are_told_asset_by_asset() -> None:
    words = said(past(ask(20.0, S1)), policy(limits=[limit("A", export=3)]))
    assert words == [
        "Asset A: 12 MW then, 3 MW now (limits[A]: agreed: export 3 MW)",
        "Asset B: 8 MW then, 17 MW now (takes 9 MW because others are bound)",
    ]


def test_another_shortfall_is_told_with_what_stands_against_it() -> None:
    words = said(past(ask(20.0, S1)), policy(limits=[limit(S1, export=10)]))
    assert "placed: 20 MW then, 10 MW now" in words
    assert "shortfall: 0 W then, 10 MW now" in words
    assert any(each.startswith("what stands against it: nothing then, limits[") for each in words)


def test_another_end_is_told() -> None:
    longer = policy(programs=[Program("operator", 5, 1200)])
    assert said(past(ask(20.0, S1, duration_s=None)), longer) == [
        "ends 2030-03-17T17:56:40.000Z then, 2030-03-17T18:06:40.000Z now"
    ]


def test_a_release_that_is_declined_is_told() -> None:
    known = facts(holding=[intent("A", 5)])
    assert said(past(ask(None, S1), known), policy(grants=[])) == [
        "granted (1 released) then, declined (denied: no grant lets OPERATOR release at feeder/F1/site/S1) now"
    ]
    assert said(past(ask(None, S1)), policy(grants=[]))[0].startswith("granted (program operator holds nothing there)")


A, B = (Part(name, 5 * MW, 0.0, 5 * MW, False, "capacity share") for name in "AB")
BOTH: Final = Granted((A, B), NOW.utc_ms, "ab", 10 * MW, 0.0)


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (replace(BOTH, digest="cd"), []),
        (replace(BOTH, parts=(B, A)), []),
        (replace(BOTH, parts=(A,)), ["Asset B: 5 MW then, nothing asked now"]),
        (
            replace(BOTH, parts=(A, B, replace(A, asset_id="C"))),
            ["Asset C: nothing asked then, 5 MW now (capacity share)"],
        ),
        (
            replace(BOTH, parts=(A, replace(B, asset_id="gone"))),
            ["Asset B: 5 MW then, nothing asked now", "gone: nothing asked then, 5 MW now (capacity share)"],
        ),
        (
            replace(BOTH, parts=(A, replace(B, setpoint_w=None, cause="left out: Asset B is not connected"))),
            ["Asset B: 5 MW then, released now (left out: Asset B is not connected)"],
        ),
        (
            replace(BOTH, parts=(A, replace(B, raw_w=6 * MW, clamped=True, cause="its rating of 5 MW"))),
            ["Asset B: 5 MW as then, for another reason (capacity share then, its rating of 5 MW now)"],
        ),
        (replace(BOTH, parts=(A, replace(B, raw_w=6 * MW))), ["Asset B: 5 MW as then, of a share of 6 MW"]),
        (replace(BOTH, parts=(A, replace(B, setpoint_w=5 * MW + 1e-9)), placed_w=10 * MW - 1e-9), []),
        (replace(BOTH, reason="why not"), ["said of it: nothing then, why not now"]),
        (replace(BOTH, placed_w=None), ["placed: 10 MW then, nothing now"]),
    ],
)
def test_every_way_in_which_two_grants_differ_has_its_words(after: Decision, words: list[str]) -> None:
    assert list(differing(BOTH, after, FLEET)) == words


def test_the_same_refusal_is_no_difference() -> None:
    no = Declined(DeclineKind.LATE, "too late", "ab")
    assert list(differing(no, replace(no, digest="cd"), FLEET)) == []


def test_a_difference_prints_when_who_what_and_where() -> None:
    (found,) = replay([past(ask(20.0))], policy(grants=[])).differences
    assert str(found).splitlines() == [
        "2030-03-17T17:46:40.000Z r: http:loopback asked for 20 MW at the whole fleet",
        f"  {found.words[0]}",
    ]
    (found,) = replay([past(ask(None, "A"))], policy(grants=[])).differences
    assert "asked for a release at A\n" in str(found)


def test_each_decision_is_taken_on_its_own_facts() -> None:
    """The second was taken while the first held A; without the first it would have been another, and is not."""
    second = past(ask(None, "A"), facts(holding=[intent("A", 5)]))
    found = replay([past(ask(5.0, "A")), second], policy(grants=[rule("release")]))
    assert (found.decisions, len(found.differences)) == (2, 1)
