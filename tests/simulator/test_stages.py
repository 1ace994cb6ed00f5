"""What a stage must not take for a proof."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.plant import Plant
from simulator.report import Report
from simulator.stages import NotProved, verified


async def test_a_trail_in_which_nothing_crossed_proves_nothing(tmp_path: Path) -> None:
    plant = Plant.prepare(tmp_path / "demo", None)
    await plant.set_up()
    report = Report()
    with pytest.raises(NotProved, match="not one is of a crossing"):
        await verified(plant, report)
    assert report.verify == "verified"
