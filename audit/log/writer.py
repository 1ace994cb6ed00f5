"""The log: entries in, released records out. One writer thread; everybody else only queues.

Group commit without an artificial window: while one batch becomes durable the next one gathers, and all of it goes
together.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit import secrecy
from audit.disk import Disk, Held, PosixDisk
from audit.errors import BadEntry, InDoubt, LogBehind, LogClosed, LogLocked, NoLog, NotRecorded
from audit.format import step
from audit.format.body import SALT_BYTES
from audit.format.kinds import CLOSE, GAP, KEY, is_logs_own
from audit.format.layout import SEGMENT_LINES, Layout
from audit.format.note import VerifierKey, verifier_key
from audit.format.record import Entry, Reading, Timed
from audit.format.statement import KeyChange
from audit.log import clock as clocks
from audit.log import opening, recovery
from audit.log.chain import Extension, Salt, extend, joined, prepare
from audit.log.clock import Clock
from audit.log.store import Store
from audit.secrecy import BodyKeys

WAITING_LIMIT = 65_536
"""Records that may wait for the disk before submissions are refused."""
COMMIT_RECORDS = 8_192
"""Records after which a commit takes no further submission along."""
RETRY_S = 1.0
"""How often a log that could not write tries again by itself."""


@dataclass(frozen=True, slots=True)
class Released:
    """A submission's records are durable and covered by a durable checkpoint over `tree_size` records."""

    first_seq: int
    last_seq: int
    tree_size: int


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the last commit succeeded, why not, and how many records wait for the disk."""

    ok: bool
    reason: str
    pending: int


@dataclass(frozen=True, slots=True)
class _Submission:
    entries: tuple[Timed, ...]
    future: Future[Released] | None  # None for the log's own records
    new_key: Ed25519PrivateKey | None = None  # the one entry is the change to it


@dataclass(frozen=True, slots=True)
class _Refused:
    """Entries that the disk did not take since the last release."""

    count: int
    since_us: int
    why: str


class Log:
    """An open log. Any thread may call its methods; `open` makes one, `close` ends it."""

    def __init__(
        self,
        store: Store,
        held: Held,
        clock: Clock,
        salt: Salt,
        layout: Layout,
        owed: Sequence[Entry],
        last: Reading | None,
        body_keys: BodyKeys | None,
    ) -> None:
        """Use `Log.open`."""
        self._clock = clock  # called under _changed
        self._salt = salt
        self._layout = layout
        self._held = held
        self._body_keys = body_keys
        self._body_key: tuple[int, bytes] | None = None  # writer thread: the segment that bodies go to, and its key
        self._store = store  # writer thread
        self._changed = threading.Condition()
        self._waiting: deque[_Submission] = deque()  # under _changed
        self._pending = 0  # under _changed: records waiting or being written
        self._closing = False  # under _changed
        self._reason = ""  # under _changed: why the last commit failed; empty while all is well
        self._refused: _Refused | None = None  # writer thread
        first, *rest = [Timed(entry, clock()) for entry in owed]
        self._owed = [first, *step.across_opening(last, first.reading), *rest]  # writer thread: own, not yet written
        self._last = first.reading  # writer thread: the clocks of the last record
        self._empty_since = first.reading  # writer thread: when nothing was found to wait
        self._writer = threading.Thread(target=self._run, name="audit-log", daemon=True)
        self._writer.start()

    @staticmethod
    def init(
        folder: Path,
        key: Ed25519PrivateKey,
        origin: str,
        *,
        disk: Disk | None = None,
        segment_lines: int = SEGMENT_LINES,
    ) -> None:
        """Make an empty log in `folder`, which must not be there or be empty. LogExists, BadKey, OSError."""
        recovery.make(disk or PosixDisk(), Layout(folder, segment_lines), key, origin)

    @classmethod
    def open(
        cls,
        folder: Path,
        key: Ed25519PrivateKey,
        *,
        successor: Ed25519PrivateKey | None = None,
        body_keys: BodyKeys | None = None,
        first: Entry | None = None,
        clock: Clock | None = None,
        disk: Disk | None = None,
        salt: Salt | None = None,
        segment_lines: int = SEGMENT_LINES,
    ) -> Log:
        """Open for writing, and recover: cut back to the newest checkpoint. NoLog, LogLocked, Damaged, BadKey, OSError.

        The first records written say that the log was opened, and what was cut. They are written in the background: a
        full disk makes `health` bad, it does not stop the opening.

        `body_keys`: bodies are encrypted. `successor`: the new key of a change that was begun with `key` and not
        finished; any other log ignores it. `first` begins a new log in place of `log.start`. `clock`, `disk`, `salt`
        and `segment_lines` are for tests; a log in use has the defaults.
        """
        disk, layout = disk or PosixDisk(), Layout(folder, segment_lines)
        if not disk.exists(layout.checkpoint):
            raise NoLog(f"{folder} holds no audit log (no checkpoint in it): make one with `init`, or mend the path")
        held = _lock(disk, layout)
        try:
            found = recovery.find(disk, layout, key)
            store = Store(disk, layout, key, found.origin, found.position)
            public = None if successor is None else verifier_key(found.origin, successor.public_key())
            if opening.unfinished_change(found, public) and successor is not None:
                store.change_key(successor)
        except BaseException:
            held.close()
            raise
        owed = opening.entries(found, store.key, clocks.process(), first)
        last = None if found.last is None else found.last.reading
        return cls(store, held, clock or clocks.host_clock(), salt or _fresh_salt, layout, owed, last, body_keys)

    @property
    def origin(self) -> str:
        return self._store.origin

    @property
    def key(self) -> VerifierKey:
        """The key that signs from here on; a change that is on its way does not show yet."""
        return self._store.key

    @property
    def folder(self) -> Path:
        return self._store.folder

    @property
    def health(self) -> Health:
        with self._changed:
            return Health(not self._reason, self._reason, self._pending)

    def submit(self, entries: Sequence[Entry]) -> Future[Released]:
        """Record `entries`, all or none, in this order. The future is done when they are durable and covered.

        Its exception is BadEntry (the caller's mistake), or NotRecorded and its kinds: the entries are not released,
        and what they speak of must not happen. A future cancelled before the writer took it is not recorded.
        """
        if not entries:
            return _failed(BadEntry("nothing to record"))
        own = [entry.kind for entry in entries if is_logs_own(entry.kind)]
        if own:
            return _failed(BadEntry(f"kind {own[0]!r}: kinds that begin with `log.` are the log's own"))
        return self._enqueue(entries)

    def state(self, entry: Entry) -> Future[Released]:
        """Record what was done to the log itself, for those that keep it: packing and pruning."""
        return self._enqueue([entry])

    def change_key(self, key: Ed25519PrivateKey) -> Future[Released]:
        """Change the signing key. Released: the change is the last record that the old key signed, sealed by it.

        Whoever opens the log next needs the new key. BadEntry for one that this log had before. InDoubt: the change
        stands, but the disk did not confirm it or its seal; the next commit begins with the seal.
        """
        return self._enqueue([Entry(KEY)], key)

    def _enqueue(self, entries: Sequence[Entry], new_key: Ed25519PrivateKey | None = None) -> Future[Released]:
        future: Future[Released] = Future()
        with self._changed:
            refusal = self._refusal(entries)
            if refusal is not None:
                return _failed(refusal)
            reading = self._clock()
            self._waiting.append(_Submission(tuple(Timed(entry, reading) for entry in entries), future, new_key))
            self._pending += len(entries)
            self._changed.notify()
        return future

    def _refusal(self, entries: Sequence[Entry]) -> Exception | None:
        if self._closing:
            return LogClosed("the audit log is closed")
        if self._pending + len(entries) > WAITING_LIMIT:
            return LogBehind(f"{self._pending} records wait for the disk already: {self._reason or 'it is too slow'}")
        return None

    def close(self) -> None:
        """Write what waits, record the closing, and give the folder free. May be called twice."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._writer.join()

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What follows runs in the writer thread.

    def _run(self) -> None:
        try:
            while (batch := self._take()) is not None:
                self._commit(batch)
            self._empty_since = self._now()
            self._owed.append(Timed(Entry(CLOSE), self._empty_since))
            self._commit([])
        finally:
            self._store.close()
            self._held.close()

    def _take(self) -> list[_Submission] | None:
        """The next submissions; an empty list when it is time to try the disk again; None at the end."""
        with self._changed:
            if not self._waiting and not self._closing and not (self._owed and not self._reason):
                self._changed.wait(RETRY_S if self._reason else None)
            if not self._waiting:
                if self._refused is not None and not self._closing:
                    self._empty_since = self._clock()  # under the lock: whoever submits later is read later
                return None if self._closing else []
            batch: list[_Submission] = []
            records = 0
            while self._waiting and records < COMMIT_RECORDS and not (batch and batch[-1].new_key):
                batch.append(self._waiting.popleft())
                records += len(batch[-1].entries)
            return batch

    def _commit(self, batch: Sequence[_Submission]) -> None:
        """Make a batch durable and tell everybody. Whatever goes wrong, nobody waits for ever and the next may try."""
        taken = [one for one in batch if one.future and one.future.set_running_or_notify_cancel()]
        done = sum(len(one.entries) for one in batch)
        last = self._last
        try:
            encoded, last = self._encode(taken)
            if encoded:
                self._store.commit(joined([extension for _, extension in encoded]), encoded[-1][0].new_key)
        except Exception as problem:
            if isinstance(problem, InDoubt):
                self._last = last
            self._fail(taken, problem, done)
            return
        self._last = last
        self._owed.clear()
        self._refused = None
        self._settle(done, "")
        for submission, extension in encoded:
            if submission.future is not None:
                size = extension.after.size
                released = Released(size - len(submission.entries), size - 1, self._store.position.size)
                submission.future.set_result(released)

    def _encode(self, taken: Sequence[_Submission]) -> tuple[list[tuple[_Submission, Extension]], Reading]:
        """Each submission as an extension behind the one before, the log's own first; and the last record's clocks.

        A bad one fails alone.
        """
        position, last = self._store.position, self._last
        encoded = []
        own = self._own_records(taken)
        for submission in (*([_Submission(own, None)] if own else []), *taken):
            try:
                batch = self._change_of_key(submission) if submission.new_key else submission.entries
                prepared = [prepare(timed, self._salt) for timed in step.told(last, batch)]
                encrypt = None if self._body_keys is None else self._encrypt
                extension = extend(self._store.origin, position, prepared, self._layout.segment_lines, encrypt)
            except (BadEntry, TypeError, AttributeError, ValueError) as problem:
                if submission.future is None:
                    raise
                bad = problem if isinstance(problem, BadEntry) else BadEntry(f"cannot be written: {problem}")
                submission.future.set_exception(bad)
                continue
            encoded.append((submission, extension))
            position, last = extension.after, batch[-1].reading
        return encoded, last

    def _own_records(self, taken: Sequence[_Submission]) -> tuple[Timed, ...]:
        """What the log has to say itself: what it owes since it was opened, and the gap that ends with this commit."""
        if self._refused is None:
            return tuple(self._owed)
        refused = self._refused
        reason = f"{refused.why}; first refused at {refused.since_us} us UTC"
        reading = taken[0].entries[0].reading if taken else self._empty_since
        return (*self._owed, Timed(Entry(GAP, n=refused.count, reason=reason), reading))

    def _change_of_key(self, submission: _Submission) -> tuple[Timed, ...]:
        assert submission.new_key is not None
        new = verifier_key(self._store.origin, submission.new_key.public_key())
        if self._store.had(new):
            raise BadEntry(f"the log's key cannot be changed to {new}: it is, or was, the log's")
        entry = KeyChange(self._store.key, new).entry("the signing key was changed")
        return (Timed(entry, submission.entries[0].reading),)

    def _encrypt(self, seq: int, stream: bytes) -> bytes:
        assert self._body_keys is not None
        segment = self._layout.segment_of(seq)
        if self._body_key is None or self._body_key[0] != segment:
            self._body_key = (segment, self._body_keys.for_writing(segment))
        return secrecy.encrypt(stream, self._body_key[1], os.urandom(secrecy.NONCE_BYTES), self._store.origin, seq)

    def _fail(self, taken: Sequence[_Submission], problem: Exception, done: int) -> None:
        """Refuse what was taken, and remember how much and since when for the record of the gap."""
        why = (str(problem) or type(problem).__name__)[:500].encode(errors="replace").decode()
        lost = [one for one in taken if one.future is not None and not one.future.done()]
        if isinstance(problem, InDoubt):  # the log's own records are in the log, the earlier gap among them
            self._owed.clear()
            self._refused = None
        count = sum(len(one.entries) for one in lost)
        since_us = lost[0].entries[0].reading.t if lost else self._now().t
        if self._refused is not None:
            count, since_us = count + self._refused.count, self._refused.since_us
        self._refused = _Refused(count, since_us, why)
        self._settle(done, why)
        error = problem if isinstance(problem, NotRecorded) else NotRecorded(f"the audit log was not written: {why}")
        for one in lost:
            if one.future is not None:
                one.future.set_exception(error)

    def _now(self) -> Reading:
        with self._changed:
            return self._clock()

    def _settle(self, done: int, reason: str) -> None:
        with self._changed:
            self._pending -= done
            self._reason = reason


def _lock(disk: Disk, layout: Layout) -> Held:
    try:
        return disk.lock(layout.lock)
    except BlockingIOError:
        raise LogLocked(f"{layout.folder} is open in another process; stop that one first") from None


def _failed(problem: Exception) -> Future[Released]:
    future: Future[Released] = Future()
    future.set_exception(problem)
    return future


def _fresh_salt() -> bytes:
    return os.urandom(SALT_BYTES)
