"""`derms pki`, as a person runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from daemon.cli import main
from dermscore.shipped import packaged

SITE = "4278e0db-b460-583b-b183-2cf2ff7a54e4"
ASSET = "c135af9e-604f-5f2a-aff0-1c5b43688d0c"
OTHER = "12565c6a-4f09-57da-a16d-210ecdc00677"

_FLEET = f"""\
sites:
  - {{id: {SITE}, name: Jersey, location: Region-A, path: feeder/F12/site/S1}}
assets:
  - {{id: {ASSET}, name: One, site_id: {SITE}, kind: battery, capacity_mwhr: 100.0, max_mw: 50.0, min_mw: -50.0,
     efficiency: 0.9, ramp_rate_mw_per_min: 1000.0}}
"""


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    (tmp_path / "assets.yaml").write_text(_FLEET)
    return tmp_path / "assets.yaml"


def derms(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], env={"ASSETS_PATH": ""})


def test_init_makes_a_certificate_for_every_asset_and_site(tmp_path: Path, fleet: Path) -> None:
    result = derms("pki", "init", tmp_path / "pki", "--assets", fleet, "--host", "headend.example")
    assert result.exit_code == 0, result.output
    made = "a CA, headend, gateway, publishing key, and 2 agents"
    assert result.output == f"{tmp_path / 'pki'}: {made} (1 of them sites; {fleet})\n"
    assert {path.stem for path in (tmp_path / "pki" / "agents").iterdir()} == {SITE, ASSET}


def test_the_fleet_is_found_where_assets_path_says(
    tmp_path: Path, fleet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = CliRunner().invoke(main, ["pki", "init", str(tmp_path / "pki")], env={"ASSETS_PATH": str(fleet)})
    assert result.exit_code == 0, result.output
    monkeypatch.chdir(tmp_path)
    assert derms("pki", "init", tmp_path / "pki2").exit_code == 0
    fleet.unlink()
    said = derms("pki", "init", tmp_path / "pki3")
    assert said.exit_code == 0, said.output
    assert f"; {packaged('assets.yaml')})" in said.output


def test_init_never_overwrites_and_says_how_to_go_on(tmp_path: Path, fleet: Path) -> None:
    derms("pki", "init", tmp_path / "pki", "--assets", fleet)
    result = derms("pki", "init", tmp_path / "pki", "--assets", fleet)
    assert result.exit_code == 1
    assert "--add --assets FILE" in result.stderr


def test_add_makes_what_a_grown_fleet_lacks(tmp_path: Path, fleet: Path) -> None:
    derms("pki", "init", tmp_path / "pki", "--assets", fleet)
    fleet.write_text(_FLEET + _FLEET.partition("assets:\n")[2].replace(ASSET, OTHER).replace("One", "Two"))
    result = derms("pki", "init", tmp_path / "pki", "--assets", fleet, "--add")
    said = f"{tmp_path / 'pki'}: 1 new agent certificate, 2 were there ({fleet})\n"
    assert (result.exit_code, result.output) == (0, said)
    assert (tmp_path / "pki" / "agents" / f"{OTHER}.crt").exists()


def test_add_makes_no_headend_certificate(tmp_path: Path, fleet: Path) -> None:
    derms("pki", "init", tmp_path / "pki", "--assets", fleet)
    result = derms("pki", "init", tmp_path / "pki", "--assets", fleet, "--add", "--host", "new.example")
    assert result.exit_code == 2
    assert "--host" in result.stderr


@pytest.mark.parametrize("host", ["https://headend.example", "headend.example:7450"])
def test_a_bad_host_is_told_and_nothing_is_made(tmp_path: Path, fleet: Path, host: str) -> None:
    result = derms("pki", "init", tmp_path / "pki", "--assets", fleet, "--host", host)
    assert (result.exit_code, "no scheme and no port" in result.stderr) == (1, True)
    assert not (tmp_path / "pki").exists()


def test_a_bad_or_missing_fleet_is_told_and_nothing_is_made(tmp_path: Path, fleet: Path) -> None:
    missing = derms("pki", "init", tmp_path / "pki", "--assets", tmp_path / "none.yaml")
    assert missing.exit_code == 2
    assert "none.yaml" in missing.stderr
    fleet.write_text(_FLEET.replace("50.0", ".nan"))
    bad = derms("pki", "init", tmp_path / "pki", "--assets", fleet)
    assert bad.exit_code == 1
    assert "assets.yaml:" in bad.stderr
    assert not (tmp_path / "pki").exists()


def test_show_lists_who_is_who(tmp_path: Path, fleet: Path) -> None:
    derms("pki", "init", tmp_path / "pki", "--assets", fleet)
    result = derms("pki", "show", tmp_path / "pki")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert len(lines) == 5
    assert all(line.endswith("  ok") for line in lines)
    assert any(f"agent:{ASSET}" in line for line in lines)


def test_show_is_one_for_what_is_wrong(tmp_path: Path, fleet: Path) -> None:
    derms("pki", "init", tmp_path / "pki", "--assets", fleet)
    (tmp_path / "pki" / "gateway.key").unlink()
    result = derms("pki", "show", tmp_path / "pki", "--json")
    assert result.exit_code == 1
    (gateway,) = [facts for facts in json.loads(result.output) if facts["file"] == "gateway.crt"]
    assert gateway["wrong"] == ["its key gateway.key is missing"]


def test_show_of_nothing_names_the_command(tmp_path: Path) -> None:
    result = derms("pki", "show", tmp_path)
    assert result.exit_code == 1
    assert "derms pki init" in result.stderr
