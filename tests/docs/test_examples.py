"""The library's pages do what they say, with `import dermscore` and nothing else of this product."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

import dermscore
from tests.docs.pages import PAGES, ROOT, Example, examples, printed, rewritten

LINK = re.compile(r"\]\((?!https?:)([^)#]+)(#[^)]*)?\)")
FROM_OUTSIDE = {"dermscore", "numpy"}


@pytest.mark.parametrize("page", PAGES)
def test_every_example_prints_what_the_page_shows(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    ran = list(printed(page, text))
    assert ran, f"{page} has no example"
    for example, said in ran:
        assert said == example.shown, f"{page}:{example.line}"


@pytest.mark.parametrize("page", PAGES)
def test_no_example_reaches_past_the_package(page: str) -> None:
    for example in examples((ROOT / page).read_text("utf-8")):
        for module, names in imports(example.code):
            assert module in FROM_OUTSIDE | sys.stdlib_module_names, f"{page}:{example.line} imports {module}"
            if module == "dermscore":
                assert set(names) <= set(dermscore.__all__), f"{page}:{example.line}"


@pytest.mark.parametrize("page", [*PAGES, "docs/reference/dermscore.md"])
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    here = ROOT / page
    gone = [to for to, _ in LINK.findall(here.read_text("utf-8")) if not (here.parent / to).exists()]
    assert gone == []


def test_a_page_that_tells_something_else_is_found_out() -> None:
    text = "```python\nx = 1\n```\n\nThen:\n\n```python\nprint(x + 1)\n```\n\n```text\n3\n```\n"
    (_, quiet), (example, said) = printed("page", text)
    assert (quiet, said, example) == ("", "2\n", Example(7, "print(x + 1)\n", "3\n"))
    assert examples(rewritten("page", text))[1].shown == "2\n"


def test_an_example_that_fails_names_the_line_of_its_page() -> None:
    with pytest.raises(ZeroDivisionError) as failed:
        list(printed("page.md", "A page.\n\n```python\nx = 1\nx / 0\n```\n"))
    last = failed.traceback[-1]
    assert (Path(last.path).name, last.lineno + 1) == ("page.md", 5)


def imports(code: str) -> list[tuple[str, list[str]]]:
    """The modules that some code imports, and the names that it takes from each."""
    found: list[tuple[str, list[str]]] = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found += [(alias.name, []) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.module or "", [alias.name for alias in node.names]))
    return found
