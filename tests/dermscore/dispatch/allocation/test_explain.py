"""The example of docs/reference/allocation.md says what it says it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from dermscore.dispatch import explain
from dermscore.dispatch.allocation.rules import RULES
from dermscore.dispatch.limits import BoundSource

PAGE = (Path(__file__).parents[4] / "docs" / "reference" / "allocation.md").read_text()


def test_the_example_of_the_page_runs_and_gives_what_stands_beside_it() -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(example, names)  # our own page
    result = names["result"]
    assert result.setpoint_w.tolist() == [20_000, 40_000, 20_000]
    assert str([(cause.w, cause.detail) for cause in result.causes]) in example
    said = " ".join(example.replace("# ", "").split())
    assert explain(result, "b") in said


def test_the_page_names_every_rule_and_every_source() -> None:
    unnamed = {BoundSource.NO_SHARE, BoundSource.NO_ASSETS}
    assert [rule for rule in RULES if f"`{rule}`" not in PAGE] == []
    assert [source for source in set(BoundSource) - unnamed if source.split(" by ")[0] not in PAGE] == []
