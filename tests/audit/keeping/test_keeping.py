"""Logs that were packed, pruned, begun anew after a restore, or whose key was changed; and attacks on each of these."""

from __future__ import annotations

import gzip
import random
import resource
import shutil
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from kept_trails import (
    NEW,
    NEW_PUBLIC,
    OLD,
    OLD_PUBLIC,
    THIRD,
    THIRD_PUBLIC,
    altered,
    body_keys,
    grown,
    headers_in,
    judge,
    lines_in,
    open_log,
    prune,
    resign,
    tampered,
    undecided,
    verified,
)
from persons import END, RING, approved, person, request, signature
from trail_helpers import ORIGIN, SEGMENT, SOAK, entries

from audit import approval, keeping
from audit.approval import PRUNE, REBASE, Ring
from audit.errors import BadEntry, BadKey, Damaged, LogExists, NotRecorded
from audit.format import checkpoint, note, record, tree
from audit.format.checkpoint import Checkpoint
from audit.format.layout import Layout
from audit.format.note import VerifierKey, verifier_key
from audit.format.record import Entry
from audit.format.statement import Rebase, pruning
from audit.keeping import stock
from audit.reading import forms
from audit.secrecy import KeyFolder
from audit.verify import CouldNotTell, Tampered

# Keys in epochs


@pytest.fixture
def rotated(trail: Path) -> Path:
    """The good log, its key changed in record 22, and 30 records long."""
    with open_log(trail) as log:
        assert log.key == OLD_PUBLIC
        assert log.change_key(NEW).result(timeout=30).first_seq == 22
        assert log.key == NEW_PUBLIC
        log.submit(entries(6)).result(timeout=30)
    return trail


@pytest.mark.parametrize("keys", [(OLD_PUBLIC,), (NEW_PUBLIC,), (NEW_PUBLIC, OLD_PUBLIC)])
def test_a_changed_key_verifies_by_either(rotated: Path, keys: tuple[VerifierKey, ...]) -> None:
    verdict = verified(rotated, *keys)
    assert (verdict.records, verdict.key, verdict.key_changes) == (30, NEW_PUBLIC, 1)
    assert (rotated / "seals" / "0000000000000022").exists()


def test_two_changes_of_the_key(rotated: Path) -> None:
    with open_log(rotated, NEW) as log:
        for refused in (NEW, OLD):
            with pytest.raises(BadEntry, match="it is, or was, the log's"):
                log.change_key(refused).result(timeout=30)
        log.change_key(THIRD).result(timeout=30)
    for key in (OLD_PUBLIC, NEW_PUBLIC, THIRD_PUBLIC):
        assert verified(rotated, key).key_changes == 2
    stranger = verifier_key(ORIGIN, Ed25519PrivateKey.generate().public_key())
    tampered(rotated, None, "is not signed by the key given", "checkpoint", stranger)
    grown(rotated, 2, THIRD)
    with pytest.raises(BadKey, match="is signed by"):
        open_log(rotated, OLD)


def test_a_checkpoint_of_the_wrong_epochs_key(rotated: Path) -> None:
    newest, _ = checkpoint.parse((rotated / "checkpoint").read_bytes())
    (rotated / "checkpoint").write_bytes(checkpoint.sign(newest, OLD))
    tampered(rotated, None, "is not signed by the key that the log had then", "checkpoint", OLD_PUBLIC, NEW_PUBLIC)
    tampered(rotated, None, "is not signed by the key that the log had then", "checkpoint", OLD_PUBLIC)
    tampered(rotated, None, "is not signed by the key that the log had then", "checkpoint", NEW_PUBLIC)
    claimed = note.Signature(ORIGIN, NEW_PUBLIC.key_id, OLD.sign(checkpoint.text(newest)))
    (rotated / "checkpoint").write_bytes(checkpoint.text(newest) + b"\n" + note.signature_line(claimed))
    tampered(rotated, None, "the checkpoint's signature is wrong", "checkpoint", OLD_PUBLIC)


