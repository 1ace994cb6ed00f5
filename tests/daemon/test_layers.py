"""Who may import whom: `wire` and `daemon` know `dermscore` and nothing else of ours, and not each other."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = {"dermscore", "wire", "daemon", "audit", "headend", "agent", "gateway", "iccp_bridge", "simulator"}
THIRD_PARTY = {
    "wire": {"grpc", "google", "cryptography", "click", "grpc_tools"},
    "daemon": {"click", "pydantic", "pydantic_core", "structlog"},
}


def imported(file: Path) -> set[str]:
    tree = ast.parse(file.read_text())
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("package", ["wire", "daemon"])
def test_the_shared_rooms_know_dermscore_only(package: str) -> None:
    files = [file for file in (ROOT / package).rglob("*.py") if not file.stem.endswith(("_pb2", "_pb2_grpc"))]
    assert files
    for file in files:
        found = imported(file)
        assert found & OURS <= {package, "dermscore"}, file
        strangers = found - OURS - THIRD_PARTY[package] - _standard_library()
        assert not strangers, file


def _standard_library() -> set[str]:
    import sys

    return set(sys.stdlib_module_names)


def test_the_check_would_see_a_violation(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("def late():\n    from headend.fleet import Fleet\n    import numpy.linalg\n")
    assert imported(bad) == {"headend", "numpy"}


@pytest.mark.parametrize("module", ["daemon.config", "daemon.run", "daemon.clock", "daemon.version", "daemon.cli"])
def test_what_every_process_loads_is_light(module: str) -> None:
    import subprocess
    import sys

    code = f"import sys, {module}; print(sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    for heavy in ("grpc", "numpy", "pydantic", "yaml", "cryptography", "structlog"):
        assert f"'{heavy}'" not in done.stdout
