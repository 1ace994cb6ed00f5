"""`derms audit evidence`, and `verify` of what it writes: exit codes, words, JSON."""

from __future__ import annotations

import json
from pathlib import Path

import case_log
import pytest
from case_log import NEW, PUBLIC, WITNESS, Case, digest
from click.testing import CliRunner, Result
from persons import RING, key_of
from two_verifiers import ring_text

from audit import keys
from audit.cli import audit
from audit.evidence import cli as command
from audit.evidence.make import Refused
from audit.format.layout import SEGMENT_LINES
from audit.verify.verdict import Tampered

PERIOD = ("--from", "2026-01-05T05:30:00Z", "--to", "2026-01-06T04:30:00Z")


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """With the files that a person has."""
    case = case_log.build(tmp_path, segment_lines=SEGMENT_LINES)
    (tmp_path / "audit.pub").write_text(f"{PUBLIC}\n")
    (tmp_path / "witness.pub").write_text(f"{WITNESS}\n")
    (tmp_path / "ring").write_bytes(ring_text(RING))
    keys.write(tmp_path, key_of("ana"), "ana", stem="ana")
    return case


def run(*args: object) -> Result:
    return CliRunner().invoke(audit, [str(arg) for arg in args])


def evidence(folder: Path, *args: object) -> Result:
    by = ("--key", folder / "audit.pub", "--as", folder / "ana.key", "--out", folder / "RFI-7.zip")
    return run("evidence", folder / "trail", *by, *PERIOD, "--request-id", "RFI-7", *args)


def test_a_request_is_answered(case: Case, tmp_path: Path) -> None:
    ring, body_keys = ("--ring", tmp_path / "ring"), ("--body-keys", tmp_path / "body-keys")
    given = (*ring, *body_keys, "--witness-key", tmp_path / "witness.pub", "--documents", case.documents)
    made = evidence(tmp_path, *given)
    assert made.exit_code == 0, made.output
    out = tmp_path / "RFI-7.zip"
    assert f"VERIFIED: {out}" in made.output
    assert f"sha256 {digest(out.read_bytes())}  {out}" in made.output
    assert "WARNING" not in made.output
    again = run(
        "verify", out, "--key", tmp_path / "audit.pub", *ring, *body_keys, "--witness-key", tmp_path / "witness.pub"
    )
    assert again.exit_code == 0
    assert made.output.startswith(again.output.rstrip("\n"))


def test_as_json(case: Case, tmp_path: Path) -> None:
    made = evidence(tmp_path, "--json", "--bcsi", "SECRET", "--kind", "contract.change", "--force")
    told = json.loads(made.output)
    out = tmp_path / "RFI-7.zip"
    assert (told["verdict"], told["asked_for"], told["kinds"]) == ("verified", 2, "contract.change")
    assert (told["file"], told["sha256"], told["bytes"]) == (str(out), digest(out.read_bytes()), out.stat().st_size)
    assert told["documents_missing"][digest(NEW)] == "contract"
    assert (told["approvals_missing"], told["mark"]) == ([], "SECRET")
    again = json.loads(run("verify", out, "--key", tmp_path / "audit.pub", "--json").output)
    assert again == {name: told[name] for name in again}


def test_warnings(case: Case, tmp_path: Path) -> None:
    for path in (case.log / "approvals").iterdir():
        path.unlink()
    made = evidence(tmp_path, "--bcsi")
    assert made.exit_code == 0
    assert f"WARNING: contract {digest(NEW)} is named by a record and was not found (--documents)" in made.output
    assert made.output.count("and the log has not got it") == 2
    assert "its name does not say so" in made.output


def test_a_sample_by_the_auditors_seed(case: Case, tmp_path: Path) -> None:
    made = evidence(tmp_path, "--sample", 4, "--seed", "dice", "--withhold-values", "--name", "ana")
    assert made.exit_code == 0
    assert "a sample: 4 records are in the log" in made.output
    assert "the values were withheld" in made.output


def test_no_evidence_of_a_log_that_was_tampered_with(case: Case, tmp_path: Path) -> None:
    lines = case.log / "headers" / "00000000.jsonl"
    lines.write_bytes(lines.read_bytes().replace(b"admitted", b"rejected", 1))
    made = evidence(tmp_path)
    assert made.exit_code == 1
    assert "TAMPERED" in made.output
    assert "No evidence was made." in made.output
    told = json.loads(evidence(tmp_path, "--json").output)
    assert (told["verdict"], told["evidence"], told["first_bad"]) == ("tampered", False, 5)
    assert not (tmp_path / "RFI-7.zip").exists()


def test_no_evidence_of_what_is_no_log(case: Case, tmp_path: Path) -> None:
    (case.log / "checkpoint").unlink()
    (case.log / "headers" / "00000000.jsonl").unlink()
    made = evidence(tmp_path)
    assert made.exit_code == 2
    assert "COULD NOT TELL" in made.output
    assert json.loads(evidence(tmp_path, "--json").output)["verdict"] == "could_not_tell"


