"""Programmes: their defaults, where they run, and one market for each place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_helpers import DISPATCH, MANY, at, loaded, paths, problems

from dermscore.dispatch import arbitrate
from dermscore.dispatch.modes import Mode
from dermscore.errors import BadInput
from dermscore.model import covers

MARKETS = (
    DISPATCH
    + """
  day_ahead:
    primacy: 6
    max_duration_s: 3600
    market: true
    on_supersede: resume
    paths: [feeder/F1, feeder/F2]
    defaults: {feeder/F1: {ExpLimW: 5, Connect: true, VoltVar: curve-1}}
  reserve: {primacy: 7, max_duration_s: 60, market: true, paths: [feeder/F3, feeder/F4]}
"""
)


def test_a_programme_has_its_place_and_its_defaults() -> None:
    policy = loaded(dispatch=MARKETS)
    market = policy.programs["day_ahead"]
    assert (market.market, market.on_supersede, market.paths) == (True, "resume", ("feeder/F1", "feeder/F2"))
    assert market.defaults == {"feeder/F1": {Mode.EXP_LIM_W: 5.0, Mode.CONNECT: True, Mode.VOLT_VAR: "curve-1"}}
    assert market.refusal("feeder/F1/site/S1") is None
    assert market.refusal("feeder") == "program day_ahead runs at feeder/F1, feeder/F2 only, not at feeder"
    assert market.refusal("") == "program day_ahead runs at feeder/F1, feeder/F2 only, not at the whole fleet"
    assert policy.programs["scada"].refusal("") is None
    assert policy.market_at("feeder/F3/site/S5") == policy.programs["reserve"]
    assert policy.market_at("feeder/F5") is None


def test_its_defaults_stand_where_no_event_does() -> None:
    controls = arbitrate(loaded(dispatch=MARKETS).programs, (), at(0))
    standing = controls.at("feeder/F1", Mode.EXP_LIM_W)
    assert standing is not None
    assert (standing.value, standing.program) == (5.0, "day_ahead")


def test_five_and_five_point_nothing_mean_the_same() -> None:
    assert loaded(dispatch=MARKETS).digest == loaded(dispatch=MARKETS.replace("ExpLimW: 5,", "ExpLimW: 5.0,")).digest


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "feeder/F3, feeder/F4",
            "feeder/F3, feeder/F2/site/S1",
            "dispatch.yaml:14: programs.reserve.paths[1]: market programmes must not overlap, and day_ahead runs at "
            "feeder/F2; an asset takes part in one market at a time",
        ),
        ("feeder/F3, feeder/F4", "/", "programs.reserve.paths[0]: market programmes must not overlap"),
        ("ExpLimW: 5", "ExpLimW: -5", 'programs.day_ahead.defaults["feeder/F1"]: its ExpLimW is below 0'),
        ("Connect: true", "Connect: 5", "its Connect is neither on nor off"),
        ("ExpLimW: 5", "ExpLim: 5", "ExpLim"),
        (
            "defaults: {feeder/F1:",
            "defaults: {/:",
            'dispatch.yaml:13: programs.day_ahead.defaults["/"]: the whole fleet is outside the paths ',
        ),
    ],
)
def test_what_can_be_wrong_with_programmes(old: str, new: str, words: str) -> None:
    assert old in MARKETS
    found = problems(dispatch=MARKETS.replace(old, new))
    assert any(words in problem for problem in found), found


@MANY
@given(st.lists(paths, min_size=1, max_size=2), st.lists(paths, min_size=1, max_size=2), paths)
def test_no_place_is_in_two_markets(one: list[str], other: list[str], path: str) -> None:
    text = MARKETS.replace("feeder/F1, feeder/F2", ", ".join(each or "/" for each in one))
    text = text.replace("feeder/F3, feeder/F4", ", ".join(each or "/" for each in other))
    text = text.replace("    defaults: {feeder/F1: {ExpLimW: 5, Connect: true, VoltVar: curve-1}}\n", "")
    meet = any(covers(mine, theirs) or covers(theirs, mine) for mine in one for theirs in other)
    try:
        policy = loaded(dispatch=text)
    except BadInput:
        assert meet
        return
    assert not meet
    running = [each.name for each in policy.programs.values() if each.market and each.refusal(path) is None]
    assert len(running) <= 1
    found = policy.market_at(path)
    assert [found.name if found else None] == (running or [None])
