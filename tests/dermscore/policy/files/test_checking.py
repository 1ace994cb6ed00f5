"""What is wrong with a folder of policies is told at once: files, cases, and what the fleet does not know."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from policy_helpers import ACCESS, DISPATCH

from dermscore.errors import BadInput, Unreadable
from dermscore.policy.files.checking import cases_of, check

ROOT: Final = Path(__file__).parents[4]
ASSETS: Final = ROOT / "assets.yaml"
CASE: Final = """
version: 1
at: 2026-11-23T12:00:00Z
access: [{name: nobody, who: nobody, action: view, path: /, expect: denied}]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "headend"
    made.mkdir()
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "one.yaml").write_text(CASE)
    (made / "access.yaml").write_text(ACCESS.replace("feeder/F1", "feeder/F12").replace("S9", "S1"))
    (made / "dispatch.yaml").write_text(DISPATCH)
    return made


def wrong(folder: Path, assets: Path | None = None) -> list[str]:
    with pytest.raises(BadInput) as caught:
        check(folder, cases_of(folder), assets)
    return [str(problem) for problem in caught.value.problems]


def test_a_folder_without_fault(folder: Path) -> None:
    assert cases_of(folder) == folder.parent / "cases"
    checked = check(folder, cases_of(folder), ASSETS)
    assert (checked.cases, len(checked.policy.grants)) == (1, 2)
    assert check(folder, folder / "none", None).cases == 0


def test_the_packaged_policy_knows_the_packaged_fleet() -> None:
    headend = ROOT / "policies" / "headend"
    assert check(headend, cases_of(headend), ASSETS).cases > 10


def test_files_and_cases_are_read_though_some_are_bad(folder: Path) -> None:
    (folder / "access.yaml").write_text("version: [\n")  # no YAML at all
    (folder / "dispatch.yaml").write_text("version: 1\nprograms: {}\nlimits: .nan\n")
    (folder.parent / "cases" / "one.yaml").write_text("version: 3\n")
    fleet = folder / "assets.yaml"
    fleet.write_text("sites: []\n")
    assert {problem.partition(":")[0].rpartition("/")[2] for problem in wrong(folder, fleet)} == {
        "access.yaml",
        "dispatch.yaml",
        "one.yaml",
        "assets.yaml",
    }
    (folder / "access.yaml").unlink()
    with pytest.raises(Unreadable):
        check(folder, cases_of(folder), None)


def test_a_case_that_fails_is_a_problem(folder: Path) -> None:
    case = folder.parent / "cases" / "one.yaml"
    case.write_text(CASE.replace("denied", "allowed"))
    assert wrong(folder) == [f"{case}:4: access[0]: nobody: expected to be allowed; it is denied: nobody is unknown"]


def test_what_the_fleet_does_not_know_is_told_with_its_place(folder: Path) -> None:
    text = (folder / "access.yaml").read_text()
    (folder / "access.yaml").write_text(text.replace("feeder/F12]", "feeder/F13]").replace("[feeder]", "[fedeer]"))
    (folder / "dispatch.yaml").write_text(
        DISPATCH
        + """
  vpp: {primacy: 5, max_duration_s: 5, paths: [feeder/F15], defaults: {feeder/F15: {ExpLimW: 1}}}
limits: [{paths: [feeder/F12/site/S7], assets: [c135af9e-604f-5f2a-aff0-000000000000], ramp_w_per_s: 1, reason: x}]
rebounds: [{assets: [c135af9e-604f-5f2a-aff0-1c5b43688d0c], ramp_w_per_s: 1, lasts_s: 1, reason: x}]
"""
    )
    found = wrong(folder, ASSETS)
    assert [problem.partition("/headend/")[2].partition(f" in {ASSETS}")[0] for problem in found] == [
        "access.yaml:4: principals[0].areas[0]: there is no fedeer",
        "access.yaml:8: grants[1].paths[0]: there is no feeder/F13",
        "dispatch.yaml:7: programs.vpp.paths[0]: there is no feeder/F15",
        'dispatch.yaml:7: programs.vpp.defaults["feeder/F15"]: there is no feeder/F15',
        "dispatch.yaml:8: limits[0].paths[0]: there is no feeder/F12/site/S7",
        "dispatch.yaml:8: limits[0].assets[0]: there is no c135af9e-604f-5f2a-aff0-000000000000",
    ]
    assert found[0].endswith("did you mean 'feeder'?")


def test_an_asset_belongs_to_a_programme_that_runs_where_it_is(folder: Path, tmp_path: Path) -> None:
    (folder / "dispatch.yaml").write_text(
        DISPATCH + "  vpp: {primacy: 5, max_duration_s: 5, market: true, paths: [feeder/F14]}\n"
    )
    fleet = tmp_path / "assets.yaml"
    lines = ASSETS.read_text().splitlines()
    first = next(number for number, line in enumerate(lines) if "id: c135af9e" in line)
    fleet.write_text("\n".join([*lines[: first + 1], "    program: vpp", *lines[first + 1 :]]))
    where = f"{fleet}:{first + 2}: assets[0].program"
    assert wrong(folder, fleet) == [
        f"{where}: program vpp runs at feeder/F14 only, not at feeder/F12/site/S1",
    ]
    fleet.write_text(fleet.read_text().replace("program: vpp", "program: vvp"))
    assert wrong(folder, fleet) == [f"{where}: 'vvp' is no programme of the policy; did you mean 'vpp'?"]
