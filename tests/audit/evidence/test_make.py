"""Making evidence: of every shape of log, whole or not at all, and never of a log that does not verify."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import case_log
import pytest
from case_log import (
    BEGIN,
    CONFIG,
    FROM,
    KEY,
    MADE,
    NEW,
    OLD,
    ORIGIN,
    PUBLIC,
    STEP_S,
    TO,
    WITNESS,
    WITNESS_KEY_PRIVATE,
    Case,
    approval,
    digest,
)
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from persons import RING, key_of
from trail_helpers import SEGMENT, counting_salt

from audit.approval import Ring
from audit.errors import BadKey
from audit.evidence import make as make_module
from audit.evidence import people, words
from audit.evidence.gathering import LISTED
from audit.evidence.given import Maker
from audit.evidence.make import Made, OutExists, Refused, make
from audit.evidence.people import BCSI
from audit.evidence.request import BadRequest, Request, asked
from audit.evidence.verdict import EvidenceTampered, EvidenceVerified
from audit.evidence.verify import verify
from audit.format import checkpoint, note
from audit.format.checkpoint import Checkpoint
from audit.format.layout import Layout
from audit.format.proof import consistency
from audit.format.record import Entry, Reading
from audit.format.tree import root_of
from audit.log import Log
from audit.verify import verify as verify_log
from audit.verify.scope import EVERYTHING
from audit.verify.verdict import CouldNotTell, Tampered, Verdict, Verified
from audit.witness.cosignature import cosign
from audit.witness.prover import leaves_of

ANA = Maker("ana", key_of("ana"))
HOUR = STEP_S * 10**6


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Nobody writes into it."""
    return case_log.build(tmp_path_factory.mktemp("case"))


@pytest.fixture
def own(tmp_path: Path) -> Case:
    """One to be altered."""
    return case_log.build(tmp_path / "own")


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def rows(path: Path, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(members(path)[name].decode(), newline="")))


def judged(path: Path, **changes: object) -> EvidenceVerified:
    verdict = verify(path, [PUBLIC], ring=RING, witness_keys=[WITNESS], segment_lines=SEGMENT, **changes)  # type: ignore[arg-type]
    assert isinstance(verdict, EvidenceVerified), verdict
    return verdict


def test_what_is_made_verifies(case: Case, tmp_path: Path) -> None:
    made = case.make(tmp_path / "e.zip")
    verdict = judged(made.path)
    assert made.verdict == verdict
    assert (verdict.manifest.first, verdict.manifest.count, verdict.asked_for) == (5, 25, 23)
    assert (verdict.bodies, verdict.denied, verdict.clock_steps, verdict.not_approved) == (17, 7, 0, 0)
    assert (verdict.complete_up_to, verdict.log_ended, verdict.values_withheld) == (TO, False, False)
    assert verdict.made_by == ("ana",)
    assert verdict.cosigned is not None
    assert verdict.cosigned.uncovered == 0
    data = made.path.read_bytes()
    assert (made.digest, made.length) == (sha256(data).hexdigest(), len(data))
    assert (made.missing, made.approvals_missing, made.mark) == ({}, (), "")
    assert [path.name for path in tmp_path.iterdir()] == ["e.zip"]


