"""The contract: read whole, contradictions found at once, named by its exact bytes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from daemon.config import packaged
from dermscore.errors import BadInput
from gateway import outstations
from gateway.contract import FILES, Contract
from tests.gateway.stage import PATH, commands, contract, files, points


def test_the_packaged_contract_is_sound() -> None:
    shipped = Contract.load(packaged("policies/gateway"))
    assert shipped.published
    assert shipped.commands
    assert not shipped.live
    for outstation in shipped.boundary.outstations:
        assert outstations.dnp3(shipped, outstation).rows


def test_the_digest_is_that_of_one_document_with_the_exact_bytes() -> None:
    # docs/reference/boundary-yaml.md, "The digest"
    given = files() | {"points.csv": "\ufeff".encode() + files()["points.csv"].replace(b"\n", b"\r\n")}
    made = Contract.parse(given, "test")
    assert made.digest == hashlib.sha256(made.document).hexdigest()
    assert {name: text.encode() for name, text in json.loads(made.document).items()} == given
    # RFC 8785: members in order, no space, and no escape that need not be; the standard library writes such texts so.
    assert (
        made.document
        == json.dumps(json.loads(made.document), ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    )
    for name in FILES:
        assert Contract.parse({**given, name: given[name] + b"\r\n"}, "test").digest != made.digest


def test_a_series_is_asked_for_once_and_feeds_every_point_that_shows_it() -> None:
    made = contract()
    assert [(series.path, series.quantity) for series in made.series] == [(PATH, "power_w"), (PATH, "soc_pct")]
    assert [row.name for row in made.points_of[made.series[0]]] == ["power", "absorbed"]
    assert {row.name for row in made.points} - {row.name for row in made.published} == {
        "target state", "release state", "feedback", "heartbeat", "audit", "link", "rehearsal",
    }  # fmt: skip


def test_missing_files_are_to_be_brought_back_and_hide_nothing(tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_text("nonsense\n")
    with pytest.raises(BadInput) as caught:
        Contract.load(tmp_path)
    said = [str(problem) for problem in caught.value.problems]
    assert ["boundary.yaml: does not exist; bring it back" in said[0], "commands.csv: does not" in said[1]] == [
        True
    ] * 2
    assert "points.csv:1: nonsense: unknown column" in said[2]


def test_mistakes_of_one_file_hide_none_of_another() -> None:
    rows = _changed(points(), 0, quantity="pover_w"), _changed(commands(), 0, control="maybe")
    with pytest.raises(BadInput) as caught:
        contract(point_rows=rows[0], command_rows=rows[1], contract="perhaps")
    for words in ("pover_w", "maybe", "perhaps"):
        assert words in str(caught.value)


def test_a_list_with_one_bad_item_is_not_called_empty() -> None:
    boundary = f"version: 1\ncontract: rehearsal\noutstations:{OUTSTATION.replace('address: 10', 'address: 70000')}"
    with pytest.raises(BadInput) as caught:
        Contract.parse({**files(), "boundary.yaml": boundary.encode()}, "test")
    assert [str(problem).partition(": ")[2] for problem in caught.value.problems] == [
        "outstations[0].address: must be at most 65519, not 70000"
    ]


def _changed(rows: list[dict[str, object]], number: int, **changes: object) -> list[dict[str, object]]:
    rows[number] = {**rows[number], **changes}
    return rows


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"point_rows": _changed(points(), 0, outstation="north")}, "'north' is not an outstation of boundary.yaml"),
        ({"command_rows": _changed(commands(), 0, outstation="north")}, "not of north"),
        ({"command_rows": _changed(commands(), 0, status_point="none")}, "status_point"),
        ({"command_rows": _changed(commands(), 0, status_point="heartbeat")}, "status_point"),
        ({"command_rows": _changed(commands(), 0, name="power")}, "'power' is the name of a point too"),
        ({"point_rows": _changed(points(), 7, **{"class": 2})}, "class: must be 1"),
        (
            {"command_rows": _changed(commands(), 0, on_master_loss="release", master_timeout_s=60)},
            "on_master_loss: 'release' is not implemented yet; use hold",
        ),
        (
            {"command_rows": _changed(commands(), 0, on_isolate="release")},
            "on_isolate: 'release' is not implemented yet; use hold_until_expiry",
        ),
        ({"contract": "maybe"}, "contract"),
        ({"energy": "-1"}, "energy_mwh_per_15min"),
        ({"port": "none"}, "listen"),
        ({"upward": "[peers]"}, "upward"),
    ],
)
def test_contradictions_are_named(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(BadInput) as caught:
        contract(**changes)
    assert what in str(caught.value)


OUTSTATION = """
  - name: main
    listen: 127.0.0.1:20000
    address: 10
    masters: [{name: ems, address: 1, peers: [127.0.0.1]}]
"""


@pytest.mark.parametrize(
    ("outstations_text", "what"),
    [
        (OUTSTATION + OUTSTATION, "is the name of two outstations"),
        (OUTSTATION + OUTSTATION.replace("main", "other"), "is where two outstations listen"),
        (OUTSTATION.replace("address: 1,", "address: 10,"), "link address 10 is given twice"),
        (OUTSTATION.replace("[127.0.0.1]", "[nowhere]"), "write an IP address or a network"),
        (OUTSTATION.replace("[127.0.0.1]", "[]"), "peers"),
        (
            OUTSTATION.replace(
                "peers: [127.0.0.1]}", "peers: [127.0.0.1]}, {name: ems, address: 2, peers: [127.0.0.1]}"
            ),
            "the name 'ems' is given to two masters",
        ),
        (OUTSTATION.replace("name: main", "name: main\n    colour: red"), "colour"),
    ],
)
def test_bad_outstations_are_named(outstations_text: str, what: str) -> None:
    boundary = f"version: 1\ncontract: rehearsal\noutstations:{outstations_text}"
    with pytest.raises(BadInput) as caught:
        Contract.parse({**files(), "boundary.yaml": boundary.encode()}, "test")
    assert what in str(caught.value)


def test_everything_wrong_in_all_three_files_is_told_at_once() -> None:
    wrong = files(contract="maybe")
    wrong["points.csv"] = wrong["points.csv"].replace(b"soc_pct", b"charge")
    wrong["commands.csv"] = b"\xff\xfe"
    with pytest.raises(BadInput) as caught:
        Contract.parse(wrong, "test")
    assert {problem.where.partition(":")[0] for problem in caught.value.problems} == {
        "test/boundary.yaml",
        "test/points.csv",
        "test/commands.csv",
    }
