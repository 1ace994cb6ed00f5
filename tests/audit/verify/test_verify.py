"""Attacks on a small log, and what the verdict must be; exactly which record is named, too."""

from __future__ import annotations

import os
import random
import threading
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from trail_helpers import ORIGIN, SEGMENT, SOAK, entries, headers_of
from two_verifiers import verify

import audit.verify
from audit.format import body, checkpoint, note, record, tree
from audit.format.body import Body
from audit.format.checkpoint import Checkpoint
from audit.format.note import Signature, VerifierKey, verifier_key
from audit.format.record import Entry, Header, Reading
from audit.log import Log
from audit.verify import CouldNotTell, Tampered, Verdict, Verified
from audit.verify.timeline import Listed, Moment, Timeline

RECORDS = 21
FILES = ["checkpoint", *(f"{kind}/0000000{k}.{end}" for kind, end in (("headers", "jsonl"), ("bodies", "bin")) for k in range(3))]  # fmt: skip  # noqa: E501


def judge(trail: Path, *keys: VerifierKey) -> Verdict:
    return verify(trail, keys, segment_lines=SEGMENT)


def tampered(trail: Path, key: VerifierKey, first_bad: int | None, what: str) -> None:
    verdict = judge(trail, key)
    assert isinstance(verdict, Tampered), verdict
    assert verdict.first_bad == first_bad, verdict
    assert what in verdict.what
    assert verdict.unbroken == (first_bad or 0)


def undecided(trail: Path, why: str, *keys: VerifierKey) -> None:
    verdict = judge(trail, *keys)
    assert isinstance(verdict, CouldNotTell), verdict
    assert why in verdict.why


def test_the_good_log(good_log: Path, public: VerifierKey) -> None:
    headers = headers_of(good_log)
    verdict = judge(good_log, public)
    assert verdict == Verified(
        origin=ORIGIN,
        key=public,
        key_changes=0,
        records=RECORDS,
        pruned_records=0,
        packed_segments=0,
        root=tree.root_of([record.line_hash(line) for line in lines_of(good_log)]).hex(),
        bodies=8,
        encrypted_bodies=0,
        decrypted_bodies=0,
        openings=1,
        cuts=0,
        gaps=0,
        clock_steps=0,
        rebased_from=None,
        approvals_unchecked=0,
        since=headers[0].t,
        proved_until=headers[-1].t,
        unreleased_bytes=0,
        timeline=Timeline(openings=Listed(1, (Moment(0, headers[0].t, "the log was begun"),))),
    )


def lines_of(trail: Path) -> list[bytes]:
    return b"".join(path.read_bytes() for path in sorted((trail / "headers").iterdir())).split(b"\n")[:-1]


def owners(trail: Path, name: str) -> list[int | None]:
    """For every byte of a file the record that it belongs to."""
    headers = headers_of(trail)
    if name == "checkpoint":
        return [None] * (trail / name).stat().st_size
    segment = int(Path(name).stem)
    found: list[int | None] = []
    for header, line in list(zip(headers, lines_of(trail), strict=True))[segment * SEGMENT : (segment + 1) * SEGMENT]:
        length = len(line) + 1 if name.startswith("headers") else header.body.len if header.body else 0
        found += [header.seq] * length
    return found


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_anywhere_is_found_and_named(trail: Path, public: VerifierKey, name: str) -> None:
    path, chance = trail / name, random.Random(name)
    data, of_record = path.read_bytes(), owners(trail, name)
    assert len(data) == len(of_record)
    places = range(len(data)) if SOAK else sorted(chance.sample(range(len(data)), min(len(data), 120)))
    for at in places:
        flipped = bytearray(data)
        flipped[at] ^= 1 << chance.randrange(8)
        path.write_bytes(flipped)
        verdict = judge(trail, public)
        assert isinstance(verdict, Tampered), (at, flipped[at : at + 20])
        assert verdict.first_bad == of_record[at], (at, verdict)
    path.write_bytes(data)
    assert isinstance(judge(trail, public), Verified)