def test_what_stands_in_it(case: Case, tmp_path: Path) -> None:
    held = members(case.make(tmp_path / "e.zip").path)
    assert {name.partition("/")[0] for name in held} == {
        "log", "approvals", "documents", "tables", "manifest", "statement.txt", "VERIFY.txt", "verifier.html",
        "requirements.csv", "report.html",
    }  # fmt: skip
    documents = {name for name in held if name.startswith("documents/")}
    assert documents == {f"documents/{digest(each)}" for each in (OLD, NEW, CONFIG)}
    assert held[f"approvals/{digest(approval(NEW))}"] == approval(NEW)
    assert held["log/checkpoint"] == (case.log / "checkpoint").read_bytes()
    assert held["log/cosigned"] == (case.log / "cosigned").read_bytes()
    assert b"<html" in held["verifier.html"]
    permissions = rows(tmp_path / "e.zip", "tables/permissions.csv")
    assert {row["contract"] for row in permissions} == {digest(OLD), digest(NEW)}
    where = {part for row in rows(tmp_path / "e.zip", "requirements.csv") for part in row["where"].split("; ")}
    assert "tables/permissions.csv" in where
    assert "tables/sessions.csv" not in where, "no session is in the period"


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hours=st.lists(st.integers(-3, 40), min_size=2, max_size=2, unique=True).map(sorted), half=st.booleans())
def test_any_period_is_complete(case: Case, tmp_path: Path, hours: Sequence[int], half: bool) -> None:
    since, until = (BEGIN + hour * HOUR + (HOUR // 2 if half else 0) for hour in hours)
    made = case.make(tmp_path / "e.zip", Request(asked(since, until)), replace=True)
    expected = sum(since <= BEGIN + seq * HOUR < until for seq in range(33))
    assert made.verdict.asked_for == expected
    held = [row["seq"] for row in rows(made.path, "tables/records.csv")]
    assert held == [str(seq) for seq in range(33) if since <= BEGIN + seq * HOUR < until]
    assert made.verdict.log_ended == (until > BEGIN + 32 * HOUR)


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(1, 40), seed=st.text(st.characters(categories=["L"]), max_size=3))
def test_any_sample_is_proved(case: Case, tmp_path: Path, count: int, seed: str) -> None:
    wanted = Request(asked(FROM, TO, ["crossing.*", "denied"]), "RFI-8", count, seed)
    made = case.make(tmp_path / "e.zip", wanted, replace=True)
    assert made.verdict.manifest.sampled
    assert made.verdict.manifest.count == made.verdict.asked_for == min(count, 19)
    assert made.verdict.complete_up_to is None
    statement = members(made.path)["statement.txt"].decode()
    assert f"A sample: {min(count, 19)} of 19 records of kinds crossing.*, denied" in statement
    assert ("the auditor gave no seed" in statement) == (seed == "")


def test_a_seed_chooses_and_the_root_if_none_is_given(case: Case, tmp_path: Path) -> None:
    def chosen(seed: str) -> list[str]:
        wanted = Request(asked(FROM, TO), sample=5, seed=seed)
        made = case.make(tmp_path / "e.zip", wanted, replace=True)
        return [row["seq"] for row in rows(made.path, "tables/records.csv")]

    root = case.make(tmp_path / "other.zip").verdict.root
    assert chosen("dice") == chosen("dice") != chosen("other dice")
    assert chosen("") == chosen(root)


def test_kinds_that_were_asked_for(case: Case, tmp_path: Path) -> None:
    made = case.make(tmp_path / "e.zip", Request(asked(BEGIN, TO, ["contract.change"])))
    assert (made.verdict.asked_for, made.verdict.manifest.first, made.verdict.manifest.count) == (3, 0, 30)
    held = members(made.path)
    assert {name for name in held if name.startswith("tables/")} == {
        "tables/records.csv", "tables/changes.csv", "tables/configuration.csv", "tables/permissions.csv",
    }, "an empty table would say that there were none, where nobody asked"  # fmt: skip
    assert "log/bodies.bin" not in held
    statement = held["statement.txt"].decode()
    assert "All 3 records of kind contract.change" in statement
    assert "none is left out" in statement
    assert "every one of the 30 records from number 0 to 29" in statement
    assert "3 contract changes, 3 with the names of two persons or more" in statement
    assert "ticket CHG-1; asked by otto" in statement
    assert "signed by ana, ben" in statement
    assert "anybody can add one" in statement


def test_values_withheld(case: Case, tmp_path: Path) -> None:
    made = case.make(tmp_path / "e.zip", withhold_values=True)
    assert made.verdict.values_withheld
    assert "log/bodies.bin" not in members(made.path)
    assert "The values of 17 records were withheld" in members(made.path)["statement.txt"].decode()


def test_encrypted_values(tmp_path: Path) -> None:
    case = case_log.build(tmp_path / "own", encrypted=True)
    blind = case.make(tmp_path / "a.zip").verdict
    assert (blind.bodies, blind.encrypted_bodies, blind.decrypted_bodies) == (17, 17, 0)
    read = case.make(tmp_path / "b.zip", body_keys=case.body_keys).verdict
    assert (read.bodies, read.encrypted_bodies, read.decrypted_bodies) == (17, 17, 17)
    (case.body_keys.folder / "00000001.key").write_text("no key\n")
    verdict = verify(tmp_path / "b.zip", [PUBLIC], body_keys=case.body_keys, segment_lines=SEGMENT)
    assert isinstance(verdict, CouldNotTell)


def test_what_is_not_at_hand_is_told(own: Case, tmp_path: Path) -> None:
    (own.documents / "new.json").unlink()
    (own.log / "approvals" / digest(approval(NEW))).unlink()
    (own.log / "approvals" / digest(approval(OLD))).write_bytes(b"another")
    (own.log / "cosigned").unlink()
    (own.documents / "link").symlink_to(own.documents / "old.json")
    made = own.make(tmp_path / "e.zip", witness_keys=())
    assert made.missing == {digest(NEW): "contract"}
    assert set(made.approvals_missing) == {digest(approval(NEW)), digest(approval(OLD))}
    assert made.verdict.not_approved == 1
    statement = members(made.path)["statement.txt"].decode()
    assert f"contract {digest(NEW)}" in statement
    assert digest(approval(NEW)) in statement
    assert "no approval is in the file" in statement
    assert "cosignature: the log has none" in statement
    (own.log / "cosigned").write_bytes(b"no note")
    again = members(own.make(tmp_path / "again.zip", witness_keys=()).path)
    assert "cosignature: the log has none" in again["statement.txt"].decode()


def test_what_is_not_cosigned_yet_is_told(own: Case, tmp_path: Path) -> None:
    held = members(own.make(tmp_path / "a.zip").path)
    assert "cosignature of no record: by log/cosigned, one has seen 33 records" in held["statement.txt"].decode()
    clock = case_log.hourly(BEGIN + 40 * HOUR)
    with Log.open(own.log, KEY, clock=clock, salt=counting_salt(), segment_lines=SEGMENT) as log:
        case_log.submit(log, [Entry("gateway")])
    made = own.make(tmp_path / "b.zip")
    newest = made.verdict.size - 33
    told = f"cosignature of the newest {newest} records: by log/cosigned, one has seen 33 records"
    assert told in members(made.path)["statement.txt"].decode()


def cosigned_at(case: Case, size: int, /, **changes: object) -> None:
    """As a witness that saw the log, or another, when it had so many records."""
    root = root_of(islice(leaves_of(Layout(case.log, SEGMENT), 0, 33), size))
    text = checkpoint.text(replace(Checkpoint(ORIGIN, size, root), **changes))  # type: ignore[arg-type]
    line = note.signature_line(cosign(text, WITNESS.name, WITNESS_KEY_PRIVATE, 1_770_000_000))
    (case.log / "cosigned").write_bytes(text + b"\n" + line)


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.integers(0, 33), sample=st.none() | st.integers(1, 5))
@example(size=0, sample=None)
@example(size=16, sample=None)
def test_whatever_a_witness_has_seen_is_proved(own: Case, tmp_path: Path, size: int, sample: int | None) -> None:
    cosigned_at(own, size)
    made = own.make(tmp_path / "e.zip", Request(asked(FROM, TO), sample=sample), replace=True)
    assert made.verdict.cosigned is not None
    assert (made.verdict.cosigned.size, made.verdict.cosigned.uncovered) == (size, 33 - size)
    proof = members(made.path)["log/cosigned-after"]
    assert proof.count(b"\n") == len(consistency(size, 33))


