"""The table of kinds is the page's."""

from __future__ import annotations

import re
from pathlib import Path

from audit.format import kinds

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "audit-format.md").read_text(encoding="utf-8")


def rows(title: str) -> dict[str, str]:
    part = PAGE.split(f"### {title}\n")[1].split("\n#")[0]
    return dict(re.findall(r"^\| `([a-z.]+)` \| (.*) \|$", part, re.MULTILINE))


def test_the_logs_own_kinds_are_those_of_the_page() -> None:
    assert set(rows("The log's own kinds")) == kinds.LOG_KINDS


def test_the_common_kinds_are_those_of_the_page() -> None:
    on_page = rows("Kinds with a name of their own")
    assert set(on_page) == set(kinds.COMMON)
    for kind, meaning in kinds.COMMON.items():
        assert on_page[kind].startswith(meaning.says)
        for word in (*meaning.decisions, *(f"digests.{name}" for name in meaning.digests), *meaning.columns):
            assert f"`{word}`" in on_page[kind]
