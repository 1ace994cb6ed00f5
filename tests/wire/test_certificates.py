"""What lies in a folder of certificates, and what is wrong with it, said in words."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dermscore.errors import NotSetUp
from wire import certificates, pki

AGENT = "c135af9e-604f-5f2a-aff0-1c5b43688d0c"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pki.init(tmp_path / "pki", [AGENT, "second"], hosts=["headend.example"], days=100)
    return tmp_path / "pki"


def faults(folder: Path, now: datetime | None = None) -> dict[str, tuple[str, ...]]:
    return {facts.file: facts.wrong for facts in certificates.survey(folder, now) if facts.wrong}


def test_a_good_folder_has_nothing_wrong(folder: Path) -> None:
    found = {facts.file: facts for facts in certificates.survey(folder)}
    assert list(found)[:3] == ["ca.crt", "headend.crt", "gateway.crt"]
    assert set(found) == {"ca.crt", "headend.crt", "gateway.crt", f"agents/{AGENT}.crt", "agents/second.crt"}
    assert faults(folder) == {}
    headend = found["headend.crt"]
    assert (headend.role, headend.id, headend.days_left) == ("headend", "headend", 99)
    assert headend.hosts == ("localhost", "headend.example", "127.0.0.1", "::1")
    assert len(headend.sha256) == 64
    assert headend.as_json()["file"] == "headend.crt"


def test_time_tells(folder: Path) -> None:
    now = datetime.now(UTC)
    assert not any(facts.soon for facts in certificates.survey(folder, now))
    later = certificates.survey(folder, now + timedelta(days=80))
    assert {facts.file for facts in later if facts.soon} == {facts.file for facts in later} - {"ca.crt"}
    assert faults(folder, now + timedelta(days=101))["headend.crt"] == ("has expired",)
    assert faults(folder, now - timedelta(days=1))["headend.crt"] == ("is not valid yet",)


def test_what_is_wrong_is_said(folder: Path, stranger_folder: Path) -> None:
    (folder / "agents" / "second.key").unlink()
    (folder / "headend.key").chmod(0o640)
    shutil.copy(stranger_folder / "gateway.crt", folder / "gateway.crt")
    (folder / "agents" / f"{AGENT}.crt").write_text("nonsense")
    found = faults(folder)
    assert found["agents/second.crt"] == ("its key second.key is missing",)
    key = folder / "headend.key"
    assert found["headend.crt"] == (f"headend.key can be read by others than its owner; chmod 600 {key}",)
    assert "is not the key of" in found["gateway.crt"][0]
    assert found[f"agents/{AGENT}.crt"] == ("is missing, or not a PEM certificate",)


def test_the_key_of_the_ca_is_the_owners_alone(folder: Path) -> None:
    (folder / "ca.key").chmod(0o644)
    assert "chmod 600" in faults(folder)["ca.crt"][0]


def test_everything_wrong_with_one_pair_is_told_at_once(folder: Path, stranger_folder: Path) -> None:
    for suffix in ("crt", "key"):
        shutil.copy(stranger_folder / f"gateway.{suffix}", folder / f"gateway.{suffix}")
    (folder / "gateway.key").chmod(0o640)
    assert [
        words in said
        for words, said in zip(("chmod 600", "was not issued by"), faults(folder)["gateway.crt"], strict=True)
    ] == [True] * 2


def test_a_certificate_of_another_ca(folder: Path, stranger_folder: Path) -> None:
    for suffix in ("crt", "key"):
        shutil.copy(stranger_folder / f"gateway.{suffix}", folder / f"gateway.{suffix}")
    assert "was not issued by" in faults(folder)["gateway.crt"][0]


def test_a_certificate_in_the_wrong_place(folder: Path) -> None:
    """The CA's own key lies where the headend's should: it may do more than a headend may."""
    for suffix in ("crt", "key"):
        shutil.copy(folder / f"ca.{suffix}", folder / f"headend.{suffix}")
    assert "headend.crt" in faults(folder)


def test_a_certificate_under_anothers_name(folder: Path) -> None:
    """The agent that loads it would claim assets as somebody else, and be refused far away."""
    for suffix in ("crt", "key"):
        shutil.copy(folder / "agents" / f"second.{suffix}", folder / "agents" / f"{AGENT}.{suffix}")
        shutil.copy(folder / "agents" / f"second.{suffix}", folder / f"gateway.{suffix}")
    assert faults(folder) == {
        f"agents/{AGENT}.crt": (
            f"it is the certificate of agent second, and lies where that of agent {AGENT} belongs",
        ),
        "gateway.crt": ("it is the certificate of agent second, and lies where that of gateway belongs",),
    }


def test_a_key_without_its_certificate(folder: Path) -> None:
    (folder / "agents" / "second.crt").unlink()
    assert faults(folder) == {"agents/second.crt": ("is missing, or not a PEM certificate",)}


def test_no_folder_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(NotSetUp, match="derms pki init"):
        certificates.survey(tmp_path)