def test_a_fork_that_the_witness_did_not_see(own: Case, tmp_path: Path) -> None:
    """Made without the witness's key, so that nobody refuses to make it; who has the key sees it."""
    cosigned_at(own, 20, root=b"\7" * 32)
    assert isinstance(refused(own, tmp_path).verdict, Tampered)
    made = own.make(tmp_path / "e.zip", witness_keys=())
    assert "of this log" not in members(made.path)["statement.txt"].decode()
    verdict = verify(made.path, [PUBLIC], ring=RING, witness_keys=[WITNESS], segment_lines=SEGMENT)
    assert isinstance(verdict, EvidenceTampered)
    assert verdict.member == "log/cosigned"


@pytest.mark.parametrize("changes", [{"origin": "example.com/gateway-2"}, {"size": 34}])
def test_a_cosigned_checkpoint_that_cannot_be_of_this_log(
    own: Case, tmp_path: Path, changes: dict[str, object]
) -> None:
    cosigned_at(own, 20, **changes)
    made = own.make(tmp_path / "e.zip", witness_keys=())
    held = members(made.path)
    assert held["log/cosigned"] == (own.log / "cosigned").read_bytes()
    assert "log/cosigned-after" not in held
    assert "cosignature: the log has none" in held["statement.txt"].decode()
    verdict = verify(made.path, [PUBLIC], witness_keys=[WITNESS], segment_lines=SEGMENT)
    assert isinstance(verdict, EvidenceTampered)
    assert verdict.member == "log/cosigned"


