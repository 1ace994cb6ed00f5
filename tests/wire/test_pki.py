"""The small CA: whole or not at all, never overwriting, and certificates that strict verifiers accept."""

from __future__ import annotations

import ipaddress
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID

from dermscore.errors import BadInput, NotSetUp
from wire import certificates, pki
from wire.pki import AlreadyThere

AGENTS = ["c135af9e-604f-5f2a-aff0-1c5b43688d0c", "site.with.dots"]


def load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def leaves(folder: Path) -> list[Path]:
    return [folder / "headend.crt", folder / "gateway.crt", *sorted((folder / "agents").glob("*.crt"))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pki.init(tmp_path / "pki", AGENTS, hosts=["headend.example", "10.1.2.3", "2001:db8::1"])
    return tmp_path / "pki"


# --- what is made ---------------------------------------------------------------------------------------------------


def test_init_makes_all_that_an_installation_needs(folder: Path) -> None:
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    agents = {f"agents/{agent}.{kind}" for agent in AGENTS for kind in ("crt", "key")}
    assert names == agents | {
        "ca.crt",
        "ca.key",
        "headend.crt",
        "headend.key",
        "gateway.crt",
        "gateway.key",
        "publisher.key",
        "publisher.pub",
    }


def test_keys_are_for_their_owner_alone(folder: Path) -> None:
    for path in folder.rglob("*"):
        mode = path.stat().st_mode & 0o777
        assert mode == (0o700 if path.is_dir() else 0o600 if path.suffix == ".key" else 0o644), path
    assert folder.stat().st_mode & 0o777 == 0o700


def test_the_ca_signs_leaves_and_nothing_else(folder: Path) -> None:
    ca = load(folder / "ca.crt")
    constraints = ca.extensions.get_extension_for_class(x509.BasicConstraints)
    usage = ca.extensions.get_extension_for_class(x509.KeyUsage)
    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, 0)
    assert usage.critical
    assert (usage.value.key_cert_sign, usage.value.crl_sign, usage.value.digital_signature) == (True, True, False)
    assert isinstance(ca.public_key(), ec.EllipticCurvePublicKey)


def test_leaves_may_serve_or_dial_but_never_both(folder: Path) -> None:
    for path in leaves(folder):
        certificate = load(path)
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        serves = path.name == "headend.crt"
        assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH if serves else ExtendedKeyUsageOID.CLIENT_AUTH]
        assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_a_leaf_points_to_its_issuer(folder: Path) -> None:
    ca = load(folder / "ca.crt")
    own = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    for path in leaves(folder):
        issuer = load(path).extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
        assert issuer.key_identifier == own.digest


def test_serials_are_random_and_different(folder: Path) -> None:
    serials = [load(path).serial_number for path in [folder / "ca.crt", *leaves(folder)]]
    assert len(set(serials)) == len(serials)
    assert min(serial.bit_length() for serial in serials) > 64  # at least 64 bits from a CSPRNG are asked of any CA


