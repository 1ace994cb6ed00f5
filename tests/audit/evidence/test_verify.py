"""Verification beyond the corpus: every byte of a file flipped, files that cannot be read, what is said in words."""

from __future__ import annotations

import json
import random
import zipfile
from dataclasses import replace
from pathlib import Path

import case_log
import pytest
from case_log import FROM, PUBLIC, TO, WITNESS, Case
from forge import Forge
from persons import RING
from trail_helpers import SEGMENT, SOAK

from audit.evidence import words
from audit.evidence.archive import Archive, Unreadable
from audit.evidence.lines import records_of
from audit.evidence.members import MANIFEST
from audit.evidence.request import Request, asked
from audit.evidence.verdict import EvidenceTampered, EvidenceVerdict, EvidenceVerified
from audit.evidence.verify import verify
from audit.format import note
from audit.format.note import Signature
from audit.verify.verdict import CouldNotTell

COUNT = 20_000 if SOAK else 400


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return case_log.build(tmp_path_factory.mktemp("case"))


def judged(path: Path) -> EvidenceVerdict:
    return verify(path, [PUBLIC], ring=RING, witness_keys=[WITNESS], segment_lines=SEGMENT)


def slim(path: Path) -> bytes:
    forge = Forge(path)
    for name in ("verifier.html", "requirements.csv", "report.html", "statement.txt"):
        forge.members[name] = forge.members[name][:300]
    return forge.sign()


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def test_a_bit_flipped_anywhere(case: Case, tmp_path: Path) -> None:
    """In every region of the file: local headers, data, directory, end. What still verifies has the same members."""
    path, chance = tmp_path / "e.zip", random.Random("bits")
    good = slim(case.make(path).path)
    path.write_bytes(good)
    held, seen = members(path), set()
    for at in [*range(300), *range(len(good) - 300, len(good)), *(chance.randrange(len(good)) for _ in range(COUNT))]:
        flipped = bytearray(good)
        flipped[at] ^= 1 << chance.randrange(8)
        path.write_bytes(flipped)
        verdict = judged(path)
        seen.add(type(verdict))
        if isinstance(verdict, EvidenceVerified):
            assert same_members(path, held), f"byte {at}"
    assert seen == {EvidenceVerified, EvidenceTampered, CouldNotTell}


def same_members(path: Path, held: dict[str, bytes]) -> bool:
    """By our own reader: the flip was in a time, a CRC or such, which another reader may stumble over."""
    with Archive(path) as archive:
        return {entry.name: archive.read(entry.name, 2**20) for entry in archive.entries} == held


