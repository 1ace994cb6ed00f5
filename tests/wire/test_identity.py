"""Who is at the other end: only certificates of our CA, for the purpose they were made for, while they are valid."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
import warnings
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dermscore.errors import BadInput, NotSetUp
from wire import dial, identity, pki
from wire.dial import Ended, Session, Why
from wire.identity import Identity, Refused, Role, TlsFiles
from wire.publication import load_publisher
from wire.v1.agent_link_pb2 import AgentMessage, HeadendMessage, Heartbeat

AGENT = "c135af9e-604f-5f2a-aff0-1c5b43688d0c"


def certificate(*uris: str, dns: str | None = None) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "urn:derms:agent:from-the-common-name")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(datetime(2026, 1, 1)).not_valid_after(datetime(2027, 1, 1))  # noqa: DTZ001
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri) for uri in uris]
    names += [x509.DNSName(dns)] if dns else []
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256())


# --- the name in a certificate --------------------------------------------------------------------------------------


def test_the_identity_is_the_one_uri_of_ours() -> None:
    found = identity.of_certificate(certificate("https://example.org", "urn:derms:agent:a:1", dns="a.example"))
    assert found == Identity(Role.AGENT, "a:1", int(datetime(2027, 1, 1, tzinfo=UTC).timestamp() * 1000))
    assert found.urn == "urn:derms:agent:a:1"
    assert found.role == "agent"


@pytest.mark.parametrize(
    ("uris", "dns", "reason"),
    [
        ((), None, "carries no identity"),
        ((), "agent.example", "carries 0 identities"),
        (("https://example.org",), None, "carries 0 identities"),
        (("urn:derms:agent:a", "urn:derms:agent:b"), None, "carries 2 identities"),
        (("urn:derms:operator:a",), None, "known role"),
        (("urn:derms:agent:",), None, "known role"),
        (("urn:derms:agent",), None, "known role"),
        (("URN:DERMS:AGENT:a",), None, "carries 0 identities"),
    ],
)
def test_anything_else_is_no_identity(uris: tuple[str, ...], dns: str | None, reason: str) -> None:
    """The common name is never looked at."""
    with pytest.raises(Refused, match=reason):
        identity.of_certificate(certificate(*uris, dns=dns))


# --- files ----------------------------------------------------------------------------------------------------------


def test_the_files_say_who_we_are(pki_folder: Path) -> None:
    assert TlsFiles.headend(pki_folder).load().identity.urn == "urn:derms:headend:headend"
    assert TlsFiles.gateway(pki_folder).load().identity.urn == "urn:derms:gateway:gateway"
    assert TlsFiles.agent(pki_folder, AGENT).load().identity.urn == f"urn:derms:agent:{AGENT}"


@pytest.mark.parametrize("missing", ["ca.crt", "headend.crt", "headend.key"])
def test_a_missing_file_names_the_command_that_makes_it(pki_folder: Path, tmp_path: Path, missing: str) -> None:
    folder = Path(shutil.copytree(pki_folder, tmp_path / "pki"))
    (folder / missing).unlink()
    with pytest.raises(NotSetUp, match=rf"{missing} does not exist; make it with `derms pki init .*pki"):
        TlsFiles.headend(folder).load()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_refused_with_the_command(pki_folder: Path, tmp_path: Path, mode: int) -> None:
    folder = Path(shutil.copytree(pki_folder, tmp_path / "my pki"))
    key = folder / "headend.key"
    key.chmod(mode)
    with pytest.raises(BadInput, match=f"can be read by others than its owner; chmod 600 '{key}'"):
        TlsFiles.headend(folder).load()
    (folder / "publisher.key").chmod(mode)
    with pytest.raises(BadInput, match="chmod 600"):
        load_publisher(folder / "publisher.key")


def test_an_expired_certificate_names_when_and_the_command_that_renews_it(tmp_path: Path) -> None:
    pki.init(tmp_path / "pki", [AGENT], days=1, now=datetime(2026, 1, 1, tzinfo=UTC))
    for files, name in (
        (TlsFiles.agent(tmp_path / "pki", AGENT), AGENT),
        (TlsFiles.headend(tmp_path / "pki"), "headend"),
    ):
        with pytest.raises(BadInput) as caught:
            files.load().require_unexpired(int(datetime(2026, 2, 1, tzinfo=UTC).timestamp() * 1000))
        assert f"has expired, at 2026-01-02T00:00:00Z; `derms pki renew {tmp_path / 'pki'} {name}`" in str(caught.value)
        pki.renew(tmp_path / "pki", name)
        files.load().require_unexpired(int(datetime.now(UTC).timestamp() * 1000))


def test_a_missing_agent_is_added(pki_folder: Path) -> None:
    with pytest.raises(NotSetUp, match="--add --assets FILE"):
        TlsFiles.agent(pki_folder, "nobody").load()


@pytest.mark.parametrize(
    ("file", "content", "what"),
    [
        ("headend.key", b"", "is not an unencrypted PEM private key"),
        ("headend.crt", b"hello", "is not a PEM certificate"),
        ("ca.crt", b"\xff\x00", "is not a PEM certificate"),
    ],
)
def test_a_file_that_is_not_what_it_should_be(
    pki_folder: Path, tmp_path: Path, file: str, content: bytes, what: str
) -> None:
    folder = Path(shutil.copytree(pki_folder, tmp_path / "pki"))
    (folder / file).write_bytes(content)
    with pytest.raises(BadInput, match=what) as caught:
        TlsFiles.headend(folder).load()
    assert caught.value.problems[0].where == str(folder / file)


def test_files_that_do_not_belong_together(pki_folder: Path, stranger_folder: Path) -> None:
    ours, theirs = TlsFiles.agent(pki_folder, AGENT), TlsFiles.agent(stranger_folder, AGENT)
    with pytest.raises(BadInput, match="is not the key of"):
        TlsFiles(ours.ca, ours.cert, theirs.key).load()
    with pytest.raises(BadInput, match="was not issued by"):
        TlsFiles(ours.ca, theirs.cert, theirs.key).load()


def test_a_certificate_of_another_role_is_named(pki_folder: Path) -> None:
    files = TlsFiles.gateway(pki_folder)
    loaded = files.load()
    loaded.require(Role.GATEWAY)
    with pytest.raises(BadInput, match="is urn:derms:gateway:gateway's, and an agent's is needed") as caught:
        loaded.require(Role.AGENT)
    assert caught.value.problems[0].where == str(files.cert)


def test_a_certificate_is_good_until_its_end_and_not_at_it(pki_folder: Path) -> None:
    loaded = TlsFiles.headend(pki_folder).load()
    loaded.require_unexpired(loaded.identity.not_after_ms - 1)
    with pytest.raises(BadInput, match=r"headend\.crt: has expired, at 20.*Z; `derms pki renew .* headend`"):
        loaded.require_unexpired(loaded.identity.not_after_ms)


# --- mutual TLS, for real -------------------------------------------------------------------------------------------


async def dial_with(port: int, credentials: grpc.ChannelCredentials, host: str = "127.0.0.1") -> Ended:
    """What becomes of a client with these credentials, whatever our own checks of files would say to them."""
    address = f"{host}:{port}"
    async with asyncio.timeout(20), grpc.aio.secure_channel(address, credentials, dial.CHANNEL_OPTIONS) as channel:
        session: Session[HeadendMessage, AgentMessage, AgentMessage] = Session(
            dial.open_stream(channel, dial.AGENT_LINK),
            beat=lambda number: AgentMessage(heartbeat=Heartbeat(number=number)),
            beat_s=0.1,
        )

        async def leave(_: HeadendMessage) -> None:
            session.outgoing.close()

        return await session.run(leave)


def credentials_of(files: TlsFiles, ca: Path | None = None) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials((ca or files.ca).read_bytes(), files.key.read_bytes(), files.cert.read_bytes())


async def test_our_agent_gets_in(serving: Any, agent_files: TlsFiles) -> None:
    async with serving() as headend:
        assert await dial_with(headend.port, credentials_of(agent_files)) == Ended(Why.CLOSED)
        assert await dial_with(headend.port, credentials_of(agent_files), "localhost") == Ended(Why.CLOSED)


async def test_an_agent_of_another_ca_is_refused(serving: Any, pki_folder: Path, stranger_folder: Path) -> None:
    """Same names, other CA: it trusts us, we do not trust it."""
    stranger = credentials_of(TlsFiles.agent(stranger_folder, AGENT), ca=pki_folder / "ca.crt")
    async with serving() as headend:
        ended = await dial_with(headend.port, stranger)
        assert headend.sessions.empty()
    assert ended.why is Why.LOST
    assert "may not accept our certificate" in ended.detail


async def test_one_ca_can_take_over_from_another(
    serving: Any, tmp_path: Path, pki_folder: Path, stranger_folder: Path
) -> None:
    """While every ca.crt holds both, pairs of the old and the new CA meet each other in any combination."""
    both = tmp_path / "ca.crt"
    both.write_bytes((pki_folder / "ca.crt").read_bytes() + (stranger_folder / "ca.crt").read_bytes())
    for served in (pki_folder, stranger_folder):
        async with serving(files=replace(TlsFiles.headend(served), ca=both)) as headend:
            for dialling in (pki_folder, stranger_folder):
                files = replace(TlsFiles.agent(dialling, AGENT), ca=both)
                assert files.load().identity.id == AGENT
                assert await dial_with(headend.port, credentials_of(files)) == Ended(Why.CLOSED)


async def test_a_headend_of_another_ca_is_refused(serving: Any, agent_files: TlsFiles, stranger_folder: Path) -> None:
    async with serving(files=TlsFiles.headend(stranger_folder)) as headend:
        ended = await dial_with(headend.port, credentials_of(agent_files))
    assert ended.why is Why.LOST
    assert "CERTIFICATE_VERIFY_FAILED" in ended.detail


async def test_without_a_client_certificate_nobody_gets_in(serving: Any, pki_folder: Path) -> None:
    async with serving() as headend:
        ended = await dial_with(headend.port, grpc.ssl_channel_credentials((pki_folder / "ca.crt").read_bytes()))
        assert ended.why is Why.LOST
        assert headend.sessions.empty()


@pytest.mark.parametrize("impostor", ["agent", "gateway"])
async def test_a_stolen_agent_key_cannot_pose_as_a_server(
    serving: Any, pki_folder: Path, agent_files: TlsFiles, impostor: str
) -> None:
    """Right CA, and even the right host in its name: what stops it is clientAuth alone (RFC 5280 section 4.2.1.12)."""
    stolen = _with_host(pki_folder, impostor)
    async with serving(files=stolen) as headend:
        ended = await dial_with(headend.port, credentials_of(agent_files))
        assert headend.sessions.empty()
    assert ended.why is Why.LOST
    assert "CERTIFICATE_VERIFY_FAILED" in ended.detail


def _with_host(pki_folder: Path, role: str) -> TlsFiles:
    """An agent's or gateway's certificate that also names 127.0.0.1, so that the host's name is not what refuses it."""
    authority = pki.load_authority(pki_folder)
    stem = pki_folder / f"stolen-{role}"
    if not stem.with_suffix(".crt").exists():
        hosts = pki._alternative_names([])
        pki._issue(stem, authority, Role(role), "thief", hosts, datetime.now(UTC), 1)
    return TlsFiles(pki_folder / "ca.crt", stem.with_suffix(".crt"), stem.with_suffix(".key"))


