"""Pages whose examples are run: each ```python block in its order, and the ```text block after it is what it prints.

    .venv/bin/python -m tests.docs.pages        runs every page again and writes down what its examples print now

A page is a notebook: one namespace, one folder that is empty when it begins. What a reader is told to type is all that
there is, so nothing here sets anything up.
"""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Iterator
from contextlib import chdir, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = (
    "README.md",
    "docs/tutorial/dispatch-in-a-notebook.md",
    "docs/howto/curtail-a-feeder.md",
    "docs/howto/serve-a-regulation-signal.md",
    "docs/howto/plan-a-day.md",
    "docs/explanation/how-a-dispatch-is-decided.md",
)
_EXAMPLE: Final = re.compile(r"^```python\n(?P<code>.*?)^```\n(?:\n```text\n(?P<shown>.*?)^```\n)?", re.M | re.S)


@dataclass(frozen=True)
class Example:
    """One block of a page: the line of the page at which its code begins, the code, and what it is said to print."""

    line: int
    code: str
    shown: str


def examples(text: str) -> list[Example]:
    """The examples of a page, in order."""
    found = _EXAMPLE.finditer(text)
    return [Example(text.count("\n", 0, each.start("code")), each["code"], each["shown"] or "") for each in found]


def printed(page: str, text: str) -> Iterator[tuple[Example, str]]:
    """Run a page from its first example to its last, in an empty folder, and give what each prints."""
    names: dict[str, Any] = {"__name__": "__main__"}
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        for example in examples(text):
            code = compile("\n" * example.line + example.code, page, "exec")  # a traceback names the page's own line
            said = io.StringIO()
            with redirect_stdout(said):
                exec(code, names)  # our own page
            yield example, said.getvalue()


def rewritten(page: str, text: str) -> str:
    """The page with what its examples print now."""
    said = iter([said for _, said in printed(page, text)])

    def again(block: re.Match[str]) -> str:
        now = next(said)
        return f"```python\n{block['code']}```\n" + (f"\n```text\n{now}```\n" if now else "")

    return _EXAMPLE.sub(again, text)


if __name__ == "__main__":
    for name in PAGES:
        path = ROOT / name
        path.write_text(rewritten(name, path.read_text("utf-8")), "utf-8")