def test_the_new_key_before_its_time(rotated: Path) -> None:
    """The checkpoint that ends with the change is the old key's."""
    lines = lines_in(rotated)[:23]
    newest = Checkpoint(ORIGIN, 23, tree.root_of([record.line_hash(line) for line in lines]))
    (rotated / "checkpoint").write_bytes(checkpoint.sign(newest, NEW))
    tampered(rotated, None, "is not signed by the key that the log had then", "checkpoint", OLD_PUBLIC, NEW_PUBLIC)
    (rotated / "checkpoint").write_bytes(checkpoint.sign(newest, OLD))
    assert verified(rotated, OLD_PUBLIC).key == OLD_PUBLIC
    tampered(rotated, None, "is not signed by the key given", "checkpoint", NEW_PUBLIC)
    (rotated / "seals" / "0000000000000022").unlink()
    assert verified(rotated, OLD_PUBLIC).key_changes == 1  # the checkpoint itself is the seal
    (rotated / "seals").rmdir()
    tampered(rotated, None, "is not signed by the key given", "checkpoint", NEW_PUBLIC)


def test_an_epoch_without_its_seal(rotated: Path) -> None:
    seal = rotated / "seals" / "0000000000000022"
    good = seal.read_bytes()
    seal.unlink()
    tampered(rotated, 22, "the seal of the old one is missing", "seals/0000000000000022", NEW_PUBLIC)
    seal.write_bytes(good[:-5])
    tampered(rotated, 22, "the seal of the old one is not text", "seals/0000000000000022", NEW_PUBLIC)
    sealed, _ = checkpoint.parse(good)
    seal.write_bytes(checkpoint.sign(sealed, NEW))
    tampered(rotated, 22, "its seal is not signed by the old one", "seals/0000000000000022", NEW_PUBLIC)
    for other in (replace(sealed, size=22), replace(sealed, root=bytes(32)), replace(sealed, origin="example.com/x")):
        seal.write_bytes(checkpoint.sign(other, OLD))
        tampered(rotated, 22, "the seal of the old one is of other records", "", NEW_PUBLIC)
    seal.unlink()
    seal.mkdir()
    undecided(rotated, "cannot be read", NEW_PUBLIC)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"rule": "x"}, "does not name two keys"),
        ({"decision": str(verifier_key("example.com/x", NEW.public_key()))}, "names keys of another log"),
        ({"digests": {"old": "0" * 64, "key": NEW_PUBLIC.digest}}, "names keys and digests that do not fit"),
        ({"digests": {"old": OLD_PUBLIC.digest}}, "names keys and digests that do not fit"),
        (
            {"rule": str(THIRD_PUBLIC), "digests": {"old": THIRD_PUBLIC.digest, "key": NEW_PUBLIC.digest}},
            "changes the key from one that was not in force",
        ),
        (
            {"decision": str(OLD_PUBLIC), "digests": {"old": OLD_PUBLIC.digest, "key": OLD_PUBLIC.digest}},
            "changes the key to one that was in force before",
        ),
    ],
)
def test_changes_of_the_key_that_the_format_does_not_allow(
    rotated: Path, changes: dict[str, object], what: str
) -> None:
    resign(rotated, NEW, altered(22, **changes))
    tampered(rotated, 22, what, "headers/00000002.jsonl", NEW_PUBLIC)


def test_a_change_that_was_interrupted_is_finished_with_both_keys(trail: Path) -> None:
    with open_log(trail) as log:
        log.change_key(NEW).result(timeout=30)
    lines = lines_in(trail)[:23]  # as if the process had ended right behind the record
    newest = Checkpoint(ORIGIN, 23, tree.root_of([record.line_hash(line) for line in lines]))
    (trail / "checkpoint").write_bytes(checkpoint.sign(newest, OLD))
    shutil.rmtree(trail / "seals")
    for successor in (None, THIRD):
        with pytest.raises(BadKey, match="was not finished"):
            open_log(trail, OLD, successor=successor)
    with pytest.raises(BadKey, match="is signed by"):
        open_log(trail, NEW)
    with open_log(trail, OLD, successor=NEW) as log:
        assert log.key == NEW_PUBLIC
    assert verified(trail, OLD_PUBLIC).key == NEW_PUBLIC
    assert (trail / "seals" / "0000000000000022").exists()
    grown(trail, 1, NEW, successor=THIRD)  # nothing to finish: it is left alone
    assert verified(trail, OLD_PUBLIC).key_changes == 1


def test_a_torn_seal_of_a_change_that_never_was(trail: Path) -> None:
    (trail / "seals").mkdir()
    (trail / "seals" / "0000000000000099").write_bytes(b"torn")
    with open_log(trail) as log:
        log.change_key(NEW).result(timeout=30)
    assert verified(trail).key_changes == 1


