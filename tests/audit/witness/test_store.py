"""A witness's folder: durable before it answers, one tree a size, never back, whatever the disk does."""

from __future__ import annotations

import errno
import os
import random
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from memory_disk import MemoryDisk, failing_at

from audit.disk import PosixDisk
from audit.errors import AuditError, BadKey, Damaged
from audit.format import checkpoint
from audit.format.note import parse
from audit.keys import generate
from audit.witness import store
from audit.witness.cosignature import Cosigned, check
from audit.witness.rules import Refused, Status
from audit.witness.store import Busy, NoWitness, WitnessExists, WitnessStore
from tests.audit.witness.stage import KEY, NAME, NOW_S, ORIGIN, OTHER, asked, forked, leaves, log_key, made, tip


def now() -> int:
    return NOW_S


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "witness"


def test_what_is_cosigned_is_on_the_disk_and_is_what_was_answered(folder: Path) -> None:
    witness = made(folder)
    answer = witness.add(asked(0, leaves(5)), now)
    assert isinstance(answer, bytes)
    assert answer == witness.seen(ORIGIN).read_bytes()
    found, note = checkpoint.parse(answer)
    assert found == tip(leaves(5))
    assert check(note, [witness.key]) == Cosigned(witness.key, NOW_S)
    again = WitnessStore.open(folder)
    assert again.latest(ORIGIN) == (found, note)
    assert isinstance(again.add(asked(5, leaves(9)), now), bytes)
    assert isinstance(again.add(asked(9, leaves(9)), now), bytes)  # the same once more: a newer time


def refused(witness: WitnessStore, body: bytes) -> Refused:
    answer = witness.add(body, now)
    assert isinstance(answer, Refused)
    return answer


def test_what_is_refused_changes_nothing(folder: Path) -> None:
    witness = made(folder)
    witness.add(asked(0, leaves(5)), now)
    before = witness.seen(ORIGIN).read_bytes()
    assert refused(witness, asked(2, leaves(9))).size == 5
    assert refused(witness, asked(0, leaves(3))).status is Status.CONFLICT
    assert refused(witness, asked(5, forked(9, at=3))).status is Status.NOT_PROVED
    assert refused(witness, asked(0, leaves(9), OTHER)).status is Status.NOT_SIGNED
    assert refused(witness, asked(0, leaves(9), KEY, "example.com/else")).status is Status.UNKNOWN_LOG
    assert refused(witness, b"old") == Refused(
        Status.MALFORMED, "the request is not `old <size>`, a proof, an empty line and a checkpoint"
    )
    assert witness.seen(ORIGIN).read_bytes() == before
    assert list((folder / "forks").iterdir()) == []


def test_two_trees_of_one_size_are_kept_as_evidence_once(folder: Path) -> None:
    witness = made(folder)
    witness.add(asked(0, leaves(5)), now)
    other = forked(5, at=3)
    for _ in range(3):
        assert refused(witness, asked(5, other)).fork
    (evidence,) = (folder / "forks").iterdir()
    assert checkpoint.parse(evidence.read_bytes())[0] == tip(other)
    assert evidence.name.split("-")[1] == "5"


def test_evidence_does_not_fill_the_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "FORKS_KEPT", 2)
    witness = made(folder)
    witness.add(asked(0, leaves(5)), now)
    for view in range(5):
        assert refused(witness, asked(5, leaves(5, f"view {view}"))).fork
    assert len(list((folder / "forks").iterdir())) == 2


def test_logs_are_witnessed_apart(folder: Path) -> None:
    witness = made(folder, log_key(), log_key(OTHER, "example.com/gateway-2"))
    witness.add(asked(0, leaves(5)), now)
    assert isinstance(witness.add(asked(0, leaves(3, "b"), OTHER, "example.com/gateway-2"), now), bytes)
    assert refused(witness, asked(0, leaves(3, "b"), OTHER)).status is Status.NOT_SIGNED  # the other log's key


def test_a_log_that_is_trusted_later_and_a_new_key_of_one(folder: Path) -> None:
    store.init(folder, NAME)
    witness = WitnessStore.open(folder)
    assert witness.trusted() == ()
    assert refused(witness, asked(0, leaves(1))).status is Status.UNKNOWN_LOG
    assert WitnessStore.open(folder).trust([log_key(), log_key()]) == (log_key(),)
    assert isinstance(witness.add(asked(0, leaves(1)), now), bytes)
    assert witness.trust([log_key(), log_key(OTHER)]) == (log_key(OTHER),)
    assert witness.trust([log_key()]) == ()
    assert isinstance(witness.add(asked(1, leaves(2)), now), bytes)  # the old key, until the new one is seen
    assert isinstance(witness.add(asked(2, leaves(4), OTHER), now), bytes)
    assert refused(witness, asked(4, leaves(6))).status is Status.NOT_SIGNED  # and never again
    assert isinstance(witness.add(asked(4, leaves(6), OTHER), now), bytes)


