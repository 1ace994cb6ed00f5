"""Making a gateway's folder, and finding everything that is wrong with one."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit import keys as audit_keys
from audit.errors import AuditError, Damaged, NoLog
from audit.format import checkpoint, note
from audit.format.layout import Layout
from audit.format.note import MalformedNote, verifier_key
from audit.format.record import Entry
from audit.log import Log
from audit.secrecy import KeyFolder
from daemon import clock
from daemon.config import Address, packaged
from dermscore.errors import BadInput, DermsError, Problem
from gateway import documents, outstations, records, report, witness
from gateway.config import DOCUMENTS, FILE, GatewayConfig, Home
from gateway.contract import BOUNDARY, FILES, Contract
from gateway.outbox import Outbox
from wire.dial import PortInUse, check_free
from wire.identity import Role, TlsFiles
from wire.publication import load_keys

_TEXT: Final = """\
# One gateway. docs/reference/gateway-yaml.md says what every key means. Paths are relative to this folder, or absolute.
headend: {headend}
tls:
  ca: {ca}
  cert: {cert}
  key: {key}
# Keys whose publications are admitted. During a change of keys: both.
publishers:
  - {publisher}
contract: policies/gateway
trail: trail
audit_key: keys/audit.key
outbox: outbox.db
# The trail's name in its checkpoints, for ever: a log is known by it and by its key.
origin: {origin}
# Encrypt the values in the trail, a key for each segment of it, kept in this folder: docs/howto/retention.md
# `derms gateway init DIR --add` makes the folder. Back it up apart from the trail.
# body_keys: keys/bodies
# Space kept back on the trail's disk: when it is full, what crosses is recorded on for a while.
# reserve_mb: 32
# Compress the trail's full segments once they are this old: docs/howto/retention.md
# pack_after_days: 30
# A witness on compliance's own host cosigns the trail's checkpoints: docs/howto/run-a-witness.md
# witness: {{url: "http://witness.example:7453", key: keys/witness.pub}}
"""


_NEW_ONE: Final = (
    "Where there is no backup, keep what is left as it is and begin a gateway in a new folder, with an origin of its "
    "own: `derms gateway init NEW --pki PKI --origin NAME`"
)


class AlreadyThereError(DermsError):
    """`init` never overwrites."""


class AlreadyRunningError(DermsError):
    """A gateway runs in this folder, or its trail is open for writing elsewhere."""


def init(folder: Path, pki: Path, headend: Address, origin: str) -> None:
    """Make a gateway's folder, whole or not at all.

    Raises:
        AlreadyThereError: the folder exists and is not empty.
        NotSetUp, BadInput: the certificates in `pki` cannot be used, or nothing can be named `origin`.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        more = f"; `derms gateway init {folder} --add` makes what it lacks" if (folder / FILE).exists() else ""
        raise AlreadyThereError(f"{folder} exists; nothing is overwritten. Name a new folder{more}")
    _check_origin(origin)
    tls, publisher = TlsFiles.gateway(pki.resolve()), pki.resolve() / "publisher.pub"
    check_certificate(tls)
    load_keys([publisher])
    values = {"headend": headend, "ca": tls.ca, "cert": tls.cert, "key": tls.key, "publisher": publisher}
    # A JSON string is a YAML string whatever is in it: a folder's name may hold `: ` or ` #`.
    quoted = {key: json.dumps(str(value), ensure_ascii=False) for key, value in values.items()}
    with _appearing_whole(folder) as fresh:
        (fresh / FILE).write_text(_TEXT.format(**quoted | {"headend": headend, "origin": origin}), encoding="utf-8")
        _copy_contract(fresh / GatewayConfig.model_fields["contract"].default)
        (fresh / "keys").mkdir(mode=0o700)
        key = audit_keys.generate()
        audit_keys.write(fresh / "keys", key, origin)
        Log.init(fresh / "trail", key, origin)
        Outbox.init(fresh / "outbox.db")
        (fresh / DOCUMENTS).mkdir(mode=documents.FOLDER_MODE)


def add(folder: Path) -> list[Path]:
    """Make what a gateway lacks, as far as that hides nothing. The trail says so before it is there.

    The trail and its key are never made anew, nor is the contract. Returns what was made; what exists is left alone.

    Raises:
        NotSetUp, BadInput, AlreadyRunningError, AuditError, OSError: it cannot be done; nothing was made.
    """
    home = Home.open(folder)
    require_alone(home)
    anew = _anew(home)
    missing = [problem for problem in _missing(home) if problem.where not in {str(path) for path in anew}]
    if missing:
        raise BadInput(missing)
    key = load_audit_key(home.audit_key)
    check_checkpoint(home, key)
    lacking = {path: each for path, each in anew.items() if not path.exists()}
    if lacking:
        with Log.open(home.trail, key) as trail:
            entries = [
                Entry(records.GATEWAY, decision="made anew", reason=each.why, digests={"config": home.digest})
                for each in lacking.values()
            ]
            trail.submit(entries).result()
            for path, each in lacking.items():
                each.make(path)
        documents.keep(home.documents, home.document)
    return list(lacking)