# Packed segments


def test_a_packing_that_was_interrupted_is_done_again(trail: Path) -> None:
    (trail / "headers" / "00000000.jsonl.gz").write_bytes(b"half of it")
    with open_log(trail) as log:
        assert keeping.pack(log, Layout(trail, SEGMENT), 21) == (0, 1)
        assert keeping.pack(log, Layout(trail, SEGMENT), 24) == (2,)
    (trail / "headers" / "00000000.jsonl").unlink()
    assert verified(trail).packed_segments == 1


def test_a_packed_log_verifies_and_goes_on(packed: Path) -> None:
    verdict = verified(packed)
    assert (verdict.records, verdict.packed_segments, verdict.bodies, verdict.unreleased_bytes) == (25, 2, 8, 0)
    grown(packed, 9)
    verdict = verified(packed)
    assert (verdict.records, verdict.packed_segments, verdict.cuts) == (36, 2, 0)


def test_a_packed_file_altered_to_other_bytes_of_the_same_content(packed: Path) -> None:
    path = packed / "headers" / "00000000.jsonl.gz"
    plain = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(plain, compresslevel=1, mtime=0))
    tampered(packed, 0, "with other bytes than were recorded", "headers/00000000.jsonl.gz")
    path.write_bytes(gzip.compress(plain, mtime=1))
    tampered(packed, 0, "with other bytes than were recorded", "headers/00000000.jsonl.gz")


def test_a_packed_file_that_is_not_one_gzip_member(packed: Path) -> None:
    path = packed / "headers" / "00000001.jsonl.gz"
    good = path.read_bytes()
    half = len(gzip.decompress(good)) // 2
    two = gzip.compress(gzip.decompress(good)[:half]) + gzip.compress(gzip.decompress(good)[half:])
    for bad in (good[:-1], good + b"x", two, b"", b"nonsense", good[:-8] + bytes(8), good + good):
        path.write_bytes(bad)
        tampered(packed, 8, "is not one gzip member", "headers/00000001.jsonl.gz")
    path.write_bytes(gzip.compress(gzip.decompress(good) + b"more"))
    tampered(packed, 15, "bytes follow it there", "headers/00000001.jsonl.gz")
    path.write_bytes(gzip.compress(gzip.decompress(good).replace(b'"n":9', b'"n":8')))
    tampered(packed, 10, "was altered", "headers/00000001.jsonl.gz")
    path.unlink()
    tampered(packed, 8, "is missing with its whole segment", "headers/00000001.jsonl")


def test_the_line_that_vouches_may_be_in_a_packed_segment(packed: Path) -> None:
    first, second = (packed / "headers" / f"0000000{number}.jsonl.gz" for number in (0, 1))
    plain = gzip.decompress(first.read_bytes()).split(b"\n")
    plain[6] = plain[6].replace(b'"n":5', b'"n":4')
    first.write_bytes(gzip.compress(b"\n".join(plain)))
    tampered(packed, 6, "it is not the record that the next one follows")
    second.write_bytes(b"nonsense")
    tampered(packed, 7, "it does not follow the record before it")


