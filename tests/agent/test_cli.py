"""The commands, as far as they go without a process of their own (test_launcher.py has the rest)."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agent import state
from agent.cli import agent, launch
from dermscore.errors import BadInput
from wire import pki

SITE, BATTERY = "00000000-0000-5000-8000-00000000000f", "00000000-0000-5000-8000-000000000001"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fleet")
    rest = "capacity_mwhr: 100.0, max_mw: 50.0, min_mw: -50.0, efficiency: 0.9, ramp_rate_mw_per_min: 1000.0"
    (folder / "assets.yaml").write_text(
        f"sites:\n  - {{id: {SITE}, name: Jersey, location: Region-A, path: feeder/F1/site/S1}}\n"
        f"assets:\n  - {{id: {BATTERY}, name: Battery, site_id: {SITE}, kind: battery, {rest}}}\n"
    )
    pki.init(folder / "pki", [BATTERY, SITE])
    return folder


def check(fleet: Path, *arguments: str) -> Result:
    options = ["--assets", str(fleet / "assets.yaml"), "--pki", str(fleet / "pki")]
    return CliRunner().invoke(agent, ["check", *options, *arguments])


@pytest.mark.parametrize("agent_id", [BATTERY, SITE])
def test_check_says_that_it_could_start(fleet: Path, agent_id: str) -> None:
    done = check(fleet, "--id", agent_id)
    assert done.exit_code == 0, done.output
    assert "1 asset, certificate fine" in done.output


def test_check_names_an_unknown_id(fleet: Path) -> None:
    done = check(fleet, "--id", "nobody")
    assert isinstance(done.exception, BadInput)
    assert "neither an asset nor a site" in str(done.exception)


@pytest.mark.parametrize("address", ["nowhere", "host:", "host:99999", "ho st:1"])
def test_a_headend_that_is_no_address_is_a_usage_error(fleet: Path, address: str) -> None:
    done = check(fleet, "--id", BATTERY, "--headend", address)
    assert done.exit_code == 2
    assert "--headend" in done.output


def test_the_environment_names_headend_and_assets(fleet: Path) -> None:
    environment = {"HEADEND_GRPC": "headend.example:7450", "ASSETS_PATH": str(fleet / "assets.yaml")}
    done = CliRunner().invoke(agent, ["check", "--id", BATTERY, "--pki", str(fleet / "pki")], env=environment)
    assert done.exit_code == 0, done.output
    assert "headend.example:7450" in done.output


def test_launch_without_a_fleet_says_what_is_missing(tmp_path: Path) -> None:
    done = CliRunner().invoke(launch, ["--assets", str(tmp_path / "none.yaml"), "--pki", str(tmp_path)])
    assert isinstance(done.exception, BadInput)
    assert "none.yaml" in str(done.exception)


def site(folder: Path, *arguments: str) -> Result:
    name, *options = arguments
    return CliRunner().invoke(agent, [name, str(folder), BATTERY, *options])


@pytest.mark.parametrize(
    ("setting", "clearing", "ending"), [("lock", "unlock", "locked"), ("local", "remote", "local")]
)
def test_people_at_the_site_set_and_clear_a_mark(tmp_path: Path, setting: str, clearing: str, ending: str) -> None:
    state.claim(tmp_path, BATTERY).close()
    done = site(tmp_path, setting, "--reason", "door open")
    assert done.exit_code == 0, done.output
    assert "door open" in done.output
    assert (tmp_path / f"{BATTERY}.{ending}").read_text() == "door open\n"
    assert site(tmp_path, clearing).exit_code == 0
    assert not (tmp_path / f"{BATTERY}.{ending}").exists()
    again = site(tmp_path, clearing)
    assert (again.exit_code, "was not" in again.output) == (0, True)


def test_a_mark_without_a_reason_is_none(tmp_path: Path) -> None:
    state.claim(tmp_path, BATTERY).close()
    assert site(tmp_path, "lock").exit_code == 2
    assert site(tmp_path, "lock", "--reason", " ").exit_code == 2
    assert not (tmp_path / f"{BATTERY}.locked").exists()


@pytest.mark.parametrize("command", [("lock", "--reason", "x"), ("unlock",)])
def test_a_mark_that_no_agent_would_see_is_refused(tmp_path: Path, command: tuple[str, ...]) -> None:
    done = site(tmp_path, *command)
    assert isinstance(done.exception, BadInput)
    assert "no agent has kept the state" in str(done.exception)


def test_a_mark_that_cannot_be_written_says_that_nothing_was_changed(tmp_path: Path) -> None:
    state.claim(tmp_path, BATTERY).close()
    (tmp_path / f"{BATTERY}.locked").mkdir()
    for command in (("lock", "--reason", "x"), ("unlock",)):
        done = site(tmp_path, *command)
        assert isinstance(done.exception, BadInput)
        assert "nothing was changed" in str(done.exception)
