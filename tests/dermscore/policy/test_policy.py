"""Who may do what, where: nothing unless granted, nothing that is forbidden, and always a reason."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dermscore import policy
from dermscore.errors import BadInput, Unreadable
from dermscore.files.yamlfile import load
from dermscore.model import Now, covers
from dermscore.policy import Action, Allowed, Denied, Policy, Principal, Program, Role, Rule

ROOT: Final = Path(__file__).parents[3]
MANY = settings(max_examples=5000 if os.environ.get("DERMS_SOAK") == "1" else 200, deadline=None)
NOW: Final = Now(utc_ms=1_000_000, mono_ms=5)
GATEWAY: Final = "urn:derms:gateway:g1"
GRANT: Final = Rule("grants[0]", frozenset({"OPERATOR"}), frozenset({"dispatch", "release"}), ("feeder/F1",))
BASE: Final = Policy({GATEWAY: frozenset({"OPERATOR"})}, {GATEWAY: ("",)}, (GRANT,), (), {}, "d1")

ACCESS = """
version: 1
principals:
  - {id: "urn:derms:gateway:g1", roles: [OPERATOR], areas: [feeder/F1]}
  - {id: http:loopback, roles: [VIEWER]}
grants:
  - roles: [OPERATOR]
    actions: [dispatch]
    paths: [feeder/F1, /]
    max_w: 5.0e6
    not_before: 2026-01-01T00:00:00Z
    not_after: 2026-12-31T23:59:59+01:00
    reason: contract 7
forbids:
  - {roles: [OPERATOR], actions: [dispatch, release], paths: [feeder/F1/site/S9], reason: under test}
"""
DISPATCH = """
version: 1
programs:
  scada: {primacy: 1, max_duration_s: 900, description: first}
  default: {primacy: 10, max_duration_s: 3600}