def rewrite(trail: Path, lines: Sequence[bytes]) -> None:
    """Put header lines back into segments, whatever they are."""
    for path in (trail / "headers").iterdir():
        path.unlink()
    for start in range(0, len(lines), SEGMENT):
        path = trail / "headers" / f"{start // SEGMENT:08d}.jsonl"
        path.write_bytes(b"".join(line + b"\n" for line in lines[start : start + SEGMENT]))


@pytest.mark.parametrize("at", range(RECORDS))
def test_a_deleted_line(trail: Path, public: VerifierKey, at: int) -> None:
    lines = lines_of(trail)
    rewrite(trail, lines[:at] + lines[at + 1 :])
    tampered(trail, public, at, "is missing" if at == RECORDS - 1 else "is not there")


@pytest.mark.parametrize("at", range(RECORDS - 1))
def test_a_swapped_pair(trail: Path, public: VerifierKey, at: int) -> None:
    lines = lines_of(trail)
    lines[at], lines[at + 1] = lines[at + 1], lines[at]
    rewrite(trail, lines)
    tampered(trail, public, at, f"is not there; record {at + 1} stands in its place")


@pytest.mark.parametrize("at", range(RECORDS))
def test_a_line_twice(trail: Path, public: VerifierKey, at: int) -> None:
    lines = lines_of(trail)
    rewrite(trail, lines[: at + 1] + lines[at:])
    if at == RECORDS - 1:
        verdict = judge(trail, public)  # behind the checkpoint: no part of the verdict, but reported
        assert isinstance(verdict, Verified)
        assert verdict.unreleased_bytes == len(lines[at]) + 1
    else:
        tampered(trail, public, at + 1, "is not there")


@pytest.mark.parametrize("at", range(RECORDS - 1))
def test_a_line_with_other_content(trail: Path, public: VerifierKey, at: int) -> None:
    lines = lines_of(trail)
    lines[at] = lines[at].replace(b'"clock":"synchronised"', b'"clock":"unknown"')
    rewrite(trail, lines)
    tampered(trail, public, at, "was altered: it is not the record that the next one follows")


@pytest.mark.parametrize("at", range(1, RECORDS))
def test_a_line_with_another_prev(trail: Path, public: VerifierKey, at: int) -> None:
    lines = lines_of(trail)
    lines[at] = lines[at].replace(record.decode(lines[at]).prev.encode(), b"0" * 64)
    rewrite(trail, lines)
    tampered(trail, public, at, "was altered: it does not follow the record before it")


def rechained(lines: list[bytes], first: int) -> list[bytes]:
    """Every line from `first` on with the prev that it now should have."""
    done = lines[:first]
    for line in lines[first:]:
        prev = record.line_hash(done[-1]).hex() if done else record.FIRST_PREV
        done.append(line.replace(record.decode(line).prev.encode(), prev.encode()))
    return done


def test_a_rewrite_of_the_whole_chain_without_the_key(trail: Path, public: VerifierKey) -> None:
    lines = lines_of(trail)
    lines[5] = lines[5].replace(b'"clock":"synchronised"', b'"clock":"unknown"')
    rewrite(trail, rechained(lines, 6))
    tampered(trail, public, RECORDS - 1, "do not have the root that the checkpoint signs")


def test_a_rewrite_signed_with_another_key(trail: Path, public: VerifierKey) -> None:
    mine = Ed25519PrivateKey.generate()
    newest, _ = checkpoint.parse((trail / "checkpoint").read_bytes())
    (trail / "checkpoint").write_bytes(checkpoint.sign(newest, mine))
    tampered(trail, public, None, "is not signed by the key given for example.com/gateway-1")
    claimed = Signature(public.name, public.key_id, mine.sign(checkpoint.text(newest)))
    (trail / "checkpoint").write_bytes(checkpoint.text(newest) + b"\n" + note.signature_line(claimed))
    tampered(trail, public, None, "signature is wrong")


def test_another_key_of_the_same_name_did_not_begin_the_log(trail: Path, public: VerifierKey) -> None:
    """Both keys are trusted, but the log says which one is its own."""
    other = Ed25519PrivateKey.generate()
    newest, _ = checkpoint.parse((trail / "checkpoint").read_bytes())
    (trail / "checkpoint").write_bytes(checkpoint.sign(newest, other))
    verdict = judge(trail, public, verifier_key(ORIGIN, other.public_key()))
    assert isinstance(verdict, Tampered)
    assert verdict.first_bad is None
    assert "is not signed by the key that the log had then" in verdict.what


