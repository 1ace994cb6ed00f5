"""What `import dermscore` costs, and what it gives."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Final

import pytest

import dermscore

ROOT: Final = Path(__file__).parents[2]
# What may be imported by whoever runs on the standard library alone: an agent, a gateway that reads its sheets.
LIGHT: Final = (
    "dermscore",
    "dermscore.aggregate",
    "dermscore.assets",
    "dermscore.files.csvfile",
    "dermscore.dispatch",
    "dermscore.files.document",
    "dermscore.errors",
    "dermscore.guard",
    "dermscore.intent",
    "dermscore.model",
    "dermscore.sheets.points",
    "dermscore.policy",
    "dermscore.quality",
    "dermscore.sheets.reading",
    "dermscore.files.textfile",
    "dermscore.files.yamlfile",
)
_FOREIGN: Final = """
import sys
before = set(sys.modules)
import importlib
importlib.import_module(sys.argv[1])
after = {name.partition(".")[0] for name in set(sys.modules) - before}
print(",".join(sorted(after - set(sys.stdlib_module_names) - {"dermscore"})))
"""


@pytest.mark.parametrize("module", LIGHT)
def test_importing_loads_no_third_party_package(module: str) -> None:
    said = subprocess.run(
        [sys.executable, "-c", _FOREIGN, module], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == ""


def test_reading_sheets_needs_no_third_party_package() -> None:
    code = """
import sys
from pathlib import Path
from dermscore.sheets.reading import read_points
assert read_points(Path("policies/gateway/points.csv").read_text(), "points.csv")
assert not {"pydantic", "yaml", "numpy", "click"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_no_two_parts_need_each_other() -> None:
    """A part is a module, or a package with all in it. Imports in functions count: they only put a circle off."""
    needs: dict[str, set[str]] = {}
    for file in (ROOT / "dermscore").rglob("*.py"):
        part = file.relative_to(ROOT / "dermscore").with_suffix("").parts[0]
        needs.setdefault(part, set()).update(_needed(file.read_text()) - {part})
    TopologicalSorter(needs).prepare()  # CycleError names the circle
    assert {"dispatch", "policy"} <= needs["decision"]


def _needed(code: str) -> set[str]:
    found = (node.module for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ImportFrom))
    return {module.split(".")[1] for module in found if module is not None and module.startswith("dermscore.")}


def test_every_name_is_given_when_it_is_first_used() -> None:
    for name in dermscore.__all__:
        assert getattr(dermscore, name) is not None
    assert set(dermscore.__all__) <= set(dir(dermscore))
    assert dermscore.load_fleet(ROOT / "assets.yaml").under("feeder/F12")
    assert dermscore.load_policy(ROOT / "policies" / "headend").programs


def test_a_name_that_there_is_not_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'dermscore' has no attribute 'nothing'"):
        _ = dermscore.nothing


def test_a_name_that_is_nearly_one_is_told() -> None:
    with pytest.raises(AttributeError, match="did you mean 'allocate'"):
        _ = dermscore.alocate


def test_folders_and_files_may_be_named_by_text() -> None:
    assert dermscore.load_fleet(str(ROOT / "assets.yaml")).assets
    assert dermscore.load_policy(str(ROOT / "policies" / "headend")).programs


def test_no_name_is_also_a_module() -> None:
    """Whoever had imported the module first would find it in the place of the name."""
    parts = {part.stem for part in (ROOT / "dermscore").iterdir()}
    assert parts & set(dermscore.__all__) == set()


def test_the_lists_of_names_agree() -> None:
    assert set(dermscore._PLACES) == set(dermscore.__all__)
