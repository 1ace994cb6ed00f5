"""Who is at the other end: certificates, mutual TLS, and the identity that a peer has proved.

An identity is the one `urn:derms:<role>:<id>` in the certificate's subject alternative name (RFC 5280 section 4.2.1.6).
The certificate says *who*; what they may do is never read from it. gRPC speaks TLS 1.2 or later only.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, Self

import grpc
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from dermscore.errors import BadInput, DermsError, NotSetUp, Problem, together
from dermscore.files.textfile import read_bytes

_PREFIX = "urn:derms:"
_OTHERS = 0o077


class Role(StrEnum):
    """What a process is. Only a headend listens; agents and gateways only dial."""

    HEADEND = "headend"
    GATEWAY = "gateway"
    AGENT = "agent"


class Refused(DermsError):
    """A peer is turned away. `reason` goes to the peer and to our own log: it names nothing the peer may not know."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a certificate says its holder is, and until when (UTC ms)."""

    role: Role
    id: str
    not_after_ms: int

    @property
    def urn(self) -> str:
        """`urn:derms:<role>:<id>`, the principal that policies name."""
        return urn(self.role, self.id)


def urn(role: Role, identifier: str) -> str:
    return f"{_PREFIX}{role.value}:{identifier}"


def of_certificate(certificate: x509.Certificate) -> Identity:
    """The identity in a certificate whose chain has been verified already.

    Raises:
        Refused: it carries none of ours, more than one, or one whose role we do not know.
    """
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        raise Refused("the certificate carries no identity (no subject alternative name)") from None
    uris = [uri for uri in names.get_values_for_type(x509.UniformResourceIdentifier) if uri.startswith(_PREFIX)]
    if len(uris) != 1:
        raise Refused(f"the certificate carries {len(uris)} identities of the form {_PREFIX}<role>:<id>; one is needed")
    role, _, identifier = uris[0].removeprefix(_PREFIX).partition(":")
    if role not in list(Role) or not identifier:
        raise Refused(f"the certificate's identity {uris[0]!r} is not {_PREFIX}<role>:<id> with a known role")
    return Identity(Role(role), identifier, int(certificate.not_valid_after_utc.timestamp() * 1000))


class SecureContext(Protocol):
    """The part of a `grpc.aio.ServicerContext` that says who called."""

    def auth_context(self) -> Any: ...


def peer(context: SecureContext, *roles: Role) -> Identity:
    """Who called, as TLS has proved it; one of `roles` where any are given.

    Raises:
        Refused: the call came without a client certificate, or its certificate names no identity of these roles.
    """
    presented: list[bytes] = list(context.auth_context().get("x509_pem_cert") or ())
    if len(presented) != 1:
        raise Refused("no client certificate was presented; mutual TLS is required")
    who = of_certificate(x509.load_pem_x509_certificate(presented[0]))
    if roles and who.role not in roles:
        raise Refused(f"{who.urn} has no business here: this is for the role {' or '.join(roles)}")
    return who


