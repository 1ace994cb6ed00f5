"""The evening that docs/explanation/who-wins.md tells: its tables are lived through."""

from __future__ import annotations

from pathlib import Path

from dermscore.dispatch import Mode, Value, arbitrate
from dermscore.model import Now
from tests.dermscore.dispatch.arbitration.programs import MINUTE, NODE, event, program, state_of

PAGE = Path(__file__).parents[4] / "docs" / "explanation" / "who-wins.md"


def tables() -> list[list[dict[str, str]]]:
    """The tables of the evening, each row by column name."""
    evening = PAGE.read_text("utf-8").partition("## One evening")[2].partition("## States")[0]
    found = []
    for block in evening.split("\n\n"):
        if block.strip().startswith("|"):
            head, _, *rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in block.strip().splitlines()]
            found.append([dict(zip(head, row, strict=True)) for row in rows])
    return found


def said(text: str) -> dict[str, Value]:
    pairs = (pair.split("=") for pair in text.split(", "))
    return {mode: float(value) if mode == "MaxLimW" else value for mode, value in pairs}


def test_the_evening_that_the_page_tells() -> None:
    programs, events, course = tables()
    named = {row["program"]: program(int(row["primacy"]), MaxLimW=float(row["default MaxLimW"])) for row in programs}
    log = {
        row["event"]: event(
            row["event"],
            row["program"],
            float(row["from"]),
            float(row["to"]),
            issued=float(row["known at"]),
            **said(row["says"]),
        )
        for row in events
    }
    for row in course:
        controls = arbitrate(named, log.values(), Now(int(row["minute"]) * MINUTE, 0))
        control = controls.in_force[NODE, Mode.MAX_LIM_W]
        assert f"{control.value:g}" == row["MaxLimW"], row
        until = "not known" if control.until_ms is None else f"{control.until_ms // MINUTE}"
        assert (control.source, until) == (row["stands"], row["until"]), row
        assert (state_of(controls, log["A"]), state_of(controls, log["C"])) == (row["A"], row["C"]), row