def test_an_approval_that_has_not_the_form_of_one(tmp_path: Path) -> None:
    case = log_of(tmp_path / "own", [Entry("contract.change", rule="A\nB", digests={"approval": digest(b"no note")})])
    (case.log / "approvals").mkdir(exist_ok=True)
    (case.log / "approvals" / digest(b"no note")).write_bytes(b"no note")
    made = case.make(tmp_path / "e.zip", Request(asked(BEGIN, TO)))
    assert f"approvals/{digest(b'no note')}" in members(made.path)
    assert "ticket A\\nB; no approval" in members(made.path)["statement.txt"].decode()
    assert rows(made.path, "tables/changes.csv")[0]["ticket"] == "A\nB"


def log_of(folder: Path, entries: Sequence[Entry]) -> Case:
    """A log of these entries behind its first record, an hour each, and the closing."""
    case = case_log.build(folder / "other")
    log = folder / "trail"
    Log.init(log, KEY, ORIGIN, segment_lines=SEGMENT)
    with Log.open(log, KEY, clock=case_log.hourly(), salt=counting_salt(), segment_lines=SEGMENT) as opened:
        case_log.submit(opened, entries)
    return replace(case, log=log)


def test_changes_of_which_nobody_can_be_sure(tmp_path: Path) -> None:
    """In force without an approval, or without naming the contract; and not judged without a ring."""
    by = digest(approval(NEW))
    case = log_of(
        tmp_path / "own",
        [
            Entry("contract.change", decision="in force", digests={"contract": digest(NEW)}),
            Entry("contract.change", decision="in force", digests={"approval": by}),
            Entry("contract.change", decision="in force", digests={"approval": by, "contract": digest(OLD)}),
            Entry("contract.change", decision="in force", digests={"approval": by, "contract": digest(NEW)}),
        ],
    )
    (case.log / "approvals").mkdir(exist_ok=True)
    (case.log / "approvals" / by).write_bytes(approval(NEW))
    made = case.make(tmp_path / "e.zip", Request(asked(BEGIN, TO)))
    assert (made.verdict.not_approved, made.verdict.approvals_unchecked) == (3, 0)
    without = verify(made.path, [PUBLIC], segment_lines=SEGMENT)
    assert isinstance(without, EvidenceVerified)
    assert (without.not_approved, without.approvals_unchecked, without.made_by_judged) == (0, 4, False)