def test_a_segment_packed_without_a_record(trail: Path) -> None:
    path = trail / "headers" / "00000001.jsonl"
    path.with_name("00000001.jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert verified(trail).packed_segments == 0
    path.unlink()
    tampered(trail, 8, "no record says that its segment was packed", "headers/00000001.jsonl.gz")
    last = trail / "headers" / "00000002.jsonl"
    last.with_name("00000002.jsonl.gz").write_bytes(gzip.compress(last.read_bytes()))
    last.unlink()
    path.write_bytes(gzip.decompress(path.with_name("00000001.jsonl.gz").read_bytes()))
    tampered(trail, 16, "is missing with its whole segment", "headers/00000002.jsonl")  # not full: never packed


@pytest.mark.parametrize("changes", [{"n": 2}, {"n": 3}, {"digests": {}}])
def test_records_of_packing_that_the_format_does_not_allow(trail: Path, changes: dict[str, object]) -> None:
    with open_log(trail) as log:
        log.state(Entry("log.packed", n=0, digests={"file": "0" * 64})).result(timeout=30)
    resign(trail, OLD, altered(22, **changes))
    tampered(trail, 22, "does not name a packed segment before its own")


def test_a_recovering_writer_reads_packed_segments_and_refuses_bad_ones(packed: Path) -> None:
    path = packed / "headers" / "00000000.jsonl.gz"
    good = path.read_bytes()
    for bad in (good[:100] + b"nonsense" * 10, good[:100]):
        path.write_bytes(bad)
        with pytest.raises(Damaged, match="is missing"):
            open_log(packed)


def test_a_packed_file_is_checked_to_its_end_in_small_bites(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "_CHUNK", 1)
    assert verified(packed).packed_segments == 2
    path = packed / "headers" / "00000000.jsonl.gz"
    path.write_bytes(path.read_bytes() + bytes(40))
    tampered(packed, 0, "is not one gzip member")


def test_a_recovering_writer_misses_lines_of_a_full_segment(trail: Path) -> None:
    path = trail / "headers" / "00000000.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:5]))
    with pytest.raises(Damaged, match="record 5 is missing"):
        open_log(trail)


def test_a_writer_stops_at_a_last_record_of_a_later_version(trail: Path) -> None:
    lines = lines_in(trail)[:16]
    lines[15] = lines[15].replace(b'"v":1}', b'"v":2}')
    (trail / "headers" / "00000001.jsonl").write_bytes(b"".join(line + b"\n" for line in lines[8:]))
    root = tree.root_of([record.line_hash(line) for line in lines])
    (trail / "checkpoint").write_bytes(checkpoint.sign(Checkpoint(ORIGIN, 16, root), OLD))
    with pytest.raises(Damaged, match="record 15 cannot be read"):
        open_log(trail)


def test_records_of_packing_only_are_taken_for_such(trail: Path) -> None:
    text = '"kind":"log.packed"'
    with open_log(trail) as log:
        log.submit([Entry("x", reason=text.replace('"', "")), Entry("x", reason=text)]).result(timeout=30)
    assert stock.packings(Layout(trail, SEGMENT), 24) == {}
    prune(trail, 0, 0)
    assert stock.packings(Layout(trail, SEGMENT), 24) == {}


# Pruned segments


def approval_path(trail: Path) -> Path:
    return next((trail / "approvals").iterdir())


def test_a_pruned_log_verifies_as_pruned_and_goes_on(pruned: Path) -> None:
    assert sorted(path.name for path in (pruned / "headers").iterdir()) == [
        "00000000.hashes", "00000000.kept", "00000001.hashes", "00000001.kept", "00000002.jsonl",
    ]  # fmt: skip
    assert not (pruned / "bodies" / "00000000.bin").exists()
    verdict = verified(pruned)
    assert (verdict.records, verdict.pruned_records, verdict.openings, verdict.bodies) == (24, 16, 2, 2)
    assert (verdict.since, verdict.approvals_unchecked) == (1_760_000_000_000_000, 0)
    assert verified(pruned, ring=None).approvals_unchecked == 1
    grown(pruned, 9)
    assert verified(pruned).records == 35
    prune(pruned, 2, 2, "cy", "ben")
    verdict = verified(pruned)
    assert (verdict.pruned_records, verdict.openings, verdict.key_changes) == (24, 4, 0)
    (pruned / "bodies" / "00000000.bin").write_bytes(b"whatever it is, it is not looked at")
    verified(pruned)


def test_pruned_files_that_are_still_there_are_read(trail: Path) -> None:
    """The process ended between the record and the removing."""
    kept = Path(shutil.copytree(trail, trail.parent / "before"))
    prune(trail, 0, 1)
    for name in ("headers/00000000.jsonl", "bodies/00000000.bin"):
        shutil.copy(kept / name, trail / name)
    assert verified(trail).pruned_records == 8


def test_segments_pruned_without_a_record(pruned: Path, trail: Path, good_log: Path) -> None:
    prune(trail, 2, 2)
    for name in ("checkpoint", "headers/00000002.jsonl", "bodies/00000002.bin"):
        shutil.copy(good_log / name, trail / name)
    tampered(trail, 0, "no record says that it was pruned", "headers/00000000.hashes")


def test_edited_hashes_of_a_pruned_segment(pruned: Path) -> None:
    for number, place in ((0, 3), (1, 0), (1, 6)):
        path = pruned / "headers" / f"0000000{number}.hashes"
        good = path.read_bytes()
        path.write_bytes(good[: place * 32] + bytes(32) + good[place * 32 + 32 :])
        tampered(pruned, 0, "record 22 names other hashes for it")
        path.write_bytes(good[:-1])
        tampered(pruned, number * SEGMENT, "the hashes left are not one for each", f"headers/0000000{number}.hashes")
        path.write_bytes(good + b"x")
        tampered(pruned, number * SEGMENT, "the hashes left are not one for each")
        path.write_bytes(good)
    path.write_bytes(good[:-32] + bytes(32))
    tampered(pruned, 15, "it is not the record that the next one follows", "headers/00000001.hashes")
    path.unlink()
    tampered(pruned, 8, "is missing with its whole segment", "headers/00000001.jsonl")


def test_edited_kept_lines_of_a_pruned_segment(pruned: Path) -> None:
    kept = pruned / "headers" / "00000000.kept"
    good = kept.read_bytes()
    other = pruned / "headers" / "00000002.jsonl"
    opened = next(line for line in other.read_bytes().splitlines(keepends=True) if b"log.open" in line)
    for bad, what in (
        (good.replace(b'"n":1000000', b'"n":1000001'), "is not the one that was there"),
        (good[:-1], "is cut short"),
        (b"nonsense\n", "is no record of the log's own"),
        (good.replace(b"log.start", b"xxx.start"), "is no record of the log's own"),
        (good.replace(ORIGIN.encode(), b"example.com/x"), "is no record of the log's own"),
        (good + good, "is out of its place"),
        (good + opened, "is out of its place"),
    ):
        kept.write_bytes(bad)
        tampered(pruned, 0, what, "headers/00000000.kept")
    kept.unlink()
    tampered(pruned, 0, "its line was not kept", "headers/00000000.hashes")


def test_a_kept_line_that_is_left_out_is_missed(trail: Path) -> None:
    grown(trail, 6)  # record 20 closes, 21 opens, 28 closes
    prune(trail, 2, 2)
    assert verified(trail).openings == 3
    (trail / "headers" / "00000002.kept").unlink()
    tampered(trail, 16, "names other hashes for it")


def test_a_key_that_was_changed_in_a_pruned_segment(rotated: Path) -> None:
    layout = Layout(rotated, SEGMENT)
    segments = list(stock.segments(layout, 30))
    said = pruning(0, [one.sealed for one in segments])
    with open_log(rotated, NEW) as log:
        keeping.prune(log, layout, segments, approved(request(PRUNE, said.subject(ORIGIN))), "over")
    for key in (OLD_PUBLIC, NEW_PUBLIC):
        verdict = verified(rotated, key)
        assert (verdict.key_changes, verdict.pruned_records) == (1, 24)
    seal = rotated / "seals" / "0000000000000022"
    seal.unlink()
    tampered(rotated, 22, "the seal of the old one is missing", "seals/0000000000000022", NEW_PUBLIC)


@pytest.mark.parametrize(
    ("changes", "first_bad", "what"),
    [
        ({"rule": "0-2"}, 22, "does not name segments before its own"),
        ({"rule": "1-0"}, 22, "does not name segments before its own"),
        ({"rule": "0-01"}, 22, "does not name segments before its own"),
        ({"digests": {"root": "0" * 64, "approval": "0" * 64}}, 22, "does not say what the segments were"),
        ({"digests": {"kept": "0" * 64, "approval": "0" * 64}}, 22, "does not say what the segments were"),
        ({"rule": "0-0"}, 22, "says of pruned segments what they were not"),
    ],
)
def test_records_of_pruning_that_the_format_does_not_allow(
    trail: Path, changes: dict[str, object], first_bad: int, what: str
) -> None:
    kept = Path(shutil.copytree(trail, trail.parent / "before"))
    prune(trail, 0, 1)
    for name in ("headers/00000000.jsonl", "headers/00000001.jsonl", "bodies/00000000.bin", "bodies/00000001.bin"):
        shutil.copy(kept / name, trail / name)
    resign(trail, OLD, altered(22, **changes))
    tampered(trail, first_bad, what)


def test_pruned_without_an_approval(trail: Path) -> None:
    kept = Path(shutil.copytree(trail, trail.parent / "before"))
    prune(trail, 0, 1)
    path = approval_path(trail)
    good = path.read_bytes()
    name = f"approvals/{path.name}"
    for ring in (RING, None):
        for bad in (good + b"x", good.replace(b"CHG-1", b"CHG-2"), bytes(70_000)):
            path.write_bytes(bad)
            tampered(trail, 22, "is missing, or is another one", name, ring=ring)
        path.unlink()
        tampered(trail, 22, "is missing, or is another one", name, ring=ring)
    path.mkdir()
    undecided(trail, "cannot be read")
    for number in (0, 1):
        for kind, end in (("headers", "jsonl"), ("bodies", "bin")):
            shutil.copy(kept / kind / f"0000000{number}.{end}", trail / kind)
    pruning_record = headers_in(trail)[22]
    digests = {name: value for name, value in pruning_record.digests.items() if name != "approval"}
    resign(trail, OLD, altered(22, digests=digests))
    tampered(trail, 22, "names no approval to prune", "headers/00000002.jsonl")


def reapproved(trail: Path, given: bytes) -> None:
    """The writer, which has the key, names this approval instead. Segments 0 and 1 are there."""
    digest = sha256(given).hexdigest()
    (trail / "approvals" / digest).write_bytes(given)
    resign(trail, OLD, altered(22, digests={**headers_in(trail)[22].digests, "approval": digest}))


def test_approvals_that_are_not_good(trail: Path) -> None:
    kept = Path(shutil.copytree(trail, trail.parent / "before"))
    prune(trail, 0, 1)
    for number in (0, 1):
        for kind, end in (("headers", "jsonl"), ("bodies", "bin")):
            shutil.copy(kept / kind / f"0000000{number}.{end}", trail / kind)
    subject = approval.parse(approval_path(trail).read_bytes()).request.subject
    good = request(PRUNE, subject)
    forged = approval.join(good, [signature("ana", good), signature("ben", good, key=THIRD)])
    for given, what in (
        (b"nonsense", "is not text, an empty line"),
        (approved(request(REBASE, subject)), "is an approval to rebase, not to prune"),
        (approved(request(PRUNE, "0" * 64)), "approves something else"),
        (approved(request(PRUNE, subject, effective=END)), "is in effect from 2035-01-01T00:00:00Z only"),
        (approved(good, "ana"), "it is approved by ana only, and 2 different persons are needed"),
        (approved(good, "ana", "ana"), "it is approved by ana only"),
        (approved(good, "ana", "vi"), "vi has the role VIEWER"),
        (approved(request(PRUNE, subject, author="ben")), "ben is its author"),
        (approved(good, "ana", "zoe"), "zoe is not in the ring"),
        (forged, "the signature of ben is wrong"),
    ):
        reapproved(trail, given)
        tampered(trail, 22, what)
    reapproved(trail, approved(good))
    verified(trail)
    second = headers_in(trail)[22].t // 1_000_000 * 1_000_000  # a ring knows whole seconds
    for ring, what in (
        (Ring((person("ana"), person("ben", revoked=second))), "ben was revoked as of 2025-10-09"),
        (Ring((person("ana"), person("ben", end=second))), "ben is valid from"),
        (Ring((person("ana"), person("ben", start=second + 1_000_000))), "ben is valid from"),
    ):
        tampered(trail, 22, what, ring=ring)
    later = Ring((person("ana"), person("ben", revoked=second + 1_000_000)))
    verified(trail, ring=later)


def test_behind_a_later_version_only_the_hashes_of_a_pruned_segment_count(trail: Path) -> None:
    def later(lines: list[bytes]) -> list[bytes]:
        return [*lines[:3], lines[3].replace(b'"v":1}', b'"v":2}'), *lines[4:]]

    lines = later(lines_in(trail))
    (trail / "headers" / "00000000.jsonl").write_bytes(b"".join(line + b"\n" for line in lines[:8]))
    leaves = [record.line_hash(line) for line in lines]
    (trail / "headers" / "00000001.jsonl").unlink()
    (trail / "headers" / "00000001.hashes").write_bytes(b"".join(leaves[8:16]))
    (trail / "headers" / "00000001.kept").write_bytes(b"nonsense")
    (trail / "checkpoint").write_bytes(checkpoint.sign(Checkpoint(ORIGIN, 21, tree.root_of(leaves)), OLD))
    undecided(trail, "record 3 is of version 2")


def test_a_change_of_the_key_behind_an_unknown_beginning(rotated: Path) -> None:
    resign(rotated, NEW, altered(0, kind="log.later"))
    undecided(rotated, "record 0 is of kind log.later", NEW_PUBLIC)


# A log after a restore

BEHIND = Rebase("example.com/gateway-0", 17, "ab" * 32)


def rebased_log(folder: Path, behind: Rebase = BEHIND, said: Rebase = BEHIND, *names: str) -> Path:
    subject = behind.subject(ORIGIN, OLD_PUBLIC.digest)
    given = approved(request(REBASE, subject), *names)
    trail = folder / "new"
    keeping.rebase(trail, OLD, ORIGIN, said, given, segment_lines=SEGMENT)
    return trail


def test_a_log_after_a_restore_reports_an_explained_break(tmp_path: Path) -> None:
    trail = rebased_log(tmp_path)
    verdict = verified(trail)
    assert (verdict.rebased_from, verdict.openings, verdict.records) == (BEHIND, 1, 2)
    assert verified(trail, ring=None).approvals_unchecked == 1
    grown(trail, 20)
    assert verified(trail).rebased_from == BEHIND
    prune(trail, 0, 1)
    assert verified(trail).rebased_from == BEHIND


@pytest.mark.parametrize(
    "said", [replace(BEHIND, root="cd" * 32), replace(BEHIND, size=16), replace(BEHIND, origin="example.com/x")]
)
def test_a_rebase_that_names_another_root_than_was_approved(tmp_path: Path, said: Rebase) -> None:
    tampered(rebased_log(tmp_path, BEHIND, said), 0, "approves something else")
    tampered(tmp_path / "new", 0, "approves something else", ring=None)


def test_a_rebase_that_was_interrupted_leaves_no_log_to_open(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, limits[1]))  # room for the approval, not for the first record
    try:
        with pytest.raises(NotRecorded, match="was not begun"):
            rebased_log(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not (tmp_path / "new").exists()
    with pytest.raises(LogExists, match=r"new\.next is not empty"):
        rebased_log(tmp_path)
    shutil.rmtree(tmp_path / "new.next")
    (tmp_path / "new").mkdir()
    verified(rebased_log(tmp_path))
    with pytest.raises(LogExists, match="new is not empty"):
        rebased_log(tmp_path)


def test_a_rebase_by_one_person(tmp_path: Path) -> None:
    tampered(rebased_log(tmp_path, BEHIND, BEHIND, "ana"), 0, "it is approved by ana only")


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"peer": ORIGIN}, "does not name the old log's origin"),
        ({"peer": "not an origin"}, "does not name the old log's origin"),
        ({"rule": "017"}, "does not name the old log's size and root"),
        ({"rule": "6553600000001"}, "does not name the old log's size and root"),
        ({"digests": {"key": OLD_PUBLIC.digest}}, "does not name the old log's size and root"),
        ({"digests": {"root": "0" * 64}}, "does not name the log's key"),
        ({"digests": {"root": "0" * 64, "key": OLD_PUBLIC.digest}}, "names no approval to rebase"),
    ],
)
def test_rebases_that_the_format_does_not_allow(tmp_path: Path, changes: dict[str, object], what: str) -> None:
    trail = rebased_log(tmp_path)
    resign(trail, OLD, altered(0, **changes))
    tampered(trail, 0, what)


