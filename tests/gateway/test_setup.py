"""What `check` finds wrong with a gateway's folder, `run` refuses, and the other way round."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from audit import keys as audit_keys
from audit.log import Log
from daemon.config import Address
from dermscore.errors import BadInput, DermsError
from gateway import setup
from gateway.config import Home
from gateway.service import prepare
from tests.gateway.stand_in import free_port, make_gateway
from wire import pki as authority


@pytest.fixture
def made(tmp_path: Path, pki_folder: Path) -> Path:
    """A gateway with a PKI of its own, which a test may spoil."""
    pki = Path(shutil.copytree(pki_folder, tmp_path / "pki"))
    return make_gateway(tmp_path, pki, free_port())[0]


def pki_of(folder: Path) -> Path:
    return Home.open(folder).tls.ca.parent


def pose_as_headend(folder: Path) -> None:
    for suffix in ("crt", "key"):
        shutil.copyfile(pki_of(folder) / f"headend.{suffix}", pki_of(folder) / f"gateway.{suffix}")


def expire(folder: Path) -> None:
    old = folder.parent / "old"
    authority.init(old, [], days=8, now=datetime.now(UTC) - timedelta(days=9))
    shutil.copytree(old, pki_of(folder), dirs_exist_ok=True)


def another_key(folder: Path) -> None:
    shutil.rmtree(folder / "keys")
    (folder / "keys").mkdir()
    audit_keys.write(folder / "keys", audit_keys.generate(), Home.open(folder).config.origin)


def another_origin(folder: Path) -> None:
    file = folder / "gateway.yaml"
    file.write_text(file.read_text().replace("origin: ", "origin: other/"))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (pose_as_headend, "is urn:derms:headend:headend's, and a gateway's is needed"),
        (expire, "has expired, at"),
        (lambda folder: (folder / "keys" / "audit.key").chmod(0o644), "chmod 600"),
        (lambda folder: (folder / "trail" / "checkpoint").unlink(), "no audit log"),
        (lambda folder: (folder / "trail" / "checkpoint").write_text("x"), "trail/checkpoint is not"),
        (another_key, "Give the key that the log was begun with"),
        (another_origin, "a trail keeps its name for ever"),
    ],
)
def test_check_and_run_refuse_the_same(made: Path, spoil: Callable[[Path], object], words: str) -> None:
    assert setup.problems(made) == []
    spoil(made)
    assert [words in str(problem) for problem in setup.problems(made)] == [True]
    with pytest.raises(DermsError, match=words):
        prepare(Home.open(made))


def test_everything_that_is_missing_is_told_at_once(made: Path) -> None:
    home = Home.open(made)
    shutil.rmtree(home.trail)
    home.audit_key.unlink()
    home.outbox.unlink()
    assert {problem.where for problem in setup.problems(made)} == {
        str(home.trail),
        str(home.audit_key),
        str(home.outbox),
    }
    with pytest.raises(BadInput) as caught:
        prepare(home)
    assert len(caught.value.problems) == 3


def test_a_trail_in_use_stops_a_second_start(made: Path) -> None:
    home = Home.open(made)
    with (
        Log.open(home.trail, audit_keys.load_private(home.audit_key)),
        pytest.raises(DermsError, match="is open in another process"),
    ):
        prepare(home)
    prepare(home)


def test_check_leaves_a_trail_in_use_alone(made: Path) -> None:
    home = Home.open(made)
    with Log.open(home.trail, audit_keys.load_private(home.audit_key)):
        assert setup.problems(made) == []


@pytest.mark.parametrize("origin", ["a: b", "", "a\n"])
def test_an_origin_that_no_trail_can_have_makes_nothing(tmp_path: Path, pki_folder: Path, origin: str) -> None:
    with pytest.raises(BadInput, match="an origin is 1 to 128 letters"):
        setup.init(tmp_path / "g", pki_folder, Address("127.0.0.1:7451"), origin)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_may_have_any_name(tmp_path: Path, pki_folder: Path) -> None:
    odd = Path(shutil.copytree(pki_folder, tmp_path / "my #1: pki"))
    setup.init(tmp_path / "g", odd, Address("127.0.0.1:7451"), "derms/gateway")
    assert Home.open(tmp_path / "g").tls.cert == odd / "gateway.crt"