@dataclass(frozen=True, slots=True)
class Loaded:
    """The PEM text of one end's credentials, read and found to belong together, and the file of the certificate."""

    ca: bytes
    cert: bytes
    key: bytes
    identity: Identity
    file: Path

    def require(self, role: Role) -> None:
        """Raises BadInput where the certificate is another role's."""
        if self.identity.role is not role:
            article = "an" if role is Role.AGENT else "a"
            what = f"is {self.identity.urn}'s, and {article} {role.value}'s is needed"
            raise BadInput([Problem(str(self.file), "", what)])

    def require_unexpired(self, utc_ms: int) -> None:
        """Raises BadInput where the certificate is out of date at `utc_ms`: nobody would talk to its holder."""
        if utc_ms < self.identity.not_after_ms:
            return
        since = datetime.fromtimestamp(self.identity.not_after_ms / 1000, UTC)
        pki = self.file.parent.parent if self.identity.role is Role.AGENT else self.file.parent
        what = (
            f"has expired, at {since:%Y-%m-%dT%H:%M:%SZ}; `derms pki renew {shlex.quote(str(pki))} {self.file.stem}` "
            "makes a new one where ca.key is kept; carry the new .crt and .key here"
        )
        raise BadInput([Problem(str(self.file), "", what)])


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where one end's credentials lie: the CA it trusts, its certificate, its private key (all PEM)."""

    ca: Path
    cert: Path
    key: Path

    @classmethod
    def headend(cls, folder: Path) -> Self:
        """The headend's, in a folder that `derms pki init` made."""
        return cls(folder / "ca.crt", folder / "headend.crt", folder / "headend.key")

    @classmethod
    def gateway(cls, folder: Path) -> Self:
        """The gateway's, in a folder that `derms pki init` made."""
        return cls(folder / "ca.crt", folder / "gateway.crt", folder / "gateway.key")

    @classmethod
    def agent(cls, folder: Path, identifier: str) -> Self:
        """One agent's (an asset's or a site's id), in a folder that `derms pki init` made."""
        agents = folder / "agents"
        return cls(folder / "ca.crt", agents / f"{identifier}.crt", agents / f"{identifier}.key")

    def load(self) -> Loaded:
        """Read the three files and check that they belong together.

        Raises:
            NotSetUp: a file is missing; the text names the command that makes it.
            BadInput: a file is not what it should be, key, certificate and CA do not belong together, or others than
                its owner can read the key.
        """
        ca, cert, key = (self._read(path) for path in (self.ca, self.cert, self.key))
        _, who = together(lambda: check_private(self.key), lambda: self._checked(ca, cert, key))
        return Loaded(ca, cert, key, who, self.cert)

    def _read(self, path: Path) -> bytes:
        if not path.exists():
            folder = self.ca.parent
            command = f"derms pki init {folder}" + (" --add" if self.ca.exists() else "")
            raise NotSetUp(f"{path} does not exist; make it with `{command} --assets FILE`")
        return read_bytes(path)

    def _checked(self, ca: bytes, cert: bytes, key: bytes) -> Identity:
        authorities, certificate = _certificates(self.ca, ca), _certificates(self.cert, cert)[0]
        try:
            private = load_pem_private_key(key, None)
        except (ValueError, TypeError):
            raise BadInput([Problem(str(self.key), "", "is not an unencrypted PEM private key")]) from None
        spki = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if private.public_key().public_bytes(*spki) != certificate.public_key().public_bytes(*spki):
            raise BadInput([Problem(str(self.key), "", f"is not the key of {self.cert}")])
        if not any(_issued(certificate, authority) for authority in authorities):
            raise BadInput([Problem(str(self.cert), "", f"was not issued by {self.ca}")])
        try:
            return of_certificate(certificate)
        except Refused as refused:
            raise BadInput([Problem(str(self.cert), "", refused.reason)]) from None


def check_private(key: Path) -> None:
    """Raises BadInput where others than its owner can read a private key: whoever has it is who it says."""
    if key.stat().st_mode & _OTHERS:
        raise BadInput(
            [Problem(str(key), "", f"can be read by others than its owner; chmod 600 {shlex.quote(str(key))}")]
        )


def server_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """For a listener: nobody without a certificate of our CA gets as far as a call. Raises as `TlsFiles.load` does."""
    loaded = files.load()
    return grpc.ssl_server_credentials(
        [(loaded.key, loaded.cert)], root_certificates=loaded.ca, require_client_auth=True
    )


def channel_credentials(files: TlsFiles) -> grpc.ChannelCredentials:
    """For a dialler: only a server whose certificate is our CA's and names the host. Raises as `TlsFiles.load` does."""
    loaded = files.load()
    return grpc.ssl_channel_credentials(loaded.ca, loaded.key, loaded.cert)


def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _certificates(path: Path, pem: bytes) -> list[x509.Certificate]:
    """All in the file; a CA file holds two while one CA takes over from another."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise BadInput([Problem(str(path), "", "is not a PEM certificate")]) from None
