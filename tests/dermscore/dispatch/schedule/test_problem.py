"""What cannot be planned is refused, with the reason."""

from __future__ import annotations

from typing import Any

import pytest

from dermscore.dispatch.limits import Limit
from dermscore.dispatch.schedule import Prices
from tests.dermscore.dispatch.schedule.plans import MW, batteries, refusal


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({}, "there is nothing to plan for: give prices, target_w or both"),
        ({"prices": [1, 2], "step_s": 0}, "step_s must be a number of seconds above 0"),
        ({"prices": [1, 2], "step_s": float("nan")}, "step_s must be a number of seconds above 0"),
        ({"prices": [1, 2], "step_s": "5"}, "step_s must be a number of seconds above 0"),
        ({"prices": ["1", "2"]}, "import_per_mwh must be a curve with one number for each interval"),
        ({"prices": [1, None]}, "import_per_mwh must be a curve with one number for each interval"),
        ({"prices": []}, "import_per_mwh must be a curve with one number for each interval"),
        ({"prices": 3.0}, "import_per_mwh must be a curve with one number for each interval"),
        ({"prices": [1, float("nan")]}, "import_per_mwh has something that is not a number in interval 1"),
        ({"prices": [1, 2], "target_w": [1]}, "target_w has 1 intervals, and import_per_mwh has 2"),
        (
            {"prices": [1], "other_w": {"F": [float("inf")]}},
            "other_w['F'] has something that is not a number in interval 0",
        ),
        (
            {"prices": Prices([1, 1], [1, 2])},
            "in interval 1 export earns more than import costs: both at once would pay without end",
        ),
        ({"prices": [1], "method": "best"}, "there is no method 'best'; there are: exact, myopic"),
        (
            {"prices": [1], "limits": [Limit("", "limits[0]", generation_limit_w=1)]},
            "limits[0]: a plan keeps export and import limits; it cannot keep generation_limit_w",
        ),
    ],
)
def test_what_is_asked_is_checked(asked: Any, reason: str) -> None:
    assert refusal(batteries(), **asked) == reason


def test_what_contradicts_itself_is_refused() -> None:
    surplus: dict[str, Any] = {"limits": [Limit("F0", "x", export_limit_w=0.0)], "other_w": {"F0": [5 * MW]}}
    for more in ({"prices": [1]}, {"target_w": [0]}):
        assert "no plan keeps every limit" in refusal(batteries(), **surplus, **more)
    assert refusal(batteries(), **surplus, prices=[1], method="myopic") == (
        "without batteries the limits at F0 do not hold; only method='exact' can plan this"
    )
    assert "at the whole do not hold" in refusal(
        batteries(), limits=[Limit("", "x", import_limit_w=0.0)], other_w={"F0": [-1.0]}, prices=[1], method="myopic"
    )