def test_a_file_cut_anywhere(case: Case, tmp_path: Path) -> None:
    path, chance = tmp_path / "e.zip", random.Random("cuts")
    good = slim(case.make(path).path)
    for end in [0, 1, *(chance.randrange(len(good)) for _ in range(COUNT // 8))]:
        path.write_bytes(good[:end])
        assert isinstance(judged(path), CouldNotTell)


def test_a_file_that_changes_while_it_is_read(case: Case, tmp_path: Path) -> None:
    path = case.make(tmp_path / "e.zip").path
    forge = Forge(path)
    forge.edit_line(8, b'"n":1,', b'"n": 1,')
    path.write_bytes(forge.sign())
    with Archive(path) as archive, pytest.raises(Unreadable, match="was changed"):
        list(records_of(archive))


def test_what_cannot_be_read(case: Case, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.zip"):
        verdict = judged(path)
        assert isinstance(verdict, CouldNotTell)
        assert "cannot be read" in verdict.why
    assert isinstance(verify(tmp_path, [], segment_lines=SEGMENT), CouldNotTell)


def test_a_name_that_anybody_wrote_under_the_manifest(case: Case, tmp_path: Path) -> None:
    path = case.make(tmp_path / "e.zip").path
    forge = Forge(path)
    junk = note.signature_line(Signature("ben", bytes(4), b"junk" * 16))
    forge.members[MANIFEST] = forge.members[MANIFEST].replace(b"\n\n", b"\n\n" + junk, 1)
    path.write_bytes(forge.pack())
    verdict = judged(path)
    assert isinstance(verdict, EvidenceVerified)
    assert verdict.made_by == ("ana",)
    assert "by ana, judged by the ring" in words.in_words(verdict, path)
    without = verify(path, [PUBLIC], segment_lines=SEGMENT)
    assert isinstance(without, EvidenceVerified)
    assert without.made_by == ("ben", "ana")
    assert "by ben, ana, not judged" in words.in_words(without, path)


def test_a_log_written_anew_behind_its_witness(case: Case, tmp_path: Path) -> None:
    """With its own key, its maker's word, and the cosigned checkpoint of the log as the witness saw it beside it."""
    path = case.make(tmp_path / "e.zip").path
    forge = Forge(path)
    forge.cosign(size=20, root=b"\7" * 32, proved=33)
    path.write_bytes(forge.sign())
    verdict = judged(path)
    assert isinstance(verdict, EvidenceTampered), verdict
    assert verdict.member == "log/cosigned-after"


def test_a_verdict_as_an_object(case: Case, tmp_path: Path) -> None:
    made = case.make(tmp_path / "e.zip")
    told = words.as_object(made.verdict)
    assert json.loads(json.dumps(told)) == told
    assert told | {"key": "", "root": ""} == {
        "verdict": "verified", "evidence": True, "origin": case_log.ORIGIN, "key": "", "size": 33, "root": "",
        "request": "RFI-7", "from": "2026-01-05T05:30:00Z", "to": "2026-01-06T04:30:00Z", "kinds": "*",
        "mode": "complete", "made": "2026-02-01T09:00:00Z", "made_by": ["ana"], "made_by_judged": True, "first": 5,
        "records": 25, "asked_for": 23, "complete_up_to": "2026-01-06T04:30:00Z", "bodies": 17, "encrypted_bodies": 0,
        "decrypted_bodies": 0, "values_withheld": False, "approvals_unchecked": 0, "not_approved": 0, "denied": 7,
        "clock_steps": 0,
        "cosigned": {"by": "compliance.example/w1", "size": 33, "time": "2026-02-02T02:40:00Z"},
    }  # fmt: skip
    assert words.as_object(EvidenceTampered("a", None, "x")) == {
        "verdict": "tampered", "member": "a", "first_bad": None, "what": "x",
    }  # fmt: skip
    assert words.as_object(CouldNotTell("x")) == {"verdict": "could_not_tell", "why": "x"}


def test_a_verdict_in_words(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "e.zip"
    whole = case.make(path, Request(asked(FROM, TO + 10**12))).verdict
    text = words.in_words(whole, path)
    assert text.startswith(f"VERIFIED: {path}\n")
    assert "complete up to 2026-01-06T08:00:00.000000Z" in text
    assert "THE LOG HAD NO MORE" in text
    assert "compliance.example/w1 has cosigned 33 records" in text
    assert "none left out between the first and the last of these lines\n" in text
    assert "if the log's clock was ever set back before or behind them" in text
    everything = case.make(tmp_path / "all.zip", Request(asked(case_log.BEGIN, TO + 10**12))).verdict
    assert "set back" not in words.in_words(everything, path), "there is nothing before or behind them"
    odd = replace(
        whole, encrypted_bodies=3, decrypted_bodies=1, clock_steps=2, not_approved=1, approvals_unchecked=1, denied=0,
        cosigned=None, made_by_judged=False,
    )  # fmt: skip
    text = words.in_words(odd, path)
    for said in (
        "3 of them encrypted (1 read", "2 steps of the clock", "NOT APPROVED: 1 contract change", "not judged",
        "not cosigned",
    ):  # fmt: skip
        assert said in text
    sampled = case.make(tmp_path / "s.zip", Request(asked(FROM, TO), sample=2)).verdict
    assert "a sample: 2 records are in the log" in words.in_words(sampled, path)
    assert "the values were withheld" in words.in_words(replace(whole, values_withheld=True), path)
    assert words.in_words(EvidenceTampered("a", None, "x"), path) == f"TAMPERED: {path}\nx\nin a of the file"
    assert words.in_words(EvidenceTampered(None, None, "x"), path) == f"TAMPERED: {path}\nx"
    assert words.in_words(CouldNotTell("x\x1b"), path) == f"COULD NOT TELL: {path}\nx\\x1b"
    assert words.in_words(EvidenceTampered(None, None, "x\x1b"), path) == f"TAMPERED: {path}\nx\\x1b"
    assert words.in_words(CouldNotTell("x"), path) == f"COULD NOT TELL: {path}\nx"


def test_it_tells_how_many_records_were_checked_with_their_values(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "e.zip"
    told: list[tuple[int, int]] = []
    lines = case.make(path).verdict.manifest.count
    verify(path, [PUBLIC], segment_lines=SEGMENT, progress=lambda done, of: told.append((done, of)))
    assert told[-1] == (lines, lines)