async def test_the_headends_key_cannot_dial(serving: Any, pki_folder: Path) -> None:
    async with serving() as headend:
        ended = await dial_with(headend.port, credentials_of(TlsFiles.headend(pki_folder)))
        assert headend.sessions.empty()
    assert ended.why is Why.LOST


async def test_a_server_is_only_who_was_dialled(serving: Any, tmp_path: Path, agent_files: TlsFiles) -> None:
    """A headend whose certificate does not name the address that the agent dials."""
    folder = tmp_path / "pki"
    pki.init(folder, [AGENT])
    other = tmp_path / "other"
    authority = pki.load_authority(folder)
    elsewhere = pki._alternative_names([])[:1]  # localhost, and no address
    pki._issue(other, authority, Role.HEADEND, "headend", elsewhere, datetime.now(UTC), 1)
    async with serving(files=TlsFiles(folder / "ca.crt", tmp_path / "other.crt", tmp_path / "other.key")) as headend:
        agent = credentials_of(TlsFiles.agent(folder, AGENT))
        refused = await dial_with(headend.port, agent)
        assert refused.why is Why.LOST
        assert "Hostname Verification Check failed" in refused.detail
        assert (await dial_with(headend.port, agent, "localhost")).why is Why.CLOSED


@pytest.mark.parametrize("expired", ["agent", "headend"])
async def test_an_expired_certificate_is_refused(serving: Any, tmp_path: Path, expired: str) -> None:
    now = datetime.now(UTC)
    pki.init(tmp_path / "old", [AGENT], days=1, now=now - timedelta(days=2))
    folder = tmp_path / "pki"
    shutil.copytree(tmp_path / "old", folder)
    authority = pki.load_authority(folder)
    fresh = folder / ("headend" if expired == "agent" else f"agents/{AGENT}")
    role, identifier = (Role.HEADEND, "headend") if expired == "agent" else (Role.AGENT, AGENT)
    pki._issue(fresh, authority, role, identifier, pki._alternative_names([]), now, 1)
    async with serving(files=TlsFiles.headend(folder)) as headend:
        ended = await dial_with(headend.port, credentials_of(TlsFiles.agent(folder, AGENT)))
        assert headend.sessions.empty()
    assert ended.why is Why.LOST


