"""The log over a disk that forgets, fills up and fails, and over the real one."""

from __future__ import annotations

import contextlib
import errno
import random
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_disk import MemoryDisk, failing_at, no_fault
from trail_helpers import ORIGIN, SEGMENT, SOAK, counting_clock, counting_salt, entries, headers_of

from audit import errors
from audit.format.body import Body
from audit.format.kinds import CLOSE, CUT, GAP, OPEN, START
from audit.format.note import VerifierKey, verifier_key
from audit.format.record import Entry, Reading
from audit.log import Log, Released
from audit.log import writer as logs
from audit.verify import Verdict, Verified, verify

TRAIL = Path("/trail")
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = verifier_key(ORIGIN, KEY.public_key())
DEADLINE_S = 30


@pytest.fixture(autouse=True)
def _quick_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "RETRY_S", 0.01)


def made() -> MemoryDisk:
    disk = MemoryDisk()
    Log.init(TRAIL, KEY, ORIGIN, disk=disk, segment_lines=SEGMENT)
    return disk


def opened(disk: MemoryDisk) -> Log:
    clock, salt = counting_clock(), counting_salt()
    return Log.open(TRAIL, KEY, disk=disk, clock=clock, salt=salt, segment_lines=SEGMENT)


def judged(disk: MemoryDisk, folder: Path) -> Verdict:
    disk.write_out(folder)
    return verify(folder, [PUBLIC], segment_lines=SEGMENT)


def released(future: Future[Released]) -> Released:
    return future.result(timeout=DEADLINE_S)


def wait_until_healthy(log: Log) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not log.health.ok:
        assert time.monotonic() < deadline, log.health
        time.sleep(0.005)


def test_a_new_log_is_empty_and_verifies(tmp_path: Path) -> None:
    verdict = judged(made(), tmp_path)
    assert isinstance(verdict, Verified)
    assert (verdict.records, verdict.proved_until) == (0, None)


def test_records_come_back_as_they_went_in(tmp_path: Path) -> None:
    disk = made()
    submitted = entries(19)
    with opened(disk) as log:
        assert (log.origin, log.folder) == (ORIGIN, TRAIL)
        assert released(log.submit(submitted[:5])) == Released(1, 5, 6)
        assert released(log.submit(submitted[5:])) == Released(6, 19, 20)
        assert log.health == logs.Health(True, "", 0)
    verdict = judged(disk, tmp_path)
    assert isinstance(verdict, Verified)
    assert (verdict.records, verdict.openings, verdict.bodies, verdict.unreleased_bytes) == (21, 1, 8, 0)
    headers = headers_of(tmp_path)
    assert [headers[0].kind, headers[-1].kind] == [START, CLOSE]
    for header, entry in zip(headers[1:-1], submitted, strict=True):
        for name in ("kind", "session", "peer", "rule", "decision", "reason", "n", "dir"):
            assert getattr(header, name) == getattr(entry, name)
        assert dict(header.digests) == dict(entry.digests)
    assert all(first.t <= second.t for first, second in pairwise(headers))


def test_reopening_goes_on_where_it_stopped(tmp_path: Path) -> None:
    disk = made()
    for count in (6, 9, 1, 3):
        with opened(disk) as log:
            released(log.submit(entries(count)))
    kinds = [header.kind for header in (judged(disk, tmp_path), headers_of(tmp_path))[1]]
    assert [kind for kind in kinds if kind.startswith("log.")] == [START, CLOSE, OPEN, CLOSE, OPEN, CLOSE, OPEN, CLOSE]
    assert len(kinds) == 6 + 9 + 1 + 3 + 8