@dataclass(frozen=True, slots=True)
class _Anew:
    """What may be made anew, empty: how, what is then lost for `check`, and what the trail says of it."""

    make: Callable[[Path], None]
    what: str
    why: str


def _anew(home: Home) -> dict[Path, _Anew]:
    found = {
        home.outbox: _Anew(
            Outbox.init,
            "an empty one. What SCADA's commands had under way, and the energy they moved in the last 15 minutes, is "
            "then forgotten",
            "an empty outbox: there was none, so what was under way and the energy moved lately are forgotten",
        ),
        home.documents: _Anew(
            _private_folder,
            "an empty one. Contracts and configurations that the trail names come back from a backup only",
            "an empty folder of documents: there was none, so what earlier records name by digest is not in it",
        ),
    }
    if home.body_keys is not None:
        found[home.body_keys] = _Anew(
            _private_folder,
            "an empty one. Values that were encrypted with keys that are lost stay unreadable",
            "an empty folder of body keys: there was none; values that were encrypted before, if any, cannot be read",
        )
    return found


def _private_folder(path: Path) -> None:
    path.mkdir(mode=documents.FOLDER_MODE, parents=True)


def require_alone(home: Home) -> None:
    """Raises AlreadyRunningError where the trail is open for writing: there is one gateway to a folder."""
    try:
        with Layout(home.trail).lock.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return
    except BlockingIOError:
        said = report.read(home.status)
        which = f"a gateway runs in {home.folder} already (process {said['pid']}): " if said and running(home) else ""
        raise AlreadyRunningError(f"{which}{home.trail} is open in another process; stop that one first") from None


def require_present(home: Home) -> None:
    """Raises BadInput with everything of a gateway that is missing, and how each can be had again."""
    missing = _missing(home)
    if missing:
        raise BadInput(missing)


def _missing(home: Home) -> list[Problem]:
    remedies = {
        home.audit_key: "does not exist; bring it back from a backup: no new key can carry on a trail that another has "
        f"signed. {_NEW_ONE}",
        home.trail: "does not exist; bring it back from a backup. It is never made anew in its place: that would hide "
        f"that records were taken away. {_NEW_ONE}",
    } | {
        path: f"does not exist; `derms gateway init {home.folder} --add` makes {each.what}"
        for path, each in _anew(home).items()
    }
    return [Problem(str(path), "", what) for path, what in remedies.items() if not path.exists()]


def problems(folder: Path) -> list[Problem]:
    """Everything that would stop the gateway in `folder` from starting, or from being believed, at once."""
    opened: list[Home] = []
    found = _tried(lambda: opened.append(Home.open(folder)), str(folder / FILE))
    return found or _problems(opened[0])


def _problems(home: Home) -> list[Problem]:
    checks: list[tuple[Path, Callable[[], object]]] = [
        (home.contract, lambda: _check_contract(home)),
        (home.tls.cert, lambda: check_certificate(home.tls)),
        (home.publishers[0], lambda: load_keys(home.publishers)),
        (home.folder / FILE, lambda: witness.submitter(home)),
        (home.folder / FILE, lambda: check_body_keys(home)),
    ]
    made = [
        (home.audit_key, lambda: load_audit_key(home.audit_key)),
        (home.trail, lambda: _check_trail(home)),
        (home.outbox, lambda: Outbox.open(home.outbox).close()),
        (home.documents, lambda: _check_documents(home)),
    ]
    checks += [each for each in made if each[0].exists()]
    return [*_missing(home), *(problem for path, check in checks for problem in _tried(check, str(path)))]


def running(home: Home) -> bool:
    """Whether a gateway runs in this folder now: its process is alive, and it is the one that wrote the status."""
    said = report.read(home.status)
    return said is not None and _alive(int(said.get("pid", 0)), home.folder)


def _alive(pid: int, folder: Path) -> bool:
    """Whether `pid` is a gateway in `folder`: numbers are used again, so its command line is looked at too."""
    process = Path(f"/proc/{pid}")
    try:
        words = [os.fsdecode(word) for word in (process / "cmdline").read_bytes().split(b"\0") if word]
    except OSError:
        return False
    try:
        where = (process / "cwd").readlink()
    except OSError:  # another user's: then an absolute path is the one that can be known again
        where = Path("/")
    return any((where / word).resolve() == folder.resolve() for word in words)


def _check_contract(home: Home) -> None:
    contract = Contract.load(home.contract)
    for outstation in contract.boundary.outstations:
        outstations.dnp3(contract, outstation)
    if not running(home):  # else it is this gateway that listens there
        check_listeners(home, contract)