def test_a_key_of_another_name_may_not_sign_for_this_log(trail: Path, key: Ed25519PrivateKey) -> None:
    newest, _ = checkpoint.parse((trail / "checkpoint").read_bytes())
    (trail / "checkpoint").write_bytes(note.sign(checkpoint.text(newest), "example.com/other", key))
    tampered(trail, verifier_key("example.com/other", key.public_key()), None, "signed by a key of another name")


def test_a_cosignature_of_somebody_unknown_changes_nothing(trail: Path, public: VerifierKey) -> None:
    with (trail / "checkpoint").open("ab") as file:
        file.write(note.signature_line(Signature("witness.example/w1", b"abcd", b"x" * 72)))
    assert isinstance(judge(trail, public), Verified)


def test_a_tail_that_was_cut_off(trail: Path, public: VerifierKey) -> None:
    rewrite(trail, lines_of(trail)[:-3])
    tampered(trail, public, RECORDS - 3, "is missing: the checkpoint covers 21 records")
    path = trail / "headers" / "00000002.jsonl"
    path.write_bytes(path.read_bytes()[:-10])
    tampered(trail, public, RECORDS - 4, "is cut short")


def test_a_line_that_is_too_long(trail: Path, public: VerifierKey) -> None:
    lines = lines_of(trail)
    lines[3] = lines[3].replace(b'"reason":"', b'"reason":"' + b"x" * record.LINE_LIMIT)
    rewrite(trail, lines)
    tampered(trail, public, 3, "is cut short or longer than a record may be")


@pytest.mark.parametrize("segment", range(3))
def test_a_missing_segment(trail: Path, public: VerifierKey, segment: int) -> None:
    (trail / "headers" / f"{segment:08d}.jsonl").unlink()
    tampered(trail, public, segment * SEGMENT, "is missing with its whole segment")


@pytest.mark.parametrize("segment", range(3))
def test_missing_bodies(trail: Path, public: VerifierKey, segment: int) -> None:
    first = next(h.seq for h in headers_of(trail)[segment * SEGMENT :] if h.body)
    (trail / "bodies" / f"{segment:08d}.bin").unlink()
    tampered(trail, public, first, "has a body that is missing or cut short")


@pytest.mark.parametrize(("name", "last"), [("headers/00000000.jsonl", 7), ("bodies/00000001.bin", 15)])
def test_bytes_behind_a_full_segment(trail: Path, public: VerifierKey, name: str, last: int) -> None:
    with (trail / name).open("ab") as file:
        file.write(b"more")
    tampered(trail, public, last, "ends a full segment, and 4 bytes follow it there")


def test_bytes_behind_the_checkpoint_are_counted(trail: Path, public: VerifierKey) -> None:
    for name in ("headers/00000002.jsonl", "bodies/00000002.bin", "headers/00000003.jsonl", "bodies/00000009.bin"):
        with (trail / name).open("ab") as file:
            file.write(b"more")
    (trail / "headers" / "a stranger").write_bytes(b"ignored")
    verdict = judge(trail, public)
    assert isinstance(verdict, Verified)
    assert verdict.unreleased_bytes == 16


def unreleased(trail: Path, key: VerifierKey) -> int | None:
    verdict = judge(trail, key)
    assert isinstance(verdict, Verified), verdict
    return verdict.unreleased_bytes


def test_only_segment_files_behind_the_checkpoint_are_counted(trail: Path, public: VerifierKey) -> None:
    for name in ("zzzzzzzz.jsonl", "٠٠٠٠٠٠٠٧.jsonl", "00000007.bin", "000000007.jsonl", "00000007.jsonx"):
        (trail / "headers" / name).write_bytes(b"ignored")
    (trail / "bodies" / "00000007.jsonl").write_bytes(b"ignored")
    (trail / "headers" / "00000004.jsonl").mkdir()
    (trail / "bodies" / "00000004.bin").symlink_to("nothing")
    os.mkfifo(trail / "bodies" / "00000005.bin")
    assert unreleased(trail, public) == 0
    (trail / "bodies" / "00000006.bin").write_bytes(b"counted")
    (trail / "bodies" / "00000007.bin").symlink_to("00000006.bin")
    assert unreleased(trail, public) == 14


