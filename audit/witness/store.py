"""A witness's folder: its key, the logs that it knows, and the tree of each that it cosigned last.

| file | what |
|---|---|
| `witness.key`, `witness.pub` | its own key; the first is its owner's only, the second is for gateways and verifiers |
| `logs.pub` | the verifier keys of the logs that it cosigns, one a line |
| `seen/<H(origin)>` | for each of them the checkpoint cosigned last, with the log's signature and its own |
| `forks/` | checkpoints of a size that another tree was cosigned for, each signed by the log: evidence |
| `lock` | held while a checkpoint is judged, so that any number of processes may share the folder |

What was cosigned is durable (fsync of the file, rename, fsync of the folder) before the cosignature leaves this module.
Nothing is kept in memory between two requests, so nothing can differ from the disk.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit import keys
from audit.disk import Disk, PosixDisk
from audit.errors import AuditError, BadKey, Damaged
from audit.format import checkpoint
from audit.format import note as notes
from audit.format.checkpoint import Checkpoint
from audit.format.note import NOTE_LIMIT, MalformedNote, Note, VerifierKey, parse_vkey
from audit.keys import KeyFiles
from audit.reading.files import open_regular
from audit.witness import cosignature
from audit.witness.cosignature import WitnessKey, cosign, parse_wkey, witness_key
from audit.witness.request import REQUEST_LIMIT, MalformedRequest, Request, parse
from audit.witness.rules import Cosign, Refused, Status, judge, of_its_epoch

WAIT_S: Final = 5.0
"""How long one request may wait for the folder; another process holds it for as long as one fsync takes."""
FORKS_KEPT: Final = 100
"""More evidence than anybody needs, and little enough for a small disk."""

_PRIVATE: Final = "witness.key"
_PUBLIC: Final = "witness.pub"
_LOGS: Final = "logs.pub"
_LOGS_TEXT: Final = "# The logs that this witness cosigns: `derms audit witness trust` adds to them.\n"


class NoWitness(AuditError):
    """There is no witness in this folder."""


class WitnessExists(AuditError):
    """`init` was asked to make a witness where something already is."""


class Busy(AuditError):
    """Another process holds the folder for longer than a request may wait."""


def init(folder: Path, name: str) -> WitnessKey:
    """Make a witness with a new key, whole or not at all. WitnessExists, BadKey (the name), OSError."""
    key = keys.generate()
    public = witness_key(name, key.public_key())
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise WitnessExists(f"{folder} exists; nothing is overwritten. Name a new folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        keys.write_both(KeyFiles(fresh / _PRIVATE, fresh / _PUBLIC), key, str(public))
        (fresh / _LOGS).write_text(_LOGS_TEXT, encoding="ascii")
        for part in ("seen", "forks"):
            (fresh / part).mkdir(mode=0o750)
        fresh.replace(folder)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    PosixDisk().sync_folder(folder.parent)
    return public


def load_keys(path: Path) -> tuple[WitnessKey, ...]:
    """The keys of a `witness.pub`, at least one. BadKey."""
    return keys.load_each(path, "the witness's key", parse_wkey)


class WitnessStore:
    """An open witness. One thread at a time; several processes may have it open at once."""

    def __init__(self, folder: Path, key: Ed25519PrivateKey, public: WitnessKey, disk: Disk) -> None:
        """Use `WitnessStore.open`."""
        self._folder = folder
        self._key = key
        self._disk = disk
        self.key = public

    @classmethod
    def open(cls, folder: Path, disk: Disk | None = None) -> WitnessStore:
        """NoWitness, BadKey. `disk` is for tests; the key files are read from the host's in any case."""
        if not (folder / _PRIVATE).exists():
            raise NoWitness(f"{folder} holds no witness; `derms audit witness init {folder} --name NAME` makes one")
        if (folder / _PRIVATE).stat().st_mode & 0o077:
            raise BadKey(f"{folder / _PRIVATE} can be read by others than its owner; chmod 600 it")
        key = keys.load_private(folder / _PRIVATE)
        public = load_keys(folder / _PUBLIC)[0]
        if public != witness_key(public.name, key.public_key()):
            raise BadKey(f"{folder / _PUBLIC} is not the public half of {_PRIVATE}")
        return cls(folder, key, public, disk or PosixDisk())

    def trusted(self) -> tuple[VerifierKey, ...]:
        """The keys of all logs that it cosigns. BadKey."""
        path = self._folder / _LOGS
        if all(line.startswith("#") or not line.strip() for line in path.read_text("utf-8", "replace").split("\n")):
            return ()
        return keys.load_each(path, "the logs' keys", parse_vkey)

    def trust(self, logs: Sequence[VerifierKey]) -> tuple[VerifierKey, ...]:
        """Cosign these logs from now on, and say which are new. A running service needs no restart. AuditError."""
        with self._held():
            known = self.trusted()
            new = tuple(key for key in dict.fromkeys(logs) if key not in known)
            if new:
                text = _LOGS_TEXT + "".join(f"{key}\n" for key in (*known, *new))
                put(self._disk, self._folder / _LOGS, text.encode())
        return new

    def latest(self, origin: str) -> tuple[Checkpoint, Note] | None:
        """What it cosigned last for a log. Damaged where the file is not what it wrote."""
        path = self.seen(origin)
        if not self._disk.exists(path):
            return None
        try:
            found, note = checkpoint.parse(self._read(path))
        except MalformedNote as why:
            raise self._damaged(path, str(why)) from None
        if found.origin != origin or not isinstance(cosignature.check(note, [self.key]), cosignature.Cosigned):
            raise self._damaged(path, "is not this witness's own")
        return found, note

    def add(self, body: bytes, time_s: Callable[[], int]) -> bytes | Refused:
        """Judge an add-checkpoint body; the whole cosigned note, durable by then, or why not. AuditError, OSError.

        `time_s` is the clock, in seconds since 1970; it is read while the folder is held.
        """
        try:
            request = parse(body)
        except MalformedRequest as why:
            return Refused(Status.MALFORMED, f"the request {why}")
        with self._held():
            origin = request.checkpoint.origin
            trusted = [key for key in self.trusted() if key.name == origin]
            latest = self.latest(origin) if trusted else None
            seen, note = latest if latest else (None, None)
            verdict = judge(request, of_its_epoch(trusted, note), seen)
            if isinstance(verdict, Cosign):
                return self._cosign(origin, verdict.note, time_s())
            if verdict.fork:
                self._keep(request)
            return verdict

    def _cosign(self, origin: str, note: Note, time_s: int) -> bytes:
        line = cosign(note.text, self.key.name, self._key, time_s)
        whole = note.text + b"\n" + b"".join(notes.signature_line(each) for each in (*note.signatures, line))
        put(self._disk, self.seen(origin), whole)
        return whole

    def _keep(self, request: Request) -> None:
        """Evidence of two trees of one size. Best effort: the refusal stands whether it can be kept or not."""
        forked = request.checkpoint
        folder = self._folder / "forks"
        path = folder / f"{_named(forked.origin)[:16]}-{forked.size}-{forked.root.hex()[:16]}"
        lines = b"".join(notes.signature_line(line) for line in request.note.signatures)
        with contextlib.suppress(OSError):
            if not self._disk.exists(path) and len(self._disk.names(folder)) < FORKS_KEPT:
                put(self._disk, path, request.note.text + b"\n" + lines)

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        until = time.monotonic() + WAIT_S
        while True:
            try:
                held = self._disk.lock(self._folder / "lock")
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise Busy(f"{self._folder} has been in use for {WAIT_S:g} s") from None
                time.sleep(0.01)
        try:
            yield
        finally:
            held.close()

    def seen(self, origin: str) -> Path:
        """Where the checkpoint of a log that was cosigned last stands."""
        return self._folder / "seen" / _named(origin)

    def _read(self, path: Path) -> bytes:
        file = self._disk.open(path)
        try:
            return file.read_at(0, NOTE_LIMIT + 1)
        finally:
            file.close()

    def _damaged(self, path: Path, what: str) -> Damaged:
        return Damaged(
            f"{path} {what}. This witness says nothing more of that log: keep the folder as it is, and begin a witness "
            "with a new key"
        )


def _named(origin: str) -> str:
    return sha256(origin.encode()).hexdigest()


def put(disk: Disk, path: Path, data: bytes) -> None:
    """Put `data` in the place of a file, durably, in one step. OSError: it may be there or not, but whole."""
    fresh = path.with_name(path.name + ".next")
    file = disk.open(fresh)
    try:
        file.truncate(0)
        file.write_at(0, data)
        file.sync()
    finally:
        file.close()
    disk.replace(fresh, path)
    disk.sync_folder(path.parent)


def read_request(path: Path) -> bytes:
    """A request's file, no more of it than a request may have. OSError."""
    with open_regular(path) as file:
        return file.read(REQUEST_LIMIT + 1)


def read_note(path: Path) -> bytes:
    """A note's file, no more of it than a note may have. OSError."""
    with open_regular(path) as file:
        return file.read(NOTE_LIMIT + 1)