def test_a_rebase_in_the_middle(trail: Path) -> None:
    resign(trail, OLD, altered(5, kind="log.rebase"))
    tampered(trail, 5, "is of kind log.rebase, which cannot stand there")


# Clocks


def test_a_record_that_was_dated_back(trail: Path) -> None:
    moment = headers_in(trail)[9].t
    resign(trail, OLD, altered(9, t=moment - 2_000_000))
    tampered(trail, 9, "is dated 2.000000 s off the record before it", "headers/00000001.jsonl")
    resign(trail, OLD, altered(9, t=moment - 2_000_000, mono_us=1))
    tampered(trail, 9, "was slipped in, or dated back")
    resign(trail, OLD, altered(9, boot="another"))
    tampered(trail, 9, "is of another boot")


def test_an_older_writer_promised_nothing(trail: Path) -> None:
    """Logs of before carry no promise: their steps are counted, and nothing more."""
    moment = headers_in(trail)[9].t
    resign(trail, OLD, lambda lines: altered(9, t=moment - 2_000_000)(altered(0, n=0)(lines)))
    assert verified(trail).clock_steps == 2  # there and back
    resign(trail, OLD, altered(12, boot="another", t=0))
    assert verified(trail).clock_steps == 3  # across boots only going back is one


# Encrypted bodies


