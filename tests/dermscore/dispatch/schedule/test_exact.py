"""The linear programme's plan: physically right, proved or told how far from it, never worse than the myopic."""

from __future__ import annotations

import builtins
from typing import Any

import highspy
import numpy as np
import pytest

from dermscore.dispatch.limits import Limit
from dermscore.dispatch.schedule import exact
from tests.dermscore.dispatch.schedule.plans import MW, batteries, device, megawatts, planned, refusal


def test_paid_to_take_power_a_full_battery_still_cannot_burn_it() -> None:
    """A linear programme would charge and discharge at once; the plan does not, and says what that might have cost."""
    full = batteries(soc_wh=[2 * MW], end_soc_wh=[0.0])
    result = planned(full, prices=[-100])
    assert result.power_w == pytest.approx(np.zeros((1, 1)), abs=1.0)
    assert result.bound is not None
    assert result.bound < result.cost == pytest.approx(0, abs=1e-3)


def test_where_the_myopic_plan_is_refused_the_exact_one_stands_alone() -> None:
    """Paid to take power, and a limit that only the battery keeps."""
    limits = [Limit("F0", "x", import_limit_w=0.0)]
    full = batteries(soc_wh=[2 * MW], end_soc_wh=[0.0])
    asked: dict[str, Any] = {"prices": [-100, -100], "limits": limits, "other_w": {"F0": [-0.1 * MW, 0.0]}}
    assert "only method='exact' can plan this" in refusal(full, method="myopic", **asked)
    assert planned(full, **asked).net_w[0] >= -1


def test_burning_may_be_left_to_those_that_prevail_in_giving() -> None:
    """With a wish to export in an interval, what burned beside it may no longer charge."""
    result = planned(batteries(soc_wh=[2 * MW]), target_w=[0.2 * MW, -MW, -MW])
    assert result.bound is not None
    assert result.bound < result.deviation_mwh
    given_w, soc_wh = device(batteries(soc_wh=[2 * MW]), result.power_w, 3600)
    assert given_w == pytest.approx(result.power_w, abs=1)
    assert soc_wh == pytest.approx(result.soc_wh, abs=1)


def test_of_those_that_deviate_least_the_cheapest() -> None:
    """The target asks nothing of the first two intervals, but the charge must be there in the third."""
    fleet = batteries(soc_wh=[0.0], end_soc_wh=[0.0])
    either = planned(fleet, target_w=[-0.5 * MW, -0.5 * MW, MW], prices=[10, 50, 10])
    assert either.shortfall_w == pytest.approx([0, 0, 0.19 * MW], abs=1)
    assert planned(batteries(2), target_w=[MW, 0.0]).bound == pytest.approx(2 / 0.81 * 0.5 * 0.81)
    lazy = planned(batteries(2, efficiency=[0.7, 1.0]), target_w=[MW / 2, -MW / 2])
    assert lazy.power_w == pytest.approx(np.array([[0, MW / 2], [0, -MW / 2]]), abs=1)


def test_a_limit_that_only_burning_would_keep_is_refused() -> None:
    full = batteries(soc_wh=[2 * MW], end_soc_wh=[0.0])
    limits = [Limit("F0", "x", export_limit_w=0.0)]
    assert refusal(full, prices=[1], limits=limits, other_w={"F0": [0.1 * MW]}) == (
        "no plan was found that keeps every limit without a battery charging and discharging at once"
    )


def test_the_exact_plan_uses_batteries_to_keep_a_limit() -> None:
    limits = [Limit("F0", "x", export_limit_w=0.0)]
    result = planned(batteries(), prices=[50, 50], limits=limits, other_w={"F0": [0.5 * MW, -0.5 * MW]})
    assert result.net_w[0] == pytest.approx(0, abs=1)


def test_without_the_solver_the_exact_plan_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("highspy"):
            raise ModuleNotFoundError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    assert "pip install 'derms[opt]'" in refusal(batteries(), prices=[20, 100])
    assert planned(batteries(), prices=[20, 100], method="myopic").cost < 0


def test_whoever_used_the_solver_before_changes_no_plan() -> None:
    """HiGHS has one pool of threads for a process, and refuses to run where another number of them is asked for."""
    for threads in (1, 2):
        highspy.Highs.resetGlobalScheduler(True)
        theirs = highspy.Highs()
        theirs.setOptionValue("output_flag", False)
        theirs.setOptionValue("threads", threads)
        theirs.addVar(0, 1)
        theirs.run()
        assert megawatts(planned(batteries(), prices=[20, 100])) == pytest.approx([-1, 0.81])
    highspy.Highs.resetGlobalScheduler(True)


def test_a_solver_that_fails_is_not_taken_for_a_contradiction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(exact._OPTIONS, "time_limit", 0.0)
    with pytest.raises(RuntimeError, match="neither a plan nor that there is none: kTimeLimit"):
        planned(batteries(20), prices=[float(price % 7) for price in range(40)])


def test_the_solver_is_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    planned(batteries(), target_w=[1.0], prices=[1.0])
    assert capfd.readouterr() == ("", "")
