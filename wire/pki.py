"""A small certificate authority for one installation: who is the headend, who the gateway, who each agent.

Certificates follow RFC 5280: the CA may sign leaves only (pathLen 0), leaves may serve or dial but never both (extended
key usage), and the identity is a URI in the subject alternative name. Keys are EC P-256 for TLS and Ed25519 for
publications. Larger organisations issue the same certificates from their own CA: docs/howto/certificates.md says how.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dermscore.errors import BadInput, DermsError, NotSetUp, Problem
from dermscore.files.textfile import read_bytes
from wire.identity import Role, urn

LEAF_DAYS = 825
CA_DAYS = 3650
_CLOCK_SKEW = timedelta(hours=1)
_SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_HOST_NAME = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)
_LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
_KEY_MODE, _CERT_MODE, _FOLDER_MODE = 0o600, 0o644, 0o700


class AlreadyThere(DermsError):
    """What is to be made exists, and is never overwritten: the old certificates would stop to work."""


@dataclass(frozen=True, slots=True)
class Authority:
    """The CA's key and certificate."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


def init(
    folder: Path,
    agent_ids: Sequence[str],
    *,
    hosts: Sequence[str] = (),
    days: int = LEAF_DAYS,
    now: datetime | None = None,
) -> int:
    """Make `folder` with a CA, the headend's, the gateway's and each agent's certificate, and the publishing key.

    `hosts` are the names and IP addresses that agents and gateways dial, beside localhost. The folder appears whole or
    not at all. Returns how many agents got a certificate.

    Raises:
        AlreadyThere: the folder exists and is not empty.
        BadInput: a host or an id that cannot stand in a certificate.
    """
    names = _alternative_names(hosts)
    _check_ids(agent_ids)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise AlreadyThere(
            f"{folder} exists and is not empty; nothing was changed. `derms pki init {folder} --add --assets FILE` "
            "makes the certificates of agents that have none yet"
        )
    moment = now or datetime.now(UTC)
    with _appearing_whole(folder) as fresh:
        authority = _new_authority(moment, days)
        _write_pair(fresh / "ca", authority.key, authority.certificate)
        _issue(fresh / "headend", authority, Role.HEADEND, "headend", names, moment, days)
        _issue(fresh / "gateway", authority, Role.GATEWAY, "gateway", (), moment, days)
        _write_publisher(fresh)
        (fresh / "agents").mkdir(mode=_FOLDER_MODE)
        for identifier in dict.fromkeys(agent_ids):
            _issue(fresh / "agents" / identifier, authority, Role.AGENT, identifier, (), moment, days)
    return len(set(agent_ids))


def add(folder: Path, agent_ids: Sequence[str], *, days: int = LEAF_DAYS, now: datetime | None = None) -> list[str]:
    """Make the certificates of those agents that have none yet; returns their ids. What exists is left alone.

    Raises:
        NotSetUp: there is no CA in `folder`.
        BadInput: the CA cannot be read, or an id cannot stand in a certificate.
    """
    _check_ids(agent_ids)
    authority = load_authority(folder)
    agents = folder / "agents"
    agents.mkdir(mode=_FOLDER_MODE, exist_ok=True)
    missing = [each for each in dict.fromkeys(agent_ids) if not _pair_exists(agents, each)]
    for identifier in missing:
        _issue(agents / identifier, authority, Role.AGENT, identifier, (), now or datetime.now(UTC), days)
    return missing


def renew(folder: Path, name: str, *, days: int = LEAF_DAYS, now: datetime | None = None) -> datetime:
    """Give `name` (headend, gateway or an agent's id) a new key and certificate for the same hosts in the old one's
    place; returns until when they are valid. A copy of the old pair is still good until its own end.

    Raises:
        NotSetUp: there is no CA in `folder`, or nothing to renew.
        BadInput: the CA cannot be read or has expired, or the old certificate cannot be read.
    """
    authority, moment = load_authority(folder), now or datetime.now(UTC)
    role = Role(name) if name in (Role.HEADEND, Role.GATEWAY) else Role.AGENT
    stem = folder / "agents" / name if role is Role.AGENT else folder / name
    old = _with(stem, ".crt")
    if not _SAFE_ID.fullmatch(name) or not old.exists():
        raise NotSetUp(f"{old} does not exist; `derms pki show {folder}` lists what there is")
    if authority.certificate.not_valid_after_utc <= moment:
        what = "has expired itself; make everything anew in another folder, as docs/howto/certificates.md says"
        raise BadInput([Problem(str(folder / "ca.crt"), "", what)])
    try:
        certificate = x509.load_pem_x509_certificate(read_bytes(old))
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        raise BadInput([Problem(str(old), "", "is no certificate of ours, so its hosts are not known")]) from None
    hosts = [each for each in names if not isinstance(each, x509.UniformResourceIdentifier)]
    _issue(stem, authority, role, name, hosts, moment, days)
    return x509.load_pem_x509_certificate(old.read_bytes()).not_valid_after_utc


