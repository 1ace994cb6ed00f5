"""Cases are run, and one that does not come out says what came out instead."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from policy_helpers import ACCESS, DISPATCH, loaded

from dermscore import policy
from dermscore.errors import BadInput, Unreadable
from dermscore.files.yamlfile import load
from dermscore.policy.files.cases import failures, read, read_folder

ROOT: Final = Path(__file__).parents[4]
LIMITS: Final = (
    DISPATCH
    + """
limits:
  - {paths: [feeder/F1], export_limit_w: 6.0e6, soc_reserve_pct: 20, reason: agreement}
  - {paths: [feeder/F1], export_limit_w: 8.0e6, soc_reserve_pct: 30, reason: thermal}
rebounds:
  - {paths: [feeder/F1], load_limit_w: 2.0e6, lasts_s: 60, reason: cold load}
"""
)
CASES: Final = """
version: 1
at: 2026-11-23T12:00:00Z
access:
  - {name: a, who: "urn:derms:gateway:g1", action: dispatch, path: feeder/F1, w: -5.0e6, expect: allowed,
     rule: "grants[1]"}
  - {name: b, who: "urn:derms:gateway:g1", roles: [VIEWER], action: view, path: /, expect: denied, because: none of its}
  - {name: c, who: "urn:derms:gateway:g1", action: dispatch, path: feeder/F1, w: 1, expect: denied, rule: "forbids[0]",
     at: 2026-12-01T12:00:00Z}
limits:
  - {name: d, node: feeder/F1, expect: {export_limit_w: 6.0e6, soc_reserve_pct: 30, load_limit_w: null}}
  - name: e
    node: feeder/F1
    at: 2026-11-23T12:00:59Z
    events: [{id: x, node: feeder/F1, program: scada, controls: {ExpLimW: 0.0}, starts: 2026-11-23T11:00:00Z,
              ends: 2026-11-23T13:00:00Z, cancelled: 2026-11-23T12:00:00Z}]
    expect: {load_limit_w: 2.0e6}
programs:
  - name: f
    events:
      - {id: one, node: feeder/F1, program: scada, controls: {TargetW: 1.0e6}, starts: 2026-11-23T11:00:00Z,
         ends: 2026-11-23T13:00:00Z}
      - {id: two, node: feeder/F1, program: default, controls: {TargetW: null}, issued: 2026-11-23T11:30:00Z,
         starts: 2026-11-23T11:31:00Z, ends: 2026-11-23T13:00:00Z}
    expect:
      - {node: feeder/F1, mode: TargetW, value: 1.0e6, source: one}
      - {node: feeder/F1, mode: Connect, value: null}
