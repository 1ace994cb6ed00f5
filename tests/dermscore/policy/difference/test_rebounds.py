"""Rebounds that loosened or tightened, second by second after whichever mode ended."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from policy_helpers import MANY, loaded

from dermscore.dispatch.limits import Limit
from dermscore.dispatch.modes import Mode
from dermscore.policy import Policy
from dermscore.policy.difference.change import Kind
from dermscore.policy.difference.rebounds import rebound_changes
from dermscore.policy.limits import CURTAILING, Rebound
from dermscore.policy.tightness import tightens

rebounds = st.builds(
    Rebound,
    st.just("rebounds"),
    st.sampled_from([("a",), ("a", "")]),
    st.builds(Limit, st.just(""), st.just(""), export_limit_w=st.integers(0, 2).map(float)),
    st.integers(1, 4),
    st.sampled_from([CURTAILING, frozenset({Mode.EXP_LIM_W}), frozenset({Mode.CONNECT, Mode.LOAD_LIM_W})]),
)
sets = st.lists(rebounds, max_size=3).map(tuple)
LINE = re.compile(r"(.*): export_limit_w, (for|from (\d+) s to) (\d+) s after (.*): (.*); it was (.*)")


def policy(rebounds: tuple[Rebound, ...]) -> Policy:
    return replace(loaded(), rebounds=rebounds)


def counting(rebounds: tuple[Rebound, ...], node: str, mode: Mode, second: int) -> float | None:
    found = [each for each in rebounds if node in each.nodes and mode in each.after and second < each.lasts_s]
    return min((each.amounts.export_limit_w or 0.0 for each in found), default=None)


def figure(text: str) -> float | None:
    return None if text == "no limit" else float(text.removesuffix(" W"))


@MANY
@given(sets, sets, st.integers(0, 5), st.sampled_from(sorted(CURTAILING)))
def test_every_second_that_differs_is_told_and_none_that_does_not(
    old: tuple[Rebound, ...], new: tuple[Rebound, ...], second: int, mode: Mode
) -> None:
    told = []
    for change in rebound_changes(policy(old), policy(new)):
        match = LINE.fullmatch(change.words)
        assert match
        told.append((change.kind, *match.groups()))
    for node in ("", "a"):
        before, after = (counting(each, node, mode, second) for each in (old, new))
        mine = [
            (kind, figure(was), figure(now))
            for kind, where, _, begin, end, what, now, was in told
            if where == (node or "the whole fleet")
            and int(begin or 0) <= second < int(end)
            and (what == "a curtailment" or mode in what.removeprefix("an end of ").split(", "))
        ]
        if before == after:
            assert mine == []
        else:
            kind = Kind.TIGHTER if tightens("export_limit_w", before, after) else Kind.LOOSER
            assert mine == [(kind, before, after)]


def test_one_that_lasts_longer_is_tightened_for_the_rest_only() -> None:
    one = Rebound("rebounds[0]", ("a",), Limit("", "", ramp_w_per_s=50e3), 900)
    longer = replace(one, lasts_s=1200)
    ((change),) = rebound_changes(policy((one,)), policy((longer,)))
    assert (change.kind, change.words) == (
        Kind.TIGHTER,
        "a: ramp_w_per_s, from 900 s to 1200 s after a curtailment: 50 kW/s; it was no limit",
    )