def test_what_cannot_be_counted_changes_no_verdict(trail: Path, public: VerifierKey) -> None:
    path = trail / "bodies" / "00000003.bin"
    path.symlink_to(path)
    assert unreleased(trail, public) is None


@pytest.mark.parametrize("lines", [11, 16])  # a segment begun, and full ones only
def test_no_body_file_is_read_where_no_record_has_a_body(
    tmp_path: Path, key: Ed25519PrivateKey, public: VerifierKey, lines: int
) -> None:
    forge(tmp_path, key, {}, count=lines)
    for segment in range(2):
        (tmp_path / "bodies" / f"{segment:08d}.bin").mkdir()
    assert unreleased(tmp_path, public) == 0
    for segment in range(2):
        (tmp_path / "bodies" / f"{segment:08d}.bin").rmdir()
    (tmp_path / "bodies" / "00000001.bin").write_bytes(b"more")
    if lines == 11:
        assert unreleased(tmp_path, public) == 4
    else:
        tampered(tmp_path, public, 15, "ends a full segment, and 4 bytes follow it there")
    (tmp_path / "bodies" / "00000001.bin").unlink()
    (tmp_path / "bodies" / "00000001.bin").symlink_to(tmp_path / "bodies" / "00000001.bin")
    if lines == 11:
        assert unreleased(tmp_path, public) is None
    else:
        undecided(tmp_path, "cannot be read", public)


def stored_bodies(trail: Path, segment: int) -> list[bytes]:
    data = (trail / "bodies" / f"{segment:08d}.bin").read_bytes()
    found = []
    for header in headers_of(trail)[segment * SEGMENT : (segment + 1) * SEGMENT]:
        if header.body:
            found.append(data[: header.body.len])
            data = data[header.body.len :]
    return found


@pytest.mark.parametrize(
    ("attack", "why"),
    [
        (lambda stored: [stored[1], stored[0], *stored[2:]], "other bytes than were recorded"),
        (lambda stored: [stored[1], *stored[1:]], "other bytes than were recorded"),
        (lambda stored: [zlib.compress(zlib.decompress(stored[0]), 0), *stored[1:]], "other bytes than were recorded"),
        (lambda stored: stored[1:], "other bytes than were recorded"),
    ],
)
def test_bodies_swapped_replayed_compressed_anew_deleted(
    trail: Path, public: VerifierKey, attack: Callable[[list[bytes]], list[bytes]], why: str
) -> None:
    (trail / "bodies" / "00000000.bin").write_bytes(b"".join(attack(stored_bodies(trail, 0))))
    tampered(trail, public, 0, why)


def test_an_older_checkpoint_proves_less(trail: Path, public: VerifierKey, key: Ed25519PrivateKey) -> None:
    """Rollback of the checkpoint alone is not to be seen in one folder; the page says so, and the tail is reported."""
    old = Checkpoint(ORIGIN, 10, tree.root_of([record.line_hash(line) for line in lines_of(trail)[:10]]))
    (trail / "checkpoint").write_bytes(checkpoint.sign(old, key))
    verdict = judge(trail, public)
    assert isinstance(verdict, Verified)
    assert verdict.records == 10
    assert verdict.unreleased_bytes > 0


# What a writer with the key, but with a bug or bad intentions, might sign.

Alter = Callable[[Header], Header | bytes]