def test_encrypted_bodies_prove_with_and_without_their_keys(secret: Path) -> None:
    assert b"zlib" not in (secret / "bodies" / "00000000.bin").read_bytes()
    verdict = verified(secret)
    assert (verdict.bodies, verdict.encrypted_bodies, verdict.decrypted_bodies) == (7, 6, 0)  # log.start's is plain
    assert verified(secret, body_keys=body_keys(secret)).decrypted_bodies == 6
    body_keys(secret).path(0).unlink()
    verdict = verified(secret, body_keys=body_keys(secret))
    assert (verdict.encrypted_bodies, verdict.decrypted_bodies) == (6, 3)
    grown(secret, 3, body_keys=body_keys(secret))
    assert verified(secret).encrypted_bodies == 7


def test_swapped_encrypted_bodies(secret: Path) -> None:
    headers = headers_in(secret)
    first, second = (header for header in headers[9 : SEGMENT * 2] if header.body)
    assert first.body is not None
    assert second.body is not None
    path = secret / "bodies" / "00000001.bin"
    data = path.read_bytes()
    begin = sum(header.body.len for header in headers[SEGMENT : first.seq] if header.body)
    one, two = data[begin : begin + first.body.len], data[begin + first.body.len :][: second.body.len]
    path.write_bytes(data[:begin] + two + one + data[begin + len(one) + len(two) :])
    tampered(secret, first.seq, "other bytes than were recorded")
    # With the signing key the headers can be made to fit; the body is still bound to its record.
    resign(secret, OLD, lambda lines: altered(first.seq, body=second.body)(altered(second.seq, body=first.body)(lines)))
    assert verified(secret).encrypted_bodies == 6
    verdict = judge(secret, body_keys=body_keys(secret))
    assert isinstance(verdict, Tampered)
    assert (verdict.first_bad, verdict.where) == (first.seq, path)
    assert "does not decrypt with its key" in verdict.what


