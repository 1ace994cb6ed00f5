"""The two sheets: the packaged ones load, and everything that can be wrong with one is told at its cell."""

from __future__ import annotations

import csv
import io
from dataclasses import fields
from pathlib import Path
from typing import Final

import pytest

from dermscore import assets
from dermscore.errors import BadInput
from dermscore.sheets.points import (
    CommandRow,
    Control,
    Mode,
    OnIsolate,
    OnMasterLoss,
    PointKind,
    PointRow,
    PointType,
    Positive,
    Quantity,
    Unit,
)
from dermscore.sheets.reading import (
    COMMAND_COLUMNS,
    POINT_COLUMNS,
    read_commands,
    read_commands_and_retired,
    read_points,
    read_points_and_retired,
)

ROOT: Final = Path(__file__).parents[3]
SHEETS: Final = ROOT / "policies" / "gateway"

SITE: Final = "feeder/F12/site/S1"
WHY: Final = {"reason": "to see", "owner": "OT", "ticket": "CHG-1"}
POWER: Final = {
    "name": "power",
    "path": SITE,
    "kind": "all",
    "quantity": "power_w",
    "unit": "kW",
    "outstation": "main",
    "type": "AI",
    "index": "0",
    "scale": "1",
    "class": "2",
    "stale_after_s": "10",
    "min_members": "1",
    "min_coverage_pct": "80",
    "positive_means": "injection",
    "bcsi": "no",
    **WHY,
}
LINK: Final = {
    "name": "link",
    "kind": "gateway",
    "quantity": "headend_link",
    "unit": "state",
    "outstation": "main",
    "type": "BI",
    "index": "0",
    "class": "1",
    "bcsi": "no",
    **WHY,
}
STATE: Final = LINK | {
    "name": "state",
    "path": SITE,
    "kind": "command",
    "quantity": "command_state",
    "type": "AI",
    "index": "1",
    "scale": "1",
}
FEEDBACK: Final = STATE | {
    "name": "feedback",
    "quantity": "command_feedback_w",
    "unit": "kW",
    "index": "2",
    "positive_means": "injection",
}
TARGET: Final = {
    "name": "target",
    "path": SITE,
    "mode": "target",
    "unit": "kW",
    "outstation": "main",
    "type": "AO",
    "index": "0",
    "scale": "1",
    "low": "-90000",
    "high": "90000",
    "control": "both",
    "hold": "until_changed",
    "on_master_loss": "hold",
    "on_isolate": "hold_until_expiry",
    "primacy": "1",
    "status_point": "state",
    "feedback_timeout_s": "15",
    **WHY,
}
RELEASE: Final = {
    "name": "release",
    "path": SITE,
    "mode": "release",
    "outstation": "main",
    "type": "BO",
    "index": "0",
    "control": "sbo",
    "primacy": "1",
    "status_point": "state 2",
    "feedback_timeout_s": "15",
    **WHY,
}
STATE2: Final = STATE | {"name": "state 2", "index": "3"}

Cells = dict[str, str]