def forge(
    folder: Path,
    key: Ed25519PrivateKey,
    alter: dict[int, Alter],
    bodies: dict[int, bytes] | None = None,
    count: int = 12,
) -> None:
    """A chained and signed log of `count` records, some altered before they were hashed; bodies by segment."""
    public = verifier_key(ORIGIN, key.public_key())
    lines: list[bytes] = []
    for seq in range(count):
        kind, digests = ("log.start", {"key": public.digest}) if seq == 0 else ("x", {})
        prev = record.line_hash(lines[-1]).hex() if lines else record.FIRST_PREV
        made = record.header(Entry(kind, digests=digests), Reading(seq, seq, "b", "c"), ORIGIN, seq, None, prev)
        altered = alter.get(seq, lambda header: header)(made)
        lines.append(altered if isinstance(altered, bytes) else record.encode(altered))
    for name in ("headers", "bodies"):
        (folder / name).mkdir(parents=True)
    rewrite(folder, lines)
    for segment, data in (bodies or {}).items():
        (folder / "bodies" / f"{segment:08d}.bin").write_bytes(data)
    root = tree.root_of([record.line_hash(line) for line in lines])
    (folder / "checkpoint").write_bytes(checkpoint.sign(Checkpoint(ORIGIN, len(lines), root), key))


def spelled(old: bytes, new: bytes) -> Alter:
    def alter(header: Header) -> bytes:
        line = record.encode(header)
        assert old in line
        return line.replace(old, new)

    return alter


@pytest.mark.parametrize(
    ("seq", "alter", "what"),
    [
        (4, spelled(b'"v":1}', b'"v": 1}'), "is not a header in canonical form"),
        (4, spelled(b'"kind":"x"', b'"kind":"\\u0078"'), "is not a header in canonical form"),
        (4, spelled(b'"n":0', b'"n":-0'), "is not a header in canonical form"),
        (4, spelled(b'"reason":""', b'"reason":"","note":""'), "is not a header in canonical form"),
        (4, spelled(b'"reason":""', b'"reason":"\xff"'), "is not UTF-8"),
        (4, lambda header: b"nonsense", "is not JSON"),
        (4, lambda header: replace(header, origin="example.com/other"), "is of another log, example.com/other"),
        (4, lambda header: replace(header, seq=5), "is not there; record 5 stands in its place"),
        (4, lambda header: replace(header, kind="log.start"), "is of kind log.start, which cannot stand there"),
        (0, lambda header: replace(header, kind="x"), "is of kind x, which cannot stand there"),
        (0, lambda header: replace(header, kind="log.open"), "is of kind log.open, which cannot stand there"),
        (0, lambda header: replace(header, prev="1" * 64), "its prev is not 64 zeros"),
        (0, lambda header: replace(header, digests={}), "does not name the log's key"),
        (None, lambda header: replace(header, digests={"key": "0" * 64}), "is not signed by the key given"),
    ],
)
def test_signed_records_that_the_format_does_not_allow(
    tmp_path: Path, key: Ed25519PrivateKey, public: VerifierKey, seq: int | None, alter: Alter, what: str
) -> None:
    forge(tmp_path, key, {seq or 0: alter})
    tampered(tmp_path, public, seq, what)


def test_a_signed_prev_of_something_else(tmp_path: Path, key: Ed25519PrivateKey, public: VerifierKey) -> None:
    """All that follows vouches for record 4, so it is the one before that is not what was followed."""
    forge(tmp_path, key, {4: lambda header: replace(header, prev="0" * 64)})
    tampered(tmp_path, public, 3, "it is not the record that the next one follows")


def test_forge_forges_well(tmp_path: Path, key: Ed25519PrivateKey, public: VerifierKey) -> None:
    forge(tmp_path, key, {})
    assert isinstance(judge(tmp_path, public), Verified)


def with_body(stored: bytes, root: str = "0" * 64, length: int | None = None) -> Alter:
    size = len(stored) if length is None else length
    ref = body.BodyRef(sha256(stored).hexdigest(), size, root)
    return lambda header: replace(header, body=ref)


STORED, REF = body.store(Body({"raw": [1, 2]}), bytes(32))