def test_many_threads_share_commits(tmp_path: Path) -> None:
    disk = made()
    futures: list[Future[Released]] = []
    with opened(disk) as log:

        def submit(name: str) -> None:
            for number in range(50):
                futures.append(log.submit([Entry("x", session=name, n=number)]))  # noqa: PERF401

        threads = [threading.Thread(target=submit, args=(f"t{number}",)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        places = [released(future).first_seq for future in futures]
    assert sorted(places) == list(range(1, 201))
    assert isinstance(judged(disk, tmp_path), Verified)
    for name in ("t0", "t1", "t2", "t3"):
        assert [h.n for h in headers_of(tmp_path) if h.session == name] == list(range(50))


def test_one_bad_submission_fails_alone(tmp_path: Path) -> None:
    disk = made()
    with opened(disk) as log:
        good = [log.submit([Entry("x")]) for _ in range(3)]
        bad = [
            log.submit([Entry("x"), Entry("Not a kind")]),
            log.submit([Entry("x", reason="\ud800")]),
            log.submit([Entry("x", body=Body({"raw": [float("nan")]}))]),
            log.submit([Entry("x", reason=None)]),  # type: ignore[arg-type]
            log.submit([Entry("x", body=Body({"raw": 5}))]),  # type: ignore[dict-item]
            log.submit([]),
            log.submit([Entry(START)]),
        ]
        good.append(log.submit([Entry("x")]))
        for future in bad:
            assert isinstance(future.exception(timeout=DEADLINE_S), errors.BadEntry)
        assert [released(future).first_seq for future in good] == [1, 2, 3, 4]
        assert log.health.ok
    assert isinstance(judged(disk, tmp_path), Verified)


def test_a_cancelled_submission_is_not_recorded(tmp_path: Path) -> None:
    disk, gate = made(), threading.Event()
    log = opened(disk)
    released(log.submit([Entry("x")]))
    disk.fault = lambda operation, path: gate.wait(DEADLINE_S) and None
    first = log.submit([Entry("first")])
    deadline = time.monotonic() + DEADLINE_S
    while not first.running():
        assert time.monotonic() < deadline
        time.sleep(0.001)
    second = log.submit([Entry("second")])
    assert second.cancel()
    gate.set()
    released(first)
    log.close()
    judged(disk, tmp_path)
    assert "second" not in [header.kind for header in headers_of(tmp_path)]


def test_a_log_that_falls_behind_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    disk, gate = made(), threading.Event()
    monkeypatch.setattr(logs, "WAITING_LIMIT", 10)
    with opened(disk) as log:
        released(log.submit([Entry("x")]))
        disk.fault = lambda operation, path: gate.wait(DEADLINE_S) and None
        waiting = log.submit(entries(10))
        assert log.health.pending == 10
        with pytest.raises(errors.LogBehind, match="10 records wait for the disk already"):
            released(log.submit([Entry("x")]))
        gate.set()
        assert released(waiting)
        assert log.health.pending == 0


def test_a_closed_log_takes_nothing() -> None:
    log = opened(made())
    log.close()
    log.close()
    with pytest.raises(errors.LogClosed):
        released(log.submit([Entry("x")]))


def commit_operations() -> int:
    """How many operations one commit with bodies across a segment's end asks of the disk."""
    disk = made()
    with opened(disk) as log:
        released(log.submit(entries(5)))
        before = disk.operations
        released(log.submit(entries(6)))
        return disk.operations - before


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_fails_at_any_step(tmp_path: Path, code: int) -> None:
    """Whichever step of a commit fails: refused, unhealthy, nothing lost, and well again when the disk is."""
    for step in range(commit_operations()):
        disk = made()
        with opened(disk) as log:
            released(log.submit(entries(5)))
            disk.fault = failing_at(step, times=1000, code=code)
            with pytest.raises(errors.NotRecorded, match="no space left"):
                released(log.submit(entries(6)))
            health = log.health
            assert not health.ok
            assert "no space left" in health.reason
            disk.fault = no_fault
            wait_until_healthy(log)
            after = released(log.submit([Entry("after")]))
        folder = tmp_path / f"{code}-{step}"
        verdict = judged(disk, folder)
        assert isinstance(verdict, Verified), (step, verdict)
        headers = headers_of(folder)
        assert headers[after.first_seq].kind == "after"
        gaps = [header for header in headers if header.kind == GAP]
        assert [gap.n for gap in gaps] == [6]
        assert "no space left" in gaps[0].reason
        assert verdict.gaps == 1


def test_a_failing_disk_at_the_opening_does_not_stop_it(tmp_path: Path) -> None:
    disk = made()
    with opened(disk) as log:
        released(log.submit(entries(3)))
    disk.fault = lambda operation, path: OSError(errno.ENOSPC, "no space left") if operation == "write" else None
    with opened(disk) as log:
        with pytest.raises(errors.NotRecorded):
            released(log.submit([Entry("x")]))
        disk.fault = no_fault
        wait_until_healthy(log)
        released(log.submit([Entry("y")]))
    assert isinstance(judged(disk, tmp_path), Verified)
    assert [header.kind for header in headers_of(tmp_path)][-4:] == [OPEN, GAP, "y", CLOSE]


def test_a_clock_that_speaks_nonsense_strands_nobody() -> None:
    def broken() -> Reading:
        return Reading(0, 0, "\ud800", "")

    with Log.open(TRAIL, KEY, disk=made(), clock=broken, segment_lines=SEGMENT) as log:
        with pytest.raises(errors.NotRecorded, match="half a surrogate pair"):
            released(log.submit([Entry("x")]))
        assert not log.health.ok


def test_a_fault_inside_the_log_strands_nobody() -> None:
    def broken() -> bytes:
        raise RuntimeError("no randomness")

    disk = made()
    with Log.open(TRAIL, KEY, disk=disk, salt=broken, segment_lines=SEGMENT) as log:
        with pytest.raises(errors.NotRecorded, match="no randomness"):
            released(log.submit([Entry("x")]))
        assert not log.health.ok


@pytest.mark.timeout(1800)
@settings(max_examples=2000 if SOAK else 100, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.integers(1, 12), min_size=1, max_size=6), st.integers(0, 150))
def test_a_power_cut_at_any_step_loses_nothing_released(seed: int, sizes: list[int], step: int) -> None:
    chance = random.Random(seed)
    disk, names = made(), iter(range(10_000))
    kept: dict[int, str] = {}
    for boot in range(3):
        disk.fault = failing_at(step, times=10**9, code=errno.EIO) if boot < 2 else no_fault
        try:
            log = opened(disk)
        except OSError:
            disk.fault = no_fault
            disk = disk.after_power_cut(chance)
            continue
        with log:
            for size in sizes:
                batch = [Entry("x", session=str(next(names)), body=Body({"raw": [size]})) for _ in range(size)]
                try:
                    done = released(log.submit(batch))
                except errors.NotRecorded:
                    break
                kept.update(zip(range(done.first_seq, done.last_seq + 1), (e.session for e in batch), strict=True))
        disk.fault = no_fault
        if boot < 2:
            disk = disk.after_power_cut(chance)
    check_kept(disk, kept)


def check_kept(disk: MemoryDisk, kept: dict[int, str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        verdict = judged(disk, Path(name))
        assert isinstance(verdict, Verified), verdict
        headers = headers_of(Path(name))
    assert {seq: headers[seq].session for seq in kept} == kept


@settings(max_examples=500 if SOAK else 50, deadline=None)
@given(st.integers(0, 2**32))
def test_a_disk_that_lied_about_syncing_is_found_out_not_repaired(seed: int) -> None:
    """What the log cannot survive it must at least not hide: it opens on what is true, or refuses to open."""
    disk = made()
    with opened(disk) as log:
        released(log.submit(entries(5)))
        disk.lies = True
        done = released(log.submit(entries(6)))
    found = disk.after_power_cut(random.Random(seed))
    before = {path: {n: bytes(i.data) for n, i in folder.names.items()} for path, folder in found.folders.items()}
    try:
        log = opened(found)
    except errors.Damaged:
        after = {path: {n: bytes(i.data) for n, i in f.names.items()} for path, f in found.folders.items()}
        assert after == before
        return
    with log:  # the older checkpoint came back, or chance kept everything
        assert released(log.submit([Entry("x")])).first_seq <= done.last_seq + 4


def test_a_cut_is_recorded_even_if_the_first_commit_after_it_is_cut_short(tmp_path: Path) -> None:
    """Whatever step the recovery dies at: until a record says that there was a rest, there is one to be found."""
    for step in range(60):
        disk = made()
        with opened(disk) as log:
            released(log.submit(entries(5)))
        disk.folders[TRAIL / "headers"].names["00000000.jsonl"].data += b"half a line" * 400
        before = disk.operations
        disk.fault = failing_at(step, times=10**9, code=errno.EIO)
        with contextlib.suppress(OSError):
            opened(disk).close()
        disk.fault, disk.locked = no_fault, False
        opened(disk).close()
        verdict = judged(disk, tmp_path / str(step))
        assert isinstance(verdict, Verified)
        assert verdict.cuts >= 1, step
    assert disk.operations - before > step  # the last rounds reached beyond the end of the recovery


def test_recovery_cuts_what_was_not_released_and_records_it(tmp_path: Path) -> None:
    disk = made()
    with opened(disk) as log:
        released(log.submit(entries(5)))
    headers = disk.folders[TRAIL / "headers"]
    headers.names["00000000.jsonl"].data += b"half a line"
    bodies = disk.folders[TRAIL / "bodies"]
    bodies.names["00000000.bin"].data += b"half a body"
    disk.open(TRAIL / "headers" / "00000001.jsonl").write_at(0, b"more")
    opened(disk).close()
    verdict = judged(disk, tmp_path)
    assert isinstance(verdict, Verified)
    assert (verdict.cuts, verdict.unreleased_bytes) == (1, 0)
    cut = next(header for header in headers_of(tmp_path) if header.kind == CUT)
    assert cut.n == len("half a line") + len("more") + len("half a body")
    assert cut.reason == "15 header bytes and 11 body bytes behind the newest checkpoint were cut"


@pytest.fixture
def trail(tmp_path: Path) -> Path:
    folder = tmp_path / "trail"
    Log.init(folder, KEY, ORIGIN, segment_lines=SEGMENT)
    with Log.open(folder, KEY, segment_lines=SEGMENT) as log:
        released(log.submit(entries(11)))
    return folder


def reopen(folder: Path, key: Ed25519PrivateKey = KEY) -> Log:
    return Log.open(folder, key, segment_lines=SEGMENT)


def test_the_log_on_a_real_disk(trail: Path, public: VerifierKey) -> None:
    with reopen(trail) as log:
        released(log.submit(entries(3)))
    verdict = verify(trail, [public], segment_lines=SEGMENT)
    assert isinstance(verdict, Verified)
    assert verdict.records == 13 + 5


def test_only_one_may_write(trail: Path) -> None:
    with reopen(trail), pytest.raises(errors.LogLocked, match="is open in another process"):
        reopen(trail)
    reopen(trail).close()


def test_there_must_be_a_log(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(errors.NoLog, match="holds no audit log"):
            reopen(folder)
    assert list(tmp_path.iterdir()) == []


def test_a_log_begins_in_a_folder_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(errors.LogExists, match="is not empty"):
        Log.init(tmp_path, KEY, ORIGIN)
    with pytest.raises(errors.BadKey, match="cannot name a key"):
        Log.init(tmp_path / "new", KEY, "two words")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    (tmp_path / "empty").mkdir()
    Log.init(tmp_path / "empty", KEY, ORIGIN)
    assert isinstance(verify(tmp_path / "empty", [PUBLIC]), Verified)


def test_another_key_does_not_open_the_log(trail: Path) -> None:
    with pytest.raises(errors.BadKey, match="Give the key that the log was begun with"):
        reopen(trail, Ed25519PrivateKey.generate())


def cut_short(path: Path, count: int) -> None:
    path.write_bytes(path.read_bytes()[:-count])


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda t: cut_short(t / "headers" / "00000001.jsonl", 1), "does not hold the 13 records"),
        (lambda t: (t / "headers" / "00000001.jsonl").unlink(), "record 8 cannot be read: it is missing"),
        (lambda t: (t / "headers" / "00000000.jsonl").unlink(), "record 0 is missing"),
        (lambda t: cut_short(t / "bodies" / "00000001.bin", 1), "bytes where the log's records speak of"),
        (lambda t: (t / "bodies" / "00000001.bin").unlink(), "holds 0 bytes where"),
        (
            lambda t: replace_in(t / "headers" / "00000000.jsonl", b"crossing.out", b"crossing.oux"),
            "do not have the root that is signed",
        ),
        (lambda t: cut_short(t / "headers" / "00000000.jsonl", 1), "record 7 is missing"),
        (lambda t: replace_in(t / "headers" / "00000001.jsonl", b"crossing.out", b"crossing.oux"), "does not follow"),
        (
            lambda t: replace_in(t / "headers" / "00000001.jsonl", b"log.close", b"log.closf"),
            "do not have the root that is signed",
        ),
        (lambda t: (t / "headers" / "00000001.jsonl").write_bytes(b"x" * 200_000), "does not hold the 13 records"),
        (lambda t: replace_in(t / "checkpoint", b"13\n", b"12\n"), "carries a wrong signature"),
        (lambda t: replace_in(t / "checkpoint", b"13\n", b"13\n\n\n"), "is not"),
    ],
)
def test_a_damaged_log_is_not_opened_and_not_changed(trail: Path, damage: object, why: str) -> None:
    assert callable(damage)
    damage(trail)
    before = {path: path.read_bytes() for path in trail.rglob("*") if path.is_file()}
    with pytest.raises(errors.Damaged, match=why):
        reopen(trail)
    assert {path: path.read_bytes() for path in trail.rglob("*") if path.is_file()} == before


def replace_in(path: Path, old: bytes, new: bytes) -> None:
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))


