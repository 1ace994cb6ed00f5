"""What a plan says of itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from dermscore.dispatch.limits import Limit
from dermscore.dispatch.schedule import Bind
from tests.dermscore.dispatch.schedule.plans import COLUMNS, METHODS, MW, batteries, planned


def test_binding_names_ratings_and_charges_with_what_they_are_worth() -> None:
    full = planned(batteries(max_soc_wh=[1.45 * MW]), prices=[20, 100]).binding(0)
    assert [(each.what, each.name, each.bound) for each in full] == [(Bind.FULL, "b0", 1.45 * MW)]
    assert full[0].value_per_mwh == pytest.approx(100 * 0.9 - 20 / 0.9)
    rated = planned(batteries(), prices=[20, 100]).binding(0)
    assert [(each.what, each.bound) for each in rated] == [(Bind.RATING, -MW)]
    assert rated[0].value_per_mwh == pytest.approx(100 * 0.81 - 20)
    empty = planned(batteries(), prices=[100, 20], step_s=7200).binding(0)
    assert [each.what for each in empty] == [Bind.EMPTY]
    assert [each.what for each in planned(batteries(), prices=[20, 100], method="myopic").binding(1)] == [Bind.EMPTY]
    myopic = planned(batteries(), prices=[20, 100], method="myopic").binding(0)
    assert [(each.what, each.value_per_mwh) for each in myopic] == [(Bind.RATING, None)]
    imports = [Limit("F0", "feeder", import_limit_w=0.5 * MW)]
    limited = planned(batteries(), prices=[20, 100], limits=imports).binding(0)
    assert [(each.what, each.name, each.bound) for each in limited] == [(Bind.IMPORT, "F0", -0.5 * MW)]
    with pytest.raises(IndexError, match="there is no interval 2; the plan has 2"):
        planned(batteries(), prices=[20, 100]).binding(2)


def test_the_reference_names_every_column_and_figure() -> None:
    page = (Path(__file__).parents[4] / "docs" / "reference" / "schedule.md").read_text()
    inside = {"ids", "method", "step_s", "power_w", "soc_wh", "net_w", "cost", "bound", "excluded", "target_w"}
    for name in (*COLUMNS, *inside, "shortfall_w", "deviation_mwh", "binding(", "value_per_mwh", *METHODS):
        assert f"`{name}" in page, name