def test_init_makes_all_or_nothing_and_overwrites_nothing(folder: Path) -> None:
    with pytest.raises(BadKey):
        store.init(folder, "two words")
    assert list(folder.parent.iterdir()) == []
    key = store.init(folder, NAME)
    assert (folder / "witness.pub").read_text() == f"{key}\n"
    assert (folder / "witness.key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(WitnessExists):
        store.init(folder, NAME)
    blocked = folder.parent / "file"
    blocked.write_text("")
    with pytest.raises(WitnessExists):
        store.init(blocked, NAME)


def test_init_leaves_no_trace_of_a_failure(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        store.init(folder, NAME)
    assert list(folder.parent.iterdir()) == []


def test_a_witness_that_is_not_whole_is_not_opened(folder: Path) -> None:
    with pytest.raises(NoWitness, match="derms audit witness init"):
        WitnessStore.open(folder)
    made(folder)
    (folder / "witness.key").chmod(0o640)
    with pytest.raises(BadKey, match="chmod 600"):
        WitnessStore.open(folder)
    (folder / "witness.key").chmod(0o600)
    other = replace(store.load_keys(folder / "witness.pub")[0], raw=generate().public_key().public_bytes_raw())
    (folder / "witness.pub").write_text(f"{other}\n")
    with pytest.raises(BadKey, match="not the public half"):
        WitnessStore.open(folder)


@pytest.mark.parametrize("damage", [b"", b"nonsense", "unsigned", "other log"])
def test_a_memory_that_was_tampered_with_cosigns_nothing(folder: Path, damage: bytes | str) -> None:
    witness = made(folder)
    whole = witness.add(asked(0, leaves(5)), now)
    assert isinstance(whole, bytes)
    if damage == "unsigned":
        damage = whole.rpartition("\n— ".encode())[0] + b"\n"
    elif damage == "other log":
        made(folder.parent / "second", log_key(KEY, "example.com/gateway-2"))
        second = WitnessStore.open(folder)
        second.trust([log_key(KEY, "example.com/gateway-2")])
        found = second.add(asked(0, leaves(3), KEY, "example.com/gateway-2"), now)
        assert isinstance(found, bytes)
        damage = found
    assert isinstance(damage, bytes)
    witness.seen(ORIGIN).write_bytes(damage)
    with pytest.raises(Damaged, match="says nothing more of that log"):
        witness.add(asked(0, leaves(9)), now)


def test_a_folder_that_stays_in_use_is_said_to_be(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "WAIT_S", 0.05)
    witness = made(folder)
    held = PosixDisk().lock(folder / "lock")
    with pytest.raises(Busy):
        witness.add(asked(0, leaves(5)), now)
    held.close()
    assert isinstance(witness.add(asked(0, leaves(5)), now), bytes)


def test_a_folder_that_is_in_use_for_a_moment_is_waited_for(folder: Path) -> None:
    witness = made(folder)
    held = PosixDisk().lock(folder / "lock")
    freeing = threading.Timer(0.05, held.close)
    freeing.start()
    assert isinstance(witness.add(asked(0, leaves(5)), now), bytes)
    freeing.join()


def in_memory(folder: Path, disk: MemoryDisk) -> WitnessStore:
    """A witness whose memory is a disk that can fail and forget; its keys are on the host's."""
    if not folder.exists():
        made(folder)
    for part in (folder, folder / "seen", folder / "forks"):
        if part not in disk.folders:
            disk.make_folder(part)
            disk.sync_folder(part)
    return WitnessStore.open(folder, disk)


def test_a_disk_that_fails_anywhere_gives_no_cosignature_and_loses_none(folder: Path) -> None:
    """At every single operation: what was answered stays, and what was not answered is no lie."""
    reached = 0
    while True:
        disk = MemoryDisk()
        witness = in_memory(folder, disk)
        assert isinstance(witness.add(asked(0, leaves(5)), now), bytes)
        disk.fault = failing_at(reached)
        try:
            answer = witness.add(asked(5, leaves(9)), now)
        except (OSError, AuditError):
            disk.fault = failing_at(10**9)
            latest = witness.latest(ORIGIN)
            assert latest is not None
            assert latest[0] in (tip(leaves(5)), tip(leaves(9)))
            reached += 1
            continue
        assert isinstance(answer, bytes)
        break
    assert reached > 5


@pytest.mark.parametrize("seed", range(200 if os.environ.get("DERMS_SOAK") == "1" else 40))
def test_power_cuts_forget_nothing_that_was_answered(folder: Path, seed: int) -> None:
    """At a random operation the power goes; what is there afterwards is never older than the last answer."""
    chance = random.Random(seed)
    disk = MemoryDisk()
    witness, size = in_memory(folder, disk), 0
    for _ in range(12):
        larger = size + chance.randint(0, 6)
        disk.fault = failing_at(chance.randint(0, 30), times=10**6, code=errno.EIO)
        try:
            answer = witness.add(asked(size, leaves(larger)), now)
        except (OSError, AuditError):
            answer = None
        disk = disk.after_power_cut(chance)
        witness = in_memory(folder, disk)
        latest = witness.latest(ORIGIN)
        known = latest[0].size if latest else 0
        assert latest is None or latest[0] == tip(leaves(known))
        assert known == larger if answer is not None else known in (size, larger)
        size = known
    assert size == 0 or refused(witness, asked(size, leaves(size, "other"))).fork


def test_evidence_that_cannot_be_kept_changes_no_answer(folder: Path) -> None:
    disk = MemoryDisk()
    witness = in_memory(folder, disk)
    witness.add(asked(0, leaves(5)), now)
    disk.fault = lambda operation, path: OSError(errno.EIO, "bad") if path.parent.name == "forks" else None
    assert refused(witness, asked(5, forked(5, at=3))).fork


def test_files_that_are_carried_are_read_no_further_than_they_may_be_long(tmp_path: Path) -> None:
    (tmp_path / "long").write_bytes(b"x" * 200_000)
    assert len(store.read_request(tmp_path / "long")) == 16_385
    assert len(store.read_note(tmp_path / "long")) == 65_537


def test_signatures_of_strangers_are_not_kept(folder: Path) -> None:
    witness = made(folder)
    body = asked(0, leaves(5)) + asked(0, leaves(5), OTHER).rpartition(b"\n\n")[2]
    answer = witness.add(body, now)
    assert isinstance(answer, bytes)
    assert [line.name for line in parse(answer).signatures] == [ORIGIN, NAME]