def test_no_evidence_by_somebody_whom_the_ring_does_not_know(case: Case, tmp_path: Path) -> None:
    made = evidence(tmp_path, "--ring", tmp_path / "ring", "--name", "otto")
    assert made.exit_code == 2  # the log has verified
    assert "nobody of the ring has signed it" in made.output
    assert "TAMPERED" not in made.output


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (("--to", "2026-01-05"), "a period is from"),
        (("--kind", "No"), "a kind is such as"),
        (("--as", "none.key"), "cannot read"),
        (("--out", "none/e.zip"), "cannot be read or written"),
        (("--request-id", "two words"), "cannot be a request's name"),
        (("--name", "\udcff"), "cannot name a key"),
    ],
)
def test_what_cannot_be_asked_for(case: Case, tmp_path: Path, args: tuple[str, ...], why: str) -> None:
    made = evidence(tmp_path, *args)
    assert made.exit_code == 2
    assert why in made.output


def test_nothing_is_overwritten(case: Case, tmp_path: Path) -> None:
    assert evidence(tmp_path).exit_code == 0
    made = evidence(tmp_path)
    assert made.exit_code == 2
    assert "nothing is overwritten" in made.output
    assert evidence(tmp_path, "--force").exit_code == 0


def test_verify_tells_evidence_from_a_log(case: Case, tmp_path: Path) -> None:
    out, by = tmp_path / "RFI-7.zip", ("--key", tmp_path / "audit.pub")
    assert evidence(tmp_path).exit_code == 0
    assert run("verify", case.log, *by).exit_code == 0
    assert run("verify", out, *by, "--headers-only").exit_code == 2
    out.write_bytes(out.read_bytes()[:-1])
    assert run("verify", out, *by).exit_code == 2
    forged = bytearray(out.read_bytes() + b"\0")
    forged[200] ^= 1
    out.write_bytes(forged)
    assert run("verify", out, *by).exit_code in (1, 2)
    assert run("verify", out, "--key", tmp_path / "ring").exit_code == 2


def test_a_fault_of_the_verifier_is_no_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_memory(*_: object, **__: object) -> None:
        raise MemoryError

    (tmp_path / "audit.pub").write_text(f"{PUBLIC}\n")
    monkeypatch.setattr(command, "verify", without_memory)
    told = run("verify", tmp_path / "audit.pub", "--key", tmp_path / "audit.pub", "--json")
    assert told.exit_code == 2
    assert "the verifier itself failed (MemoryError" in json.loads(told.stdout)["why"]


def test_a_fault_of_the_maker_is_no_finding(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_memory(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(command, "make", without_memory)
    told = evidence(tmp_path)
    assert told.exit_code == 2
    assert "no evidence was made: the program itself failed (MemoryError" in told.stderr
    assert "Traceback" in told.stderr


def test_what_a_log_says_does_nothing_to_a_terminal(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Refused(Tampered(1, case.log, "changes the key to \x1b[2J\x1b[HVERIFIED", 1))
    monkeypatch.setattr(command, "make", lambda *_, **__: found)
    made = evidence(tmp_path)
    assert made.exit_code == 1
    assert "changes the key to \\x1b[2J\\x1b[HVERIFIED" in made.output


@pytest.mark.parametrize("sign", ["\x9b", "\u202e"])  # as ESC [ does in one character, and turns what follows round
def test_what_a_log_says_does_nothing_to_a_terminal_as_json(case: Case, tmp_path: Path, sign: str) -> None:
    lines = case.log / "headers" / "00000000.jsonl"
    line = lines.read_bytes().split(b"\n")[5]
    rule = f"{PUBLIC.name}+{sign}VERIFIED+{str(PUBLIC).split('+', 2)[2]}".encode()
    forged = line.replace(b'"rule":""', b'"rule":"' + rule + b'"').replace(b'"crossing.out"', b'"log.key"')
    lines.write_bytes(lines.read_bytes().replace(line, forged, 1))
    for made in (evidence(tmp_path, "--json"), run("verify", case.log, "--key", tmp_path / "audit.pub", "--json")):
        assert made.exit_code == 1
        assert made.output.isascii()
        assert f"the verifier key's hash is {sign}VERIFIED" in json.loads(made.output)["what"]


def test_a_file_that_was_altered(case: Case, tmp_path: Path) -> None:
    from forge import Forge

    out = tmp_path / "RFI-7.zip"
    assert evidence(tmp_path).exit_code == 0
    forge = Forge(out)
    forge.edit_line(13, b"refused", b"allowed")
    out.write_bytes(forge.sign())
    told = run("verify", out, "--key", tmp_path / "audit.pub", "--json")
    assert told.exit_code == 1
    said = json.loads(told.output)
    assert (said["verdict"], said["member"], said["first_bad"]) == ("tampered", "log/headers.jsonl", 14)