def sheet(columns: object, rows: list[Cells]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")  # type: ignore[call-overload]
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def points(*rows: Cells) -> tuple[PointRow, ...]:
    return read_points(sheet(POINT_COLUMNS, list(rows)), "points.csv")


def commands(rows: list[Cells], seen: tuple[PointRow, ...] | None = None) -> tuple[CommandRow, ...]:
    return read_commands(sheet(COMMAND_COLUMNS, rows), "commands.csv", seen)


def point_problems(*rows: Cells) -> list[str]:
    with pytest.raises(BadInput) as caught:
        points(*rows)
    return [str(problem) for problem in caught.value.problems]


def command_problems(rows: list[Cells], seen: tuple[PointRow, ...] | None = None) -> list[str]:
    with pytest.raises(BadInput) as caught:
        commands(rows, seen)
    return [str(problem) for problem in caught.value.problems]


def test_the_packaged_sheets_load_and_show_every_site_of_the_packaged_fleet() -> None:
    rows = read_points((SHEETS / "points.csv").read_text(), "points.csv")
    asked = read_commands((SHEETS / "commands.csv").read_text(), "commands.csv", rows)
    fleet = assets.load_file(ROOT / "assets.yaml")
    shown = {(row.path, row.kind, row.quantity) for row in rows}
    for path in ("feeder/F12", *(site.path for site in fleet.sites.values())):
        for kind in (PointKind.ALL, PointKind.BATTERY):
            assert (path, kind, Quantity.POWER) in shown
    assert {quantity for _, _, quantity in shown} == set(Quantity)
    assert [(row.mode, row.type, row.index) for row in asked] == [
        (Mode.TARGET, PointType.AO, 0),
        (Mode.RELEASE, PointType.BO, 0),
    ]
    ratings = [asset for asset in fleet.under(asked[0].path) if asset.kind == "battery"]
    assert asked[0].to_si(asked[0].raw_range[1]) == sum(asset.max_w for asset in ratings)
    assert asked[0].to_si(asked[0].raw_range[0]) == sum(asset.min_w for asset in ratings)


def test_a_row_is_its_cells_read() -> None:
    row = POWER | {"offset": "5", "deadband": "2", "low": "-9", "high": "9.5", "max_rate_per_s": "4", "register": "7"}
    assert points(row | {"bcsi": "yes", "comment": "c"}) == (
        PointRow(
            name="power",
            path=SITE,
            kind=PointKind.ALL,
            quantity=Quantity.POWER,
            unit=Unit.KW,
            outstation="main",
            type=PointType.AI,
            index=0,
            register=7,
            scale=1.0,
            offset=5.0,
            deadband=2.0,
            event_class=2,
            low=-9.0,
            high=9.5,
            max_rate_per_s=4.0,
            stale_after_s=10.0,
            min_members=1,
            min_coverage_pct=80.0,
            positive_means=Positive.INJECTION,
            reason="to see",
            owner="OT",
            ticket="CHG-1",
            bcsi=True,
            retired=False,
            comment="c",
        ),
    )
    assert points(row)[0].where == "points.csv:2"


def test_a_local_row_leaves_out_what_is_not_for_it() -> None:
    (link,) = points(LINK)
    assert (link.path, link.scale, link.offset, link.deadband) == ("", 1.0, 0.0, 0.0)
    assert (link.stale_after_s, link.min_members, link.min_coverage_pct) == (None, None, None)
    assert points(LINK | {"scale": "1", "offset": "0", "deadband": "0"}) == (link,)


def test_the_whole_fleet_is_a_slash() -> None:
    assert points(POWER | {"path": "/"})[0].path == ""


def test_every_column_of_a_sheet_is_a_field_of_its_row() -> None:
    renamed = {"class": "event_class", "hold": "hold_s"}
    for columns, row in ((POINT_COLUMNS, PointRow), (COMMAND_COLUMNS, CommandRow)):
        assert [renamed.get(column, column) for column in columns] == [each.name for each in fields(row)][:-1]


@pytest.mark.parametrize(
    "column",
    ["name", "kind", "quantity", "unit", "outstation", "type", "index", "class", "reason", "owner", "ticket", "bcsi"],
)
def test_what_no_point_goes_without(column: str) -> None:
    assert point_problems(POWER | {column: ""}) == [f"points.csv:2: {column}: must not be empty"]


@pytest.mark.parametrize(
    ("row", "column", "words"),
    [
        (
            POWER | {"kind": "gateway", "path": ""},
            "kind",
            "power_w is of kind all or battery or load or solar, not gateway",
        ),
        (LINK | {"kind": "command", "path": SITE}, "kind", "headend_link is of kind gateway, not command"),
        (POWER | {"unit": "%"}, "unit", "power_w is in MW or W or kW, not %"),
        (POWER | {"type": "AO"}, "type", "power_w is of type AI, not AO"),
        (POWER | {"positive_means": ""}, "positive_means", "must say what a positive number means"),
        (LINK | {"positive_means": "injection"}, "positive_means", "must be empty: headend_link has no direction"),
        (POWER | {"path": ""}, "path", "must not be empty; '/' is the whole fleet"),
        (STATE | {"path": ""}, "path", "must not be empty; '/' is the whole fleet"),
        (LINK | {"path": "feeder"}, "path", "must be empty: the gateway is nowhere in the tree"),
        (LINK | {"stale_after_s": "10"}, "stale_after_s", "must be empty: the gateway knows headend_link by itself"),
        (STATE | {"min_members": "1"}, "min_members", "must be empty: the gateway knows command_state by itself"),
        (POWER | {"min_members": ""}, "min_members", "must not be empty: power_w needs it"),
        (POWER | {"min_members": "0"}, "min_members", "must be a whole number from 1"),
        (POWER | {"min_coverage_pct": ""}, "min_coverage_pct", "must not be empty"),
        (POWER | {"min_coverage_pct": "101"}, "min_coverage_pct", "must be between 0 and 100"),
        (POWER | {"stale_after_s": "0"}, "stale_after_s", "must be more than 0"),
        (POWER | {"scale": ""}, "scale", "must not be empty: an analog needs it"),
        (POWER | {"scale": "0"}, "scale", "must be more than 0"),
        (POWER | {"scale": "-1"}, "scale", "must be more than 0"),
        (POWER | {"deadband": "-1"}, "deadband", "must be 0 or more"),
        (POWER | {"class": "4"}, "class", "must be a whole number from 0 to 3"),
        (POWER | {"index": "65536"}, "index", "must be a whole number from 0 to 65535"),
        (POWER | {"low": "2", "high": "1"}, "low", "must not be above high (1)"),
        (POWER | {"low": "-3e9"}, "low", "needs a raw value beyond 32 bits"),
        (POWER | {"high": "3e9"}, "high", "choose a larger scale"),
        (POWER | {"high": "1e308", "scale": "1e-300"}, "high", "choose a larger scale"),
        (POWER | {"low": "0.2", "high": "0.8"}, "scale", "no whole raw value lies between low and high"),
        (LINK | {"scale": "2"}, "scale", "must be empty: it says nothing of a binary"),
        (LINK | {"high": "1"}, "high", "must be empty: it says nothing of a binary"),
    ],
)
def test_what_can_be_wrong_with_a_point(row: Cells, column: str, words: str) -> None:
    found = [problem for problem in point_problems(row) if problem.startswith(f"points.csv:2: {column}: ")]
    assert any(words in problem for problem in found)


def test_no_two_rows_share_a_name_or_an_index_or_a_register_not_even_a_retired_one() -> None:
    first = POWER | {"register": "5", "retired": "yes"}
    assert point_problems(first, POWER | {"register": "5"}, LINK, LINK | {"name": "other"}) == [
        "points.csv:3: name: power is taken by line 2 (retired, but it keeps what it had); choose another",
        "points.csv:3: index: main AI 0 is taken by line 2 (retired, but it keeps what it had); choose another",
        "points.csv:3: register: main AI 5 is taken by line 2 (retired, but it keeps what it had); choose another",
        "points.csv:5: index: main BI 0 is taken by line 4; choose another",
    ]
    assert len(points(POWER, POWER | {"name": "other", "outstation": "second"}, LINK)) == 3


def test_a_retired_row_is_read_but_not_live() -> None:
    text = sheet(POINT_COLUMNS, [POWER | {"retired": "TRUE"}, LINK])
    assert [row.name for row in read_points(text, "p")] == ["link"]
    assert [(row.name, row.retired) for row in read_points_and_retired(text, "p")] == [("power", True), ("link", False)]


def test_every_problem_of_a_sheet_is_told_at_once_in_the_order_of_its_lines() -> None:
    bad = sheet(POINT_COLUMNS, [POWER | {"unit": "kw", "scale": "x"}, POWER | {"name": "b", "stale_after_s": ""}])
    with pytest.raises(BadInput) as caught:
        read_points(bad + "one,two\n", "points.csv")
    assert [str(problem) for problem in caught.value.problems] == [
        "points.csv:2: unit: must be one of W, kW, MW, %, s, count, state; not 'kw'; did you mean 'kW'?",
        "points.csv:2: scale: must be a number, not 'x'",
        "points.csv:3: stale_after_s: must not be empty: power_w needs it",
        "points.csv:3: index: main AI 0 is taken by line 2; choose another",
        "points.csv:4: has 2 cells, the header 26; put text that contains a comma in quotes",
    ]


def test_a_command_is_its_cells_read() -> None:
    (target,) = commands(
        [TARGET | {"offset": "1", "max_step_w": "5e6", "on_master_loss": "ramp", "master_timeout_s": "60"}]
    )
    assert (target.unit, target.scale, target.offset, target.low, target.high) == (Unit.KW, 1.0, 1.0, -90e3, 90e3)
    assert (target.control, target.hold_s, target.primacy) == (Control.BOTH, None, 1)
    assert (target.on_master_loss, target.master_timeout_s) == (OnMasterLoss.RAMP, 60.0)
    assert (target.on_isolate, target.max_step_w) == (OnIsolate.HOLD_UNTIL_EXPIRY, 5e6)
    assert (target.where, target.retired, target.comment) == ("commands.csv:2", False, "")
    assert commands([TARGET | {"hold": "900"}])[0].hold_s == 900
    (release,) = commands([RELEASE])
    assert (release.unit, release.scale, release.low, release.hold_s) == (Unit.STATE, 1.0, None, None)
    assert (release.on_master_loss, release.on_isolate) == (OnMasterLoss.HOLD, OnIsolate.HOLD_UNTIL_EXPIRY)
    neutral = {"unit": "state", "scale": "1", "offset": "0", "hold": "until_changed", "on_master_loss": "hold"}
    assert commands([RELEASE | neutral | {"on_isolate": "hold_until_expiry"}]) == (release,)


@pytest.mark.parametrize(
    ("row", "column", "words"),
    [
        (TARGET | {"type": "BO"}, "type", "a target is of type AO, not BO"),
        (TARGET | {"unit": "%"}, "unit", "a target is in MW or W or kW"),
        (TARGET | {"unit": ""}, "unit", "a target is in MW or W or kW"),
        (TARGET | {"low": ""}, "low", "must not be empty: a target needs it"),
        (TARGET | {"hold": ""}, "hold", "must not be empty: a target needs it"),
        (TARGET | {"on_master_loss": ""}, "on_master_loss", "must not be empty: a target needs it"),
        (TARGET | {"on_isolate": ""}, "on_isolate", "must not be empty: a target needs it"),
        (TARGET | {"high": "-90001"}, "low", "must not be above high"),
        (TARGET | {"high": "1e12"}, "high", "beyond 32 bits"),
        (TARGET | {"master_timeout_s": "60"}, "master_timeout_s", "must be empty: with on_master_loss hold"),
        (TARGET | {"on_master_loss": "release"}, "master_timeout_s", "must not be empty: on_master_loss release needs"),
        (TARGET | {"primacy": "256"}, "primacy", "must be a whole number from 0 to 255"),
        (TARGET | {"path": ""}, "path", "must not be empty"),
        (TARGET | {"status_point": ""}, "status_point", "must not be empty"),
        (TARGET | {"feedback_timeout_s": "0"}, "feedback_timeout_s", "must be more than 0"),
        (RELEASE | {"type": "AO"}, "type", "a release is of type BO, not AO"),
        (RELEASE | {"unit": "kW"}, "unit", "must be empty: it says nothing of a release"),
        (RELEASE | {"hold": "900"}, "hold", "must be empty: it says nothing of a release"),
        (RELEASE | {"on_isolate": "release"}, "on_isolate", "must be empty: it says nothing of a release"),
    ],
)
def test_what_can_be_wrong_with_a_command(row: Cells, column: str, words: str) -> None:
    (problem,) = command_problems([row])
    assert problem.startswith(f"commands.csv:2: {column}: ")
    assert words in problem


def test_a_command_and_its_status_point_belong_together() -> None:
    seen = points(POWER, STATE, STATE2, FEEDBACK)
    assert len(commands([TARGET, RELEASE], seen)) == 2
    for change, words in {
        "stat": "no live point is named 'stat'; did you mean 'state'?",
        "zzz": "no live point is named 'zzz'; add it to points.csv",
        "power": "'power' shows power_w; name a point of kind command that shows command_state",
    }.items():
        assert f"commands.csv:2: status_point: {words}" in command_problems([TARGET | {"status_point": change}], seen)
    assert command_problems([TARGET, RELEASE | {"status_point": "state"}], points(STATE)) == [
        "commands.csv:3: status_point: 'state' is the status of 'target' already; each command has its own"
    ]
    assert command_problems([TARGET | {"outstation": "second"}], points(STATE)) == [
        f"commands.csv:2: status_point: 'state' is of main and {SITE}, not of second and {SITE}"
    ]


def test_a_point_that_no_command_would_serve_is_named() -> None:
    seen = points(STATE, STATE2, FEEDBACK | {"path": "feeder"})
    assert command_problems([TARGET], seen) == [
        "points.csv:3: name: it is no live command's status_point; retire it, or add the command",
        "points.csv:4: path: no live command sets a target there; retire it, or add the command",
    ]


def test_names_are_unlike_over_both_sheets_and_one_target_has_one_place() -> None:
    seen = points(STATE, STATE2)
    assert command_problems([TARGET | {"name": "state"}, RELEASE], seen) == [
        "commands.csv:2: name: 'state' is the name of a point too; choose another"
    ]
    again = TARGET | {"name": "again", "index": "1", "status_point": "state 2"}
    assert command_problems([TARGET, again], seen) == [
        "commands.csv:3: path: 'target' sets the target there already; keep one of them"
    ]


def test_a_retired_command_keeps_its_index_and_serves_nothing() -> None:
    seen = points(STATE)
    text = sheet(
        COMMAND_COLUMNS, [TARGET | {"retired": "yes", "status_point": "gone"}, TARGET | {"name": "b", "index": "1"}]
    )
    assert [row.name for row in read_commands(text, "c", seen)] == ["b"]
    assert [row.name for row in read_commands_and_retired(text, "c", seen)] == ["target", "b"]
    assert command_problems([TARGET | {"retired": "yes"}, TARGET | {"name": "b"}], seen) == [
        "commands.csv:3: index: main AO 0 is taken by line 2 (retired, but it keeps what it had); choose another"
    ]


def test_links_are_checked_once_the_rows_could_be_read() -> None:
    assert command_problems([TARGET | {"status_point": "zzz", "primacy": "x"}], points(STATE)) == [
        "commands.csv:2: primacy: must be a whole number from 0 to 255, not 'x'"
    ]
    assert len(commands([TARGET | {"status_point": "zzz"}], None)) == 1