def test_a_log_that_says_itself_that_it_lost_something(tmp_path: Path) -> None:
    case = case_log.build(tmp_path / "case")
    with (case.log / "headers" / "00000004.jsonl").open("ab") as file:
        file.write(b"half a line")  # as after a crash: the log says at its opening that it was cut
    with Log.open(case.log, KEY, clock=case_log.hourly(TO), salt=counting_salt(), segment_lines=SEGMENT) as opened:
        opened.submit([Entry("gateway")]).result(timeout=60)
    made = case.make(tmp_path / "e.zip", Request(asked(BEGIN, TO + 10**12, ["gateway"])))
    assert made.verdict.lost == 1
    for told in (members(made.path)["statement.txt"].decode(), words.in_words(made.verdict, made.path)):
        assert "The log itself says 1 time that something was lost (log.gap, log.cut in these lines)." in told
    sampled = case.make(tmp_path / "s.zip", Request(asked(BEGIN, TO + 10**12), sample=99))
    assert sampled.verdict.lost == 0
    assert "something was lost" not in members(sampled.path)["statement.txt"].decode()


def test_more_than_the_statement_lists(tmp_path: Path) -> None:
    digests = [f"{number:064x}" for number in range(LISTED + 2)]
    changes = [Entry("contract.change", digests={"approval": each, "contract": each}) for each in digests]
    case = case_log.build(tmp_path / "other")
    log = tmp_path / "trail"
    Log.init(log, KEY, ORIGIN, segment_lines=SEGMENT)
    with Log.open(log, KEY, clock=case_log.hourly(), salt=counting_salt(), segment_lines=SEGMENT) as opened:
        opened.submit(changes).result(timeout=60)
    made = replace(case, log=log).make(tmp_path / "e.zip", Request(asked(BEGIN, TO + 10**12)))
    statement = members(made.path)["statement.txt"].decode()
    assert f"{LISTED + 2} contract changes" in statement
    assert "The others stand in tables/changes.csv." in statement
    assert "and perhaps others" in statement
    assert len(made.missing) == len(made.approvals_missing) == LISTED


def test_a_mark(case: Case, tmp_path: Path) -> None:
    made = case.make(tmp_path / "e.zip", mark="CONFIDENTIAL")
    held = members(made.path)
    assert made.mark == "CONFIDENTIAL"
    assert held["BCSI-statement.txt"].startswith(b"CONFIDENTIAL\n")
    assert held["VERIFY.txt"].startswith(b"CONFIDENTIAL\n")
    assert "tables/BCSI-permissions.csv" in held
    where = {part for row in rows(made.path, "requirements.csv") for part in row["where"].split("; ")}
    assert {"BCSI-statement.txt", "tables/BCSI-permissions.csv"} <= where
    assert "statement.txt" not in where


def test_a_report_to_print(case: Case, tmp_path: Path) -> None:
    held = members(case.make(tmp_path / "e.zip").path)
    assert b"VERIFIED" in held["report.html"]
    assert b"2026-01-05T05:30:00" in held["report.html"]
    assert str(tmp_path).encode() not in held["report.html"], "where a log's folder stands is nobody's business"
    marked = members(case.make(tmp_path / "m.zip", mark="<SECRET>").path)
    assert b"&lt;SECRET&gt;" in marked["BCSI-report.html"]
    sample = members(case.make(tmp_path / "s.zip", Request(asked(FROM, TO), sample=2)).path)
    assert "report.html" not in sample, "it would tell of more than the sample"


def test_no_report_of_a_log_that_has_changed(own: Case) -> None:
    verified = verify_log(own.log, [PUBLIC], segment_lines=SEGMENT)
    assert isinstance(verified, Verified)
    source = people.Source(
        Layout(own.log, SEGMENT), Checkpoint(ORIGIN, 33, bytes.fromhex(verified.root)),
        (own.log / "checkpoint").read_bytes(), None, verified,
    )  # fmt: skip
    assert people.report(source, [PUBLIC], EVERYTHING, MADE, lambda done, of: None) is not None
    other = replace(source, newest=replace(source.newest, root=bytes(32)))
    assert people.report(other, [PUBLIC], EVERYTHING, MADE, lambda done, of: None) is None