FULL_DISK = """
import resource, sys
from pathlib import Path
from audit import errors, keys
from audit.log import writer as log
log.RETRY_S = 0.01
from audit.format.record import Entry
folder, key = Path(sys.argv[1]), keys.load_private(Path(sys.argv[2]))
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
with log.Log.open(folder, key) as trail:
    trail.submit([Entry("before")]).result(30)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    stored = 0
    try:
        while True:
            trail.submit([Entry("filling", n=stored, reason="x" * 1000)]).result(30)
            stored += 1
    except errors.NotRecorded as problem:
        print(stored, problem)
    assert not trail.health.ok
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    import time
    deadline = time.monotonic() + 30
    while not trail.health.ok and time.monotonic() < deadline:
        time.sleep(0.01)
    trail.submit([Entry("after")]).result(30)
"""


def test_a_disk_that_is_really_full(tmp_path: Path, public: VerifierKey) -> None:
    """The operating system itself refuses the write, in the middle of it; then there is room again."""
    from audit import keys

    folder = tmp_path / "trail"
    Log.init(folder, KEY, ORIGIN)
    files = keys.write(tmp_path, KEY, ORIGIN)
    child = [sys.executable, "-c", FULL_DISK, str(folder), str(files.private)]
    done = subprocess.run(child, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    stored = int(done.stdout.split()[0])
    assert "File too large" in done.stdout
    verdict = verify(folder, [public])
    assert isinstance(verdict, Verified)
    kinds = [header.kind for header in headers_of(folder)]
    assert kinds == [START, "before", *["filling"] * stored, GAP, "after", CLOSE]


def test_the_writer_leaves_files_of_other_names_alone(tmp_path: Path) -> None:
    """They are no rest of a crash: not counted as one, and not truncated."""
    Log.init(tmp_path / "trail", KEY, ORIGIN)
    strangers = [tmp_path / "trail" / "headers" / "zzzzzzzz.jsonl", tmp_path / "trail" / "bodies" / "٠٠٠٠٠٠٠٧.bin"]
    for path in strangers:
        path.write_bytes(b"mine")
    with Log.open(tmp_path / "trail", KEY) as log:
        released(log.submit(entries(1)))
    assert [path.read_bytes() for path in strangers] == [b"mine", b"mine"]
    verdict = verify(tmp_path / "trail", [PUBLIC])
    assert isinstance(verdict, Verified)
    assert (verdict.cuts, verdict.unreleased_bytes) == (0, 0)


NEXT = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
NEXT_PUBLIC = verifier_key(ORIGIN, NEXT.public_key())


@pytest.mark.parametrize("number", range(30))
def test_a_disk_that_fails_while_the_key_changes(tmp_path: Path, number: int) -> None:
    """Wherever the disk fails, the old key ends with its seal, or the change never was; and the log goes on."""
    disk = made()
    with opened(disk) as log:
        released(log.submit(entries(3)))
        disk.fault = failing_at(number)
        with contextlib.suppress(errors.NotRecorded):
            released(log.change_key(NEXT))
        disk.fault = no_fault
        deadline = time.monotonic() + DEADLINE_S
        while not log.health.ok:
            assert time.monotonic() < deadline, log.health
            time.sleep(0.005)
        released(log.submit(entries(3)))
        changed = log.key == NEXT_PUBLIC
    disk.write_out(tmp_path)
    verdict = verify(tmp_path, [PUBLIC], segment_lines=SEGMENT)
    assert isinstance(verdict, Verified), verdict
    assert (verdict.key_changes, verdict.key) == ((1, NEXT_PUBLIC) if changed else (0, PUBLIC))


@pytest.mark.parametrize("seed", range(400 if SOAK else 40))
def test_a_power_cut_while_the_key_changes(tmp_path: Path, seed: int) -> None:
    """Another boot finds the old key, a change to be finished, or the new key: never an epoch without its seal."""
    chance = random.Random(seed)
    disk = made()
    log = opened(disk)
    released(log.submit(entries(chance.randint(1, 8))))
    disk.fault = failing_at(chance.randint(0, 25), times=10**9)  # the disk is gone: nothing more is done
    with contextlib.suppress(errors.NotRecorded):
        released(log.change_key(NEXT))
    log.close()
    found = disk.after_power_cut(chance)
    try:
        again = Log.open(TRAIL, KEY, disk=found, successor=NEXT, segment_lines=SEGMENT)
    except errors.BadKey:
        again = Log.open(TRAIL, NEXT, disk=found, segment_lines=SEGMENT)
    with again:
        released(again.submit(entries(2)))
    found.write_out(tmp_path)
    assert isinstance(verify(tmp_path, [PUBLIC], segment_lines=SEGMENT), Verified)
