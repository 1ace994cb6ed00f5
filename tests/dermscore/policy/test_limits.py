"""Limits by the clock and after a curtailment: which count when, and what the file must say."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_helpers import DISPATCH, MANY, at, loaded, problems

from dermscore.dispatch import Event
from dermscore.dispatch.limits import Limit
from dermscore.dispatch.modes import Mode, Value
from dermscore.policy.limits import CURTAILING, Ended, ended

ASSET = "c135af9e-604f-5f2a-aff0-1c5b43688d0c"
LIMITS = (
    DISPATCH
    + """
limits:
  - paths: [feeder/F1/site/S2, feeder/F1/site/S1]
    assets: [C135AF9E-604F-5F2A-AFF0-1C5B43688D0C]
    export_limit_w: 6.0e6
    soc_reserve_pct: 20
    not_before: 2026-01-01T00:00:00Z
    not_after: 2026-12-31T00:00:00Z
    windows:
      - {days: [tue, mon], begins: 16:00, ends: 00:00, zone: Europe/Berlin}
    reason: connection agreement
  - {paths: [/], fallback_ramp_w_per_s: 1000, reason: no cliff}
rebounds:
  - {paths: [feeder/F1], load_limit_w: 2.0e6, lasts_s: 60, after: [LoadLimW, Connect], reason: cold load}