"""


def loaded(access: str = ACCESS, dispatch: str = DISPATCH) -> Policy:
    return policy.load(load(access, "access.yaml"), load(dispatch, "dispatch.yaml"))


def problems(access: str = ACCESS, dispatch: str = DISPATCH) -> list[str]:
    with pytest.raises(BadInput) as caught:
        loaded(access, dispatch)
    return [str(problem) for problem in caught.value.problems]


def asked(
    rules: Policy, action: str = "dispatch", path: str = "feeder/F1", w: float | None = None, now: Now = NOW
) -> Allowed | Denied:
    return rules.authorize(rules.principal(GATEWAY), action, path, w, now=now)


def reason(verdict: Allowed | Denied) -> str:
    assert isinstance(verdict, Denied)
    return verdict.reason


def test_what_is_granted_is_allowed_under_its_rule_and_digest() -> None:
    assert asked(BASE) == Allowed("grants[0]", "d1")
    assert asked(BASE, "release", "feeder/F1/site/S1") == Allowed("grants[0]", "d1")


def test_what_is_not_granted_is_denied_with_the_reason() -> None:
    assert asked(BASE, "view") == Denied("no grant lets OPERATOR view at feeder/F1", "", "d1")
    assert reason(asked(BASE, path="feeder/F12")) == "no grant lets OPERATOR dispatch at feeder/F12"
    assert reason(asked(BASE, path="")) == "no grant lets OPERATOR dispatch at the whole fleet"


def test_a_question_that_makes_no_sense_is_denied() -> None:
    stranger = Principal("urn:derms:gateway:g2", frozenset({"OPERATOR"}))
    assert reason(BASE.authorize(stranger, "dispatch", "feeder/F1", now=NOW)) == "urn:derms:gateway:g2 is unknown"
    assert reason(asked(BASE, "obliterate")) == "'obliterate' is not an action"
    assert reason(asked(BASE, path="feeder//F1")).startswith("'feeder//F1' is not a path")
    for w in (math.nan, math.inf, -math.inf):
        assert reason(asked(BASE, w=w)) == f"{w} is not a power"


def test_only_roles_that_the_policy_gives_count() -> None:
    pretender = Principal(GATEWAY, frozenset({"SECADM"}))
    assert (
        reason(BASE.authorize(pretender, "dispatch", "feeder/F1", now=NOW)) == f"{GATEWAY} has none of its roles active"
    )
    assert BASE.roles_of("nobody") == frozenset()
    assert BASE.principal("nobody") == Principal("nobody", frozenset())


def test_a_role_counts_only_within_its_area() -> None:
    bounded = replace(BASE, areas={GATEWAY: ("feeder/F1/site/S1", "feeder/F1/site/S2")})
    assert isinstance(asked(bounded, path="feeder/F1/site/S2"), Allowed)
    assert reason(asked(bounded, path="feeder/F1")) == f"feeder/F1 is outside the area of responsibility of {GATEWAY}"
    assert isinstance(asked(replace(BASE, areas={})), Denied)


def test_a_forbid_beats_every_grant_above_at_and_below_the_path() -> None:
    forbid = Rule("forbids[0]", GRANT.roles, frozenset({"dispatch"}), ("feeder/F1/site/S1",), reason="maintenance")
    rules = replace(BASE, forbids=(forbid,))
    for path in ("feeder/F1", "feeder/F1/site/S1", "feeder/F1/site/S1/roof"):
        assert asked(rules, path=path) == Denied("forbids[0] forbids it: maintenance", "forbids[0]", "d1")
    assert isinstance(asked(rules, path="feeder/F1/site/S11"), Allowed)
    assert isinstance(asked(rules, "release"), Allowed)


def test_a_forbid_with_a_bound_strikes_above_it_and_where_the_power_is_unknown() -> None:
    forbid = Rule("forbids[0]", GRANT.roles, frozenset({"dispatch"}), ("feeder",), max_w=2e6, reason="heat")
    rules = replace(BASE, forbids=(forbid,))
    assert isinstance(asked(rules, w=-2e6), Allowed)
    assert isinstance(asked(rules, w=2.1e6), Denied)
    assert isinstance(asked(rules, w=None), Denied)


def test_a_grant_bounds_the_magnitude_in_both_directions() -> None:
    rules = replace(BASE, grants=(replace(GRANT, max_w=1e6), replace(GRANT, place="grants[1]", max_w=5e6)))
    assert asked(rules, w=-1e6) == Allowed("grants[0]", "d1")
    assert asked(rules, w=-4e6) == Allowed("grants[1]", "d1")
    assert reason(asked(rules, w=-6e6)) == "6,000,000 W is more than the 5,000,000 W granted at feeder/F1"
    assert reason(asked(rules)) == "grants[0] bounds the power, and none is stated"


def test_a_rule_stands_from_its_beginning_to_its_end() -> None:
    rules = replace(BASE, grants=(replace(GRANT, not_before_ms=10, not_after_ms=20),))
    verdicts = {ms: isinstance(asked(rules, now=Now(ms, 0)), Allowed) for ms in (9, 10, 20, 21)}
    assert verdicts == {9: False, 10: True, 20: True, 21: False}


def test_the_packaged_policy_lets_the_demo_run_and_no_more() -> None:
    rules = policy.load_folder(ROOT / "policies" / "headend")
    for who in ("urn:derms:gateway:gateway", "http:loopback"):
        principal = rules.principal(who)
        for action in ("view", "subscribe", "dispatch", "release"):
            assert isinstance(rules.authorize(principal, action, "feeder/F12/site/S1", 50e6, now=NOW), Allowed)
    assert isinstance(rules.authorize(rules.principal("urn:derms:agent:a"), "view", "feeder", now=NOW), Denied)
    primacies = [rules.programs[name].primacy for name in ("scada", "operator", "default")]
    assert primacies == sorted(primacies)
    assert all(program.max_duration_s > 0 for program in rules.programs.values())


def test_the_two_files_become_a_policy() -> None:
    rules = loaded()
    assert rules.members == {GATEWAY: frozenset({"OPERATOR"}), "http:loopback": frozenset({"VIEWER"})}
    assert rules.areas == {GATEWAY: ("feeder/F1",), "http:loopback": ("",)}
    assert rules.grants == (
        Rule(
            "grants[0]",
            frozenset({"OPERATOR"}),
            frozenset({"dispatch"}),
            ("",),
            5e6,
            1_767_225_600_000,
            1_798_757_999_000,
            "contract 7",
        ),
    )
    assert rules.forbids[0].place == "forbids[0]"
    assert rules.programs["scada"] == Program("scada", 1, 900, "first")
    assert rules.programs["default"] == Program("default", 10, 3600)
    assert (rules.limits, rules.rebounds) == ((), ())


def test_the_digest_is_of_the_meaning() -> None:
    digest = loaded().digest
    assert len(digest) == 64
    assert loaded("# a comment\n" + ACCESS).digest == digest
    assert loaded(dispatch=DISPATCH.replace("900", "901")).digest != digest
    assert loaded(ACCESS.replace("[VIEWER]", "[VIEWER, SECAUD]")).digest != digest
    assert loaded(ACCESS.replace("[feeder/F1, /]", "[/, /]")).digest == digest
    assert loaded(ACCESS.replace("23:59:59+01:00", "22:59:59Z")).digest == digest
    assert loaded(ACCESS.replace("[dispatch, release]", "[release, dispatch]")).digest == digest


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("version: 1", "version: 2", "access.yaml:2: version: must be 1, not 2"),
        ("[VIEWER]", "[VIEWR]", "access.yaml:5: principals[1].roles[0]: must be 'VIEWER', 'OPERATOR'"),
        ("[VIEWER]", "[]", "access.yaml:5: principals[1].roles: must have at least 1 of them"),
        ("http:loopback", "http:world", "access.yaml:5: principals[1].id: 'http:world' is no principal"),
        ("gateway:g1", "gateway:", "access.yaml:4: principals[0].id: 'urn:derms:gateway:' is no principal"),
        (
            "http:loopback",
            '"urn:derms:gateway:g1"',
            "access.yaml:5: principals[1].id: principals[0] has this id already",
        ),
        ("[dispatch]", "[dispach]", "did you mean 'dispatch'?"),
        ("[dispatch]", "[dispatch, view]", "access.yaml:7: grants[0]: max_w bounds dispatch; put it in a rule whose"),
        ("paths: [feeder/F1, /]", "paths: [feeder F1]", "access.yaml:9: grants[0].paths[0]: 'feeder F1' is not a path"),
        ("5.0e6", "-1", "access.yaml:10: grants[0].max_w: must be at least 0"),
        ("2026-01-01T", "2027-01-01T", "access.yaml:7: grants[0]: not_before is later than not_after"),
        (
            "2026-01-01T00:00:00Z",
            "2026-01-01T00:00:00",
            "access.yaml:11: grants[0].not_before: '2026-01-01T00:00:00' has no offset from UTC; end it with Z",
        ),
        ("2026-01-01T00:00:00Z", "2026-01-01", "grants[0].not_before: '2026-01-01' has no offset from UTC"),
        ("2026-01-01T00:00:00Z", '"1767225600"', "grants[0].not_before: '1767225600' is not an RFC 3339 time"),
        ("2026-01-01T00:00:00Z", "1767225600", "grants[0].not_before: must be a time such as 2026-12-01T06:00:00Z"),
        ("2026-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "is outside the years 1970 to 9999"),
        ("2026-01-01T00:00:00Z", "", "grants[0].not_before: is empty; write a value, or take the key away"),
        ("max_w: 5.0e6", "max_w:", "grants[0].max_w: is empty; write a value, or take the key away"),
        ("max_w: 5.0e6", "max_w: 5_000", "must be a number, not '5_000'; write the digits without a separator"),
        ("reason: contract 7", 'reason: "\\e[2J"', "reason: must be one line of plain text"),
        ("gateway:g1", "gateway:g 1", "principals[0].id: 'urn:derms:gateway:g 1' is no principal"),
        ("gateway:g1", "gateway:g\\n", "principals[0].id: 'urn:derms:gateway:g\\n' is no principal"),
        ("gateway:g1", "gаteway:g1", "is no principal"),
        ("gateway:g1", "gateway:gаteway", "is no principal"),
        ("max_w: 5", "max_W: 5", "access.yaml:10: grants[0].max_W: unknown key 'max_W'; did you mean 'max_w'?"),
    ],
)
def test_what_can_be_wrong_with_access(old: str, new: str, words: str) -> None:
    assert any(words in problem for problem in problems(ACCESS.replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("default:", "other:", "dispatch.yaml:3: programs: the programme 'default' is missing"),
        ("primacy: 1,", "primacy: 256,", "dispatch.yaml:4: programs.scada.primacy: must be at most 255, not 256"),
        ("900", "0", "dispatch.yaml:4: programs.scada.max_duration_s: must be at least 1, not 0"),
        ("scada:", "SCADA:", "dispatch.yaml:4: programs.SCADA: 'SCADA' is no programme's name; write small letters"),
        ("first}", "first, on_supersede: stop}", "dispatch.yaml:4: programs.scada.on_supersede: must be 'terminate'"),
        ("first}", "first, market: maybe}", "dispatch.yaml:4: programs.scada.market: must be true or false"),
    ],
)
def test_what_can_be_wrong_with_dispatch(old: str, new: str, words: str) -> None:
    assert any(problem.startswith(words) for problem in problems(dispatch=DISPATCH.replace(old, new)))


def test_the_problems_of_both_files_are_told_at_once(tmp_path: Path) -> None:
    found = problems(ACCESS.replace("version: 1", "version: 2"), DISPATCH.replace("version: 1", "version: 2"))
    assert [problem.partition(":")[0] for problem in found] == ["access.yaml", "dispatch.yaml"]
    with pytest.raises(Unreadable) as caught:
        policy.load_folder(tmp_path)
    assert len(caught.value.problems) == 2


paths = st.lists(st.sampled_from(["a", "b", "aa"]), max_size=3).map("/".join)
rules = st.builds(
    Rule,
    st.just("rule"),
    st.frozensets(st.sampled_from(list(Role)), min_size=1),
    st.frozensets(st.sampled_from(list(Action)), min_size=1),
    st.lists(paths, min_size=1, max_size=3).map(tuple),
    st.none() | st.floats(0, 100),
)
roles = st.frozensets(st.sampled_from(list(Role)), min_size=1)
powers = st.none() | st.floats(-100, 100)


@MANY
@given(
    roles, st.lists(rules, max_size=4), st.lists(rules, max_size=3), st.sampled_from(Action), paths, powers, st.data()
)
def test_fewer_grants_and_more_forbids_never_allow_more(
    held: frozenset[str],
    grants: list[Rule],
    forbids: list[Rule],
    action: Action,
    path: str,
    w: float | None,
    data: st.DataObject,
) -> None:
    whole = Policy({GATEWAY: held}, {GATEWAY: ("",)}, tuple(grants), (), {}, "")
    fewer = replace(whole, grants=tuple(data.draw(st.permutations(grants)))[: data.draw(st.integers(0, len(grants)))])
    stricter = replace(fewer, forbids=tuple(forbids))
    if isinstance(asked(stricter, action, path, w), Allowed):
        assert isinstance(asked(fewer, action, path, w), Allowed)
    if isinstance(asked(fewer, action, path, w), Allowed):
        assert isinstance(asked(whole, action, path, w), Allowed)


@MANY
@given(
    roles,
    st.lists(rules, max_size=4),
    st.lists(rules, max_size=3),
    st.sampled_from(Action),
    paths,
    paths,
    st.floats(-100, 100),
)
def test_less_power_deeper_down_is_never_harder_to_get(
    held: frozenset[str], grants: list[Rule], forbids: list[Rule], action: Action, path: str, below: str, w: float
) -> None:
    whole = Policy({GATEWAY: held}, {GATEWAY: ("",)}, tuple(grants), tuple(forbids), {}, "")
    if isinstance(asked(whole, action, path, w), Allowed):
        deeper = "/".join(part for part in (path, below) if part)
        assert covers(path, deeper)
        assert isinstance(asked(whole, action, deeper, w / 2), Allowed)