def test_an_independent_verifier_accepts_the_headend(folder: Path) -> None:
    """cryptography's own path validation, which is strict about RFC 5280 and the web's additions to it."""
    store = verification.Store([load(folder / "ca.crt")])
    for host in (
        x509.DNSName("localhost"),
        x509.DNSName("headend.example"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.IPAddress(ipaddress.ip_address("2001:db8::1")),
    ):
        verifier = verification.PolicyBuilder().store(store).build_server_verifier(host)
        assert len(verifier.verify(load(folder / "headend.crt"), [])) == 2
    stranger = verification.PolicyBuilder().store(store).build_server_verifier(x509.DNSName("elsewhere.example"))
    with pytest.raises(verification.VerificationError):
        stranger.verify(load(folder / "headend.crt"), [])


def test_an_independent_verifier_accepts_the_clients(folder: Path) -> None:
    verifier = verification.PolicyBuilder().store(verification.Store([load(folder / "ca.crt")])).build_client_verifier()
    for path in leaves(folder):
        if path.name == "headend.crt":
            with pytest.raises(verification.VerificationError):
                verifier.verify(load(path), [])
        else:
            assert verifier.verify(load(path), []).chain


def test_a_leaf_never_outlives_its_ca(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    pki.init(tmp_path / "pki", [], days=3650, now=now)
    pki.add(tmp_path / "pki", ["late"], days=3650, now=now + timedelta(days=3000))
    late = load(tmp_path / "pki" / "agents" / "late.crt")
    assert late.not_valid_after_utc == load(tmp_path / "pki" / "ca.crt").not_valid_after_utc


def test_a_hundred_agents_are_quick(tmp_path: Path) -> None:
    began = time.monotonic()
    assert pki.init(tmp_path / "pki", [f"agent-{number}" for number in range(150)]) == 150
    assert time.monotonic() - began < 10


# --- whole or not at all --------------------------------------------------------------------------------------------


def test_nothing_is_ever_overwritten(folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(AlreadyThere, match="--add"):
        pki.init(folder, AGENTS)
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_file_in_the_way_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "pki").write_text("mine")
    with pytest.raises(AlreadyThere):
        pki.init(tmp_path / "pki", [])
    assert (tmp_path / "pki").read_text() == "mine"


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    (tmp_path / "pki").mkdir(mode=0o755)
    pki.init(tmp_path / "pki", [])
    assert (tmp_path / "pki").stat().st_mode & 0o777 == 0o700


def test_what_fails_half_way_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pki, "_write_publisher", full)
    with pytest.raises(OSError, match="No space"):
        pki.init(tmp_path / "pki", AGENTS)
    assert list(tmp_path.iterdir()) == []


def test_parents_are_made(tmp_path: Path) -> None:
    pki.init(tmp_path / "a" / "b" / "pki", [])
    assert (tmp_path / "a" / "b" / "pki" / "ca.crt").exists()


# --- adding ---------------------------------------------------------------------------------------------------------


def test_add_makes_only_what_is_missing(folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert pki.add(folder, [*AGENTS, "new", "new"]) == ["new"]
    assert pki.add(folder, [*AGENTS, "new"]) == []
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert before.items() <= after.items()
    assert {path.name for path in after.keys() - before.keys()} == {"new.crt", "new.key"}
    load(folder / "agents" / "new.crt").verify_directly_issued_by(load(folder / "ca.crt"))


def test_add_mends_half_a_pair(folder: Path) -> None:
    (folder / "agents" / f"{AGENTS[0]}.crt").unlink()
    assert pki.add(folder, AGENTS) == [AGENTS[0]]


def test_add_without_a_ca_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(NotSetUp, match="derms pki init"):
        pki.add(tmp_path, ["new"])


def test_add_with_a_ca_that_is_broken(folder: Path) -> None:
    (folder / "ca.key").write_bytes((folder / "headend.key").read_bytes())
    with pytest.raises(BadInput, match="is not the key of"):
        pki.add(folder, ["new"])
    (folder / "ca.key").write_text("nonsense")
    with pytest.raises(BadInput, match="cannot be read"):
        pki.add(folder, ["new"])


# --- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("agent", ["", "../escape", "a/b", ".hidden", "a b", "x" * 129, "a\n"])
def test_an_id_that_cannot_name_a_file(tmp_path: Path, agent: str) -> None:
    with pytest.raises(BadInput, match="cannot name a certificate"):
        pki.init(tmp_path / "pki", ["good", agent])
    assert not (tmp_path / "pki").exists()


def test_every_bad_host_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as raised:
        pki.init(tmp_path / "pki", [], hosts=["https://x.example", "x.example:7450", "good.example", "-bad", ""])
    assert [problem.path for problem in raised.value.problems] == ["https://x.example", "x.example:7450", "-bad", ""]
    assert not (tmp_path / "pki").exists()


def test_renewing_keeps_the_hosts_and_replaces_the_key(tmp_path: Path) -> None:
    folder = tmp_path / "pki"
    pki.init(folder, ["a.1"], hosts=["headend.example"], days=9)
    before = {facts.file: facts for facts in certificates.survey(folder)}
    for name in ("headend", "a.1"):
        assert pki.renew(folder, name, days=100) > datetime.now(UTC) + timedelta(days=99)
    after = {facts.file: facts for facts in certificates.survey(folder)}
    for file in ("headend.crt", "agents/a.1.crt"):
        assert (after[file].hosts, after[file].id, after[file].wrong) == (before[file].hosts, before[file].id, ())
        assert after[file].sha256 != before[file].sha256
    assert after["gateway.crt"] == before["gateway.crt"]


@pytest.mark.parametrize("name", ["nobody", "../headend", ""])
def test_what_is_not_there_cannot_be_renewed(tmp_path: Path, name: str) -> None:
    pki.init(tmp_path / "pki", [])
    with pytest.raises(NotSetUp, match="derms pki show"):
        pki.renew(tmp_path / "pki", name)


def test_nothing_is_renewed_by_a_ca_that_has_expired_or_from_nonsense(tmp_path: Path) -> None:
    pki.init(tmp_path / "pki", [])
    with pytest.raises(BadInput, match="has expired itself"):
        pki.renew(tmp_path / "pki", "gateway", now=datetime.now(UTC) + timedelta(days=4000))
    (tmp_path / "pki" / "gateway.crt").write_text("nonsense")
    with pytest.raises(BadInput, match="is no certificate of ours"):
        pki.renew(tmp_path / "pki", "gateway")