def test_a_mark_is_one_line(case: Case, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="a mark is one line"):
        case.make(tmp_path / "e.zip", mark="SECRET\nnothing is missing")


def test_a_clock_that_was_stepped_back(tmp_path: Path) -> None:
    """Every record of the period is there, wherever it stands; and the statement says that the clock was stepped."""
    log, hours = tmp_path / "trail", [0, 1, 10, 11, 5, 12, 20, 21, 22, 23, 24]
    times = iter(hours)

    def clock() -> Reading:
        return Reading(BEGIN + next(times) * HOUR, 0, f"boot-{hours}", "synchronised")

    Log.init(log, KEY, ORIGIN, segment_lines=SEGMENT)
    with Log.open(log, KEY, clock=clock, salt=counting_salt(), segment_lines=SEGMENT) as opened:
        case_log.submit(opened, [Entry("gateway") for _ in range(5)])
    case = replace(case_log.build(tmp_path / "other"), log=log)
    wanted = Request(asked(BEGIN + 9 * HOUR, BEGIN + 15 * HOUR, ["gateway"]))
    made = case.make(tmp_path / "e.zip", wanted, witness_keys=())
    assert [row["time"][11:13] for row in rows(made.path, "tables/records.csv")] == ["10", "11", "12"]
    assert "The log's clock was stepped" in members(made.path)["statement.txt"].decode()


def test_evidence_is_never_put_into_evidence(tmp_path: Path) -> None:
    other, word = b"answers another request", b"derms.review/1"
    digests = {"evidence": digest(other), "review": digest(word)}
    case = log_of(tmp_path / "own", [Entry("review", digests=digests)])
    (case.documents / "RFI-1.zip").write_bytes(other)
    (case.documents / "review").write_bytes(word)
    made = case.make(tmp_path / "e.zip", Request(asked(BEGIN, TO)))
    assert [name for name in members(made.path) if name.startswith("documents/")] == [f"documents/{digest(word)}"]
    assert made.missing == {}


def test_a_log_that_grows_meanwhile(own: Case, tmp_path: Path) -> None:
    """Records come, and a witness cosigns them, at every stage: the evidence is of the log as it was."""
    clock = case_log.hourly(BEGIN + 40 * HOUR)
    with Log.open(own.log, KEY, clock=clock, salt=counting_salt(), segment_lines=SEGMENT) as log:
        case_log.submit(log, [Entry("gateway", decision="started")])
        case_log.cosign_log(own.log)
        size = checkpoint.parse((own.log / "checkpoint").read_bytes())[0].size

        def grow(what: str, done: int, of: int) -> None:
            case_log.submit(log, [Entry("gateway") for _ in range(SEGMENT)])
            case_log.cosign_log(own.log)

        made = make(
            own.log, Request(asked(FROM, TO)), tmp_path / "e.zip", ANA, own.given(), now=MADE, tell=grow,
            segment_lines=SEGMENT,
        )  # fmt: skip
    assert isinstance(made, Made), made
    assert made.verdict.size == size
    assert made.verdict.cosigned is not None
    assert made.verdict.cosigned.size == size


