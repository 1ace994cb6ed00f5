"""The greedy plan's promises, and where it says that it cannot."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dermscore.dispatch.limits import Limit
from dermscore.dispatch.schedule import Batteries, Plan, Prices, plan
from tests.dermscore.dispatch.schedule.plans import (
    MANY,
    METHODS,
    MW,
    batteries,
    curves,
    fleets,
    nested,
    planned,
    random_fleet,
    random_target,
    refusal,
)


def test_the_myopic_plan_says_where_it_falls_short() -> None:
    end = batteries(end_soc_wh=[2 * MW])
    assert refusal(end, prices=[1], method="myopic") == (
        "the myopic plan cannot bring b0 to what it must hold at the end"
    )
    limits = [Limit("F0", "x", import_limit_w=0.5 * MW)]
    must = batteries(end_soc_wh=[1.9 * MW])
    assert "cannot bring b0" in refusal(must, target_w=[0.0], limits=limits, method="myopic")


@MANY
@given(fleets(), curves(-5 * MW, 5 * MW), nested(), st.booleans())
def test_the_myopic_plan_is_never_worse_than_rest(
    fleet: Batteries, curve: list[float], limits: list[Limit], along_target: bool
) -> None:
    """Every trade pays, so none has to be undone: not against prices, and not along a target."""
    other_w = {"F0": [MW * (at % 3 - 1) for at in range(5)]}
    at_rest = np.array(other_w["F0"])
    if along_target:
        followed = plan(fleet, step_s=900, target_w=curve, limits=limits, other_w=other_w, method="myopic")
        assume(isinstance(followed, Plan))
        assert followed.deviation_mwh <= np.abs(np.array(curve) - at_rest).sum() / 4e6 + 1e-6
    else:
        prices = Prices(np.array(curve) / 1e5 + 5, np.array(curve) / 1e5 - 5)
        traded = plan(fleet, step_s=900, prices=prices, limits=limits, other_w=other_w, method="myopic")
        assume(isinstance(traded, Plan))
        assert traded.cost <= traded.problem.cost(np.zeros_like(traded.power_w)) + 1e-6


@MANY
@given(fleets(), curves(0, 5 * MW))
def test_where_nothing_is_recharged_no_plan_serves_longer_than_the_myopic(
    fleet: Batteries, target_w: list[float]
) -> None:
    spent = replace(fleet, end_soc_wh=fleet.min_soc_wh, min_w=np.zeros(len(fleet.ids)))
    exact, myopic = (planned(spent, step_s=900, target_w=target_w, method=method) for method in METHODS)
    assert myopic.deviation_mwh == pytest.approx(exact.bound, abs=1e-5)


def test_along_a_target_the_myopic_plan_misses_little_more_than_the_exact_one() -> None:
    """Of the energy asked for, over waves and noise, with and without limits: by what is missed beyond the least."""
    gaps = []
    for seed in range(24):
        generator = np.random.default_rng(seed)
        fleet, target_w = random_fleet(30, generator), random_target(seed, generator)
        limits = [Limit("", "all", export_limit_w=20 * MW, import_limit_w=15 * MW), Limit("F0", "x", 8 * MW, 9 * MW)]
        asked: dict[str, Any] = {"step_s": 300, "target_w": target_w, "limits": limits[: seed % 3]}
        exact, myopic = (planned(fleet, **asked, method=method) for method in METHODS)
        gaps.append((myopic.deviation_mwh - exact.deviation_mwh) / (np.abs(target_w).sum() / 12e6))
    assert max(gaps) < 0.02
    assert sum(gaps) / len(gaps) < 0.006
