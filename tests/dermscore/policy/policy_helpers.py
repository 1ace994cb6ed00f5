"""Policies to try things on: as text, and drawn at random as the loader could have made them."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st

from dermscore import policy
from dermscore.dispatch.limits import Limit
from dermscore.dispatch.modes import Mode
from dermscore.errors import BadInput
from dermscore.files.yamlfile import load
from dermscore.model import Now
from dermscore.policy import Action, Policy, Program, Role, Rule
from dermscore.policy.access import outermost
from dermscore.policy.digest import digest
from dermscore.policy.limits import CURTAILING, LimitRule, Rebound
from dermscore.policy.windows import When, Window

MANY: Final = settings(max_examples=5000 if os.environ.get("DERMS_SOAK") == "1" else 100, deadline=None)
GATEWAY: Final = "urn:derms:gateway:g1"
LOOPBACK: Final = "http:loopback"

ACCESS: Final = """
version: 1
principals:
  - {id: "urn:derms:gateway:g1", roles: [OPERATOR], areas: [feeder]}
  - {id: http:loopback, roles: [VIEWER]}
grants:
  - {roles: [OPERATOR, VIEWER], actions: [view], paths: [/], reason: all see}
  - {roles: [OPERATOR], actions: [dispatch], paths: [feeder/F1], max_w: 5.0e6, reason: contract 7}
forbids:
  - {roles: [OPERATOR], actions: [dispatch], paths: [feeder/F1/site/S9], not_before: 2026-12-01T06:00:00Z,
     not_after: 2026-12-02T06:00:00Z, reason: under test}
"""
DISPATCH: Final = """
version: 1
programs:
  scada: {primacy: 1, max_duration_s: 900}
  default: {primacy: 10, max_duration_s: 3600}
"""


def loaded(access: str = ACCESS, dispatch: str = DISPATCH) -> Policy:
    return policy.load(load(access, "access.yaml"), load(dispatch, "dispatch.yaml"))


def problems(access: str = ACCESS, dispatch: str = DISPATCH) -> list[str]:
    with pytest.raises(BadInput) as caught:
        loaded(access, dispatch)
    return [str(problem) for problem in caught.value.problems]


def at(ms: int) -> Now:
    return Now(ms, 0)


paths = st.lists(st.sampled_from(["a", "b", "aa"]), max_size=3).map("/".join)
some_paths = st.lists(paths, min_size=1, max_size=3).map(outermost)
moments = st.none() | st.integers(0, 5)
powers = st.none() | st.integers(-3, 3).map(float)
bounds = st.none() | st.sampled_from([0.0, 1.0, 1.0000001, 2.0, 3.0])
roles = st.frozensets(st.sampled_from([Role.VIEWER, Role.OPERATOR]), min_size=1)
rules = st.builds(
    Rule,
    st.just("rule"),
    roles,
    st.frozensets(st.sampled_from([Action.VIEW, Action.DISPATCH]), min_size=1),
    some_paths,
    bounds,
    moments,
    moments,
    st.sampled_from(["one reason", "another"]),
)
amounts = st.builds(Limit, st.just(""), st.just(""), export_limit_w=bounds, soc_reserve_pct=bounds, ramp_w_per_s=bounds)
windows = st.builds(
    Window, st.just("UTC"), st.frozensets(st.integers(0, 6), min_size=1), st.just(60), st.sampled_from([30, 90])
)
limits = st.builds(
    LimitRule,
    st.just("rule"),
    some_paths,
    amounts,
    st.builds(When, moments, moments, st.lists(windows, max_size=1).map(tuple)),
    st.sampled_from(["one reason", "another"]),
)
rebounds = st.builds(
    Rebound,
    st.just("rule"),
    some_paths,
    amounts,
    st.integers(1, 2),
    st.just(CURTAILING) | st.just(frozenset({Mode.EXP_LIM_W})),
    st.just("why"),
)
looking_alike = st.sampled_from([1.0, 1.0000001, True, "1.0", "true", "True"])
defaults = st.dictionaries(
    paths,
    st.fixed_dictionaries(
        {},
        optional={
            Mode.EXP_LIM_W: st.sampled_from([1.0, 1.0000001, 2.0]),
            Mode.CONNECT: st.booleans(),
            Mode.VOLT_VAR: looking_alike,
        },
    ).filter(bool),
    max_size=1,
)
facts = st.tuples(
    st.integers(0, 2),
    st.integers(1, 2),
    st.sampled_from(["", "one", "One"]),
    st.sampled_from(["terminate", "resume"]),
    defaults,
    st.booleans(),
    some_paths,
)


def named_programs(drawn: dict[str, tuple[object, ...]]) -> dict[str, Program]:
    return {name: Program(name, *each) for name, each in drawn.items()}  # type: ignore[arg-type]


programs = st.dictionaries(st.sampled_from(["p", "q"]), facts, max_size=2).map(named_programs)


def numbered(section: str, drawn: list[object]) -> tuple[object, ...]:
    return tuple(replace(rule, place=f"{section}[{number}]") for number, rule in enumerate(drawn))  # type: ignore[type-var]


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Any policy, with the digest that the loader would have given it."""
    members = draw(st.dictionaries(st.sampled_from([GATEWAY, LOOPBACK]), roles, max_size=2))
    areas = {who: draw(some_paths) for who in members}
    parts = {
        section: numbered(section, draw(st.lists(each, max_size=3)))
        for section, each in (("grants", rules), ("forbids", rules), ("limits", limits), ("rebounds", rebounds))
    }
    ours = Policy(
        members, areas, parts["grants"], parts["forbids"], draw(programs), "", parts["limits"], parts["rebounds"]
    )  # type: ignore[arg-type]
    return replace(ours, digest=meaning(ours))


def meaning(ours: Policy) -> str:
    """As the loader counts it."""
    return digest((ours.members, ours.areas, ours.grants, ours.forbids, ours.programs, ours.limits, ours.rebounds))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Policy, Policy]:
    """Two policies that have nothing in common, or all but one part."""
    old, other = draw(policies()), draw(policies())
    part = draw(st.sampled_from(["members", "areas", "grants", "forbids", "programs", "limits", "rebounds", "all"]))
    changed: dict[str, object] = {part: getattr(other, part, None)}
    if part == "members":
        changed["areas"] = other.areas
    if part == "areas":
        changed["areas"] = {**old.areas, **{who: area for who, area in other.areas.items() if who in old.members}}
    new = other if part == "all" else replace(old, **changed)  # type: ignore[arg-type]
    return old, replace(new, digest=meaning(new))
