"""`derms audit review`: a review is written once, and what is due is told."""

from __future__ import annotations

import json
from pathlib import Path

import case_log
import pytest
from case_log import PUBLIC, digest
from click.testing import CliRunner, Result
from persons import RING, key_of
from two_verifiers import ring_text

from audit import keys
from audit.approval import Ring
from audit.cli import audit
from audit.evidence import review
from audit.evidence.review import DAY_US
from audit.format import note
from audit.format.layout import SEGMENT_LINES
from audit.format.note import Signature


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    case = case_log.build(tmp_path / "case", segment_lines=SEGMENT_LINES)
    made = case_log.make(
        case.log, case_log.Request(case_log.asked(case_log.FROM, case_log.TO)), tmp_path / "e.zip",
        case_log.Maker("ana", key_of("ana")), case.given(), now=case_log.MADE,
    )  # fmt: skip
    assert isinstance(made, case_log.Made)
    (tmp_path / "audit.pub").write_text(f"{PUBLIC}\n")
    (tmp_path / "ring").write_bytes(ring_text(RING))
    (tmp_path / "reviews").mkdir()
    keys.write(tmp_path, key_of("ben"), "ben", stem="ben")
    return made.path


def run(*args: object) -> Result:
    return CliRunner().invoke(audit, ["review", *(str(arg) for arg in args)])


def new(evidence: Path, *args: object, out: str = "first") -> Result:
    folder = evidence.parent
    return run(evidence, "--as", folder / "ben.key", "--out", folder / "reviews" / out, *args)


def test_a_review_is_written_and_listed(evidence: Path) -> None:
    folder = evidence.parent
    written = new(evidence, "--nothing-found", "--key", folder / "audit.pub")
    assert written.exit_code == 0, written.output
    assert "nothing found, by ben" in written.output
    assert "The evidence was verified." in written.output
    told, _ = review.parse((folder / "reviews" / "first").read_bytes())
    assert (told.evidence, told.since, told.until) == (digest(evidence.read_bytes()), case_log.FROM, case_log.TO)
    assert told.due - told.made == 15 * DAY_US
    (folder / "reviews" / "notes.txt").write_text("no review")
    (folder / "reviews" / "more").mkdir()
    status = run("status", folder / "reviews", "--ring", folder / "ring")
    assert status.exit_code == 0, status.output
    assert "WARNING" not in status.output
    assert "not judged" in run("status", folder / "reviews").output


def test_findings(evidence: Path) -> None:
    found = evidence.parent / "findings.txt"
    found.write_text("record 13: why was it refused?\n\nrecord 20: whose is 10.0.0.7?\n")
    written = new(evidence, "--findings", found, "--every", "7d")
    assert written.exit_code == 0, written.output
    assert "2 findings, by ben" in written.output
    assert "NOT verified" in written.output
    told, _ = review.parse((evidence.parent / "reviews" / "first").read_bytes())
    assert (told.findings, told.findings_digest) == (2, digest(found.read_bytes()))
    assert told.due - told.made == 7 * DAY_US


@pytest.mark.parametrize(
    ("args", "why"),
    [
        ((), "say either"),
        (("--nothing-found", "--findings", "x"), "say either"),
        (("--findings", "empty"), "say --nothing-found"),
        (("--nothing-found", "--every", "0d"), "no number of days"),
        (("--nothing-found", "--every", "often"), "no number of days"),
        (("--findings", "none"), "no review was written"),
        (("--nothing-found", "--as", "none"), "cannot read"),
    ],
)
def test_what_is_no_review(evidence: Path, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...], why: str) -> None:
    monkeypatch.chdir(evidence.parent)
    Path("empty").write_text("\n \n")
    written = new(evidence, *args)
    assert written.exit_code == 2
    assert why in written.output
    assert not list(Path("reviews").iterdir())


def test_nothing_is_overwritten(evidence: Path) -> None:
    assert new(evidence, "--nothing-found").exit_code == 0
    again = new(evidence, "--nothing-found")
    assert again.exit_code == 2
    assert "nothing is overwritten" in again.output