"""


def said(text: str = CASES) -> list[str]:
    ours = loaded(ACCESS, LIMITS)
    return [str(problem) for problem in failures(ours, read(load(text, "cases.yaml")))]


def test_cases_that_come_out_say_nothing() -> None:
    assert said() == []
    assert len(read(load(CASES, "cases.yaml"))) == 6


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "-5.0e6",
            "-6.0e6",
            "cases.yaml:5: access[0]: a: expected to be allowed; it is denied: 6,000,000 W is more than",
        ),
        ("grants[1]", "grants[0]", "access[0]: a: expected to be allowed by grants[0]; it is allowed by grants[1]"),
        ("none of its", "unknown", "access[1]: b: expected to be denied because 'unknown'; it is denied: urn:derms"),
        (
            '"forbids[0]"',
            '""',
            "access[2]: c: expected to be denied by no rule; it is denied: forbids[0] forbids it: under test",
        ),
        (
            "    at: 2026-12-01T12:00:00Z}",
            "    at: 2026-12-03T12:00:00Z}",
            "access[2]: c: expected to be denied; it is allowed by grants[1]",
        ),
        (
            "6.0e6, soc",
            "7.0e6, soc",
            "cases.yaml:11: limits[0]: d: expected export_limit_w at feeder/F1 to be 7,000,000; it is 6,000,000",
        ),
        ("load_limit_w: null", "load_limit_w: 1", "d: expected load_limit_w at feeder/F1 to be 1; it is nothing"),
        ("load_limit_w: null", "load_lmit_w: 1", "d: there is no limit 'load_lmit_w'; did you mean 'load_limit_w'?"),
        ("12:00:59Z", "12:01:00Z", "e: expected load_limit_w at feeder/F1 to be 2,000,000; it is nothing"),
        (
            "1.0e6, source: one",
            "1.0e6, source: two",
            "programs[0]: f: expected TargetW at feeder/F1 to be 1,000,000 of two; it is 1,000,000 of one",
        ),
        (
            "Connect, value: null",
            "Connect, value: true",
            "f: expected Connect at feeder/F1 to be true; it is nothing of nothing",
        ),
        ("value: 1.0e6, source", "value: true, source", "to be true of one; it is 1,000,000 of one"),
        ("program: default", "program: vpp", "f: event two does not count: there is no program 'vpp'"),
    ],
)
def test_a_case_that_does_not_come_out_says_what_did(old: str, new: str, expected: str) -> None:
    assert old in CASES
    found = said(CASES.replace(old, new))
    assert any(expected in problem for problem in found), found


def test_a_reason_belongs_to_a_denial() -> None:
    with pytest.raises(BadInput, match="only what is denied has a reason; name the rule that allows it instead"):
        said(CASES.replace('rule: "grants[1]"', "because: it may"))


def test_all_files_of_a_folder_are_read_and_every_problem_told(tmp_path: Path) -> None:
    assert read_folder(tmp_path / "none") == ()
    for name in ("b", "a"):
        (tmp_path / f"{name}.yaml").write_text(CASES)
    (tmp_path / "notes.txt").write_text("not a case")
    (tmp_path / "old").mkdir()
    assert [cases.document.where for cases in read_folder(tmp_path)] == [
        str(tmp_path / "a.yaml"),
        str(tmp_path / "b.yaml"),
    ]
    for name in ("b", "a"):
        (tmp_path / f"{name}.yaml").write_text("version: 1\n")
    with pytest.raises(BadInput) as caught:
        read_folder(tmp_path)
    assert [str(problem) for problem in caught.value.problems] == [
        f"{tmp_path / name}.yaml:1: at: is missing; add it" for name in ("a", "b")
    ]


@pytest.mark.parametrize("name", ["a.yml", "a.YAML", "a.json"])
def test_a_case_that_would_never_be_run_is_no_case_that_passes(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(CASES)
    with pytest.raises(BadInput, match=r"is not read; name it a\.yaml"):
        read_folder(tmp_path)


def test_cases_lie_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "cases").write_text(CASES)
    with pytest.raises(Unreadable, match="is no folder"):
        read_folder(tmp_path / "cases")


def test_one_and_true_are_not_the_same_value() -> None:
    events = "controls: {TargetW: 1, Connect: true}"
    text = CASES.replace("controls: {TargetW: 1.0e6}", events).replace("value: 1.0e6", "value: 1")
    assert said(text.replace("Connect, value: null", "Connect, value: true")) == []
    assert "to be 1; it is true of one" in said(text.replace("Connect, value: null", "Connect, value: 1"))[0]


def test_an_event_lasts() -> None:
    with pytest.raises(BadInput, match="ends is not later than starts"):
        said(CASES.replace("ends: 2026-11-23T13:00:00Z, cancelled", "ends: 2026-11-23T11:00:00Z, cancelled"))


def test_the_packaged_cases_come_out_and_show_every_action_of_the_packaged_grants() -> None:
    ours = policy.load_folder(ROOT / "policies" / "headend")
    cases = read_folder(ROOT / "policies" / "cases")
    assert [str(problem) for each in cases for problem in failures(ours, each)] == []
    shown = {(case.who, case.action) for each in cases for case in each.file.access if case.expect == "allowed"}
    assert {action for _, action in shown} >= {"view", "dispatch", "release", "subscribe", "report"}
