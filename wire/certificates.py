"""What certificates lie in a folder, and what is wrong with them. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from dermscore.errors import BadInput, NotSetUp
from wire.identity import Refused, Role, TlsFiles, check_private, of_certificate

SOON = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Facts:
    """One certificate. `wrong` says what keeps it from being used, `soon` that it has less than 30 days to go."""

    file: str
    role: str
    id: str
    not_after: str
    days_left: int
    hosts: tuple[str, ...]
    sha256: str
    wrong: tuple[str, ...]
    soon: bool

    def as_json(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self.__slots__}


def survey(folder: Path, now: datetime | None = None) -> list[Facts]:
    """Every certificate in a folder that `derms pki init` made, the CA first.

    Raises:
        NotSetUp: there is no CA in `folder`.
    """
    if not (folder / "ca.crt").exists():
        raise NotSetUp(f"{folder / 'ca.crt'} does not exist; `derms pki init {folder}` makes it")
    moment = now or datetime.now(UTC)
    return [_facts(folder, files, moment) for files in _pairs(folder)]


def _pairs(folder: Path) -> Iterator[TlsFiles]:
    stems = ["ca", "headend", "gateway"]
    stems += sorted({f"agents/{path.name[:-4]}" for path in (folder / "agents").glob("*.[ck][re][ty]")})
    for stem in stems:
        yield TlsFiles(folder / "ca.crt", folder / f"{stem}.crt", folder / f"{stem}.key")


def _facts(folder: Path, files: TlsFiles, now: datetime) -> Facts:
    name = str(files.cert.relative_to(folder))
    try:
        certificate = x509.load_pem_x509_certificate(files.cert.read_bytes())
    except (OSError, ValueError):
        return Facts(name, "", "", "", 0, (), "", ("is missing, or not a PEM certificate",), soon=False)
    left = certificate.not_valid_after_utc - now
    role, identifier = _who(files, certificate)
    return Facts(
        file=name,
        role=role,
        id=identifier,
        not_after=certificate.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        days_left=left // timedelta(days=1),
        hosts=_hosts(certificate),
        sha256=certificate.fingerprint(hashes.SHA256()).hex(),
        wrong=tuple(_faults(files, certificate, now)),
        soon=left < SOON,
    )


def _who(files: TlsFiles, certificate: x509.Certificate) -> tuple[str, str]:
    if files.cert == files.ca:
        return "ca", ""
    try:
        who = of_certificate(certificate)
    except Refused:
        return "", ""
    return who.role.value, who.id


def _faults(files: TlsFiles, certificate: x509.Certificate, now: datetime) -> Iterator[str]:
    if not certificate.not_valid_before_utc <= now:
        yield "is not valid yet"
    if not now < certificate.not_valid_after_utc:
        yield "has expired"
    if files.cert != files.ca:
        yield from _leaf_faults(files, certificate)
    elif files.key.exists():
        yield from _said(lambda: check_private(files.key))


def _leaf_faults(files: TlsFiles, certificate: x509.Certificate) -> Iterator[str]:
    if not files.key.exists():
        yield f"its key {files.key.name} is missing"
        return
    yield from (faults := list(_said(files.load)))
    if faults:
        return
    who = of_certificate(certificate)
    if _may_serve(certificate) != (who.role is Role.HEADEND):
        yield f"its extended key usage is not that of a {who.role.value}"
    place = files.cert.stem if files.cert.parent == files.ca.parent else f"agent {files.cert.name.removesuffix('.crt')}"
    if place not in (who.role.value, f"{who.role.value} {who.id}"):
        yield f"it is the certificate of {who.role.value} {who.id}, and lies where that of {place} belongs"


def _said(check: Callable[[], object]) -> Iterator[str]:
    try:
        check()
    except BadInput as bad:
        yield from (f"{Path(problem.where).name} {problem.what}" for problem in bad.problems)


def _may_serve(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return ExtendedKeyUsageOID.SERVER_AUTH in usage


def _hosts(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    addresses = (str(address) for address in names.get_values_for_type(x509.IPAddress))
    return (*names.get_values_for_type(x509.DNSName), *addresses)
