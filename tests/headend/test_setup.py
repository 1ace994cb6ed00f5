"""`init` makes a folder whole or not at all; what is wrong with one is all said at once."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from daemon.config import packaged
from dermscore import assets
from dermscore.errors import BadInput, NotSetUp
from dermscore.policy.files import checking
from headend import setup
from headend.config import Home
from headend.service import prepare
from headend.store.state import StateStore
from wire.pki import init as pki_init


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for name in ("ASSETS_PATH", "DATABASE_URL", "HEADEND_HTTP_ADDR", "HEADEND_GRPC_ADDR", "HEADEND_BOUNDARY_ADDR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def folder(tmp_path, pki):
    setup.init(tmp_path / "h", pki, packaged("assets.yaml"), "sqlite:///history.db")
    return tmp_path / "h"


def whats(folder, *, running=True):
    """Ports are not tried: they belong to whoever has them on this machine."""
    return [problem.what for problem in setup.problems(folder, running=running)]


def test_a_fresh_folder_has_all_it_needs_and_nothing_wrong(folder):
    assert {each.name for each in folder.iterdir()} == {
        "headend.yaml",
        "assets.yaml",
        "policies",
        "headend.db",
        "history.db",
    }
    assert folder.stat().st_mode & 0o077 == 0
    assert whats(folder) == []
    policies = folder / "policies" / "headend"
    assert checking.check(policies, checking.cases_of(policies), folder / "assets.yaml").cases
    config = Home.open(folder).config
    assert (config.http, config.agent_link, config.boundary_link) == (
        "127.0.0.1:3001",
        "127.0.0.1:7450",
        "127.0.0.1:7451",
    )


def test_every_agent_may_claim_its_own_and_a_sites_agent_all_of_the_site(folder, ids):
    with closing(sqlite3.connect(folder / "headend.db")) as store:
        claims = set(store.execute("SELECT agent_id, asset_id FROM claims"))
    assert (ids.b1, ids.b1) in claims
    assert {(ids.jersey, asset) for asset in (ids.b1, ids.b2, ids.solar, ids.load)} <= claims
    assert (ids.b1, ids.b2) not in claims
    assert len(claims) == 10 + 10


def test_every_key_of_the_file_is_in_the_reference(folder):
    reference = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "headend-yaml.md").read_text(
        encoding="utf-8"
    )
    for key, value in yaml.safe_load((folder / "headend.yaml").read_text()).items():
        for inner in value if isinstance(value, dict) else ():
            assert f"`{key}.{inner}`" in reference
        assert f"`{key}" in reference


def test_nothing_is_overwritten(folder, pki, tmp_path):
    before = (folder / "headend.yaml").read_bytes()
    with pytest.raises(setup.AlreadyThereError, match="--update"):
        setup.init(folder, pki, packaged("assets.yaml"), "none")
    assert (folder / "headend.yaml").read_bytes() == before
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    with pytest.raises(setup.AlreadyThereError, match="is not empty"):
        setup.init(tmp_path / "full", pki, packaged("assets.yaml"), "none")
    assert [each.name for each in (tmp_path / "full").iterdir()] == ["mine"]


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize(
    "url", ["mysql://x/y", "postgresql://nobody@127.0.0.1:1/none", "sqlite:////nowhere/at/all/history.db"]
)
def test_an_init_that_fails_leaves_the_folder_as_it_was(tmp_path, pki, url, there):
    if there:
        (tmp_path / "h").mkdir()
    with pytest.raises((BadInput, OSError)):
        setup.init(tmp_path / "h", pki, packaged("assets.yaml"), url)
    assert (tmp_path / "h").exists() is there
    assert not there or list((tmp_path / "h").iterdir()) == []


def test_init_without_certificates_or_with_a_bad_fleet_names_them(tmp_path, pki):
    with pytest.raises(NotSetUp, match="derms pki init"):
        setup.init(tmp_path / "h", tmp_path / "nowhere", packaged("assets.yaml"), "none")
    (tmp_path / "bad.yaml").write_text("sites: []\nassets: [{id: 5}]\n")
    with pytest.raises(BadInput, match=r"bad.yaml:2: assets\[0\].id"):
        setup.init(tmp_path / "h", pki, tmp_path / "bad.yaml", "none")
    assert not (tmp_path / "h").exists()


def test_update_takes_a_new_fleet_and_keeps_epoch_files_and_settings(folder, tmp_path):
    home = Home.open(folder)
    store = setup.open_state(home)
    epoch = store.epoch()
    access = folder / "policies" / "headend" / "access.yaml"
    access.write_text(access.read_text() + "# mine\n")
    (tmp_path / "new.yaml").write_text(assets.generate(2, 3, 1))
    fleet = setup.update(folder, tmp_path / "new.yaml")
    assert StateStore(store._engine).epoch() == epoch
    assert store.claims() == setup.claims_of(fleet)
    assert assets.load_file(folder / "assets.yaml") == fleet
    assert access.read_text().endswith("# mine\n")
    store.close()
    assert whats(folder) == []


def test_update_of_a_fleet_that_cannot_be_used_changes_nothing(folder, tmp_path):
    before = (folder / "assets.yaml").read_bytes()
    (tmp_path / "bad.yaml").write_text("nonsense: 1\n")
    with pytest.raises(BadInput):
        setup.update(folder, tmp_path / "bad.yaml")
    assert (folder / "assets.yaml").read_bytes() == before
    assert whats(folder) == []


def test_update_needs_a_folder_that_init_made(tmp_path):
    with pytest.raises(NotSetUp, match=r"derms headend init .* --pki PKI"):
        setup.update(tmp_path / "nowhere", None)


def test_everything_wrong_is_said_at_once(folder, tmp_path):
    (folder / "history.db").unlink()
    (folder / "assets.yaml").write_text("sites: 5\n")
    (folder / "policies" / "headend" / "access.yaml").unlink()
    text = (folder / "headend.yaml").read_text().replace("publisher.key", "nowhere.key")
    (folder / "headend.yaml").write_text(text)
    said = "\n".join(str(problem) for problem in setup.problems(folder, running=True))
    for part in ("history.db", "assets.yaml", "access.yaml", "nowhere.key"):
        assert part in said


def test_a_certificate_that_is_not_a_headends_is_refused(tmp_path, pki):
    posed = tmp_path / "posed"
    shutil.copytree(pki, posed)
    for suffix in ("crt", "key"):
        shutil.copyfile(pki / f"gateway.{suffix}", posed / f"headend.{suffix}")
    with pytest.raises(BadInput, match="a headend's is needed"):
        setup.init(tmp_path / "h", posed, packaged("assets.yaml"), "none")


def test_an_older_schema_names_the_command(folder):
    with closing(sqlite3.connect(folder / "headend.db")) as store, store:
        store.execute("DROP TABLE derms_state_version")
    (problem,) = whats(folder)
    assert "has no state tables" in problem
    assert f"derms headend init {folder} --update" in problem


def test_update_of_a_newer_schema_changes_nothing_and_says_so(folder):
    with closing(sqlite3.connect(folder / "headend.db")) as store, store:
        store.execute("UPDATE derms_state_version SET version_num = 'from-the-future'")
    with pytest.raises(NotSetUp, match="from-the-future, of a newer derms than this"):
        setup.update(folder, None)


def test_a_folder_may_have_any_name(pki, tmp_path):
    odd = shutil.copytree(pki, tmp_path / "my #1: pki")
    setup.init(tmp_path / "h", odd, packaged("assets.yaml"), "none")
    assert Home.open(tmp_path / "h").tls.cert == odd / "headend.crt"


def test_run_refuses_another_roles_certificate_too(folder, pki, tmp_path):
    config = folder / "headend.yaml"
    config.write_text(
        config.read_text().replace("/headend.crt", "/gateway.crt").replace("/headend.key", "/gateway.key")
    )
    with pytest.raises(BadInput, match="is urn:derms:gateway:gateway's, and a headend's is needed"):
        prepare(Home.open(folder))


def test_an_expired_certificate_is_found_by_check_and_stops_the_start(tmp_path):
    long_ago = datetime.now(UTC) - timedelta(days=9)
    pki_init(tmp_path / "pki", [], days=30, now=long_ago)
    setup.init(tmp_path / "h", tmp_path / "pki", packaged("assets.yaml"), "none")
    pki_init(tmp_path / "old", [], days=8, now=long_ago)
    shutil.copytree(tmp_path / "old", tmp_path / "pki", dirs_exist_ok=True)
    assert any("has expired, at" in what for what in whats(tmp_path / "h"))
    with pytest.raises(BadInput, match="has expired, at"):
        prepare(Home.open(tmp_path / "h"))
