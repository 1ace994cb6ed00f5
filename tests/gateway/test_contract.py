"""The contract: read whole, contradictions found at once, named by its exact bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from daemon.config import packaged
from dermscore.errors import BadInput, NotSetUp
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


def test_the_digest_is_over_the_exact_bytes() -> None:
    # docs/reference/boundary-yaml.md, "The digest"
    given = files()
    whole = hashlib.sha256()
    for name in ("boundary.yaml", "commands.csv", "points.csv"):
        whole.update(name.encode() + b"\n" + str(len(given[name])).encode() + b"\n" + given[name])
    assert Contract.parse(given, "test").digest == whole.hexdigest()
    for name in FILES:
        assert Contract.parse({**given, name: given[name] + b"\n"}, "test").digest != whole.hexdigest()


def test_a_series_is_asked_for_once_and_feeds_every_point_that_shows_it() -> None:
    made = contract()
    assert [(series.path, series.quantity) for series in made.series] == [(PATH, "power_w"), (PATH, "soc_pct")]
    assert [row.name for row in made.points_of[made.series[0]]] == ["power", "absorbed"]
    assert {row.name for row in made.points} - {row.name for row in made.published} == {
        "target state", "release state", "feedback", "heartbeat", "audit", "link", "rehearsal",
    }  # fmt: skip


def test_missing_files_name_the_command_that_makes_them(tmp_path: Path) -> None:
    with pytest.raises(NotSetUp, match="derms gateway init"):
        Contract.load(tmp_path)


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
