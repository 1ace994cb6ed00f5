"""The house keeps its own rules: every import contract is broken once, on purpose, and must be seen to fail."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("dermscore", "wire", "daemon", "audit", "headend", "agent", "gateway", "simulator")

# contract -> (file, a line that breaks it and nothing else needs to be true of)
VIOLATIONS = {
    "layers": ("wire/dial.py", "import gateway"),
    "dispatch-rooms": ("dermscore/dispatch/envelope/reach.py", "import dermscore.dispatch.allocation.fill"),
    "audit-rooms": ("audit/verify/trust.py", "import audit.log"),
    "audit-alone": ("audit/log/chain.py", "import dermscore"),
    "library-pure": ("dermscore/aggregate/group.py", "import socket"),
    "guard-stdlib": ("dermscore/guard/guard.py", "import numpy"),
    "numpy-at-home": ("gateway/crossing.py", "import numpy"),
    "one-dnp3-door": ("gateway/service.py", "import py1815"),
}


def contracts() -> dict[str, str]:
    """Contract id -> name, as `.importlinter` lists them."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter")
    prefix = "importlinter:contract:"
    return {section.removeprefix(prefix): parser[section]["name"] for section in parser if section.startswith(prefix)}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", program, "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(folder), "PATH": "", "HOME": str(folder), "COLUMNS": "200"},
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources alone, where they can be broken."""
    folder = tmp_path_factory.mktemp("house")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / ".importlinter", folder / ".importlinter")
    return folder


def test_every_contract_has_a_violation() -> None:
    assert set(VIOLATIONS) == set(contracts())


@pytest.mark.parametrize("contract", VIOLATIONS)
def test_a_deliberate_violation_is_seen(copy: Path, contract: str) -> None:
    name, line = VIOLATIONS[contract]
    broken = copy / name
    before = broken.read_text()
    try:
        broken.write_text(before + f"\n{line}\n")
        verdict = lint(copy)
    finally:
        broken.write_text(before)
    assert verdict.returncode == 1, verdict.stdout + verdict.stderr
    assert f"{contracts()[contract]} BROKEN" in verdict.stdout


def test_the_house_as_it_stands_keeps_them_all(copy: Path) -> None:
    verdict = lint(copy)
    assert verdict.returncode == 0, verdict.stdout