def check_listeners(home: Home, contract: Contract) -> None:
    """Raises BadInput with every `listen` of boundary.yaml that cannot be listened on."""
    problems = []
    for number, outstation in enumerate(contract.boundary.outstations):
        try:
            check_free(outstation.listen)
        except PortInUse as taken:
            problems.append(Problem(str(home.contract / BOUNDARY), f"outstations[{number}].listen", str(taken)))
    if problems:
        raise BadInput(problems)


def check_certificate(tls: TlsFiles) -> None:
    """Raises NotSetUp or BadInput where a headend would not take these for a gateway's, now."""
    loaded = tls.load()
    loaded.require(Role.GATEWAY)
    loaded.require_unexpired(clock.now().utc_ms)


def load_audit_key(path: Path) -> Ed25519PrivateKey:
    """The trail's signing key, which its owner alone may read. Raises AuditError or BadInput."""
    key = audit_keys.load_private(path)
    if path.stat().st_mode & 0o077:
        raise BadInput([Problem(str(path), "", f"can be read by others than its owner; chmod 600 {path}")])
    return key


def check_body_keys(home: Home) -> None:
    """Raises BadInput where the keys of encrypted bodies would lie in the trail, or where others can read them."""
    path = home.body_keys
    if path is None or not path.exists():
        return
    if path.resolve().is_relative_to(home.trail.resolve()):
        what = f"is in the trail ({home.trail}); whoever has the trail must not have the keys. Name another folder"
        raise BadInput([Problem(str(home.folder / FILE), "body_keys", what)])
    if not path.is_dir():
        raise BadInput([Problem(str(path), "", "is no folder; the keys of encrypted bodies need one")])
    if path.stat().st_mode & 0o077:
        raise BadInput([Problem(str(path), "", f"can be read by others than its owner; chmod 700 {path}")])


def open_trail(home: Home, key: Ed25519PrivateKey) -> Log:
    """The trail, open for writing, its bodies encrypted where gateway.yaml says so. Raises AuditError or OSError."""
    return Log.open(home.trail, key, body_keys=None if home.body_keys is None else KeyFolder(home.body_keys))


def check_checkpoint(home: Home, key: Ed25519PrivateKey) -> None:
    """Whether the trail's newest checkpoint is `key`'s and of the origin in gateway.yaml. Takes no lock.

    The records behind it are read when the trail is opened. Raises AuditError or BadInput.
    """
    path = Layout(home.trail).checkpoint
    try:
        found, signed = checkpoint.parse(path.read_bytes()[: note.NOTE_LIMIT + 1])
    except FileNotFoundError:
        raise NoLog(f"{home.trail} holds no audit log (no checkpoint in it); bring it back from a backup") from None
    except OSError as error:
        raise BadInput([Problem(str(path), "", f"cannot be read: {error.strerror}")]) from None
    except MalformedNote as why:
        raise Damaged(f"{path} {why}. Keep {home.trail} as it is; `derms audit verify` says more") from None
    if not isinstance(note.check(signed, [verifier_key(found.origin, key.public_key())]), note.Signed):
        what = f"is not signed by {home.audit_key}. Give the key that the log was begun with"
        raise BadInput([Problem(str(path), "", what)])
    if found.origin != home.config.origin:
        what = f"is {home.config.origin}, and {home.trail} was begun as {found.origin}; a trail keeps its name for ever"
        raise BadInput([Problem(str(home.folder / FILE), "origin", what)])


def _check_documents(home: Home) -> None:
    found = list(documents.damaged(home.documents))
    if found:
        raise BadInput(found)


def _check_trail(home: Home) -> None:
    try:
        key = audit_keys.load_private(home.audit_key)
    except AuditError:
        return  # said already, of the key
    check_checkpoint(home, key)


def _check_origin(origin: str) -> None:
    if not note.NAME.fullmatch(origin):
        what = f"{origin!r} cannot be: an origin is 1 to 128 letters, digits and . _ / : - (such as derms/gateway)"
        raise BadInput([Problem("--origin", "", what)])


def _tried(check: Callable[[], object], where: str) -> list[Problem]:
    try:
        check()
    except BadInput as bad:
        return list(bad.problems)
    except (DermsError, AuditError) as error:
        return [Problem(where, "", str(error))]
    return []


def _copy_contract(target: Path) -> None:
    source = packaged("policies/gateway")
    target.mkdir(parents=True)
    for name in FILES:
        shutil.copyfile(source / name, target / name)


@contextlib.contextmanager
def _appearing_whole(folder: Path) -> Iterator[Path]:
    """A fresh folder beside `folder`, which it becomes in one step at the end, or leaves no trace."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield fresh
        fresh.replace(folder)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