def load_authority(folder: Path) -> Authority:
    """The CA of `folder`. Raises NotSetUp or BadInput."""
    cert_file, key_file = folder / "ca.crt", folder / "ca.key"
    try:
        certificate = x509.load_pem_x509_certificate(cert_file.read_bytes())
        key = load_pem_private_key(key_file.read_bytes(), None)
    except FileNotFoundError as missing:
        raise NotSetUp(f"{missing.filename} does not exist; `derms pki init {folder}` makes a CA") from None
    except (OSError, ValueError, TypeError) as error:
        raise BadInput([Problem(str(folder), "ca", f"the CA's certificate and key cannot be read: {error}")]) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise BadInput([Problem(str(key_file), "", f"is not the key of {cert_file}")])
    return Authority(key, certificate)


# --- making certificates -------------------------------------------------------------------------------------------


def _new_authority(now: datetime, leaf_days: int) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"derms CA {os.urandom(4).hex()}")])
    builder = _builder(name, name, key.public_key(), now, now + timedelta(days=max(CA_DAYS, leaf_days)))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(signs_certificates=True), critical=True)
    return Authority(key, builder.sign(key, hashes.SHA256()))


def _issue(
    stem: Path,
    authority: Authority,
    role: Role,
    identifier: str,
    hosts: Iterable[x509.GeneralName],
    now: datetime,
    days: int,
) -> None:
    """One leaf: its key and certificate beside each other as `stem`.key and `stem`.crt."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = authority.certificate
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"derms {role.value} {identifier}"[:64])])
    until = min(now + timedelta(days=days), issuer.not_valid_after_utc)
    # Only the headend may serve: an agent's or gateway's key, stolen, can never pose as the one that all dial.
    usage = ExtendedKeyUsageOID.SERVER_AUTH if role is Role.HEADEND else ExtendedKeyUsageOID.CLIENT_AUTH
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(urn(role, identifier)), *hosts])
    signer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
        issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    )
    builder = _builder(name, issuer.subject, key.public_key(), now, until)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage(signs_certificates=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    builder = builder.add_extension(names, critical=False)
    builder = builder.add_extension(signer, critical=False)
    _write_pair(stem, key, builder.sign(authority.key, hashes.SHA256()))


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, now: datetime, until: datetime
) -> x509.CertificateBuilder:
    """What every certificate has: a random serial (RFC 5280 section 4.1.2.2), and a start that forgives slow clocks."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative_names(hosts: Iterable[str]) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = []
    problems = []
    for host in dict.fromkeys([*_LOCAL_HOSTS, *hosts]):
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            names.append(x509.DNSName(host)) if _HOST_NAME.fullmatch(host) else problems.append(
                Problem("--host", host, "is neither a host name nor an IP address (give no scheme and no port)")
            )
    if problems:
        raise BadInput(problems)
    return names


def _check_ids(agent_ids: Iterable[str]) -> None:
    bad = [each for each in agent_ids if not _SAFE_ID.fullmatch(each)]
    if bad:
        raise BadInput(Problem("agent ids", each, "cannot name a certificate: letters, digits, . _ -") for each in bad)


# --- writing them --------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _appearing_whole(folder: Path) -> Iterator[Path]:
    """A fresh folder beside `folder`, which it becomes in one step at the end, or leaves no trace."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))  # mode 0700
    try:
        yield fresh
        fresh.replace(folder)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


def _write_pair(stem: Path, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
    """Key first: a certificate on its own would look as if all was there."""
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _write(_with(stem, ".key"), pem, _KEY_MODE)
    _write(_with(stem, ".crt"), certificate.public_bytes(Encoding.PEM), _CERT_MODE)


def _write_publisher(folder: Path) -> None:
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    _write(folder / "publisher.key", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), _KEY_MODE)
    _write(folder / "publisher.pub", public, _CERT_MODE)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Atomically, and never readable by others even for a moment (a new file of mkstemp is 0600)."""
    handle, fresh = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(fresh).replace(path)
    except BaseException:
        Path(fresh).unlink(missing_ok=True)
        raise


def _pair_exists(folder: Path, identifier: str) -> bool:
    return _with(folder / identifier, ".key").exists() and _with(folder / identifier, ".crt").exists()


def _with(stem: Path, suffix: str) -> Path:
    return stem.with_name(stem.name + suffix)  # with_suffix would eat part of an id with a dot