@pytest.mark.parametrize("sample", [None, 5])
def test_everything_is_of_the_checkpoint_in_the_file(
    own: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample: int | None
) -> None:
    """Records come, and a witness cosigns them, between the reading of the checkpoint and that of the log."""
    clock = case_log.hourly(BEGIN + 100 * HOUR)

    def grown(*given: Any, **more: Any) -> Verdict:
        case_log.submit(log, [Entry("denied", n=1000)])
        case_log.cosign_log(own.log)
        return verify_log(*given, **more)

    with Log.open(own.log, KEY, clock=clock, salt=counting_salt(), segment_lines=SEGMENT) as log:
        case_log.submit(log, [Entry("gateway")])
        before = (own.log / "checkpoint").read_bytes()
        monkeypatch.setattr(make_module, "verify_log", grown)
        monkeypatch.setattr(people, "verify", grown)
        made = own.make(tmp_path / "e.zip", Request(asked(BEGIN, TO + 10**12), sample=sample))
    held = members(made.path)
    assert held["log/checkpoint"] == before
    newest = checkpoint.parse(before)[0]
    statement = held["statement.txt"].decode()
    assert f"Root {newest.root.hex()} over {newest.size} records" in statement
    if sample is not None:
        assert f"The seed was {newest.root.hex()}" in statement
    else:
        report = held["report.html"].decode()
        assert newest.root.hex() in report
        assert "1,00" not in report, "denials that came later"
        assert "1000" not in report


def test_a_verdict_as_of_a_checkpoint_that_was_read_before(own: Case) -> None:
    before = (own.log / "checkpoint").read_bytes()
    with Log.open(own.log, KEY, clock=case_log.hourly(TO), salt=counting_salt(), segment_lines=SEGMENT) as log:
        case_log.submit(log, [Entry("gateway") for _ in range(SEGMENT)])
    then, now = (verify_log(own.log, [PUBLIC], as_of=each, segment_lines=SEGMENT) for each in (before, None))
    assert isinstance(then, Verified)
    assert isinstance(now, Verified)
    assert then.records == 33
    assert now.records > 33 + SEGMENT
    assert isinstance(verify_log(own.log, [PUBLIC], as_of=before[:-9], segment_lines=SEGMENT), Tampered)


def test_a_contract_with_bcsi_marks_by_itself(tmp_path: Path) -> None:
    secret = case_log.contract(bcsi="yes")
    case = log_of(tmp_path / "own", [Entry("gateway", digests={"contract": digest(secret)})])
    (case.documents / "secret.json").write_bytes(secret)
    made = case.make(tmp_path / "e.zip", Request(asked(BEGIN, TO)))
    assert made.mark == BCSI
    assert members(made.path)["BCSI-statement.txt"].startswith(BCSI.encode())