def test_evidence_that_does_not_verify(evidence: Path) -> None:
    from forge import Forge, pack

    by = ("--nothing-found", "--key", evidence.parent / "audit.pub")
    forge = Forge(evidence)
    forge.edit_line(13, b"refused", b"allowed")
    evidence.write_bytes(forge.sign())
    assert new(evidence, *by).exit_code == 1
    evidence.write_bytes(pack([("a", b"x")]))
    assert new(evidence, *by).exit_code == 2
    assert "no manifest" in new(evidence, "--nothing-found").output
    evidence.write_bytes(b"")
    assert new(evidence, "--nothing-found").exit_code == 2


def test_status_warns(evidence: Path) -> None:
    folder = evidence.parent / "reviews"
    empty = run("status", folder)
    assert empty.exit_code == 2
    assert "there is no review" in empty.output
    told = review.Review(
        case_log.ORIGIN, "ab" * 32, case_log.FROM, case_log.TO, 0, None, case_log.MADE, case_log.MADE + DAY_US
    )
    (folder / "old").write_bytes(review.note.sign(str(told).encode(), "ben", key_of("ben")))
    (folder / "broken").write_bytes(review.MAGIC + b"\n")
    status = run("status", folder, "--json")
    assert status.exit_code == 1
    said = json.loads(status.output)
    assert [each["file"] for each in said["reviews"]] == ["old"]
    assert said["reviews"][0]["by"] == ["ben"]
    assert any("OVERDUE" in each for each in said["warnings"])
    assert any(each.startswith("broken ") for each in said["warnings"])
    assert run("status", folder, "--ring", evidence).exit_code == 2


def test_status_names_only_those_of_the_ring(evidence: Path) -> None:
    """A line that anybody may have added names nobody, and a file's name does nothing to a terminal."""
    folder = evidence.parent / "reviews"
    assert new(evidence, "--nothing-found").exit_code == 0
    first = folder / "first"
    junk = note.signature_line(Signature("ana", bytes(4), b"junk" * 16))
    name = "\x1b[2J\x1b[HALL REVIEWED"
    (folder / name).write_bytes(first.read_bytes().replace(b"\n\n", b"\n\n" + junk, 1))
    first.unlink()
    (folder / "\x1b[2J").write_bytes(review.MAGIC + b"\n")
    judged = run("status", folder, "--ring", evidence.parent / "ring")
    assert judged.exit_code == 1
    assert "\x1b" not in judged.output
    assert "\\x1b[2J\\x1b[HALL REVIEWED" in judged.output
    assert "WARNING: \\x1b[2J " in judged.output
    assert "nothing found, by ben; next" in judged.output
    assert "by ana, ben; next" in run("status", folder).output
    told = json.loads(run("status", folder, "--ring", evidence.parent / "ring", "--json").output)
    assert [(each["file"], each["by"]) for each in told["reviews"]] == [(name, ["ben"])]


def test_status_where_nobody_of_the_ring_has_signed(evidence: Path) -> None:
    folder, ring = evidence.parent / "reviews", evidence.parent / "ring"
    assert new(evidence, "--nothing-found").exit_code == 0
    ring.write_bytes(ring_text(Ring((RING.persons[0],))))
    status = run("status", folder, "--ring", ring)
    assert status.exit_code == 1
    assert "nothing found, by nobody of the ring; next" in status.output
    assert json.loads(run("status", folder, "--ring", ring, "--json").output)["reviews"][0]["by"] == []


def test_a_fault_is_no_finding(evidence: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_memory(*_: object) -> None:
        raise MemoryError

    assert new(evidence, "--nothing-found").exit_code == 0
    monkeypatch.setattr(review, "parse", without_memory)
    status = run("status", evidence.parent / "reviews")
    assert status.exit_code == 2
    assert "the reviews cannot be told: the program itself failed (MemoryError" in status.stderr


def test_help() -> None:
    assert "status" in run("--help").output
    assert "--findings" in run("new", "--help").output
    assert run().exit_code == 2
