"""Making a gateway's folder, and finding everything that is wrong with one."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from audit import keys as audit_keys
from audit.errors import AuditError
from audit.log import Log
from daemon.config import Address, packaged
from dermscore.errors import BadInput, DermsError, Problem
from gateway import outstations, report
from gateway.config import FILE, GatewayConfig, Home
from gateway.contract import FILES, Contract
from gateway.outbox import Outbox
from wire.dial import check_free
from wire.identity import TlsFiles
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
"""


class AlreadyThereError(DermsError):
    """`init` never overwrites."""


def init(folder: Path, pki: Path, headend: Address, origin: str) -> None:
    """Make a gateway's folder, whole or not at all.

    Raises:
        AlreadyThereError: the folder exists and is not empty.
        NotSetUp, BadInput: the certificates in `pki` cannot be used.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise AlreadyThereError(f"{folder} exists; nothing is overwritten. Name a new folder")
    tls, publisher = TlsFiles.gateway(pki.resolve()), pki.resolve() / "publisher.pub"
    tls.load()
    load_keys([publisher])
    with _appearing_whole(folder) as fresh:
        (fresh / FILE).write_text(
            _TEXT.format(headend=headend, ca=tls.ca, cert=tls.cert, key=tls.key, publisher=publisher, origin=origin),
            encoding="utf-8",
        )
        _copy_contract(fresh / GatewayConfig.model_fields["contract"].default)
        (fresh / "keys").mkdir(mode=0o700)
        key = audit_keys.generate()
        audit_keys.write(fresh / "keys", key, origin)
        Log.init(fresh / "trail", key, origin)
        Outbox.init(fresh / "outbox.db")


def problems(folder: Path) -> list[Problem]:
    """Everything that would stop the gateway in `folder` from starting, or from being believed, at once."""
    opened: list[Home] = []
    found = _tried(lambda: opened.append(Home.open(folder)), str(folder / FILE))
    return found or _problems(opened[0])


def _problems(home: Home) -> list[Problem]:
    checks: list[tuple[Path, Callable[[], object]]] = [
        (home.contract, lambda: _check_contract(home)),
        (home.tls.cert, home.tls.load),
        (home.publishers[0], lambda: load_keys(home.publishers)),
        (home.audit_key, lambda: _check_key(home.audit_key)),
        (home.trail, lambda: _check_exists(home.trail)),
        (home.outbox, lambda: Outbox.open(home.outbox).close()),
    ]
    return [problem for path, check in checks for problem in _tried(check, str(path))]


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
    busy = running(home)
    for outstation in contract.boundary.outstations:
        outstations.dnp3(contract, outstation)
        if not busy:  # else it is this gateway that listens there
            check_free(outstation.listen)


def _check_key(path: Path) -> None:
    audit_keys.load_private(path)
    mode = path.stat().st_mode & 0o077
    if mode:
        raise BadInput([Problem(str(path), "", f"can be read by others than its owner; chmod 600 {path}")])


def _check_exists(path: Path) -> None:
    if not path.exists():
        raise BadInput([Problem(str(path), "", "does not exist; `derms gateway init` makes it")])


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