def test_a_body_key_that_is_none(secret: Path) -> None:
    body_keys(secret).path(1).write_text("nonsense")
    verdict = judge(secret, body_keys=body_keys(secret))
    assert isinstance(verdict, CouldNotTell)
    assert "is not a body key" in verdict.why
    body_keys(secret).path(1).write_text("00" * 32 + "\n")  # another key: nothing more can be asked
    assert verified(secret, body_keys=body_keys(secret)).decrypted_bodies == 4


def test_no_body_is_written_in_the_clear_where_its_key_cannot_be_had(secret: Path) -> None:
    keys = body_keys(secret)
    with open_log(secret, body_keys=KeyFolder(secret / "nowhere")) as log, pytest.raises(NotRecorded):
        log.submit(entries(1)).result(timeout=30)
    assert verified(secret, body_keys=keys).encrypted_bodies == 6


# Everything at once


@pytest.mark.parametrize("made", ["rotated", "packed", "pruned", "secret"])
def test_a_flipped_bit_anywhere_is_found(made: str, request: pytest.FixtureRequest) -> None:
    """In seals, approvals, hashes, kept lines, packed files and encrypted bodies as in all else."""
    trail: Path = request.getfixturevalue(made)
    public = NEW_PUBLIC if made == "rotated" else OLD_PUBLIC
    verified(trail, public)
    chance = random.Random(made)
    for path in sorted(path for path in trail.rglob("*") if path.is_file() and path.name != "lock"):
        data = path.read_bytes()
        places = range(len(data)) if SOAK else chance.sample(range(len(data)), min(len(data), 40))
        for place in places:
            flipped = bytearray(data)
            flipped[place] ^= 1 << chance.randrange(8)
            path.write_bytes(flipped)
            verdict = judge(trail, public)
            assert isinstance(verdict, Tampered), (path, place, verdict)
        path.write_bytes(data)
    verified(trail, public)


@pytest.mark.parametrize("made", ["rotated", "packed", "pruned", "secret"])
def test_a_file_that_is_missing_is_missed(made: str, request: pytest.FixtureRequest) -> None:
    trail: Path = request.getfixturevalue(made)
    public = NEW_PUBLIC if made == "rotated" else OLD_PUBLIC
    for path in sorted(path for path in trail.rglob("*") if path.is_file()):
        data = path.read_bytes()
        path.unlink()
        if data:  # the lock has none, and kept lines may be none
            assert isinstance(judge(trail, public), Tampered), path
        path.write_bytes(data)
    verified(trail, public)