@pytest.mark.parametrize(
    ("stored", "alter", "what"),
    [
        (b"", with_body(b""), "speaks of a body of 0 bytes"),
        (b"x", with_body(b"x", length=body.STORED_LIMIT + 1), "which none may have"),
        (b"nonsense", with_body(b"nonsense"), "is not a zlib stream"),
        (zlib.compress(b"{}"), with_body(zlib.compress(b"{}")), "is not an object of columns and salt"),
        (STORED + b"x", with_body(STORED + b"x", REF.root), "is not exactly one zlib stream"),
        (STORED, with_body(STORED), "has a body whose values are not under its root"),
    ],
)
def test_signed_bodies_that_the_format_does_not_allow(
    tmp_path: Path, key: Ed25519PrivateKey, public: VerifierKey, stored: bytes, alter: Alter, what: str
) -> None:
    forge(tmp_path, key, {9: alter}, {1: stored})
    tampered(tmp_path, public, 9, what)


def test_encrypted_bodies_are_counted_and_their_values_left_alone(
    tmp_path: Path, key: Ed25519PrivateKey, public: VerifierKey
) -> None:
    secret = b"E" + bytes(60)
    forge(tmp_path, key, {9: with_body(secret), 10: with_body(STORED, REF.root)}, {1: secret + STORED})
    verdict = judge(tmp_path, public)
    assert isinstance(verdict, Verified)
    assert (verdict.bodies, verdict.encrypted_bodies) == (2, 1)
    (tmp_path / "bodies" / "00000001.bin").write_bytes(secret[:-1] + b"x" + STORED)
    tampered(tmp_path, public, 9, "other bytes than were recorded")


def test_a_later_version_is_hashed_and_left_undecided(
    tmp_path: Path, key: Ed25519PrivateKey, public: VerifierKey
) -> None:
    later = spelled(b'"v":1}', b'"v":2}')
    forge(tmp_path, key, {4: later, 6: lambda header: b"anything"})
    undecided(tmp_path, "record 4 is of version 2 of the format, newer than this verifier", public)
    lines = lines_of(tmp_path)
    rewrite(tmp_path, [*lines[:8], lines[8].replace(b'"n":0', b'"n":1'), *lines[9:]])
    tampered(tmp_path, public, 4, "record 4 or a later one was altered, or the one just before it")
    rewrite(tmp_path, [*lines[:3], lines[3].replace(b'"n":0', b'"n":1'), *lines[4:]])
    tampered(tmp_path, public, 4, "or the one just before it, for which nothing vouches: it is of a later version")
    rewrite(tmp_path, lines[:10])
    tampered(tmp_path, public, 10, "is missing")


def test_a_flip_that_looks_like_a_later_version(trail: Path, public: VerifierKey) -> None:
    lines = lines_of(trail)
    lines[5] = lines[5].replace(b'"v":1}', b'"v":3}')
    rewrite(trail, lines)
    tampered(trail, public, 5, "do not have the root")


@pytest.mark.parametrize("seq", [0, 4])
def test_kinds_kept_for_later_versions(tmp_path: Path, key: Ed25519PrivateKey, public: VerifierKey, seq: int) -> None:
    forge(tmp_path, key, {seq: lambda header: replace(header, kind="log.later")})
    undecided(tmp_path, f"record {seq} is of kind log.later", public)
    lines = lines_of(tmp_path)
    rewrite(tmp_path, [*lines[:8], lines[8].replace(b'"n":0', b'"n":1'), *lines[9:]])
    tampered(tmp_path, public, 8, "was altered")


def test_the_record_before_the_last_is_named_by_the_root(
    tmp_path: Path, key: Ed25519PrivateKey, public: VerifierKey
) -> None:
    forge(tmp_path, key, {})
    lines = lines_of(tmp_path)
    rewrite(tmp_path, [*lines[:10], lines[10].replace(b'"n":0', b'"n":1'), lines[11]])
    tampered(tmp_path, public, 10, "it is not the record that the next one follows")


@pytest.mark.parametrize("spoil", [lambda line: b"nonsense", lambda line: line.replace(b'"v":1}', b'"v":2}')])
def test_two_bad_neighbours(trail: Path, public: VerifierKey, spoil: Callable[[bytes], bytes]) -> None:
    """The line that might have vouched is bad itself, or gone: then the one that does not fit is named."""
    lines = lines_of(trail)
    lines[6] = lines[6].replace(b'"clock":"synchronised"', b'"clock":"unknown"')
    lines[8] = spoil(lines[8])
    rewrite(trail, lines)
    tampered(trail, public, 7, "it does not follow the record before it")
    (trail / "headers" / "00000001.jsonl").unlink()
    tampered(trail, public, 7, "it does not follow the record before it")