"""
)
MONDAY = 1_795_446_000_000  # 2026-11-23T15:00:00Z, 16:00 in Berlin


def event(controls: dict[Mode, Value | None], *, node: str = "feeder/F1", cancelled_ms: int | None = None) -> Event:
    return Event("e1", node, "scada", 0, 1000, 5000, controls, cancelled_ms=cancelled_ms)


def test_limits_count_at_their_times() -> None:
    policy = loaded(dispatch=LIMITS)
    why = "limits[0]: connection agreement"
    always = Limit("", "limits[1]: no cliff", fallback_ramp_w_per_s=1000.0)
    assert policy.limits_at(at(MONDAY)) == (
        Limit(ASSET, why, export_limit_w=6e6, soc_reserve_pct=20.0),
        Limit("feeder/F1/site/S1", why, export_limit_w=6e6, soc_reserve_pct=20.0),
        Limit("feeder/F1/site/S2", why, export_limit_w=6e6, soc_reserve_pct=20.0),
        always,
    )
    assert policy.limits_at(at(MONDAY - 1)) == (always,)
    assert policy.limits[0].when.windows[0].ends_min == 1440


def test_a_rebound_follows_what_curtailed_its_node_or_all_above_it() -> None:
    policy = replace(loaded(dispatch=LIMITS), limits=())
    over = Ended("e1", "feeder/F1", frozenset({Mode.LOAD_LIM_W}), 5000)
    expected = (Limit("feeder/F1", "rebounds[0], after event e1: cold load", load_limit_w=2e6),)
    assert policy.limits_at(at(5000), [over]) == expected
    assert policy.limits_at(at(64_999), [replace(over, node="")]) == expected
    assert policy.limits_at(at(65_000), [over]) == ()
    assert policy.limits_at(at(4999), [over]) == ()
    assert policy.limits_at(at(5000), [replace(over, node="feeder/F1/site/S1")]) == ()
    assert policy.limits_at(at(5000), [replace(over, modes=frozenset({Mode.EXP_LIM_W}))]) == ()
    newer = replace(over, event="e2", ended_ms=6000)
    (limit,) = policy.limits_at(at(7000), [newer, over])
    assert limit.source == "rebounds[0], after event e2: cold load"


@pytest.mark.parametrize(
    ("controls", "modes"),
    [
        ({Mode.LOAD_LIM_W: 0.0, Mode.TARGET_W: 1.0}, {Mode.LOAD_LIM_W}),
        ({Mode.CONNECT: False}, {Mode.CONNECT}),
        ({Mode.CONNECT: True}, set()),
        ({Mode.EXP_LIM_W: None}, set()),
        ({Mode.TARGET_W: 0.0}, set()),
    ],
)
def test_what_curtails(controls: dict[Mode, Value | None], modes: set[Mode]) -> None:
    found = ended([event(controls)], at(5000))
    assert found == ((Ended("e1", "feeder/F1", frozenset(modes), 5000),) if modes else ())


def test_an_event_is_over_at_its_end_or_when_it_was_cancelled() -> None:
    limit: dict[Mode, Value | None] = {Mode.EXP_LIM_W: 1.0}
    assert ended([event(limit)], at(4999)) == ()
    assert ended([event(limit, cancelled_ms=3000)], at(3000))[0].ended_ms == 3000
    assert ended([event(limit, cancelled_ms=9000)], at(5000))[0].ended_ms == 5000
    assert ended([event(limit, cancelled_ms=500)], at(9000)) == ()  # it never began


@MANY
@given(st.lists(st.integers(0, 100_000), max_size=5), st.integers(0, 200_000), st.randoms())
def test_a_rebound_lasts_as_long_as_any_end_says_whatever_their_order(
    ends: list[int], now_ms: int, random: object
) -> None:
    policy = replace(loaded(dispatch=LIMITS), limits=())
    over = [Ended(f"e{number}", "", CURTAILING, end) for number, end in enumerate(ends)]
    found = policy.limits_at(at(now_ms), over)
    assert found == policy.limits_at(at(now_ms), reversed(over))
    assert bool(found) is any(end <= now_ms < end + 60_000 for end in ends)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[tue, mon]", "[monday]", "limits[0].windows[0].days[0]: must be 'mon', 'tue'"),
        ("begins: 16:00", "begins: 4pm", "windows[0].begins: '4pm' is no time of day; write it like 06:30"),
        ("begins: 16:00", "begins: 00:00", "windows[0]: begins and ends leave nothing between them"),
        (
            "Europe/Berlin",
            "Europe/Berln",
            "zone: 'Europe/Berln' is no time zone known here; write it like Europe/Berlin",
        ),
        ("Europe/Berlin", "../secret", "zone: '../secret' is no time zone known here"),
        ("[/]", "[]", "limits[1]: say where it holds: paths, assets, or both"),
        ("C135AF9E-", "C135AF9-", "limits[0].assets[0]: 'C135AF9-604F-5F2A-AFF0-1C5B43688D0C' is not a UUID"),
        (", fallback_ramp_w_per_s: 1000", "", "limits[1]: limits nothing; state at least one amount"),
        ("load_limit_w: 2.0e6, ", "", "rebounds[0]: limits nothing"),
        ("soc_reserve_pct: 20", "soc_reserve_pct: 20\n    soc_max_pct: 10", "the state of charge is left no room"),
        ("fallback_ramp_w_per_s: 1000", "fallback_ramp_w_per_s: 0", "fallback_ramp_w_per_s: must be more than 0"),
        ("Europe/Berlin", "europe/berlin", "did you mean 'Europe/Berlin'?"),
        ("Europe/Berlin", "localtime", "zone: 'localtime' is another zone on every machine"),
        ("Europe/Berlin", "right/UTC", "zone: 'right/UTC' is another zone on every machine, or counts leap seconds"),
        ("export_limit_w: 6.0e6", "export_limit_w:", "limits[0].export_limit_w: is empty; write a value, or take the"),
        ("6.0e6", "-6.0e6", "limits[0].export_limit_w: must be at least 0"),
        ("2026-01-01T", "2027-01-01T", "limits[0]: not_before is later than not_after"),
        (
            "[LoadLimW, Connect]",
            "[TargetW]",
            "rebounds[0].after[0]: TargetW holds nothing back; a rebound follows Connect",
        ),
        ("lasts_s: 60", "lasts_s: 0", "rebounds[0].lasts_s: must be at least 1"),
        ("lasts_s: 60", "lasts_s: 60, soc_min_pct: 3", "unknown key 'soc_min_pct'"),
    ],
)
def test_what_can_be_wrong_with_limits(old: str, new: str, words: str) -> None:
    assert old in LIMITS
    found = problems(dispatch=LIMITS.replace(old, new))
    assert any(words in problem for problem in found), found
    assert all(problem.startswith("dispatch.yaml:") for problem in found)
