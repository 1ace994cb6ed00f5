"""The reference pages name every key, column, word and code that there is, and their examples load."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pytest

from dermscore import assets, policy
from dermscore.assets_schema import AssetEntry, AssetsFile, SiteEntry
from dermscore.files.yamlfile import load
from dermscore.policy import Action, Role
from dermscore.policy.files import cases
from dermscore.policy.files.cases_schema import AccessCase, CasesFile, EventEntry, LimitsCase, ProgramsCase, Standing
from dermscore.policy.files.schema import (
    AccessFile,
    DispatchFile,
    LimitEntry,
    PrincipalEntry,
    ProgramEntry,
    ReboundEntry,
    RuleEntry,
    WindowEntry,
)
from dermscore.sheets.points import (
    COMMAND_STATE_CODES,
    MEANINGS,
    Control,
    Mode,
    OnIsolate,
    OnMasterLoss,
    PointKind,
    Unit,
)
from dermscore.sheets.reading import COMMAND_COLUMNS, POINT_COLUMNS

PAGES: Final = Path(__file__).parents[2] / "docs" / "reference"


def page(name: str) -> str:
    return (PAGES / name).read_text()


def examples(name: str) -> list[str]:
    return re.findall(r"^```yaml\n(.*?)^```", page(name), re.MULTILINE | re.DOTALL)


def keys(*models: type) -> list[str]:
    return [key for model in models for key in model.model_fields]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("assets-yaml.md", keys(AssetsFile, SiteEntry, AssetEntry)),
        ("points-csv.md", [*POINT_COLUMNS, *PointKind, *Unit, *MEANINGS]),
        ("commands-csv.md", [*COMMAND_COLUMNS, *Mode, *Control, *OnMasterLoss, *OnIsolate]),
        (
            "policy-yaml.md",
            [
                *keys(AccessFile, PrincipalEntry, RuleEntry, DispatchFile, ProgramEntry, LimitEntry, ReboundEntry),
                *keys(WindowEntry),
                *Role,
                *Action,
            ],
        ),
        (
            "../howto/write-a-policy.md",
            keys(CasesFile, AccessCase, LimitsCase, ProgramsCase, EventEntry, Standing),
        ),
    ],
)
def test_a_page_names_everything(name: str, words: Iterable[str]) -> None:
    text = page(name)
    missing = [word for word in words if f"`{word}`" not in text and f"{word}:" not in text]
    assert missing == []


def test_the_codes_of_a_command_state_are_those_of_the_code() -> None:
    text = " ".join(page("points-csv.md").split())
    for state, code in COMMAND_STATE_CODES.items():
        assert f" {code} {state}" in text


def test_the_examples_load() -> None:
    (fleet,) = examples("assets-yaml.md")
    assert assets.load(load(fleet, "assets.yaml")).assets
    access, dispatch = examples("policy-yaml.md")
    assert policy.load(load(access, "access.yaml"), load(dispatch, "dispatch.yaml")).grants
    (shown,) = examples("../howto/write-a-policy.md")
    headend = policy.load_folder(PAGES.parents[1] / "policies" / "headend")
    assert list(cases.failures(headend, cases.read(load(shown, "cases.yaml")))) == []