def handshake(port: int, files: TlsFiles, version: ssl.TLSVersion) -> str | None:
    """One TLS handshake of exactly this version by OpenSSL; the version spoken."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(files.ca)
    context.load_cert_chain(files.cert, files.key)
    context.set_ciphers("ALL:@SECLEVEL=0")  # so that it is the server who refuses an old version, not OpenSSL itself
    context.set_alpn_protocols(["h2"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        return secure.version()


@pytest.mark.parametrize(
    ("version", "spoken"), [(ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")]
)
async def test_tls_1_2_and_1_3_are_spoken(
    serving: Any, agent_files: TlsFiles, version: ssl.TLSVersion, spoken: str
) -> None:
    async with serving() as headend:
        assert await asyncio.to_thread(handshake, headend.port, agent_files, version) == spoken


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
async def test_older_tls_is_refused_by_the_server(serving: Any, agent_files: TlsFiles, version: ssl.TLSVersion) -> None:
    """gRPC hangs up (it sends no alert); that our side did ask in the old version is what the message shows."""
    async with serving() as headend:
        with pytest.raises((ssl.SSLError, ConnectionResetError), match=r"EOF|PROTOCOL_VERSION|reset"):
            await asyncio.to_thread(handshake, headend.port, agent_files, version)


async def test_plain_http2_is_not_answered(serving: Any) -> None:
    async with serving() as headend, asyncio.timeout(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", headend.port)
        writer.write(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
        )  # preface, empty SETTINGS
        await writer.drain()
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


def test_openssl_agrees_on_who_may_do_what(pki_folder: Path) -> None:
    """An independent judge: `openssl verify -x509_strict`, where the machine has it."""
    assert _openssl(pki_folder, "sslserver", "headend.crt")
    assert not _openssl(pki_folder, "sslclient", "headend.crt")
    for client in ("gateway.crt", f"agents/{AGENT}.crt"):
        assert _openssl(pki_folder, "sslclient", client)
        assert not _openssl(pki_folder, "sslserver", client)


def _openssl(folder: Path, purpose: str, name: str) -> bool:
    command = ["openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile", "ca.crt", name]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0
