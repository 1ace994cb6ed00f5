"""A log's lines come back as what they were made of, and what is no line of a log is refused with its place."""

from __future__ import annotations

import json
import math
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dermscore.decision.log import decision_line, fleet_line, lines, load_file, read
from dermscore.decision.log_schema import DecisionLine, FleetLine, Known
from dermscore.decision.replay import Past
from dermscore.decision.request import Declined, Granted
from dermscore.errors import BadInput, Unreadable
from dermscore.model import Impairment, ImpairmentKind
from tests.dermscore.decision.deciding import FLEET, NOW, ask, decided, event, facts, pasts

MANY: Final = settings(max_examples=2000 if os.environ.get("DERMS_SOAK") == "1" else 60, deadline=None)


def past(**changes: object) -> Past:
    request, known = ask(20.0), facts(standing=[event("e", "A", "scada")])
    return replace(Past(NOW, request, known, decided(request, known)), **changes)


def two_lines() -> list[bytes]:
    return list(lines([past()]))


@MANY
@given(st.lists(pasts(), max_size=3))
def test_what_is_written_is_read_back(log: list[Past]) -> None:
    said = list(lines(log))
    assert all(b"\n" not in line and json.loads(line) for line in said)
    assert list(read(said, "log")) == log


def test_a_fleet_is_said_once_and_again_where_it_is_another() -> None:
    other = replace(FLEET, sites={**FLEET.sites, "s2": replace(FLEET.sites["s2"], name="Two, renamed")})
    known = facts()
    elsewhere = past(facts=replace(known, snapshot=replace(known.snapshot, fleet=other)))
    same = past(facts=replace(known, snapshot=replace(known.snapshot, fleet=replace(FLEET))))
    said = list(lines([past(), past(), elsewhere, same, past()]))
    kinds = [json.loads(line)["kind"] for line in said]
    assert kinds == ["fleet", "decision", "decision", "fleet", "decision", "decision", "decision"]
    assert [each.facts.snapshot.fleet for each in read(said, "log")] == [FLEET, FLEET, other, FLEET, FLEET]


def test_a_power_that_was_no_number_is_kept_as_such() -> None:
    request = ask(math.inf)
    (found,) = read(lines([past(request=request, decision=decided(request))]), "log")
    assert found.request.target_w == math.inf


def test_whole_numbers_in_a_fleet_are_the_same_with_a_fraction() -> None:
    whole = replace(FLEET, assets={"A": replace(FLEET.assets["A"], min_soc_pct=10)})
    assert fleet_line(whole) == fleet_line(replace(FLEET, assets={"A": replace(FLEET.assets["A"], min_soc_pct=10.0)}))


def test_what_was_impaired_is_kept() -> None:
    known = facts(impaired={"A": Impairment(ImpairmentKind.LOCAL, "door open")})
    (found,) = read(lines([past(facts=known)]), "log")
    assert found.facts == known


def test_empty_lines_are_passed_over_and_counted() -> None:
    fleet, decision = two_lines()
    assert len(list(read([b"\n", fleet, b"  \n", decision, b""], "log"))) == 1
    with pytest.raises(BadInput, match="log:4: "):
        list(read([b"\n", fleet, b"\n", b"{}"], "log"))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b"{", b"", "log:2: Invalid JSON"),
        (b'"kind":"decision"', b'"kind":"opinion"', "log:2: Input tag 'opinion'"),
        (b'"version":1', b'"version":2', "log:2: decision.version: Input should be 1"),
        (b'"order_ms"', b'"order"', "log:2: decision.facts.order: Unexpected keyword argument"),
        (b'"version":1', b'"version":1,"more":1', "log:2: decision.more: Extra inputs are not permitted"),
        (b'"utc_ms":1', b'"utc_ms":"1"', "log:2: decision.now.utc_ms: Input should be a valid integer"),
        (b'"aim":"target"', b'"aim":"wish"', "log:2: decision.request.aim: Input should be 'target' or 'release'"),
        (b'"fleet":"', b'"fleet":"0', "log:2: fleet: no line before this one has the fleet 0"),
    ],
)
def test_a_line_that_is_none_is_refused_with_its_place(old: bytes, new: bytes, says: str) -> None:
    fleet, decision = two_lines()
    if old == b'"utc_ms":1':
        decision = decision.replace(b'"utc_ms":%d' % NOW.utc_ms, b'"utc_ms":"1"', 1)
    with pytest.raises(BadInput) as caught:
        list(read([fleet, decision.replace(old, new, 1)], "log"))
    assert any(str(problem).startswith(says) for problem in caught.value.problems), str(caught.value)


def test_a_fleet_that_was_changed_under_its_digest_is_refused() -> None:
    fleet, decision = two_lines()
    with pytest.raises(BadInput, match="log:1: digest: is not that of the fleet in this line"):
        list(read([fleet.replace(b"Asset A", b"Asset Z"), decision], "log"))


@pytest.mark.parametrize("number", [b"NaN", b"1e400"])
def test_a_fleet_with_a_rating_that_is_no_number_is_refused_with_its_place(number: bytes) -> None:
    fleet, _decision = two_lines()
    spoilt = re.sub(rb'"efficiency":[0-9.]+', b'"efficiency":' + number, fleet, count=1)
    assert spoilt != fleet
    with pytest.raises(BadInput, match="log:1"):
        list(read([spoilt], "log"))


def test_good_lines_before_a_bad_one_are_given_first() -> None:
    log = read([*two_lines(), b"?"], "log")
    assert next(log) == past()
    with pytest.raises(BadInput, match="log:3: "):
        next(log)


def test_a_file_is_read_and_one_that_is_not_there_is_said(tmp_path: Path) -> None:
    file = tmp_path / "decisions.jsonl"
    file.write_bytes(b"\n".join(two_lines()))
    assert list(load_file(file)) == [past()]
    for missing in (tmp_path / "none", tmp_path):
        with pytest.raises(Unreadable, match="cannot be read"):
            list(load_file(missing))


def test_a_line_names_its_fleet_by_the_digest_of_what_it_says() -> None:
    digest, _ = fleet_line(FLEET)
    assert json.loads(decision_line(past(), digest))["fleet"] == digest
    assert len(digest) == 64


def test_a_line_of_before_anything_was_decided_anew_is_read() -> None:
    fleet, older = two_lines()
    for newer in (b',"waiting":[]', b',"as_asked":[]', b',"stands":false'):
        assert newer in older
        older = older.replace(newer, b"")
    assert list(read([fleet, older], "log")) == [past()]


def test_every_key_of_a_line_is_in_the_reference() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "decision-log.md").read_text()
    keys = [*FleetLine.model_fields, *DecisionLine.model_fields, *Known.__slots__, *Granted.__slots__]
    assert [key for key in [*keys, *Declined.__slots__] if f"`{key}`" not in page] == []