def test_an_empty_log_with_a_root(tmp_path: Path, key: Ed25519PrivateKey, public: VerifierKey) -> None:
    (tmp_path / "checkpoint").write_bytes(checkpoint.sign(Checkpoint(ORIGIN, 0, bytes(32)), key))
    tampered(tmp_path, public, None, "has a root of some")


def test_no_verdict_without_a_key_or_a_log(trail: Path, tmp_path: Path, public: VerifierKey) -> None:
    other = verifier_key("example.com/other", Ed25519PrivateKey.generate().public_key())
    undecided(trail, "no key was given")
    undecided(trail, "the key given is for example.com/other, and this is a log of example.com/gateway-1", other)
    assert isinstance(judge(trail, other, public), Verified)
    undecided(tmp_path, "holds no audit log", public)
    undecided(tmp_path / "nowhere", "holds no audit log", public)
    undecided(trail / "checkpoint", "holds no audit log", public)
    (trail / "checkpoint").unlink()
    tampered(trail, public, None, "the checkpoint is missing")


@pytest.mark.parametrize("name", FILES)
def test_what_cannot_be_read(trail: Path, public: VerifierKey, name: str) -> None:
    (trail / name).unlink()
    (trail / name).mkdir()
    undecided(trail, "cannot be read", public)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", FILES)
def test_a_pipe_in_place_of_a_file_does_not_keep_the_verifier(trail: Path, public: VerifierKey, name: str) -> None:
    (trail / name).unlink()
    os.mkfifo(trail / name)
    undecided(trail, "cannot be read: [Errno 22] not a regular file", public)


@pytest.mark.timeout(20)
def test_a_pipe_where_the_vouching_line_should_be(trail: Path, public: VerifierKey) -> None:
    """The last line of a segment does not follow; the first of the next one would say which was altered."""
    lines = lines_of(trail)
    lines[6] = lines[6].replace(b'"clock":"synchronised"', b'"clock":"unknown"')
    rewrite(trail, lines)
    tampered(trail, public, 6, "was altered")
    path = trail / "headers" / "00000001.jsonl"
    path.write_bytes(b"")
    tampered(trail, public, 7, "it does not follow the record before it")
    path.unlink()
    os.mkfifo(path)
    undecided(trail, "not a regular file", public)


def test_missing_is_what_is_not_there_only(trail: Path, public: VerifierKey) -> None:
    """Links are followed; one that leads nowhere is a missing file, one that leads in a circle an unreadable one."""
    path = trail / "headers" / "00000001.jsonl"
    path.rename(trail / "elsewhere")
    path.symlink_to(trail / "elsewhere")
    assert isinstance(judge(trail, public), Verified)
    (trail / "elsewhere").unlink()
    tampered(trail, public, SEGMENT, "is missing with its whole segment")
    path.unlink()
    path.symlink_to(path)
    undecided(trail, "cannot be read", public)
    (trail / "checkpoint").unlink()
    (trail / "headers" / "00000000.jsonl").unlink()
    (trail / "headers" / "00000000.jsonl").symlink_to(path)
    undecided(trail, "cannot be read", public)


def test_verifying_a_log_that_is_being_written(tmp_path: Path, key: Ed25519PrivateKey, public: VerifierKey) -> None:
    folder, done = tmp_path / "trail", threading.Event()
    Log.init(folder, key, ORIGIN, segment_lines=SEGMENT)

    def write() -> None:
        with Log.open(folder, key, segment_lines=SEGMENT) as log:
            while not done.is_set():
                log.submit(entries(5)).result(timeout=30)

    writer = threading.Thread(target=write)
    writer.start()
    sizes = []
    try:
        while len(set(sizes)) < (200 if SOAK else 10):
            verdict = audit.verify.verify(folder, [public], segment_lines=SEGMENT)  # two would see two sizes
            assert isinstance(verdict, Verified), verdict
            sizes.append(verdict.records)
    finally:
        done.set()
        writer.join()
    assert sizes == sorted(sizes)
