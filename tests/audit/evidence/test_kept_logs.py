"""Evidence of logs that were packed or pruned, or whose key was changed."""

from __future__ import annotations

import zipfile
from pathlib import Path

import case_log
import pytest
from case_log import BEGIN, FROM, KEY, ORIGIN, PUBLIC, STEP_S, TO, Case
from persons import approved, at, key_of
from persons import request as to_approve
from trail_helpers import SEGMENT, counting_salt

from audit import keeping
from audit.approval import PRUNE
from audit.evidence.given import Maker
from audit.evidence.make import make
from audit.evidence.request import Request, asked
from audit.evidence.selection import Gone
from audit.evidence.verdict import EvidenceTampered
from audit.evidence.verify import verify
from audit.format.layout import Layout
from audit.format.note import verifier_key
from audit.format.statement import pruning
from audit.keeping import stock
from audit.keys import generate
from audit.log import Log

HOUR = STEP_S * 10**6


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """33 records, one an hour; segments 0 to 3 are full."""
    return case_log.build(tmp_path / "case")


def opened(case: Case, hour: int) -> Log:
    clock = case_log.hourly(BEGIN + hour * HOUR)
    return Log.open(case.log, KEY, clock=clock, salt=counting_salt(), segment_lines=SEGMENT)


def prune(case: Case, first: int, last: int, hour: int) -> None:
    layout = Layout(case.log, SEGMENT)
    segments = [each for each in stock.segments(layout, 32) if first <= each.span.segment <= last]
    said = pruning(first, [one.sealed for one in segments])
    with opened(case, hour) as log:
        keeping.prune(log, layout, segments, approved(to_approve(PRUNE, said.subject(ORIGIN))), "years are over")


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


@pytest.mark.parametrize("sample", [None, 9])
def test_a_packed_log(case: Case, tmp_path: Path, sample: int | None) -> None:
    layout = Layout(case.log, SEGMENT)
    with opened(case, 40) as log:
        assert keeping.pack(log, layout, 33) == (0, 1, 2, 3)
    wanted = Request(asked(FROM, TO), sample=sample, seed="dice")
    before = members(case.make(tmp_path / "a.zip", wanted, witness_keys=()).path)
    assert keeping.drop_plain(layout, 39, BEGIN + 1000 * HOUR) == (0, 1, 2, 3)
    assert members(case.make(tmp_path / "b.zip", wanted, witness_keys=()).path) == before


def test_a_period_whose_lines_were_pruned(case: Case, tmp_path: Path) -> None:
    """It is said which record pruned them, and what can be asked for instead; and that can be."""
    prune(case, 0, 0, 40)
    prune(case, 2, 2, 50)
    with pytest.raises(Gone, match="records 16 to 23 were pruned") as found:
        case.make(tmp_path / "e.zip", Request(asked(BEGIN + 9 * HOUR, BEGIN + 25 * HOUR)), witness_keys=())
    text = str(found.value)
    assert "(segments 2-2, years are over)" in text
    until, since = at(text[-20:]), at(text.partition("a period from ")[2][:20])
    for period in (asked(BEGIN + 9 * HOUR, until), asked(since, BEGIN + 30 * HOUR)):
        made = case.make(tmp_path / "e.zip", Request(period), witness_keys=(), replace=True)
        expected = sum(period.since <= BEGIN + seq * HOUR < period.until for seq in range(33))
        assert made.verdict.asked_for == expected > 0
    assert "16 records of the log were pruned" in members(tmp_path / "e.zip")["statement.txt"].decode()


def test_lines_that_are_pruned_meanwhile(case: Case, tmp_path: Path) -> None:
    """The record that says so stands behind the checkpoint that was read, so the log has verified without it."""
    pruned: list[int] = []

    def prune_once(what: str, done: int, of: int) -> None:
        if done == of and not pruned:
            pruned.append(of)
            prune(case, 2, 2, 40)

    with pytest.raises(Gone, match="records 16 to 23 were pruned while the log was read: ask again"):
        make(
            case.log, Request(asked(FROM, TO)), tmp_path / "e.zip", Maker("ana", key_of("ana")),
            case.given(witness_keys=()), now=case_log.MADE, tell=prune_once, segment_lines=SEGMENT,
        )  # fmt: skip
    assert pruned == [33]


def test_a_period_before_everything_that_is_left(case: Case, tmp_path: Path) -> None:
    """Nothing stands before the hole, so only what can be asked for behind it is said."""
    prune(case, 0, 1, 40)
    with pytest.raises(Gone, match="records 0 to 15 were pruned") as found:
        case.make(tmp_path / "e.zip", witness_keys=())
    assert "or one that ends by" not in str(found.value)
    with pytest.raises(Gone):
        case.make(tmp_path / "e.zip", Request(asked(FROM, TO), sample=3), witness_keys=())


def test_a_key_that_was_changed(case: Case, tmp_path: Path) -> None:
    """The log is verified by its first key; the evidence is signed by the second, and says so."""
    new = generate()
    with opened(case, 40) as log:
        log.change_key(new).result(timeout=30)
    made = case.make(tmp_path / "e.zip", witness_keys=())
    second = verifier_key(ORIGIN, new.public_key())
    assert made.verdict.key == second
    assert str(second) in members(made.path)["VERIFY.txt"].decode()
    verdict = verify(made.path, [PUBLIC], segment_lines=SEGMENT)
    assert isinstance(verdict, EvidenceTampered)
    assert verdict.member == "log/checkpoint"
