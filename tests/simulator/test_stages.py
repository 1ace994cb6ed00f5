"""What a stage must not take for a proof."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator import stages
from simulator.plant import Plant
from simulator.processes import command
from simulator.report import Report
from simulator.stages import NotProved, evidenced, verified, witnessed


async def test_a_trail_in_which_nothing_crossed_proves_nothing(tmp_path: Path) -> None:
    plant = Plant.prepare(tmp_path / "demo", None)
    await plant.set_up()
    report = Report()
    with pytest.raises(NotProved, match="not one is of a crossing"):
        await verified(plant, report)
    assert report.verify == "verified"
    assert report.witness == {"cosigned": 0, "not_cosigned": 0}
    with pytest.raises(NotProved, match="no evidence was made"):
        await evidenced(plant, report)
    assert report.evidence == {"file": str(plant.folder / "evidence.zip"), "verdict": "failed"}


async def test_the_witness_cosigns_what_there_is_or_the_stage_says_how_far_it_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant = Plant.prepare(tmp_path / "demo", None)
    await plant.set_up()
    await command(["gateway", "check", str(plant.folder / "gateway")], tmp_path / "log")
    for child in (plant.witness, plant.gateway):
        await child.start()
    try:
        assert "derms audit verify proves it" in await witnessed(plant, Report())
        await plant.witness.kill()
        (plant.trail / "cosigned").unlink()
        monkeypatch.setattr(stages, "PATIENCE_S", 0.0)
        with pytest.raises(NotProved, match=r"0 of [0-9]+ records are cosigned"):
            await witnessed(plant, Report())
    finally:
        await plant.stop()
