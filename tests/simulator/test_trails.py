"""A rehearsed trail: it verifies as a gateway's would, and what it says it holds is what reading finds in it."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import pytest
import two_verifiers
from click.testing import CliRunner
from trail_helpers import opened, released_lines

from audit import approval, keys
from audit.approval import Approved, Ring
from audit.evidence import review
from audit.evidence.review import Filed
from audit.format.body import Opened
from audit.format.layout import Layout
from audit.format.record import Header
from audit.secrecy import KeyFolder
from audit.verify import Tampered, Verified, verify
from audit.witness import attested
from audit.witness.coverage import COSIGNED, Coverage
from audit.witness.store import load_keys
from daemon.cli import main
from gateway.contract import Contract
from simulator.trails import site
from simulator.trails.home import Home
from simulator.trails.plan import What
from simulator.trails.rehearsal import Wanted, make
from simulator.trails.truth import Truth

BEGIN_US = 1_767_225_600_000_000
LINES = 256
DAYS = 30 if os.environ.get("DERMS_SOAK") == "1" else 3  # neither has more than one of what is rare
WANTED = Wanted(BEGIN_US, days=DAYS, points=12, period_s=300, seed=7, backup_after=2)


@dataclass(frozen=True)
class Rehearsal:
    home: Home
    truth: Truth

    @property
    def layout(self) -> Layout:
        return Layout(self.home.trail, LINES)

    @property
    def ring(self) -> Ring:
        return keys.load_ring(self.home.ring)

    def found(self) -> list[Header]:
        return [line.header() for line in released_lines(self.layout)]

    def of_kind(self, kind: str) -> list[Header]:
        return [header for header in self.found() if header.kind == kind]

    def happened(self, *what: What) -> int:
        return sum(each.what in what for each in self.truth.incidents)


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Rehearsal:
    folder = tmp_path_factory.mktemp("rehearsal") / "r"
    return Rehearsal(Home(folder), make(folder, WANTED, segment_lines=LINES))


def test_both_verifiers_say_verified_and_count_what_was_put_in(rehearsal: Rehearsal) -> None:
    home, kinds = rehearsal.home, rehearsal.truth.tally.kinds
    verdict = two_verifiers.verify(
        home.trail, keys.load_public(home.public_keys), ring=rehearsal.ring, segment_lines=LINES
    )
    assert isinstance(verdict, Verified)
    assert verdict.records == rehearsal.truth.records
    assert verdict.openings == kinds["log.start"] + kinds["log.open"]
    assert verdict.cuts == kinds["log.cut"] == rehearsal.happened(What.POWER_CUT)
    assert verdict.gaps == kinds["log.gap"] == rehearsal.happened(What.DISK_FULL)
    assert verdict.clock_steps == kinds["log.step"] == 2 * rehearsal.happened(What.CLOCK_STEP)
    assert verdict.key_changes == kinds["log.key"] == rehearsal.happened(What.KEY_CHANGE)
    assert verdict.packed_segments > 0


def test_the_first_key_alone_is_enough(rehearsal: Rehearsal) -> None:
    first, *later = keys.load_public(rehearsal.home.public_keys)
    assert later
    assert isinstance(verify(rehearsal.home.trail, [first], segment_lines=LINES), Verified)


def test_reading_finds_what_the_truth_says(rehearsal: Rehearsal) -> None:
    tally, headers = rehearsal.truth.tally, rehearsal.found()
    assert Counter(header.kind for header in headers) == tally.kinds
    decisions = Counter(f"{each.kind} {each.decision}" for each in headers if not each.kind.startswith("log."))
    assert decisions == tally.decisions
    assert sum(header.n for header in headers if header.kind == "crossing.out") == tally.values
    assert sum(header.n for header in headers if header.kind == "denied") == tally.denials
    assert json.loads(rehearsal.home.truth.read_text("utf-8")) == rehearsal.truth.as_json()


def test_it_has_one_incident_of_each_kind_and_each_has_left_its_records(rehearsal: Rehearsal) -> None:
    for what in What:
        assert rehearsal.happened(what) >= 1, what
    kinds = [header.kind for header in rehearsal.found()]
    unclosed = sum(kind == "log.open" and before != "log.close" for before, kind in pairwise(kinds))
    assert unclosed == rehearsal.happened(What.CRASH, What.POWER_CUT)
    (isolated, rejoined) = rehearsal.of_kind("isolation")
    assert 3600 <= (rejoined.t - isolated.t) / 1e6 < 3700
    assert {header.rule for header in rehearsal.of_kind("worsened")} == {"stale", "isolated"}
    assert [header.decision for header in rehearsal.of_kind("witness")].count("not cosigned") == 1
    assert {header.rule for header in rehearsal.of_kind("denied")} >= {"stranger_refused", "out-of-range", "isolated"}


def test_what_a_full_disk_refused_is_told_with_its_count(rehearsal: Rehearsal) -> None:
    missed = rehearsal.truth.tally.missed
    assert missed["crossing.out"] > 0
    (told,) = [line for line in released_lines(rehearsal.layout) if line.header().kind == "gap"]
    values = opened(told, rehearsal.layout)
    assert isinstance(values, Opened)
    assert dict(zip(values.columns["kind"], values.columns["count"], strict=True)) == missed
    (gap,) = rehearsal.of_kind("log.gap")
    assert gap.n == told.header().n == missed.total()


def test_each_contract_in_force_has_two_persons_and_its_document(rehearsal: Rehearsal) -> None:
    in_force: str | None = None
    for change in rehearsal.of_kind("contract.change"):
        given = approval.parse(rehearsal.layout.approval(change.digests["approval"]).read_bytes())
        judged = approval.judge(given, rehearsal.ring, "contract", change.digests["contract"], change.t)
        assert isinstance(judged, Approved) == (change.decision == "in force")
        assert given.request.ticket == change.rule
        assert change.digests.get("old") == in_force
        in_force = change.digests["contract"] if change.decision == "in force" else in_force
    named = {
        digest
        for header in rehearsal.found()
        for name, digest in header.digests.items()
        if name in ("contract", "config", "old", "evidence", "review") and header.kind != "log.key"
    }
    for digest in named:
        assert sha256((rehearsal.home.documents / digest).read_bytes()).hexdigest() == digest


def test_each_review_is_signed_and_follows_the_one_before(rehearsal: Rehearsal) -> None:
    filed = []
    for header in rehearsal.of_kind("review"):
        found, signed = review.parse((rehearsal.home.documents / header.digests["review"]).read_bytes())
        assert (found.evidence, found.findings) == (header.digests["evidence"], header.n)
        assert header.decision == ("findings" if header.n else "nothing found")
        if found.findings_digest is not None:
            assert (rehearsal.home.documents / found.findings_digest).exists()
        filed.append(Filed(header.digests["review"], found, signed))
    assert list(review.warnings(filed, rehearsal.ring, filed[-1].review.due - 1)) == []


def test_no_record_names_a_contract_that_is_not_in_force(rehearsal: Rehearsal) -> None:
    in_force = ""
    for header in rehearsal.found():
        if header.kind == "contract.change":
            in_force = header.digests["contract"] if header.decision == "in force" else in_force
        else:
            assert header.digests.get("contract", in_force) == in_force, header.seq


def test_its_witness_vouches_for_all_but_the_last_minute(rehearsal: Rehearsal) -> None:
    home = rehearsal.home
    verdict = verify(home.trail, keys.load_public(home.public_keys), segment_lines=LINES)
    word = attested.read_word(home.trail / COSIGNED, load_keys(home.witness / "witness.pub"))
    _, reach = attested.attest(home.trail, verdict, word, home.trail / COSIGNED, LINES)
    assert isinstance(reach, Coverage)
    assert 0 < reach.uncovered < 20


def test_a_backup_put_back_verifies_and_only_the_witness_knows_better(rehearsal: Rehearsal) -> None:
    home = rehearsal.home
    verdict = two_verifiers.verify(home.backup, keys.load_public(home.public_keys), segment_lines=LINES)
    assert isinstance(verdict, Verified)
    assert verdict.records < rehearsal.truth.records
    witnesses = load_keys(home.witness / "witness.pub")
    beside, (theirs,) = home.backup / COSIGNED, (home.witness / "seen").iterdir()
    found, _ = attested.attest(home.backup, verdict, attested.read_word(beside, witnesses), beside, LINES)
    assert isinstance(found, Verified)
    found, _ = attested.attest(home.backup, verdict, attested.read_word(theirs, witnesses), theirs, LINES)
    assert isinstance(found, Tampered)


def test_silence_lasts_no_longer_than_a_minute_while_the_gateway_runs(rehearsal: Rehearsal) -> None:
    away = {"gateway stopped", "log.close ", "log.open ", "log.gap ", "approval refused"}
    found = rehearsal.found()
    for before, after in pairwise(found):
        if after.boot == before.boot and not {f"{each.kind} {each.decision}" for each in (before, after)} & away:
            assert after.mono_us - before.mono_us <= 61_000_000, after.seq


def test_the_same_seed_makes_the_same_truth(tmp_path: Path, rehearsal: Rehearsal) -> None:
    again = make(tmp_path / "again", WANTED, segment_lines=LINES)
    assert again.as_json() == rehearsal.truth.as_json()
    headers = [line.header() for line in released_lines(Layout(tmp_path / "again" / "trail", LINES))]
    assert [timed(header) for header in headers] == [timed(header) for header in rehearsal.found()]


def timed(header: Header) -> tuple[str, int, object]:
    """All of a record that is no hash of others. The log tells a gap when its writer notices that there is room."""
    return header.kind, 0 if header.kind == "log.gap" else header.t, header.body


def test_pruned_and_encrypted_it_verifies_with_its_ring_and_its_body_keys(tmp_path: Path) -> None:
    wanted = Wanted(BEGIN_US, days=3, points=3, period_s=1800, seed=3, encrypted=True, prune=True)
    home, truth = Home(tmp_path), make(tmp_path, wanted, segment_lines=LINES)
    verdict = two_verifiers.verify(
        home.trail,
        keys.load_public(home.public_keys),
        ring=keys.load_ring(home.ring),
        body_keys=KeyFolder(home.body_keys),
        segment_lines=LINES,
    )
    assert isinstance(verdict, Verified)
    assert verdict.pruned_records == truth.tally.pruned_records == LINES
    assert verdict.approvals_unchecked == 0
    assert 0 < verdict.decrypted_bodies == verdict.encrypted_bodies


@pytest.mark.parametrize("points", [1, 9, 250])
def test_any_number_of_points_makes_a_contract(points: int) -> None:
    files = site.files(points, 60, seed=1)
    contract = Contract.parse(files, "x")
    assert len(contract.published) == points
    assert not contract.live
    changed = Contract.parse(site.revised(files, 3, "CHG-1"), "x")
    assert changed.boundary.limits != contract.boundary.limits


def test_the_command_line_writes_one_that_the_command_line_verifies(tmp_path: Path) -> None:
    folder, runner = tmp_path / "r", CliRunner()
    options = ["--days", "3", "--points", "2", "--period-s", "3600", "--without", "isolation"]
    made = runner.invoke(main, ["rehearse", str(folder), *options, "--json"])
    assert made.exit_code == 0, made.output
    told = json.loads(made.stdout)
    assert told["cost"]["header_bytes"] > 0
    assert "isolation" not in told["kinds"]
    assert "isolation" not in {each["what"] for each in told["incidents"]}
    verified = runner.invoke(
        main,
        ["audit", "verify", str(folder / "trail"), "--key", str(folder / "keys" / "audit.pub"),
         "--ring", str(folder / "ring.txt"), "--witness-key", str(folder / "witness" / "witness.pub"), "--json"],
    )  # fmt: skip
    assert verified.exit_code == 0, verified.output
    assert json.loads(verified.stdout)["records"] == told["records"]


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("keep")
    refused = CliRunner().invoke(main, ["rehearse", str(tmp_path), "--days", "3"])
    assert refused.exit_code == 1
    assert "is not empty" in refused.output
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