def test_sheets_that_no_document_has(case: Case, tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_text(case_log.POINTS.format(bcsi="no"), newline="")
    (tmp_path / "commands.csv").write_text(case_log.COMMANDS, newline="")
    sheets = (tmp_path / "points.csv", tmp_path / "commands.csv")
    made = case.make(tmp_path / "e.zip", documents=(), permissions=sheets)
    told = [(row["contract"], row["name"], row["direction"]) for row in rows(made.path, "tables/permissions.csv")]
    assert told == [("", "F1 power", "out"), ("", "F1 target", "in")]
    (tmp_path / "points.csv").write_text(f"name,reason\nx,{'y' * 200_000}\n")
    with pytest.raises(BadRequest, match="is no sheet that can be read"):
        case.make(tmp_path / "bad.zip", documents=(), permissions=sheets)
    none = case.make(tmp_path / "none.zip", documents=())
    assert "tables/permissions.csv" not in members(none.path)


def test_a_log_that_was_tampered_with(own: Case, tmp_path: Path) -> None:
    path = own.log / "headers" / "00000001.jsonl"
    path.write_bytes(path.read_bytes().replace(b"admitted", b"rejected", 1))
    found = refused(own, tmp_path)
    assert isinstance(found.verdict, Tampered)
    assert found.verdict.first_bad == 8


def refused(case: Case, folder: Path, wanted: Request | None = None, **changes: object) -> Refused:
    """And nothing is left behind."""
    made = make(
        case.log, wanted or Request(asked(FROM, TO)), folder / "e.zip", ANA, case.given(**changes), now=MADE,
        segment_lines=SEGMENT,
    )  # fmt: skip
    assert isinstance(made, Refused), made
    assert not [path for path in folder.iterdir() if path.name.startswith((".", "e."))]
    return made


def test_a_folder_that_is_no_log(case: Case, tmp_path: Path) -> None:
    assert isinstance(refused(replace(case, log=tmp_path), tmp_path, witness_keys=()).verdict, CouldNotTell)


def test_a_log_that_its_witness_contradicts(own: Case, tmp_path: Path) -> None:
    case_log.cosign_log(own.log)
    (own.log / "cosigned").write_bytes((own.log / "cosigned").read_bytes().replace(b"\n33\n", b"\n34\n"))
    assert isinstance(refused(own, tmp_path).verdict, Tampered)


def test_a_maker_of_no_name(case: Case, tmp_path: Path) -> None:
    with pytest.raises(BadKey, match="cannot name a key"):
        make(
            case.log, Request(asked(FROM, TO)), tmp_path / "e.zip", Maker("\udcff", ANA.key), case.given(), now=MADE,
            segment_lines=SEGMENT,
        )  # fmt: skip


def test_a_maker_whom_the_ring_does_not_know(case: Case, tmp_path: Path) -> None:
    ring = Ring(tuple(person for person in RING.persons if person.name != "ana"))
    found = refused(case, tmp_path, ring=ring).verdict
    assert found == CouldNotTell(
        "what was made does not verify: the manifest cannot be believed: nobody of the ring has signed it"
    )


def test_what_was_made_and_cannot_be_read_again(case: Case, tmp_path: Path) -> None:
    def take_away(what: str, done: int, of: int) -> None:
        for path in tmp_path.iterdir() if what == "verifying" else ():
            path.unlink()

    made = make(
        case.log, Request(asked(FROM, TO)), tmp_path / "e.zip", ANA, case.given(), now=MADE, tell=take_away,
        segment_lines=SEGMENT,
    )  # fmt: skip
    assert isinstance(made, Refused)
    assert isinstance(made.verdict, CouldNotTell)
    assert "cannot be read" in made.verdict.why
    assert not list(tmp_path.iterdir())


def test_a_log_without_records(tmp_path: Path) -> None:
    Log.init(tmp_path / "trail", KEY, ORIGIN)
    case = Case(tmp_path / "trail", tmp_path, case_log.KeyFolder(tmp_path))
    with pytest.raises(BadRequest, match="no records yet"):
        case.make(tmp_path / "e.zip", witness_keys=())


def test_a_sample_of_nothing(case: Case, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="no record was asked for"):
        case.make(tmp_path / "e.zip", Request(asked(FROM, TO, ["nothing"]), sample=3))
    made = case.make(tmp_path / "e.zip", Request(asked(FROM, TO, ["nothing"])))
    assert made.verdict.asked_for == 0
    assert "All 0 records of kind nothing" in members(made.path)["statement.txt"].decode()


def test_nothing_is_overwritten_unless_that_is_meant(case: Case, tmp_path: Path) -> None:
    out = tmp_path / "e.zip"
    out.write_bytes(b"mine")
    with pytest.raises(OutExists):
        case.make(out)
    assert out.read_bytes() == b"mine"
    made = make(
        case.log, Request(asked(FROM, TO)), out, ANA, case.given(), now=MADE, replace=True, segment_lines=SEGMENT
    )
    assert isinstance(made, Made)


def test_progress_is_told(case: Case, tmp_path: Path) -> None:
    told: list[str] = []
    make(
        case.log, Request(asked(FROM, TO)), tmp_path / "e.zip", ANA, case.given(), now=MADE,
        tell=lambda what, done, of: told.append(what), segment_lines=SEGMENT,
    )  # fmt: skip
    assert list(dict.fromkeys(told)) == [
        "verifying the log",
        "choosing",
        "reading",
        "proving",
        "copying values",
        "verifying",
    ]


def test_no_output_claims_what_it_must_not(case: Case, tmp_path: Path) -> None:
    held = members(case.make(tmp_path / "e.zip").path)
    for name in ("statement.txt", "VERIFY.txt"):
        assert b"Responsible Entity" in held[name]
        assert b"complian" not in held[name].lower()
        assert b"certif" not in held[name].lower()
